"""A shop of tests that is read page by page, and a scope whose runs read it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta

import msgspec
from tests.given import keys
from tests.given import orders as given_orders
from tests.given import records as given

from isthmus.connect.shapes import Listing, Order, OrderStatus
from isthmus.connect.spi import RawRecord, RecordPage, Unmappable, Window
from isthmus.engine.db import Database
from isthmus.features import sync
from isthmus.features.sync.service import Tally
from isthmus.features.sync.settings import Settings
from isthmus.features.vault import Vault
from isthmus.kit.errors import NotFound
from isthmus.scope import Scope

QUICK = Settings(lease=timedelta(seconds=60), heartbeat=timedelta(seconds=0.1), backoff=timedelta(seconds=0.05))

#: A lease that has run out by the time the next worker comes, and a heartbeat that never comes.
SHORT, NEVER = timedelta(milliseconds=30), timedelta(hours=1)


async def _nothing(cursor: str | None) -> None:
    """What happens before a page: nothing."""


@dataclass
class Shelf:
    """Records by id, read in the order of their ids; `before` may fail or wait, `windows` notes what was asked for."""

    titles: dict[str, str] = field(default_factory=dict)
    page_size: int = 2
    before: Callable[[str | None], Awaitable[None]] = _nothing
    reading: bytes = given.READING
    asked: list[str | None] = field(default_factory=list)
    tally: Tally | None = None
    windows: list[Window] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)

    async def pull(self, window: Window, cursor: str | None) -> RecordPage:
        """A page by position."""
        await self.before(cursor)
        self.asked.append(cursor)
        self.windows.append(window)
        start = int(cursor or 0)
        found = sorted(self.titles.items())
        shown = [RawRecord(id_, msgspec.json.encode([id_, title])) for id_, title in found[start:][: self.page_size]]
        end = start + self.page_size
        return RecordPage(shown, str(end) if end < len(found) else None, len(found))

    async def fetch(self, external_id: str) -> RawRecord | None:
        """One record."""
        await self.before(external_id)
        self.fetched.append(external_id)
        title = self.titles.get(external_id)
        return None if title is None else RawRecord(external_id, msgspec.json.encode([external_id, title]))

    def map(self, record: RawRecord) -> Listing:
        """Titles that begin with a question mark cannot be read; one with two marks is not even expected."""
        id_, title = msgspec.json.decode(record.payload, type=tuple[str, str])
        if title.startswith("??"):
            raise KeyError(title)
        if title.startswith("?"):
            raise Unmappable("The title is missing.")
        return given.listing(id_, title=title)


class Till(Shelf):
    """The same with orders: a title is the platform's word for the order's state."""

    def map(self, record: RawRecord) -> Order:  # type: ignore[override] # another entity has another shape
        """Words that begin with a question mark cannot be read."""
        id_, word = msgspec.json.decode(record.payload, type=tuple[str, str])
        if word.startswith("?"):
            raise Unmappable("The state is missing.")
        known = {"ready": OrderStatus.READY_TO_FULFIL, "sent": OrderStatus.SHIPPED}
        person = given_orders.customer(f"c{id_}", f"Buyer of {id_}")
        status = known.get(word, OrderStatus.UNKNOWN)
        return given_orders.order(id_, status=status, platform_status=word, customer=person)


def shelf(count: int, page_size: int = 2) -> Shelf:
    """A shop of `count` listings."""
    return Shelf({f"p{number:04d}": f"Áo {number}" for number in range(count)}, page_size)


def scope(database: Database, shops: dict[str, Shelf], tenant_id: str = "ten_one", **knobs: object) -> Scope:
    """A merchant's scope; its connections are these shops, by connection id."""

    async def shop(asking: Scope, connection_id: str, entity: str) -> sync.Shop:
        await asyncio.sleep(0)
        if asking.tenant_id != "ten_one" or connection_id not in shops:
            raise NotFound
        if entity not in {sync.PRODUCTS, sync.ORDERS}:
            raise sync.NotReadable
        return sync.Shop(connection_id, "shelf", timedelta(minutes=10))

    @asynccontextmanager
    async def opened(asking: Scope, connection_id: str, entity: str, tally: Tally) -> AsyncIterator[Shelf]:
        shops[connection_id].tally = tally
        yield shops[connection_id]

    settings = replace(QUICK, **knobs)  # type: ignore[arg-type]
    parts = {sync.Sources: sync.Sources(shop, opened), Settings: settings, Vault: Vault(keys.ring("first"))}
    return given.scope(given.engine(database, parts), tenant_id)
