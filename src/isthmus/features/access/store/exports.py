"""Statements that read a tenant's rows of any table, page by page, for its export."""

from functools import cache
from typing import Any

from sqlalchemy import Column, ColumnElement, LargeBinary, Table, bindparam, exists, select, tuple_

from isthmus.engine.db import Statement, Tx, statement
from isthmus.engine.db.tables import METADATA
from isthmus.features.access.model.exports import OWNER, WRITTEN, is_written

_TENANT, _CONNECTION = "tenant_id", "connection_id"


def tables() -> list[str]:
    """Every table that the code declares and that holds rows of tenants, in the order of their names."""
    return sorted(str(table.name) for table in METADATA.tables.values() if _TENANT in table.c)


def key_of(name: str) -> list[str]:
    """What a table's pages are ordered by, beside the tenant."""
    return [str(column.name) for column in METADATA.tables[name].primary_key if column.name != _TENANT]


async def rows(tx: Tx, name: str, after: tuple[object, ...] | None, limit: int) -> list[dict[str, Any]]:
    """The rows of a table behind a place, with the columns that go out and those of its key."""
    place = {f"at_{number}": value for number, value in enumerate(after or ())}
    found = await tx.fetch(_page(name, begins=after is None), tenant_id=tx.tenant_id, limit=limit, **place)
    return [dict(row) for row in found]


@cache
def _page(name: str, *, begins: bool) -> Statement:
    table = METADATA.tables[name]
    keys = [table.c[column] for column in key_of(name)]
    query = select(*_columns(table)).where(table.c[_TENANT] == bindparam(_TENANT)).order_by(*keys)
    if _CONNECTION in table.c:
        query = query.where(~_is_of_a_person(table))
    if keys and not begins:
        places = [bindparam(f"at_{number}", type_=key.type) for number, key in enumerate(keys)]
        query = query.where(tuple_(*keys) > tuple_(*places))
    return statement(query.limit(bindparam("limit")))


def _is_of_a_person(table: Table) -> ColumnElement[bool]:
    """Whether a row tells of a connection that one person made alone: nobody else's to read."""
    owners = METADATA.tables["connections"]
    same = (owners.c[_TENANT] == table.c[_TENANT], owners.c.id == table.c[_CONNECTION])
    return exists(select(owners.c.id).where(*same, owners.c[OWNER].is_not(None)))


def _columns(table: Table) -> list[Column[Any]]:
    rule, keys = WRITTEN[table.name], set(key_of(table.name))
    return [
        column
        for column in table.c
        if column.name in keys or is_written(rule, column.name, binary=isinstance(column.type, LargeBinary))
    ]
