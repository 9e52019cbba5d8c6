"""Statements about one provider: the deployment's own connection of it, and every integration that uses it."""

from sqlalchemy import bindparam, func, select

from isthmus.engine.db import Tx, statement
from isthmus.features.connections.model.connection import Connection
from isthmus.features.connections.store import connections
from isthmus.features.connections.tables import connections as _connections
from isthmus.features.connections.tables import integrations as _integrations

_c, _i = _connections.c, _integrations.c
_OWN = statement(
    select(_c.id)
    .where(_c.tenant_id == bindparam("tenant_id"), _c.provider == bindparam("provider"))
    .order_by(_c.id)
    .limit(1)
)
_USES = statement(
    select(_i.tenant_id, _i.id, _i.name)
    .where(_i.provider == bindparam("provider"))
    .order_by(_i.id)
    .limit(bindparam("limit"))
)
_COUNT = statement(select(func.count()).select_from(_integrations).where(_i.provider == bindparam("provider")))


async def of_provider(tx: Tx, provider: str) -> Connection | None:
    """The tenant's oldest connection of a provider."""
    found = await tx.fetchval(_OWN, tenant_id=tx.tenant_id, provider=provider)
    return await connections.by_id(tx, found) if found else None


async def uses(system_tx: Tx, provider: str, limit: int) -> tuple[int, list[dict[str, str]]]:
    """How many integrations of all tenants use a provider, and the first of them."""
    total = await system_tx.fetchval(_COUNT, provider=provider)
    rows = await system_tx.fetch(_USES, provider=provider, limit=limit) if total else []
    return total, [{"id": row["id"], "tenantId": row["tenant_id"], "name": row["name"]} for row in rows]
