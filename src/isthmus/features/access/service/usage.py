"""How much a tenant has used of what it may have: every room says its own caps, here they are counted."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from isthmus.features.access.service.tenants import tenant
from isthmus.scope import Scope, System

if TYPE_CHECKING:
    # what a feature is knows the web framework, which whoever comes through this door need not load
    from isthmus.feature import Cap


class Usage:
    """The caps of all rooms, by their names; `app` makes one."""

    def __init__(self, caps: "Iterable[Cap]" = ()) -> None:
        self.caps = tuple(sorted(caps, key=lambda cap: cap.name))


@dataclass(frozen=True, slots=True)
class CapUse:
    """How much of a cap is used; `limit` is None where the deployment sets none."""

    cap: "Cap"
    limit: int | None
    used: int

    @property
    def share(self) -> float | None:
        """The part that is used: 1 is all of it."""
        return round(self.used / self.limit, 4) if self.limit else None


async def usage(scope: Scope) -> Sequence[CapUse]:
    """Every cap of the scope's tenant."""
    caps = scope.part(Usage).caps
    used: dict[str, int] = {}
    async with scope.tx() as tx:
        for cap in caps:
            if cap.used is not None:
                used[cap.name] = await cap.used(scope, tx)
    for cap in caps:
        if cap.used_apart is not None:
            used[cap.name] = await cap.used_apart(scope)
    return [CapUse(cap, cap.limit(scope) or None, used[cap.name]) for cap in caps]


async def usage_of(scope: Scope, tenant_id: str) -> Sequence[CapUse]:
    """Every cap of another tenant, for the deployment's operators: numbers, and nothing of what is counted (SA-01).

    tenant_id: its id or its slug. Raises TenantNotFound.
    """
    found = await tenant(scope, tenant_id)
    return await usage(System(scope.engine, scope.clock).scope(found.id, "access"))
