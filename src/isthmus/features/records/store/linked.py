"""Statements over which listings are one product, and which might be."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal

from isthmus.engine.db import Tx

#: What is sold under one SKU, or barcode, in several connections and is not one product yet.
_ALIKE_SKU: Final = """
select btrim(v.sku) as value, array_agg(
    concat_ws(chr(31), v.listing_id, v.external_id, v.connection_id, l.product_id, l.title)
    order by v.listing_id, v.external_id
  ) as members
from variants v
join listings l on l.tenant_id = v.tenant_id and l.id = v.listing_id and l.status <> 'deleted'
where v.tenant_id = $1 and v.sku is not null and btrim(v.sku) > $2
  and ($4::text[] is null or btrim(v.sku) = any($4))
  and not v.connection_id = any(array(
    select h.connection_id from hidden_records h where h.tenant_id = $1 and h.shard_type = 'product'))
group by btrim(v.sku)
having count(distinct v.connection_id) > 1 and count(distinct l.product_id) > 1
order by btrim(v.sku) limit $3
"""
_ALIKE_BARCODE: Final = """
select v.barcode as value, array_agg(
    concat_ws(chr(31), v.listing_id, v.external_id, v.connection_id, l.product_id, l.title)
    order by v.listing_id, v.external_id
  ) as members
from variants v
join listings l on l.tenant_id = v.tenant_id and l.id = v.listing_id and l.status <> 'deleted'
where v.tenant_id = $1 and v.barcode is not null and v.barcode > $2
  and ($4::text[] is null or v.barcode = any($4))
  and not v.connection_id = any(array(
    select h.connection_id from hidden_records h where h.tenant_id = $1 and h.shard_type = 'product'))
group by v.barcode
having count(distinct v.connection_id) > 1 and count(distinct l.product_id) > 1
  and count(distinct btrim(v.sku)) <> 1
order by v.barcode limit $3
"""
_MOVE: Final = """
update listings set product_id = $3, updated_at = $4 where tenant_id = $1 and id = any($2::text[]) and product_id <> $3
returning id, product_id
"""
_BEFORE: Final = """
select id, product_id, connection_id from listings where tenant_id = $1 and id = any($2::text[]) order by id for update
"""
_HOLD: Final = "select id from products where tenant_id = $1 and id = any($2::text[]) order by id for no key update"
_EMPTY: Final = """
delete from products p where p.tenant_id = $1 and p.id = any($2::text[])
  and not exists (select 1 from listings l where l.tenant_id = $1 and l.product_id = p.id)
returning p.id
"""
_OWN: Final = "update products set own = $3, version = version + 1, updated_at = $4 where tenant_id = $1 and id = $2"
_COPY: Final = """
insert into products (tenant_id, id, title, sku, status, currency, price, stock, version, created_at, updated_at)
select tenant_id, $3, title, sku, status, currency, price, stock, 1, $4, $4 from listings
where tenant_id = $1 and id = $2
"""
_STOCK: Final = "update products set stock = $3, updated_at = $4 where tenant_id = $1 and id = $2"
_VARIANTS: Final = """
select v.listing_id, v.external_id, v.connection_id, v.sku, v.barcode, v.title, v.stock, l.product_id
from variants v join listings l on l.tenant_id = v.tenant_id and l.id = v.listing_id and l.status <> 'deleted'
where v.tenant_id = $1 and v.listing_id = any($2::text[]) order by v.listing_id, v.position, v.external_id
"""
#: By a part of what is sold there: it is the place that most of it has.
_LOCATIONS: Final = """
select place #>> '{}' as place, count(*) as times
from (
  select body from listings where tenant_id = $1 and connection_id = $2 and status <> 'deleted'
  order by external_id limit 200
) l, jsonb_path_query(l.body,
  '$.variants[*].inventory[*] ? (!exists(@.owner) || @.owner == "seller").location_external_id') as place
group by 1 order by 2 desc, 1
"""
_MEMBER: Final = 5


async def alike(
    tx: Tx, by: Literal["sku", "barcode"], after: str, limit: int, values: Sequence[str] | None = None
) -> list[tuple[str, list[list[str]]]]:
    """By value: listing, variant, connection, product and title of each that shares it, in the order of the values.

    All of them, or those of `values`.
    """
    rows = await tx.fetch_sql(_ALIKE_SKU if by == "sku" else _ALIKE_BARCODE, tx.tenant_id, after, limit, values)
    return [(row["value"], [one.split("\x1f", _MEMBER - 1) for one in row["members"]]) for row in rows]


async def hold(tx: Tx, listing_ids: Sequence[str]) -> list[Mapping[str, Any]]:
    """These listings' products and connections, held for the rest of the transaction."""
    return [dict(row) for row in await tx.fetch_sql(_BEFORE, tx.tenant_id, listing_ids)]


async def hold_products(tx: Tx, ids: Sequence[str]) -> None:
    """Nobody else changes what these products consist of until the transaction ends."""
    await tx.fetch_sql(_HOLD, tx.tenant_id, ids)


async def move(tx: Tx, listing_ids: Sequence[str], product_id: str, now: datetime) -> None:
    """Let listings sell this product."""
    await tx.fetch_sql(_MOVE, tx.tenant_id, listing_ids, product_id, now)


async def usual_location(tx: Tx, connection_id: str) -> str:
    """Where a shop with several locations keeps most of its variants; empty where it is not known to have several."""
    rows = await tx.fetch_sql(_LOCATIONS, tx.tenant_id, connection_id)
    return str(rows[0]["place"]) if len(rows) > 1 else ""


async def listings_of(tx: Tx, product_id: str) -> list[str]:
    """The live listings that sell a product."""
    rows = await tx.fetch_sql(
        "select id from listings where tenant_id = $1 and product_id = $2 and status <> 'deleted' order by id",
        tx.tenant_id,
        product_id,
    )
    return [row["id"] for row in rows]


async def drop_empty(tx: Tx, product_ids: Sequence[str]) -> list[str]:
    """Remove products that no listing sells any more; which."""
    return [row["id"] for row in await tx.fetch_sql(_EMPTY, tx.tenant_id, product_ids)]


async def set_own(tx: Tx, product_id: str, now: datetime, *, own: bool) -> bool:
    """Whether several listings sell it; False without such a product."""
    return await tx.execute_sql(_OWN, tx.tenant_id, product_id, own, now) == 1


async def copy(tx: Tx, listing_id: str, product_id: str, now: datetime) -> None:
    """A product of its own for a listing."""
    await tx.execute_sql(_COPY, tx.tenant_id, listing_id, product_id, now)


async def set_stock(tx: Tx, product_id: str, stock: int | None, now: datetime) -> None:
    """What there is of a product over all of its items."""
    await tx.execute_sql(_STOCK, tx.tenant_id, product_id, stock, now)


async def variants(tx: Tx, listing_ids: Sequence[str]) -> list[Mapping[str, Any]]:
    """What these listings sell."""
    return [dict(row) for row in await tx.fetch_sql(_VARIANTS, tx.tenant_id, listing_ids)]
