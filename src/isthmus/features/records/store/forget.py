"""Records of a shop that was disconnected."""

from typing import Final

from isthmus.engine.db import Tx

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


async def forget(tx: Tx, tenant_id: str, connection_id: str) -> int:
    """Remove a connection's listings, their variants, and products that no other listing shows; how many listings."""
    count = 0
    while True:
        rows = await tx.fetch_sql(_LISTINGS, tenant_id, connection_id, _BATCH)
        await tx.execute_sql(_PRODUCTS, tenant_id, list({row["product_id"] for row in rows}))
        count += len(rows)
        if len(rows) < _BATCH:
            return count
