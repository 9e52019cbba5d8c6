"""Old runs are forgotten, a batch at a time."""

from isthmus.features.sync.settings import Settings
from isthmus.features.sync.store import pruning
from isthmus.scope import System

_BATCH, _BATCHES = 1_000, 100


async def prune(system: System) -> None:
    """Forget runs and their item errors that are older than the settings keep them, in short transactions."""
    kept = system.engine.part(Settings).keep_runs
    if not kept:
        return
    for _ in range(_BATCHES):
        async with system.tx() as tx:
            gone = await pruning.prune(tx, system.now - kept, _BATCH)
        if gone < _BATCH:
            return
