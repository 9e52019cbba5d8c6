"""Sends each delivery to the connection that it is about, by the platform's own ids.

A signature proves the app, not the tenant (security.md WH-04): what a source of one tenant brings about an account of
another tenant goes nowhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from isthmus.features import catalog, connections
from isthmus.features.webhooks_in.model.deliveries import Source, State
from isthmus.features.webhooks_in.service.handlers import handlers
from isthmus.features.webhooks_in.store import sources as holding
from isthmus.features.webhooks_in.store import working as store
from isthmus.features.webhooks_in.store.working import Routed
from isthmus.kit.permissions import PLATFORM_TENANT
from isthmus.scope import Scope, System

HANDLE = "webhooks_in.handle"
PART = "webhooks_in"
_AT_ONCE = 200
_NOBODY = "No connection of yours holds the account that this is about."
_UNWANTED = "No handler wants this event."


@dataclass(frozen=True, slots=True)
class _Target:
    tenant_id: str
    connection_id: str | None
    reason: str | None = None


async def route(scope: Scope, source_id: str) -> None:
    """Route everything that has come in at a source, until nothing more comes."""
    system = System(scope.engine, scope.clock)
    while True:
        async with system.tx() as tx:
            wanted = await store.wanted(tx, scope.tenant_id, source_id)
        while await _some(system, scope, source_id):
            pass
        async with system.tx() as tx:
            if await store.close(tx, scope.tenant_id, source_id, wanted):
                return
            if await holding.source(tx, scope.tenant_id, source_id) is None:
                return


async def _some(system: System, scope: Scope, source_id: str) -> bool:
    async with system.tx() as tx:
        source = await holding.source(tx, scope.tenant_id, source_id)
        rows = await store.routable(tx, scope.tenant_id, source_id, _AT_ONCE)
    if not rows or source is None:
        return False
    targets = {account: await _target(system, scope, source, account) for account in {row["account"] for row in rows}}
    routed = [_routed(scope, row, targets[row["account"]]) for row in rows]
    async with system.tx() as tx:
        await store.route(tx, scope.tenant_id, routed, system.now)
        for tenant_id, key in sorted({(one.tenant_id, one.connection_id or source_id) for one in _waiting(routed)}):
            await scope.engine.queue.enqueue(tx, HANDLE, key, tenant_id=tenant_id)
    return True


def _waiting(routed: list[Routed]) -> list[Routed]:
    return [one for one in routed if one.state == State.WAITING]


def _routed(scope: Scope, row: Mapping[str, str], target: _Target) -> Routed:
    if target.reason is not None:
        return Routed(row["id"], scope.tenant_id, None, State.UNROUTED, target.reason)
    wanted = bool(row["entity"] and target.connection_id) or any(
        fnmatchcase(row["event"], one.pattern) for one in handlers(scope)
    )
    state, reason = (State.WAITING, None) if wanted else (State.IGNORED, _UNWANTED)
    return Routed(row["id"], target.tenant_id, target.connection_id, state, reason)


async def _target(system: System, scope: Scope, source: Source, account: str) -> _Target:
    """Whose news it is. `account` is what the signed body says."""
    found = scope.part(catalog.Providers).found(source.provider)
    if found.connector is None:
        return _Target(scope.tenant_id, None)
    held = await connections.holder(system, source.provider, account) if account else None
    if held is None and not account and source.connection_id is not None:
        held = (scope.tenant_id, source.connection_id)
    if held is None or (scope.tenant_id not in {PLATFORM_TENANT, held[0]}):
        return _Target(scope.tenant_id, None, _NOBODY)
    tenant_id, connection_id = held
    try:
        connection = await connections.connection(system.scope(tenant_id, PART), connection_id)
        if source.uses_app:
            mine = await catalog.registration(scope, source.provider)
            if mine.id != connection.registration_id:
                return _Target(scope.tenant_id, None, _NOBODY)
    except (connections.ConnectionNotFound, catalog.AppMissing):
        return _Target(scope.tenant_id, None, _NOBODY)
    return _Target(tenant_id, connection_id)
