"""The write path of the canonical store: set-based, because a page is one trip and not a hundred."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Text, bindparam, cast, delete, func, select
from sqlalchemy.dialects.postgresql import ARRAY

from isthmus.connect.keeping import Known
from isthmus.connect.pricing import next_change
from isthmus.connect.shapes import Listing, Variant
from isthmus.engine.db import Tx, statement
from isthmus.engine.holdings import ADD_LISTINGS
from isthmus.features.records.model import ListingItem, Stored, decode, summary
from isthmus.features.records.tables import LISTINGS, VARIANTS

_l, _v = LISTINGS.c, VARIANTS.c

#: A record was read before it is written: a sale that began or ended in between is looked at again.
_PASSED = timedelta(minutes=5)


class Change(msgspec.Struct, frozen=True, gc=False):
    """A listing to write under these ids; `variant_ids` are those it already has, by external id."""

    item: ListingItem
    id: str
    product_id: str
    created: bool
    variant_ids: Mapping[str, str] = {}


#: One look-up per id, kept apart by `offset 0`: without statistics, as in a first sync, `= any(...)` may walk another
#: index over the whole connection (design/engine.md 4).
_STORED = """
select l.external_id, l.id, l.product_id, l.hash, l.raw_hash, l.status, l.platform_updated_at
from unnest($3::text[]) as w(external_id)
cross join lateral (
  select external_id, id, product_id, hash, raw_hash, status, platform_updated_at from listings
  where tenant_id = $1 and connection_id = $2 and external_id = w.external_id offset 0
) as l
"""
_RAW_HASHES = """
select l.external_id, l.raw_hash, l.variant_count
from unnest($3::text[]) as w(external_id)
cross join lateral (
  select external_id, raw_hash, variant_count from listings
  where tenant_id = $1 and connection_id = $2 and external_id = w.external_id offset 0
) as l
"""
_BODIES = statement(
    select(_l.external_id, cast(_l.body, Text).label("body")).where(
        _l.tenant_id == bindparam("tenant_id"), _l.id == func.any(cast(bindparam("ids"), ARRAY(Text)))
    )
)
_VARIANT_IDS = """
select v.listing_id, v.external_id, v.id
from unnest($2::text[]) as w(listing_id)
cross join lateral (
  select listing_id, external_id, id from variants where tenant_id = $1 and listing_id = w.listing_id offset 0
) as v
"""
_DROP_VARIANTS = statement(
    delete(VARIANTS).where(
        _v.tenant_id == bindparam("tenant_id"), _v.id == func.any(cast(bindparam("ids"), ARRAY(Text)))
    )
)

#: Products, listings and variants of a page in one trip. The rows travel as two documents: the driver looks at each
#: element of an array several times, and one document is written in one go. Only bytes stay an array: both hashes,
#: 16 bytes each, then what was sent.
_FRESH = """
with fresh (id, product_id, external_id, title, status, platform_status, sku, variant_count, currency, price, stock,
            platform_updated_at, price_changes_at, body, raw, raw_hash, hash) as (
  select f.doc ->> 0, f.doc ->> 1, f.doc ->> 2, f.doc ->> 3, f.doc ->> 4, f.doc ->> 5, f.doc ->> 6,
         (f.doc ->> 7)::integer, f.doc ->> 8, (f.doc ->> 9)::numeric, (f.doc ->> 10)::bigint,
         (f.doc ->> 11)::timestamptz, (f.doc ->> 12)::timestamptz, f.doc -> 13,
         substr(f.bytes, 33), substr(f.bytes, 1, 16), substr(f.bytes, 17, 16)
  from rows from (jsonb_array_elements($5::jsonb), unnest($6::bytea[])) as f(doc, bytes)
)"""
_PRODUCTS = """
  insert into products (tenant_id, id, title, sku, status, currency, price, stock, version, created_at, updated_at)
  select $1, product_id, title, sku, status, currency, price, stock, 1, $4, $4 from fresh"""
_LISTINGS = """
  insert into listings (tenant_id, id, product_id, connection_id, provider, external_id, title, status,
    platform_status, sku, variant_count, currency, price, stock, body, raw, raw_hash, hash, version,
    platform_updated_at, price_changes_at, created_at, updated_at)
  select $1, id, product_id, $2, $3, external_id, title, status, platform_status, sku, variant_count, currency, price,
    stock, body, raw, raw_hash, hash, 1, platform_updated_at, price_changes_at, $4, $4 from fresh"""
_VARIANTS = """
insert into variants (tenant_id, id, listing_id, connection_id, external_id, sku, barcode, title, position, status,
  currency, price, list_price, stock)
select $1, v.doc ->> 0, v.doc ->> 1, $2, v.doc ->> 2, v.doc ->> 3, v.doc ->> 4, v.doc ->> 5, (v.doc ->> 6)::integer,
  v.doc ->> 7, v.doc ->> 8, (v.doc ->> 9)::numeric, (v.doc ->> 10)::numeric, (v.doc ->> 11)::bigint
from jsonb_array_elements($7::jsonb) as v(doc)"""
_PRODUCTS_KNOWN = """
  on conflict (tenant_id, id) do update set
    title = excluded.title, sku = excluded.sku, status = excluded.status, currency = excluded.currency,
    price = excluded.price, stock = excluded.stock, version = products.version + 1, updated_at = excluded.updated_at
  where not products.own"""
_LISTINGS_KNOWN = """
  on conflict (tenant_id, connection_id, external_id) do update set
    title = excluded.title, status = excluded.status, platform_status = excluded.platform_status, sku = excluded.sku,
    variant_count = excluded.variant_count, currency = excluded.currency, price = excluded.price,
    stock = excluded.stock, body = excluded.body, raw = excluded.raw, raw_hash = excluded.raw_hash,
    hash = excluded.hash, version = listings.version + 1, platform_updated_at = excluded.platform_updated_at,
    price_changes_at = excluded.price_changes_at, updated_at = excluded.updated_at"""
_VARIANTS_KNOWN = """
on conflict (tenant_id, listing_id, external_id) do update set
  sku = excluded.sku, barcode = excluded.barcode, title = excluded.title, position = excluded.position,
  status = excluded.status, currency = excluded.currency, price = excluded.price, list_price = excluded.list_price,
  stock = excluded.stock"""
#: Of listings that were looked for under the lock of their writer and are not there: without a second look at every
#: row, which `on conflict` takes, and the record that it writes of it, this costs a sixth less.
_INSERT = f"{_FRESH}, made as ({_PRODUCTS}), put as ({_LISTINGS}), counted as ({ADD_LISTINGS}){_VARIANTS}"
#: Of listings that are there: each keeps its own id and its product's, and so do the variants it had.
_OVERWRITE = (
    f"{_FRESH}, made as ({_PRODUCTS}{_PRODUCTS_KNOWN}), put as ({_LISTINGS}{_LISTINGS_KNOWN})"
    f"{_VARIANTS}{_VARIANTS_KNOWN}"
)


async def stored(tx: Tx, connection_id: str, external_ids: Sequence[str]) -> dict[str, Stored]:
    """What is known of these listings, by external id."""
    rows = await tx.fetch_sql(_STORED, tx.tenant_id, connection_id, external_ids)
    return {row[0]: Stored(*row[1:]) for row in map(tuple, rows)}


async def raw_hashes(tx: Tx, connection_id: str, external_ids: Sequence[str]) -> dict[str, Known]:
    """The hash of the bytes that each listing was last written from, by external id."""
    rows = await tx.fetch_sql(_RAW_HASHES, tx.tenant_id, connection_id, external_ids)
    return {external_id: Known(raw_hash, variants) for external_id, raw_hash, variants in rows}


async def bodies(tx: Tx, listing_ids: Sequence[str]) -> dict[str, Listing]:
    """The canonical records themselves, by external id; for fragments, which are merged with them."""
    rows = await tx.fetch(_BODIES, tenant_id=tx.tenant_id, ids=listing_ids)
    return {row["external_id"]: decode(row["body"].encode()) for row in rows}


async def variant_ids(tx: Tx, listing_ids: Sequence[str]) -> dict[str, dict[str, str]]:
    """By listing: the ids of its variants by their external ids."""
    found: dict[str, dict[str, str]] = {}
    for listing_id, external_id, id_ in await tx.fetch_sql(_VARIANT_IDS, tx.tenant_id, listing_ids):
        found.setdefault(listing_id, {})[external_id] = id_
    return found


async def drop_variants(tx: Tx, ids: Sequence[str]) -> None:
    """Remove variants that their complete listings no longer name."""
    await tx.execute(_DROP_VARIANTS, tenant_id=tx.tenant_id, ids=ids)


async def write(
    tx: Tx, origin: tuple[str, str], changes: Sequence[Change], fresh_ids: Iterable[str], now: datetime
) -> None:
    """Insert or overwrite these listings with their products and variants; `origin` is connection and provider.

    Whether one is there was looked up in this transaction, and no other writer of the connection has come since.
    """
    ids = iter(fresh_ids)
    created = [change for change in changes if change.created]
    known = [change for change in changes if not change.created] if len(created) < len(changes) else []
    for query, several in ((_INSERT, created), (_OVERWRITE, known)):
        if several:
            items = [change.item for change in several]
            size = (sum(len(item.raw) + len(item.body) for item in items),) if query is _INSERT else ()
            await tx.execute_sql(
                query,
                tx.tenant_id,
                *origin,
                now,
                [_listing_row(change, now - _PASSED) for change in several],
                [b"%b%b%b" % (item.raw_hash, item.hash, item.raw) for item in items],
                _variant_rows(several, ids),
                *size,
            )


def _listing_row(change: Change, since: datetime) -> tuple[object, ...]:
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
        figures.price,
        figures.stock,
        listing.platform_updated_at,
        next_change(listing.variants, since),
        msgspec.Raw(item.body),
    )


def _variant_rows(changes: Sequence[Change], ids: Iterator[str]) -> list[tuple[object, ...]]:
    rows = []
    for change in changes:
        known = change.variant_ids
        for variant in change.item.listing.variants:
            id_ = known.get(variant.external_id) if known else None
            rows.append(_variant_row(id_ or f"var_{next(ids)}", change.id, variant))
    return rows


def _variant_row(id_: str, listing_id: str, variant: Variant) -> tuple[object, ...]:
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
        price.current_price if price else None,
        price.list_price if price else None,
        variant.available,
    )
