"""Settings that weaken the deployment hold for a while and not for ever (security.md SA-04; pure)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

#: How long one holds that says no end itself, and the longest that an end may be away, from when it was first seen.
USUAL, LONGEST = timedelta(days=30), timedelta(days=366)


@dataclass(frozen=True, slots=True)
class Weakness:
    """A setting whose value weakens security, why, and until when it is meant to hold; None says nothing of that."""

    name: str
    value: str
    reason: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """The same with since when it is known, and when it ends."""

    name: str
    value: str
    reason: str
    since: datetime
    until: datetime

    def is_over(self, now: datetime) -> bool:
        """Whether the safe value holds by this time."""
        return now >= self.until


@dataclass(frozen=True, slots=True)
class Weaknesses:
    """All of this process, as it was started."""

    every: Sequence[Weakness] = ()


def end(weakness: Weakness, since: datetime) -> datetime:
    """When it ends that was first seen then."""
    return since + USUAL if weakness.until is None else min(weakness.until, since + LONGEST)


def standing(weakness: Weakness, since: datetime) -> Standing:
    """What is known of it."""
    return Standing(weakness.name, weakness.value, weakness.reason, since, end(weakness, since))
