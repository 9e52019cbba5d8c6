"""Listings as a whole, such as they are after a write of our own, and later times of what did not change."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import asyncpg
import msgspec

from isthmus.connect.pricing import next_change
from isthmus.connect.shapes import Listing
from isthmus.engine.db import Tx
from isthmus.features.records.model import ListingItem, decode, summary

_WHOLES: Final = """
select l.id, l.connection_id, l.provider, l.product_id, l.version, l.body::text as body, l.hash
from unnest($2::text[]) as w (id)
cross join lateral (
  select id, connection_id, provider, product_id, version, body, hash from listings
  where tenant_id = $1 and id = w.id offset 0
) as l
"""
_VERSIONS: Final = """
select l.id, l.version, l.platform_updated_at
from unnest($2::text[]) as w (id)
cross join lateral (
  select id, connection_id, version, platform_updated_at from listings where tenant_id = $1 and id = w.id offset 0
) as l
where l.connection_id = $3
"""
#: Only what an edit can change: what the platform sent stays as it is, but counts as unread. Products that only this
#: listing shows follow it, and of the variants those that are named. What is told is materialized: a function that
#: takes a document apart may tell what it sees, so behind a policy no index serves a comparison with what it makes, and
#: each batch would walk all of a connection's listings and all variants. Bounds that every id keeps have the planner
#: expect few, and look each up, whatever it knows of the tenant's size.
_REWRITE: Final = """
with fresh (id, title, status, currency, price, stock, platform_updated_at, body, news, price_changes_at, hash)
as materialized (
  select f.doc ->> 0, f.doc ->> 1, f.doc ->> 2, f.doc ->> 3, (f.doc ->> 4)::numeric, (f.doc ->> 5)::bigint,
    (f.doc ->> 6)::timestamptz, f.doc -> 7, (f.doc ->> 8)::boolean, (f.doc ->> 9)::timestamptz, f.hash
  from rows from (jsonb_array_elements($3::jsonb), unnest($4::bytea[])) as f(doc, hash)
), named (listing_id, external_id, currency, price, list_price, stock) as materialized (
  select n.doc ->> 0, n.doc ->> 1, n.doc ->> 2, (n.doc ->> 3)::numeric, (n.doc ->> 4)::numeric, (n.doc ->> 5)::bigint
  from jsonb_array_elements($6::jsonb) as n(doc)
), put as (
  update listings l set title = f.title, status = f.status, currency = f.currency, price = f.price, stock = f.stock,
    body = f.body, hash = f.hash, raw_hash = $5, version = l.version + f.news::integer,
    platform_updated_at = f.platform_updated_at, price_changes_at = f.price_changes_at,
    updated_at = case when f.news then $2 else l.updated_at end
  from fresh f where l.tenant_id = $1 and l.id = f.id and f.id between '' and '~'
  returning l.product_id, f.title, f.status, f.currency, f.price, f.stock, f.news
), made as (
  update products p set title = f.title, status = f.status, currency = f.currency, price = f.price, stock = f.stock,
    version = p.version + 1, updated_at = $2
  from put f where p.tenant_id = $1 and p.id = f.product_id and f.product_id between '' and '~' and f.news and not p.own
)
update variants v set currency = n.currency, price = n.price, list_price = n.list_price, stock = n.stock
from named n
where v.tenant_id = $1 and v.listing_id = n.listing_id and v.external_id = n.external_id
  and n.listing_id between '' and '~'
"""
#: In the order of its index, which is looked at no further than there are news.
_CHANGED: Final = """
select tenant_id, id from listings where updated_at >= $1 order by updated_at desc limit $2
"""
_REPRICED: Final = """
with taken as materialized (
  select id from listings where tenant_id = $1 and connection_id = $2 and price_changes_at <= $3
  order by price_changes_at limit $4 for update
)
update listings l set price_changes_at = null from taken t where l.tenant_id = $1 and l.id = t.id
returning l.id, l.provider, l.status
"""
#: The first of them is one look at an index; where none is due, nothing else is looked at, whatever the planner knows.
_PRICES_DUE: Final = """
select distinct tenant_id, connection_id from listings
where (select min(price_changes_at) from listings) <= $1 and price_changes_at <= $1 limit $2
"""
_TOUCH: Final = """
update listings l set platform_updated_at = t.at, raw = t.raw, raw_hash = t.raw_hash,
  body = jsonb_set(l.body, '{platform_updated_at}', to_jsonb(t.said))
from unnest($3::text[], $4::timestamptz[], $5::bytea[], $6::bytea[], $7::text[]) as t (id, at, raw, raw_hash, said)
where l.tenant_id = $1 and l.connection_id = $2 and l.external_id = t.id
"""


class Whole(msgspec.Struct, frozen=True, gc=False):
    """One stored listing, whose it is, and which version of it."""

    id: str
    connection_id: str
    provider: str
    product_id: str
    version: int
    listing: Listing
    hash: bytes


class Rewritten(msgspec.Struct, frozen=True, gc=False):
    """A listing as it is after a write of our own; `news` tells whether its content is another one."""

    before: Whole
    item: ListingItem
    news: bool


async def wholes(tx: Tx, ids: Sequence[str]) -> list[Whole]:
    """The listings of these ids."""
    rows = await tx.fetch_sql(_WHOLES, tx.tenant_id, ids)
    return [
        Whole(id_, connection_id, provider, product_id, version, decode(body.encode()), hash_)
        for id_, connection_id, provider, product_id, version, body, hash_ in rows
    ]


async def versions(tx: Tx, connection_id: str, ids: Sequence[str]) -> dict[str, tuple[int, datetime | None]]:
    """Which versions of these listings of a connection are stored, and of which time of the platform."""
    rows = await tx.fetch_sql(_VERSIONS, tx.tenant_id, ids, connection_id)
    return {id_: (version, at) for id_, version, at in rows}


async def changed_since(tx: Tx, since: datetime, limit: int) -> list[tuple[str, str]]:
    """Tenant and id of listings whose content changed since then, some of them; for the system alone."""
    rows = await tx.fetch_sql(_CHANGED, since, limit)
    return [(row["tenant_id"], row["id"]) for row in rows]


async def rewrite(tx: Tx, several: Sequence[Rewritten], unread: bytes, now: datetime) -> None:
    """Write listings as they are after writes of our own."""
    await tx.execute_sql(
        _REWRITE,
        tx.tenant_id,
        now,
        [_row(one, now) for one in several],
        [one.item.hash for one in several],
        unread,
        [row for one in several for row in _variants(one)],
    )


async def take_repriced(tx: Tx, connection_id: str, now: datetime, limit: int) -> list[asyncpg.Record]:
    """Listings of a connection whose sales have begun or ended; whoever takes them writes them anew."""
    return await tx.fetch_sql(_REPRICED, tx.tenant_id, connection_id, now, limit)


async def prices_due(tx: Tx, now: datetime, limit: int) -> list[tuple[str, str]]:
    """Tenant and connection of listings whose sales have begun or ended; across tenants, so for the system alone."""
    return [(row["tenant_id"], row["connection_id"]) for row in await tx.fetch_sql(_PRICES_DUE, now, limit)]


def _row(one: Rewritten, now: datetime) -> tuple[object, ...]:
    listing, figures = one.item.listing, summary(one.item.listing.variants)
    return (
        one.before.id,
        listing.title,
        listing.status,
        figures.currency,
        figures.price,
        figures.stock,
        listing.platform_updated_at,
        msgspec.Raw(one.item.body),
        one.news,
        next_change(listing.variants, now),
    )


def _variants(one: Rewritten) -> list[tuple[object, ...]]:
    """Those that are others than before: an edit leaves the others as they are, object for object."""
    known = {id(variant) for variant in one.before.listing.variants}
    return [
        (
            one.before.id,
            variant.external_id,
            variant.price.currency if variant.price else None,
            variant.price.current_price if variant.price else None,
            variant.price.list_price if variant.price else None,
            variant.available,
        )
        for variant in one.item.listing.variants
        if id(variant) not in known
    ]


async def touch(tx: Tx, connection_id: str, items: Sequence[ListingItem]) -> None:
    """Take the platform's later times over, without another version: the content is the same."""
    if not items:
        return
    await tx.execute_sql(
        _TOUCH,
        tx.tenant_id,
        connection_id,
        [one.external_id for one in items],
        [one.changed_at for one in items],
        [one.raw for one in items],
        [one.raw_hash for one in items],
        [msgspec.to_builtins(one.changed_at) for one in items],
    )
