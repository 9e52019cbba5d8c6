"""Every statement about second factors."""

from datetime import datetime

import asyncpg
from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.dialects.postgresql import insert

from isthmus.engine.db import Tx, statement
from isthmus.features.access.tables import SECOND_FACTORS as F

_THIS = (F.c.tenant_id == bindparam("tenant_id")) & (F.c.id == bindparam("id"))
_ADD = statement(
    insert(F)
    .values({column.name: bindparam(column.name) for column in F.c if column.name != "confirmed_at"})
    .on_conflict_do_update(
        index_elements=[F.c.tenant_id, F.c.id],
        set_={"sealed": bindparam("sealed"), "created_at": bindparam("created_at"), "last_step": 0},
        where=F.c.confirmed_at.is_(None),
    )
)
_ONE = statement(select(F.c.id, F.c.sealed, F.c.confirmed_at, F.c.last_step).where(_THIS))
_USE = statement(update(F).values(last_step=bindparam("step")).where(_THIS, F.c.last_step < bindparam("step")))
_CONFIRM = statement(update(F).values(confirmed_at=bindparam("now")).where(_THIS, F.c.confirmed_at.is_(None)))
_DROP = statement(delete(F).where(_THIS))
_ALL = statement(
    select(F.c.id, F.c.sealed)
    .where(F.c.tenant_id == bindparam("tenant_id"), F.c.id > bindparam("after"))
    .order_by(F.c.id)
    .limit(bindparam("limit"))
)
_RESEAL = statement(update(F).values(sealed=bindparam("sealed")).where(_THIS))


async def insert_factor(tx: Tx, user_id: str, *, sealed: bytes, now: datetime) -> bool:
    """Keep a factor until it is confirmed; False when there is a confirmed one."""
    return bool(await tx.execute(_ADD, tenant_id=tx.tenant_id, id=user_id, sealed=sealed, created_at=now, last_step=0))


async def factor(tx: Tx, user_id: str) -> asyncpg.Record | None:
    """Somebody's factor: `sealed`, `confirmed_at`, `last_step`."""
    return await tx.fetchrow(_ONE, tenant_id=tx.tenant_id, id=user_id)


async def update_used(tx: Tx, user_id: str, step: int) -> bool:
    """Use a code up; False when it was."""
    return bool(await tx.execute(_USE, tenant_id=tx.tenant_id, id=user_id, step=step))


async def update_confirmed(tx: Tx, user_id: str, now: datetime) -> bool:
    """From here on it is asked for; False when it was already."""
    return bool(await tx.execute(_CONFIRM, tenant_id=tx.tenant_id, id=user_id, now=now))


async def delete_factor(tx: Tx, user_id: str) -> bool:
    """Forget it; False when there is none."""
    return bool(await tx.execute(_DROP, tenant_id=tx.tenant_id, id=user_id))


async def factors(tx: Tx, after: str, limit: int) -> list[asyncpg.Record]:
    """The tenant's factors behind an id, for sealing them anew."""
    return await tx.fetch(_ALL, tenant_id=tx.tenant_id, after=after, limit=limit)


async def update_sealed(tx: Tx, user_id: str, sealed: bytes) -> None:
    """The same factor under another data key."""
    await tx.execute(_RESEAL, tenant_id=tx.tenant_id, id=user_id, sealed=sealed)
