"""Lists and details of the canonical store: keyset pages, whose cost does not grow with depth."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import asyncpg
from sqlalchemy import ColumnElement, Select, Text, bindparam, cast, exists, func, select
from sqlalchemy.dialects.postgresql import ARRAY

from isthmus.connect.shapes import Listing
from isthmus.engine.db import Statement, Tx, statement
from isthmus.features.records.model import ListingFilter, decode
from isthmus.features.records.store.hidden import listing_shown, product_shown, variant_shown
from isthmus.features.records.tables import LISTINGS, PRODUCTS, VARIANTS
from isthmus.kit.paging import Ask, Page

_p, _l, _v = PRODUCTS.c, LISTINGS.c, VARIANTS.c
_Condition = Callable[[], ColumnElement[bool]]

# A list is read far more often than a listing, and each value of it costs: times most of all, of which it has one, and
# prices, which go out as text and so are text from here on: as numbers, 50000 would go out as 5E+4.
_SHOWN = (
    _l.id,
    _l.product_id,
    _l.connection_id,
    _l.provider,
    _l.external_id,
    _l.title,
    _l.status,
    _l.sku,
    _l.variant_count,
    _l.currency,
    cast(_l.price, Text).label("price"),
    _l.stock,
    _l.version,
    _l.updated_at,
)
_WHOLE = (*_SHOWN, _l.platform_status, _l.platform_updated_at, _l.created_at, _l.body)
_PRODUCT_SHOWN = (
    _p.id,
    _p.title,
    _p.sku,
    _p.status,
    _p.currency,
    cast(_p.price, Text).label("price"),
    _p.stock,
    _p.version,
    _p.created_at,
    _p.updated_at,
)


def _sold_as(sku: str) -> ColumnElement[bool]:
    """The listing has a variant of this SKU."""
    same = (_v.tenant_id == _l.tenant_id, _v.listing_id == _l.id, _v.sku == bindparam(sku))
    return exists(select(_v.id).where(*same))


def _contains(column: ColumnElement[Any]) -> ColumnElement[bool]:
    """A plain part of the text: no wildcard characters, whatever the caller typed."""
    return func.strpos(func.lower(column), func.lower(cast(bindparam("search"), Text))) > 0


_LISTING_CONDITIONS: Mapping[str, _Condition] = {
    "connection_id": lambda: _l.connection_id == bindparam("connection_id"),
    "provider": lambda: _l.provider == bindparam("provider"),
    "status": lambda: _l.status == bindparam("status"),
    "sku": lambda: _sold_as("sku"),
    "search": lambda: _contains(_l.title),
    "updated_since": lambda: _l.updated_at >= bindparam("updated_since"),
    "min_stock": lambda: _l.stock >= bindparam("min_stock"),
    "max_stock": lambda: _l.stock <= bindparam("max_stock"),
    "min_price": lambda: _l.price >= bindparam("min_price"),
    "max_price": lambda: _l.price <= bindparam("max_price"),
    "after": lambda: _l.id < bindparam("after"),
}
_OWN_PRODUCT_CONDITIONS: Mapping[str, _Condition] = {
    "search": lambda: _contains(_p.title),
    "updated_since": lambda: _p.updated_at >= bindparam("updated_since"),
    "min_stock": lambda: _p.stock >= bindparam("min_stock"),
    "max_stock": lambda: _p.stock <= bindparam("max_stock"),
    "min_price": lambda: _p.price >= bindparam("min_price"),
    "max_price": lambda: _p.price <= bindparam("max_price"),
    "after": lambda: _p.id < bindparam("after"),
}


@cache
def _listings(names: frozenset[str]) -> Statement:
    query = select(*_SHOWN).where(_l.tenant_id == bindparam("tenant_id"), listing_shown())
    query = query.where(*(_LISTING_CONDITIONS[name]() for name in sorted(names)))
    return statement(_paged(query, _l.id))


@cache
def _products(names: frozenset[str]) -> Statement:
    own = sorted(names & _OWN_PRODUCT_CONDITIONS.keys())
    of_listings = sorted(names - _OWN_PRODUCT_CONDITIONS.keys())
    query = select(*_PRODUCT_SHOWN).where(_p.tenant_id == bindparam("tenant_id"), product_shown(PRODUCTS))
    query = query.where(*(_OWN_PRODUCT_CONDITIONS[name]() for name in own))
    if of_listings:
        link = (_l.tenant_id == _p.tenant_id, _l.product_id == _p.id, listing_shown())
        query = query.where(exists(select(_l.id).where(*link, *(_LISTING_CONDITIONS[one]() for one in of_listings))))
    return statement(_paged(query, _p.id))


def _paged(query: Select[Any], key: ColumnElement[Any]) -> Select[Any]:
    return query.order_by(key.desc()).limit(bindparam("limit")).offset(bindparam("offset"))


_ONE_LISTING = (_l.tenant_id == bindparam("tenant_id"), _l.id == bindparam("id"), listing_shown())
_LISTING = statement(select(*_WHOLE).where(*_ONE_LISTING))
_RAW = statement(select(_l.raw).where(*_ONE_LISTING))
_PRODUCT = statement(
    select(*_PRODUCT_SHOWN).where(
        _p.tenant_id == bindparam("tenant_id"), _p.id == bindparam("id"), product_shown(PRODUCTS)
    )
)
_LISTINGS_OF = statement(
    select(*_SHOWN)
    .where(
        _l.tenant_id == bindparam("tenant_id"),
        _l.product_id == func.any(cast(bindparam("product_ids"), ARRAY(Text))),
        listing_shown(),
    )
    .order_by(_l.id)
)
_VARIANTS_OF = statement(
    select(
        *(_v.id, _v.external_id, _v.sku, _v.barcode, _v.title, _v.status, _v.currency),
        *(cast(_v.price, Text).label("price"), cast(_v.list_price, Text).label("list_price"), _v.stock),
    )
    .where(_v.tenant_id == bindparam("tenant_id"), _v.listing_id == bindparam("listing_id"))
    .order_by(_v.position, _v.id)
)
_TWINS = statement(
    select(_v.sku)
    .where(
        _v.tenant_id == bindparam("tenant_id"),
        _v.connection_id == bindparam("connection_id"),
        _v.sku == func.any(cast(bindparam("skus"), ARRAY(Text))),
    )
    .group_by(_v.sku)
    .having(func.count() > 1)
)
_DUPLICATES = statement(
    select(_v.sku, func.count().label("variants"))
    .where(
        _v.tenant_id == bindparam("tenant_id"),
        _v.sku.is_not(None),
        _v.connection_id == bindparam("connection_id"),
        _v.sku > bindparam("after"),
        variant_shown(VARIANTS),
    )
    .group_by(_v.sku)
    .having(func.count() > 1)
    .order_by(_v.sku)
    .limit(bindparam("limit"))
    .offset(bindparam("offset"))
)


def _given(wanted: ListingFilter, ask: Ask) -> dict[str, Any]:
    given = {name: value for name in ListingFilter.__slots__ if (value := getattr(wanted, name)) is not None}
    return given if ask.after is None else {**given, "after": ask.after}


async def _page(
    tx: Tx, compiled: Callable[[frozenset[str]], Statement], wanted: ListingFilter, ask: Ask
) -> Page[asyncpg.Record]:
    given = _given(wanted, ask)
    found = compiled(frozenset(given))
    rows = await tx.fetch(found, tenant_id=tx.tenant_id, limit=ask.limit + 1, offset=ask.offset, **given)
    more = len(rows) > ask.limit
    shown = rows[: ask.limit]
    return Page(shown, next_after=shown[-1]["id"] if more else None, has_more=more)


async def listings(tx: Tx, wanted: ListingFilter, ask: Ask) -> Page[asyncpg.Record]:
    """Newest first; `ask.after` is the id of the last row seen."""
    return await _page(tx, _listings, wanted, ask)


async def products(tx: Tx, wanted: ListingFilter, ask: Ask) -> Page[asyncpg.Record]:
    """Newest first; filters on connection, provider, status and SKU ask whether one listing has them all."""
    return await _page(tx, _products, wanted, ask)


async def listing(tx: Tx, id_: str) -> asyncpg.Record | None:
    """One listing with its canonical body."""
    return await tx.fetchrow(_LISTING, tenant_id=tx.tenant_id, id=id_)


async def raw(tx: Tx, id_: str) -> bytes:
    """The bytes that the platform sent."""
    found: bytes = await tx.fetchval(_RAW, tenant_id=tx.tenant_id, id=id_)
    return found


async def product(tx: Tx, id_: str) -> asyncpg.Record | None:
    """One product."""
    return await tx.fetchrow(_PRODUCT, tenant_id=tx.tenant_id, id=id_)


async def listings_of(tx: Tx, product_ids: Sequence[str]) -> dict[str, list[asyncpg.Record]]:
    """The listings of these products, by product."""
    found: dict[str, list[asyncpg.Record]] = {}
    for row in await tx.fetch(_LISTINGS_OF, tenant_id=tx.tenant_id, product_ids=product_ids):
        found.setdefault(row["product_id"], []).append(row)
    return found


async def variants_of(tx: Tx, listing_id: str) -> list[asyncpg.Record]:
    """The variants of one listing in the seller's order."""
    return await tx.fetch(_VARIANTS_OF, tenant_id=tx.tenant_id, listing_id=listing_id)


async def twins(tx: Tx, connection_id: str, skus: Sequence[str]) -> frozenset[str]:
    """Those of these SKUs that more than one variant of the connection bears."""
    rows = await tx.fetch(_TWINS, tenant_id=tx.tenant_id, connection_id=connection_id, skus=skus)
    return frozenset(row["sku"] for row in rows)


async def duplicate_skus(tx: Tx, connection_id: str, ask: Ask) -> Page[asyncpg.Record]:
    """SKUs that a connection sells more than once: reported, never merged (marketplaces.md 9.1)."""
    place = {"after": ask.after or "", "limit": ask.limit + 1, "offset": ask.offset}
    rows = await tx.fetch(_DUPLICATES, tenant_id=tx.tenant_id, connection_id=connection_id, **place)
    more = len(rows) > ask.limit
    shown = rows[: ask.limit]
    return Page(shown, next_after=shown[-1]["sku"] if more else None, has_more=more)


_BODIES_AFTER = statement(
    select(_l.id, cast(_l.body, Text).label("body"))
    .where(
        _l.tenant_id == bindparam("tenant_id"),
        listing_shown(),
        cast(bindparam("after"), Text).is_(None) | (_l.id > bindparam("after")),
        cast(bindparam("connection_id"), Text).is_(None) | (_l.connection_id == bindparam("connection_id")),
    )
    .order_by(_l.id)
    .limit(bindparam("limit"))
)


async def bodies_after(tx: Tx, after: str | None, limit: int, connection_id: str | None) -> list[tuple[str, Listing]]:
    """The canonical listings behind an id, in the order of their ids."""
    keys = {"tenant_id": tx.tenant_id, "after": after, "connection_id": connection_id, "limit": limit}
    rows = await tx.fetch(_BODIES_AFTER, **keys)
    return [(row["id"], decode(row["body"].encode())) for row in rows]
