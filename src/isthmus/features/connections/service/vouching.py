"""Whether a call that has waited for a permit may still leave: what it was made for may have ended meanwhile."""

from isthmus.features import catalog
from isthmus.features.connections.model.connection import Status
from isthmus.features.connections.store import connections as store
from isthmus.scope import Scope


async def may_leave(own: Scope, connection_id: str) -> bool:
    """The connection is there and switched on, and the tenant's plan includes the provider."""
    async with own.tx() as tx:
        connection = await store.by_id(tx, connection_id)
    if connection is None or not connection.enabled or connection.status is Status.PENDING:
        return False
    try:
        await catalog.admit_further(own, connection.provider)
    except catalog.PlanRequired:
        return False
    return True
