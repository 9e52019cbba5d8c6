"""What answers in front of all routes: it is given the whole request as bytes and gives the whole answer as bytes.

Host names, sizes, times, doubled headers and the one shape of failures are the edge's business there too.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """A whole request. `path` is what follows the front's prefix; the headers' names are in small letters."""

    method: str
    path: str
    query: bytes
    headers: Mapping[str, str]
    body: bytes
    address: str
    request_id: str
    #: So much of this address was refused of late that nothing should be spent on what is not known already.
    strained: bool = False


class Departure(msgspec.Struct, frozen=True, kw_only=True):
    """The whole answer; what was `refused` counts against its address."""

    status: int = 200
    body: bytes = b""
    content_type: str = ""
    refused: bool = False


#: What became of a request that was begun.
Outcome = Departure | Exception


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """Who answers, how large a body may be, and what logs show instead of the path."""

    answer: Callable[[Arrival], Awaitable[Departure]]
    body_cap: int
    shown: str
    #: Takes a POST request up without waiting for anything and tells its outcome, at once or later; False when it
    #: cannot, and `answer` has to be asked.
    begin: Callable[[Arrival, Callable[[Outcome], None]], bool] | None = None
    #: Done before the first request is answered.
    prepare: Callable[[], Awaitable[None]] | None = None
    #: Goes on beside the answers until the event is set.
    follow: Callable[[asyncio.Event], Coroutine[Any, Any, None]] | None = None
