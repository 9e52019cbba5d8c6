"""Statements over the handlers that tenants have set up."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import asyncpg
from sqlalchemy import Text, bindparam, delete, func, insert, select, update

from isthmus.engine.db import Tx, statement
from isthmus.features.webhooks_in.tables import HANDLERS
from isthmus.kit.paging import Ask, Page

_h = HANDLERS.c
_TENANT = _h.tenant_id == bindparam("tenant_id")
_CHANGING = ("name", "pattern", "priority", "filter", "transform", "retries", "ordered_by", "paused")
_NAMES = ("id", "action", "source_id", *_CHANGING, "version", "created_at", "updated_at")
_COLUMNS = tuple(_h[name] for name in _NAMES)
_FOUND = select(*_COLUMNS).where(_TENANT, _h.id == bindparam("id"))
_ONE, _LOCKED = statement(_FOUND), statement(_FOUND.with_for_update())
_MANY = statement(
    select(*_COLUMNS)
    .where(_TENANT, _h.id > func.coalesce(bindparam("after", type_=Text), ""))
    .order_by(_h.id)
    .limit(bindparam("limit"))
    .offset(bindparam("offset"))
)
# What is to be planned for: what tenants have set up, and the functions of their services under their names.
_LIVE_OF = """
select tenant_id, id, action, pattern, priority, source_id, filter, transform, retries, ordered_by,
  null::timestamptz as missed_at
from webhook_handlers where tenant_id = any($1::text[]) and not paused
union all
select tenant_id, name, 'call', pattern, priority, null, null, null, retries, ordered_by, missed_at
from webhook_functions where tenant_id = any($1::text[]) and retired_at is null
"""
_COUNT = statement(select(func.count(_h.id)).where(_TENANT))
_ADD = statement(insert(HANDLERS).values({name: bindparam(name) for name in ("tenant_id", *_NAMES)}))
_CHANGE = statement(
    update(HANDLERS)
    .where(_TENANT, _h.id == bindparam("id"))
    .values({name: bindparam(f"new_{name}") for name in (*_CHANGING, "updated_at")} | {"version": _h.version + 1})
    .returning(*_COLUMNS)
)
_REMOVE = statement(delete(HANDLERS).where(_TENANT, _h.id == bindparam("id")))


async def handler(tx: Tx, tenant_id: str, id_: str, *, locked: bool = False) -> asyncpg.Record | None:
    """One handler; locked, so that nobody else changes it before the commit."""
    return await tx.fetchrow(_LOCKED if locked else _ONE, tenant_id=tenant_id, id=id_)


async def handlers(tx: Tx, tenant_id: str, ask: Ask) -> Page[Mapping[str, Any]]:
    """Oldest first."""
    rows = await tx.fetch(_MANY, tenant_id=tenant_id, after=ask.after, limit=ask.limit + 1, offset=ask.offset)
    items: list[Mapping[str, Any]] = [dict(row) for row in rows[: ask.limit]]
    more = len(rows) > ask.limit
    return Page(items, items[-1]["id"] if more else None, has_more=more)


async def live(tx: Tx, tenant_id: str) -> list[asyncpg.Record]:
    """Those that are not paused, and the functions that are not retired."""
    return (await live_of(tx, [tenant_id]))[tenant_id]


async def live_of(tx: Tx, tenant_ids: Sequence[str]) -> dict[str, list[asyncpg.Record]]:
    """The same of several tenants, by the tenant, in one statement; as the system."""
    found: dict[str, list[asyncpg.Record]] = {tenant_id: [] for tenant_id in tenant_ids}
    for row in await tx.fetch_sql(_LIVE_OF, list(tenant_ids)):
        found[row["tenant_id"]].append(row)
    return found


async def count(tx: Tx, tenant_id: str, *, held: bool = True) -> int:
    """How many a tenant has; `held` by a lock, that stays true until the commit."""
    if held:
        await tx.execute_sql("select pg_advisory_xact_lock(hashtextextended($1, 47))", tenant_id)
    row = await tx.fetchrow(_COUNT, tenant_id=tenant_id)
    return int(row[0]) if row else 0


async def insert_handler(tx: Tx, tenant_id: str, values: Mapping[str, Any]) -> None:
    """Write a new one."""
    await tx.execute(_ADD, tenant_id=tenant_id, **values)


async def update_handler(
    tx: Tx, tenant_id: str, id_: str, values: Mapping[str, Any], now: datetime
) -> asyncpg.Record | None:
    """Give one these values; None without such a one."""
    fresh = {f"new_{name}": values[name] for name in _CHANGING}
    return await tx.fetchrow(_CHANGE, tenant_id=tenant_id, id=id_, new_updated_at=now, **fresh)


async def delete_handler(tx: Tx, tenant_id: str, id_: str) -> bool:
    """Remove one."""
    return await tx.execute(_REMOVE, tenant_id=tenant_id, id=id_) > 0
