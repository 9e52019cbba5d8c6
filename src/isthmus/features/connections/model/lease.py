"""Who may refresh a pair of tokens, as a step function (security.md 3.5, OA-15, PR-06).

A fence on the row protects the row, not the token: a rotating refresh token that is sent twice may cost the grant. So
the lease outlives the hard deadline of the exchange, "sending since" is written before bytes leave, and who takes
over a lease whose holder had begun to send treats the pair as uncertain: one more try, and never a third.
`at` is the database's clock throughout.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from isthmus.features.connections.model.connection import Fact, Status, move

UNCERTAIN = "uncertain: a refresh was sent twice and both times its sender vanished before the answer was stored"


@dataclass(frozen=True, slots=True)
class Refresh:
    """The state of one connection's refresh."""

    version: int
    status: Status
    reason: str | None = None
    owner: str | None = None
    until: datetime | None = None
    sending_since: datetime | None = None
    #: How many leases of this generation were taken over with its fate unknown.
    tries: int = 0
    retry_at: datetime | None = None
    failures: int = 0

    @property
    def idle(self) -> "Refresh":
        """The same without a lease."""
        return replace(self, owner=None, until=None, sending_since=None, tries=0)


class Denial(StrEnum):
    """Why nobody gets a lease now."""

    HELD = "held"
    POSTPONED = "postponed"
    UNCERTAIN = "uncertain"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Taken:
    """The lease is taken; `uncertain` when its last holder vanished while sending."""

    state: Refresh
    uncertain: bool


@dataclass(frozen=True, slots=True)
class Denied:
    """There is no lease; the state changes only when a pair is now shown as uncertain."""

    state: Refresh
    why: Denial


def lease(state: Refresh, owner: str, at: datetime, length: timedelta) -> Taken | Denied:
    """Give the right to refresh to `owner` for `length`, or say why not."""
    if state.status in {Status.PENDING, Status.EXPIRED}:
        return Denied(state, Denial.ENDED)
    if state.until is not None and at < state.until:
        return Denied(state, Denial.HELD)
    if state.retry_at is not None and at < state.retry_at:
        return Denied(state, Denial.POSTPONED)
    uncertain = state.sending_since is not None
    if uncertain and state.tries >= 1:
        return Denied(replace(state, status=move(state.status, Fact.UNCERTAIN), reason=UNCERTAIN), Denial.UNCERTAIN)
    taken = replace(state, owner=owner, until=at + length, tries=state.tries + uncertain, retry_at=None)
    return Taken(taken, uncertain)


def sending(state: Refresh, owner: str, at: datetime) -> Refresh | None:
    """Note that bytes are about to leave; None when the lease is over."""
    if state.owner != owner or state.until is None or at >= state.until:
        return None
    return replace(state, sending_since=at)


def swapped(state: Refresh, version: int) -> Refresh | None:
    """A new pair came for generation `version`; None when another was stored meanwhile.

    The owner does not matter here: a late answer of a holder that was paused is worth more than its successor's
    refusal, and the successor finds the new generation when it comes to write.
    """
    if state.version != version:
        return None
    return granted(state)


def refused(state: Refresh, owner: str, version: int, reason: str) -> Refresh | None:
    """The platform's verdict on generation `version`; None when it does not concern the present state any more."""
    if state.owner != owner or state.version != version:
        return None
    return replace(state.idle, status=move(state.status, Fact.REFUSED), reason=reason[:500])


def postponed(state: Refresh, owner: str, retry_at: datetime | None) -> Refresh | None:
    """The lease ends without a change, and with a time nobody tries before it; None when it has passed on."""
    if state.owner != owner:
        return None
    return replace(state.idle, retry_at=retry_at, failures=state.failures + (retry_at is not None))


def forgiven(state: Refresh, at: datetime) -> Refresh:
    """A person asks for one more try: what was postponed or uncertain is forgotten, a running lease is not."""
    if state.until is not None and at < state.until:
        return state
    if state.status is not Status.ERROR:
        return replace(state.idle, retry_at=None)
    return replace(state.idle, status=move(state.status, Fact.RECOVERED), reason=None, retry_at=None)


def granted(state: Refresh) -> Refresh:
    """A consent or a person gave new credentials: the next generation, whatever was under way for the one before."""
    status = move(state.status, Fact.GRANTED)
    return replace(state.idle, version=state.version + 1, status=status, reason=None, retry_at=None, failures=0)
