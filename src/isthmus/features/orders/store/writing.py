"""The write path of orders: set-based, because a page is one trip and not a hundred."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

import msgspec

from isthmus.connect.keeping import Known
from isthmus.engine.db import Tx
from isthmus.features.orders.model import KnownCustomer, OrderItem, Stored, money_gap


class Change(msgspec.Struct, frozen=True, gc=False):
    """An order to write under this id, with its sealed columns."""

    item: OrderItem
    id: str
    created: bool
    customer_id: str | None
    personal: bytes | None
    raw: bytes | None


class Buyer(msgspec.Struct, frozen=True, gc=False):
    """A customer to write under this id; `at` are the times of the oldest and newest order at hand."""

    id: str
    external_id: str
    personal: bytes
    first_at: datetime | None
    last_at: datetime | None


#: One look-up per id, kept apart by `offset 0`: without statistics, as in a first sync, `= any(...)` may walk another
#: index over the whole connection (design/engine.md 4).
_STORED: Final = """
select o.external_id, o.id, o.hash, o.raw_hash, o.status, o.platform_updated_at, o.personal, o.redacted_at
from unnest($3::text[]) as w(external_id)
cross join lateral (
  select external_id, id, hash, raw_hash, status, platform_updated_at, personal, redacted_at from orders
  where tenant_id = $1 and connection_id = $2 and external_id = w.external_id offset 0
) as o
"""
_RAW_HASHES: Final = """
select o.external_id, o.raw_hash, o.line_count
from unnest($3::text[]) as w(external_id)
cross join lateral (
  select external_id, raw_hash, line_count from orders
  where tenant_id = $1 and connection_id = $2 and external_id = w.external_id offset 0
) as o
"""
_CUSTOMERS: Final = """
select c.external_id, c.id, c.personal
from unnest($3::text[]) as w(external_id)
cross join lateral (
  select external_id, id, personal from customers
  where tenant_id = $1 and connection_id = $2 and external_id = w.external_id offset 0
) as c
"""
_WRITE_CUSTOMERS: Final = """
insert into customers (tenant_id, id, connection_id, provider, external_id, personal, first_order_at, last_order_at,
  created_at, updated_at)
select $1, f.id, $2, $3, f.external_id, f.personal, f.first_at, f.last_at, $4, $4
from unnest($5::text[], $6::text[], $7::bytea[], $8::timestamptz[], $9::timestamptz[])
  as f(id, external_id, personal, first_at, last_at)
on conflict (tenant_id, connection_id, external_id) do update set
  personal = excluded.personal, redacted_at = null, updated_at = excluded.updated_at,
  first_order_at = least(customers.first_order_at, excluded.first_order_at),
  last_order_at = greatest(customers.last_order_at, excluded.last_order_at)
"""
#: Orders and what belongs to them in one trip; lines and shipments that an order no longer names go.
_WRITE: Final = """
with fresh (id, external_id, number, customer_id, status, platform_status, payment_status, fulfilment_status, placed_at,
            currency, grand_total, money_gap, line_count, country, platform_updated_at, body, raw_hash, hash, personal,
            raw) as (
  select f.doc ->> 0, f.doc ->> 1, f.doc ->> 2, f.doc ->> 3, f.doc ->> 4, f.doc ->> 5, f.doc ->> 6, f.doc ->> 7,
         (f.doc ->> 8)::timestamptz, f.doc ->> 9, (f.doc ->> 10)::numeric, (f.doc ->> 11)::numeric,
         (f.doc ->> 12)::integer, f.doc ->> 13, (f.doc ->> 14)::timestamptz, f.doc -> 15,
         f.raw_hash, f.hash, f.personal, f.raw
  from rows from (jsonb_array_elements($5::jsonb), unnest($6::bytea[]), unnest($7::bytea[]), unnest($8::bytea[]),
    unnest($9::bytea[])) as f(doc, raw_hash, hash, personal, raw)
), put as (
  insert into orders (tenant_id, id, connection_id, provider, external_id, number, customer_id, status,
    platform_status, payment_status, fulfilment_status, placed_at, currency, grand_total, money_gap, line_count,
    country, body, personal, raw, raw_hash, hash, version, platform_updated_at, redacted_at, created_at, updated_at)
  select $1, id, $2, $3, external_id, number, customer_id, status, platform_status, payment_status, fulfilment_status,
    coalesce(placed_at, $4), currency, grand_total, money_gap, line_count, country, body, personal, raw, raw_hash, hash,
    1, platform_updated_at, case when personal is null then $4::timestamptz end, $4, $4 from fresh
  on conflict (tenant_id, connection_id, external_id) do update set
    number = excluded.number, customer_id = coalesce(excluded.customer_id, orders.customer_id),
    status = excluded.status, platform_status = excluded.platform_status,
    payment_status = excluded.payment_status, fulfilment_status = excluded.fulfilment_status,
    placed_at = case when excluded.placed_at = $4 then orders.placed_at else excluded.placed_at end,
    currency = excluded.currency, grand_total = excluded.grand_total, money_gap = excluded.money_gap,
    line_count = excluded.line_count, country = excluded.country, body = excluded.body,
    personal = case when orders.redacted_at is null then excluded.personal end,
    raw = case when orders.redacted_at is null then excluded.raw end,
    raw_hash = excluded.raw_hash, hash = excluded.hash, version = orders.version + 1,
    platform_updated_at = excluded.platform_updated_at, updated_at = excluded.updated_at
), sent as (
  insert into shipments (tenant_id, id, order_id, external_id, status, platform_status, carrier, tracking_number,
    shipped_at, delivered_at)
  select $1, s.doc ->> 0, s.doc ->> 1, s.doc ->> 2, s.doc ->> 3, s.doc ->> 4, s.doc ->> 5, s.doc ->> 6,
    (s.doc ->> 7)::timestamptz, (s.doc ->> 8)::timestamptz
  from jsonb_array_elements($11::jsonb) as s(doc)
  on conflict (tenant_id, order_id, external_id) do update set
    status = excluded.status, platform_status = excluded.platform_status, carrier = excluded.carrier,
    tracking_number = excluded.tracking_number, shipped_at = excluded.shipped_at, delivered_at = excluded.delivered_at
)
insert into order_lines (tenant_id, id, order_id, connection_id, external_id, position, product_external_id,
  variant_external_id, sku, title, quantity, unit_price, line_total, status)
select $1, l.doc ->> 0, l.doc ->> 1, $2, l.doc ->> 2, (l.doc ->> 3)::integer, l.doc ->> 4, l.doc ->> 5, l.doc ->> 6,
  l.doc ->> 7, (l.doc ->> 8)::bigint, (l.doc ->> 9)::numeric, (l.doc ->> 10)::numeric, l.doc ->> 11
from jsonb_array_elements($10::jsonb) as l(doc)
on conflict (tenant_id, order_id, external_id) do update set
  position = excluded.position, product_external_id = excluded.product_external_id,
  variant_external_id = excluded.variant_external_id, sku = excluded.sku, title = excluded.title,
  quantity = excluded.quantity, unit_price = excluded.unit_price, line_total = excluded.line_total,
  status = excluded.status
"""
_DROP_LINES: Final = """
delete from order_lines l using unnest($2::text[], $3::text[]) as kept(order_id, external_ids)
where l.tenant_id = $1 and l.order_id = kept.order_id
  and not l.external_id = any (string_to_array(kept.external_ids, chr(31)))
"""
_DROP_SHIPMENTS: Final = """
delete from shipments s using unnest($2::text[], $3::text[]) as kept(order_id, external_ids)
where s.tenant_id = $1 and s.order_id = kept.order_id
  and not s.external_id = any (string_to_array(kept.external_ids, chr(31)))
"""
_STATUSES: Final = """
insert into order_statuses (tenant_id, provider, platform_status, order_id, seen_at)
select $1, $2, f.status, f.order_id, $3 from unnest($4::text[], $5::text[]) as f(status, order_id)
on conflict do nothing returning platform_status, order_id
"""


async def stored(tx: Tx, connection_id: str, external_ids: Sequence[str]) -> dict[str, Stored]:
    """What is known of these orders, by external id."""
    rows = await tx.fetch_sql(_STORED, tx.tenant_id, connection_id, external_ids)
    return {row[0]: Stored(*row[1:]) for row in map(tuple, rows)}


async def raw_hashes(tx: Tx, connection_id: str, external_ids: Sequence[str]) -> dict[str, Known]:
    """The hash of the bytes that each order was last written from, by external id."""
    rows = await tx.fetch_sql(_RAW_HASHES, tx.tenant_id, connection_id, external_ids)
    return {external_id: Known(raw_hash, lines) for external_id, raw_hash, lines in rows}


async def customers(tx: Tx, connection_id: str, external_ids: Sequence[str]) -> dict[str, KnownCustomer]:
    """What is known of these customers, by external id."""
    rows = await tx.fetch_sql(_CUSTOMERS, tx.tenant_id, connection_id, external_ids)
    return {external_id: KnownCustomer(id_, personal) for external_id, id_, personal in rows}


async def write_customers(tx: Tx, origin: tuple[str, str], buyers: Sequence[Buyer], now: datetime) -> None:
    """Insert or overwrite these customers."""
    if buyers:
        columns = zip(*map(msgspec.structs.astuple, buyers), strict=True)
        await tx.execute_sql(_WRITE_CUSTOMERS, tx.tenant_id, *origin, now, *columns)


async def write(
    tx: Tx, origin: tuple[str, str], changes: Sequence[Change], fresh_ids: Iterable[str], now: datetime
) -> None:
    """Insert or overwrite these orders with their lines and shipments; `origin` is connection and provider."""
    if not changes:
        return
    ids = iter(fresh_ids)
    await _drop(tx, [change for change in changes if not change.created])
    await tx.execute_sql(
        _WRITE,
        tx.tenant_id,
        *origin,
        now,
        [_order_row(change) for change in changes],
        [change.item.raw_hash for change in changes],
        [change.item.hash for change in changes],
        [change.personal for change in changes],
        [change.raw for change in changes],
        [row for change in changes for row in _line_rows(change, ids)],
        [row for change in changes for row in _shipment_rows(change, ids)],
    )


async def _drop(tx: Tx, changes: Sequence[Change]) -> None:
    if not changes:
        return
    orders = [change.id for change in changes]
    lines = ["\x1f".join(line.external_id for line in change.item.order.lines) for change in changes]
    shipments = ["\x1f".join(one.external_id for one in change.item.order.shipments) for change in changes]
    await tx.execute_sql(_DROP_LINES, tx.tenant_id, orders, lines)
    await tx.execute_sql(_DROP_SHIPMENTS, tx.tenant_id, orders, shipments)


async def note_statuses(
    tx: Tx, provider: str, found: Sequence[tuple[str, str]], now: datetime
) -> list[tuple[str, str]]:
    """Remember unknown statuses, each with an order that bears it; those that were not known to be unknown."""
    statuses, orders = zip(*dict(found).items(), strict=True)
    rows = await tx.fetch_sql(_STATUSES, tx.tenant_id, provider, now, statuses, orders)
    return [(row["platform_status"], row["order_id"]) for row in rows]


def _order_row(change: Change) -> tuple[object, ...]:
    order = change.item.order
    return (
        change.id,
        order.external_id,
        order.number,
        change.customer_id,
        order.status,
        order.platform_status,
        order.payment_status,
        order.fulfilment_status,
        order.placed_at,
        order.currency,
        order.totals.grand_total,
        money_gap(order),
        len(order.lines),
        order.country,
        order.platform_updated_at,
        msgspec.Raw(change.item.body),
    )


def _line_rows(change: Change, ids: Iterable[str]) -> list[tuple[object, ...]]:
    return [
        (
            f"orl_{fresh}",
            change.id,
            line.external_id,
            place,
            line.product_external_id,
            line.variant_external_id,
            line.sku,
            line.title,
            line.quantity,
            line.unit_price,
            line.line_total,
            line.status,
        )
        for (place, line), fresh in zip(enumerate(change.item.order.lines), ids, strict=False)
    ]


def _shipment_rows(change: Change, ids: Iterable[str]) -> list[tuple[object, ...]]:
    return [
        (
            f"shp_{fresh}",
            change.id,
            one.external_id,
            one.status,
            one.platform_status,
            one.carrier,
            one.tracking_number,
            one.shipped_at,
            one.delivered_at,
        )
        for one, fresh in zip(change.item.order.shipments, ids, strict=False)
    ]
