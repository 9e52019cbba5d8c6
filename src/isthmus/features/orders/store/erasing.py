"""Statements that erase persons, and orders of a shop that was disconnected.

Whom somebody asked to forget is remembered by a mark among the customers, which bears no personal data: nobody has its
external id, so it outlives the person's coming back, and goes with the connection.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import asyncpg
import msgspec

from isthmus.engine import holdings
from isthmus.engine.db import Tx
from isthmus.features.orders.store.sizes import KIND

_BATCH: Final = 2_000
_OUTLIVED: Final = """
select distinct tenant_id from (
  (select tenant_id from orders where redacted_at is null and placed_at < $1 limit 1000)
  union all
  (select tenant_id from customers where redacted_at is null and last_order_at < $1 limit 1000)
) found
"""
_ERASE: Final = """
update orders o set personal = null, raw = null, redacted_at = $2
from (
  select id from orders where tenant_id = $1 and redacted_at is null and placed_at < $3 limit $4 for update skip locked
) old
where o.tenant_id = $1 and o.id = old.id
"""
_ERASE_OF: Final = """
update orders set personal = null, raw = null, redacted_at = $2
where tenant_id = $1 and customer_id = any($3::text[]) and redacted_at is null
"""
_REDACT: Final = """
update customers c set personal = null, redacted_at = $2, updated_at = $2
from (
  select id from customers where tenant_id = $1 and redacted_at is null
    and (id = any($3::text[]) or ($3::text[] is null and last_order_at < $4)) limit $5 for update skip locked
) old
where c.tenant_id = $1 and c.id = old.id
returning c.id, c.connection_id, c.provider, c.external_id
"""
_PERSON: Final = "select id from customers where tenant_id = $1 and connection_id = $2 and external_id = $3"
_ORDERS_OF: Final = """
select id from orders
where tenant_id = $1 and connection_id = $2 and (customer_id = $3 or external_id = any($4::text[]))
order by id limit 1000
"""
_ERASE_NAMED: Final = """
update orders set personal = null, raw = null, redacted_at = $2
where tenant_id = $1 and connection_id = $3 and external_id = any($4::text[]) and redacted_at is null
"""
_MARK: Final = """
insert into customers (tenant_id, id, connection_id, provider, external_id, redacted_at, created_at, updated_at)
select $1, g.id, $3, $4, g.external_id, $2, $2, $2 from unnest($5::text[], $6::text[]) as g (id, external_id)
on conflict (tenant_id, connection_id, external_id) do update
  set redacted_at = excluded.redacted_at, updated_at = excluded.updated_at
"""
_MARKS: Final = """
select m.external_id, m.redacted_at
from unnest($3::text[]) as w(external_id)
cross join lateral (
  select external_id, redacted_at from customers
  where tenant_id = $1 and connection_id = $2 and external_id = w.external_id offset 0
) as m
"""
_HELD: Final = {
    "customers": """
select id, connection_id, provider, external_id, personal, id from customers
where tenant_id = $1 and id > $2 and redacted_at is null and personal is not null order by id limit $3
""",
    "orders": """
select id, connection_id, provider, external_id, personal, customer_id from orders
where tenant_id = $1 and id > $2 and redacted_at is null and personal is not null order by id limit $3
""",
}
_BOUGHT: Final = """
select connection_id, external_id from orders where tenant_id = $1 and customer_id = any($2::text[])
order by connection_id, external_id
"""
_ERASE_THESE: Final = """
update orders set personal = null, raw = null, redacted_at = $2
where tenant_id = $1 and id = any($3::text[]) and redacted_at is null
"""
_ORDERS: Final = """
delete from orders o using (
  select tenant_id, id from orders where tenant_id = $1 and connection_id = $2 limit $3
) gone
where o.tenant_id = gone.tenant_id and o.id = gone.id
returning o.id
"""
_CUSTOMERS: Final = "delete from customers where tenant_id = $1 and connection_id = $2"


class Held(msgspec.Struct, frozen=True):
    """A row of customers or of orders with what is personal, sealed."""

    id: str
    connection_id: str
    provider: str
    external_id: str
    personal: bytes
    customer_id: str | None


async def hold_forgotten(tx: Tx) -> None:
    """Nobody else is forgotten until this transaction ends: what it reads of persons is what it may write."""
    await tx.execute_sql("select pg_advisory_xact_lock_shared(hashtextextended($1, 23))", tx.tenant_id)


async def begin_forgetting(tx: Tx) -> None:
    """Wait for whoever has read persons and will write them, and let nobody else do so until this transaction ends."""
    await tx.execute_sql("select pg_advisory_xact_lock(hashtextextended($1, 23))", tx.tenant_id)


async def held(tx: Tx, table: str, after: str, limit: int) -> list[Held]:
    """Rows behind an id that still know a person; of `customers` or of `orders`."""
    return [Held(*row) for row in map(tuple, await tx.fetch_sql(_HELD[table], tx.tenant_id, after, limit))]


async def bought(tx: Tx, customer_ids: Sequence[str]) -> list[tuple[str, str]]:
    """The orders of these customers: connection and external id."""
    return [(row[0], row[1]) for row in await tx.fetch_sql(_BOUGHT, tx.tenant_id, list(customer_ids))]


async def erase_orders(tx: Tx, order_ids: Sequence[str], now: datetime) -> int:
    """Erase what is personal of these orders; how many."""
    return await tx.execute_sql(_ERASE_THESE, tx.tenant_id, now, list(order_ids))


async def outlived(tx: Tx, before: datetime) -> list[str]:
    """Tenants who keep persons of orders placed before that; across tenants, so for the system alone."""
    return [row["tenant_id"] for row in await tx.fetch_sql(_OUTLIVED, before)]


async def erase(tx: Tx, before: datetime, now: datetime, limit: int) -> int:
    """Erase what is personal of orders placed before that; how many orders."""
    return await tx.execute_sql(_ERASE, tx.tenant_id, now, before, limit)


async def erase_orders_of(tx: Tx, customer_ids: Sequence[str], now: datetime) -> int:
    """Erase what is personal of all orders of these customers; how many orders."""
    return await tx.execute_sql(_ERASE_OF, tx.tenant_id, now, customer_ids)


async def person(tx: Tx, connection_id: str, external_id: str) -> str | None:
    """Our id of a platform's customer."""
    rows = await tx.fetch_sql(_PERSON, tx.tenant_id, connection_id, external_id)
    return rows[0]["id"] if rows else None


async def orders_of(tx: Tx, connection_id: str, customer_id: str | None, external_ids: Sequence[str]) -> list[str]:
    """Our ids of a customer's orders, and of those that the platform names; a thousand at most."""
    rows = await tx.fetch_sql(_ORDERS_OF, tx.tenant_id, connection_id, customer_id, list(external_ids))
    return [row["id"] for row in rows]


async def erase_named(tx: Tx, connection_id: str, external_ids: Sequence[str], now: datetime) -> int:
    """Erase what is personal of the orders that the platform names; how many."""
    return await tx.execute_sql(_ERASE_NAMED, tx.tenant_id, now, connection_id, list(external_ids))


async def mark(tx: Tx, origin: tuple[str, str], marks: Sequence[str], fresh: Sequence[str], now: datetime) -> None:
    """Remember whom and what somebody asked to forget; `origin` is connection and provider, `fresh` an id for each."""
    await tx.execute_sql(_MARK, tx.tenant_id, now, *origin, list(fresh), list(marks))


async def marked(tx: Tx, connection_id: str, marks: Sequence[str]) -> dict[str, datetime]:
    """Which of these are remembered, and until when what was placed is forgotten."""
    rows = await tx.fetch_sql(_MARKS, tx.tenant_id, connection_id, marks)
    return {row["external_id"]: row["redacted_at"] for row in rows}


async def redact_customers(
    tx: Tx, now: datetime, limit: int, *, ids: Sequence[str] | None = None, before: datetime | None = None
) -> list[asyncpg.Record]:
    """Erase these customers, or those whose last order was placed before a time; whom."""
    return await tx.fetch_sql(_REDACT, tx.tenant_id, now, ids, before, limit)


async def forget(tx: Tx, tenant_id: str, connection_id: str) -> int:
    """Remove a connection's orders and customers; how many orders."""
    count = 0
    while rows := await tx.fetch_sql(_ORDERS, tenant_id, connection_id, _BATCH):
        count += len(rows)
    await tx.execute_sql(_CUSTOMERS, tenant_id, connection_id)
    await holdings.forget(tx, tenant_id, connection_id, KIND)
    return count
