"""Integrations as tenants see them: made, changed, switched on and off, removed (document 002, Tenant Integration)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from isthmus.engine.db import Tx as SystemTx
from isthmus.engine.queue import Wake
from isthmus.features import catalog, orders, records
from isthmus.features.connections.errors import (
    ConnectionNotFound,
    IntegrationChangedMeanwhile,
    IntegrationNotConnected,
    IntegrationNotFound,
    NameTaken,
    ScopeFixed,
)
from isthmus.features.connections.events import (
    IntegrationActivated,
    IntegrationCreated,
    IntegrationDeactivated,
    IntegrationDeleted,
    IntegrationLimited,
    IntegrationUpdated,
)
from isthmus.features.connections.model import integration as model
from isthmus.features.connections.model.connection import Status
from isthmus.features.connections.model.integration import Facts, Integration, Wanted
from isthmus.features.connections.service import managing
from isthmus.features.connections.service.clients import Clients
from isthmus.features.connections.settings import Settings
from isthmus.features.connections.store import connections, owning
from isthmus.features.connections.store import integrations as store
from isthmus.kit.errors import Invalid
from isthmus.kit.paging import Ask, Page
from isthmus.kit.permissions import ROLES, SUPER_ADMIN
from isthmus.scope import Scope, System, Tx

PURGE = "connections.purge"
#: The type of record that the orders keep.
_ORDER = "order"
_PATIENCE = timedelta(minutes=1)
_MOST = 100
SORTS = tuple(store.SORTABLE)
_FIRST = Ask()
_EVERYTHING = Wanted()
#: The API's names of those facts that are called otherwise here.
_WIRE = {
    "allowed_types": "allowedShardTypes",
    "search_enabled": "searchEnabled",
    "searchable": "searchableEntities",
    "user_scoped": "userScoped",
    "allowed_roles": "allowedRoles",
    "allowed_users": "allowedUsers",
    "proxy_enabled": "proxyEnabled",
}
_ALONE = "With this provider each person connects alone, so this is true."
#: Roles that an integration may be limited to.
ROLE_NAMES = frozenset(ROLES) - {SUPER_ADMIN}


async def integrations(
    scope: Scope, *, wanted: Wanted = _EVERYTHING, ask: Ask = _FIRST, sort: str = "createdAt", descending: bool = True
) -> Page[Integration]:
    """Some of the tenant's integrations."""
    async with scope.tx() as tx:
        items, total = await store.page(tx, wanted, ask, sort, descending=descending)
    return Page(items, total=total, has_more=ask.offset + len(items) < total)


async def integration(scope: Scope, integration_id: str) -> Integration:
    """One integration. Raises IntegrationNotFound."""
    async with scope.tx() as tx:
        return await _one(tx, integration_id)


async def _one(tx: Tx, integration_id: str, *, lock: bool = False) -> Integration:
    found = await store.one(tx, integration_id, lock=lock)
    if found is None:
        raise IntegrationNotFound
    return found


async def create(scope: Scope, provider: str, facts: Facts, *, shared: bool = False) -> Integration:
    """A tenant uses a provider; it waits for its connection, unless each person connects it alone.

    Where the provider has each person connect alone, this integration is so too; `shared` says that it was asked not
    to be. Raises ProviderNotFound, Invalid naming each wrong field, NameTaken.
    """
    known = await catalog.provider(scope, provider)
    await catalog.admit(scope, provider)
    if known.user_scoping:
        if shared:
            raise Invalid.field("userScoped", _ALONE)
        facts = replace(facts, user_scoped=True)
    kept = model.check(facts, known.settings_fields, known.entities, ROLE_NAMES)
    now = scope.now
    made = Integration(
        **{name: getattr(kept, name) for name in Facts.__slots__},
        id=scope.id("int"),
        provider=provider,
        category=known.category,
        status=(Status.CONNECTED if kept.user_scoped else Status.PENDING).value,
        enabled=True,
        enabled_at=now,
        enabled_by=scope.principal.id,
        last_sync_at=None,
        created_at=now,
        updated_at=now,
    )
    async with scope.tx() as tx:
        await _free(tx, made.name, made.id)
        await store.insert_one(tx, made)
        body = {"provider": provider, "name": made.name}
        tx.emit(IntegrationCreated(subject=made.id, body=body, after=_told(made)))
    return made


async def change(
    scope: Scope, integration_id: str, given: Mapping[str, Any], *, seen: datetime | None = None
) -> Integration:
    """Change what is given, by the names of `Facts`; the rest stays.

    seen: when it was changed last, as whoever changes it has read it. A type of record that is not allowed any more is
    hidden with this commit and removed by a job. Raises IntegrationNotFound, ProviderNotFound, Invalid, NameTaken,
    ScopeFixed, IntegrationChangedMeanwhile where it has been changed after `seen`, or is not what the scope's request
    has read.
    """
    provider = (await integration(scope, integration_id)).provider
    known = await catalog.known_provider(scope, provider)
    async with scope.tx() as tx:
        before = await _one(tx, integration_id, lock=True)
        after = replace(before, **given)
        kept = model.check(Facts(**after.facts), known.settings_fields, known.entities, ROLE_NAMES)
        after = replace(after, **{name: getattr(kept, name) for name in Facts.__slots__}, updated_at=scope.now)
        if after.facts == before.facts:
            return before
        if seen is not None and seen != before.updated_at:
            raise IntegrationChangedMeanwhile(details={"updatedAt": before.updated_at, "etag": before.etag})
        scope.check_seen(before.etag, IntegrationChangedMeanwhile)
        if known.user_scoping and before.user_scoped and not after.user_scoped:
            raise Invalid.field("userScoped", _ALONE)
        if after.name != before.name:
            await _free(tx, after.name, integration_id)
        if after.user_scoped != before.user_scoped and await store.connections_of(tx, integration_id):
            raise ScopeFixed
        await store.update_facts(tx, integration_id, kept, scope.now)
        tx.emit(IntegrationUpdated(subject=integration_id, before=_told(before), after=_told(after)))
        was, now = model.forbidden(before, known.entities), model.forbidden(after, known.entities)
        if was != now:
            closed = [one.name for one in known.entities if one.shard_type in now]
            await _limit(tx, scope, integration_id, (was, now), closed)
        return await _one(tx, integration_id)


async def check_name(scope: Scope, integration_id: str, name: str) -> None:
    """Whether an integration can be called so. Raises NameTaken."""
    async with scope.tx() as tx:
        await _free(tx, model.read_name(name), integration_id)


async def _limit(
    tx: Tx, scope: Scope, integration_id: str, change: tuple[Sequence[str], Sequence[str]], closed: Sequence[str]
) -> None:
    """Hide what may not pass any more, in all its connections; what may pass again is shown and read anew.

    `change` are the types that were forbidden and are now, `closed` the entities of the latter.
    """
    was, now = change
    ids = [one for one, _, _ in await store.connections_of(tx, integration_id)]
    await records.set_hidden(tx, ids, now)
    await store.update_purge(tx, integration_id, scope.now)
    await tx.enqueue(PURGE, integration_id)
    again = sorted(set(was) - set(now))
    changed = {"connectionIds": ids, "forbidden": list(now), "entities": list(closed), "allowedAgain": again}
    tx.emit(IntegrationLimited(subject=integration_id, body=changed))


async def purge(scope: Scope, integration_id: str) -> None:  # house: silent - told when the types were limited
    """Remove the records that an integration may not read; they are hidden already."""
    async with scope.tx() as tx:
        found = await store.one(tx, integration_id)
        ids = [one for one, _, _ in await store.connections_of(tx, integration_id)] if found else []
    for connection_id in ids:
        async with scope.tx() as tx:
            await records.purge_hidden(tx, connection_id)
        async with scope.tx() as tx:
            # Held until the commit: where they may pass again, they may have been read anew meanwhile.
            allowed = await owning.allowed_types(tx, connection_id)
            if allowed is not None and not model.allows(allowed, _ORDER):
                await orders.forget(tx, scope.tenant_id, connection_id)
    if found is not None:
        async with scope.tx() as tx:
            await store.update_purge(tx, integration_id, None)


async def unpurged(system: System, tx: SystemTx) -> Sequence[Wake]:
    """The wake-ups for records that have waited too long to be removed: the first one may have been lost."""
    late = await store.to_purge(tx, system.now - _PATIENCE, _MOST)
    return [Wake(PURGE, integration_id, tenant_id) for tenant_id, integration_id in late]


async def activate(scope: Scope, integration_id: str) -> Integration:
    """Switch it on. Raises IntegrationNotFound, IntegrationNotConnected, `catalog.PlanRequired`."""
    await catalog.admit_further(scope, (await integration(scope, integration_id)).provider)
    async with scope.tx() as tx:
        found = await _one(tx, integration_id, lock=True)
        if found.status != Status.CONNECTED.value:
            raise IntegrationNotConnected(details={"status": found.status})
        if found.enabled:
            return found
        ids = [one for one, _, _ in await store.connections_of(tx, integration_id)]
        await store.update_enabled(tx, integration_id, scope.principal.id, scope.now, on=True)
        tx.emit(IntegrationActivated(subject=integration_id, body={"connectionIds": ids}, before=_told(found)))
        return await _one(tx, integration_id)


async def deactivate(scope: Scope, integration_id: str) -> Integration:
    """Switch it off: from this commit on nothing begins to go through it; the credentials stay.

    Raises IntegrationNotFound.
    """
    async with scope.tx() as tx:
        found = await _one(tx, integration_id, lock=True)
        if not found.enabled:
            return found
        ids = [one for one, _, _ in await store.connections_of(tx, integration_id)]
        await store.update_enabled(tx, integration_id, scope.principal.id, scope.now, on=False)
        tx.emit(IntegrationDeactivated(subject=integration_id, body={"connectionIds": ids}, before=_told(found)))
        after = await _one(tx, integration_id)
    for connection_id in ids:
        await scope.part(Clients).drop(scope.tenant_id, connection_id)
    return after


async def remove(scope: Scope, integration_id: str) -> None:
    """End every connection of it, those of people too, and remove it. Raises IntegrationNotFound.

    Whoever asks waits for one silent platform once, and not for each person's connection: the rest is told by a job.
    """
    async with scope.tx() as tx:
        found = await _one(tx, integration_id)
        ids = [one for one, _, _ in await store.connections_of(tx, integration_id)]
    until = scope.clock.monotonic() + scope.part(Settings).revoke_deadline.total_seconds()
    for connection_id in ids:
        await end(scope, connection_id, tell=scope.clock.monotonic() < until)
    async with scope.tx() as tx:
        if await store.delete_one(tx, integration_id):
            tx.emit(IntegrationDeleted(subject=integration_id, before=_told(found)))


async def end(scope: Scope, connection_id: str, *, tell: bool = True) -> str | None:
    """End a connection, whosever it is; None when it is gone already. Only for callers who may end it.

    tell: as `managing.end` has it.
    """
    async with scope.tx() as tx:
        connection = await connections.by_id(tx, connection_id)
    if connection is None:
        return None
    try:
        return await managing.end(scope, connection, tell=tell)
    except ConnectionNotFound:
        return None


async def synced(tx: SystemTx, tenant_id: str, connection_id: str, at: datetime) -> None:  # house: silent - sync tells
    """Note when records were read last."""
    await store.update_synced(tx, tenant_id, connection_id, at)


async def _free(tx: Tx, name: str, but: str) -> None:
    if await store.name_taken(tx, name, but):
        raise NameTaken(details={"name": name})


def _told(one: Integration) -> dict[str, Any]:
    """By the names that the API has."""
    facts = {_WIRE.get(name, name): value for name, value in one.facts.items()}
    return {**facts, "settings": dict(one.settings), "provider": one.provider, "status": one.state}
