"""Finds runs that nobody carries on: their worker died, or their wake-up was lost."""

from collections.abc import Sequence
from datetime import timedelta

from isthmus.engine.db import Tx
from isthmus.engine.queue import Wake
from isthmus.features import records
from isthmus.features.sync import store
from isthmus.features.sync.service.absent import ABSENT
from isthmus.features.sync.service.pricing import PRICES
from isthmus.features.sync.service.refreshing import REFRESH, key_of
from isthmus.features.sync.service.working import JOB
from isthmus.scope import System

#: A run that was just queued has a wake-up of its own on the way.
_QUIET = timedelta(seconds=3)
_MOST = 500


async def wake(system: System) -> None:
    """Wake stalled runs between the rounds of the reconciler: a shop waits seconds for a dead worker, not longer."""
    async with system.tx() as tx:
        await system.engine.queue.enqueue_missing(tx, await missing(system, tx))


async def missing(system: System, tx: Tx) -> Sequence[Wake]:
    """The wake-ups of live runs without a holder, round the tenants, of records that are due, and of passed sales."""
    runs = [Wake(JOB, run_id, tenant_id, due=True) for tenant_id, run_id in await store.stalled(tx, _QUIET, _MOST)]
    due = await store.due(tx, system.now, _MOST)
    wanted = [Wake(REFRESH, key_of(*place), tenant_id, due=True) for tenant_id, *place in due]
    loose = [Wake(ABSENT, run_id, tenant_id) for tenant_id, run_id in await store.loose(tx, _MOST)]
    prices = [Wake(PRICES, place, tenant_id) for tenant_id, place in await records.prices_due(tx, system.now, _MOST)]
    return runs + wanted + loose + prices
