"""A worker is killed at every statement of a run, and the run ends as if nothing had happened (PR-08)."""

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from tests.given import dying
from tests.given import records as given_records
from tests.given import sync as given
from tests.given.dying import KILLED, Zygote
from tests.house_database import Copy

from isthmus.engine.db import Database
from isthmus.engine.queue import Reconciler
from isthmus.features import records, sync
from isthmus.features.records import ListingFilter
from isthmus.features.sync import Mode, jobs, service
from isthmus.features.sync.feature import FEATURE
from isthmus.kit.paging import Ask
from isthmus.scope import Scope, System

_BEFORE = {"a": "Áo", "b": "Bóng", "c": "Cốc", "d": "?"}
_AFTER = {"a": "Áo", "b": "Bóng đá", "c": "Cốc", "d": "Dép", "e": "Ếch", "f": "?"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def zygote(copied: Copy) -> AsyncIterator[Zygote]:
    async with dying.zygote("tests.given.sync_killed", copied.url) as carry_out:
        yield carry_out


@dataclass
class Story:
    """A shop that was read once, has changed since, and is now read by workers that die."""

    scope: Scope
    zygote: Zygote
    copied: Copy

    async def told(self, kills: Callable[[], dict[str, Any]], most: int) -> int:
        """Read with up to `most` killed workers and one that lives; how many were killed."""
        await given_records.clear(self.copied)
        first = await sync.start(self.scope, "con_one")
        assert await self.zygote({"titles": _BEFORE, "run": first.id}) == 0
        run = await sync.start(self.scope, "con_one", mode=Mode.FULL)
        killed = 0
        for _ in range(most):
            result = await self.zygote({"titles": _AFTER, "run": run.id, **kills()})
            assert result in {0, KILLED}
            killed += result == KILLED
            await asyncio.sleep(given.SHORT.total_seconds())  # the lease of the dead runs out
        assert await self.zygote({"titles": _AFTER, "run": run.id}) == 0
        await self._as_if_nothing_happened(run.id)
        return killed

    async def _as_if_nothing_happened(self, run_id: str) -> None:
        run = await sync.run(self.scope, run_id)
        counts = (run.state, run.pages, run.records, run.created, run.updated, run.unchanged, run.failed)
        assert counts == ("succeeded", 3, 6, 2, 1, 2, 1)
        page = await records.listings(self.scope, ListingFilter(), Ask(100))
        assert {row["external_id"]: row["title"] for row in page.items} == {
            id_: title for id_, title in _AFTER.items() if title != "?"
        }
        assert len((await service.errors(self.scope, run_id, Ask(100))).items) == 1
        told = await given_records.events(self.scope)
        assert Counter((one["type"], one["body"].get("externalId")) for one in told if "listing" in one["type"]) == {
            ("listing.created", "a"): 1,
            ("listing.created", "b"): 1,
            ("listing.created", "c"): 1,
            ("listing.created", "d"): 1,
            ("listing.created", "e"): 1,
            ("listing.updated", "b"): 1,
        }
        assert Counter(one["type"] for one in told if one["subject"] == run_id) == {
            "sync.requested": 1,
            "sync.started": 1,
            "sync.completed": 1,
        }


@pytest.fixture
def story(database: Database, zygote: Zygote, copied: Copy) -> Story:
    return Story(given.scope(database, {"con_one": given.Shelf()}), zygote, copied)


async def _at_boundaries(story: Story, step: int) -> int:
    """Kill a worker once at each `step`-th boundary until a run has no such boundary any more; the last one tried."""
    boundaries = itertools.count(1, step)
    last = 0

    def kill() -> dict[str, int]:
        nonlocal last
        last = next(boundaries)
        return {"boundary": last}

    while await story.told(kill, 1):
        pass
    return last


async def test_PR_08_killed_once_at_every_fourth_statement_boundary(story: Story) -> None:
    assert await _at_boundaries(story, 4) > 30, "a run of three pages has more statements than that"


@pytest.mark.proof
async def test_PR_08_killed_once_at_each_statement_boundary(story: Story) -> None:
    assert await _at_boundaries(story, 1) > 30


async def test_PR_08_killed_again_and_again_at_random_boundaries(story: Story) -> None:
    for seed in range(4):
        draw = random.Random(seed)
        await story.told(lambda draw=draw: {"boundary": draw.randint(2, 30)}, 4)  # type: ignore[misc] # as above


@pytest.mark.proof
async def test_PR_08_killed_at_random_moments_two_hundred_times(story: Story) -> None:
    killed = 0
    for seed in range(200):
        draw = random.Random(seed)
        killed += await story.told(lambda draw=draw: {"after": draw.uniform(0.005, 0.12)}, 3)  # type: ignore[misc]
    assert killed > 100


async def _until_succeeded(scope: Scope, *runs: str) -> AsyncIterator[None]:
    """Turns until all these runs have succeeded."""
    while {(await sync.run(scope, one)).state for one in runs} != {"succeeded"}:
        yield


async def test_the_queue_carries_a_run_and_lost_wake_ups_and_dead_workers_are_healed(
    database: Database, copied: Copy
) -> None:
    await given_records.clear(copied)
    scope = given.scope(database, {"con_one": given.shelf(5), "con_two": given.shelf(3), "con_three": given.shelf(3)})
    system, queue = System(scope.engine), scope.engine.queue
    lost = await sync.start(scope, "con_two")
    async with system.tx() as tx:
        await queue.cancel(tx, lost.id)
        await tx.execute_sql("update sync_runs set changed_at = now() - interval '1 minute'")
    orphan = await sync.start(scope, "con_three")
    async with system.tx() as tx:
        await queue.cancel(tx, orphan.id)
        dead = "update sync_runs set state = 'running', owner = 'wrk_dead', lease_until = now(), changed_at = $1"
        await tx.execute_sql(dead + " where id = $2", system.now - timedelta(minutes=1), orphan.id)
    run = await sync.start(scope, "con_one")
    queue.handler(service.JOB)(lambda wake: jobs.run(system.scope(wake.tenant_id, "sync"), wake.key))
    stop = asyncio.Event()
    [look] = FEATURE.reconcile
    reconciler = Reconciler(database, queue, [lambda tx: look(system, tx)], every=0.2)
    working = [asyncio.create_task(queue.run(stop)), asyncio.create_task(reconciler.run(stop))]
    try:
        async with asyncio.timeout(60):
            async for _ in _until_succeeded(scope, run.id, lost.id, orphan.id):
                await asyncio.sleep(0.05)
                await FEATURE.periodic["sync.stalled"][1](system)
    finally:
        stop.set()
        await asyncio.gather(*working)
