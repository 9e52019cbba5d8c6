"""What a delivery costs does not depend on how many came before it: the pages that its statements touch stay the same.

Pages and not seconds, so that it holds on any machine; `bench/webhooks_accept_full.py` has the seconds.
"""

import asyncio
import contextlib
import json
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from bench.hooks import past
from tests.given import webhooks_in as given
from tests.given.webhooks_in import World
from tests.house_database import Copy

from isthmus.engine.db import Database, Tx, connect
from isthmus.features.webhooks_in.service.marks import Marks
from isthmus.features.webhooks_in.store import intake, planning, tasks, working
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


def written(world: World, source_id: str, delivery_id: str) -> dict[str, tuple[str, tuple[object, ...]]]:
    """The statements that write on a delivery's way, from the first to the last, with their values."""
    now, none = world.system.now, [None]
    fresh = ids.new("inb")
    texts = (
        TEN,
        fresh,
        source_id,
        "github",
        "req_1",
        "",
        "POST",
        "",
        "{}",
        "{}",
        "issues",
        "github.issues",
        "",
        "",
        "",
    )
    task = ([TEN], [delivery_id], ["hdl_x"], ["key"], [1], none, [False])
    ended = ([delivery_id], ["hdl_x"], [1], ["done"], [0], none, none, none, none, [now], [delivery_id])
    return {
        "what is kept": (intake._KEEP, ([fresh.encode()[-16:]], [now], [b"{}"], none, *texts, "", [0], now)),
        "what is to be done": (tasks._ADD, (*task, none, now)),
        "where it goes": (working._ROUTE, ([delivery_id], [TEN], none, ["waiting"], none, TEN, now)),
        "what is taken": (tasks._CLAIM, (TEN, "key", now, now + timedelta(minutes=1), 100, "waiting", "")),
        "how it ended": (tasks._FINISH, (TEN, *ended)),
        "where it stands": (tasks._SETTLE_AND_OPEN, (TEN, [delivery_id], now)),
        "its timeline": (
            working._STEP,
            (TEN, [delivery_id], [ids.new("stp")], ["hdl_x"], ["done"], none, now, none),
        ),
    }


async def pages(world: World, source_id: str, delivery_id: str) -> dict[str, int]:
    """The pages that each statement on a delivery's way touches, once it was planned and the caches are warm."""
    now = world.system.now
    asked: dict[str, tuple[str, tuple[object, ...]]] = {
        "what is not routed": (working._ROUTABLE, (source_id, TEN, 200, delivery_id)),
        "what it says": (planning._TOLD, (TEN, [delivery_id])),
        "what is due": (tasks._DUE, (now, now, 500)),
        "what a worker takes": (
            tasks._CLAIM,
            (TEN, f"{source_id}/none", now, now + timedelta(minutes=1), 100, "waiting", ""),
        ),
        "how far it is": (tasks._OF, (TEN, delivery_id)),
    }
    found: dict[str, int] = {}
    async with world.system.tx() as tx:
        for name, (statement, values) in asked.items():
            await _touched(tx, statement, values)
            found[name] = await _touched(tx, statement, values)
    with contextlib.suppress(_Undone):
        async with world.system.tx() as tx:
            for name, (statement, values) in written(world, source_id, delivery_id).items():
                found[name] = await _touched(tx, statement, values)
            raise _Undone
    return found


class _Undone(Exception):
    """Nothing of it is to stay."""


async def _touched(tx: Tx, statement: str, values: tuple[object, ...]) -> int:
    explain = f"explain (analyze, buffers, timing off, format json) {statement}"
    row = (await tx.fetch_sql(explain, *values))[0][0]
    plan: Any = (row if isinstance(row, list) else json.loads(row))[0]["Plan"]
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


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


_ENDED = """
insert into webhook_tasks (tenant_id, delivery_id, handler, key, priority, lane, gated, state, next_at)
select $1, g.id, 'hdl_x', $3, 100, $5, false, 'waiting', $4 from unnest($2::text[]) as g (id)
"""


async def ended(world: World, key: str, count: int, lane: str | None = None) -> str:
    """So many more tasks of this worker were taken and are done; the last of their deliveries."""
    now, those = world.system.now, [f"inb_{one}" for one in sorted(ids.many(count, world.system.clock))]
    async with world.system.tx() as tx:
        await tx.execute_sql(_ENDED, TEN, those, key, now, lane)
    for state in ("handling", "done"):
        async with world.system.tx() as tx:
            await tx.execute_sql("update webhook_tasks set state = $2 where key = $1 and state <> 'done'", key, state)
    return those[-1]


async def claiming(world: World, key: str, since: str) -> int:
    """The pages that a worker touches that looks for more from a delivery on."""
    now = world.system.now
    async with world.system.tx() as tx:
        values = (TEN, key, now, now + timedelta(minutes=1), 100, "waiting", since)
        await _touched(tx, tasks._CLAIM_ON, values)
        return await _touched(tx, tasks._CLAIM_ON, values)


async def test_what_ended_under_a_held_snapshot_makes_no_claim_from_the_mark_on_dearer(world: World) -> None:
    key, marks = "src_held/hdl_x", Marks()
    async with past.held(world.system):
        costs = []
        for count in (200, 2_000, 2_000):
            last = await ended(world, key, count)
            # what another process makes durable late has an older id
            await asyncio.sleep(0.26)
            marks.took((TEN, key), await ended(world, key, 20), None)
            marks.looked((TEN, key), 0.0, 0.0, fruitful=False)
            since = marks.since((TEN, key), 0.5)
            assert since is not None
            assert since > last
            costs.append(await claiming(world, key, since))
        everything = await claiming(world, key, "")
    # the twenty behind the mark lie on a page each at worst, in two forms
    assert max(costs) <= 2 * 20 + 10, costs
    # and so it would be if all of it were looked at
    assert everything > 4 * max(costs), (everything, costs)


async def test_a_claim_from_the_mark_on_goes_by_the_index_of_its_worker_whatever_is_known_of_times(
    world: World, copied: Copy
) -> None:
    admin = await connect(copied.admin_url)
    await past.fill(world.system, TEN, "src_one", 3_000, 1_500)
    # nothing of it is due: by the times what is due seems to be found at once
    await admin.execute("analyze webhook_tasks")
    now = world.system.now
    values = (TEN, "src_one/hdl_past", now, now + timedelta(minutes=1), 100, "waiting", ids.new("inb"))
    async with world.system.tx() as tx:
        rows = await tx.fetch_sql(f"explain {tasks._CLAIM_ON}", *values)
    plan = " ".join(row[0] for row in rows)
    assert "webhook_tasks_open" in plan
    assert "webhook_tasks_due" not in plan
    await admin.execute("truncate webhook_inbox, webhook_tasks, webhook_seen, webhook_steps")
    await admin.close()
