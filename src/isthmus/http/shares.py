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
#: What part of a limit is leased at a time, at most.
_PART = 10
#: For whom there was something, but not enough for what had been used before.
_AGAIN_SECONDS = 1.0


@dataclass(slots=True)
class _Share:
    """What is left of a key's last lease, and what all processes together had left just then."""

    #: When the budget was asked last, by this process's own clock.
    asked: float | None = None
    #: Uses that the budget has not been told of.
    untold: int = 0
    permits: int = 0
    granted: int = 0
    until: float = 0.0
    left: int | None = None
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)


class Shares:
    """Leases by key.

    alone: no other process keeps these limits. The budget is then asked at a key's first use, for what was used before
    a restart, and again once a tenth of its limit is used, so that whoever comes now and then costs nothing. A restart
    forgets less than that tenth.
    """

    def __init__(self, budget: Budget, clock: Clock, *, alone: bool = False) -> None:
        self._alone = alone
        self._budget = budget
        self._clock = clock
        self._shares: dict[str, _Share] = {}

    async def take(self, key: str, limit: int, used: int = 0) -> float | None:
        """Take one permit: None when there is one, else the seconds to wait. Raises what the budget raises.

        used: how many this process has admitted within the last minute.
        """
        share = self._shares.get(key)
        if share is None:
            if len(self._shares) >= _KEYS:
                del self._shares[next(iter(self._shares))]
            share = self._shares[key] = _Share()
        if self._spend(share):
            return None
        if self._alone and share.asked is not None and used < limit // _PART:
            share.untold += 1
            return None
        async with share.asking:
            if self._spend(share):
                return None
            share.untold = min(share.untold, used)
            return await self._lease(key, share, limit)

    def left(self, key: str, now: float) -> int | None:
        """How many more all processes together admit, as of this one's last lease; None where nobody said of late.

        now: by this process's own clock.
        """
        share = self._shares.get(key)
        if share is None or share.left is None or share.asked is None or now - share.asked > _WINDOW_SECONDS:
            return None
        return max(0, share.left + share.permits - share.untold)

    def _spend(self, share: _Share) -> bool:
        if share.permits < 1 or self._clock.monotonic() >= share.until:
            return False
        share.permits -= 1
        return True

    async def _lease(self, key: str, share: _Share, limit: int) -> float | None:
        block, untold = max(1, limit // _PART), share.untold
        used_up = share.granted > 0 and share.permits == 0 and self._clock.monotonic() < share.until
        wanted = min(block, share.granted * 2) if used_up else max(1, min(block, share.granted - share.permits))
        grant = await self._budget.lease(key, untold + wanted, BudgetRule(limit, _WINDOW_SECONDS, "sliding", block))
        share.asked, share.left, share.untold = self._clock.monotonic(), grant.left, max(0, untold - grant.permits)
        permits = max(0, grant.permits - untold)
        if permits < 1:
            share.permits = share.granted = 0
            return grant.wait_seconds or _AGAIN_SECONDS
        lives = grant.expires_in if grant.expires_in is not None else _WINDOW_SECONDS
        share.permits, share.granted, share.until = permits - 1, permits, self._clock.monotonic() + lives
        return None
