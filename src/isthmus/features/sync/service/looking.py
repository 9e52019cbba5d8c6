"""What people see of runs: lists, details, errors, status, and news as they come."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from isthmus.features.sync import store
from isthmus.features.sync.errors import RunNotFound
from isthmus.features.sync.model import Run
from isthmus.features.sync.service.besides import Moved, moved
from isthmus.features.sync.service.walls import hides
from isthmus.features.sync.settings import Settings
from isthmus.features.sync.store import RunFilter
from isthmus.kit.errors import Invalid
from isthmus.kit.paging import Ask, Page
from isthmus.scope import Scope, Tx

#: A change is stamped before its transaction commits, so news are looked for a little before the last ones.
_LATE_COMMITS = timedelta(seconds=10)
_NEWS = 500
_NOTHING: Page[Mapping[str, Any]] = Page([])


@dataclass(frozen=True, slots=True)
class Status:
    """How one connection's entity stands: its newest run, and how far it has been read."""

    connection_id: str
    entity: str
    run: Run
    watermark: datetime | None
    completed_at: datetime | None


async def runs(scope: Scope, wanted: RunFilter, ask: Ask) -> Page[Run]:
    """Runs, newest first."""
    async with scope.tx() as tx:
        return await store.runs(tx, wanted, ask)


async def run(scope: Scope, run_id: str) -> Run:
    """One run. Raises RunNotFound."""
    async with scope.tx() as tx:
        found = await store.run(tx, run_id)
    if found is None:
        raise RunNotFound
    return found


async def proofs(scope: Scope, connection_id: str | None) -> Sequence[Run]:
    """The newest full read of each connection and entity that proved the reads before it."""
    async with scope.tx() as tx:
        return await store.proofs(tx, connection_id)


async def errors(scope: Scope, run_id: str, ask: Ask) -> Page[Mapping[str, Any]]:
    """The records that a run could not read. Raises RunNotFound."""
    async with scope.tx() as tx:
        found = await store.run(tx, run_id)
        if found is None:
            raise RunNotFound
        page = await store.errors(tx, run_id, ask)
        hidden = await hides(scope, tx)
    return _NOTHING if await hidden(found.connection_id, found.provider, found.entity) else page


async def changes(scope: Scope, run_id: str, ask: Ask) -> Page[Mapping[str, Any]]:
    """What a rehearsed run would have done. Raises RunNotFound, and Invalid for a cursor of another list."""
    async with scope.tx() as tx:
        found = await store.run(tx, run_id)
        if found is None:
            raise RunNotFound
        try:
            page: Page[Any] = await store.changes(tx, run_id, ask)
        except ValueError as error:
            raise Invalid.field("cursor", "This is not a cursor of this list.") from error
        hidden = await hides(scope, tx)
    return _NOTHING if await hidden(found.connection_id, found.provider, found.entity) else page


async def status(scope: Scope, connection_id: str | None = None) -> Sequence[Status]:
    """The newest run of each connection and entity."""
    async with scope.tx() as tx:
        latest = await store.latest(tx, connection_id)
        marks = {(row["connection_id"], row["entity"]): row for row in await store.watermarks(tx, connection_id)}
    return [_status(run, marks.get((run.connection_id, run.entity))) for run in latest]


def _status(newest: Run, mark: Mapping[str, Any] | None) -> Status:
    watermark, completed = (mark["watermark"], mark["finished_at"]) if mark else (None, None)
    return Status(newest.connection_id, newest.entity, newest, watermark, completed)


async def news(scope: Scope, since: datetime | None) -> AsyncGenerator[Run | Moved]:
    """Every change of the tenant's runs, and of what moves beside them, as it stands after it, for ever.

    From now on, or from `since`. A reader that comes back with the stamp of the last change it saw may see one twice
    and misses none.
    """
    pause = scope.part(Settings).stream_interval.total_seconds()
    told: dict[str, datetime] = {}
    if since is None:
        async with scope.tx() as tx:
            since = await store.clock(tx)
            told = {one.id: one.changed_at for one in (await _changed(scope, tx, since - _LATE_COMMITS))[0]}
    behind = False
    while True:
        async with scope.tx() as tx:
            changed, behind = await _changed(scope, tx, since if behind else since - _LATE_COMMITS)
        for one in changed:
            if told.get(one.id) != one.changed_at:
                told[one.id] = one.changed_at
                yield one
        since = max([since, *(one.changed_at for one in changed)])
        told = {id_: at for id_, at in told.items() if at > since - 2 * _LATE_COMMITS}
        if not behind:
            await scope.clock.sleep(pause)


async def _changed(scope: Scope, tx: Tx, since: datetime) -> tuple[list[Run | Moved], bool]:
    """What changed since then, in order; and whether there is more, behind the last of it."""
    several: list[Sequence[Run | Moved]] = [await store.changed(tx, since, _NEWS), await moved(scope, tx, since, _NEWS)]
    full = [found[-1].changed_at for found in several if len(found) == _NEWS]
    found = sorted((one for some in several for one in some), key=lambda one: one.changed_at)
    return [one for one in found if not full or one.changed_at <= min(full)], bool(full)
