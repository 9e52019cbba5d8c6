"""The port through which processes share one quota: permits are leased in blocks from one place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from isthmus.client.limits import RateLimit


@dataclass(frozen=True, slots=True)
class BudgetRule:
    """What the shared quota is: `max_requests` per `window` seconds, leased in blocks of `block`.

    burst: how many a token bucket holds; None: a window's. reserve: permits that only `urgent` leases may take, which
    also come before the others when both ask. All draw on one count, so that together they never get more than it has.
    """

    max_requests: int
    window: float
    strategy: str = "sliding"
    block: int = 20
    burst: int | None = None
    reserve: int = 0
    urgent: bool = False

    @property
    def holds(self) -> int:
        """How many permits a token bucket holds at most."""
        return self.burst or self.max_requests


@dataclass(frozen=True, slots=True)
class Grant:
    """`permits` calls may leave now, none of them later than `expires_in` seconds (None: no limit).

    With no permits, ask again after `wait_seconds`. `left`: how many more the quota had just then (None: unknown).
    """

    permits: int
    wait_seconds: float = 0.0
    expires_in: float | None = None
    left: int | None = None


class Budget(Protocol):
    """One quota for many processes; the engine keeps a PostgreSQL adapter."""

    async def lease(self, key: str, wanted: int, rule: BudgetRule) -> Grant:
        """Take up to `wanted` permits of `key`; never more in all processes together than the rule allows."""
        ...


def rule_of(limit: RateLimit, block: int | None = None) -> BudgetRule:
    """The shared rule of a limit's ordinary calls, for whom its reserve is kept.

    A block is at most a tenth of the quota, so that no process starves the others.
    """
    size = block or max(1, min(20, limit.max_requests // 10))
    return BudgetRule(limit.max_requests, limit.window, limit.strategy, size, limit.burst, limit.reserve)
