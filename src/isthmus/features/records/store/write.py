"""The write path of the canonical store: set-based, because a page is one trip and not a hundred."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Text, bindparam, cast, delete, func, select
from sqlalchemy.dialects.postgresql import ARRAY

from isthmus.connect.shapes import Listing, Variant
from isthmus.engine.db import Tx, statement
from isthmus.features.records.model import Known, ListingItem, Stored, decode, summary
from isthmus.features.records.tables import LISTINGS, VARIANTS

_l, _v = LISTINGS.c, VARIANTS.c


@dataclass(frozen=True, slots=True)
class Change:
    """A listing to write under these ids; `variant_ids` are those it already has, by external id."""

    item: ListingItem
    id: str
    product_id: str
    created: bool
    variant_ids: Mapping[str, str] = field(default_factory=dict)


_STORED = statement(
    select(_l.external_id, _l.id, _l.product_id, _l.hash, _l.raw_hash, _l.status).where(
        _l.tenant_id == bindparam("tenant_id"),
        _l.connection_id == bindparam("connection_id"),
        _l.external_id == func.any(cast(bindparam("external_ids"), ARRAY(Text))),
    )
)
_RAW_HASHES = statement(
    select(_l.external_id, _l.raw_hash, _l.variant_count).where(
        _l.tenant_id == bindparam("tenant_id"),
        _l.connection_id == bindparam("connection_id"),
        _l.external_id == func.any(cast(bindparam("external_ids"), ARRAY(Text))),
    )
)
_BODIES = statement(
    select(_l.external_id, cast(_l.body, Text).label("body")).where(
        _l.tenant_id == bindparam("tenant_id"), _l.id == func.any(cast(bindparam("ids"), ARRAY(Text)))
    )
)
_VARIANT_IDS = statement(
    select(_v.listing_id, _v.external_id, _v.id).where(
        _v.tenant_id == bindparam("tenant_id"), _v.listing_id == func.any(cast(bindparam("ids"), ARRAY(Text)))
    )
)
_DROP_VARIANTS = statement(
    delete(VARIANTS).where(
        _v.tenant_id == bindparam("tenant_id"), _v.id == func.any(cast(bindparam("ids"), ARRAY(Text)))
    )
)

#: Products, listings and variants of a page in one trip. Prices travel as text: PostgreSQL reads a number faster than
#: the driver writes one. A row that is already there by its external id is overwritten and keeps its own id.
_WRITE = """
with fresh (id, product_id, external_id, title, status, platform_status, sku, variant_count, currency, price, stock,
            body, raw, raw_hash, hash, platform_updated_at) as (
  select f.id, f.product_id, f.external_id, f.title, f.status, f.platform_status, f.sku, f.variant_count, f.currency,
         f.price::numeric, f.stock, f.body, f.raw, f.raw_hash, f.hash, f.platform_updated_at
  from unnest($5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::int[],
              $13::text[], $14::text[], $15::bigint[], $16::jsonb[], $17::bytea[], $18::bytea[], $19::bytea[],
              $20::timestamptz[])
    as f(id, product_id, external_id, title, status, platform_status, sku, variant_count, currency, price, stock,
         body, raw, raw_hash, hash, platform_updated_at)
), made as (
  insert into products (tenant_id, id, title, sku, status, currency, price, stock, version, created_at, updated_at)
  select $1, product_id, title, sku, status, currency, price, stock, 1, $4, $4 from fresh
  on conflict (tenant_id, id) do update set
    title = excluded.title, sku = excluded.sku, status = excluded.status, currency = excluded.currency,
    price = excluded.price, stock = excluded.stock, version = products.version + 1, updated_at = excluded.updated_at
), put as (
  insert into listings (tenant_id, id, product_id, connection_id, provider, external_id, title, status,
    platform_status, sku, variant_count, currency, price, stock, body, raw, raw_hash, hash, version,
    platform_updated_at, created_at, updated_at)
  select $1, id, product_id, $2, $3, external_id, title, status, platform_status, sku, variant_count, currency, price,
    stock, body, raw, raw_hash, hash, 1, platform_updated_at, $4, $4 from fresh
  on conflict (tenant_id, connection_id, external_id) do update set
    title = excluded.title, status = excluded.status, platform_status = excluded.platform_status, sku = excluded.sku,
    variant_count = excluded.variant_count, currency = excluded.currency, price = excluded.price,
    stock = excluded.stock, body = excluded.body, raw = excluded.raw, raw_hash = excluded.raw_hash,
    hash = excluded.hash, version = listings.version + 1, platform_updated_at = excluded.platform_updated_at,
    updated_at = excluded.updated_at
)
insert into variants (tenant_id, id, listing_id, connection_id, external_id, sku, barcode, title, position, status,
  currency, price, list_price, stock)
select $1, v.id, v.listing_id, $2, v.external_id, v.sku, v.barcode, v.title, v.position, v.status, v.currency,
  v.price::numeric, v.list_price::numeric, v.stock
from unnest($21::text[], $22::text[], $23::text[], $24::text[], $25::text[], $26::text[], $27::int[], $28::text[],
            $29::text[], $30::text[], $31::text[], $32::bigint[])
  as v(id, listing_id, external_id, sku, barcode, title, position, status, currency, price, list_price, stock)
on conflict (tenant_id, listing_id, external_id) do update set
  sku = excluded.sku, barcode = excluded.barcode, title = excluded.title, position = excluded.position,
  status = excluded.status, currency = excluded.currency, price = excluded.price, list_price = excluded.list_price,
  stock = excluded.stock
"""


async def stored(tx: Tx, connection_id: str, external_ids: Sequence[str]) -> dict[str, Stored]:
    """What is known of these listings, by external id."""
    rows = await tx.fetch(_STORED, tenant_id=tx.tenant_id, connection_id=connection_id, external_ids=external_ids)
    return {
        external_id: Stored(id_, product_id, hash_, raw_hash, status)
        for external_id, id_, product_id, hash_, raw_hash, status in rows
    }


async def raw_hashes(tx: Tx, connection_id: str, external_ids: Sequence[str]) -> dict[str, Known]:
    """The hash of the bytes that each listing was last written from, by external id."""
    rows = await tx.fetch(_RAW_HASHES, tenant_id=tx.tenant_id, connection_id=connection_id, external_ids=external_ids)
    return {external_id: Known(raw_hash, variants) for external_id, raw_hash, variants in rows}


async def bodies(tx: Tx, listing_ids: Sequence[str]) -> dict[str, Listing]:
    """The canonical records themselves, by external id; for fragments, which are merged with them."""
    rows = await tx.fetch(_BODIES, tenant_id=tx.tenant_id, ids=listing_ids)
    return {row["external_id"]: decode(row["body"].encode()) for row in rows}


async def variant_ids(tx: Tx, listing_ids: Sequence[str]) -> dict[str, dict[str, str]]:
    """By listing: the ids of its variants by their external ids."""
    found: dict[str, dict[str, str]] = {}
    for listing_id, external_id, id_ in await tx.fetch(_VARIANT_IDS, tenant_id=tx.tenant_id, ids=listing_ids):
        found.setdefault(listing_id, {})[external_id] = id_
    return found


async def drop_variants(tx: Tx, ids: Sequence[str]) -> None:
    """Remove variants that their complete listings no longer name."""
    await tx.execute(_DROP_VARIANTS, tenant_id=tx.tenant_id, ids=ids)


async def write(
    tx: Tx, origin: tuple[str, str], changes: Sequence[Change], fresh_ids: Iterable[str], now: datetime
) -> None:
    """Insert or overwrite these listings with their products and variants; `origin` is connection and provider."""
    if not changes:
        return
    listings = zip(*map(_listing_row, changes), strict=True)
    variants = zip(*_variant_rows(changes, iter(fresh_ids)), strict=True)
    await tx.execute_sql(_WRITE, tx.tenant_id, *origin, now, *listings, *variants)


def _listing_row(change: Change) -> tuple[Any, ...]:
    item = change.item
    listing = item.listing
    figures = summary(listing.variants)
    return (
        change.id,
        change.product_id,
        listing.external_id,
        listing.title,
        listing.status,
        listing.platform_status,
        figures.sku,
        len(listing.variants),
        figures.currency,
        None if figures.price is None else str(figures.price),
        figures.stock,
        item.body,
        item.raw,
        item.raw_hash,
        item.hash,
        listing.platform_updated_at,
    )


def _variant_rows(changes: Sequence[Change], fresh_ids: Iterable[str]) -> list[tuple[Any, ...]]:
    ids = iter(fresh_ids)
    rows = []
    for change in changes:
        known = change.variant_ids
        for variant in change.item.listing.variants:
            id_ = known.get(variant.external_id) if known else None
            rows.append(_variant_row(id_ or f"var_{next(ids)}", change.id, variant))
    return rows


def _variant_row(id_: str, listing_id: str, variant: Variant) -> tuple[Any, ...]:
    price = variant.price
    return (
        id_,
        listing_id,
        variant.external_id,
        variant.sku,
        variant.barcode,
        variant.title,
        variant.position,
        variant.status,
        price.currency if price else None,
        str(price.current_price) if price else None,
        str(price.list_price) if price else None,
        variant.available,
    )
