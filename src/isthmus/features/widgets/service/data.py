"""Records for a widget: read live, kept for a moment, and shown stale where the platform does not answer."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from isthmus.client import ClientError
from isthmus.connect.faults import DATA_FAULTS
from isthmus.connect.manifest import Entity
from isthmus.connect.spi import Account, Connector, RawRecord, Unmappable, Window
from isthmus.features import catalog, connections, sync
from isthmus.features.widgets import model
from isthmus.features.widgets.errors import PlatformSilent
from isthmus.features.widgets.model import Json, Test
from isthmus.features.widgets.service.shelf import Held, Key, Shelf
from isthmus.features.widgets.settings import Settings
from isthmus.kit.errors import Invalid
from isthmus.scope import Scope

_LOG = logging.getLogger("isthmus.widgets")
#: Pages that are read for one widget: what a filter leaves of them is what is shown.
_PAGES = 3
_NOT_CONNECTED = (
    "Nothing can be read: the integration has no connection that you can use; it has to be connected first."
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which records of an entity are shown; `filters` is JSON text as it was given."""

    entity: str
    fields: Sequence[str] = ()
    filters: str = ""
    limit: int = 10


@dataclass(frozen=True, slots=True)
class Shown:
    """Some records, when they were read, and whether the platform has not answered since."""

    records: Sequence[Json]
    total: int
    fetched_at: datetime
    stale: bool


@dataclass(frozen=True, slots=True)
class _Reading:
    """One entity of one connection."""

    scope: Scope
    connection_id: str
    connector: Connector
    entity: str
    tests: Sequence[Test]
    limit: int

    @property
    def key(self) -> Key:
        return self.scope.tenant_id, self.connection_id, self.entity


async def data(scope: Scope, integration_id: str, wanted: Wanted, *, user_id: str | None = None) -> Shown:
    """Records of an entity, as the platform has them now.

    Raises what `connections.use` raises, IntegrationNotConnected, ShardTypeForbidden, Invalid, NotReadable,
    PlatformSilent, and what `connections.session` raises where nothing is kept.
    """
    used = await connections.use(scope, integration_id, user_id=user_id)
    found = await catalog.found(scope, used.integration.provider)
    entity = _entity(found.manifest.entities, wanted.entity)
    connections.check_type(used.integration.allowed_types, entity.shard_type)
    known = model.names_of(entity.name, entity.fields)
    fields, tests = model.read_fields(wanted.fields, known), model.read_filters(wanted.filters, known)
    if used.connection is None:
        raise connections.IntegrationNotConnected(_NOT_CONNECTED)
    if found.connector is None:
        raise sync.NotReadable
    reading = _Reading(scope, used.connection.id, found.connector, entity.name, tests, wanted.limit)
    held, stale = await _held(reading)
    records = model.matching(held.records, tests)
    total = held.total if held.total is not None and not tests else len(records)
    return Shown(model.trimmed(records[: wanted.limit], fields), total, held.fetched_at, stale)


def _entity(entities: Sequence[Entity], name: str) -> Entity:
    found = next((one for one in entities if one.name == name), None)
    if found is None:
        choice = ", ".join(sorted(one.name for one in entities)) or "none"
        raise Invalid.field("entity", f"The provider has no such entity; there is: {choice}.")
    return found


async def _held(reading: _Reading) -> tuple[Held, bool]:
    scope = reading.scope
    shelf, settings = scope.part(Shelf), scope.part(Settings)
    held = shelf.find(reading.key)
    if held is not None and scope.now - held.fetched_at < settings.fresh and _enough(reading, held):
        return held, False
    async with shelf.alone(reading.key) as turn:
        held = shelf.find(reading.key)
        fresh = held is not None and scope.now - held.fetched_at < settings.fresh
        if held is not None and fresh and _enough(reading, held):
            return held, False
        if turn.failure is None:
            try:
                async with asyncio.timeout(settings.deadline.total_seconds()):
                    return await _read(reading, held if fresh else None), False
            except (ClientError, TimeoutError, connections.ConnectionExpired, Unmappable, *DATA_FAULTS) as failure:
                _LOG.info("a widget's records could not be read: %s", type(failure).__name__)
                turn.failure = failure
        return _stale(reading, held, turn.failure), True


def _stale(reading: _Reading, held: Held | None, failure: Exception) -> Held:
    """What is kept in place of what could not be read. Raises ConnectionExpired, PlatformSilent."""
    if held is not None and reading.scope.now - held.fetched_at < reading.scope.part(Settings).stale:
        return held
    if isinstance(failure, connections.ConnectionExpired):
        raise failure
    raise PlatformSilent from failure


def _enough(reading: _Reading, held: Held) -> bool:
    if held.complete or held.pages >= _PAGES:
        return True
    return len(model.matching(held.records, reading.tests)) >= reading.limit


async def _read(reading: _Reading, before: Held | None) -> Held:
    """Read on behind what is held, until there is enough to show."""
    scope = reading.scope
    held = before or Held(scope.now)
    made = Held(held.fetched_at, list(held.records), held.cursor, held.total, held.pages, held.size)
    reader = sync.entity(reading.entity).reader
    async with connections.session(scope, reading.connection_id) as session:
        window = Window(None, made.fetched_at)
        while not _enough(reading, made):
            page = await reader.pull(reading.connector, session, window, made.cursor)
            made.records += _mapped(reading, reader, page.records, session.account)
            made.size += sum(len(record.payload) for record in page.records)
            made.cursor, made.pages = page.cursor, made.pages + 1
            made.total = page.total if page.total is not None else made.total
    if made.complete:
        made.total = len(made.records)
    scope.part(Shelf).put(reading.key, made)
    return made


def _mapped(
    reading: _Reading, reader: sync.Reader, raw: Sequence[RawRecord], account: Account
) -> list[dict[str, object]]:
    """The records that can be read; a sync tells of the others, one by one."""
    found = []
    for record in raw:
        try:
            found.append(model.shown(reader.map(reading.connector, record, account)))
        except (Unmappable, *DATA_FAULTS):
            continue
    return found
