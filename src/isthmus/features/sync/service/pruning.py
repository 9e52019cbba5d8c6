"""Old runs are forgotten, a batch at a time."""

from isthmus.features.sync.settings import Settings
from isthmus.features.sync.store import pruning
from isthmus.scope import System


async def prune(system: System) -> None:
    """Forget runs and their item errors that are older than the settings keep them, in short transactions."""
    kept = system.engine.part(Settings).keep_runs
    if kept:
        await system.forget(pruning.prune, system.now - kept)
