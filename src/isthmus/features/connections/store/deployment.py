"""Statements about one provider: the deployment's own connection of it, and every integration that uses it."""

from collections.abc import Sequence

from sqlalchemy import Text, bindparam, exists, func, select
from sqlalchemy.dialects.postgresql import ARRAY

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
_IDLE = statement(
    select(_i.id).where(
        _i.tenant_id == bindparam("tenant_id"),
        _i.provider == bindparam("provider"),
        ~exists(select(_c.id).where(_c.tenant_id == _i.tenant_id, _c.integration_id == _i.id)),
    )
)
_USED = (_i.provider == bindparam("provider"), _i.id != func.all(bindparam("but", type_=ARRAY(Text))))
_USES = statement(select(_i.tenant_id, _i.id, _i.name).where(*_USED).order_by(_i.id).limit(bindparam("limit")))
_COUNT = statement(select(func.count()).select_from(_integrations).where(*_USED))


async def of_provider(tx: Tx, provider: str) -> Connection | None:
    """The tenant's oldest connection of a provider."""
    found = await tx.fetchval(_OWN, tenant_id=tx.tenant_id, provider=provider)
    return await connections.by_id(tx, found) if found else None


async def idle(tx: Tx, provider: str) -> list[str]:
    """The tenant's integrations of a provider that have no connection."""
    return [row["id"] for row in await tx.fetch(_IDLE, tenant_id=tx.tenant_id, provider=provider)]


async def uses(system_tx: Tx, provider: str, but: Sequence[str], limit: int) -> tuple[int, list[dict[str, str]]]:
    """How many integrations of all tenants use a provider, without those of these ids, and the first of them."""
    total = await system_tx.fetchval(_COUNT, provider=provider, but=list(but))
    rows = await system_tx.fetch(_USES, provider=provider, but=list(but), limit=limit) if total else []
    return total, [{"id": row["id"], "tenantId": row["tenant_id"], "name": row["name"]} for row in rows]
