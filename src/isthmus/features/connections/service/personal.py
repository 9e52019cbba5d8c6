"""Connections of single people: made, seen and ended by them; an admin sees that they exist, and may end them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from isthmus.engine.db import Tx as SystemTx
from isthmus.engine.queue import Wake
from isthmus.features.connections.errors import (
    AlreadyConnected,
    ConnectionNotFound,
    IntegrationDisabled,
    IntegrationNotFound,
    NotUserScoped,
)
from isthmus.features.connections.model import integration as model
from isthmus.features.connections.model.connection import Connection
from isthmus.features.connections.model.integration import Integration
from isthmus.features.connections.service import integrations, managing, reaching, rotating, settling, starting
from isthmus.features.connections.service.starting import Started
from isthmus.features.connections.store import connections, owning
from isthmus.features.connections.store import integrations as store
from isthmus.kit.permissions import Principal
from isthmus.kit.secret import Secret
from isthmus.scope import Scope, System

DEPART = "connections.depart"
_BUILT_IN = "isthmus"
_MOST = 500


@dataclass(frozen=True, slots=True)
class Own:
    """An integration that each person connects alone, and how far this one is."""

    integration: Integration
    connection: Connection | None


@dataclass(frozen=True, slots=True)
class Person:
    """That somebody has a connection of their own: all that an admin sees of it."""

    user_id: str
    provider: str
    status: str
    since: datetime


async def own(scope: Scope) -> list[Own]:
    """The integrations that this person may connect alone, with their connections. Raises PersonRequired."""
    owner = reaching.owner_of(scope.principal)
    async with scope.tx() as tx:
        found = [one for one in await store.personal(tx, _MOST) if model.usable_by(one, scope.principal)]
        mine = await owning.of_owner(tx, owner.id)
    return [Own(one, mine.get(one.id)) for one in found]


async def connect(
    scope: Scope, integration_id: str, *, return_url: str | None = None, keys: Mapping[str, Secret] | None = None
) -> Started:
    """Connect one's own account.

    Raises PersonRequired, IntegrationNotFound, NotUserScoped, NotForYou, IntegrationDisabled, and what
    `starting.start` raises.
    """
    owner = reaching.owner_of(scope.principal)
    found, connection = await _mine(scope, integration_id)
    if not found.user_scoped:
        raise NotUserScoped
    if not found.enabled:
        raise IntegrationDisabled
    if connection is not None:
        return await starting.reconnect(scope, connection.id, return_url=return_url, keys=keys)
    target = settling.Target(found.name, found.settings, integration_id, owner)
    try:
        return await starting.start_for(scope, found.provider, target, return_url, keys)
    except AlreadyConnected:
        # the same person may have begun in another window at the same moment
        _, connection = await _mine(scope, integration_id)
        if connection is None:
            raise
    return await starting.reconnect(scope, connection.id, return_url=return_url, keys=keys)


async def state(scope: Scope, integration_id: str) -> Connection | None:
    """One's own connection of an integration. Raises PersonRequired, IntegrationNotFound, NotForYou."""
    reaching.owner_of(scope.principal)
    return (await _mine(scope, integration_id))[1]


async def test(scope: Scope, integration_id: str) -> managing.Trial:
    """Try one's own credentials. Raises what `state` raises, NotUserScoped, ConnectionNotFound."""
    return await managing.test(scope, (await _connected(scope, integration_id)).id)


async def rotate(  # house: silent - what it calls emits
    scope: Scope, integration_id: str, kind: str, keys: Mapping[str, Secret]
) -> rotating.Rotated:
    """Replace one's own credentials. Raises what `test` raises, and what `rotating.rotate` raises."""
    return await rotating.rotate(scope, await _connected(scope, integration_id), kind, keys)


async def disconnect(scope: Scope, integration_id: str) -> str:
    """End one's own connection; how the far side took it. Raises what `test` raises."""
    return await managing.end(scope, await _connected(scope, integration_id))


async def _connected(scope: Scope, integration_id: str) -> Connection:
    reaching.owner_of(scope.principal)
    found, connection = await _mine(scope, integration_id)
    if not found.user_scoped:
        raise NotUserScoped
    if connection is None:
        raise ConnectionNotFound("You have no connection of your own there.")
    return connection


async def _mine(scope: Scope, integration_id: str) -> tuple[Integration, Connection | None]:
    async with scope.tx() as tx:
        found = await store.one(tx, integration_id)
        if found is None:
            raise IntegrationNotFound
        reaching.check_person(found, scope.principal)
        return found, await connections.by_integration(tx, integration_id, scope.principal.id)


async def people(scope: Scope, integration_id: str) -> Sequence[Person]:
    """Who has a connection of their own there, and nothing of its account or data. Raises IntegrationNotFound."""
    async with scope.tx() as tx:
        if await store.one(tx, integration_id) is None:
            raise IntegrationNotFound
        rows = await owning.people(tx, integration_id, _MOST)
    return [Person(*row.values()) for row in rows]


async def end_for(scope: Scope, integration_id: str, user_id: str) -> int:
    """An admin ends what somebody connected there; how many connections that were. Raises IntegrationNotFound."""
    async with scope.tx() as tx:
        if await store.one(tx, integration_id) is None:
            raise IntegrationNotFound
        found = [id_ for id_, _, user in await store.connections_of(tx, integration_id) if user == user_id]
    ended = [await integrations.end(scope, one) for one in found]
    return sum(one is not None for one in ended)


async def depart(scope: Scope, user_id: str) -> None:
    """Somebody is no member any more: every connection of theirs ends."""
    gone = Principal("user", user_id, _BUILT_IN, scope.tenant_id)
    async with scope.tx() as tx:
        found = await owning.of_owner(tx, gone.id)
    for connection in found.values():
        await integrations.end(scope, connection.id)


async def departed(tx: SystemTx, tenant_id: str, user_id: str) -> None:  # house: silent - the job's ends are told
    """A member was removed: from this commit on their connections open nothing; a job ends them at the far side."""
    gone = Principal("user", user_id, _BUILT_IN, tenant_id)
    await owning.update_departed(tx, tenant_id, gone.id)


async def missing(system: System, tx: SystemTx) -> Sequence[Wake]:  # noqa: ARG001 - the reconciler's own form
    """The wake-ups for those whose connections still have to be ended."""
    return [Wake(DEPART, user_id, tenant_id) for tenant_id, user_id in await owning.departed(tx, _MOST)]
