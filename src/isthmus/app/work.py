"""What a worker does: woken jobs, listeners to the event log, the reconciler, and work that recurs."""

import asyncio
import contextlib
import logging
import zlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import partial

from isthmus.app.features import FEATURES
from isthmus.app.lapsing import lapse
from isthmus.app.platform import Platform
from isthmus.engine import budget, ledger
from isthmus.engine.bus import drop_missing, prune
from isthmus.engine.db import Owners, Tx
from isthmus.engine.presence import Presence
from isthmus.engine.queue import Look, Reconciler, Wake
from isthmus.feature import Engagement, Job, Periodic, Reconcile
from isthmus.features import access
from isthmus.kit.errors import Problem
from isthmus.kit.waiting import first_of
from isthmus.scope import System

_LOG = logging.getLogger("isthmus.app.work")
_SECURITY = logging.getLogger("isthmus.security")
_ONE_AT_A_TIME = "select pg_try_advisory_xact_lock($1)"
_LOCKS = 0x1574 << 32
_SWEEP_SECONDS = 600.0
_AGAIN_SECONDS = 1.0
_CONNECTIONS_EACH = 3
_BATCH, _BATCHES = 5_000, 100
#: The jobs that may take hours.
BULK: frozenset[str] = frozenset(job for feature in FEATURES for job in feature.bulk)
#: Where what wake-ups name stands.
OBJECTS = {noun: table for feature in FEATURES for noun, table in feature.objects.items()}
_BULK_RUNS = {name: feature.runs[name] for feature in FEATURES for name in feature.bulk_runs}
_CALL_RUNS = {name: run for feature in FEATURES for name, run in feature.runs.items() if name in feature.calls}


class Share(StrEnum):
    """Which part of the work a process does."""

    ALL = "all"
    #: Bulk work alone, and nothing that recurs or listens.
    BULK = "bulk"
    #: Everything else.
    SHORT = "short"
    #: The functions that this process registered alone, and nothing that recurs or listens.
    CALLS = "calls"


#: What goes on all the time in a process that does one thing alone.
_ALONE = {Share.BULK: _BULK_RUNS, Share.CALLS: _CALL_RUNS}


class Beside:
    """Whether a process for bulk work lives beside this one."""

    def __init__(self) -> None:
        self.alone, self.accompanied = asyncio.Event(), asyncio.Event()
        self.tell(lives=False)

    def tell(self, *, lives: bool) -> None:
        """It has come, or gone."""
        now, before = (self.accompanied, self.alone) if lives else (self.alone, self.accompanied)
        before.clear()
        now.set()


async def work_queue(
    platform: Platform, stop: asyncio.Event, share: Share = Share.ALL, beside: Beside | None = None
) -> None:
    """Work until `stop` is set; what is in flight then finishes or is handed back.

    beside: who has the engagements that are bulk work, this process or that for bulk work alone.
    """
    queue, system, presence = platform.engine.queue, platform.system, platform.engine.part(Presence)
    _register(platform, share)
    if share in _ALONE:
        async with asyncio.TaskGroup() as group:
            group.create_task(presence.run(stop), name="presence")
            group.create_task(queue.run(stop), name="queue")
            group.create_task(lapse(platform, stop), name="weak settings")
            group.create_task(platform.engine.bus.run(stop, {}), name="bus")
            for name, engagement in _ALONE[share].items():
                group.create_task(_engage(platform, name, engagement, stop), name=name)
        return
    looks = [_look(platform, look) for feature in FEATURES for look in feature.reconcile]
    listeners = {name: given for feature in FEATURES for name, given in feature.listens.items()}
    at_once = {name: given for feature in FEATURES for name, given in feature.listens_at_once.items()}
    sweep = partial(_sweep, keep_listeners=platform.settings.core.keep_listeners)
    # Recurring work holds a connection for its lock and takes others beside it: all at once would wait for each other.
    slots = asyncio.Semaphore(max(1, platform.settings.core.database_connections // _CONNECTIONS_EACH))
    async with asyncio.TaskGroup() as group:
        group.create_task(presence.run(stop), name="presence")
        group.create_task(queue.run(stop), name="queue")
        group.create_task(lapse(platform, stop), name="weak settings")
        group.create_task(Reconciler(system.engine.database, queue, looks).run(stop), name="reconciler")
        group.create_task(_recur(platform, slots, "engine.sweep", (_SWEEP_SECONDS, sweep), stop), name="engine.sweep")
        group.create_task(platform.engine.bus.run(stop, listeners, at_once), name="bus")
        for feature in FEATURES:
            for name, engagement in feature.runs.items():
                engaged = (
                    _engage(platform, name, engagement, stop)
                    if beside is None or name not in _BULK_RUNS
                    else _engage_alone(platform, name, engagement, stop, beside)
                )
                group.create_task(engaged, name=name)
            for name, periodic in feature.periodic.items():
                group.create_task(_recur(platform, slots, name, periodic, stop), name=name)


def _register(platform: Platform, share: Share) -> None:
    guard = access.TenantGuard(platform.system, platform.settings.part(access.Settings))
    owners = Owners(platform.engine.database, OBJECTS)
    for feature in FEATURES:
        for job, function in feature.jobs.items():
            bulk = job in feature.bulk
            if job in feature.calls if share is Share.CALLS else share is Share.ALL or bulk == (share is Share.BULK):
                platform.engine.queue.handler(job, counts_deaths=job in feature.counts_deaths, bulk=bulk)(
                    _handler(platform, _Gate(guard, owners), feature.name, function)
                )


async def _sweep(system: System, keep_listeners: timedelta) -> None:
    """Forget quotas and idempotency keys that have run out, listeners that are gone, and old events."""
    async with system.tx() as tx:
        await budget.sweep(tx)
    for _ in range(_BATCHES):
        async with system.tx() as tx:
            gone = await ledger.sweep(tx, system.now, limit=_BATCH)
        if gone < _BATCH:
            break
    known = system.engine.bus.listeners
    if known is not None:
        async with system.tx() as tx:
            forgotten = await drop_missing(tx, known, keep_listeners)
        for name in forgotten:
            _LOG.warning("no process has the listener %s any more: its place in the log is given up", name)
    await prune(system.engine.database, system.engine.bus.kept)


@dataclass(frozen=True, slots=True)
class _Gate:
    """Which wake-ups are worked off."""

    guard: access.TenantGuard
    owners: Owners

    async def admits(self, wake: Wake) -> bool:
        """Whether the tenant is let in, and what is named is no other tenant's (security.md TN-02)."""
        if not await self.guard.is_live(wake.tenant_id):
            return False
        foreign = await self.owners.foreign(wake.tenant_id, wake.key)
        if foreign is None:
            return True
        told = {"job": wake.job, "tenant": wake.tenant_id, "key": wake.key, "foreign": foreign}
        _SECURITY.error("a wake-up names what another tenant has and was refused: nothing here writes such", extra=told)
        return False


def _handler(platform: Platform, gate: _Gate, room: str, function: Job) -> Callable[[Wake], Awaitable[None]]:
    """Nothing is worked off for a tenant that is not let in; its state rows wake it when it is again."""

    async def woken(wake: Wake) -> None:
        if await gate.admits(wake):
            await function(platform.system.scope(wake.tenant_id, room), wake.key)

    return woken


def _look(platform: Platform, function: Reconcile) -> Look:
    async def look(tx: Tx) -> Sequence[Wake]:
        return await function(platform.system, tx)

    return look


async def _engage(platform: Platform, name: str, function: Engagement, stop: asyncio.Event) -> None:
    """Go on until `stop` is set; after a failure begin anew, a little later."""
    while not stop.is_set():
        try:
            await function(platform.system, stop)
        except Problem as problem:
            _LOG.warning("%s: %s", name, problem.message)
        except Exception:  # noqa: BLE001 - a job runner: one room's failure must not stop the others' work
            _LOG.exception("%s failed", name)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_AGAIN_SECONDS):
                await stop.wait()


async def _engage_alone(
    platform: Platform, name: str, function: Engagement, stop: asyncio.Event, beside: Beside
) -> None:
    """As `_engage`, but for the times in which another process has it."""
    while not stop.is_set():
        await first_of(stop, beside.alone)
        leave = asyncio.Event()
        engaged = asyncio.create_task(_engage(platform, name, function, leave), name=name)
        try:
            await first_of(stop, beside.accompanied)
        finally:
            leave.set()
            await engaged


async def _recur(
    platform: Platform, slots: asyncio.Semaphore, name: str, periodic: tuple[float, Periodic], stop: asyncio.Event
) -> None:
    """Once a tick, in one process of all; a failure is logged and the next tick tries again."""
    seconds, function = periodic
    key = _LOCKS | zlib.crc32(name.encode())
    while not stop.is_set():
        try:
            async with slots, platform.engine.database.system() as tx:
                mine = (await tx.fetch_sql(_ONE_AT_A_TIME, key))[0][0]
                if mine:
                    await function(platform.system)
        except Problem as problem:
            _LOG.warning("%s: %s", name, problem.message)
        except Exception:  # noqa: BLE001 - a job runner: one room's failure must not stop the others' work
            _LOG.exception("%s failed", name)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await stop.wait()
