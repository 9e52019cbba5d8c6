"""Statements over integrations as tenants see them; their totals come from counts that a trigger keeps."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import asyncpg
from sqlalchemy import Boolean, Select, Text, and_, bindparam, case, delete, func, insert, or_, select, true, update
from sqlalchemy.sql.elements import BindParameter, ColumnElement

from isthmus.engine.db import Statement, Tx, statement
from isthmus.features.connections.model.integration import DISABLED, Facts, Integration, Reach, Wanted, sees_all
from isthmus.features.connections.store.listing import for_some
from isthmus.features.connections.tables import connections as c
from isthmus.features.connections.tables import integration_counts as n
from isthmus.features.connections.tables import integrations as i
from isthmus.kit.paging import Ask
from isthmus.kit.permissions import Principal

_TENANT: BindParameter[str] = bindparam("tenant_id")
_FACTS = tuple(Facts.__slots__)
_NAMES = (
    "id", "provider", "category", "status", "enabled", "enabled_at", "enabled_by", "last_sync_at", "created_at",
    "updated_at", *_FACTS,
)  # fmt: skip
_OWN = and_(i.c.tenant_id == _TENANT, i.c.id == bindparam("id"))
_STATE = case((i.c.enabled, i.c.status), else_=DISABLED)
#: The tenant's own connection, not one of a person: one look-up for each row that is shown.
_CONNECTION = (
    select(c.c.id, c.c.status)
    .where(c.c.tenant_id == i.c.tenant_id, c.c.integration_id == i.c.id, c.c.owner_id.is_(None))
    .order_by(c.c.created_at)
    .limit(1)
    .lateral("k")
)
_SHOWN = (
    *(i.c[name] for name in _NAMES),
    i.c.testing_until,
    _CONNECTION.c.id.label("connection_id"),
    _CONNECTION.c.status.label("connection_status"),
)


def _shown() -> Select[Any]:
    return select(*_SHOWN).select_from(i.outerjoin(_CONNECTION, true()))


_ONE = statement(_shown().where(_OWN))
_ONE_LOCKED = statement(_shown().where(_OWN).with_for_update(of=i))
_TAKEN = statement(
    select(i.c.id)
    .where(i.c.tenant_id == _TENANT, func.lower(i.c.name) == func.lower(bindparam("name", type_=Text)))
    .where(i.c.id != bindparam("id"))
    .limit(1)
)
_NAMED = statement(
    _shown()
    .where(i.c.tenant_id == _TENANT, func.lower(i.c.name) == func.lower(bindparam("name", type_=Text)))
    .order_by(i.c.id)
    .limit(1)
)
_ADD = statement(
    insert(i)
    .values({name: bindparam(name) for name in (*_NAMES, "tenant_id") if name not in {"created_at", "updated_at"}})
    .values(created_at=bindparam("now"), updated_at=bindparam("now"))
)
#: One that each person connects alone is ready for them from the start, and waits for no connection of the tenant.
_NOW = bindparam("now", type_=i.c.updated_at.type)
#: People name it as the version that they have read, so that two changes in one instant have two.
_CHANGED = func.greatest(_NOW, i.c.updated_at + timedelta(microseconds=1))
_CHANGE = statement(
    update(i)
    .where(_OWN)
    .values({name: bindparam(name) for name in _FACTS})
    .values(
        updated_at=_CHANGED,
        types_changed_at=case(
            (i.c.allowed_types.is_distinct_from(bindparam("allowed_types", type_=i.c.allowed_types.type)), _NOW),
            else_=i.c.types_changed_at,
        ),
        status=case(
            (bindparam("user_scoped", type_=Boolean), "connected"), (i.c.user_scoped, "pending"), else_=i.c.status
        ),
    )
)
_SWITCH = statement(
    update(i)
    .where(_OWN)
    .values(
        enabled=bindparam("on"),
        enabled_at=case((bindparam("on", type_=Boolean), bindparam("now")), else_=i.c.enabled_at),
        enabled_by=case((bindparam("on", type_=Boolean), bindparam("who")), else_=i.c.enabled_by),
        updated_at=_CHANGED,
    )
)
_DELETE = statement(delete(i).where(_OWN))
_TESTING = statement(update(i).where(_OWN).values(testing_until=bindparam("until")))
_PURGE = statement(update(i).where(_OWN).values(purge_since=bindparam("since")))
_TO_PURGE = statement(
    select(i.c.tenant_id, i.c.id)
    .where(i.c.purge_since < bindparam("before"))
    .order_by(i.c.purge_since)
    .limit(bindparam("most"))
)
_SYNCED = statement(
    update(i)
    .where(
        i.c.tenant_id == _TENANT,
        i.c.id
        == select(c.c.integration_id).where(c.c.tenant_id == _TENANT, c.c.id == bindparam("id")).scalar_subquery(),
    )
    .values(last_sync_at=func.greatest(i.c.last_sync_at, bindparam("at", type_=i.c.last_sync_at.type)))
)
_CONNECTIONS = statement(
    select(c.c.id, c.c.owner_id, c.c.user_id).where(
        c.c.tenant_id == _TENANT, c.c.integration_id == bindparam("integration_id")
    )
)
_REACHES = statement(
    select(
        i.c.id.label("integration_id"), i.c.name, i.c.provider, c.c.id.label("connection_id"), c.c.status,
        i.c.allowed_types, i.c.search_enabled, i.c.searchable, i.c.user_scoped,
    )
    .select_from(c.join(i, and_(i.c.tenant_id == c.c.tenant_id, i.c.id == c.c.integration_id)))
    .where(
        c.c.tenant_id == _TENANT,
        i.c.enabled,
        c.c.token_version > 0,
        c.c.status != "pending",
        or_(c.c.owner_id.is_(None), c.c.owner_id == bindparam("owner", type_=Text)),
        for_some(i),
    )
    .order_by(i.c.id, c.c.id)
    .limit(bindparam("most"))
)  # fmt: skip

_FILTERS: tuple[ColumnElement[bool], ...] = (
    i.c.tenant_id == _TENANT,
    or_(bindparam("provider", type_=Text).is_(None), i.c.provider == bindparam("provider")),
    or_(bindparam("state", type_=Text).is_(None), bindparam("state", type_=Text) == _STATE),
    or_(
        bindparam("search", type_=Text).is_(None),
        func.strpos(func.lower(i.c.name), bindparam("search")) > 0,
        func.strpos(func.lower(i.c.description), bindparam("search")) > 0,
    ),
)
_TOTAL = statement(select(func.count()).select_from(i).where(*_FILTERS))
_COUNTED = statement(
    select(func.coalesce(func.sum(n.c.total), 0)).where(
        n.c.tenant_id == _TENANT,
        or_(bindparam("provider", type_=Text).is_(None), n.c.provider == bindparam("provider")),
        or_(bindparam("state", type_=Text).is_(None), n.c.state == bindparam("state")),
    )
)
#: An id sorts as its making does, so the key serves the usual order.
SORTABLE = {"createdAt": i.c.id, "updatedAt": i.c.updated_at, "name": func.lower(i.c.name), "status": _STATE}


def _listing(order: ColumnElement[Any], *, descending: bool) -> Statement:
    places = [order.desc(), i.c.id.desc()] if descending else [order.asc(), i.c.id.asc()]
    if order is i.c.id:
        places.pop()
    page = _shown().where(*_FILTERS).order_by(*places)
    return statement(page.limit(bindparam("limit")).offset(bindparam("offset")))


_LISTINGS: Mapping[tuple[str, bool], Statement] = {
    (name, descending): _listing(column, descending=descending)
    for name, column in SORTABLE.items()
    for descending in (True, False)
}


_PERSONAL = statement(
    _shown().where(i.c.tenant_id == _TENANT, i.c.user_scoped, i.c.enabled).order_by(i.c.id).limit(bindparam("most"))
)


def _integration(row: asyncpg.Record) -> Integration:
    values = dict(row)
    for name in ("allowed_types", "searchable", "allowed_roles", "allowed_users"):
        values[name] = tuple(values[name])
    return Integration(**values)


async def one(tx: Tx, integration_id: str, *, lock: bool = False) -> Integration | None:
    """One integration; `lock` holds its row until the commit."""
    found = await tx.fetchrow(_ONE_LOCKED if lock else _ONE, tenant_id=tx.tenant_id, id=integration_id)
    return _integration(found) if found else None


async def page(tx: Tx, wanted: Wanted, ask: Ask, sort: str, *, descending: bool) -> tuple[list[Integration], int]:
    """Some integrations and how many there are in all; only a search counts them."""
    narrowed = {"tenant_id": tx.tenant_id, "provider": wanted.provider, "state": wanted.state}
    search = wanted.search.lower() if wanted.search else None
    rows = await tx.fetch(_LISTINGS[(sort, descending)], limit=ask.limit, offset=ask.offset, search=search, **narrowed)
    if search is None:
        total = await tx.fetchval(_COUNTED, **narrowed)
    else:
        total = await tx.fetchval(_TOTAL, search=search, **narrowed)
    return [_integration(row) for row in rows], int(total)


async def named(tx: Tx, name: str) -> Integration | None:
    """The integration of this name, whatever its letters; the oldest, where a consent named several alike."""
    found = await tx.fetchrow(_NAMED, tenant_id=tx.tenant_id, name=name)
    return _integration(found) if found else None


async def personal(tx: Tx, most: int) -> list[Integration]:
    """The integrations that each person connects alone."""
    return [_integration(row) for row in await tx.fetch(_PERSONAL, tenant_id=tx.tenant_id, most=most)]


async def name_taken(tx: Tx, name: str, but: str) -> bool:
    """Whether another integration has this name; held for this transaction, so that it stays true."""
    await tx.execute_sql("select pg_advisory_xact_lock(hashtextextended($1, 13))", f"{tx.tenant_id}/{name.lower()}")
    return await tx.fetchval(_TAKEN, tenant_id=tx.tenant_id, name=name, id=but) is not None


async def insert_one(tx: Tx, made: Integration) -> None:
    """A new integration."""
    values = {name: getattr(made, name) for name in _NAMES if name not in {"created_at", "updated_at"}}
    await tx.execute(_ADD, tenant_id=tx.tenant_id, now=made.created_at, **_plain(values))


async def update_facts(tx: Tx, integration_id: str, facts: Facts, now: datetime) -> None:
    """What people say of it."""
    values = {name: getattr(facts, name) for name in _FACTS}
    await tx.execute(_CHANGE, tenant_id=tx.tenant_id, id=integration_id, now=now, **_plain(values))


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    made = {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
    return {**made, "settings": dict(values["settings"])}


async def update_enabled(tx: Tx, integration_id: str, who: str, now: datetime, *, on: bool) -> None:
    """Switch it on or off."""
    await tx.execute(_SWITCH, tenant_id=tx.tenant_id, id=integration_id, on=on, who=who, now=now)


async def delete_one(tx: Tx, integration_id: str) -> bool:
    """Remove an integration whose connections have ended."""
    return bool(await tx.execute(_DELETE, tenant_id=tx.tenant_id, id=integration_id))


async def update_synced(tx: Tx, tenant_id: str, connection_id: str, at: datetime) -> None:
    """Note when records were read through it last."""
    await tx.execute(_SYNCED, tenant_id=tenant_id, id=connection_id, at=at)


def _reach(row: asyncpg.Record) -> Reach:
    values: dict[str, Any] = dict(row)
    for name in ("allowed_types", "searchable"):
        values[name] = tuple(values[name])
    return Reach(**values)


async def reaches(tx: Tx, who: Principal, most: int) -> list[Reach]:
    """What this caller may use: integrations that are switched on, by a connection that has credentials."""
    narrowed = {"owner": who.id, "subject": who.subject, "roles": sorted(who.roles), "sees_all": sees_all(who)}
    rows = await tx.fetch(_REACHES, tenant_id=tx.tenant_id, most=most, **narrowed)
    return [_reach(row) for row in rows]


async def connections_of(tx: Tx, integration_id: str) -> list[tuple[str, str | None, str | None]]:
    """Its connections with whose they are: id, owner, and the owner's id for showing."""
    rows = await tx.fetch(_CONNECTIONS, tenant_id=tx.tenant_id, integration_id=integration_id)
    return [(row["id"], row["owner_id"], row["user_id"]) for row in rows]


async def update_testing(tx: Tx, integration_id: str, until: datetime | None) -> None:
    """A test that somebody asked for runs, or none does."""
    await tx.execute(_TESTING, tenant_id=tx.tenant_id, id=integration_id, until=until)


async def update_purge(tx: Tx, integration_id: str, since: datetime | None) -> None:
    """Records wait to be removed, or none does any more."""
    await tx.execute(_PURGE, tenant_id=tx.tenant_id, id=integration_id, since=since)


async def to_purge(system_tx: Tx, before: datetime, most: int) -> list[tuple[str, str]]:
    """The integrations whose records have waited since before this time, with their tenants."""
    rows = await system_tx.fetch(_TO_PURGE, before=before, most=most)
    return [(row["tenant_id"], row["id"]) for row in rows]
