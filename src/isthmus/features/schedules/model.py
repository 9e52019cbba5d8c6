"""When something is to be read: by an interval or by cron in a time zone, spread by jitter, never in hours of rest.

All of it is pure: the next time follows from the rule, the time before it, and a seed that is the schedule's own.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from hashlib import blake2b
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from croniter import CroniterBadDateError, croniter

from isthmus.features.schedules.errors import WrongSchedule
from isthmus.kit.etags import etag

SHORTEST: Final = timedelta(minutes=1)
LONGEST: Final = timedelta(days=31)
_DAY: Final = timedelta(days=1)
_SOME_DAY: Final = datetime(2024, 1, 1, tzinfo=UTC)
#: No clock is set by more than this at once.
_CHANGE: Final = timedelta(hours=3)
#: Windows that follow one another are left one by one; more than these cover a day and leave no time at all.
_WINDOWS: Final = 10


class State(StrEnum):
    """Whether a schedule goes on: paused by a person, parked until the connection can be signed in to again."""

    ACTIVE = "active"
    PAUSED = "paused"
    PARKED = "parked"


@dataclass(frozen=True, slots=True)
class Rest:
    """Hours in which nothing is started, by the zone's clock; one that ends before it starts goes over midnight."""

    start: time
    end: time

    def holds(self, moment: time) -> bool:
        """Whether this time of day is in it."""
        if self.start <= self.end:
            return self.start <= moment < self.end
        return moment >= self.start or moment < self.end


@dataclass(frozen=True, slots=True)
class Rule:
    """When: every so often, or by five fields of cron; `jitter` spreads the starts over so long behind each."""

    every: timedelta | None = None
    cron: str | None = None
    zone: str = "UTC"
    jitter: timedelta = timedelta(0)
    rests: tuple[Rest, ...] = ()


def check(rule: Rule) -> None:
    """Refuse a rule that names no time. Raises WrongSchedule."""
    if (rule.every is None) == (rule.cron is None):
        raise WrongSchedule.field("everySeconds", "Give either an interval or five fields of cron.")
    if rule.every is not None and not SHORTEST <= rule.every <= LONGEST:
        raise WrongSchedule.field("everySeconds", "An interval lies between one minute and 31 days.")
    if rule.cron is not None:
        _check_cron(rule.cron)
    if not timedelta(0) <= rule.jitter <= timedelta(hours=6):
        raise WrongSchedule.field("jitterSeconds", "Jitter lies between nothing and six hours.")
    if rule.every is not None and rule.jitter > rule.every:
        raise WrongSchedule.field("jitterSeconds", "Jitter is at most the interval: more would leave turns out.")
    _zone(rule.zone)
    if any(rest.start == rest.end for rest in rule.rests):
        raise WrongSchedule.field("blackout", "Hours of rest begin and end at different times.")
    if len(rule.rests) > _WINDOWS or _never_awake(rule.rests):
        raise WrongSchedule.field("blackout", "The hours of rest leave no time to read anything.")


def _check_cron(cron: str) -> None:
    if len(cron.split()) != 5 or not croniter.is_valid(cron):
        raise WrongSchedule.field("cron", "Write five fields of cron, such as `0 */6 * * *`.")
    try:
        croniter(cron, _SOME_DAY).get_next(datetime)
    except CroniterBadDateError:
        raise WrongSchedule.field("cron", "These fields name no day that ever comes.") from None


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise WrongSchedule.field("timeZone", "There is no such time zone; write one like Asia/Ho_Chi_Minh.") from None


def _never_awake(rests: tuple[Rest, ...]) -> bool:
    minutes = (time(hour, minute) for hour in range(24) for minute in range(60))
    return all(any(rest.holds(minute) for rest in rests) for minute in minutes)


def following(rule: Rule, after: datetime, seed: str) -> datetime:
    """The next start behind `after`, in UTC: the rule's own time, then its jitter, then out of the hours of rest.

    What came due while nobody ran is one start, not many: the caller asks from now on. A time that a clock change
    skips is taken as far behind the gap as it lay in it; one that comes twice is taken once, but by rules for every
    hour, which go on through the hour that comes twice.
    """
    zone = _zone(rule.zone)
    planned = after + rule.every if rule.every is not None else _by_cron(str(rule.cron), after, zone)
    moved = planned + _jitter(rule.jitter, seed, planned)
    return _awake(moved, rule.rests, zone)


def _by_cron(cron: str, after: datetime, zone: ZoneInfo) -> datetime:
    """Cron counts on the zone's wall clock, without its changes; the found wall time is then put into the zone."""
    wall = after.astimezone(zone).replace(tzinfo=None)
    again: list[datetime] = []
    hourly = cron.split()[1].startswith("*") and _changes_near(after, zone)
    times = croniter(cron, wall - _CHANGE if hourly else wall)
    while True:
        found: datetime = times.get_next(datetime)
        at = found.replace(tzinfo=zone).astimezone(UTC)
        if hourly:
            second = found.replace(tzinfo=zone, fold=1).astimezone(UTC)
            again += [second] if second > max(at, after) else []
        if at > after:
            return min([at, *again])


def _changes_near(moment: datetime, zone: ZoneInfo) -> bool:
    """Whether the zone's clock is set anew around this time."""
    before, behind = (moment - _CHANGE).astimezone(zone), (moment + _CHANGE).astimezone(zone)
    return before.utcoffset() != behind.utcoffset()


def _jitter(most: timedelta, seed: str, planned: datetime) -> timedelta:
    if not most:
        return timedelta(0)
    drawn = blake2b(f"{seed} {planned.isoformat()}".encode(), digest_size=8).digest()
    return timedelta(seconds=int.from_bytes(drawn) % (int(most.total_seconds()) + 1))


def awake(rule: Rule, at: datetime) -> datetime:
    """The first time from `at` on that is not in the hours of rest."""
    return _awake(at, rule.rests, _zone(rule.zone))


def _awake(at: datetime, rests: tuple[Rest, ...], zone: ZoneInfo) -> datetime:
    for _ in range(_WINDOWS + 1):
        local = at.astimezone(zone)
        resting = next((rest for rest in rests if rest.holds(local.time())), None)
        if resting is None:
            return at
        day = local.date() if local.time() < resting.end else local.date() + _DAY
        at = datetime.combine(day, resting.end, zone).astimezone(UTC)
    return at


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """One entity of one connection, and when it is read; the columns of its table."""

    id: str
    connection_id: str
    entity: str
    mode: Literal["incremental", "full"]
    rule: Rule
    state: State
    reason: str | None
    next_at: datetime | None
    last_at: datetime | None
    last_run_id: str | None
    version: int


def etag_of(schedules: Iterable[Schedule]) -> str:
    """Stands for what people can change of these schedules; when they are followed next is no change."""
    return etag(
        [
            (one.connection_id, one.entity, one.mode, written(one.rule), one.state is State.PAUSED)
            for one in sorted(schedules, key=lambda one: (one.connection_id, one.entity, one.mode))
        ]
    )


def written(rule: Rule) -> dict[str, Any]:
    """The rule as it is stored."""
    return {
        "every": None if rule.every is None else int(rule.every.total_seconds()),
        "cron": rule.cron,
        "zone": rule.zone,
        "jitter": int(rule.jitter.total_seconds()),
        "rests": [[one.start.isoformat("minutes"), one.end.isoformat("minutes")] for one in rule.rests],
    }


def read(stored: Mapping[str, Any]) -> Rule:
    """A stored rule."""
    every = stored["every"]
    return Rule(
        every=None if every is None else timedelta(seconds=every),
        cron=stored["cron"],
        zone=stored["zone"],
        jitter=timedelta(seconds=stored["jitter"]),
        rests=tuple(Rest(time.fromisoformat(start), time.fromisoformat(end)) for start, end in stored["rests"]),
    )
