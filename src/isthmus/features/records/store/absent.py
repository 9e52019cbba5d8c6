"""Statements over listings that their platform may have deleted."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import asyncpg

from isthmus.connect.keeping import Alive
from isthmus.engine.db import Tx

_ALIVE: Final = """
select external_id, id from listings
where tenant_id = $1 and connection_id = $2 and external_id > $3 and status <> 'deleted'
  and ($5::timestamptz is null or created_at < $5)
order by external_id limit $4
"""
#: A listing of siblings has no id of its own to ask by: its variants are asked for.
_PROBES: Final = """
select l.id, l.external_id,
  case when l.body ->> 'variants_complete' = 'false'
    then (select array_agg(v.external_id order by v.position, v.id) from variants v
          where v.tenant_id = l.tenant_id and v.listing_id = l.id)
  end as parts
from listings l where l.tenant_id = $1 and l.id = any($2::text[])
"""
#: Whoever buries listings of one product comes by here one after the other: of two that bury its last ones at the same
#: moment, each would see the other's alive.
_BEFORE_BURY: Final = """
select p.id from products p where p.tenant_id = $1
  and p.id in (select l.product_id from listings l where l.tenant_id = $1 and l.id = any($2::text[]))
order by p.id for no key update
"""
#: The hashes go too: a listing that comes back unchanged must look changed.
_BURY: Final = """
with gone as (
  update listings set status = 'deleted', body = jsonb_set(body, '{status}', '"deleted"'), hash = ''::bytea,
    raw_hash = ''::bytea, version = version + 1, updated_at = $2
  where tenant_id = $1 and id = any($3::text[]) and status <> 'deleted'
  returning id, product_id, external_id
), hidden as (
  update products p set status = 'deleted', version = p.version + 1, updated_at = $2 from gone
  where p.tenant_id = $1 and p.id = gone.product_id and not exists (
    select from listings o where o.tenant_id = $1 and o.product_id = p.id and o.status <> 'deleted'
      and not o.id = any($3::text[]))
)
select id, product_id, external_id from gone
"""


async def alive(tx: Tx, connection_id: str, after: str, limit: int, before: datetime | None) -> list[Alive]:
    """Listings that are not deleted and were known `before` a moment, in the order of their external ids."""
    rows = await tx.fetch_sql(_ALIVE, tx.tenant_id, connection_id, after, limit, before)
    return [Alive(external_id, id_) for external_id, id_ in rows]


async def probes(tx: Tx, ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """By listing: the ids by which its platform can be asked for it."""
    rows = await tx.fetch_sql(_PROBES, tx.tenant_id, ids)
    return {row["id"]: tuple(row["parts"] or (row["external_id"],)) for row in rows}


async def bury(tx: Tx, ids: Sequence[str], now: datetime) -> list[asyncpg.Record]:
    """Mark listings as deleted; those that were not yet."""
    await tx.fetch_sql(_BEFORE_BURY, tx.tenant_id, ids)
    return await tx.fetch_sql(_BURY, tx.tenant_id, now, ids)
