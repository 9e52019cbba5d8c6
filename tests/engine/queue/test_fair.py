"""Tenants have their turns whatever the others have piled up, and what kills or fails again and again is set aside."""

import asyncio
import json
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import asyncpg
import pytest
from tests.engine.queue.test_queue import QUICK, until, working
from tests.house_database import Copy

from isthmus.engine.db import Database
from isthmus.engine.queue import PgQueue, Wake


@pytest.fixture(autouse=True)
async def empty(copied: Copy) -> None:
    admin = await asyncpg.connect(copied.admin_url)
    await admin.execute("truncate queue.pgqueuer, queue.pgqueuer_log")
    await admin.close()


async def _enqueue(database: Database, queue: PgQueue, tenant: str, *keys: str, job: str = "turn") -> None:
    async with database.system() as tx:
        for key in keys:
            await queue.enqueue(tx, job, key, tenant_id=tenant)


async def _pile(copied: Copy, tenant: str, count: int) -> None:
    admin = await asyncpg.connect(copied.admin_url)
    await admin.execute(
        "insert into queue.pgqueuer (priority, entrypoint, payload, tenant_id, status) "
        "select 0, 'turn', convert_to(json_build_array($1::text, 'big_' || n)::text, 'UTF8'), $1, 'queued' "
        "from generate_series(1, $2::int) n",
        tenant,
        count,
    )
    await admin.close()


async def test_RL_04_ten_thousand_wakes_of_one_tenant_delay_nobody_else(copied: Copy, database: Database) -> None:
    queue = PgQueue(database, pace=replace(QUICK, batch=5, concurrency=10))
    order: list[str] = []
    done = asyncio.Event()

    @queue.handler("turn")
    async def turn(wake: Wake) -> None:
        order.append(wake.tenant_id)
        if Counter(order).keys() >= {f"ten_{n:02}" for n in range(50)}:
            done.set()

    await _pile(copied, "ten_big", 10_000)
    for n in range(50):
        await _enqueue(database, queue, f"ten_{n:02}", "obj_1")
    async with working(queue):
        await until(done, 20)
    first = {tenant: order.index(tenant) for tenant in set(order)}
    assert max(first.values()) < 200
    assert order.count("ten_big") < 200


async def test_RL_04_tenants_with_much_to_do_get_equal_shares(copied: Copy, database: Database) -> None:
    queue = PgQueue(database, pace=replace(QUICK, batch=6, concurrency=12))
    order: list[str] = []
    done = asyncio.Event()

    @queue.handler("turn")
    async def turn(wake: Wake) -> None:
        order.append(wake.tenant_id)
        if len(order) >= 120:
            done.set()

    await _pile(copied, "ten_a", 300)
    await _pile(copied, "ten_b", 60)
    await _pile(copied, "ten_c", 60)
    async with working(queue):
        await until(done, 20)
    shares = Counter(order[:90])
    assert max(shares.values()) - min(shares.values()) <= 12


async def test_a_higher_lane_goes_before_the_other_wakes_of_its_tenant(database: Database) -> None:
    queue = PgQueue(database, pace=QUICK)
    order: list[str] = []
    done = asyncio.Event()

    @queue.handler("turn")
    async def turn(wake: Wake) -> None:
        order.append(wake.key)
        if len(order) == 3:
            done.set()

    async with database.system() as tx:
        for key, lane in (("a", 0), ("b", 0), ("urgent", 5)):
            await queue.enqueue(tx, "turn", key, tenant_id="ten_q", lane=lane)
    async with working(queue):
        await until(done)
    assert order == ["urgent", "a", "b"]


_KILLER = """
import asyncio, os, sys
from datetime import timedelta
from isthmus.engine.db import Database
from isthmus.engine.queue import Pace, PgQueue

async def main():
    database = await Database.connect(sys.argv[1])
    pace = Pace(batch=10, concurrency=20, poll=timedelta(milliseconds=50), heartbeat=timedelta(milliseconds=400))
    queue = PgQueue(database, pace=pace)

    @queue.handler("turn")
    async def turn(wake):
        if wake.key == "poison":
            await asyncio.sleep(0.1)
            print("died", flush=True)
            os.abort()
        await asyncio.sleep(0.15 if wake.key == "slow" else 0)
        print(wake.key, flush=True)

    await queue.run(asyncio.Event())

asyncio.run(main())
"""


async def _until_dead(copied: Copy) -> list[str]:
    """What a worker did before the poison killed it."""
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _KILLER, copied.url, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert worker.stdout is not None
    async with asyncio.timeout(60):
        said = (await worker.stdout.read()).decode().split()
        await worker.wait()
    return said


async def test_RL_06_what_kills_its_worker_runs_alone_and_is_parked_after_three_deaths(
    copied: Copy, database: Database
) -> None:
    queue = PgQueue(database, pace=QUICK)
    await _enqueue(database, queue, "ten_a", "slow", "poison")
    first, second, third = [await _until_dead(copied) for _ in range(3)]
    assert [said.count("died") for said in (first, second, third)] == [1, 1, 1]
    assert third[-1] == "died"
    assert "slow" in [*second, *third]
    done, again = asyncio.Event(), asyncio.Event()
    woken: list[str] = []

    @queue.handler("turn")
    async def turn(wake: Wake) -> None:
        woken.append(wake.key)
        {"last": done, "poison": again}.get(wake.key, asyncio.Event()).set()

    async with working(queue):
        async with asyncio.timeout(60):
            while True:
                async with database.system() as tx:
                    parked = await queue.parked(tx)
                if parked:
                    break
                await asyncio.sleep(0.05)
        await _enqueue(database, queue, "ten_a", "poison", "last")
        await until(done)
        assert woken == ["last"]
        async with database.system() as tx:
            assert [(one.job, one.key, one.tenant_id, one.until) for one in parked] == [
                ("turn", "poison", "ten_a", None)
            ]
            assert await queue.enqueue_missing(tx, [Wake("turn", "poison", "ten_a")]) == 0
            assert not await queue.resend(tx, "turn", "poison", tenant_id="ten_other")
            assert await queue.resend(tx, "turn", "poison", tenant_id="ten_a")
        await until(again)
    async with database.system() as tx:
        assert await queue.parked(tx) == []


async def test_RL_06_what_fails_again_and_again_is_left_alone_for_a_while(database: Database) -> None:
    queue = PgQueue(database, pace=replace(QUICK, attempts=2))
    done = asyncio.Event()

    @queue.handler("turn")
    async def turn(wake: Wake) -> None:
        if wake.key == "fine":
            done.set()
            return
        raise LookupError(wake.key)

    async with working(queue):
        await _enqueue(database, queue, "ten_a", "broken")
        async with asyncio.timeout(30):
            while True:
                async with database.system() as tx:
                    parked = await queue.parked(tx)
                if parked:
                    break
                await asyncio.sleep(0.02)
        await _enqueue(database, queue, "ten_a", "fine")
        await until(done)
    assert parked[0].reason == "it failed 2 times, with LookupError in the end"
    assert parked[0].until is not None
    async with database.system() as tx:
        assert await queue.enqueue_missing(tx, [Wake("turn", "broken", "ten_a")]) == 0
        await tx.execute_sql("update queue.pgqueuer set held_until = now() - interval '1 minute'")
        assert await queue.enqueue_missing(tx, [Wake("turn", "broken", "ten_a")]) == 1
        rows = await tx.fetch_sql("select convert_from(payload, 'UTF8') as p, tenant_id as t from queue.pgqueuer")
    assert {(json.loads(row["p"])[0], row["t"]) for row in rows} == {("ten_a", "ten_a")}


async def test_PR_20_looking_for_work_tells_nobody_that_there_is_some(copied: Copy, database: Database) -> None:
    queue = PgQueue(database, pace=QUICK)

    @queue.handler("turn")
    async def turn(wake: Wake) -> None:
        raise AssertionError(wake)

    heard: list[str] = []
    listener = await asyncpg.connect(copied.admin_url)
    try:
        await listener.add_listener("isthmus_queue", lambda *told: heard.append(str(told[-1])))
        async with working(queue):
            await asyncio.sleep(0.2)
            heard.clear()
            await asyncio.sleep(0.5)
        assert [one for one in heard if "table_changed" in one] == []
    finally:
        await listener.close()


async def test_bulk_jobs_leave_places_for_what_is_short_and_go_behind_it(database: Database) -> None:
    queue = PgQueue(database, pace=replace(QUICK, batch=4, concurrency=8, bulk=3))
    started: list[str] = []
    full, done, release = asyncio.Event(), asyncio.Event(), asyncio.Event()

    @queue.handler("import", bulk=True)
    async def import_all(wake: Wake) -> None:
        started.append(wake.key)
        if queue.crowded:
            full.set()
        await release.wait()

    @queue.handler("push")
    async def push(wake: Wake) -> None:
        done.set()

    for n in range(10):
        await _enqueue(database, queue, f"ten_{n}", f"all_{n}", job="import")
    async with working(queue):
        await until(full)
        await _enqueue(database, queue, "ten_z", "stock", job="push")
        await until(done)
        assert len(started) == 3
        release.set()
    assert not queue.crowded


async def test_what_is_short_is_taken_before_bulk_jobs_that_waited_longer(database: Database) -> None:
    queue = PgQueue(database, pace=QUICK)
    order: list[str] = []
    done = asyncio.Event()

    async def note(wake: Wake) -> None:
        order.append(wake.job)
        if len(order) == 5:
            done.set()

    queue.handler("import", bulk=True)(note)
    queue.handler("push")(note)
    for n in range(3):
        await _enqueue(database, queue, "ten_a", f"all_{n}", job="import")
    await _enqueue(database, queue, "ten_b", "stock", job="push")
    await _enqueue(database, queue, "ten_a", "stock", job="push")
    async with working(queue):
        await until(done)
    assert order == ["push", "push", "import", "import", "import"]
