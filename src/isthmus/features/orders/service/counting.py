"""How many bytes orders take of what a tenant may store; nothing refuses an order for it."""

from isthmus.engine import holdings
from isthmus.features.orders import store
from isthmus.scope import System


async def count(system: System) -> None:
    """Set the counters right that writes only add to."""
    await holdings.count(system.engine.database, store.KIND, store.SIZES, system.now)
