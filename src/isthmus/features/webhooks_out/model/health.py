"""How an endpoint fares: slowed, then parked with one delivery as its probe, then disabled."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """After how many failures in a row, how long without a success, and how long after the notice before the end."""

    slow_after: int
    park_after: int
    disable_after: timedelta
    notice: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Fare:
    """What the row says: failures in a row, since when, and the state it has."""

    health: str
    failures: int
    first_failure_at: datetime | None
    last_failure_at: datetime | None = None
    parked_at: datetime | None = None


def ends_at(fare: Fare, rules: Rules, now: datetime) -> datetime:
    """When an endpoint is disabled that is parked now and goes on failing: never before the notice has run out."""
    return max((fare.first_failure_at or now) + rules.disable_after, (fare.parked_at or now) + rules.notice)


def judged(fare: Fare, rules: Rules, now: datetime) -> str:
    """The state it should have: healthy, slow, parked or disabled.

    Disabled only when nothing but failures came for the whole time, and they came over half of it at least: one bad
    hour before a quiet week is no reason. One that is asked little is parked when half of the time is over, and none is
    disabled that was not parked, with its notice, for a while before.
    """
    if fare.failures == 0 or fare.first_failure_at is None:
        return "healthy"
    spread = (fare.last_failure_at or now) - fare.first_failure_at
    lasting = fare.failures >= rules.park_after // 2 and spread >= rules.disable_after / 2
    if fare.health == "parked" and lasting and now >= ends_at(fare, rules, now):
        return "disabled"
    if fare.failures >= rules.park_after or fare.health == "parked" or lasting:
        return "parked"
    return "slow" if fare.failures >= rules.slow_after else "healthy"
