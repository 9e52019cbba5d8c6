"""What a run can read: for each kind of record, how a connector hands it over and which store keeps it.

An entity is found by its name; one more line in `OWN` is one more kind of record that runs, retries, single reads and
webhooks know.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

from isthmus.connect.keeping import Alive, Item, Known, Origin, Written
from isthmus.connect.record import Record
from isthmus.connect.shapes import Listing, Order
from isthmus.connect.spi import Account, Connector, RawRecord, ReadsEntities, ReadsOrders, RecordPage, Session, Window
from isthmus.features import orders, records
from isthmus.features.sync.errors import NotReadable
from isthmus.scope import Scope, Tx

PRODUCTS: Final = "products"
ORDERS: Final = "orders"


@dataclass(frozen=True, slots=True)
class Reader:
    """How a connector hands an entity over: pages of it, and one record as the canonical shape (pure)."""

    pull: Callable[[Connector, Session, Window, str | None], Awaitable[RecordPage]]
    map: Callable[[Connector, RawRecord, Account], object]


@dataclass(frozen=True, slots=True)
class Keeper:
    """Where records of an entity go: checked one by one (pure), compared and written as a page.

    `personal` says that raw records name persons: then nothing of them is kept outside the store.
    """

    item: Callable[[Any, bytes, bytes], Item]
    known: Callable[[Scope, str, Sequence[str]], Awaitable[Mapping[str, Known]]]
    write: Callable[[Tx, Scope, Origin, Sequence[Any]], Awaitable[Written]]
    personal: bool = False
    #: Whether a tenant whose store is full is read no more of it. Whoever does not read an order does not ship it.
    bounded: bool = True
    #: What is stored and not deleted (behind an external id, at most so many, known before a time), by which ids its
    #: platform can be asked for it, and how it is marked as deleted. Without them nothing is ever taken for deleted.
    alive: Callable[[Scope, str, str, int, datetime | None], Awaitable[Sequence[Alive]]] | None = None
    probes: Callable[[Scope, Sequence[str]], Awaitable[Mapping[str, Sequence[str]]]] | None = None
    bury: Callable[[Tx, Scope, Origin, Sequence[str]], Awaitable[int]] | None = None


@dataclass(frozen=True, slots=True)
class Entity:
    """One kind of record: how it is read and how it is kept."""

    reader: Reader
    keeper: Keeper


def _map_listing(connector: Connector, record: RawRecord, account: Account) -> Listing:
    return connector.map_listing(record, account)


def _pull_listings(connector: Connector, session: Session, window: Window, cursor: str | None) -> Awaitable[RecordPage]:
    return connector.pull_listings(session, window, cursor)


def _reader_of_orders(connector: Connector) -> ReadsOrders:
    if not isinstance(connector, ReadsOrders):
        raise NotReadable
    return connector


def _map_order(connector: Connector, record: RawRecord, account: Account) -> Order:
    return _reader_of_orders(connector).map_order(record, account)


def _pull_orders(connector: Connector, session: Session, window: Window, cursor: str | None) -> Awaitable[RecordPage]:
    return _reader_of_orders(connector).pull_orders(session, window, cursor)


def _record(made: object, _raw: bytes, _raw_hash: bytes) -> Item:
    if not isinstance(made, Record):
        raise NotReadable
    return records.record_item(made)


async def _unknown(_scope: Scope, _connection_id: str, _ids: Sequence[str]) -> Mapping[str, Known]:
    """Records of any kind are compared by what they are mapped to, never by what was sent."""
    return {}


def _any(name: str) -> Keeper:
    return Keeper(
        _record,
        _unknown,
        records.write_any,
        personal=True,
        alive=partial(records.entries_alive, name),
        probes=records.entry_probes,
        bury=records.bury_records,
    )


OWN: Mapping[str, Entity] = {
    PRODUCTS: Entity(
        Reader(_pull_listings, _map_listing),
        Keeper(
            records.item,
            records.known_raw,
            records.write_listings,
            alive=records.alive,
            probes=records.probes,
            bury=records.bury_listings,
        ),
    ),
    ORDERS: Entity(
        Reader(_pull_orders, _map_order),
        Keeper(orders.item, orders.known_raw, orders.write_orders, personal=True, bounded=False),
    ),
}


def entity(name: str) -> Entity:
    """The entity of that name; one without a store of its own is read by name and kept among the records of any kind.

    Reading it raises NotReadable where its connector cannot.
    """
    found = OWN.get(name)
    return found if found is not None else Entity(Reader(partial(_pull, name), partial(_map, name)), _any(name))


def _reader_of_any(connector: Connector) -> ReadsEntities:
    if not isinstance(connector, ReadsEntities):
        raise NotReadable
    return connector


def _pull(
    name: str, connector: Connector, session: Session, window: Window, cursor: str | None
) -> Awaitable[RecordPage]:
    return _reader_of_any(connector).pull(session, name, window, cursor)


def _map(name: str, connector: Connector, record: RawRecord, account: Account) -> object:
    return _reader_of_any(connector).map(name, record, account)


def offered(connector: Connector | None, names: Iterable[str]) -> list[str]:
    """Those of these entities that runs can read."""
    return [name for name in names if name in OWN or isinstance(connector, ReadsEntities)]
