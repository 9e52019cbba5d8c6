"""What is kept of calls: sums of an hour, and one entry for each call that is worth a look (pure)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from isthmus.kit import ids
from isthmus.kit.errors import Invalid

Level = Literal["info", "warning", "error"]
#: Entries kept for each connection, the newest.
KEPT = 200
#: How long the sums of an hour are kept.
COUNTERS_KEPT = timedelta(days=90)
#: The longest time that one question for sums may span.
SPAN = timedelta(days=31)
_DAY = timedelta(days=1)


@dataclass(slots=True)
class Counts:
    """Sums of one connection and hour; times in milliseconds."""

    calls: int = 0
    attempts: int = 0
    failed: int = 0
    throttled: int = 0
    waited_ms: int = 0
    duration_ms: int = 0

    def add(self, other: "Counts") -> None:
        """Take the other's sums in."""
        self.calls += other.calls
        self.attempts += other.attempts
        self.failed += other.failed
        self.throttled += other.throttled
        self.waited_ms += other.waited_ms
        self.duration_ms += other.duration_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """The sums of the hour that begins at `hour`."""

    hour: datetime
    calls: int
    attempts: int
    failed: int
    throttled: int
    waited_ms: int
    duration_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One call that failed, or that only worked when it was sent again."""

    id: str
    connection_id: str
    at: datetime
    level: Level
    method: str
    route: str
    status: int | None
    code: str
    message: str
    attempts: int
    duration_ms: int


def hour_of(time: datetime) -> datetime:
    """The beginning of the hour."""
    return time.replace(minute=0, second=0, microsecond=0)


def span(starts: datetime | None, ends: datetime | None, now: datetime) -> tuple[datetime, datetime]:
    """The time that is asked for, by default the last day. Raises Invalid."""
    for name, time in (("from", starts), ("to", ends)):
        if time is not None and time.tzinfo is None:
            raise Invalid.field(name, "A time needs its offset from UTC, such as Z.")
    until = ends or (starts + _DAY if starts else now)
    since = starts or until - _DAY
    if since >= until:
        raise Invalid.field("to", "The end must be later than the start.")
    if until - since > SPAN:
        raise Invalid.field("to", f"At most {SPAN.days} days at once.")
    return since, until


def check_place(after: str | None) -> str | None:
    """The keyset place of a page of the log. Raises Invalid."""
    if after is not None and not ids.is_id(after, "cll"):
        raise Invalid.field("cursor", "This is not a place in the log.")
    return after
