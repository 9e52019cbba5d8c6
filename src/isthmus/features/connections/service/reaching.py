"""Who may use which integration, and what may pass there: what search, widgets, the proxy and runs ask first."""

from collections.abc import Sequence
from dataclasses import dataclass

from isthmus.engine.db import Tx as SystemTx
from isthmus.features.connections.errors import (
    ConnectionNotFound,
    IntegrationDisabled,
    IntegrationNotFound,
    NotForYou,
    PersonRequired,
    ShardTypeForbidden,
    UserScopeDenied,
)
from isthmus.features.connections.model import integration as model
from isthmus.features.connections.model.connection import Connection, Owner, Status
from isthmus.features.connections.model.integration import Integration, Reach
from isthmus.features.connections.store import connections, owning
from isthmus.features.connections.store import integrations as store
from isthmus.kit.permissions import Principal
from isthmus.scope import Scope, Tx

_MOST = 500
_AWAITING = frozenset({None, Status.PENDING, Status.EXPIRED})


@dataclass(frozen=True, slots=True)
class Used:
    """An integration and the connection by which this caller uses it; None where nothing is connected yet."""

    integration: Integration
    connection: Connection | None


async def use(scope: Scope, integration_id: str, *, user_id: str | None = None, off_too: bool = False) -> Used:
    """What this caller uses of an integration: the tenant's connection, or their own where each connects alone.

    `user_id` is what a request said; another person's is refused where connections are people's own. `off_too` is for
    showing one that is switched off. Raises IntegrationNotFound, UserScopeDenied, PersonRequired, NotForYou,
    IntegrationDisabled.
    """
    async with scope.tx() as tx:
        found = await store.one(tx, integration_id)
        if found is None:
            raise IntegrationNotFound
        check_person(found, scope.principal, user_id)
        if not (found.enabled or off_too):
            raise IntegrationDisabled
        owner = scope.principal.id if found.user_scoped else None
        return Used(found, await connections.by_integration(tx, integration_id, owner))


def check_person(found: Integration, who: Principal, user_id: str | None = None) -> None:
    """Refuse what limits and ownership forbid. Raises UserScopeDenied, PersonRequired, NotForYou."""
    if found.user_scoped and user_id not in (None, who.subject):
        raise UserScopeDenied
    if found.user_scoped and not model.is_person(who):
        raise PersonRequired
    if not model.usable_by(found, who):
        raise NotForYou


async def reach(scope: Scope) -> Sequence[Reach]:
    """Everything that this caller may use just now, at most 500 connections; for whoever asks many at once."""
    async with scope.tx() as tx:
        return await store.reaches(tx, scope.principal, _MOST)


async def allows(scope: Scope, integration_id: str, shard_type: str) -> bool:
    """Whether records of this type may pass an integration. Raises IntegrationNotFound."""
    async with scope.tx() as tx:
        found = await store.one(tx, integration_id)
    if found is None:
        raise IntegrationNotFound
    return model.allows(found.allowed_types, shard_type)


def check_type(allowed_types: Sequence[str], shard_type: str) -> None:
    """Raises ShardTypeForbidden for a type of record that may not pass."""
    if not model.allows(allowed_types, shard_type):
        raise ShardTypeForbidden(details={"shardType": shard_type, "allowed": list(allowed_types)})


async def check_writing(tx: Tx, connection_id: str, shard_type: str) -> None:
    """Hold what may pass as it is until this transaction has written. Raises ShardTypeForbidden, ConnectionNotFound."""
    allowed = await owning.allowed_types(tx, connection_id)
    if allowed is None:
        raise ConnectionNotFound
    check_type(allowed, shard_type)


async def awaits_sign_in(tx: Tx, connection_id: str) -> bool:
    """Whether a connection waits for somebody who signs in; it stays so until this transaction has written.

    What is set aside for `connection.connected` to wake must ask first: where somebody has signed in meanwhile, that
    was told already.
    """
    return await owning.status_held(tx, tx.tenant_id, connection_id) in _AWAITING


async def awaits_another(tx: SystemTx, tenant_id: str, connection_id: str) -> bool:
    """As `awaits_sign_in`, for who hears late of a sign-in: another one may be due by then."""
    return await owning.status_held(tx, tenant_id, connection_id) in _AWAITING


def owner_of(who: Principal) -> Owner:
    """This caller as the owner of a connection. Raises PersonRequired."""
    if not model.is_person(who):
        raise PersonRequired
    return Owner(who.subject, who.id)
