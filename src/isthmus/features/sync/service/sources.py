"""Where a run's pages come from: a connection's bound client and its connector."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

import isthmus
from isthmus.client import listener
from isthmus.connect.shapes import Listing
from isthmus.connect.spi import Connector, RawRecord, RecordPage, Session, Window
from isthmus.features import catalog, connections, records
from isthmus.features.sync.errors import NotReadable
from isthmus.features.sync.service.tally import Tally
from isthmus.scope import Scope


class Source(Protocol):
    """One connection, ready to be read."""

    @property
    def reading(self) -> bytes:
        """Changes with whatever decides how raw bytes become records; unchanged bytes are then mapped again."""
        ...

    async def pull(self, window: Window, cursor: str | None) -> RecordPage:
        """One page; the same cursor may be asked for again."""
        ...

    def map(self, record: RawRecord) -> Listing:
        """Read one record (pure). Raises Unmappable."""
        ...


@dataclass(frozen=True, slots=True)
class Shop:
    """What a run must know of its connection before it begins."""

    id: str
    provider: str
    overlap: timedelta


@dataclass(frozen=True, slots=True)
class Sources:
    """How to look at a connection, and how to open it; `Tally` is told of waits and repeated calls."""

    shop: Callable[[Scope, str, str], Awaitable[Shop]]
    open: Callable[[Scope, str, Tally], AbstractAsyncContextManager[Source]]


@dataclass(frozen=True, slots=True)
class _Connected:
    """A connection's session with the connector that reads it."""

    session: Session
    connector: Connector
    reading: bytes

    async def pull(self, window: Window, cursor: str | None) -> RecordPage:
        return await self.connector.pull_listings(self.session, window, cursor)

    def map(self, record: RawRecord) -> Listing:
        return self.connector.map_listing(record, self.session.account)


async def _shop(scope: Scope, connection_id: str, entity: str) -> Shop:
    """Raises ConnectionNotFound, ConnectionPending, ConnectionExpired, or NotReadable without such an entity."""
    connection = await connections.connection(scope, connection_id)
    if connection.status is connections.Status.PENDING:
        raise connections.ConnectionPending
    if connection.status is connections.Status.EXPIRED:
        raise connections.ConnectionExpired
    found = scope.part(catalog.Providers)[connection.provider]
    described = found.manifest.entity(entity)
    if found.connector is None or described is None:
        raise NotReadable
    return Shop(connection.id, connection.provider, timedelta(seconds=described.overlap_seconds))


@asynccontextmanager
async def _open(scope: Scope, connection_id: str, tally: Tally) -> AsyncIterator[Source]:
    connection = await connections.connection(scope, connection_id)
    found = scope.part(catalog.Providers)[connection.provider]
    if found.connector is None:
        raise NotReadable
    reading = records.revision(connection.provider, found.manifest.api_version, isthmus.__version__)
    async with connections.session(scope, connection_id) as session:
        before = listener.set(tally)
        try:
            yield _Connected(session, found.connector, reading)
        finally:
            listener.reset(before)


_CONNECTIONS = Sources(_shop, _open)


def sources(scope: Scope) -> Sources:
    """The part that opens connections: the connections of this house unless another one was put in."""
    given = scope.engine.parts.get(Sources, _CONNECTIONS)
    assert isinstance(given, Sources)  # noqa: S101 - parts are keyed by their own type
    return given
