"""Tenants: made and looked at by operators, checked by every request."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import replace

from isthmus.features import vault
from isthmus.features.access.errors import (
    DeploymentTenant,
    SlugTaken,
    TenantChangedMeanwhile,
    TenantLeaving,
    TenantNotFound,
)
from isthmus.features.access.events import TenantChanged, TenantCreated, TenantStatusChanged
from isthmus.features.access.model import tenants as model
from isthmus.features.access.model.tenants import Tenant, TenantStatus
from isthmus.features.access.settings import Settings
from isthmus.features.access.store import issuers as issuers_store
from isthmus.features.access.store import tenants as store
from isthmus.features.access.store.issuers import Standing
from isthmus.kit.paging import Ask, Page
from isthmus.kit.permissions import PLATFORM_TENANT, Principal
from isthmus.scope import Scope, System

_DERIVED_TRIES = 3


async def create_tenant(scope: Scope, name: str, slug: str | None = None, plan: str | None = None) -> Tenant:
    """A place for a merchant. Without a slug one is made of the name. Raises Invalid, SlugTaken."""
    platform = scope.platform()  # house: platform - tenants belong to the deployment
    kept, wanted = model.read_name(name), model.read_slug(slug, name)
    async with platform.tx() as tx:
        made = Tenant(scope.id("ten"), kept, wanted, TenantStatus.ACTIVE, scope.now, model.read_plan(plan))
        for attempt in range(_DERIVED_TRIES):
            if await store.insert_tenant(tx, made):
                break
            if slug is not None or attempt == _DERIVED_TRIES - 1:
                raise SlugTaken(details={"slug": wanted})
            made = replace(made, slug=f"{wanted[:50]}-{scope.id('ten')[-8:]}")
        tx.emit(TenantCreated(subject=made.id, after=_told(made) | {"slug": made.slug}))
    return made


async def tenant(scope: Scope, wanted: str) -> Tenant:
    """One tenant by its id or its slug; a tenant sees only itself. Raises TenantNotFound."""
    async with scope.tx() as tx:
        found = await store.tenant(tx, wanted) or await store.tenant_of_slug(tx, wanted)
    if found is None:
        raise TenantNotFound
    return found


async def find_tenant(system: System, name: str) -> Tenant:
    """The tenant with this id or slug, for commands on the machine. Raises TenantNotFound."""
    async with system.tx() as tx:
        found = await store.tenant_named(tx, name)
    if found is None:
        raise TenantNotFound(f"There is no tenant {name!r}; `isthmus tenant list` shows them.")
    return found


async def tenants(scope: Scope, *, ask: Ask = Ask()) -> Page[Tenant]:  # noqa: B008 - frozen
    """The tenants that the scope may see: all for the deployment's own, else the caller's."""
    async with scope.tx() as tx:
        found = await store.tenants(tx, ask.after or "", ask.offset, ask.limit + 1)
    kept, more = found[: ask.limit], len(found) > ask.limit
    return Page(kept, next_after=kept[-1].id if more else None, has_more=more)


async def change_tenant(scope: Scope, tenant_id: str, *, changes: Mapping[str, str | None]) -> Tenant:
    """Give a tenant another `name` or `plan`; what `changes` leaves out stays.

    Raises TenantNotFound, DeploymentTenant, TenantLeaving, Invalid, TenantChangedMeanwhile.
    """
    if tenant_id == PLATFORM_TENANT:
        raise DeploymentTenant
    platform = scope.platform()  # house: platform - tenants belong to the deployment
    async with platform.tx() as tx:
        found = await store.tenant(tx, tenant_id, locked=True)
        if found is None:
            raise TenantNotFound
        if found.status is TenantStatus.DELETING:
            raise TenantLeaving
        name = model.read_name(changes["name"] or "") if "name" in changes else found.name
        plan = model.read_plan(changes["plan"]) if "plan" in changes else found.plan
        changed = replace(found, name=name, plan=plan)
        if changed != found:
            scope.check_seen(found.etag, TenantChangedMeanwhile)
            await store.update_tenant(tx, changed)
            tx.emit(TenantChanged(subject=tenant_id, before=_told(found), after=_told(changed)))
    return changed


async def set_status(scope: Scope, tenant_id: str, *, status: TenantStatus) -> Tenant:
    """Suspend a tenant or let it in again; its data keys leave this process's memory.

    Raises TenantNotFound, DeploymentTenant, TenantLeaving.
    """
    if tenant_id == PLATFORM_TENANT:
        raise DeploymentTenant
    platform = scope.platform()  # house: platform - tenants belong to the deployment
    async with platform.tx() as tx:
        found = await store.tenant(tx, tenant_id, locked=True)
        if found is None:
            raise TenantNotFound
        if found.status is TenantStatus.DELETING:
            raise TenantLeaving
        if found.status == status:
            return found
        await store.update_status(tx, tenant_id, status)
        tx.emit(TenantStatusChanged(subject=tenant_id, before={"status": found.status}, after={"status": status}))
    vault.forget(scope, tenant_id)
    return replace(found, status=status)


def _told(one: Tenant) -> dict[str, object]:
    return {"name": one.name, "plan": one.plan}


async def live_tenants(system: System, tenant_ids: Iterable[str]) -> frozenset[str]:
    """Those of the tenants that exist and are not suspended."""
    async with system.tx() as tx:
        return frozenset([one for one in tenant_ids if await store.status(tx, one) == TenantStatus.ACTIVE])


async def is_halted(scope: Scope) -> bool:
    """Whether the scope's tenant is suspended or leaves: work that goes on for long stops at its next step."""
    async with System(scope.engine, scope.clock).tx() as tx:
        return await store.status(tx, scope.tenant_id) in {TenantStatus.SUSPENDED, TenantStatus.DELETING}


class TenantGuard:
    """Answers for the authenticator whether a token's tenant is let in, and what it leaves of somebody's roles;
    remembers how each tenant stands for a few seconds.
    """

    def __init__(self, system: System, settings: Settings | None = None) -> None:
        self._system = system
        self._settings = settings or Settings()
        self._known: OrderedDict[str, tuple[float, Standing]] = OrderedDict()

    async def is_live(self, tenant_id: str) -> bool:
        """Whether the tenant exists and is not suspended."""
        return (await self._standing(tenant_id)).live

    async def limit_of(self, who: Principal) -> frozenset[str] | None:
        """The roles that the tenant leaves this person; None where it leaves all that the token gives."""
        return (await self._standing(who.tenant_id)).limits.get((who.issuer, who.subject))

    async def _standing(self, tenant_id: str) -> Standing:
        now = self._system.clock.monotonic()
        known = self._known.get(tenant_id)
        if known is not None and known[0] > now:
            return known[1]
        async with self._system.tx() as tx:
            found = await issuers_store.standing(tx, tenant_id)
        self._known.pop(tenant_id, None)
        self._known[tenant_id] = (now + self._settings.tenant_check.total_seconds(), found)
        while len(self._known) > self._settings.tenants_remembered:
            self._known.popitem(last=False)
        return found


async def plan_of(scope: Scope) -> str | None:
    """The plan of the scope's tenant; None where it has none."""
    try:
        return (await tenant(scope, scope.tenant_id)).plan
    except TenantNotFound:
        return None
