"""Records of a shop that was disconnected."""

from typing import Final

from isthmus.engine import holdings
from isthmus.engine.db import Tx
from isthmus.features.records.store.sizes import LISTINGS, SHARDS

_BATCH: Final = 2_000
_LISTINGS: Final = """
delete from listings l using (
  select tenant_id, id from listings where tenant_id = $1 and connection_id = $2 limit $3
) gone
where l.tenant_id = gone.tenant_id and l.id = gone.id
returning l.product_id
"""
_PRODUCTS: Final = """
delete from products p where p.tenant_id = $1 and p.id = any($2::text[])
  and not exists (select from listings l where l.tenant_id = p.tenant_id and l.product_id = p.id)
"""
_SHARDS: Final = """
delete from shards s using (
  select tenant_id, id from shards where tenant_id = $1 and connection_id = $2 limit $3
) gone
where s.tenant_id = gone.tenant_id and s.id = gone.id
returning s.id
"""


async def forget(tx: Tx, tenant_id: str, connection_id: str, *, listings_only: bool = False) -> int:
    """Remove a connection's records, and products that no listing shows any more; how many listings and records."""
    count = 0
    while not listings_only and (rows := await tx.fetch_sql(_SHARDS, tenant_id, connection_id, _BATCH)):
        count += len(rows)
    for kind in (LISTINGS,) if listings_only else (LISTINGS, SHARDS):
        await holdings.forget(tx, tenant_id, connection_id, kind)
    while True:
        rows = await tx.fetch_sql(_LISTINGS, tenant_id, connection_id, _BATCH)
        await tx.execute_sql(_PRODUCTS, tenant_id, list({row["product_id"] for row in rows}))
        count += len(rows)
        if len(rows) < _BATCH:
            return count
