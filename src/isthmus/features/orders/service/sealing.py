"""Sealed columns under the tenant's current key (security.md VA-09)."""

from isthmus.features import vault
from isthmus.features.orders import store
from isthmus.features.orders.service.places import CUSTOMER, PERSONAL, RAW
from isthmus.features.orders.store import Columns
from isthmus.scope import Scope, Tx


async def reseal_orders(scope: Scope, after: str | None, limit: int) -> str | None:  # house: silent - no fact changes
    """Seal some orders anew; the last id, None behind the last one."""
    return await _reseal(scope, "orders", PERSONAL, after, limit)


async def reseal_customers(scope: Scope, after: str | None, limit: int) -> str | None:  # house: silent - as above
    """Seal some customers anew; the last id, None behind the last one."""
    return await _reseal(scope, "customers", CUSTOMER, after, limit)


async def _reseal(scope: Scope, table: str, field: str, after: str | None, limit: int) -> str | None:
    async with scope.tx() as tx:
        rows = await store.sealed_page(tx, table, after or "", limit)
        for row in rows:
            personal = await _again(scope, tx, row.id, row.personal, field)
            again = Columns(row.id, personal, await _again(scope, tx, row.id, row.raw, RAW))
            if again != row:
                await store.update_sealed(tx, table, again)
    return rows[-1].id if len(rows) == limit else None


async def _again(scope: Scope, tx: Tx, owner: str, sealed: bytes | None, field: str) -> bytes | None:
    if sealed is None:
        return None
    return await vault.reseal(scope, tx, sealed, owner=owner, field=field) or sealed
