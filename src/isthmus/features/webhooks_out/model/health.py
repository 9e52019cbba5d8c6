"""How an endpoint fares: slowed, then parked with one delivery as its probe, then disabled."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """After how many failures in a row, and how long without a success."""

    slow_after: int
    park_after: int
    disable_after: timedelta


@dataclass(frozen=True, slots=True)
class Fare:
    """What the row says: failures in a row, since when, and the state it has."""

    health: str
    failures: int
    first_failure_at: datetime | None
    last_failure_at: datetime | None = None


def judged(fare: Fare, rules: Rules, now: datetime) -> str:
    """The state it should have: healthy, slow, parked or disabled.

    Disabled only when nothing but failures came for the whole time, and they came over half of it at least: one bad
    hour before a quiet week is no reason.
    """
    if fare.failures == 0 or fare.first_failure_at is None:
        return "healthy"
    if now - fare.first_failure_at >= rules.disable_after and fare.failures >= rules.park_after // 2:
        spread = (fare.last_failure_at or now) - fare.first_failure_at
        if spread >= rules.disable_after / 2:
            return "disabled"
    if fare.failures >= rules.park_after or fare.health == "parked":
        return "parked"
    return "slow" if fare.failures >= rules.slow_after else "healthy"
