"""What tests of a connection come to: two failures in a row change its state, one success heals (pure)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from isthmus.features.connections.model.connection import Fact, Status, move

#: A single failure may be the far side's bad minute.
FAILURES = 2
#: How long one test may be under way before another worker may take it up.
CLAIM = timedelta(minutes=5)
#: The share of the time between two tests that chance decides, so that connections made together part.
JITTER = 0.2


@dataclass(frozen=True, slots=True)
class Tested:
    """A connection after a test; `fact` is what it comes to, if that changes anything."""

    status: Status
    failures: int
    fact: Fact | None = None


def after(status: Status, failures: int, *, works: bool | None) -> Tested:
    """What a test that went so makes of a connection. None: the far side was not asked, so nothing was learnt."""
    if works is None or status in {Status.PENDING, Status.EXPIRED}:
        return Tested(status, failures)
    if works:
        healed = status is Status.ERROR
        return Tested(Status.CONNECTED, 0, Fact.RECOVERED if healed else None)
    count = failures + 1
    if count >= FAILURES and status is Status.CONNECTED:
        return Tested(move(status, Fact.FAILING), count, Fact.FAILING)
    return Tested(status, count)


def next_at(now: datetime, every: timedelta, chance: float) -> datetime:
    """When to test next; `chance` is between 0 and 1."""
    return now + every * (1 - JITTER / 2 + JITTER * chance)


def first_at(now: datetime, every: timedelta, chance: float) -> datetime:
    """When to test what was just connected: anywhere in the second half of the time between two tests."""
    return now + every * (0.5 + 0.5 * chance)
