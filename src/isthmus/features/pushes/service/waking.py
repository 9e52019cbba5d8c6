"""Finding edits that nobody sends, and what a connection's fate means for them."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from isthmus.engine.db import Tx
from isthmus.engine.queue import Wake
from isthmus.features.pushes.model.edits import ItemState
from isthmus.features.pushes.service.wanting import JOB
from isthmus.features.pushes.settings import Settings
from isthmus.features.pushes.store import conflicts, edits, pushes
from isthmus.features.pushes.store.pushes import Closed
from isthmus.scope import System

_MOST: Final = 500
_QUIET: Final = timedelta(seconds=3)
_BATCH, _BATCHES = 1_000, 50


async def missing(system: System, tx: Tx) -> Sequence[Wake]:
    """The wake-ups of connections with edits that are due and that nobody holds."""
    found = await edits.due(tx, system.now - _QUIET, _MOST)
    return [Wake(JOB, connection_id, tenant_id) for tenant_id, connection_id in found]


async def wake(system: System) -> None:
    """Wake them between the rounds of the reconciler: a price waits seconds for a dead worker, not longer."""
    async with system.tx() as tx:
        await system.engine.queue.enqueue_missing(tx, await missing(system, tx))


async def connected(tx: Tx, event: Mapping[str, Any]) -> None:  # house: silent - the pushes themselves tell
    """Signed in anew: what waited for it goes on."""
    await edits.unpark(tx, event["tenant_id"], event["subject"], event["at"])


async def disconnected(tx: Tx, event: Mapping[str, Any]) -> None:  # house: silent - the cause was told
    """A connection has ended: nothing is wanted there any more."""
    tenant_id = event["tenant_id"]
    gone = await edits.forget(tx, tenant_id, event["subject"])
    closed = [Closed(id_, version, ItemState.CANCELLED, "DISCONNECTED", "") for id_, version in gone]
    await pushes.close_of(tx, tenant_id, closed, event["at"])
    await conflicts.drop_open(tx, tenant_id, [id_ for id_, _ in gone], event["at"])


async def prune(system: System) -> None:
    """Forget pushes and decisions that ended long ago, in short transactions."""
    before = system.now - system.engine.part(Settings).keep
    for forget in (pushes.prune, conflicts.prune):
        for _ in range(_BATCHES):
            async with system.tx() as tx:
                gone = await forget(tx, before, _BATCH)
            if gone < _BATCH:
                break
