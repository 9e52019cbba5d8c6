"""Where a run's pages come from: a connection's bound client and its connector."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from isthmus.client import listener
from isthmus.connect.faults import in_form
from isthmus.connect.spi import Connector, RawRecord, ReadsOne, RecordPage, Session, Window
from isthmus.features import catalog, connections, records
from isthmus.features.sync.errors import NotReadable
from isthmus.features.sync.service import entities
from isthmus.features.sync.service.entities import Entity
from isthmus.features.sync.service.tally import Tally
from isthmus.kit.version import VERSION
from isthmus.scope import Scope, Tx


class Source(Protocol):
    """One entity of one connection, ready to be read."""

    @property
    def reading(self) -> bytes:
        """Changes with whatever decides how raw bytes become records; unchanged bytes are then mapped again."""
        ...

    async def pull(self, window: Window, cursor: str | None) -> RecordPage:
        """One page; the same cursor may be asked for again."""
        ...

    async def fetch(self, external_id: str) -> RawRecord | None:
        """One record; None where the platform says that there is none. Raises LookupError where it cannot be asked."""
        ...

    def map(self, record: RawRecord) -> object:
        """Read one record (pure) into its canonical shape. Raises Unmappable."""
        ...


@dataclass(frozen=True, slots=True)
class Shop:
    """What a run must know of its connection before it begins."""

    id: str
    provider: str
    overlap: timedelta
    #: What was read before may lack records that may be read now.
    anew_since: datetime | None = None


async def _products_alone(scope: Scope, connection_id: str) -> Sequence[str]:  # noqa: ARG001 - a part's form
    return (entities.PRODUCTS,)


@dataclass(frozen=True, slots=True)
class Sources:
    """How to look at an entity of a connection, and how to open it; `Tally` is told of waits and repeated calls."""

    shop: Callable[[Scope, str, str], Awaitable[Shop]]
    open: Callable[[Scope, str, str, Tally], AbstractAsyncContextManager[Source]]
    offered: Callable[[Scope, str], Awaitable[Sequence[str]]] = _products_alone


@dataclass(frozen=True, slots=True)
class _Connected:
    """A connection's session with the connector that reads it."""

    session: Session
    connector: Connector
    name: str
    entity: Entity
    reading: bytes
    connection_id: str
    shard_type: str

    async def pull(self, window: Window, cursor: str | None) -> RecordPage:
        with in_form():
            return await self.entity.reader.pull(self.connector, self.session, window, cursor)

    async def fetch(self, external_id: str) -> RawRecord | None:
        if not isinstance(self.connector, ReadsOne):
            raise LookupError(self.name)
        with in_form():
            return await self.connector.fetch(self.session, self.name, external_id)

    def map(self, record: RawRecord) -> object:
        return self.entity.reader.map(self.connector, record, self.session.account)


async def _shop(scope: Scope, connection_id: str, entity: str) -> Shop:
    """Look whether an entity may be read.

    Raises ConnectionNotFound, ConnectionPending, ConnectionExpired, IntegrationDisabled, PlanRequired,
    ShardTypeForbidden, and NotReadable without such an entity or for a connection of one person.
    """
    connection = await connections.connection(scope, connection_id)
    if connection.status is connections.Status.PENDING:
        raise connections.ConnectionPending
    if connection.status is connections.Status.EXPIRED:
        raise connections.ConnectionExpired
    found = await catalog.found(scope, connection.provider)
    described = found.manifest.entity(entity)
    if found.connector is None or described is None:
        raise NotReadable
    _refuse_own(connection)
    if not connection.enabled:
        raise connections.IntegrationDisabled
    await catalog.admit_further(scope, connection.provider)
    connections.check_type(connection.allowed_types, described.shard_type)
    overlap = timedelta(seconds=described.overlap_seconds)
    return Shop(connection.id, connection.provider, overlap, connection.types_changed_at)


@asynccontextmanager
async def _open(scope: Scope, connection_id: str, entity: str, tally: Tally) -> AsyncIterator[Source]:
    connection = await connections.connection(scope, connection_id)
    found = await catalog.found(scope, connection.provider)
    described = found.manifest.entity(entity)
    if found.connector is None or described is None:
        raise NotReadable
    shard_type = described.shard_type
    connections.check_type(connection.allowed_types, shard_type)
    reading = records.revision(connection.provider, found.manifest.api_version, VERSION)
    async with connections.session(scope, connection_id) as session:
        before = listener.set(tally)
        try:
            how = entities.entity(entity)
            yield _Connected(session, found.connector, entity, how, reading, connection_id, shard_type)
        finally:
            listener.reset(before)


def _refuse_own(connection: connections.Connection) -> None:
    if connection.owner_id is not None:
        raise NotReadable("A person's own records are not kept for the tenant; ask for them live.")


async def _offered(scope: Scope, connection_id: str) -> Sequence[str]:
    """The entities of its provider that runs can read. Raises ConnectionNotFound, NotReadable for one person's own."""
    connection = await connections.connection(scope, connection_id)
    _refuse_own(connection)
    found = await catalog.found(scope, connection.provider)
    return entities.offered(found.connector, (one.name for one in found.manifest.entities))


async def admit(tx: Tx, source: Source) -> None:
    """Whether what was read may be written now; it stays so until the commit. Raises ShardTypeForbidden."""
    if isinstance(source, _Connected):
        await connections.check_writing(tx, source.connection_id, source.shard_type)


_CONNECTIONS = Sources(_shop, _open, _offered)


async def offered(scope: Scope, connection_id: str) -> Sequence[str]:
    """The entities that a connection can be read for. Raises what the connections raise."""
    return await sources(scope).offered(scope, connection_id)


def sources(scope: Scope) -> Sources:
    """The part that opens connections: the connections of this house unless another one was put in."""
    given = scope.engine.parts.get(Sources, _CONNECTIONS)
    assert isinstance(given, Sources)  # noqa: S101 - parts are keyed by their own type
    return given
