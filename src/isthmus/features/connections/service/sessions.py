"""A session over one connection: the door through which every call to a platform goes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from isthmus.connect.spi import Account, Session
from isthmus.features import catalog
from isthmus.features.catalog import Registration
from isthmus.features.connections.errors import (
    ConnectionExpired,
    ConnectionNotFound,
    ConnectionPending,
    IntegrationDisabled,
)
from isthmus.features.connections.events import Cleared
from isthmus.features.connections.model.connection import Connection, Fact, Status, hosts_digest, move, reachable
from isthmus.features.connections.model.integration import chosen
from isthmus.features.connections.service import sealing
from isthmus.features.connections.service.clients import Binding, Clients
from isthmus.features.connections.service.sealing import Keys
from isthmus.features.connections.service.tokens import VaultTokenStore
from isthmus.features.connections.store import connections as store
from isthmus.scope import Scope, System

OAUTH = "oauth2"
HOSTS_CHANGED = "the hosts of the provider have changed; connect again"


@asynccontextmanager
async def session(scope: Scope, connection_id: str) -> AsyncIterator[Session]:
    """One connection, ready to call: hosts, credentials, refresh, limits and the platform's verdicts are bound.

    Raises ConnectionNotFound, also for another person's, ConnectionPending, ConnectionExpired, IntegrationDisabled,
    `catalog.PlanRequired`, and what `catalog.registration` raises. Calls raise the client's errors;
    `ReauthorizationRequired` among them means that the connection is expired or uncertain.
    """
    async with trusted(scope, connection_id, walled=True) as found:
        yield found


@asynccontextmanager
async def trusted(scope: Scope, connection_id: str, *, walled: bool = False) -> AsyncIterator[Session]:
    """The same for this room's own tests of connections: whosever they are, switched on or not, whatever the plan."""
    binding, tokens = await _binding(scope, connection_id, walled=walled)
    async with scope.part(Clients).bound(binding, tokens, scope.clock, walled=walled) as found:
        yield found


async def renew(scope: Scope, connection_id: str) -> None:
    """Refresh the tokens of a connection now, whether or not they are near their end; nothing where there are none.

    Raises what `trusted` raises, and the client's errors: ReauthorizationRequired when the platform will not go on.
    """
    binding, tokens = await _binding(scope, connection_id, walled=False)
    if tokens is not None:
        await scope.part(Clients).renew(binding, tokens, scope.clock)


async def _binding(scope: Scope, connection_id: str, *, walled: bool) -> tuple[Binding, VaultTokenStore | None]:
    connection, keys = await _ready(scope, connection_id, walled=walled)
    if walled:
        await catalog.admit_further(scope, connection.provider)
    registration = await catalog.registration(scope, connection.provider, connection.registration_id)
    if connection.hosts_digest != hosts_digest(registration.app.hosts):
        await _clear(scope, connection)
        raise ConnectionPending(HOSTS_CHANGED)
    # Clients outlive requests, so what they write is written in the room's own name and not in a person's.
    own = System(scope.engine, scope.clock).scope(scope.tenant_id, "connections")
    binding = bind(own, connection, registration, keys)
    if connection.auth != OAUTH and not keys.traded:
        return binding, None
    return binding, VaultTokenStore(own, connection_id, repeatable=keys.traded)


def bind(own: Scope, connection: Connection, registration: Registration, keys: Keys) -> Binding:
    """What a client of this connection is bound to."""
    return Binding(
        own.tenant_id,
        connection.id,
        registration,
        account_of(connection),
        0 if connection.auth == OAUTH or keys.traded else connection.token_version,
        keys.now,
        keys.before,
        keys.traded,
        own,
    )


def account_of(connection: Connection) -> Account:
    """The far side's account of a connection."""
    known = connection.account
    extra, settings = dict(known.get("extra", {})), chosen(connection.settings)
    return Account(connection.account_id or "", known.get("name", ""), known.get("region", ""), extra, settings)


async def _ready(scope: Scope, connection_id: str, *, walled: bool) -> tuple[Connection, Keys]:
    async with scope.tx() as tx:
        connection = await store.by_id(tx, connection_id)
        if connection is None or (walled and not reachable(connection, scope.principal)):
            raise ConnectionNotFound
        if walled and not connection.enabled:
            raise IntegrationDisabled
        if connection.status is Status.PENDING:
            raise ConnectionPending
        if connection.status is Status.EXPIRED:
            raise ConnectionExpired(details={"reason": connection.status_reason or ""})
        keys = sealing.NONE if connection.auth == OAUTH else await sealing.open_keys(scope, tx, connection_id)
    return connection, keys


async def _clear(scope: Scope, connection: Connection) -> None:
    """Credentials are for the hosts they were given for; others never see them (VA-01)."""
    async with scope.tx() as tx:
        after = move(connection.status, Fact.HOSTS_CHANGED)
        await store.update_cleared(tx, connection.id, after, HOSTS_CHANGED, scope.now)
        await store.update_integration_of(tx, connection.id, "pending", scope.now)
        tx.emit(Cleared(subject=connection.id, body={"reason": HOSTS_CHANGED}))
    await scope.part(Clients).drop(scope.tenant_id, connection.id)
