"""How many events of its own each tenant may publish a day, counted over all processes (security.md RL-05)."""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
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


@dataclass(frozen=True, slots=True)
class Permit:
    """One event that a tenant may publish until its day ends, by this process's own clock."""

    tenant_id: str
    until: float


class Daily:
    """What this process has leased of each tenant's events of the day."""

    def __init__(self, most: int, budget: Budget, clock: Clock = SYSTEM) -> None:
        self._rule = BudgetRule(most, _DAY, "fixed", max(1, min(_BLOCK, most // 10)))
        self._budget, self._clock = budget, clock
        self._leases: OrderedDict[str, _Lease] = OrderedDict()

    async def take(self, tenant_id: str) -> Permit:
        """Count one. Raises TooManyEvents, which says when the next may come."""
        lease = self._leases.get(tenant_id)
        if lease is None or not lease.permits or self._clock.monotonic() >= lease.until:
            lease = await self._lease(tenant_id)
        lease.permits -= 1
        self._leases.move_to_end(tenant_id)
        return Permit(tenant_id, lease.until)

    @contextmanager
    def spent(self, permit: Permit) -> Iterator[None]:
        """What the permit was taken for; where it fails, the tenant has the permit again, as long as the day lasts."""
        try:
            yield
        except BaseException:
            now, lease = self._clock.monotonic(), self._leases.get(permit.tenant_id)
            if lease is not None and now < permit.until and now < lease.until:
                lease.permits += 1
            raise

    async def used(self, tenant_id: str) -> int:
        """How many were taken today, those included that other processes have leased and not spent yet."""
        rule = self._rule
        grant = await self._budget.lease(_key(tenant_id), 0, rule)
        lease = self._leases.get(tenant_id)
        kept = lease.permits if lease is not None and self._clock.monotonic() < lease.until else 0
        return max(0, rule.max_requests - (grant.left or 0) - kept)

    async def _lease(self, tenant_id: str) -> _Lease:
        rule = self._rule
        grant = await self._budget.lease(_key(tenant_id), rule.block, rule)
        if not grant.permits:
            raise TooManyEvents(details={"limit": rule.max_requests}, retry_after=max(1.0, grant.wait_seconds))
        now, before = self._clock.monotonic(), self._leases.get(tenant_id)
        # somebody else of this process may have leased meanwhile
        kept = before.permits if before is not None and now < before.until else 0
        lease = self._leases[tenant_id] = _Lease(grant.permits + kept, now + (grant.expires_in or _DAY))
        if len(self._leases) > _HELD:
            self._leases.popitem(last=False)
        return lease


def _key(tenant_id: str) -> str:
    return f"events/{tenant_id}"
