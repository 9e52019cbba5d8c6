"""Sealed columns of orders and customers, for a new key."""

from typing import Final

import msgspec

from isthmus.engine.db import Tx


class Columns(msgspec.Struct, frozen=True):
    """The sealed columns of one row; `raw` is an order's alone."""

    id: str
    personal: bytes | None
    raw: bytes | None = None


_PAGES: Final = {
    "orders": "select id, personal, raw from orders where tenant_id = $1 and id > $2 and redacted_at is null "
    "order by id limit $3 for update",
    "customers": "select id, personal, null::bytea from customers where tenant_id = $1 and id > $2 "
    "and redacted_at is null order by id limit $3 for update",
}
_UPDATES: Final = {
    "orders": "update orders set personal = $3, raw = $4 where tenant_id = $1 and id = $2",
    "customers": "update customers set personal = $3 where tenant_id = $1 and id = $2 and $4::bytea is null",
}


async def sealed_page(tx: Tx, table: str, after: str, limit: int) -> list[Columns]:
    """Rows behind an id, locked."""
    return [Columns(*row) for row in map(tuple, await tx.fetch_sql(_PAGES[table], tx.tenant_id, after, limit))]


async def update_sealed(tx: Tx, table: str, row: Columns) -> None:
    """Write a row's sealed columns anew."""
    await tx.execute_sql(_UPDATES[table], tx.tenant_id, row.id, row.personal, row.raw)
