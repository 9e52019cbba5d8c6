"""Records that a full read no longer found. Absence proves nothing: each is asked for by id, many wait for a person.

A read that ended early suspects nothing. Where a platform cannot be asked for one record, a person decides.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from isthmus.client import ClientError
from isthmus.connect.keeping import Alive
from isthmus.engine.queue import Postponed
from isthmus.features.sync import store
from isthmus.features.sync.errors import RunNotFound
from isthmus.features.sync.events import DeletionsDecided, DeletionsWait, DriftFound
from isthmus.features.sync.model import Run, State, after_fault, event_body, too_many
from isthmus.features.sync.service import entities
from isthmus.features.sync.service.entities import Keeper
from isthmus.features.sync.service.faults import fault_of
from isthmus.features.sync.service.refreshing import REFRESH, Origin, key_of
from isthmus.features.sync.service.sources import Source, sources
from isthmus.features.sync.service.tally import Tally
from isthmus.features.sync.service.walls import hides
from isthmus.features.sync.settings import Settings
from isthmus.features.sync.store import Suspect
from isthmus.kit import ids
from isthmus.kit.chance import draw
from isthmus.kit.errors import Problem
from isthmus.kit.paging import Ask, Page
from isthmus.scope import Scope

ABSENT = "sync.absent"
_BATCH = 2_000
_ASKED_AT_ONCE = 50


async def compare(scope: Scope, run_id: str) -> None:
    """Find what the run did not meet, and ask the platform about each. Raises Postponed while it cannot be asked."""
    async with scope.tx() as tx:
        run = await store.run(tx, run_id)
    if run is None:
        return
    keeper = entities.entity(run.entity).keeper
    if keeper.alive is None or keeper.bury is None:
        return
    if run.state == State.SUCCEEDED:
        await _suspect(scope, run, keeper)
    else:
        async with scope.tx() as tx:
            await store.drop_seen(tx, run.id)
    await _confirm(scope, run, keeper)
    await _tell(scope, run)


async def _tell(scope: Scope, before: Run) -> None:
    """Say what was found to be missing since the run was last looked at."""
    async with scope.tx() as tx:
        run = await store.run(tx, before.id)
        if run is not None and run.drift_missing > before.drift_missing:
            tx.emit(DriftFound(subject=run.id, body=event_body(run)))


async def _suspect(scope: Scope, run: Run, keeper: Keeper) -> None:
    met = await _met(scope, run)
    if not met:
        return
    known, missing = 0, list[Alive]()
    async for one in _alive(scope, run, keeper):
        known += 1
        if hash(one.external_id) not in met:
            missing.append(one)
    wait = too_many(len(missing), known, scope.part(Settings))
    fresh = sorted(ids.many(len(missing), scope.clock)) if missing else []
    rows = [(f"sus_{id_}", one.external_id, one.id) for id_, one in zip(fresh, missing, strict=True)]
    async with scope.tx() as tx:
        await store.drop_seen(tx, run.id)
        if rows:
            await store.suspect(tx, run, rows, "waiting" if wait else "open", scope.now)
        if wait:
            tx.emit(DeletionsWait(subject=run.id, body={**event_body(run), "suspects": len(rows)}))


async def _met(scope: Scope, run: Run) -> set[int]:
    """What the run has met, by the hash of the ids; what was under suspicion and has been met is cleared."""
    met: set[int] = set()
    page = -1
    while True:
        async with scope.tx() as tx:
            pages = await store.seen(tx, run, page)
            for page, found in pages:  # noqa: B007 - the last page read is where the next question begins
                met.update(map(hash, found))
                await store.found_again(tx, (run.connection_id, run.entity), found, scope.now)
        if not pages:
            return met


async def _alive(scope: Scope, run: Run, keeper: Keeper) -> AsyncIterator[Alive]:
    """Everything that is stored of the connection and not deleted, as of before the run's end."""
    assert keeper.alive is not None  # noqa: S101 - asked before
    after = ""
    while True:
        found = await keeper.alive(scope, run.connection_id, after, _BATCH, run.started_at)
        for one in found:
            yield one
        if len(found) < _BATCH:
            return
        after = found[-1].external_id


async def _confirm(scope: Scope, run: Run, keeper: Keeper) -> None:
    """Ask the platform for each open suspect by its ids."""
    place, after = (run.connection_id, run.entity), ""
    while True:
        async with scope.tx() as tx:
            suspects = await store.open_suspects(tx, place, after, _ASKED_AT_ONCE)
        if not suspects:
            return
        after = suspects[-1].id
        try:
            async with sources(scope).open(scope, *place, Tally(scope.clock)) as source:
                await _ask_all(scope, source, (run, keeper), suspects)
        except Problem:
            return  # the connection cannot be opened; the next full read comes by here again


async def _ask_all(scope: Scope, source: Source, reading: tuple[Run, Keeper], suspects: Sequence[Suspect]) -> None:
    run, keeper = reading
    assert keeper.probes is not None  # noqa: S101 - a store that can bury knows how to ask
    probes = await keeper.probes(scope, [one.record_id for one in suspects])
    for one in suspects:
        try:
            there = await _there(source, probes.get(one.record_id, ()))
        except LookupError:
            await _cannot_tell(scope, run, keeper, one)
        except ClientError as failure:
            retry = after_fault(fault_of(failure), 1, draw(), scope.part(Settings))
            if retry is None:
                return
            raise Postponed(retry.after) from failure
        else:
            await (_found(scope, one, there) if there else _bury(scope, keeper, one))


async def _there(source: Source, probes: Sequence[str]) -> str | None:
    """The first of these ids that the platform still knows."""
    for probe in probes:
        if await source.fetch(probe) is not None:
            return probe
    return None


async def _found(scope: Scope, one: Suspect, probe: str) -> None:  # house: silent - reading it anew tells what changed
    """The list left it out: its present state, which may be another one, is read by its id."""
    place = (one.connection_id, one.entity)
    async with scope.tx() as tx:
        await store.settle_suspects(tx, [one.id], "found", None, scope.now)
        await store.ask(tx, place, {probe: None}, timedelta(0), scope.now)
        await tx.enqueue(REFRESH, key_of(*place))


async def _cannot_tell(scope: Scope, run: Run, keeper: Keeper, one: Suspect) -> None:
    if one.state == "approved":
        await _bury(scope, keeper, one, missing_in=run)
    else:
        await _settle(scope, one, "waiting", "The platform cannot be asked for a single record.")


async def _bury(scope: Scope, keeper: Keeper, one: Suspect, missing_in: Run | None = None) -> None:
    """The record is gone.

    What the platform itself says was deleted is no drift: many tell of no deletion in what they list, and there was
    nothing to miss. `missing_in` is the run that did not find it, where a person alone says so.
    """
    reason = (
        "The platform knows it no more." if missing_in is None else "The platform cannot be asked; a person decided."
    )
    assert keeper.bury is not None  # noqa: S101 - asked before
    async with scope.tx() as tx:
        await store.lock(tx, one.connection_id, one.entity)
        await keeper.bury(tx, scope, Origin(one.connection_id, one.provider), [one.record_id])
        await store.settle_suspects(tx, [one.id], "deleted", reason, scope.now)
        if missing_in is not None:
            await store.count_missing(tx, missing_in.id)


async def _settle(scope: Scope, one: Suspect, state: str, reason: str | None) -> None:  # house: silent - no fact yet
    async with scope.tx() as tx:
        await store.settle_suspects(tx, [one.id], state, reason, scope.now)


async def suspects(
    scope: Scope, ask: Ask, *, connection_id: str | None, state: str | None, run_id: str | None
) -> Page[Mapping[str, Any]]:
    """Records that full reads did not find, newest first."""
    async with scope.tx() as tx:
        found: Page[Any] = await store.suspects(tx, connection_id, state, run_id, ask)
        hidden = await hides(scope, tx)
    shown = [row for row in found.items if not await hidden(row["connection_id"], row["provider"], row["entity"])]
    return replace(found, items=shown)


async def decide(scope: Scope, run_id: str, wanted: Sequence[str] | None, *, approve: bool) -> int:
    """Approve or reject the waiting deletions of a run, all or these; how many. Raises RunNotFound.

    What is approved is asked for by id once more where the platform can be asked.
    """
    state = "approved" if approve else "rejected"
    async with scope.tx() as tx:
        if await store.run(tx, run_id) is None:
            raise RunNotFound
        count = await store.decide_suspects(tx, run_id, wanted, state, scope.principal.id, scope.now)
        if count:
            tx.emit(DeletionsDecided(subject=run_id, body={"decision": state, "count": count}))
        if count and approve:
            await tx.enqueue(ABSENT, run_id)
    return count
