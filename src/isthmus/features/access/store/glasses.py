"""Every statement about operators inside tenants."""

from dataclasses import dataclass
from datetime import datetime

import asyncpg
from sqlalchemy import Text, bindparam, func, select, true, update
from sqlalchemy.dialects.postgresql import insert

from isthmus.engine.db import Tx, statement
from isthmus.features.access.model.accounts import UserStatus
from isthmus.features.access.model.glasses import Glass
from isthmus.features.access.model.tenants import TenantStatus
from isthmus.features.access.tables import BREAK_GLASSES as G
from isthmus.features.access.tables import TENANTS as T
from isthmus.features.access.tables import USERS as U
from isthmus.kit.permissions import PLATFORM_TENANT

_COLUMNS = (G.c.id, G.c.operator, G.c.reason, G.c.ticket, G.c.begun_at, G.c.until, G.c.ended_at, G.c.ended_by)
_MINE = G.c.tenant_id == bindparam("tenant_id")
_ADD = statement(insert(G).values({column.name: bindparam(column.name) for column in G.c}))
_ONE = statement(select(*_COLUMNS).where(_MINE, G.c.id == bindparam("id")))
_SOME = statement(
    select(*_COLUMNS)
    .where(_MINE, func.coalesce(G.c.id < bindparam("before"), true()))
    .order_by(G.c.id.desc())
    .limit(bindparam("limit"))
    .offset(bindparam("offset"))
)
_END = statement(
    update(G)
    .values(ended_at=bindparam("now"), ended_by=bindparam("by"))
    .where(_MINE, G.c.id == bindparam("id"), G.c.ended_at.is_(None), G.c.until > bindparam("now"))
)
_SHOWN = statement(
    select(G.c.tenant_id, G.c.digest, T.c.status.label("tenant_status"), U.c.status.label("operator_status"), *_COLUMNS)
    .join(T, T.c.id == G.c.tenant_id)
    .outerjoin(
        U, (U.c.tenant_id == bindparam("deployment")) & (G.c.operator == bindparam("account", type_=Text) + U.c.id)
    )
    .where(G.c.digest == bindparam("digest"))
)


@dataclass(frozen=True, slots=True)
class Shown:
    """What stands behind a token."""

    tenant_id: str
    tenant_live: bool
    #: Whether the operator has been removed; those of other issuers are known to nobody here.
    operator_gone: bool
    digest: bytes
    glass: Glass


async def insert_glass(tx: Tx, glass: Glass, digest: bytes) -> None:
    """Let an operator in."""
    values = {column.name: getattr(glass, column.name) for column in _COLUMNS}
    await tx.execute(_ADD, tenant_id=tx.tenant_id, digest=digest, **values)


async def glass(tx: Tx, glass_id: str) -> Glass | None:
    """One of the tenant's."""
    row = await tx.fetchrow(_ONE, tenant_id=tx.tenant_id, id=glass_id)
    return _glass(row) if row else None


async def glasses(tx: Tx, *, before: str | None, offset: int, limit: int) -> list[Glass]:
    """The newest first."""
    rows = await tx.fetch(_SOME, tenant_id=tx.tenant_id, before=before, offset=offset, limit=limit)
    return [_glass(row) for row in rows]


async def update_ended(tx: Tx, glass_id: str, *, now: datetime, by: str) -> bool:
    """Send the operator out; False when that is done."""
    return bool(await tx.execute(_END, tenant_id=tx.tenant_id, id=glass_id, now=now, by=by))


async def shown(tx: Tx, digest: bytes, account: str) -> Shown | None:
    """What stands behind a token, in whichever tenant; `account` and a member's id are how an operator is named."""
    row = await tx.fetchrow(_SHOWN, digest=digest, account=account, deployment=PLATFORM_TENANT)
    if row is None:
        return None
    live, gone = row["tenant_status"] == TenantStatus.ACTIVE, row["operator_status"] == UserStatus.REMOVED
    return Shown(row["tenant_id"], live, gone, row["digest"], _glass(row))


def _glass(row: asyncpg.Record) -> Glass:
    return Glass(**{column.name: row[column.name] for column in _COLUMNS})
