"""What a connection's fate means for what waits for it."""

from collections.abc import Sequence
from datetime import datetime

from isthmus.engine.db import Tx
from isthmus.features import records
from isthmus.features.sync import store
from isthmus.features.sync.service.faults import EXPIRED, FULL
from isthmus.scope import System

_MOST = 500


async def connected(tx: Tx, tenant_id: str, connection_id: str) -> None:  # house: silent - the run itself tells
    """Signed in anew: parked runs go on from their cursors and waiting records are due; the reconciler wakes them."""
    await store.unpark(tx, tenant_id, connection_id, EXPIRED)
    await store.resume_wanted(tx, tenant_id, connection_id)


async def disconnected(tx: Tx, tenant_id: str, connection_id: str) -> None:  # house: silent - the cause was told
    """Disconnected: nobody will read what was wanted of it."""
    await store.forget_wanted(tx, tenant_id, connection_id)


async def withdrawn(  # house: silent - the cause was told, and a run tells its end itself
    tx: Tx, tenant_id: str, connection_ids: Sequence[str], at: datetime
) -> None:
    """Runs of these connections are to end that were begun before this was so.

    It is heard of later: what somebody begins after it was taken back is theirs.
    """
    await store.withdraw(tx, tenant_id, connection_ids, at)


async def unhalt(system: System) -> None:  # house: silent - the run itself tells
    """There is room again: runs that stopped for want of it go on from their cursors; the reconciler wakes them."""
    async with system.tx() as tx:
        halted = await store.halted(tx, _MOST)
    free: dict[str, bool] = {}
    for tenant_id, connection_id in halted:
        scope = system.scope(tenant_id, "sync")
        async with scope.tx() as tx:
            if tenant_id not in free:
                free[tenant_id] = await records.has_room(scope, tx)
            if free[tenant_id]:
                await store.unpark(tx, tenant_id, connection_id, FULL)
