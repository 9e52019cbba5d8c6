"""Sends each delivery to the connection that it is about, by the platform's own ids.

A signature proves the app, not the tenant (security.md WH-04): what a source of one tenant brings about an account of
another tenant is news of an account that nobody holds. Of what may not be read, or is one person's, nothing is kept.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from isthmus.connect.manifest import Manifest
from isthmus.engine.db import Tx
from isthmus.features import catalog, connections
from isthmus.features.webhooks_in.model.deliveries import Source, State
from isthmus.features.webhooks_in.model.handling import Planned, Subject, Task
from isthmus.features.webhooks_in.service import offering, planning, waking
from isthmus.features.webhooks_in.service.planning import Expressions
from isthmus.features.webhooks_in.store import days, tasks
from isthmus.features.webhooks_in.store import sources as holding
from isthmus.features.webhooks_in.store import working as store
from isthmus.features.webhooks_in.store.working import Routed
from isthmus.kit.permissions import PLATFORM_TENANT
from isthmus.scope import Scope, System

PART = "webhooks_in"
_AT_ONCE = 200
#: Where there is no app, or no connection any more.
_GONE = ""
_REMOVED = "The source was removed."
_NOBODY = "No connection of yours holds the account that this is about."
_PERSONS = "It is about an account that a person has connected alone; nothing of it is kept."
_FORBIDDEN = "The integration may not read such records; nothing of it is kept."


@dataclass(frozen=True, slots=True)
class _Target:
    tenant_id: str
    connection_id: str | None
    reason: str | None = None
    #: Why it goes nowhere where no handler wants it; a connection that is made later may.
    otherwise: str | None = None
    #: Entities that may not pass the connection's integration.
    closed: frozenset[str] = frozenset()
    #: One person's own, so nobody else's news.
    personal: bool = False


async def route(scope: Scope, source_id: str) -> None:
    """Route everything that has come in at a source, until nothing more comes."""
    system = System(scope.engine, scope.clock)
    await offering.settle(system)
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
            # more has come in: what was routed meanwhile need not be walked over again
            await store.move_on(tx, scope.tenant_id, source_id)


async def _some(system: System, scope: Scope, source_id: str, since: str) -> bool:
    async with system.tx() as tx:
        source = await holding.source(tx, scope.tenant_id, source_id)
        rows = await store.routable(tx, scope.tenant_id, source_id, since, _AT_ONCE)
        if rows and source is None:
            # it was removed while this process still knew it
            gone = [Routed(row["id"], scope.tenant_id, None, State.IGNORED, _REMOVED) for row in rows]
            await store.route(tx, scope.tenant_id, gone, system.now)
    if not rows or source is None:
        return bool(rows)
    targets = await _targets(system, scope, source, {row["account"] for row in rows})
    async with system.tx() as tx:
        await _send(scope, tx, source, [(row, targets[row["account"]]) for row in rows])
    return True


async def _send(scope: Scope, tx: Tx, source: Source, rows: Sequence[tuple[Mapping[str, Any], _Target]]) -> None:
    """Give each delivery to its tenant, with what that tenant's handlers have to do; as the system.

    As many statements for the deliveries of a hundred shops as for those of one.
    """
    await _close(tx, scope.tenant_id, rows)
    routed = [
        Routed(row["id"], scope.tenant_id, None, State.UNROUTED, target.reason)
        for row, target in rows
        if target.reason is not None
    ]
    mine: dict[str, dict[str, tuple[Mapping[str, Any], _Target]]] = defaultdict(dict)
    for row, target in rows:
        if row["entity"] in target.closed:
            routed.append(Routed(row["id"], target.tenant_id, target.connection_id, State.IGNORED, _FORBIDDEN))
        elif target.reason is None:
            mine[target.tenant_id][row["id"]] = (row, target)
    known = await planning.rules_of(tx, sorted(mine)) if mine else {}
    every: list[tuple[str, Task]] = []
    own = {source.id: Expressions(source.filter, source.transform)}
    for owner, those in sorted(mine.items()):
        subjects = [Subject(**row, connection_id=target.connection_id) for row, target in those.values()]
        found = await planning.planned(tx, scope.tenant_id, known[owner], subjects, own)
        every += [(owner, task) for one in found.values() for task in one.tasks]
        routed += [_routed(id_, those[id_][1], one) for id_, one in found.items()]
    if every:
        await tasks.add(tx, every, scope.now)
    await store.route(tx, scope.tenant_id, routed, scope.now)
    wakes = sorted({(owner, task.key) for owner, task in every})
    await scope.engine.queue.enqueue_all(tx, [waking.wake(owner, key) for owner, key in wakes])


async def _close(tx: Tx, tenant_id: str, rows: Sequence[tuple[Mapping[str, Any], _Target]]) -> None:
    """Keep nothing of what is one person's own, or may not be read: neither is for whoever reads this log."""
    personal = [row["id"] for row, target in rows if target.personal]
    if personal:
        await days.close(tx, tenant_id, personal, account=True)
    closed = [row["id"] for row, target in rows if row["entity"] in target.closed]
    if closed:
        await days.close(tx, tenant_id, closed, account=False)


def _routed(id_: str, target: _Target, planned: Planned) -> Routed:
    if planned.unwanted and target.otherwise is not None:
        return Routed(id_, target.tenant_id, None, State.UNROUTED, target.otherwise)
    return Routed(id_, target.tenant_id, target.connection_id, planned.state, planned.reason)


async def _targets(system: System, scope: Scope, source: Source, accounts: set[str]) -> dict[str, _Target]:
    """Whose news these are. `accounts` are what the signed bodies say."""
    found = await catalog.found(scope, source.provider)
    if found.connector is None:
        return dict.fromkeys(accounts, _Target(scope.tenant_id, None))
    held = await connections.holders(system, source.provider, sorted(accounts - {""}))
    own, app = await _own(scope, source), await _app(scope, source)
    targets = {}
    for account in accounts:
        holder = held.get(account)
        if holder is None and not (account and source.uses_app):
            # what one connection's own secret has signed is about that connection, whatever name it gives the account
            holder = own
        target = _target(scope.tenant_id, source, account, holder, app)
        targets[account] = target if holder is None else _walled(found.manifest, scope.tenant_id, target, holder)
    return targets


async def _own(scope: Scope, source: Source) -> connections.Held | None:
    """The connection that the source was made for; of no app where it is gone."""
    if source.connection_id is None:
        return None
    try:
        connection = await connections.connection(scope, source.connection_id)
    except connections.ConnectionNotFound:
        return connections.Held(scope.tenant_id, source.connection_id, _GONE)
    place = (scope.tenant_id, source.connection_id, connection.registration_id)
    return connections.Held(*place, allowed_types=connection.allowed_types)


async def _app(scope: Scope, source: Source) -> str | None:
    """The app whose connections the source brings news of; None for those of any."""
    if not source.uses_app:
        return None
    try:
        return (await catalog.registration(scope, source.provider)).id
    except catalog.AppMissing:
        return _GONE


def _walled(manifest: Manifest, tenant_id: str, target: _Target, held: connections.Held) -> _Target:
    """The same, where the connection is one person's or some entities may not pass."""
    if held.personal and tenant_id in {PLATFORM_TENANT, held.tenant_id}:
        return _Target(tenant_id, None, _PERSONS, personal=True)
    if target.connection_id is None or not held.allowed_types:
        return target
    closed = {one.name for one in manifest.entities if one.shard_type not in held.allowed_types}
    return replace(target, closed=frozenset(closed))


def _target(tenant_id: str, source: Source, account: str, held: connections.Held | None, app: str | None) -> _Target:
    """Where the news of an account go that this connection holds."""
    if held is not None and tenant_id not in {PLATFORM_TENANT, held.tenant_id}:
        # as one that nobody holds, so that nobody learns here whose customer somebody is
        held = None
    if held is None and not source.uses_app and tenant_id != PLATFORM_TENANT:
        # only this tenant's own secret can have signed it, so it is news for its handlers; but of no connection
        return _Target(tenant_id, None, otherwise=_NOBODY if account else None)
    if held is None:
        return _Target(tenant_id, None, _NOBODY)
    if _GONE in (held.registration_id, app) or app not in (None, held.registration_id):
        return _Target(tenant_id, None, _NOBODY)
    return _Target(held.tenant_id, held.connection_id)
