"""Every statement that erases a tenant: the rows of all its tables, in batches, as the system."""

from datetime import datetime
from graphlib import TopologicalSorter

import asyncpg
from sqlalchemy import ColumnClause, bindparam, column, delete, literal_column, select, table

from isthmus.engine.db import Statement, Tx, statement
from isthmus.features.access.model.tenants import TenantStatus

#: What opens the sealed values goes first: whatever is left after that cannot be read by anybody (ER-01).
KEYS = "data_keys"
_PLACE: ColumnClause[object] = literal_column("ctid")
#: Read from the database and not from the code, so that no table is forgotten.
_TABLES = """
select c.relname as name, array(
    select p.relname::text from pg_constraint k join pg_class p on p.oid = k.conrelid
    where k.contype = 'f' and k.confrelid = c.oid and k.conrelid <> c.oid) as before
from pg_class c join pg_namespace n on n.oid = c.relnamespace
join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped
where n.nspname = 'public' and c.relkind in ('r', 'p') and not c.relispartition
order by c.relname
"""


async def tables(tx: Tx) -> list[str]:
    """The tables that hold rows of tenants: the keys first, then those that refer to others before those."""
    rows = await tx.fetch_sql(_TABLES)
    owned = {row["name"] for row in rows}
    ordered = TopologicalSorter({row["name"]: row["before"] for row in rows}).static_order()
    return [KEYS, *(name for name in ordered if name in owned and name != KEYS)]


class StillReferredTo(Exception):
    """Rows have come in that hang on those which were about to go."""


def _deleting(name: str) -> Statement:
    rows = table(name, column("tenant_id"))
    mine = rows.c.tenant_id == bindparam("tenant_id")
    some = select(_PLACE).select_from(rows).where(mine).limit(bindparam("batch"))
    return statement(delete(rows).where(mine, _PLACE.in_(some)))


async def delete_rows(tx: Tx, name: str, tenant_id: str, batch: int) -> int:
    """Delete some rows of one table, and those that hang on them; how many. Raises StillReferredTo, and the transaction
    is over.
    """
    try:
        return await tx.execute(_deleting(name), tenant_id=tenant_id, batch=batch)
    except asyncpg.ForeignKeyViolationError as late:
        raise StillReferredTo from late


async def insert_erasure(tx: Tx, tenant_id: str, *, at: datetime) -> None:
    """Note that it has begun."""
    await tx.execute_sql(
        "insert into tenant_erasures (id, asked_at, erased) values ($1, $2, $3) on conflict do nothing",
        tenant_id,
        at,
        {},
    )


async def erasure(tx: Tx, tenant_id: str) -> asyncpg.Record | None:
    """An erasure under way; locked until the transaction ends."""
    rows = await tx.fetch_sql("select asked_at, erased from tenant_erasures where id = $1 for update", tenant_id)
    return rows[0] if rows else None


async def update_erased(tx: Tx, tenant_id: str, erased: dict[str, int]) -> None:
    """Note how many rows of each table are gone."""
    await tx.execute_sql("update tenant_erasures set erased = $2 where id = $1", tenant_id, erased)


async def delete_tenant(tx: Tx, tenant_id: str) -> None:
    """The tenant itself, and the note of its erasure."""
    await tx.execute_sql("delete from tenants where id = $1 and status = $2", tenant_id, TenantStatus.DELETING)
    await tx.execute_sql("delete from tenant_erasures where id = $1", tenant_id)
