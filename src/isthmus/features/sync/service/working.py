"""What a worker does with a run: takes it, keeps it alive while pages come in, and says how it ended."""

import asyncio
import contextlib
from datetime import timedelta
from typing import Any

from isthmus.client import ClientError
from isthmus.connect.faults import CursorUnreadable
from isthmus.features import connections
from isthmus.features.sync import store
from isthmus.features.sync.errors import CancelWanted, Endless, Stale
from isthmus.features.sync.events import SyncCancelled, SyncFailed, SyncParked, SyncRestarted, SyncStarted
from isthmus.features.sync.model import Fault, Run, State, after_fault, event_body, is_poison
from isthmus.features.sync.service import entities
from isthmus.features.sync.service.faults import EXPIRED, FULL, fault_of, fault_of_problem
from isthmus.features.sync.service.pulling import Pull
from isthmus.features.sync.service.retrying import Retried
from isthmus.features.sync.service.sources import sources
from isthmus.features.sync.service.tally import Tally
from isthmus.features.sync.settings import Settings
from isthmus.kit.chance import draw
from isthmus.kit.errors import Problem, Unavailable
from isthmus.kit.events import Event
from isthmus.kit.text import storable
from isthmus.scope import Scope, Tx

JOB = "sync.run"
_MESSAGE = 500
#: How soon a run tries again that an old sign-in ended while there is a new one.
_SIGNED_IN = timedelta(seconds=5)
#: The connector cannot go on from where the run stood.
_LOST = "CURSOR_UNREADABLE"
_ENDINGS: dict[State, type[Event]] = {
    State.FAILED: SyncFailed,
    State.CANCELLED: SyncCancelled,
    State.PARKED: SyncParked,
}
#: Seconds between tries to hand a run back while the database is away; after that its lease runs out by itself.
_PAUSES = (0.2, 0.5, 1.0, 2.0, 4.0)


async def work(scope: Scope, run_id: str) -> None:
    """Take the run if nobody holds it, and carry it on from its cursor until it ends or has to wait."""
    settings = scope.part(Settings)
    async with scope.tx() as tx:
        run = await store.claim(tx, run_id, scope.id("wrk"), settings.lease, scope.now)
        if run is not None and run.fence == 1:
            tx.emit(SyncStarted(subject=run.id, body=event_body(run)))
    if run is None:
        return
    if run.state == State.CANCELLING:
        await _end(scope, run, State.CANCELLED)
    elif is_poison(run.deaths, settings):
        message = f"The run ended its worker {run.deaths} times without a page in between and was set aside."
        await _end(scope, run, State.PARKED, Fault("RUN_PARKED", message, passing=False))
    else:
        await _carry_on(scope, run, settings)


async def _carry_on(scope: Scope, run: Run, settings: Settings) -> None:
    tally = Tally(scope.clock)
    pull = asyncio.create_task(_pull(scope, run, tally, settings), name=f"pull {run.id}")
    beat = asyncio.create_task(_beat(scope, run, tally, settings), name=f"beat {run.id}")
    halt = asyncio.create_task(scope.engine.queue.stopping.wait(), name=f"halt {run.id}")
    try:
        await asyncio.wait({pull, beat, halt}, return_when=asyncio.FIRST_COMPLETED)
    except asyncio.CancelledError:
        await _stop(pull, beat, halt)
        await asyncio.shield(_give_back(scope, run, tally))
        raise
    finally:
        await _stop(pull, beat, halt)
    if pull.cancelled() and beat.cancelled():
        await _give_back(scope, run, tally)
        return
    ended = beat.result() if pull.cancelled() else pull.result()
    if ended is State.CANCELLING:
        await _end(scope, run, State.CANCELLED)
    elif ended is State.QUEUED:
        await _give_back(scope, run, tally)
    elif isinstance(ended, Fault):
        await _after_fault(scope, run, tally, ended)


async def _stop(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _beat(scope: Scope, run: Run, tally: Tally, settings: Settings) -> State | None:
    """Prolong the lease until the run is to be cancelled, or is not ours any more (None)."""
    while True:
        await scope.clock.sleep(settings.heartbeat.total_seconds())
        until, reason = tally.waiting
        with contextlib.suppress(Unavailable):
            async with scope.tx() as tx:
                state = await store.beat(tx, run, settings.lease, waiting_until=until, waiting_reason=reason)
            if state is not State.RUNNING:
                return state


async def _pull(scope: Scope, run: Run, tally: Tally, settings: Settings) -> State | Fault | None:
    """How the pull ended: with the run or its turn (QUEUED), a wish to cancel, a fault, or None: it is not ours."""
    try:
        keeper = entities.entity(run.entity).keeper
        async with sources(scope).open(scope, run.connection_id, run.entity, tally) as opened:
            source = Retried(scope, run.retry_of, opened) if run.retry_of is not None else opened
            ended = await Pull(scope, run, source, keeper, tally, settings).pages()
    except Stale:
        return None
    except CancelWanted:
        return State.CANCELLING
    except Endless as failure:
        return Fault(failure.code, failure.reason, passing=False)
    except ClientError as failure:
        return fault_of(failure)
    except Problem as failure:
        return fault_of_problem(failure)
    except CursorUnreadable as failure:
        message = f"The connector cannot go on from the run's place: {failure}"
        return Fault(_LOST, message[:_MESSAGE], passing=False)
    return State.SUCCEEDED if ended else State.QUEUED


async def _after_fault(scope: Scope, run: Run, tally: Tally, fault: Fault) -> None:
    attempts = (0 if tally.pages else run.attempts) + fault.tried
    again = after_fault(fault, attempts, draw(), scope.part(Settings))
    if fault.code == _LOST and (run.cursor is not None or run.since is not None or tally.pages):
        await _restart(scope, run)
    elif fault.code == FULL:
        await _end(scope, run, State.PARKED, fault)
    elif again is None:
        await (_park(scope, run, fault, attempts) if fault.code == EXPIRED else _end(scope, run, State.FAILED, fault))
    else:
        await _give_back(scope, run, tally, attempts=attempts, after=again.after, reason=fault.code)


async def _restart(scope: Scope, run: Run) -> None:
    """The platform keeps no such place, or no window so old: everything is read instead."""
    async with scope.tx() as tx:
        if await store.restart(tx, run):
            await store.drop_seen(tx, run.id)
            await tx.enqueue(JOB, run.id)
            tx.emit(SyncRestarted(subject=run.id, body=event_body(run)))


async def _end(scope: Scope, run: Run, state: State, fault: Fault | None = None) -> None:
    async with scope.tx() as tx:
        await _finish(tx, scope, run, state, fault)


async def _finish(tx: Tx, scope: Scope, run: Run, state: State, fault: Fault | None) -> None:
    code, message = (fault.code, storable(fault.message)[:_MESSAGE]) if fault else (None, None)
    ended = await store.finish(tx, run, state, scope.now, error_code=code, error_message=message)
    if ended is not None:
        tx.emit(_ENDINGS[state](subject=ended.id, body=event_body(ended)))


async def _park(scope: Scope, run: Run, fault: Fault, attempts: int) -> None:
    """Let it wait for a sign-in; where somebody has signed in meanwhile, nobody would wake it: it tries once more."""
    async with scope.tx() as tx:
        if attempts > 1 or await connections.awaits_sign_in(tx, run.connection_id):
            await _finish(tx, scope, run, State.PARKED, fault)
        elif await store.hand_back(tx, run, attempts=attempts, retry_at=scope.now + _SIGNED_IN, reason=fault.code):
            await tx.enqueue(JOB, run.id, after=_SIGNED_IN)


async def _give_back(
    scope: Scope,
    run: Run,
    tally: Tally,
    *,
    attempts: int = 0,
    after: timedelta = timedelta(0),
    reason: str | None = None,
) -> None:
    """Hand the run back and wake the next worker for it; an outage of the database is waited out for a while."""
    for pause in _PAUSES:
        try:
            async with scope.tx() as tx:
                retry_at = scope.now + after if after else None
                spent = tally.spent()
                await store.spend(tx, run, spent.retries, spent.throttled, spent.waited_ms)
                if await store.hand_back(tx, run, attempts=attempts, retry_at=retry_at, reason=reason):
                    await tx.enqueue(JOB, run.id, after=after)
            return
        except Unavailable:
            await scope.clock.sleep(pause)
