"""Durable work: wake-ups live and die with their transaction, come back after failures, and survive their worker."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import asyncpg
import pytest
from tests.house_database import Copy

from isthmus.engine.db import Database, Tx
from isthmus.engine.queue import Pace, PgQueue, Postponed, Reconciler, Wake, addressed

QUICK = Pace(
    batch=10,
    concurrency=20,
    poll=timedelta(milliseconds=100),
    heartbeat=timedelta(seconds=1),
    first_retry=timedelta(milliseconds=50),
    grace=0.3,
)


@asynccontextmanager
async def working(queue: PgQueue) -> AsyncIterator[asyncio.Event]:
    stop = asyncio.Event()
    task = asyncio.create_task(queue.run(stop))
    try:
        yield stop
    finally:
        stop.set()
        await asyncio.wait_for(task, 5)


async def until(condition: "asyncio.Event", seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        await condition.wait()


@pytest.fixture(autouse=True)
async def empty(copied: Copy) -> None:
    admin = await asyncpg.connect(copied.admin_url)
    await admin.execute("truncate queue.pgqueuer, queue.pgqueuer_log")
    await admin.close()


async def test_a_wake_up_comes_only_with_its_commit_and_tells_tenant_and_key(database: Database) -> None:
    queue = PgQueue(database, pace=QUICK)
    got: list[Wake] = []
    done = asyncio.Event()

    @queue.handler("visit")
    async def visit(wake: Wake) -> None:
        got.append(wake)
        done.set()

    async with working(queue):
        with pytest.raises(LookupError):
            async with database.tenant("ten_q") as tx:
                await queue.enqueue(tx, "visit", "obj_undone", tenant_id="ten_q")
                raise LookupError
        async with database.tenant("ten_q") as tx:
            await queue.enqueue(tx, "visit", "obj_1", tenant_id="ten_q")
        await until(done)
    assert [(wake.job, wake.key, wake.tenant_id, wake.attempt) for wake in got] == [("visit", "obj_1", "ten_q", 0)]
    async with database.system() as tx:
        assert await queue.stats(tx) == []


async def test_a_worker_that_heeds_late_is_still_told_long_before_it_would_look_by_itself(database: Database) -> None:
    queue = PgQueue(database, pace=replace(QUICK, poll=timedelta(hours=1), heed=timedelta(milliseconds=20)))
    got: list[str] = []
    done = asyncio.Event()

    @queue.handler("visit")
    async def visit(wake: Wake) -> None:
        got.append(wake.key)
        if len(got) == 3:
            done.set()

    async with working(queue):
        for key in ("obj_1", "obj_2", "obj_3"):
            async with database.tenant("ten_q") as tx:
                await queue.enqueue(tx, "visit", key, tenant_id="ten_q")
        await until(done)
    assert sorted(got) == ["obj_1", "obj_2", "obj_3"]


async def test_a_tenant_cannot_look_into_the_queue_or_change_it(database: Database) -> None:
    for statement in (
        "select * from queue.pgqueuer",
        "update queue.pgqueuer set priority = 9",
        "delete from queue.pgqueuer",
        "select * from queue.pgqueuer_log",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with database.tenant("ten_q") as tx:
                await tx.execute_sql(statement)


async def test_failures_come_back_later_and_later_and_are_given_up_in_the_end(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    queue = PgQueue(database, pace=replace(QUICK, attempts=3))
    attempts: list[int] = []
    times: list[float] = []
    done = asyncio.Event()
    loop = asyncio.get_running_loop()

    @queue.handler("fail")
    async def fail(wake: Wake) -> None:
        attempts.append(wake.attempt)
        times.append(loop.time())
        if len(attempts) == 3:
            done.set()
        raise LookupError("hidden detail")

    async with working(queue):
        async with database.tenant("ten_q") as tx:
            await queue.enqueue(tx, "fail", "obj_1", tenant_id="ten_q")
        await until(done)
        await asyncio.sleep(0.2)
    assert attempts == [0, 1, 2]
    assert times[1] - times[0] >= 0.05
    assert times[2] - times[1] >= 0.1
    assert "is parked" in caplog.text
    async with database.system() as tx:
        assert [(depth.queued, depth.running, depth.parked) for depth in await queue.stats(tx)] == [(0, 0, 1)]
        logged = await tx.fetch_sql("select traceback::text as t from queue.pgqueuer_log where traceback is not null")
    assert all("hidden detail" not in row["t"] for row in logged)


async def test_postponed_and_delayed_wake_ups_wait(database: Database) -> None:
    queue = PgQueue(database, pace=QUICK)
    loop = asyncio.get_running_loop()
    times: list[float] = []
    done = asyncio.Event()

    @queue.handler("later")
    async def later(wake: Wake) -> None:
        assert wake.attempt == 0
        times.append(loop.time())
        if len(times) == 1:
            raise Postponed(timedelta(milliseconds=150))
        done.set()

    async with working(queue):
        start = loop.time()
        async with database.tenant("ten_q") as tx:
            await queue.enqueue(tx, "later", "a", tenant_id="ten_q", after=timedelta(milliseconds=120))
        await until(done)
    assert times[0] - start >= 0.12
    assert times[1] - times[0] >= 0.15


async def test_a_graceful_stop_lets_work_finish_and_hands_back_what_takes_too_long(database: Database) -> None:
    queue = PgQueue(database, pace=QUICK)
    finished: list[str] = []
    started = asyncio.Event()

    @queue.handler("work")
    async def work(wake: Wake) -> None:
        if wake.key == "long":
            started.set()
        await asyncio.sleep(0.1 if wake.key == "short" else 30)
        finished.append(wake.key)

    async with working(queue):
        async with database.tenant("ten_q") as tx:
            await queue.enqueue(tx, "work", "short", tenant_id="ten_q")
            await queue.enqueue(tx, "work", "long", tenant_id="ten_q")
        await until(started)
    assert finished == ["short"]
    async with database.system() as tx:
        (depth,) = await queue.stats(tx)
    assert (depth.queued, depth.running) == (1, 0)


async def test_cancel_forgets_what_waits_for_one_object(database: Database) -> None:
    queue = PgQueue(database)
    async with database.tenant("ten_q") as tx:
        for key in ("a", "a", "b"):
            await queue.enqueue(tx, "never", key, tenant_id="ten_q")
    async with database.system() as tx:
        assert await queue.cancel(tx, "a") == 2
        assert [depth.queued for depth in await queue.stats(tx)] == [1]


async def test_the_reconciler_wakes_what_was_lost_and_repeats_nothing_that_waits(database: Database) -> None:
    queue = PgQueue(database)
    wakes = [Wake("heal", key, "ten_q") for key in ("a", "b")]

    async def look(tx: Tx) -> list[Wake]:
        return wakes

    async def broken(tx: Tx) -> list[Wake]:
        raise LookupError

    reconciler = Reconciler(database, queue, [broken, look])
    assert await reconciler.round() == 2
    assert await reconciler.round() == 0
    async with database.system() as tx:
        assert await queue.cancel(tx, "a") == 1
    assert await reconciler.round() == 1
    async with database.system() as tx:
        await tx.fetch_sql("select pg_advisory_xact_lock(359923714)")
        await queue.cancel(tx, "b")
        assert await reconciler.round() == 0


async def test_what_is_due_is_woken_although_a_wake_up_for_a_later_time_waits(database: Database) -> None:
    queue = PgQueue(database)
    due = [Wake("heal", "a", "ten_q", due=True)]
    async with database.tenant("ten_q") as tx:
        await queue.enqueue(tx, "heal", "a", tenant_id="ten_q", after=timedelta(minutes=15))
    async with database.system() as tx:
        assert await queue.enqueue_missing(tx, due) == 1
    async with database.system() as tx:
        assert await queue.enqueue_missing(tx, due) == 0


async def test_what_has_failed_is_not_woken_before_its_time_although_it_is_due(database: Database) -> None:
    queue = PgQueue(database, pace=replace(QUICK, first_retry=timedelta(minutes=5)))
    met = asyncio.Event()

    @queue.handler("broken")
    async def broken(wake: Wake) -> None:
        met.set()
        raise LookupError(wake.key)

    async with database.tenant("ten_q") as tx:
        await queue.enqueue(tx, "broken", "a", tenant_id="ten_q")
    async with working(queue):
        await until(met)
    async with database.system() as tx:
        assert await queue.enqueue_missing(tx, [Wake("broken", "a", "ten_q", due=True)]) == 0


async def test_all_looks_of_a_round_share_one_transaction(copied: Copy) -> None:
    opened = 0
    looked: list[int | None] = []

    @contextlib.contextmanager
    def note() -> Iterator[None]:
        nonlocal opened
        opened += 1
        yield

    async def look(tx: Tx) -> list[Wake]:
        looked.append((await tx.fetch_sql("select pg_current_xact_id_if_assigned() as x"))[0]["x"])
        return []

    database = await Database.connect(copied.url, on_open=note)
    assert await Reconciler(database, PgQueue(database), [look] * 5).round() == 0
    await database.close()
    assert (opened, looked) == (1, [None] * 5), "and it writes nothing, so that no reader of the log waits for it"


async def test_the_worker_reconnects_when_its_session_is_cut(copied: Copy, database: Database) -> None:
    queue = PgQueue(database, pace=QUICK)
    done = asyncio.Event()

    @queue.handler("after")
    async def after(wake: Wake) -> None:
        done.set()

    async with working(queue):
        await asyncio.sleep(0.2)
        admin = await asyncpg.connect(copied.admin_url)
        await admin.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where query ~ 'queue.pgqueuer' and datname = $1 and pid <> pg_backend_pid()",
            copied.name,
        )
        await admin.close()
        async with database.tenant("ten_q") as tx:
            await queue.enqueue(tx, "after", "a", tenant_id="ten_q")
        await until(done)


_WORKER = """
import asyncio, sys
from datetime import timedelta
from isthmus.engine.db import Database
from isthmus.engine.queue import Pace, PgQueue

async def main():
    database = await Database.connect(sys.argv[1])
    queue = PgQueue(database, pace=Pace(batch=10, concurrency=20, heartbeat=timedelta(seconds=1)))

    @queue.handler("fragile")
    async def fragile(wake):
        print("started", flush=True)
        await asyncio.sleep(60)

    await queue.run(asyncio.Event())

asyncio.run(main())
"""


async def test_work_of_a_killed_process_is_taken_over(copied: Copy, database: Database) -> None:
    worker = await asyncio.create_subprocess_exec(sys.executable, "-c", _WORKER, copied.url, stdout=subprocess.PIPE)
    assert worker.stdout is not None
    async with database.tenant("ten_q") as tx:
        await PgQueue(database).enqueue(tx, "fragile", "obj_1", tenant_id="ten_q")
    assert await asyncio.wait_for(worker.stdout.readline(), 10) == b"started\n"
    os.kill(worker.pid, signal.SIGKILL)
    await worker.wait()
    queue = PgQueue(database, pace=QUICK)
    done = asyncio.Event()

    @queue.handler("fragile")
    async def fragile(wake: Wake) -> None:
        done.set()

    async with working(queue):
        await until(done, 10)


async def test_whether_some_jobs_are_due_is_seen_without_taking_them(database: Database) -> None:
    queue = PgQueue(database, pace=QUICK)

    async def is_due(*jobs: str) -> bool:
        async with database.system() as tx:
            return await queue.is_due(tx, jobs)

    async with database.system() as tx:
        await queue.enqueue(tx, "import", "one", tenant_id="ten_a", after=timedelta(hours=1))
        await queue.enqueue(tx, "short", "two", tenant_id="ten_a")
    assert (await is_due("import"), await is_due("import", "short"), await is_due()) == (False, True, False)
    async with database.system() as tx:
        await queue.enqueue(tx, "import", "three", tenant_id="ten_a")
    assert await is_due("import")


async def test_a_wake_up_with_an_address_waits_for_a_process_that_takes_it_from_any_time_on(database: Database) -> None:
    here, there = PgQueue(database, pace=QUICK), PgQueue(database, pace=QUICK)
    got: list[tuple[str, str]] = []
    plain, mine, again = asyncio.Event(), asyncio.Event(), asyncio.Event()

    def handle(name: str, *events: asyncio.Event) -> Callable[[Wake], Awaitable[None]]:
        async def call(wake: Wake) -> None:
            got.append((name, wake.key))
            next(event for event in events if not event.is_set()).set()

        return call

    here.handler("call")(handle("here", mine, again))
    there.handler("call")(handle("there", plain))
    there.take("call", "another")
    job = addressed("call", "ten_q/mine")
    async with database.system() as tx:
        await here.enqueue(tx, job, "a", tenant_id="ten_q")
        await here.enqueue(tx, "call", "b", tenant_id="ten_q", after=timedelta(milliseconds=1))
    async with working(there):
        await until(plain)
        async with working(here):
            here.take("call", "ten_q/mine")
            await until(mine)
            here.take("call", "ten_q/mine", wanted=False)
            async with database.system() as tx:
                await here.enqueue(tx, job, "c", tenant_id="ten_q")
                (depth,) = [one for one in await here.stats(tx) if one.job == "call"]
                assert depth.queued == 1
            here.take("call", "ten_q/mine")
            await until(again)
    assert got == [("there", "b"), ("here", "a"), ("here", "c")]
    async with database.system() as tx:
        await here.enqueue(tx, job, "d", tenant_id="ten_q")
        assert await here.forget(tx, addressed("call", "ten_q/other")) == 0
        assert await here.forget(tx, job) == 1


async def test_RL_06_what_counts_its_deaths_itself_does_so_at_an_address_too(database: Database) -> None:
    queue, done = PgQueue(database, pace=QUICK), asyncio.Event()

    @queue.handler("call", counts_deaths=True)
    async def call(_: Wake) -> None:
        done.set()

    queue.take("call", "ten_q/mine")
    async with database.system() as tx:
        await queue.enqueue(tx, addressed("call", "ten_q/mine"), "a", tenant_id="ten_q")
        await tx.execute_sql(
            "update queue.pgqueuer set status = 'picked', deaths = 2, heartbeat = now() - interval '1 hour', "
            "queue_manager_id = gen_random_uuid()"
        )
    async with working(queue):
        await until(done)
    async with database.system() as tx:
        assert await queue.parked(tx) == []
