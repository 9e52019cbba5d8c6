"""Every statement about operators inside tenants."""

from dataclasses import dataclass
from datetime import datetime

import asyncpg
from sqlalchemy import Text, bindparam, exists, false, func, select, true, update
from sqlalchemy.dialects.postgresql import insert

from isthmus.engine.db import Tx, statement
from isthmus.features.access.model.accounts import UserStatus
from isthmus.features.access.model.glasses import Glass
from isthmus.features.access.model.tenants import TenantStatus
from isthmus.features.access.tables import BREAK_GLASSES as G
from isthmus.features.access.tables import ISSUER_ACCOUNTS as A
from isthmus.features.access.tables import SESSIONS as S
from isthmus.features.access.tables import TENANTS as T
from isthmus.features.access.tables import USERS as U
from isthmus.kit.permissions import PLATFORM_TENANT

_COLUMNS = (
    *(G.c.id, G.c.operator, G.c.reason, G.c.ticket, G.c.begun_at, G.c.until, G.c.ended_at, G.c.ended_by),
    G.c.session,
)
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
_OPERATOR = (U.c.tenant_id == bindparam("deployment")) & (G.c.operator == bindparam("account", type_=Text) + U.c.id)
_SESSION = (S.c.tenant_id == bindparam("deployment")) & (S.c.id == G.c.session) & (S.c.ends_at > bindparam("now"))
#: Those who came by an issuer's token are known to nobody here, unless the deployment limits them.
_LIMITED = exists(
    select(A.c.id).where(
        A.c.tenant_id == bindparam("deployment"),
        func.concat("user:", A.c.issuer, ":", A.c.subject) == G.c.operator,
    )
)
#: Operators who were removed or are limited, or whose session has ended.
_GONE = (
    func.coalesce(U.c.status == bindparam("removed"), false())
    | (G.c.session.is_not(None) & S.c.id.is_(None))
    | _LIMITED
)
_SHOWN = statement(
    select(G.c.tenant_id, G.c.digest, T.c.status.label("tenant_status"), _GONE.label("gone"), *_COLUMNS)
    .join(T, T.c.id == G.c.tenant_id)
    .outerjoin(U, _OPERATOR)
    .outerjoin(S, _SESSION)
    .where(G.c.digest == bindparam("digest"))
)
_LEFT = statement(
    select(G.c.tenant_id, G.c.id)
    .outerjoin(U, _OPERATOR)
    .outerjoin(S, _SESSION)
    .where(G.c.ended_at.is_(None), G.c.until > bindparam("now"), _GONE)
    .order_by(G.c.tenant_id, G.c.id)
    .limit(bindparam("limit"))
)


@dataclass(frozen=True, slots=True)
class Shown:
    """What stands behind a token."""

    tenant_id: str
    tenant_live: bool
    #: Whether the operator has been removed or limited, or the session has ended that it was begun in.
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


async def shown(tx: Tx, digest: bytes, account: str, now: datetime) -> Shown | None:
    """What stands behind a token, in whichever tenant; `account` and a member's id are how an operator is named."""
    row = await tx.fetchrow(_SHOWN, digest=digest, **_operators(account, now))
    if row is None:
        return None
    return Shown(row["tenant_id"], row["tenant_status"] == TenantStatus.ACTIVE, row["gone"], row["digest"], _glass(row))


async def left(tx: Tx, account: str, now: datetime, limit: int) -> list[tuple[str, str]]:
    """Tenants, and in each what is open still though its operator is gone; in all tenants."""
    rows = await tx.fetch(_LEFT, limit=limit, **_operators(account, now))
    return [(row["tenant_id"], row["id"]) for row in rows]


def _operators(account: str, now: datetime) -> dict[str, object]:
    return {"account": account, "deployment": PLATFORM_TENANT, "removed": UserStatus.REMOVED, "now": now}


def _glass(row: asyncpg.Record) -> Glass:
    return Glass(**{column.name: row[column.name] for column in _COLUMNS})
