"""Works many deliveries off once more: counted first, then handed out piece by piece, durably and not too fast."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from isthmus.engine.db import Tx
from isthmus.engine.queue import Wake
from isthmus.features.webhooks_in.errors import ReplayNotFound, TooManyReplays
from isthmus.features.webhooks_in.events import ReplayCancelled, ReplayRequested
from isthmus.features.webhooks_in.model.deliveries import State
from isthmus.features.webhooks_in.service import planning, waking
from isthmus.features.webhooks_in.service.intake import ROUTE
from isthmus.features.webhooks_in.settings import Settings
from isthmus.features.webhooks_in.store import log as store
from isthmus.features.webhooks_in.store import planning as plans
from isthmus.features.webhooks_in.store import tasks
from isthmus.features.webhooks_in.store.log import Filters
from isthmus.kit.paging import Ask, Page
from isthmus.scope import Scope, System

REPLAY = "webhooks_in.replay"
_PAUSE = timedelta(seconds=1)
#: In how many parts a second's worth is handed out.
_PIECES = 5
_MOST = 100
#: Behind all live traffic.
_LANE = -1
#: How many deliveries one statement looks at, whatever it looks for.
_LOOKED = 5_000
#: Beside the filters of a replay: whether its total was counted to the end.
_EXACT = "exact"


class Counted(NamedTuple):
    """How many deliveries a replay takes: all of them, or at least so many."""

    total: int
    exact: bool


async def plan(scope: Scope, wanted: Filters) -> Counted:
    """How many deliveries a replay would take.

    They are looked at piece by piece for a short time, so that live traffic is not kept waiting; where that does not
    reach to the end, the answer is that there are at least so many.
    """
    clock, place, total, more = scope.clock, "", 0, True
    until = clock.monotonic() + scope.part(Settings).replay_count.total_seconds()
    while more:
        async with scope.tx() as tx:
            last, more = await store.stretch(tx, scope.tenant_id, wanted, place, _LOOKED)
            if last is not None:
                total += await store.count_replayable(tx, scope.tenant_id, wanted, (place, last))
                place = last
        if more and clock.monotonic() >= until:
            return Counted(total, exact=False)
    return Counted(total, exact=True)


async def begin(scope: Scope, wanted: Filters) -> Mapping[str, Any]:
    """Write a replay down; it goes on by itself, over restarts too. Raises TooManyReplays, before it counts."""
    async with scope.tx() as tx:
        await _refuse_many(scope, tx)
    id_ = scope.id("rpl")
    filters = {name: _text(value) for name, value in asdict(wanted).items()}
    counted = await plan(scope, wanted)
    async with scope.tx() as tx:
        await _refuse_many(scope, tx)
        found = (counted.total, await store.newest_of(tx, scope.tenant_id, wanted))
        kept = {**filters, _EXACT: counted.exact}
        await store.insert_replay(tx, scope.tenant_id, id_, kept, found, (scope.principal.id, scope.now))
        await _later(scope, tx, REPLAY, id_)
        tx.emit(ReplayRequested(subject=id_, after={"filters": filters, **counted._asdict()}))
    return await replay(scope, id_)


async def _refuse_many(scope: Scope, tx: Tx) -> None:
    most = scope.part(Settings).replays
    if await store.running_of(tx, scope.tenant_id) >= most:
        raise TooManyReplays(details={"limit": most}, retry_after=30)


async def replay(scope: Scope, id_: str) -> Mapping[str, Any]:
    """How far a replay is; `exact` says whether its total is more than a lower bound. Raises ReplayNotFound."""
    async with scope.tx() as tx:
        found = await store.replay(tx, scope.tenant_id, id_)
    if found is None:
        raise ReplayNotFound
    return _shown(found)


async def replays(scope: Scope, ask: Ask) -> Page[Mapping[str, Any]]:
    """The tenant's replays, newest first, as `replay` answers each."""
    async with scope.tx() as tx:
        page = await store.replays(tx, scope.tenant_id, ask)
    return Page([_shown(one) for one in page.items], page.next_after, has_more=page.has_more)


def wanted(found: Mapping[str, Any]) -> dict[str, Any]:
    """What a replay was asked to take."""
    return asdict(_filters(found["filters"]))


def _shown(found: Mapping[str, Any]) -> Mapping[str, Any]:
    if found["filters"].get(_EXACT, True):
        return {**found, "exact": True}
    over = found["state"] == "done"
    return {**found, "total": found["done"] if over else max(found["total"], found["done"]), "exact": over}


async def cancel(scope: Scope, id_: str) -> Mapping[str, Any]:
    """Stop a replay; what it has handed out already is worked off. Raises ReplayNotFound."""
    await replay(scope, id_)
    async with scope.tx() as tx:
        if await store.update_cancelled(tx, scope.tenant_id, id_, scope.now):
            tx.emit(ReplayCancelled(subject=id_))
    return await replay(scope, id_)


async def carry_on(scope: Scope, id_: str) -> None:  # house: silent - a step of what was announced
    """Hand out one second's worth, a few at a time, and come back for the next.

    Nothing is handed out while what was handed out before still waits, so that live deliveries of the same handler
    stand behind a few of these and not behind all.
    """
    each_second = scope.part(Settings).replays_per_second
    pieces = min(_PIECES, each_second)
    lent = await planning.lent(scope)
    for piece in range(pieces):
        if piece:
            await scope.clock.sleep(_PAUSE.total_seconds() / pieces)
        few = each_second * (piece + 1) // pieces - each_second * piece // pieces
        share = _Piece(few, max(1, _LOOKED // pieces), piece == 0, piece == pieces - 1 or _is_stopping(scope))
        if not await _hand_out(scope, id_, lent, share):
            return


def _is_stopping(scope: Scope) -> bool:
    return scope.engine.queue.stopping.is_set()


class _Piece(NamedTuple):
    """How many are handed out at one go, of how many that are looked at."""

    few: int
    looked: int
    #: The first of a second sees whether what went before is worked off, the last comes back for more.
    first: bool
    last: bool


async def _hand_out(scope: Scope, id_: str, lent: Mapping[str, planning.Expressions], piece: _Piece) -> bool:
    """Hand out a piece; whether the next one may follow."""
    limit = scope.part(Settings).replays_per_second
    async with scope.tx() as tx:
        found = await store.replay(tx, scope.tenant_id, id_, locked=True)
        if found is None or found["state"] != "running":
            return False
        if piece.first and await tasks.untried(tx, scope.tenant_id, found["place"], 2 * limit) >= limit:
            await _later(scope, tx, REPLAY, id_, _PAUSE)
            return False
        step = await _step(scope, tx, found, piece)
        wakes = await _begun(scope, tx, step.rows, lent) if step.rows else []
        state, done_at = ("running", None) if step.more else ("done", scope.now)
        await store.update_replay(tx, scope.tenant_id, id_, step.place, len(step.rows), state, done_at)
        for job, key in wakes:
            await _later(scope, tx, job, key)
        if step.more and piece.last:
            await _later(scope, tx, REPLAY, id_, _PAUSE / _PIECES)
    return step.more and not piece.last


async def _begun(
    scope: Scope, tx: Tx, rows: Sequence[Mapping[str, Any]], lent: Mapping[str, planning.Expressions]
) -> list[tuple[str, str]]:
    """Hand these out: what had nowhere to go to the router, all else to its handlers; whom to wake for that."""
    lost = [row["id"] for row in rows if row["state"] == State.UNROUTED]
    wakes = [(ROUTE, source_id) for source_id in await plans.unroute(tx, scope.tenant_id, lost)] if lost else []
    found = [
        {name: value for name, value in row.items() if name != "state"}
        for row in rows
        if row["state"] != State.UNROUTED
    ]
    if found:
        keys = await planning.again(scope, tx, found, lent, replayed=True)
        wakes += [(waking.job(scope.tenant_id, key), key) for key in keys]
    return wakes


class _Step(NamedTuple):
    rows: Sequence[Mapping[str, Any]]
    place: str
    more: bool


async def _step(scope: Scope, tx: Tx, found: Mapping[str, Any], piece: _Piece) -> _Step:
    """The next deliveries, of a stretch that is looked at in one go; how far that reached, and whether it goes on."""
    wanted, place, end = _filters(found["filters"]), str(found["place"]), str(found["last"])
    last, more = await store.stretch(tx, scope.tenant_id, wanted, place, piece.looked)
    if last is None or place >= end:
        return _Step((), place, more=False)
    reached = min(last, end)
    rows = await store.replayable(tx, scope.tenant_id, wanted, (place, reached), piece.few)
    if len(rows) == piece.few:
        return _Step(rows, str(rows[-1]["id"]), more=True)
    return _Step(rows, reached, more=more and reached < end)


async def _later(scope: Scope, tx: Tx, job: str, key: str, after: timedelta | None = None) -> None:
    """Wake a job behind everything that is not a replay."""
    await scope.engine.queue.enqueue(tx, job, key, tenant_id=scope.tenant_id, after=after, lane=_LANE)


async def missing(system: System, tx: Tx) -> Sequence[Wake]:  # noqa: ARG001 - the reconciler's own form
    """The wake-ups of replays that run."""
    return [Wake(REPLAY, id_, tenant_id, lane=_LANE) for tenant_id, id_ in await store.running(tx, _MOST)]


def _text(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value


def _filters(kept: Mapping[str, Any]) -> Filters:
    times = {name: datetime.fromisoformat(kept[name]) for name in ("since", "until")}
    return Filters(**{name: times.get(name, value) for name, value in kept.items() if name != _EXACT})
