"""Orders as search reads them, without anything personal: those that changed, or all in the order of their ids."""

from collections.abc import Sequence
from typing import Final

import asyncpg

from isthmus.engine.db import Tx

_NAMED: Final = """
select
  o.tenant_id, o.id, o.connection_id, o.provider, 'orders' as entity, 'order' as shard_type, o.external_id,
  o.number as title, o.version, coalesce(o.platform_updated_at, o.updated_at) as updated_at, null::text as url,
  left(l.titles, 200) as snippet, left(l.words, 1000) as extra
from unnest($2::text[]) as w(id)
join orders o on o.tenant_id = $1 and o.id = w.id
left join lateral (
  select string_agg(n.title, ', ' order by n.position) as titles,
    string_agg(concat_ws(' ', n.sku, n.title), ' ') as words
  from order_lines n where n.tenant_id = o.tenant_id and n.order_id = o.id
) l on true
"""
_BEHIND: Final = """
select
  o.tenant_id, o.id, o.connection_id, o.provider, 'orders' as entity, 'order' as shard_type, o.external_id,
  o.number as title, o.version, coalesce(o.platform_updated_at, o.updated_at) as updated_at, null::text as url,
  left(l.titles, 200) as snippet, left(l.words, 1000) as extra
from orders o
left join lateral (
  select string_agg(n.title, ', ' order by n.position) as titles,
    string_agg(concat_ws(' ', n.sku, n.title), ' ') as words
  from order_lines n where n.tenant_id = o.tenant_id and n.order_id = o.id
) l on true
where (o.tenant_id, o.id) > ($1, $2)
order by o.tenant_id, o.id limit $3
"""
_THROUGH: Final = "select id from orders where tenant_id = $1 and connection_id = any($2::text[])"


async def orders_through(tx: Tx, tenant_id: str, connection_ids: Sequence[str]) -> list[str]:
    """The ids of all orders that came through these connections; as the system."""
    return [row["id"] for row in await tx.fetch_sql(_THROUGH, tenant_id, connection_ids)]


async def orders_named(tx: Tx, tenant_id: str, ids: Sequence[str]) -> list[asyncpg.Record]:
    """Those of these orders that are there; as the system."""
    return await tx.fetch_sql(_NAMED, tenant_id, ids)


async def orders_behind(tx: Tx, tenant_id: str, id_: str, limit: int) -> list[asyncpg.Record]:
    """The next orders of all tenants behind a place; as the system."""
    return await tx.fetch_sql(_BEHIND, tenant_id, id_, limit)
