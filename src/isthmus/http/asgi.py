"""The ASGI names that the edge's modules share."""

from collections.abc import Awaitable, Callable, MutableMapping
from contextvars import ContextVar
from typing import Any

AsgiScope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[AsgiScope, Receive, Send], Awaitable[None]]
Header = tuple[bytes, bytes]

#: Where the edge puts what it knows of a request into the ASGI scope.
KEY = "isthmus.exchange"
#: Where the server puts the connection into the ASGI scope.
LINK = "isthmus.link"

#: The id of the request that the current task works for; log lines bear it.
REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")
