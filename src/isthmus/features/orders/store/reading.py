"""Statements that read orders."""

from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any

import asyncpg
from sqlalchemy import ColumnElement, Text, bindparam, cast, exists, or_, select, text, tuple_

from isthmus.engine.db import Statement, Tx, statement
from isthmus.features.orders.model import OrderFilter
from isthmus.features.orders.tables import CUSTOMERS, ORDER_LINES, ORDERS, SHIPMENTS
from isthmus.kit.paging import Ask, Page

_o, _l, _s, _c = ORDERS.c, ORDER_LINES.c, SHIPMENTS.c, CUSTOMERS.c

_SHOWN = (
    _o.id,
    _o.connection_id,
    _o.provider,
    _o.external_id,
    _o.number,
    _o.customer_id,
    _o.status,
    _o.platform_status,
    _o.payment_status,
    _o.fulfilment_status,
    _o.placed_at,
    _o.currency,
    cast(_o.grand_total, Text).label("grand_total"),
    cast(_o.money_gap, Text).label("money_gap"),
    _o.line_count,
    _o.country,
    _o.version,
    _o.updated_at,
)
_CONDITIONS: dict[str, Callable[[], ColumnElement[bool]]] = {
    "connection_id": lambda: _o.connection_id == bindparam("connection_id"),
    "provider": lambda: _o.provider == bindparam("provider"),
    "status": lambda: _o.status == bindparam("status"),
    "payment_status": lambda: _o.payment_status == bindparam("payment_status"),
    "customer_id": lambda: _o.customer_id == bindparam("customer_id"),
    "number": lambda: or_(_o.number == bindparam("number"), _o.external_id == bindparam("number")),
    "placed_from": lambda: _o.placed_at >= bindparam("placed_from"),
    "placed_to": lambda: _o.placed_at < bindparam("placed_to"),
    "updated_since": lambda: _o.updated_at >= bindparam("updated_since"),
    "off": lambda: _o.money_gap.is_not(None) == bindparam("off"),
    "sku": lambda: exists(
        select(_l.id).where(_l.tenant_id == _o.tenant_id, _l.order_id == _o.id, _l.sku == bindparam("sku"))
    ),
    "after_id": lambda: tuple_(_o.placed_at, _o.id) < tuple_(bindparam("after_at"), bindparam("after_id")),
}
#: Not of a connection whose integration may not read orders any more; it is the records' room that notes which. As
#: there, `coalesce` keeps the planner from looking into it.
_MAY_BE_SHOWN = text(
    "coalesce(orders.connection_id <> all(array(select h.connection_id from hidden_records h"
    " where h.tenant_id = :tenant_id and h.shard_type = 'order')), true)"
)


@cache
def _orders(names: frozenset[str]) -> Statement:
    query = select(*_SHOWN).where(_o.tenant_id == bindparam("tenant_id"), _MAY_BE_SHOWN)
    query = query.where(*(_CONDITIONS[name]() for name in sorted(names & _CONDITIONS.keys())))
    ordered = query.order_by(_o.placed_at.desc(), _o.id.desc())
    return statement(ordered.limit(bindparam("limit")).offset(bindparam("offset")))


_ORDER = statement(
    select(*_SHOWN, cast(_o.body, Text).label("body"), _o.personal, _o.raw, _o.redacted_at).where(
        _o.tenant_id == bindparam("tenant_id"), _o.id == bindparam("id"), _MAY_BE_SHOWN
    )
)
_LINES_OF = statement(
    select(_l.external_id, _l.id)
    .where(_l.tenant_id == bindparam("tenant_id"), _l.order_id == bindparam("order_id"))
    .order_by(_l.position)
)
_SHIPMENTS_OF = statement(
    select(_s.external_id, _s.id)
    .where(_s.tenant_id == bindparam("tenant_id"), _s.order_id == bindparam("order_id"))
    .order_by(_s.external_id)
)
_CUSTOMER = statement(
    select(_c.id, _c.connection_id, _c.provider, _c.external_id, _c.redacted_at).where(
        _c.tenant_id == bindparam("tenant_id"), _c.id == bindparam("id")
    )
)
_EXTERNAL_IDS = statement(
    select(_o.external_id)
    .where(
        _o.tenant_id == bindparam("tenant_id"),
        _o.connection_id == bindparam("connection_id"),
        _o.external_id > bindparam("after"),
    )
    .order_by(_o.external_id)
    .limit(bindparam("limit"))
)


@cache
def _whole(names: frozenset[str]) -> Statement:
    shown = (_o.id, cast(_o.body, Text).label("body"), _o.personal)
    query = select(*shown).where(_o.tenant_id == bindparam("tenant_id"), _o.id > bindparam("after"), _MAY_BE_SHOWN)
    query = query.where(*(_CONDITIONS[name]() for name in sorted(names)))
    return statement(query.order_by(_o.id).limit(bindparam("limit")))


async def whole_orders(tx: Tx, wanted: OrderFilter, after: str, limit: int) -> list[asyncpg.Record]:
    """Canonical orders and what is sealed of them, behind an id."""
    given = {name: getattr(wanted, name) for name in OrderFilter.__slots__ if getattr(wanted, name) is not None}
    return await tx.fetch(_whole(frozenset(given)), tenant_id=tx.tenant_id, after=after, limit=limit, **given)


async def orders(tx: Tx, wanted: OrderFilter, ask: Ask) -> Page[asyncpg.Record]:
    """Newest first by the day they were placed; the keyset place is that time and the id. Raises ValueError."""
    given = {name: getattr(wanted, name) for name in OrderFilter.__slots__ if getattr(wanted, name) is not None}
    if ask.after is not None:
        moment, _, id_ = ask.after.partition("|")
        given |= {"after_at": datetime.fromisoformat(moment), "after_id": id_}
    found = _orders(frozenset(given))
    rows = await tx.fetch(found, tenant_id=tx.tenant_id, limit=ask.limit + 1, offset=ask.offset, **given)
    more, shown = len(rows) > ask.limit, rows[: ask.limit]
    place = f"{shown[-1]['placed_at'].isoformat()}|{shown[-1]['id']}" if more else None
    return Page(shown, next_after=place, has_more=more)


async def order(tx: Tx, id_: str) -> asyncpg.Record | None:
    """One order with its canonical body and its sealed columns."""
    return await tx.fetchrow(_ORDER, tenant_id=tx.tenant_id, id=id_)


async def lines_of(tx: Tx, order_id: str) -> dict[str, str]:
    """Our ids of an order's lines, by the platform's."""
    return {
        row["external_id"]: row["id"] for row in await tx.fetch(_LINES_OF, tenant_id=tx.tenant_id, order_id=order_id)
    }


async def shipments_of(tx: Tx, order_id: str) -> dict[str, str]:
    """Our ids of an order's shipments, by the platform's."""
    rows = await tx.fetch(_SHIPMENTS_OF, tenant_id=tx.tenant_id, order_id=order_id)
    return {row["external_id"]: row["id"] for row in rows}


async def customer(tx: Tx, id_: str) -> asyncpg.Record | None:
    """One customer, without what is personal."""
    return await tx.fetchrow(_CUSTOMER, tenant_id=tx.tenant_id, id=id_)


async def external_ids(tx: Tx, connection_id: str, after: str, limit: int) -> list[Any]:
    """The platform's ids of a connection's orders, in their order."""
    keys = {"tenant_id": tx.tenant_id, "connection_id": connection_id}
    return [row[0] for row in await tx.fetch(_EXTERNAL_IDS, **keys, after=after, limit=limit)]
