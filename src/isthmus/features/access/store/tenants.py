"""Every statement of access."""

from datetime import datetime

import asyncpg
from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects.postgresql import insert

from isthmus.engine.db import Tx, statement
from isthmus.features.access.model.tenants import Tenant, TenantStatus
from isthmus.features.access.tables import TENANTS as T

_COLUMNS = (T.c.id, T.c.name, T.c.slug, T.c.status, T.c.created_at, T.c.plan)
_ADD = statement(
    insert(T)
    .values({column.name: bindparam(column.name) for column in _COLUMNS})
    .on_conflict_do_nothing(index_elements=[T.c.slug])
)
_ONE = statement(select(*_COLUMNS).where(T.c.id == bindparam("id")))
_LOCKED = statement(select(*_COLUMNS).where(T.c.id == bindparam("id")).with_for_update())
_NAMED = statement(select(*_COLUMNS).where((T.c.id == bindparam("name")) | (T.c.slug == bindparam("name"))).limit(1))
_SOME = statement(
    select(*_COLUMNS)
    .where(T.c.id > bindparam("after"))
    .order_by(T.c.id)
    .limit(bindparam("limit"))
    .offset(bindparam("offset"))
)
_BY_SLUG = statement(select(*_COLUMNS).where(T.c.slug == bindparam("slug")))
_CHANGE = statement(update(T).values(name=bindparam("name"), plan=bindparam("plan")).where(T.c.id == bindparam("id")))
_SET_STATUS = statement(update(T).values(status=bindparam("status")).where(T.c.id == bindparam("id")))
_STATUS = statement(select(T.c.status).where(T.c.id == bindparam("id")))


async def insert_tenant(tx: Tx, tenant: Tenant) -> bool:
    """Add a tenant; False when the slug is taken."""
    return bool(await tx.execute(_ADD, **{column.name: getattr(tenant, column.name) for column in _COLUMNS}))


async def tenant(tx: Tx, tenant_id: str, *, locked: bool = False) -> Tenant | None:
    """One tenant, if this transaction may see it; locked where it is to be changed."""
    row = await tx.fetchrow(_LOCKED if locked else _ONE, id=tenant_id)
    return _tenant(row) if row else None


async def tenant_named(tx: Tx, name: str) -> Tenant | None:
    """The tenant with this id or slug, if this transaction may see it."""
    row = await tx.fetchrow(_NAMED, name=name)
    return _tenant(row) if row else None


async def tenant_of_slug(tx: Tx, slug: str) -> Tenant | None:
    """One tenant by its slug, if this transaction may see it."""
    row = await tx.fetchrow(_BY_SLUG, slug=slug)
    return _tenant(row) if row else None


async def tenants(tx: Tx, after: str, offset: int, limit: int) -> list[Tenant]:
    """Those that this transaction may see, the oldest first."""
    return [_tenant(row) for row in await tx.fetch(_SOME, after=after, offset=offset, limit=limit)]


async def update_status(tx: Tx, tenant_id: str, status: TenantStatus) -> None:
    """Let a tenant in, or keep it out."""
    await tx.execute(_SET_STATUS, id=tenant_id, status=status)


async def leaving(tx: Tx) -> list[str]:
    """Tenants that are being deleted; as the system."""
    rows = await tx.fetch_sql("select id from tenants where status = $1 order by id limit 100", TenantStatus.DELETING)
    return [row["id"] for row in rows]


async def update_tenant(tx: Tx, tenant: Tenant) -> None:
    """Keep another name and plan."""
    await tx.execute(_CHANGE, id=tenant.id, name=tenant.name, plan=tenant.plan)


async def status(tx: Tx, tenant_id: str) -> str | None:
    """A tenant's status, None when there is no such tenant."""
    found: str | None = await tx.fetchval(_STATUS, id=tenant_id)
    return found


def _tenant(row: asyncpg.Record) -> Tenant:
    created: datetime = row["created_at"]
    return Tenant(row["id"], row["name"], row["slug"], TenantStatus(row["status"]), created, row["plan"])
