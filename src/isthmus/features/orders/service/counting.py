"""How many bytes orders take of what a tenant may store; nothing refuses an order for it."""

from typing import Final

from isthmus.engine import holdings
from isthmus.engine.queue import Wake
from isthmus.features.orders import store
from isthmus.scope import Scope, System

COUNT: Final = "orders.count"


async def wake_counts(system: System) -> None:
    """Have the counters set right that writes only add to."""
    async with system.tx() as tx:
        due = await holdings.due(tx, store.KIND, system.now)
        wakes = [Wake(COUNT, connection_id, tenant_id) for tenant_id, connection_id in due]
        await system.engine.queue.enqueue_missing(tx, wakes)


async def count(scope: Scope, connection_id: str) -> None:  # house: silent - nothing has changed
    """Count what a connection's orders take."""
    await holdings.count(scope.tx, connection_id, store.KIND, store.SIZES, scope.now)
