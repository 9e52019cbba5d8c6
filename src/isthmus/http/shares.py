"""This process's share of limits that several processes keep together (security.md RL-03).

Permits are leased in blocks from the shared budget, which never grants more than the limit in any minute. Blocks grow
while they are used up in time and shrink to one when they are not, so that little is leased in vain.
"""

import asyncio
from dataclasses import dataclass, field

from isthmus.client import Budget, BudgetRule
from isthmus.kit.clock import Clock

_WINDOW_SECONDS = 60.0
_KEYS = 20_000


@dataclass(slots=True)
class _Share:
    """What is left of a key's last lease, and what all processes together had left just then."""

    permits: int = 0
    granted: int = 0
    until: float = 0.0
    left: int | None = None
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)


class Shares:
    """Leases by key."""

    def __init__(self, budget: Budget, clock: Clock) -> None:
        self._budget = budget
        self._clock = clock
        self._shares: dict[str, _Share] = {}

    async def take(self, key: str, limit: int) -> float | None:
        """Take one permit: None when there is one, else the seconds to wait. Raises what the budget raises."""
        share = self._shares.get(key)
        if share is None:
            if len(self._shares) >= _KEYS:
                del self._shares[next(iter(self._shares))]
            share = self._shares[key] = _Share()
        if self._spend(share):
            return None
        async with share.asking:
            if self._spend(share):
                return None
            return await self._lease(key, share, limit)

    def left(self, key: str) -> int | None:
        """How many more all processes together admit, as of the last lease of this one; None where nobody said."""
        share = self._shares.get(key)
        return None if share is None or share.left is None else share.left + share.permits

    def _spend(self, share: _Share) -> bool:
        if share.permits < 1 or self._clock.monotonic() >= share.until:
            return False
        share.permits -= 1
        return True

    async def _lease(self, key: str, share: _Share, limit: int) -> float | None:
        block = max(1, limit // 10)
        used_up = share.granted > 0 and share.permits == 0 and self._clock.monotonic() < share.until
        wanted = min(block, share.granted * 2) if used_up else max(1, min(block, share.granted - share.permits))
        grant = await self._budget.lease(key, wanted, BudgetRule(limit, _WINDOW_SECONDS, "sliding", block))
        share.left = grant.left
        if grant.permits < 1:
            share.permits = share.granted = 0
            return grant.wait_seconds
        lives = grant.expires_in if grant.expires_in is not None else _WINDOW_SECONDS
        share.permits, share.granted, share.until = grant.permits - 1, grant.permits, self._clock.monotonic() + lives
        return None
