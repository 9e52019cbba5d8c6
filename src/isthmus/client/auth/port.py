"""The port of authentication: policies without I/O that say what to send."""

from __future__ import annotations

from collections.abc import Generator
from datetime import datetime
from typing import Protocol

from isthmus.client.message import Request, Response


class Auth(Protocol):
    """Puts credentials on requests.

    identity: whose credentials these are, without the credentials; it parts caches and rate limits. flow: yields the
    request to send; it is called anew for every attempt, so that timestamps and nonces are fresh. If it yields again
    after being sent the response, that request is sent too (at most three per attempt); when it returns, the last
    response is the answer. It does no I/O.
    """

    @property
    def identity(self) -> str: ...

    def flow(self, request: Request, now: datetime, /) -> Generator[Request, Response, None]: ...
