"""How many events of its own each tenant may publish a day, counted over all processes (security.md RL-05)."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from isthmus.client import Budget, BudgetRule
from isthmus.features.webhooks_out.errors import TooManyEvents
from isthmus.kit.clock import SYSTEM, Clock

_DAY: Final = 86_400.0
_BLOCK: Final = 20
#: Tenants whose leased permits a process holds; those of the one that was quiet for longest are given up.
_HELD: Final = 10_000


@dataclass(slots=True)
class _Lease:
    permits: int
    until: float


class Daily:
    """What this process has leased of each tenant's events of the day."""

    def __init__(self, most: int, budget: Budget, clock: Clock = SYSTEM) -> None:
        self._rule = BudgetRule(most, _DAY, "fixed", max(1, min(_BLOCK, most // 10)))
        self._budget, self._clock = budget, clock
        self._leases: OrderedDict[str, _Lease] = OrderedDict()

    async def take(self, tenant_id: str) -> None:
        """Count one. Raises TooManyEvents, which says when the next may come."""
        lease = self._leases.get(tenant_id)
        if lease is None or not lease.permits or self._clock.monotonic() >= lease.until:
            lease = await self._lease(tenant_id)
        lease.permits -= 1
        self._leases.move_to_end(tenant_id)

    async def _lease(self, tenant_id: str) -> _Lease:
        rule = self._rule
        grant = await self._budget.lease(f"events/{tenant_id}", rule.block, rule)
        if not grant.permits:
            raise TooManyEvents(details={"limit": rule.max_requests}, retry_after=max(1.0, grant.wait_seconds))
        now, before = self._clock.monotonic(), self._leases.get(tenant_id)
        # somebody else of this process may have leased meanwhile
        kept = before.permits if before is not None and now < before.until else 0
        lease = self._leases[tenant_id] = _Lease(grant.permits + kept, now + (grant.expires_in or _DAY))
        if len(self._leases) > _HELD:
            self._leases.popitem(last=False)
        return lease
