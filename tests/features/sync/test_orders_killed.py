"""A worker is killed at every statement of a run of orders, and the run ends as if nothing had happened (PR-08)."""

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from tests.given import dying
from tests.given import orders as given_orders
from tests.given import records as given_records
from tests.given import sync as given
from tests.given.dying import KILLED, Zygote
from tests.house_database import Copy

from isthmus.engine.db import Database
from isthmus.features import orders, sync
from isthmus.features.orders import OrderFilter
from isthmus.features.sync import Mode, service
from isthmus.kit.paging import Ask
from isthmus.scope import Scope

_BEFORE = {"a": "ready", "b": "ready", "c": "ready", "d": "?"}
_AFTER = {"a": "ready", "b": "sent", "c": "ready", "d": "ready", "e": "TELEPORTED", "f": "?"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def zygote(copied: Copy) -> AsyncIterator[Zygote]:
    async with dying.zygote("tests.given.sync_killed", copied.url) as carry_out:
        yield carry_out


@dataclass
class Story:
    """Orders that were read once, have moved since, and are now read by workers that die."""

    scope: Scope
    zygote: Zygote
    copied: Copy

    async def told(self, kills: Callable[[], dict[str, Any]], most: int) -> int:
        """Read with up to `most` killed workers and one that lives; how many were killed."""
        await given_orders.clear(self.copied)
        await given_records.clear(self.copied)
        first = await sync.start(self.scope, "con_one", entity="orders")
        assert await self.zygote({"titles": _BEFORE, "run": first.id, "entity": "orders"}) == 0
        run = await sync.start(self.scope, "con_one", entity="orders", mode=Mode.FULL)
        killed = 0
        for _ in range(most):
            result = await self.zygote({"titles": _AFTER, "run": run.id, "entity": "orders", **kills()})
            assert result in {0, KILLED}
            killed += result == KILLED
            await asyncio.sleep(given.SHORT.total_seconds())  # the lease of the dead runs out
        assert await self.zygote({"titles": _AFTER, "run": run.id, "entity": "orders"}) == 0
        await self._as_if_nothing_happened(run.id)
        return killed

    async def _as_if_nothing_happened(self, run_id: str) -> None:
        run = await sync.run(self.scope, run_id)
        counts = (run.state, run.pages, run.records, run.created, run.updated, run.unchanged, run.failed)
        assert counts == ("succeeded", 3, 6, 2, 1, 2, 1)
        page = await orders.orders(self.scope, OrderFilter(), Ask(100))
        assert {row["external_id"]: row["platform_status"] for row in page.items} == {
            id_: word for id_, word in _AFTER.items() if word != "?"
        }
        names = [(await orders.order(self.scope, row["id"], personal=True)).personal for row in page.items]
        assert all(one is not None and one.customer is not None for one in names)
        assert len((await service.errors(self.scope, run_id, Ask(100))).items) == 1
        told = await given_records.events(self.scope, "order.")
        once: dict[tuple[str, str | None], int] = {("order.created", id_): 1 for id_ in "abcde"}
        once |= {("order.updated", "b"): 1, ("order.status_changed", "b"): 1, ("order.status_unknown", None): 1}
        assert Counter((one["type"], one["body"].get("externalId")) for one in told) == once
        async with self.scope.tx() as tx:
            lines = await tx.fetch_sql("select count(*) from order_lines")
            buyers = await tx.fetch_sql("select count(*) from customers")
        assert (lines[0][0], buyers[0][0]) == (5, 5)


@pytest.fixture
def story(database: Database, zygote: Zygote, copied: Copy) -> Story:
    return Story(given.scope(database, {"con_one": given.Till()}), zygote, copied)


async def test_PR_08_orders_survive_workers_killed_at_random_boundaries(story: Story) -> None:
    for seed in range(4):
        draw = random.Random(seed)
        await story.told(lambda draw=draw: {"boundary": draw.randint(2, 60)}, 4)  # type: ignore[misc] # see test_jobs


@pytest.mark.proof
async def test_PR_08_orders_survive_a_worker_killed_once_at_each_boundary(story: Story) -> None:
    boundaries = itertools.count(1)
    while await story.told(lambda: {"boundary": next(boundaries)}, 1):
        pass
    assert next(boundaries) > 40


@pytest.mark.proof
async def test_PR_08_orders_survive_two_hundred_seeds(story: Story) -> None:
    killed = 0
    for seed in range(200):
        draw = random.Random(seed)
        killed += await story.told(lambda draw=draw: {"boundary": draw.randint(1, 80)}, 3)  # type: ignore[misc]
    assert killed > 100
