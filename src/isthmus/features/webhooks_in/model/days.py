"""Days of the log, and who keeps them for how long."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from isthmus.kit import ids

_DAY = timedelta(days=1)


def begins(day: date) -> datetime:
    """The first moment of a day; days are those of UTC."""
    return datetime.combine(day, time(), UTC)


def span(day: date) -> tuple[str, str]:
    """The least id of a delivery of this day, and that of the next one."""
    return ids.floor("inb", begins(day)), ids.floor("inb", begins(day) + _DAY)


def over(day: date, kept: timedelta, now: datetime) -> bool:
    """Whether the whole of a day is longer ago than that."""
    return begins(day) + _DAY + kept <= now


@dataclass(frozen=True, slots=True)
class Days:
    """Days that are known to be there, the first and the last one included. A moment's ids may be of its neighbours."""

    first: date
    last: date

    @classmethod
    def around(cls, now: datetime) -> "Days":
        """Today with its neighbours."""
        return cls(now.date() - _DAY, now.date() + _DAY)

    def hold(self, now: datetime) -> bool:
        """Whether what comes in now, a little earlier or a little later, has its day."""
        return self.first < now.date() < self.last


@dataclass(frozen=True, slots=True)
class Kept:
    """For how long tenants keep what came in: those with a number of their own, and the others."""

    default: timedelta
    own: Mapping[str, timedelta]

    def of(self, tenant_id: str) -> timedelta:
        """One tenant's."""
        return self.own.get(tenant_id, self.default)

    @property
    def longest(self) -> timedelta:
        """Nobody keeps anything for longer."""
        return max([self.default, *self.own.values()])

    @property
    def shortest(self) -> timedelta:
        """Everybody keeps everything for so long."""
        return min([self.default, *self.own.values()])
