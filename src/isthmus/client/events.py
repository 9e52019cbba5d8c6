"""What hooks are told: plain facts about waits, attempts and calls; nothing is built while nobody listens.

Structs, because two of them are made for every call that is listened to.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar

import msgspec

from isthmus.client.errors import ClientError
from isthmus.client.judge import Failure
from isthmus.client.message import Request, Response


class Waited(msgspec.Struct, frozen=True):
    """A call waited, or is about to, for `seconds`; cause: rate_limit or retry."""

    request: Request
    seconds: float
    cause: str
    route: str | None


class Waiting(msgspec.Struct, frozen=True):
    """A call begins to wait for our own limit; `seconds` is the first estimate, `Waited` follows with the truth."""

    request: Request
    seconds: float
    cause: str
    route: str | None


class AttemptEnded(msgspec.Struct, frozen=True):
    """One request of a call: its response with the verdict, or its error, or neither if it was cancelled."""

    request: Request
    attempt: int
    seconds: float
    response: Response | None
    failure: Failure | None
    error: ClientError | None
    route: str | None


class CallEnded(msgspec.Struct, frozen=True):
    """A call is over."""

    request: Request
    seconds: float
    waited: float
    attempts: int
    response: Response | None
    error: ClientError | None
    route: str | None


class CacheDecided(msgspec.Struct, frozen=True):
    """What the cache did: hit, stale, miss, revalidated, stored or bypass."""

    request: Request
    decision: str
    route: str | None


#: Called synchronously with each event; must be quick and must not raise.
Hook = Callable[[object], None]

#: Who, besides the client's own hooks, hears of the calls made in this context: a client may be shared by several.
listener: ContextVar[Hook | None] = ContextVar("listener", default=None)


def tell_listener(event: object) -> None:
    """A hook for shared clients: hands each event to the `listener` of the calling context."""
    found = listener.get()
    if found is not None:
        found(event)
