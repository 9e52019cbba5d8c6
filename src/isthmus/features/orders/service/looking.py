"""What people see of orders."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from isthmus.connect.keeping import Known
from isthmus.connect.shapes import Order
from isthmus.features import vault
from isthmus.features.orders import model, store
from isthmus.features.orders.model import OrderFilter, Personal
from isthmus.features.orders.service.places import PERSONAL, RAW
from isthmus.kit.errors import Invalid, NotFound
from isthmus.kit.paging import Ask, Page
from isthmus.scope import Scope, Tx

#: A row of the store, by column name.
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class OrderDetail:
    """One order with all that is known of it; `personal` is None for those who may not see it and once erased."""

    row: Row
    order: Order
    line_ids: Mapping[str, str]
    shipment_ids: Mapping[str, str]
    personal: Personal | None
    raw: bytes | None


async def known_raw(scope: Scope, connection_id: str, external_ids: Sequence[str]) -> dict[str, Known]:
    """The hash of the bytes each order was last written from: equal bytes need not be mapped again."""
    async with scope.tx() as tx:
        return await store.raw_hashes(tx, connection_id, external_ids)


async def orders(scope: Scope, wanted: OrderFilter, ask: Ask) -> Page[Row]:
    """Orders, newest first. Raises Invalid for a cursor of another list."""
    async with scope.tx() as tx:
        try:
            found: Page[Any] = await store.orders(tx, wanted, ask)
        except ValueError as error:
            raise Invalid.field("cursor", "This is not a cursor of this list.") from error
    return found


async def order(scope: Scope, id_: str, *, personal: bool = False, raw: bool = False) -> OrderDetail:
    """One order; what is personal, and the platform's own bytes, only where the caller says that it may. NotFound."""
    async with scope.tx() as tx:
        row = await store.order(tx, id_)
        if row is None:
            raise NotFound("There is no such order.")
        clear = await _open(scope, tx, row, "personal", PERSONAL) if personal else None
        sent = await _open(scope, tx, row, "raw", RAW) if personal and raw else None
        return OrderDetail(
            row,
            model.decode(row["body"].encode()),
            await store.lines_of(tx, id_),
            await store.shipments_of(tx, id_),
            model.personal_of(clear) if clear is not None else None,
            sent.encode("utf-8", "surrogateescape") if sent is not None else None,
        )


async def _open(scope: Scope, tx: Tx, row: Row, column: str, place: str) -> str | None:
    sealed = row[column]
    if sealed is None:
        return None
    return (await vault.open(scope, tx, sealed, owner=row["id"], field=place)).reveal()


async def external_ids(scope: Scope, connection_id: str, after: str, limit: int) -> list[str]:
    """The platform's ids of a connection's orders behind one, in their order."""
    async with scope.tx() as tx:
        return await store.external_ids(tx, connection_id, after, limit)
