"""Old runs are forgotten with their errors; the newest of each kind stays."""

from datetime import timedelta

from tests.features.sync.test_service import _read, base
from tests.given import sync as given

from isthmus.engine.db import Database
from isthmus.features import sync
from isthmus.features.sync import Mode
from isthmus.features.sync.service import pruning
from isthmus.kit.paging import Ask
from isthmus.scope import System

__all__ = ["base"]


async def test_runs_older_than_the_settings_keep_them_go_but_the_newest(base: Database) -> None:
    scope = given.scope(base, {"con_one": given.shelf(3)})
    runs = [(await _read(scope, Mode.FULL)).id for _ in range(3)]
    system = System(scope.engine, scope.clock)
    await pruning.prune(system)
    assert len((await sync.runs(scope, sync.RunFilter(), Ask(10))).items) == 3
    async with system.tx() as tx:
        await tx.execute_sql("update sync_runs set changed_at = $1", scope.now - timedelta(days=91))
    await pruning.prune(system)
    assert [run.id for run in (await sync.runs(scope, sync.RunFilter(), Ask(10))).items] == runs[-1:]
