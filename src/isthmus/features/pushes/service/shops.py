"""The far side of a connection, as far as pushes need it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from isthmus.client import urgent
from isthmus.connect.abilities import STOCK_LOCATION, EditField
from isthmus.connect.shapes import Listing
from isthmus.connect.spi import Connector, RawRecord, ReadsOne, Session
from isthmus.connect.writing import Edit, Outcome, Writes, Writing
from isthmus.features import catalog, connections, records
from isthmus.features.pushes.errors import NotWritable
from isthmus.kit.version import VERSION
from isthmus.scope import Scope, Tx

ENTITY = "products"
_TYPE = "product"


@dataclass(frozen=True, slots=True)
class About:
    """What must be known of a connection before anything is wanted of it.

    `home` is the location that holds the rest of a shared stock, where the shop has several and its merchant named one.
    """

    id: str
    provider: str
    writing: Writing
    home: str = ""


class Known(Protocol):
    """One connection, as far as it is known without a call."""

    @property
    def about(self) -> About:
        """Whose it is and what it takes."""
        ...


class Shop(Known, Protocol):
    """One connection, ready to be written."""

    @property
    def reading(self) -> bytes:
        """Changes with whatever decides how raw bytes become records."""
        ...

    def now(self) -> datetime:
        """The time by the far side's clock, as near as we know it."""
        ...

    def batches(self, edits: Sequence[Edit]) -> Sequence[Sequence[Edit]]:
        """What one call takes each."""
        ...

    async def write(self, batch: Sequence[Edit]) -> Sequence[Outcome]:
        """One call. Raises client errors."""
        ...

    async def fetch(self, external_id: str) -> RawRecord | None:
        """One record as it stands now; None where there is none. Raises client errors."""
        ...

    def map(self, record: RawRecord) -> Listing:
        """Read one record (pure). Raises Unmappable."""
        ...


@dataclass(frozen=True, slots=True)
class Shops:
    """A part: how to look at a connection, and how to open it."""

    about: Callable[[Scope, str], Awaitable[About]]
    open: Callable[[Scope, str], AbstractAsyncContextManager[Shop]]
    #: Whether products may pass there; it stays so until the transaction ends.
    admit: Callable[[Tx, str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class _Connected:
    session: Session
    connector: Connector
    #: The same, as what can write and as what can read one: to ask for that at each call takes longer than to build it.
    writer: Writes
    reader: ReadsOne
    about: About
    reading: bytes

    def now(self) -> datetime:
        return self.session.client.pipeline.far.now()

    def batches(self, edits: Sequence[Edit]) -> Sequence[Sequence[Edit]]:
        return self.writer.batches(edits, self.session.account)

    async def write(self, batch: Sequence[Edit]) -> Sequence[Outcome]:
        with urgent() if any(edit.field is EditField.STOCK for edit in batch) else nullcontext():
            return await self.writer.write(self.session, batch)

    async def fetch(self, external_id: str) -> RawRecord | None:
        return await self.reader.fetch(self.session, ENTITY, external_id)

    def map(self, record: RawRecord) -> Listing:
        return self.connector.map_listing(record, self.session.account)


async def _about(scope: Scope, connection_id: str) -> About:
    """Raises ConnectionNotFound, ShardTypeForbidden, NotWritable."""
    connection = await connections.connection(scope, connection_id)
    found = await catalog.found(scope, connection.provider)
    writing = found.manifest.writing
    able = isinstance(found.connector, Writes), isinstance(found.connector, ReadsOne)
    if writing is None or not all(able):
        raise NotWritable(details={"provider": connection.provider, "fields": []})
    connections.check_type(connection.allowed_types, _TYPE)
    home = str(connection.settings.get(STOCK_LOCATION) or "")
    return About(connection.id, connection.provider, writing, home)


@asynccontextmanager
async def _open(scope: Scope, connection_id: str) -> AsyncIterator[Shop]:
    about = await _about(scope, connection_id)
    found = await catalog.found(scope, about.provider)
    connector = found.connector
    assert connector is not None  # noqa: S101 - `_about` has seen it
    assert isinstance(connector, Writes)  # noqa: S101 - `_about` refused others
    assert isinstance(connector, ReadsOne)  # noqa: S101 - `_about` refused others
    reading = records.revision(about.provider, found.manifest.api_version, VERSION)
    async with connections.session(scope, connection_id) as session:
        yield _Connected(session, connector, connector, connector, about, reading)


async def _admit(tx: Tx, connection_id: str) -> None:
    await connections.check_writing(tx, connection_id, _TYPE)


_CONNECTIONS = Shops(_about, _open, _admit)


async def about(scope: Scope, connection_id: str) -> About:
    """What a connection takes. Raises what the connections raise, and NotWritable."""
    return await shops(scope).about(scope, connection_id)


def shops(scope: Scope) -> Shops:
    """The part that opens connections: the connections of this house unless another one was put in."""
    given = scope.engine.parts.get(Shops, _CONNECTIONS)
    assert isinstance(given, Shops)  # noqa: S101 - parts are keyed by their own type
    return given
