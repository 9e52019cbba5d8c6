"""What people and schedules ask of runs: begin one, stop one."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from isthmus.features import connections, records
from isthmus.features.sync import store
from isthmus.features.sync.errors import (
    NothingToRetry,
    NotReadable,
    NotResumable,
    RunEnded,
    RunInProgress,
    RunNotFound,
    TooManyRuns,
)
from isthmus.features.sync.events import SyncCancelled, SyncCancelRequested, SyncRequested, SyncResumed, WatermarkLost
from isthmus.features.sync.model import Mode, Plan, Run, State, event_body, plan, plan_since
from isthmus.features.sync.service import entities
from isthmus.features.sync.service.entities import PRODUCTS
from isthmus.features.sync.service.sources import Shop, sources
from isthmus.features.sync.service.working import JOB
from isthmus.features.sync.settings import Settings
from isthmus.features.sync.store import Opening
from isthmus.scope import Scope, Tx

#: What a caller writes of a run while it begins.
Noted = Callable[[Tx, Run], Awaitable[None]]


async def start(
    scope: Scope,
    connection_id: str,
    *,
    entity: str = PRODUCTS,
    mode: Mode = Mode.INCREMENTAL,
    since: datetime | None = None,
    dry_run: bool = False,
) -> Run:
    """Begin a run; a worker takes it at once.

    `since` reads what changed from a date on and leaves the watermark where it is; a `dry_run` writes nothing and lists
    what it would have written. Raises RunInProgress with the run that is under way, TooManyRuns, StoreFull,
    NotReadable, and what the connections raise.
    """
    shop = await sources(scope).shop(scope, connection_id, entity)
    async with scope.tx() as tx:
        planned = plan_since(since, scope.now) if since else await _plan(tx, scope, shop, entity, mode)
        opening = Opening(scope.id("run"), shop.id, shop.provider, entity, scope.principal.id, dry_run)
        return await _begin(tx, scope, opening, planned)


async def start_noted(scope: Scope, connection_id: str, entity: str, mode: Mode, noted: Noted) -> Run:
    """As `start`, with what the caller notes of the run in the transaction that begins it: both happen, or neither."""
    shop = await sources(scope).shop(scope, connection_id, entity)
    async with scope.tx() as tx:
        planned = await _plan(tx, scope, shop, entity, mode)
        opening = Opening(scope.id("run"), shop.id, shop.provider, entity, scope.principal.id, False)
        run = await _begin(tx, scope, opening, planned)
        await noted(tx, run)
        return run


async def _begin(tx: Tx, scope: Scope, opening: Opening, planned: Plan) -> Run:
    run = await _open(tx, scope, opening, planned)
    tx.emit(SyncRequested(subject=run.id, body=event_body(run)))
    if planned.lost:
        tx.emit(WatermarkLost(subject=run.id, body=event_body(run)))
    return run


async def retry(scope: Scope, run_id: str) -> Run:
    """Read only the records again that failed in a run. Raises RunNotFound, NothingToRetry, and what `start` raises."""
    async with scope.tx() as tx:
        before = await store.run(tx, run_id)
        failed = await store.failed_ids(tx, run_id, "", 1)
    if before is None:
        raise RunNotFound
    if State(before.state).live or not failed:
        raise NothingToRetry
    shop = await sources(scope).shop(scope, before.connection_id, before.entity)
    async with scope.tx() as tx:
        opening = Opening(scope.id("run"), shop.id, shop.provider, before.entity, scope.principal.id, False, run_id)
        return await _begin(tx, scope, opening, Plan(Mode.ITEMS, None, scope.now))


async def resume(scope: Scope, run_id: str) -> Run:
    """Let a run go on from its place that failed, was parked or was stopped.

    Raises RunNotFound, NotResumable, RunInProgress, TooManyRuns, StoreFull, and what the connections raise.
    """
    async with scope.tx() as tx:
        before = await store.run(tx, run_id)
    if before is None:
        raise RunNotFound
    await sources(scope).shop(scope, before.connection_id, before.entity)
    async with scope.tx() as tx:
        await _refuse_many(tx, scope)
        await _refuse_full(tx, scope, before.entity, dry_run=before.dry_run)
        run = await store.resume(tx, run_id)
        if run is None:
            raise NotResumable
        tx.emit(SyncResumed(subject=run.id, body=event_body(run)))
        await tx.enqueue(JOB, run.id)
    return run


async def _open(tx: Tx, scope: Scope, opening: Opening, planned: Plan) -> Run:
    """Write the run and wake a worker for it."""
    await _refuse_second(tx, opening.connection_id, opening.entity)
    await _refuse_many(tx, scope)
    await _refuse_full(tx, scope, opening.entity, dry_run=opening.dry_run)
    run = await store.open_run(tx, opening, planned, scope.now)
    if run is None:
        await _refuse_second(tx, opening.connection_id, opening.entity)
        raise RunInProgress
    await tx.enqueue(JOB, run.id)
    return run


async def _refuse_many(tx: Tx, scope: Scope) -> None:
    most = scope.part(Settings).live_runs
    if await store.live_count(tx) >= most:
        raise TooManyRuns(details={"limit": most}, retry_after=30)


async def _refuse_full(tx: Tx, scope: Scope, entity: str, *, dry_run: bool) -> None:
    if entities.entity(entity).keeper.bounded and not dry_run:
        await records.check_room(scope, tx)


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is read of a connection, and whether anything is written; as `start` takes it."""

    mode: Mode = Mode.INCREMENTAL
    since: datetime | None = None
    dry_run: bool = False


async def start_all(
    scope: Scope, connection_id: str, entities: Sequence[str] | None = None, extent: Extent = Extent()
) -> list[Run]:
    """Begin a run of each of these entities, by default of all that the connection may read; live ones are answered.

    Raises what `start` raises, but for RunInProgress; where one that was named cannot be read, none begins. Where there
    is no room, what is read all the same begins.
    """
    offered = list(dict.fromkeys(entities or await sources(scope).offered(scope, connection_id)))
    if not offered:
        raise NotReadable
    readable: list[str] = []
    for entity in offered:
        try:
            await sources(scope).shop(scope, connection_id, entity)
        except connections.ShardTypeForbidden:
            # The wall leaves the rest of the connection as it is.
            if entities or (entity == offered[-1] and not readable):
                raise
        else:
            readable.append(entity)
    begun: list[Run] = []
    full: records.StoreFull | None = None
    for entity in readable:
        try:
            begun.append(await _started(scope, connection_id, entity, extent))
        except records.StoreFull as refused:
            full = refused
    if full is not None and not begun:
        raise full
    return begun


async def _started(scope: Scope, connection_id: str, entity: str, extent: Extent) -> Run:
    how, since = extent.mode, extent.since
    while True:
        try:
            return await start(scope, connection_id, entity=entity, mode=how, since=since, dry_run=extent.dry_run)
        except RunInProgress:
            async with scope.tx() as tx:
                live = await store.live_run(tx, connection_id, entity)
            if live is not None:
                return live
            # it has ended in this very moment, and left its place


async def _refuse_second(tx: Tx, connection_id: str, entity: str) -> None:
    live = await store.live_run(tx, connection_id, entity)
    if live is not None:
        raise RunInProgress(details={"run": event_body(live)})


async def _plan(tx: Tx, scope: Scope, shop: Shop, entity: str, mode: Mode) -> Plan:
    known = await store.watermark(tx, shop.id, entity)
    if shop.anew_since is not None and known is not None and known.at is not None and known.at < shop.anew_since:
        # What is read from now on is not what was read before: everything changes, and nothing is proved by it.
        return replace(
            plan(Mode.FULL, known, now=scope.now, overlap=shop.overlap, read_before=True), judged_before=None
        )
    before = known is not None or await store.has_succeeded(tx, shop.id, entity)
    return plan(mode, known, now=scope.now, overlap=shop.overlap, read_before=before)


async def cancel(scope: Scope, run_id: str) -> Run:
    """Stop a run: at once when nobody holds it, else when its worker hears of it. Raises RunNotFound, RunEnded."""
    async with scope.tx() as tx:
        asked = await store.ask_cancel(tx, run_id, scope.now)
        if asked is None:
            if await store.run(tx, run_id) is None:
                raise RunNotFound
            raise RunEnded
        tx.emit(SyncCancelRequested(subject=asked.id, body=event_body(asked)))
        if asked.state == State.CANCELLED:
            tx.emit(SyncCancelled(subject=asked.id, body=event_body(asked)))
    return asked
