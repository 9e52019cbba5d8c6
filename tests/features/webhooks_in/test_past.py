"""What a delivery costs does not depend on how many came before it: the pages that its statements touch stay the same.

Pages and not seconds, so that it holds on any machine; `bench/webhooks_accept_full.py` has the seconds.
"""

import json
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from bench.hooks import past
from tests.given import webhooks_in as given
from tests.given.webhooks_in import World
from tests.house_database import Copy

from isthmus.engine.db import Database, connect
from isthmus.features.webhooks_in.store import planning, tasks, working
from isthmus.kit import ids

TEN = "ten_one"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(database: Database) -> World:
    return given.world(database)


async def came(world: World) -> tuple[str, str]:
    """A source with one delivery that is not routed; the ids of both."""
    seen, token = await world.source(TEN)
    assert (await world.push(TEN, seen, token, b"{}", x_github_delivery=ids.new("dlv"))).status == 200
    rows = await world.rows("select id, source_id from webhook_inbox order by received_at desc limit 1")
    return seen.source.id, str(rows[0]["id"])


async def pages(world: World, source_id: str, delivery_id: str) -> dict[str, int]:
    """The pages that each statement on a delivery's way touches, once it was planned and the caches are warm."""
    now = world.system.now
    asked: dict[str, tuple[str, tuple[object, ...]]] = {
        "what is not routed": (working._ROUTABLE, (source_id, TEN, 200, delivery_id)),
        "what it says": (planning._TOLD, (TEN, [delivery_id])),
        "what is due": (tasks._DUE, (now, now, 500)),
        "what a worker takes": (
            tasks._CLAIM,
            (TEN, f"{source_id}/none", now, now + timedelta(minutes=1), 100, "waiting"),
        ),
        "how far it is": (tasks._OF, (TEN, delivery_id)),
    }
    found = {}
    async with world.system.tx() as tx:
        for name, (statement, values) in asked.items():
            explain = f"explain (analyze, buffers, timing off, format json) {statement}"
            await tx.fetch_sql(explain, *values)
            row = (await tx.fetch_sql(explain, *values))[0][0]
            plan: Any = (row if isinstance(row, list) else json.loads(row))[0]["Plan"]
            found[name] = int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])
    return found


@pytest.mark.parametrize("size", [5_000, pytest.param(1_000_000, marks=pytest.mark.proof)])
async def test_a_past_makes_no_delivery_dearer(world: World, copied: Copy, size: int) -> None:
    admin = await connect(copied.admin_url)
    alone = await pages(world, *await came(world))
    await past.fill(world.system, "ten_past", "src_past", size, size // 10)
    await admin.execute("vacuum analyze webhook_inbox, webhook_tasks, webhook_seen", timeout=600)
    beside = await pages(world, *await came(world))
    # an index grows by a level now and then
    assert {name: count for name, count in beside.items() if count > alone[name] * 1.25 + 6} == {}, (alone, beside)
    await admin.execute("truncate webhook_inbox, webhook_tasks, webhook_seen, webhook_steps")
    await admin.close()
