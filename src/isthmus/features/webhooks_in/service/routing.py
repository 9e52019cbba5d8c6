"""Sends each delivery to the connection that it is about, by the platform's own ids.

A signature proves the app, not the tenant (security.md WH-04): what a source of one tenant brings about an account of
another tenant goes nowhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from isthmus.engine.db import Tx
from isthmus.features import catalog, connections
from isthmus.features.webhooks_in.model.deliveries import Source, State
from isthmus.features.webhooks_in.model.handling import Planned, Subject
from isthmus.features.webhooks_in.service import planning
from isthmus.features.webhooks_in.service.planning import Expressions
from isthmus.features.webhooks_in.store import sources as holding
from isthmus.features.webhooks_in.store import tasks
from isthmus.features.webhooks_in.store import working as store
from isthmus.features.webhooks_in.store.working import Routed
from isthmus.kit.permissions import PLATFORM_TENANT
from isthmus.scope import Scope, System

HANDLE = "webhooks_in.handle"
PART = "webhooks_in"
_AT_ONCE = 200
_NOBODY = "No connection of yours holds the account that this is about."


@dataclass(frozen=True, slots=True)
class _Target:
    tenant_id: str
    connection_id: str | None
    reason: str | None = None
    #: Why it goes nowhere where no handler wants it; a connection that is made later may.
    otherwise: str | None = None


async def route(scope: Scope, source_id: str) -> None:
    """Route everything that has come in at a source, until nothing more comes."""
    system = System(scope.engine, scope.clock)
    while True:
        async with system.tx() as tx:
            mail = await store.mail(tx, scope.tenant_id, source_id)
        while mail.since is not None and await _some(system, scope, source_id, mail.since):
            pass
        async with system.tx() as tx:
            if await store.close(tx, scope.tenant_id, source_id, mail):
                return
            if await holding.source(tx, scope.tenant_id, source_id) is None:
                return


async def _some(system: System, scope: Scope, source_id: str, since: str) -> bool:
    async with system.tx() as tx:
        source = await holding.source(tx, scope.tenant_id, source_id)
        rows = await store.routable(tx, scope.tenant_id, source_id, since, _AT_ONCE)
    if not rows or source is None:
        return False
    targets = {account: await _target(system, scope, source, account) for account in {row["account"] for row in rows}}
    async with system.tx() as tx:
        await _send(system, tx, source, scope.tenant_id, [(row, targets[row["account"]]) for row in rows])
    return True


async def _send(
    system: System, tx: Tx, source: Source, tenant_id: str, rows: Sequence[tuple[Mapping[str, Any], _Target]]
) -> None:
    """Give each delivery to its tenant, with what that tenant's handlers have to do."""
    own = {source.id: Expressions(source.filter, source.transform)}
    routed = [
        Routed(row["id"], tenant_id, None, State.UNROUTED, target.reason)
        for row, target in rows
        if target.reason is not None
    ]
    wakes: set[tuple[str, str]] = set()
    for owner in sorted({target.tenant_id for _, target in rows if target.reason is None}):
        mine = {row["id"]: (row, target) for row, target in rows if target.tenant_id == owner and not target.reason}
        subjects = [Subject(**row, connection_id=target.connection_id) for row, target in mine.values()]
        found = await planning.planned(system.scope(owner, PART), tx, tenant_id, subjects, own)
        every = [task for one in found.values() for task in one.tasks]
        if every:
            await tasks.add(tx, owner, every, system.now)
        routed += [_routed(id_, mine[id_][1], one) for id_, one in found.items()]
        wakes |= {(owner, task.key) for task in every}
    await store.route(tx, tenant_id, routed, system.now)
    for owner, key in sorted(wakes):
        await system.engine.queue.enqueue(tx, HANDLE, key, tenant_id=owner)


def _routed(id_: str, target: _Target, planned: Planned) -> Routed:
    if planned.unwanted and target.otherwise is not None:
        return Routed(id_, target.tenant_id, None, State.UNROUTED, target.otherwise)
    return Routed(id_, target.tenant_id, target.connection_id, planned.state, planned.reason)


async def _target(system: System, scope: Scope, source: Source, account: str) -> _Target:
    """Whose news it is. `account` is what the signed body says."""
    found = await catalog.found(scope, source.provider)
    if found.connector is None:
        return _Target(scope.tenant_id, None)
    held = await connections.holder(system, source.provider, account) if account else None
    if held is None and source.connection_id is not None and not (account and source.uses_app):
        # what one connection's own secret has signed is about that connection, whatever name it gives the account
        held = (scope.tenant_id, source.connection_id)
    if held is None and not source.uses_app and scope.tenant_id != PLATFORM_TENANT:
        # only this tenant's own secret can have signed it, so it is news for its handlers; but of no connection
        return _Target(scope.tenant_id, None, otherwise=_NOBODY if account else None)
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
