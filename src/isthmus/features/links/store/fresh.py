"""Statements over variants that linked listings sell and that no item knows yet."""

from collections.abc import Sequence
from typing import Final

from isthmus.engine.db import Tx

_OF_ITEM: Final = """
select i.product_id from inventory_items i join products p on p.tenant_id = $1 and p.id = i.product_id and p.own
where i.tenant_id = $1 and i.id = $2 and exists (
  select 1 from listings l join variants v on v.tenant_id = l.tenant_id and v.listing_id = l.id
  where l.tenant_id = $1 and l.product_id = i.product_id and l.status <> 'deleted' and not exists (
    select 1 from inventory_links k
    where k.tenant_id = $1 and k.listing_id = v.listing_id and k.variant = v.external_id))
"""
_LOOSE: Final = """
select p.id from products p
where p.tenant_id = $1 and p.own and exists (
  select 1 from listings l join variants v on v.tenant_id = l.tenant_id and v.listing_id = l.id
  where l.tenant_id = $1 and l.product_id = p.id and l.status <> 'deleted' and not exists (
    select 1 from inventory_links k
    where k.tenant_id = $1 and k.listing_id = v.listing_id and k.variant = v.external_id))
order by p.id limit $2
"""


async def product_of(tx: Tx, item_id: str) -> str | None:
    """The product of an item, if its listings sell something that is linked with nothing."""
    rows = await tx.fetch_sql(_OF_ITEM, tx.tenant_id, item_id)
    return str(rows[0]["product_id"]) if rows else None


async def products(tx: Tx, limit: int) -> Sequence[str]:
    """Linked products whose listings sell something that is linked with nothing."""
    return [row["id"] for row in await tx.fetch_sql(_LOOSE, tx.tenant_id, limit)]
