"""Sales that have begun or ended: the listings of a connection get the prices of now, while nobody else writes them."""

from isthmus.features import records
from isthmus.features.sync import store
from isthmus.features.sync.service.entities import PRODUCTS
from isthmus.scope import Scope

PRICES = "sync.prices"
_BATCH = 500


async def reprice(scope: Scope, connection_id: str) -> None:  # house: silent - the listings' own events tell
    """Go on until the stored prices of the connection are those of now."""
    while True:
        async with scope.tx() as tx:
            await store.lock(tx, connection_id, PRODUCTS)
            if await records.reprice(tx, scope, connection_id, _BATCH) < _BATCH:
                return
