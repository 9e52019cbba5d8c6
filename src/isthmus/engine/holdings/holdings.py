"""How many bytes of records each tenant stores: one counter for each connection and kind of record.

A write adds what is new in its own transaction, once for all that it writes; what is changed, shrinks or goes is not
looked at then, which would cost each record a look at what it was. A periodic count sets the counter right: those that
grew within the hour, every one within a day. The count is what the columns take in the database, which packs them:
what was just added counts for more until then.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import BigInteger, Column, DateTime, Text, text

from isthmus.engine.db import Tx, tenant_table

_TIME = DateTime(timezone=True)
_SOON: Final = timedelta(hours=1)
_LATEST: Final = timedelta(days=1)
_AT_ONCE: Final = 500
_PAGE: Final = 20_000

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
_SAID: Final = """
select bytes, counted_at from holdings where tenant_id = $1 and connection_id = $2 and kind = $3
"""
#: Whoever counted at the same time has set it right.
_CORRECT: Final = """
update holdings set bytes = bytes + $4, counted_at = $6
where tenant_id = $1 and connection_id = $2 and kind = $3 and counted_at is not distinct from $5
"""

#: Begins a transaction of the tenant.
Begin = Callable[[], AbstractAsyncContextManager[Tx]]


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


async def due(tx: Tx, kind: str, now: datetime) -> list[tuple[str, str]]:
    """Tenant and connection of counters of this kind to be set right, those first that wait longest."""
    rows = await tx.fetch_sql(_DUE, kind, now - _LATEST, now - _SOON, _AT_ONCE)
    return [(row["tenant_id"], row["connection_id"]) for row in rows]


async def count(begin: Begin, connection_id: str, kind: str, sizes: str, now: datetime) -> None:
    """Set a counter right, a page of records at a time: all of a large shop is more than one statement may take.

    sizes: a query of the store whose records they are. It is given the tenant, the connection, a place (text array, of
    empty texts for the beginning) and how many, and answers the `bytes` of those behind the place, and their last
    `place`; nothing behind the last one. What is added meanwhile may count twice until the next count.
    """
    async with begin() as tx:
        said = await tx.fetch_sql(_SAID, tx.tenant_id, connection_id, kind)
    if not said:
        return
    stored, place = 0, ["", ""]
    while True:
        async with begin() as tx:
            page = await tx.fetch_sql(sizes, tx.tenant_id, connection_id, place, _PAGE)  # house: sql - of its store
            if not page:
                missing = stored - said[0]["bytes"]
                before = said[0]["counted_at"]
                await tx.execute_sql(_CORRECT, tx.tenant_id, connection_id, kind, missing, before, now)
                return
        stored, place = stored + page[0]["bytes"], page[0]["place"]
