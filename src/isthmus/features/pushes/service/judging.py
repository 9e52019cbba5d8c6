"""What a failed call means for an edit: sent or not, and whether waiting helps."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from isthmus.client import (
    BreakerOpen,
    ClientError,
    InvalidRequest,
    PlatformError,
    PlatformFailed,
    RateLimited,
    ReauthorizationRequired,
    Throttled,
    TokenRejected,
)
from isthmus.features.pushes.model.edits import (
    MOST_ATTEMPTS,
    ItemState,
    Later,
    LiveEdit,
    State,
    locked_pause,
    pause,
)
from isthmus.features.pushes.store.pushes import Closed
from isthmus.kit.text import storable

EXPIRED: Final = "CONNECTION_EXPIRED"
_REASON: Final = 500
_REJECTED: Final = timedelta(minutes=10)
#: Nothing was tried: such waits do not count as attempts.
_HELD: Final = (RateLimited, BreakerOpen, Throttled)


@dataclass(frozen=True, slots=True)
class Broken:
    """The connector itself failed over what it met; `sent` says whether a request may have left before."""

    fault: str
    sent: bool


def refused(one: LiveEdit, code: str, reason: str) -> Closed:
    """The edit ends without its effect."""
    return Closed(one.id, one.version, ItemState.REFUSED, storable(code)[:100], storable(reason)[:_REASON])


def locked(one: LiveEdit, code: str, reason: str, now: datetime) -> Later | Closed:
    """The platform keeps the value as it is for a while."""
    if one.attempts >= MOST_ATTEMPTS:
        return refused(one, code, reason)
    return _later(State.WAITING, now + locked_pause(one.attempts), one.attempts + 1, (code, reason))


def stale(one: LiveEdit, now: datetime) -> Later | Closed:
    """The platform compared and holds another value: look, and decide anew."""
    if one.attempts >= MOST_ATTEMPTS:
        return refused(one, "PUSH_GAVE_UP", "The value at the platform changed again and again.")
    told = ("STALE", "The platform holds another value than this change was based on.")
    return _later(State.UNSURE, now, one.attempts + 1, told)


def judged(failure: ClientError | Broken, one: LiveEdit, now: datetime, *, looking: bool = False) -> Later | Closed:
    """What becomes of an edit whose call failed; `looking` says that nothing was written by it."""
    if isinstance(failure, Broken):
        return _broken(failure, one, now, looking=looking)
    code = failure.kind.upper()
    reason = storable(failure.message)[:_REASON]
    if isinstance(failure, PlatformError) and failure.code != failure.kind:
        reason = storable(f"{failure.message or 'The platform gave no reason'} ({failure.code})")[:_REASON]
    before = one.state if one.state in (State.UNSURE, State.SENDING) else State.WAITING
    if isinstance(failure, ReauthorizationRequired | TokenRejected):
        # Who is refused with fresh tokens may still count as signed in: nobody would wake the edit.
        due = now + _REJECTED if isinstance(failure, TokenRejected) else None
        return _later(State.PARKED, due, 0, (EXPIRED, "The connection must be signed in to again."))
    if isinstance(failure, _HELD):
        wait = pause(max(one.attempts, 1), failure.retry_after)
        return _later(_rest(before), now + wait, one.attempts, (code, reason))
    if one.attempts + 1 >= MOST_ATTEMPTS or _hopeless(failure, looking=looking):
        return refused(one, code if _hopeless(failure, looking=looking) else "PUSH_GAVE_UP", reason)
    state = State.UNSURE if failure.sent and not looking else _rest(before)
    return _later(state, now + pause(one.attempts, failure.retry_after), one.attempts + 1, (code, reason))


def _broken(failure: Broken, one: LiveEdit, now: datetime, *, looking: bool) -> Later | Closed:
    told = ("CONNECTOR_FAULT", f"The connector failed ({failure.fault}).")
    if one.attempts + 1 >= MOST_ATTEMPTS:
        return refused(one, *told)
    state = State.UNSURE if failure.sent and not looking else _rest(one.state)
    return _later(state, now + pause(one.attempts), one.attempts + 1, told)


def unlooked(one: LiveEdit, now: datetime) -> Later:
    """There was no time to look at the far side; the next round goes on."""
    return _later(_rest(one.state), now, one.attempts, ("", ""))


def _rest(before: State) -> State:
    return State.WAITING if before is State.WAITING else State.UNSURE


def _hopeless(failure: ClientError, *, looking: bool) -> bool:
    if isinstance(failure, InvalidRequest):
        return True
    passing = isinstance(failure, PlatformFailed | Throttled)
    return isinstance(failure, PlatformError) and not passing and not looking


def _later(state: State, due: datetime | None, attempts: int, told: tuple[str, str]) -> Later:
    return Later(state, due, attempts, *told)
