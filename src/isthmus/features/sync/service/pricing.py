"""Sales that have begun or ended: the listings of a connection get the prices of now, while nobody else writes them."""

from isthmus.features import records
from isthmus.features.sync import store
from isthmus.features.sync.service.entities import PRODUCTS
from isthmus.scope import Scope

PRICES = "sync.prices"
_BATCH = 500
#: Batches of one turn: the rest is found again within seconds, behind what others have to do.
_TURN = 20


async def reprice(scope: Scope, connection_id: str) -> None:  # house: silent - the listings' own events tell
    """Bring the stored prices of the connection to those of now, as many as a turn takes."""
    for _ in range(_TURN):
        async with scope.tx() as tx:
            await store.lock(tx, connection_id, PRODUCTS)
            if await records.reprice(tx, scope, connection_id, _BATCH) < _BATCH:
                return
