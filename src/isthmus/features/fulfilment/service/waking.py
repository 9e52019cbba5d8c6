"""Finds actions that nobody carries on, and forgets old ones."""

from collections.abc import Sequence
from datetime import timedelta

from isthmus.engine.db import Tx
from isthmus.engine.queue import Wake
from isthmus.features.fulfilment import store
from isthmus.features.fulfilment.service.working import JOB
from isthmus.features.fulfilment.settings import Settings
from isthmus.scope import System

#: An action that was just written has a wake-up of its own on the way.
_QUIET = timedelta(seconds=1)
_MOST = 500


async def wake(system: System) -> None:
    """Wake stalled actions between the rounds of the reconciler."""
    async with system.tx() as tx:
        await system.engine.queue.enqueue_missing(tx, await missing(system, tx))


async def missing(system: System, tx: Tx) -> Sequence[Wake]:  # noqa: ARG001 - the form of a reconciler
    """The wake-ups of actions that are due and that nobody holds, round the tenants."""
    return [Wake(JOB, id_, tenant_id, due=True) for tenant_id, id_ in await store.stalled(tx, _QUIET, _MOST)]


async def prune(system: System) -> None:
    """Forget actions that ended longer ago than the settings keep them, in short transactions."""
    kept = system.engine.part(Settings).keep
    if kept:
        await system.forget(store.prune, system.now - kept)
