"""One call while it is under way, and what a caller may say about it."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Mapping
from contextvars import ContextVar
from typing import TypedDict

from isthmus.client.auth.tokens import Tokens
from isthmus.client.body import Part
from isthmus.client.errors import ClientError
from isthmus.client.message import Request, Response
from isthmus.client.transport.port import Exchange, Flight
from isthmus.client.url import Query, Scalar

#: Set to a reason while outbound calls must not be made, such as an open database transaction.
calls_forbidden: ContextVar[str | None] = ContextVar("calls_forbidden", default=None)


def forbid() -> None:
    """Raise RuntimeError while outbound calls must not be made."""
    reason = calls_forbidden.get()
    if reason is not None:
        raise RuntimeError(f"no outbound calls here: {reason}")


class CallOptions(TypedDict, total=False):
    """What one call may say.

    query: parameters. json, form, multipart, content: the body, at most one of them; content is bytes, text or an
    async iterable of bytes. headers: added to the client's. deadline: total seconds, attempts and waits included.
    idempotency_key: sent in the client's idempotency header, which makes a POST safe to send again. idempotent:
    overrides what the method says about that. weight: how many permits the call takes. route: the name of the
    endpoint for breaker, limits and metrics. share: whose turn it is in a queue shared by several. tags: names by
    which a cached reply can be invalidated. max_body: bytes, instead of the client's.
    """

    query: Query | None
    json: object
    form: Query | None
    multipart: Mapping[str, Scalar | bytes | Part] | None
    content: bytes | str | AsyncIterable[bytes] | None
    headers: Mapping[str, str] | None
    deadline: float | None
    idempotency_key: str | None
    idempotent: bool | None
    weight: int
    route: str | None
    share: str
    tags: Iterable[str]
    max_body: int


class Call:
    """The state of a call from its first attempt to its end."""

    __slots__ = (
        "attempts",
        "deadline_at",
        "exchange",
        "flight",
        "idempotent",
        "last",
        "max_body",
        "reclocked",
        "replayable",
        "replayed",
        "request",
        "route",
        "share",
        "stale",
        "started",
        "streaming",
        "tags",
        "tokens",
        "waited",
        "weight",
    )

    def __init__(self, request: Request, started: float, deadline_at: float) -> None:
        self.request = request
        self.started = started
        self.deadline_at = deadline_at
        self.idempotent = False
        self.weight = 1
        self.share = ""
        self.route: str | None = None
        self.tags: tuple[str, ...] = ()
        self.max_body = 0
        self.attempts = 0
        self.waited = 0.0
        #: The body can be sent again, which a stream cannot.
        self.replayable = True
        #: Signed anew by the far side's clock once.
        self.reclocked = False
        #: The one replay after a forced refresh has been used.
        self.replayed = False
        #: The tokens of the latest attempt.
        self.tokens: Tokens | None = None
        #: The body is left to the caller once the head is judged good; the open exchange is put here.
        self.streaming = False
        self.exchange: Exchange | None = None
        #: What the latest attempt came to, if it failed.
        self.last: ClientError | None = None
        #: A cached reply that may stand in if the far side fails.
        self.stale: Response | None = None
        self.flight = Flight()
