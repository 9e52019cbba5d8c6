"""Actions on orders as data, and the pure rules over them: their states, and what follows an answer or none.

An action is no absolute value, so sending it twice can do harm. Before a request leaves, that is written down; a worker
that finds such a note looks at the order first, and sends again only where that shows that nothing happened.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from isthmus.connect.shapes import Order
from isthmus.features.fulfilment.settings import Settings

#: The result of a line that has been done.
DONE: Final = "done"


class State(StrEnum):
    """Where an action is in its life; `unsure` waits for a person."""

    WAITING = "waiting"
    SENDING = "sending"
    DONE = "done"
    REFUSED = "refused"
    UNSURE = "unsure"
    CANCELLED = "cancelled"


class Step(StrEnum):
    """What can happen to an action."""

    TAKEN = "taken"
    PUT_OFF = "put_off"
    DONE = "done"
    REFUSED = "refused"
    UNSURE = "unsure"
    #: Its connection has ended, or somebody took it back.
    CANCELLED = "cancelled"
    RETRIED = "retried"
    #: A person says what became of it.
    DISMISSED = "dismissed"
    CONFIRMED = "confirmed"


_MOVES: Final[Mapping[tuple[State, Step], State]] = {
    (State.WAITING, Step.TAKEN): State.SENDING,
    (State.WAITING, Step.CANCELLED): State.CANCELLED,
    #: A worker died with it.
    (State.SENDING, Step.TAKEN): State.SENDING,
    (State.SENDING, Step.PUT_OFF): State.WAITING,
    (State.SENDING, Step.DONE): State.DONE,
    (State.SENDING, Step.REFUSED): State.REFUSED,
    (State.SENDING, Step.UNSURE): State.UNSURE,
    (State.SENDING, Step.CANCELLED): State.CANCELLED,
    (State.UNSURE, Step.RETRIED): State.WAITING,
    (State.UNSURE, Step.DISMISSED): State.CANCELLED,
    (State.UNSURE, Step.CONFIRMED): State.DONE,
    (State.UNSURE, Step.CANCELLED): State.CANCELLED,
    (State.REFUSED, Step.RETRIED): State.WAITING,
    #: Lines that were refused can be tried once more.
    (State.DONE, Step.RETRIED): State.WAITING,
}


def move(state: State, step: Step) -> State | None:
    """The state behind a step; None where the step cannot happen."""
    return _MOVES.get((state, step))


def before(step: Step) -> tuple[State, ...]:
    """The states that a step can happen in."""
    return tuple(state for state, one in _MOVES if one is step)


@dataclass(frozen=True, slots=True)
class OrderAction:
    """One action as the store holds it; the column names of its table."""

    id: str
    order_id: str
    connection_id: str
    provider: str
    external_id: str
    number: str
    kind: str
    lines: tuple[str, ...]
    reason: str
    details: Mapping[str, str]
    state: str
    forced: bool
    sends: int
    sent_at: datetime | None
    fence: int
    parked: bool
    retry_at: datetime | None
    attempts: int
    deaths: int
    done: int
    failed: int
    error_code: str | None
    error_message: str | None
    status_before: str
    status_after: str | None
    requested_by: str
    created_at: datetime
    finished_at: datetime | None
    changed_at: datetime


COLUMNS: Final = tuple(one.name for one in fields(OrderAction))


@dataclass(frozen=True, slots=True)
class Item:
    """What the platform said of one line, of one unit of it, or of the whole action."""

    external_id: str
    result: str
    code: str
    reason: str


class Told(StrEnum):
    """What a failed call tells of its effect."""

    #: Nothing has happened, and the cause passes by waiting.
    NOTHING = "nothing"
    #: Nothing has happened, and nothing will.
    NO = "no"
    #: It may have happened.
    UNKNOWN = "unknown"
    #: Nothing has happened; the sign-in is dead.
    SIGNED_OUT = "signed_out"
    #: The connection is gone.
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Fault:
    """A failed try in the action's own words; `tried` is false where somebody only asked us to wait."""

    told: Told
    code: str
    message: str
    retry_after: float | None = None
    tried: bool = True


@dataclass(frozen=True, slots=True)
class Again:
    """Try again after this long."""

    after: timedelta


def after_fault(fault: Fault, action: OrderAction, draw: float, settings: Settings) -> Again | Step:
    """What follows a failed try of an action whose note of sending is `action.sent_at`; `draw` is in [0, 1).

    A no is about this try alone: with a note of sending in place nobody knows of the one before. What may have happened
    is looked at after `settings.settle`; the last try of something in doubt is a person's.
    """
    if fault.told is Told.GONE:
        return Step.UNSURE if action.sent_at else Step.CANCELLED
    if fault.told is Told.NO:
        return Step.UNSURE if action.sent_at else Step.REFUSED
    attempts = action.attempts + fault.tried
    if attempts >= settings.max_attempts:
        return Step.UNSURE if fault.told is Told.UNKNOWN or action.sent_at else Step.REFUSED
    doubled = settings.backoff * 2 ** min(max(attempts - 1, 0), 20)
    wait = min(doubled, settings.max_backoff) * (0.5 + draw / 2)
    asked = timedelta(seconds=min(fault.retry_after or 0.0, settings.max_backoff.total_seconds()))
    settle = settings.settle if fault.told is Told.UNKNOWN else timedelta(0)
    return Again(max(wait, asked, settle))


def after_look(shown: bool | None, why_not: str, *, forced: bool) -> Step | None:
    """What an order read anew means for an action that may have been sent; None: send it (again).

    `shown` is the connector's word, `why_not` why the platform would not allow the action of the order as it is now.
    Something that nobody can tell is sent again only where a person has said so, and where it would be allowed.
    """
    if shown:
        return Step.DONE
    if shown is None and not (forced and not why_not):
        return Step.UNSURE
    return Step.REFUSED if why_not else None


def settled(sent_at: datetime, now: datetime, settings: Settings) -> timedelta:
    """How long to wait until a request without an answer may be looked after."""
    return max(timedelta(0), sent_at + settings.settle - now)


def ending(items: Sequence[Item]) -> Step:
    """What the outcomes of the lines mean for the whole: done where any is."""
    return Step.DONE if any(one.result == DONE for one in items) else Step.REFUSED


def units_of(order: Order, lines: Sequence[str]) -> tuple[str, ...] | None:
    """The units of the named lines, the lines themselves where they have none; None when one is not in the order."""
    by_line = {one.external_id: one.external_ids or (one.external_id,) for one in order.lines}
    if not by_line.keys() >= set(lines):
        return None
    return tuple(unit for line in dict.fromkeys(lines) for unit in by_line[line])


def left_over(items: Sequence[Item], action_id: str) -> tuple[str, ...]:
    """What was not done of an action that was done in part, to try it once more; empty for the whole of it."""
    return tuple(one.external_id for one in items if one.result != DONE and one.external_id != action_id)


def event_body(action: OrderAction, items: Sequence[Item] = ()) -> dict[str, Any]:
    """The public face of an action in its events."""
    body: dict[str, Any] = {
        "actionId": action.id,
        "orderId": action.order_id,
        "connectionId": action.connection_id,
        "provider": action.provider,
        "externalId": action.external_id,
        "number": action.number,
        "action": action.kind,
        "state": action.state,
        "done": action.done,
        "failed": action.failed,
    }
    if items:
        body["items"] = [
            {"externalId": one.external_id, "result": one.result, "code": one.code, "reason": one.reason}
            for one in items[:100]
        ]
    if action.error_code is not None:
        body["error"] = {"code": action.error_code, "message": action.error_message}
    return body
