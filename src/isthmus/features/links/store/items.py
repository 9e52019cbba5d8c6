"""Statements over items, their links, and buffers."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from isthmus.engine.db import Tx
from isthmus.features.links.model.matching import Sold

_PUT_ITEMS: Final = """
insert into inventory_items (tenant_id, id, product_id, sku, barcode, title, stock, due_at, version, created_at,
  updated_at)
select $1, w.id, $2, w.sku, w.barcode, w.title, w.stock, $4, 1, $4, $4
from jsonb_to_recordset($3::jsonb) as w (id text, sku text, barcode text, title text, stock bigint)
on conflict (tenant_id, id) do update set product_id = excluded.product_id,
  sku = coalesce(inventory_items.sku, excluded.sku), barcode = coalesce(inventory_items.barcode, excluded.barcode),
  title = coalesce(inventory_items.title, excluded.title), due_at = excluded.due_at,
  version = inventory_items.version + 1, updated_at = excluded.updated_at
"""
_PUT_LINKS: Final = """
insert into inventory_links (tenant_id, listing_id, variant, item_id, connection_id, how, seen, created_by, created_at)
select $1, w.listing_id, w.variant, w.item_id, w.connection_id, w.how, w.seen, $3, $4
from jsonb_to_recordset($2::jsonb)
  as w (listing_id text, variant text, item_id text, connection_id text, how text, seen bigint)
on conflict (tenant_id, listing_id, variant) do update set item_id = excluded.item_id
"""
_LINKED: Final = """
select listing_id, variant, item_id from inventory_links where tenant_id = $1 and listing_id = any($2::text[])
"""
_OF_ITEM: Final = """
select k.item_id, k.listing_id, k.variant, k.connection_id, k.how, k.seen, k.wanted, k.push_id, v.stock,
  coalesce(b.buffer, 0) as buffer, l.product_id, l.status
from inventory_links k
join listings l on l.tenant_id = k.tenant_id and l.id = k.listing_id
left join variants v on v.tenant_id = k.tenant_id and v.listing_id = k.listing_id and v.external_id = k.variant
left join stock_buffers b on b.tenant_id = k.tenant_id and b.connection_id = k.connection_id
where k.tenant_id = $1 and k.item_id = any($2::text[]) order by k.listing_id, k.variant
"""
_COUNTED: Final = """
update inventory_links k set seen = w.seen, wanted = case when w.forget then null else k.wanted end,
  push_id = case when w.forget then null else k.push_id end
from jsonb_to_recordset($2::jsonb) as w (listing_id text, variant text, seen bigint, forget boolean)
where k.tenant_id = $1 and k.listing_id = w.listing_id and k.variant = w.variant
"""
_WANTED: Final = """
update inventory_links k set wanted = w.wanted, push_id = $3
from jsonb_to_recordset($2::jsonb) as w (listing_id text, variant text, wanted bigint)
where k.tenant_id = $1 and k.listing_id = w.listing_id and k.variant = w.variant
"""
#: An item that is due already is held too: whoever compares it now may have read its shops before this change. All are
#: taken in one order, so that nobody waits for somebody who waits.
_DUE: Final = """
with held as (
  select i.tenant_id, i.id from inventory_items i
  where (i.tenant_id, i.id) in (
    select k.tenant_id, k.item_id from unnest($1::text[], $2::text[]) as w (tenant_id, listing_id)
    join inventory_links k on k.tenant_id = w.tenant_id and k.listing_id = w.listing_id)
  order by i.tenant_id, i.id for update
)
update inventory_items i set due_at = least(i.due_at, $3) from held h where i.tenant_id = h.tenant_id and i.id = h.id
"""
_DUE_OF_PUSH: Final = """
with held as (
  select i.id from inventory_items i
  where i.tenant_id = $1 and i.id in (
    select item_id from inventory_links where tenant_id = $1 and push_id = $2)
  order by i.id for update
)
update inventory_items i set due_at = least(i.due_at, $3) from held h where i.tenant_id = $1 and i.id = h.id
"""
_DUE_OF_CONNECTION: Final = """
update inventory_items i set due_at = $3 from inventory_links k
where i.tenant_id = $1 and k.tenant_id = $1 and k.connection_id = $2 and i.id = k.item_id
"""
_ONE: Final = """
select id, product_id, sku, barcode, title, stock, version, updated_at from inventory_items
where tenant_id = $1 and id = $2 for update
"""
_OF_PRODUCT: Final = """
select id, product_id, sku, barcode, title, stock, version, updated_at from inventory_items
where tenant_id = $1 and product_id = $2 order by id
"""
_DROP_EMPTY: Final = """
delete from inventory_items i where i.tenant_id = $1 and i.product_id = $2
  and not exists (select 1 from inventory_links k where k.tenant_id = $1 and k.item_id = i.id)
"""
_BUFFER: Final = """
insert into stock_buffers (tenant_id, connection_id, buffer, version) values ($1, $2, $3, 1)
on conflict (tenant_id, connection_id) do update set buffer = excluded.buffer, version = stock_buffers.version + 1
"""


async def linked(tx: Tx, listing_ids: Sequence[str]) -> dict[tuple[str, str], str]:
    """The items of what these listings sell, by listing and variant."""
    rows = await tx.fetch_sql(_LINKED, tx.tenant_id, listing_ids)
    return {(row["listing_id"], row["variant"]): row["item_id"] for row in rows}


async def put_items(tx: Tx, product_id: str, rows: Sequence[Mapping[str, object]], now: datetime) -> None:
    """Make or keep items of a product, and have their shops compared."""
    await tx.execute_sql(_PUT_ITEMS, tx.tenant_id, product_id, rows, now)


async def put_links(tx: Tx, links: Sequence[tuple[str, Sold, str]], by: str, now: datetime) -> None:
    """Link variants with items: the item, the variant, and why."""
    rows = [
        {
            "listing_id": sold.listing_id,
            "variant": sold.variant,
            "item_id": item_id,
            "connection_id": sold.connection_id,
            "how": how,
            "seen": sold.stock,
        }
        for item_id, sold, how in links
    ]
    await tx.execute_sql(_PUT_LINKS, tx.tenant_id, rows, by, now)


async def unlink(tx: Tx, listing_id: str) -> int:
    """Link a listing with nothing any more; how many variants were."""
    return await tx.execute_sql(
        "delete from inventory_links where tenant_id = $1 and listing_id = $2", tx.tenant_id, listing_id
    )


async def drop_empty(tx: Tx, product_id: str) -> None:
    """Remove a product's items that nothing is linked with; whoever calls holds the product."""
    await tx.execute_sql(_DROP_EMPTY, tx.tenant_id, product_id)


async def item(tx: Tx, id_: str) -> Mapping[str, Any] | None:
    """One item, held for the rest of the transaction."""
    rows = await tx.fetch_sql(_ONE, tx.tenant_id, id_)
    return dict(rows[0]) if rows else None


async def items(tx: Tx, product_id: str, *, locked: bool = False) -> list[Mapping[str, Any]]:
    """The items of a product; locked, so that nobody else changes them before the commit."""
    asked = f"{_OF_PRODUCT} for update" if locked else _OF_PRODUCT
    return [dict(row) for row in await tx.fetch_sql(asked, tx.tenant_id, product_id)]


async def links(tx: Tx, item_ids: Sequence[str]) -> dict[str, list[Mapping[str, Any]]]:
    """By item: where it is sold, what is shown there, and the buffer of that connection."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in await tx.fetch_sql(_OF_ITEM, tx.tenant_id, item_ids):
        found.setdefault(row["item_id"], []).append(dict(row))
    return found


async def count(tx: Tx, rows: Sequence[Mapping[str, object]]) -> None:
    """Note what is counted of each shop; `forget` where what was wanted there has been taken."""
    await tx.execute_sql(_COUNTED, tx.tenant_id, rows)


async def want(tx: Tx, rows: Sequence[Mapping[str, object]], push_id: str) -> None:
    """Note what is wanted in each shop, and by which push."""
    await tx.execute_sql(_WANTED, tx.tenant_id, rows, push_id)


async def set_stock(tx: Tx, id_: str, stock: int | None, due_at: datetime | None, now: datetime) -> None:
    """What there is of an item, and when its shops are to be compared with it."""
    await tx.execute_sql(
        "update inventory_items set stock = $3, due_at = $4, updated_at = $5, version = version + 1"
        " where tenant_id = $1 and id = $2",
        *(tx.tenant_id, id_, stock, due_at, now),
    )


async def make_due(tx: Tx, listings: Sequence[tuple[str, str]], now: datetime) -> None:
    """Have the shops of what these listings sell compared, by tenant and listing; across tenants, for the system."""
    await tx.execute_sql(_DUE, [tenant for tenant, _ in listings], [listing for _, listing in listings], now)


async def make_due_of_push(tx: Tx, tenant_id: str, push_id: str, now: datetime) -> None:
    """The same for what a push was about."""
    await tx.execute_sql(_DUE_OF_PUSH, tenant_id, push_id, now)


async def make_due_of_connection(tx: Tx, tenant_id: str, connection_id: str, now: datetime) -> None:
    """The same for all that a connection sells."""
    await tx.execute_sql(_DUE_OF_CONNECTION, tenant_id, connection_id, now)


async def due(tx: Tx, now: datetime, limit: int) -> list[tuple[str, str]]:
    """Tenant and id of items whose shops are to be compared; across tenants, so for the system alone."""
    rows = await tx.fetch_sql(
        "select tenant_id, id from inventory_items where due_at <= $1 order by due_at limit $2", now, limit
    )
    return [(row["tenant_id"], row["id"]) for row in rows]


async def hold_buffers(tx: Tx) -> None:
    """Nobody else sets the tenant's buffers before the commit."""
    await tx.execute_sql("select pg_advisory_xact_lock(hashtextextended($1, 97))", tx.tenant_id)


async def set_buffer(tx: Tx, connection_id: str, buffer: int) -> None:
    """How many of each item a connection does not show."""
    await tx.execute_sql(_BUFFER, tx.tenant_id, connection_id, buffer)


async def buffers(tx: Tx) -> dict[str, int]:
    """The buffers by connection."""
    rows = await tx.fetch_sql(
        "select connection_id, buffer from stock_buffers where tenant_id = $1 order by connection_id", tx.tenant_id
    )
    return {row["connection_id"]: row["buffer"] for row in rows}
