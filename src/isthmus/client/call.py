"""One call while it is under way, and what a caller may say about it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from isthmus.client.auth.tokens import Tokens
from isthmus.client.errors import ClientError
from isthmus.client.message import Request, Response
from isthmus.client.transport.port import Exchange, Flight

#: Set to a reason while outbound calls must not be made, such as an open database transaction.
calls_forbidden: ContextVar[str | None] = ContextVar("calls_forbidden", default=None)
_urgent: ContextVar[bool] = ContextVar("urgent", default=False)


@contextmanager
def urgent() -> Iterator[None]:
    """Calls made in this block, and in tasks begun in it, pass others that wait and may take a limit's reserve."""
    before = _urgent.set(True)
    try:
        yield
    finally:
        _urgent.reset(before)


def forbid() -> None:
    """Raise RuntimeError while outbound calls must not be made."""
    reason = calls_forbidden.get()
    if reason is not None:
        raise RuntimeError(f"no outbound calls here: {reason}")


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
        "may_leave",
        "reclocked",
        "redirects",
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
        "urgent",
        "vouched",
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
        #: Hops that are followed; None means as many as the client follows.
        self.redirects: int | None = None
        self.attempts = 0
        self.waited = 0.0
        #: Asked, once it has waited for long, whether it is still to leave.
        self.may_leave: Callable[[], Awaitable[bool]] | None = None
        #: How long it had waited when that was asked last.
        self.vouched = 0.0
        self.urgent = _urgent.get()
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
