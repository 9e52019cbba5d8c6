"""Lists of connections, as far as they are there for a caller."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ARRAY, Boolean, Select, Table, Text, and_, bindparam, func, literal_column, or_, select
from sqlalchemy.sql.elements import BindParameter, ColumnElement

from isthmus.engine.db import Statement, Tx, statement
from isthmus.features.connections.model.connection import Connection, Filters
from isthmus.features.connections.model.integration import sees_all
from isthmus.features.connections.store.connections import COLUMNS, JOINED, as_connection
from isthmus.features.connections.tables import connections as c
from isthmus.features.connections.tables import integrations as i
from isthmus.kit.paging import Ask
from isthmus.kit.permissions import Principal

_TENANT: BindParameter[str] = bindparam("tenant_id")


def for_some(integration: Table) -> ColumnElement[bool]:
    """Whether an integration may be used by this caller, as `model.integration.usable_by` says it."""
    nobody: ColumnElement[Any] = literal_column("'{}'::text[]")
    return or_(
        bindparam("sees_all", type_=Boolean),
        and_(integration.c.allowed_roles == nobody, integration.c.allowed_users == nobody),
        integration.c.allowed_roles.op("&&")(bindparam("roles", type_=ARRAY(Text))),
        bindparam("subject", type_=Text) == func.any(integration.c.allowed_users),
    )


_PLAIN_FILTERS: tuple[ColumnElement[bool], ...] = (
    c.c.tenant_id == _TENANT,
    or_(bindparam("provider", type_=Text).is_(None), c.c.provider == bindparam("provider")),
    or_(bindparam("status", type_=Text).is_(None), c.c.status == bindparam("status")),
    or_(c.c.owner_id.is_(None), c.c.owner_id == bindparam("owner", type_=Text)),
)
_FILTERS: tuple[ColumnElement[bool], ...] = (
    *_PLAIN_FILTERS,
    or_(
        bindparam("search", type_=Text).is_(None),
        func.strpos(func.lower(i.c.name), bindparam("search")) > 0,
        func.strpos(func.lower(func.coalesce(c.c.external_account_id, "")), bindparam("search")) > 0,
    ),
    for_some(i),
)
_TOTAL = statement(select(func.count()).select_from(JOINED).where(*_FILTERS))
#: Where nothing of the integrations matters, they are not looked at.
_PLAIN_TOTAL = statement(select(func.count()).select_from(c).where(*_PLAIN_FILTERS))
#: An id sorts as its making does, so the key serves the usual order.
SORTABLE = {"createdAt": c.c.id, "updatedAt": c.c.updated_at, "name": i.c.name, "status": c.c.status}


def _listing(order: ColumnElement[Any], *, descending: bool) -> Statement:
    places = [order.desc(), c.c.id.desc()] if descending else [order.asc(), c.c.id.asc()]
    if order is c.c.id:
        places.pop()
    page: Select[Any] = select(*COLUMNS).select_from(JOINED).where(*_FILTERS).order_by(*places)
    return statement(page.limit(bindparam("limit")).offset(bindparam("offset")))


_LISTINGS: Mapping[tuple[str, bool], Statement] = {
    (name, descending): _listing(column, descending=descending)
    for name, column in SORTABLE.items()
    for descending in (True, False)
}


async def page(
    tx: Tx, who: Principal, filters: Filters, ask: Ask, sort: str, *, descending: bool
) -> tuple[list[Connection], int]:
    """Some of the connections that are there for this caller, and how many there are in all."""
    plain = {
        "tenant_id": tx.tenant_id,
        "owner": who.id,
        "provider": filters.provider,
        "status": filters.status,
    }
    search = filters.search.lower() if filters.search else None
    narrowed = {
        **plain,
        "subject": who.subject,
        "roles": sorted(who.roles),
        "sees_all": sees_all(who),
        "search": search,
    }
    listing = _LISTINGS[(sort, descending)]
    rows = await tx.fetch(listing, limit=ask.limit, offset=ask.offset, **narrowed)
    simple = search is None and sees_all(who)
    total: int = await (tx.fetchval(_PLAIN_TOTAL, **plain) if simple else tx.fetchval(_TOTAL, **narrowed))
    return [as_connection(row) for row in rows], total
