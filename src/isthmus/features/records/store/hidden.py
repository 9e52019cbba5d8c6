"""Which types of records of which connections are shown to nobody, and their removal."""

from collections.abc import Collection, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Text, and_, bindparam, exists, func, literal_column, or_, select, true
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql.selectable import FromClause

from isthmus.engine.db import Tx, statement
from isthmus.features.records.store.forget import forget
from isthmus.features.records.tables import HIDDEN, LISTINGS

#: The type of records that listings are.
PRODUCT: Final = "product"
_NONE: ColumnElement[Any] = literal_column("'{}'::text[]")
_h, _l = HIDDEN.c, LISTINGS.c
_ALL_OF = statement(
    select(_h.shard_type).where(_h.tenant_id == bindparam("tenant_id"), _h.connection_id == bindparam("connection_id"))
)
_ALL = statement(select(_h.connection_id, _h.shard_type).where(_h.tenant_id == bindparam("tenant_id")))
_ALL_OF_SOME = statement(
    select(_h.tenant_id, _h.connection_id, _h.shard_type).where(
        _h.tenant_id == func.any(bindparam("tenants", type_=ARRAY(Text)))
    )
)
_SET: Final = """
with gone as (
  delete from hidden_records
  where tenant_id = $1 and connection_id = any($2::text[]) and not shard_type = any($3::text[])
)
insert into hidden_records (tenant_id, connection_id, shard_type)
select $1, c.id, t.name from unnest($2::text[]) as c(id) cross join unnest($3::text[]) as t(name)
on conflict do nothing
"""
_SHARDS: Final = "delete from shards where tenant_id = $1 and connection_id = $2 and shard_type = any($3::text[])"


def _connections() -> ColumnElement[Any]:
    """The connections whose listings are hidden: one small look for each statement, not one for each row."""
    hidden = select(_h.connection_id).where(_h.tenant_id == bindparam("tenant_id"), _h.shard_type == PRODUCT)
    return func.array(hidden.scalar_subquery())


def listing_shown() -> ColumnElement[bool]:
    """Whether a listing may be shown.

    `coalesce` changes no answer: it keeps the planner from looking into the condition. From the one connection that
    most tenants have it would conclude that nothing is left, and read and sort all that a tenant has for each page.
    """
    return func.coalesce(_l.connection_id != func.all(_connections()), true())


def variant_shown(variants: FromClause) -> ColumnElement[bool]:
    """Whether something sold may be shown: not when its listing is hidden."""
    return func.coalesce(variants.c.connection_id != func.all(_connections()), true())


def product_shown(product: FromClause) -> ColumnElement[bool]:
    """Whether a product may be shown: not when hidden listings are all that it has."""
    own = and_(_l.tenant_id == product.c.tenant_id, _l.product_id == product.c.id)
    return or_(
        _connections() == _NONE,
        ~exists(select(_l.id).where(own, _l.connection_id == func.any(_connections()))),
        exists(select(_l.id).where(own, listing_shown())),
    )


def shard_shown(shards: FromClause) -> ColumnElement[bool]:
    """Whether a record of another kind may be shown."""
    same = and_(
        _h.tenant_id == shards.c.tenant_id,
        _h.connection_id == shards.c.connection_id,
        _h.shard_type == shards.c.shard_type,
    )
    return ~exists(select(_h.connection_id).where(same))


async def set_hidden(tx: Tx, connection_ids: Sequence[str], types: Sequence[str]) -> None:
    """Hide exactly these types of records of these connections, from this commit on."""
    await tx.execute_sql(_SET, tx.tenant_id, list(connection_ids), list(types))


async def walled(tx: Tx) -> frozenset[tuple[str, str]]:
    """Connection and type of everything that is hidden from the tenant's people."""
    rows = await tx.fetch(_ALL, tenant_id=tx.tenant_id)
    return frozenset((row["connection_id"], row["shard_type"]) for row in rows)


async def walled_of(tx: Tx, tenants: Collection[str]) -> dict[str, frozenset[tuple[str, str]]]:
    """The same for those of some tenants that hide anything; as the system, or for the transaction's own tenant."""
    found: dict[str, set[tuple[str, str]]] = {}
    for row in await tx.fetch(_ALL_OF_SOME, tenants=list(tenants)):
        found.setdefault(row["tenant_id"], set()).add((row["connection_id"], row["shard_type"]))
    return {tenant_id: frozenset(places) for tenant_id, places in found.items()}


async def purge(tx: Tx, tenant_id: str, connection_id: str) -> int:
    """Remove what is hidden of a connection; how many listings and records."""
    types = [row["shard_type"] for row in await tx.fetch(_ALL_OF, tenant_id=tenant_id, connection_id=connection_id)]
    count = await tx.execute_sql(_SHARDS, tenant_id, connection_id, types) if types else 0
    return count + (await forget(tx, tenant_id, connection_id, listings_only=True) if PRODUCT in types else 0)
