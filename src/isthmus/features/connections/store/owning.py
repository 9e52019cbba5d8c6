"""Statements over whose connections are, and what may pass them."""

import asyncpg
from sqlalchemy import ARRAY, Text, bindparam, func, select, update
from sqlalchemy.sql.elements import BindParameter

from isthmus.engine.db import Tx, statement
from isthmus.features.connections.model.connection import Connection, Status
from isthmus.features.connections.store.connections import COLUMNS, JOINED, as_connection
from isthmus.features.connections.tables import connections as c

#: Why the connections of somebody who was removed open nothing.
DEPARTED = "the member was removed"
_TENANT: BindParameter[str] = bindparam("tenant_id")
_OWNERS = statement(
    select(c.c.id, c.c.owner_id).where(
        c.c.tenant_id == _TENANT, c.c.id == func.any(bindparam("ids", type_=ARRAY(Text)))
    )
)
#: Held until the commit: what may pass does not change while somebody writes it.
_ALLOWED = """
select i.allowed_types from connections c join integrations i on i.tenant_id = c.tenant_id and i.id = c.integration_id
where c.tenant_id = $1 and c.id = $2 for key share of i
"""
#: Held until the commit: who signs in meanwhile is told of after it.
_STATUS = "select status from connections where tenant_id = $1 and id = $2 for share"
_OF_PERSON = statement(
    select(*COLUMNS).select_from(JOINED).where(c.c.tenant_id == _TENANT, c.c.owner_id == bindparam("owner"))
)
_LEAVE = statement(
    update(c)
    .where(c.c.tenant_id == _TENANT, c.c.owner_id == bindparam("owner"))
    .values(status=Status.EXPIRED.value, status_reason=DEPARTED)
)
_LEFT = statement(
    select(c.c.tenant_id, c.c.user_id)
    .where(c.c.owner_id.is_not(None), c.c.status_reason == DEPARTED)
    .distinct()
    .limit(bindparam("most"))
)
_PEOPLE = statement(
    select(c.c.user_id, c.c.provider, c.c.status, func.coalesce(c.c.connected_at, c.c.created_at).label("since"))
    .where(c.c.tenant_id == _TENANT, c.c.integration_id == bindparam("integration_id"), c.c.owner_id.is_not(None))
    .order_by(c.c.id)
    .limit(bindparam("most"))
)


async def allowed_types(tx: Tx, connection_id: str) -> tuple[str, ...] | None:
    """What may pass a connection's integration, held until the commit; None without such a connection."""
    rows = await tx.fetch_sql(_ALLOWED, tx.tenant_id, connection_id)
    return tuple(rows[0]["allowed_types"]) if rows else None


async def status_held(tx: Tx, tenant_id: str | None, connection_id: str) -> Status | None:
    """A connection's status, held until the commit; None without such a connection."""
    rows = await tx.fetch_sql(_STATUS, tenant_id, connection_id)
    return Status(rows[0]["status"]) if rows else None


async def of_owner(tx: Tx, owner: str) -> dict[str, Connection]:
    """One person's own connections, by integration."""
    rows = await tx.fetch(_OF_PERSON, tenant_id=tx.tenant_id, owner=owner)
    return {row["integration_id"]: as_connection(row) for row in rows}


async def update_departed(tx: Tx, tenant_id: str, owner: str) -> None:
    """Close somebody's connections."""
    await tx.execute(_LEAVE, tenant_id=tenant_id, owner=owner)


async def departed(system_tx: Tx, most: int) -> list[tuple[str, str]]:
    """Tenant and user of connections that were closed so and are not ended yet."""
    return [(row["tenant_id"], row["user_id"]) for row in await system_tx.fetch(_LEFT, most=most)]


async def people(tx: Tx, integration_id: str, most: int) -> list[asyncpg.Record]:
    """Who has a connection of their own of an integration: the person, the provider, its status and since when."""
    return await tx.fetch(_PEOPLE, tenant_id=tx.tenant_id, integration_id=integration_id, most=most)


async def is_personal(tx: Tx, connection_id: str) -> bool:
    """Whether it is one person's own."""
    rows = await tx.fetch(_OWNERS, tenant_id=tx.tenant_id, ids=[connection_id])
    return any(row["owner_id"] is not None for row in rows)


async def of_one_owner(tx: Tx, one: str, other: str) -> bool:
    """Whether both connections are the tenant's, or both the same person's."""
    if one == other:
        return True
    rows = await tx.fetch(_OWNERS, tenant_id=tx.tenant_id, ids=[one, other])
    return len({row["owner_id"] for row in rows}) == 1
