"""Kills, outages, full disks, steps of the clock and crowds: nothing that was emitted is lost."""

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from aiohttp import web
from tests.given import forks
from tests.given import vault as given_vault
from tests.given import webhooks_out as given
from tests.house_database import Copy

from isthmus.engine.db import Database
from isthmus.features.webhooks_out.model import Draft
from isthmus.features.webhooks_out.service import deliveries, endpoints
from isthmus.features.webhooks_out.service.deliveries import DeliveryFilters
from isthmus.kit.paging import Ask
from isthmus.scope import Scope, System

ROOT = Path(__file__).resolve().parents[3]
TENANT = "ten_a"
_LENGTHS = {"lease": 15, "heartbeat": 1, "deadline": 15}


@pytest_asyncio.fixture(autouse=True)
async def clean(copied: Copy) -> AsyncIterator[None]:
    yield
    await given.clear(copied)


async def _until(told: Callable[[], Awaitable[bool]], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while True:
            if await told():
                return
            await asyncio.sleep(0.05)


async def _settled(system: System, count: int, seconds: float = 60) -> None:
    """Until so many deliveries are written down as delivered, and nothing is due."""

    async def told() -> bool:
        async with system.tx() as tx:
            rows = await tx.fetch_sql(
                "select (select count(*) from webhook_due) as due,"
                " (select count(*) from webhook_deliveries where state = 'delivered') as states"
            )
        return (rows[0]["due"], rows[0]["states"]) == (0, count)

    await _until(told, seconds)


async def _some(scope: Scope, url: str, count: int) -> None:
    for number in range(count):
        await endpoints.create(scope, Draft(url=f"{url}/{number}", types=["shelf.filled"]), verify=False)


async def test_killed_after_the_post_and_before_its_completion_it_is_sent_once_more(
    database: Database, copied: Copy
) -> None:
    workers: list[forks.Process] = []

    async def kill_first(_: web.Request) -> web.StreamResponse:
        if len(workers) == 1:
            workers[0].send_signal(signal.SIGKILL)
        return web.Response(status=200)

    async def work() -> None:
        workers.append(await forks.process("-m", "tests.given.webhooks_killed", copied.url, cwd=ROOT))

    async with given.sink(answer=kill_first) as sink, given.process(database) as system:
        scope = given_vault.scope(system, TENANT)
        await _some(scope, sink.url, 1)
        await given.emit(scope, 1)
        await work()
        await sink.wait_for(1, 60)
        await workers[0].wait()
        await work()
        try:
            await sink.wait_for(2, 60)
            await _settled(system, 1)
        finally:
            workers[1].kill()
            await workers[1].wait()
        (row,) = (await deliveries.listing(scope, Ask(10), DeliveryFilters())).items
        assert len((await deliveries.inspect(scope, row["id"])).attempts) == 1
    assert len({head["webhook-id"] for head in sink.heads}) == 1
    assert sink.bodies[0] == sink.bodies[1]


async def test_PR_04_a_worker_that_was_stopped_and_wakes_up_completes_nothing_that_another_has_by_then(
    database: Database, copied: Copy
) -> None:
    workers: list[forks.Process] = []

    async def stop_first(_: web.Request) -> web.StreamResponse:
        if len(sink.bodies) == 1:
            workers[0].send_signal(signal.SIGSTOP)
        return web.Response(status=200)

    async def work() -> None:
        workers.append(await forks.process("-m", "tests.given.webhooks_killed", copied.url, cwd=ROOT))

    async with given.sink(answer=stop_first) as sink, given.process(database) as system:
        scope = given_vault.scope(system, TENANT)
        await _some(scope, sink.url, 1)
        await given.emit(scope, 1)
        try:
            await work()
            await sink.wait_for(1, 60)
            await work()
            await sink.wait_for(2, 60)
            await _settled(system, 1)
            workers[1].kill()
            await workers[1].wait()
            workers[0].send_signal(signal.SIGCONT)
            # It takes part again, and by then has tried to write what it had in hand.
            await given.emit(scope, 2)
            await sink.wait_for(3, 60)
            await _settled(system, 2)
        finally:
            for worker in workers:
                with suppress(ProcessLookupError):
                    worker.kill()
                await worker.wait()
        rows = (await deliveries.listing(scope, Ask(10), DeliveryFilters())).items
        found = {row["id"]: (row["state"], row["attempts"]) for row in rows}
        kept = [len((await deliveries.inspect(scope, id_)).attempts) for id_ in found]
    assert set(found.values()) == {("delivered", 1)}
    assert kept == [1, 1]
    ids = [head["webhook-id"] for head in sink.heads]
    assert ids[0] == ids[1] != ids[2]


async def test_under_a_snapshot_that_is_held_all_the_while_each_arrives_once(database: Database, copied: Copy) -> None:
    holder = await asyncpg.connect(copied.admin_url)
    async with (
        given.sink() as sink,
        given.process(database) as system,
        holder.transaction(isolation="repeatable_read", readonly=True),
    ):
        await holder.fetch("select count(*) from webhook_due")
        scope = given_vault.scope(system, TENANT)
        await _some(scope, sink.url, 1)
        async with given.working(system):
            for round_ in range(3):
                await given.emit(scope, *range(round_ * 100, round_ * 100 + 100))
                await _settled(system, round_ * 100 + 100)
    await holder.close()
    assert len({head["webhook-id"] for head in sink.heads}) == len(sink.heads) == 300


async def test_every_session_is_cut_again_and_again_and_nothing_is_lost(database: Database, copied: Copy) -> None:
    """As a restart of PostgreSQL looks from here."""
    admin = await asyncpg.connect(copied.admin_url)
    async with given.sink() as sink, given.process(database) as system, given.working(system):
        scope = given_vault.scope(system, TENANT)
        await _some(scope, sink.url, 2)
        for round_ in range(3):
            await given.emit(scope, *range(round_ * 40, round_ * 40 + 40))
            await sink.wait_for(round_ * 80 + 10, 20)
            await admin.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and pid <> pg_backend_pid()"
            )
            await asyncio.sleep(0.1)
        await _settled(system, 240)
    await admin.close()
    assert len({(head["webhook-id"], path) for head, path in zip(sink.heads, sink.paths, strict=True)}) == 240


_FULL = """
create function no_space() returns trigger language plpgsql as
  $$ begin raise exception 'could not extend file: No space left on device' using errcode = '53100'; end $$
"""


@asynccontextmanager
async def _full(copied: Copy) -> AsyncIterator[None]:
    """What came of a delivery cannot be written, as on a full disk."""
    admin = await asyncpg.connect(copied.admin_url)
    try:
        await admin.execute(_FULL)
        await admin.execute("create trigger no_space before update on webhook_deliveries execute function no_space()")
        yield
    finally:
        await admin.execute("drop function no_space cascade")
        await admin.close()


async def test_on_a_full_disk_what_was_sent_is_written_once_there_is_room_and_not_sent_twice(
    database: Database, copied: Copy
) -> None:
    async with given.sink() as sink, given.process(database) as system, given.working(system):
        scope = given_vault.scope(system, TENANT)
        await _some(scope, sink.url, 1)
        async with _full(copied):
            await given.emit(scope, *range(20))
            await sink.wait_for(20)
            await asyncio.sleep(0.2)
            assert {one["state"] for one in (await deliveries.listing(scope, Ask(50), DeliveryFilters())).items} == {
                "pending"
            }
        await _settled(system, 20)
    assert len(sink.bodies) == 20


async def test_a_clock_that_steps_ten_minutes_either_way_delays_and_loses_nothing(database: Database) -> None:
    clock = given.Shifted()
    async with given.sink() as sink, given.process(database, clock=clock) as system, given.working(system):
        scope = given_vault.scope(system, TENANT)
        await _some(scope, sink.url, 1)
        for number, minutes in enumerate((0, 10, -10, 0)):
            clock.ahead = timedelta(minutes=minutes)
            await given.emit(scope, *range(number * 5, number * 5 + 5))
            await sink.wait_for(number * 5 + 5, 5)
        await _settled(system, 20)
        signed = [int(head["webhook-timestamp"]) for head in sink.heads]
    assert 500 < signed[5] - signed[0] < 700
    assert 1100 < signed[5] - signed[10] < 1300
    assert len(sink.bodies) == 20


#: As in operation: a machine that is busy for a second loses nothing of its share, and no answer is late.
LONG: Mapping[str, Any] = {name: timedelta(seconds=length) for name, length in _LENGTHS.items()}


async def _to_many(database: Database, count: int) -> None:
    async with given.sink() as sink, given.process(database, **LONG) as system:
        scope = given_vault.scope(system, TENANT)
        await _some(scope, sink.url, count)
        async with given.working(system):
            await given.emit(scope, 1)
            await _settled(system, count, 20.0 + count / 50)
    assert len(set(sink.paths)) == len(sink.paths) == count
    assert len({head["webhook-id"] for head in sink.heads}) == 1


async def test_one_event_reaches_a_hundred_endpoints_once_each(database: Database) -> None:
    await _to_many(database, 100)


@pytest.mark.proof
@pytest.mark.timeout(900)
async def test_one_event_reaches_ten_thousand_endpoints_once_each(database: Database) -> None:
    await _to_many(database, 10_000)


async def _crowd(database: Database, producers: int, consumers: int, events: int) -> None:
    async with given.sink() as sink, given.process(database, **LONG) as one, given.process(database, **LONG) as other:
        scope = given_vault.scope(one, TENANT)
        await _some(scope, sink.url, consumers)

        async def produce(producer: int) -> None:
            for number in range(0, events, 10):
                await given.emit(scope, *range(producer * events + number, producer * events + number + 10))

        async with given.working(one), given.working(other):
            await asyncio.gather(*(produce(producer) for producer in range(producers)))
            wanted = producers * events * consumers
            await _settled(one, wanted, 30.0 + wanted / 200)
    came = Counter(zip(sink.paths, (head["webhook-id"] for head in sink.heads), strict=True))
    assert len(came) == wanted
    assert Counter(path for path, _ in came) == Counter(dict.fromkeys(sink.paths, producers * events))


async def test_four_producers_and_four_consumers_lose_nothing_between_two_workers(database: Database) -> None:
    await _crowd(database, 4, 4, 20)


@pytest.mark.proof
@pytest.mark.timeout(1800)
async def test_twenty_producers_and_twenty_consumers_lose_none_of_two_hundred_each(database: Database) -> None:
    await _crowd(database, 20, 20, 200)
