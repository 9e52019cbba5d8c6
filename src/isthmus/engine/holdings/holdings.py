"""How many bytes of records each tenant stores: one counter for each connection and kind of record.

A write adds what is new in its own transaction, once for all that it writes; what is changed, shrinks or goes is not
looked at then, which would cost each record a look at what it was. A periodic count sets the counter right: those that
grew within the hour, every one within a day. The count is what the columns take in the database, which packs them:
what was just added counts for more until then.
"""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import BigInteger, Column, DateTime, Text, text

from isthmus.engine.db import Database, Tx, tenant_table

_TIME = DateTime(timezone=True)
_SOON: Final = timedelta(hours=1)
_LATEST: Final = timedelta(days=1)
_AT_ONCE: Final = 500

HOLDINGS = tenant_table(
    "holdings",
    Column("connection_id", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("bytes", BigInteger, nullable=False, server_default=text("0")),
    #: When something was last added, and when all of it was last counted.
    Column("added_at", _TIME, nullable=False),
    Column("counted_at", _TIME),
)

#: For a statement that writes listings: $1 is the tenant, $2 the connection, $8 the bytes.
ADD_LISTINGS: Final = """
insert into holdings as h (tenant_id, connection_id, kind, bytes, added_at)
values ($1, $2, 'listings', $8, clock_timestamp())
on conflict (tenant_id, connection_id, kind) do update
  set bytes = h.bytes + excluded.bytes, added_at = excluded.added_at
"""
_ADD: Final = """
insert into holdings as h (tenant_id, connection_id, kind, bytes, added_at)
values ($1, $2, $3, $4, clock_timestamp())
on conflict (tenant_id, connection_id, kind) do update
  set bytes = h.bytes + excluded.bytes, added_at = excluded.added_at
"""
_TOTAL: Final = "select coalesce(sum(bytes), 0)::bigint as bytes from holdings where tenant_id = $1"
_FORGET: Final = "delete from holdings where tenant_id = $1 and connection_id = $2 and kind = $3"
_DUE: Final = """
select tenant_id, connection_id from holdings
where kind = $1 and (counted_at is null or counted_at < $2 or (counted_at < $3 and added_at > counted_at))
order by counted_at nulls first limit $4
"""
#: What is counted and what the counter said are of one moment: what is added meanwhile, is added to the true number.
_COUNT: Final = """
with counted as materialized (
  select h.tenant_id, h.connection_id, ({sizes}) - h.bytes as missing from holdings h
  where h.tenant_id = $1 and h.connection_id = $2 and h.kind = $3
)
update holdings h set bytes = h.bytes + c.missing, counted_at = $4 from counted c
where h.tenant_id = c.tenant_id and h.connection_id = c.connection_id and h.kind = $3
"""


async def add(tx: Tx, connection_id: str, kind: str, size: int) -> None:
    """Count what this transaction has written anew of a connection, in bytes."""
    if size:
        await tx.execute_sql(_ADD, tx.tenant_id, connection_id, kind, size)


async def total(tx: Tx) -> int:
    """How many bytes of records the tenant stores."""
    return int((await tx.fetch_sql(_TOTAL, tx.tenant_id))[0]["bytes"])


async def forget(tx: Tx, tenant_id: str, connection_id: str, kind: str) -> None:
    """All of this kind has gone that a connection had."""
    await tx.execute_sql(_FORGET, tenant_id, connection_id, kind)


async def count(database: Database, kind: str, sizes: str, now: datetime) -> None:
    """Set counters of this kind right, those first that wait longest, each in a transaction of its own.

    sizes: a query of the store whose records they are, for the bytes of those of `h.tenant_id` and `h.connection_id`.
    """
    async with database.system() as tx:
        due = await tx.fetch_sql(_DUE, kind, now - _LATEST, now - _SOON, _AT_ONCE)
    for row in due:
        async with database.system() as tx:
            query = _COUNT.format(sizes=sizes)
            await tx.execute_sql(
                query, row["tenant_id"], row["connection_id"], kind, now
            )  # house: sql - a constant of the store
