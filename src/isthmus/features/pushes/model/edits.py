"""An edit from the wish to the far side, and how long it waits between its attempts (pure)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from isthmus.connect.edits import EditField, EditValue

#: How often an edit is tried before it is given up: with the waits below, about three days.
MOST_ATTEMPTS: Final = 14
_FIRST: Final = timedelta(seconds=2)
_LONGEST: Final = timedelta(hours=8)
_LOCKED_FIRST: Final = timedelta(minutes=15)


class State(StrEnum):
    """Where a live edit stands; one that has ended is no row any more."""

    WAITING = "waiting"
    #: Marked before the call, so that a death in between is seen.
    SENDING = "sending"
    #: Sent, and nobody knows how it went: it is looked at before anything else.
    UNSURE = "unsure"
    #: The connection must be signed in to again.
    PARKED = "parked"
    #: Both sides changed the field, and a person decides.
    CONFLICT = "conflict"


class Winner(StrEnum):
    """Whose value a decided conflict left in place."""

    OURS = "ours"
    THEIRS = "theirs"
    #: A third value that a person chose.
    VALUE = "value"
    #: Nobody's: both sides came to hold the same value by themselves.
    AGREED = "agreed"


class ItemState(StrEnum):
    """What became of one item of a push."""

    WAITING = "waiting"
    DONE = "done"
    #: The far side showed the value already.
    AGREED = "agreed"
    REFUSED = "refused"
    #: The far side's own change won by the rule, or by a person's decision.
    YIELDED = "yielded"
    #: A newer wish for the same field took its place.
    SUPERSEDED = "superseded"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Place:
    """A field of a listing; `variant` is an external id, empty for fields of the whole listing."""

    listing_id: str
    variant: str
    field: EditField
    location: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class LiveEdit:
    """One edit that has been taken by a worker, as it stood then; each taking makes another one."""

    id: str
    place: Place
    value: EditValue
    currency: str
    base: tuple[EditValue] | None
    sent: tuple[EditValue] | None
    version: int
    state: State
    attempts: int
    wanted_at: datetime

    @property
    def key(self) -> str:
        """Names this value of this field for ever."""
        return f"{self.id}-{self.version}"

    def must_look(self, now: datetime, fresh: timedelta) -> bool:
        """Whether the far side is read before anything is sent: after a death, a failure, or a long wait.

        A field in conflict is woken by news of its listing, or by a newer wish.
        """
        if self.state is State.CONFLICT:
            return False
        return self.state is not State.WAITING or self.attempts > 0 or now - self.wanted_at > fresh


@dataclass(frozen=True, slots=True)
class Later:
    """An edit that goes on later: in which state, when (None: when somebody else says so), and what held it up."""

    state: State
    due_at: datetime | None
    attempts: int
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Halt:
    """Why nothing of a connection can be sent, and until when; None: until it is signed in to."""

    code: str
    reason: str
    due_at: datetime | None


def pause(attempts: int, asked: float | None = None) -> timedelta:
    """How long to wait after so many failed attempts; what the platform asked for counts, within bounds."""
    own = min(_FIRST * float(1 << min(attempts, 20)), _LONGEST)
    return own if asked is None else min(max(own, timedelta(seconds=asked)), _LONGEST)


def locked_pause(attempts: int) -> timedelta:
    """How long to wait where the platform keeps a value locked, such as during a campaign."""
    return min(_LOCKED_FIRST * float(1 << min(attempts, 10)), _LONGEST)
