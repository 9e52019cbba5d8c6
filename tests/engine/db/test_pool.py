"""The pool: never more connections than places, none lent twice, nobody forgotten in the line."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from tests.house_database import Copy

from isthmus.engine.db import Database, DatabaseUnavailable
from isthmus.engine.db import pool as pools
from isthmus.engine.db.pool import Pool


@pytest.fixture
async def pool(copied: Copy) -> AsyncIterator[Pool]:
    async def connect() -> asyncpg.Connection:
        return await asyncpg.connect(copied.url)

    made = Pool(connect, 2, await connect())
    yield made
    made.terminate()


async def test_the_one_used_last_goes_out_first_and_no_more_than_there_are_places(pool: Pool) -> None:
    first, second = await pool.acquire(5), await pool.acquire(5)
    assert pool.take() is None
    with pytest.raises(DatabaseUnavailable):
        await pool.acquire(0.01)
    pool.release(first)
    pool.release(second)
    assert pool.take() is second
    assert pool.take() is first


async def test_who_waits_is_served_in_order_and_who_went_away_loses_nothing(pool: Pool) -> None:
    one, two = await pool.acquire(5), await pool.acquire(5)
    waiting = [asyncio.create_task(pool.acquire(5)) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.sleep(0)
    pool.release(one)
    waiting[1].cancel()  # it has been given the connection and has not run since
    await asyncio.sleep(0)
    assert await waiting[2] is one
    pool.release(two)
    assert pool.take() is two
    assert [task.cancelled() for task in await _ended(waiting)] == [True, True, False]


async def _ended(tasks: list["asyncio.Task[asyncpg.Connection]"]) -> list["asyncio.Task[asyncpg.Connection]"]:
    await asyncio.wait(tasks)
    return tasks


async def test_a_dead_or_dirty_connection_makes_room_for_a_new_one(pool: Pool) -> None:
    dead, dirty = await pool.acquire(5), await pool.acquire(5)
    waiting = asyncio.create_task(pool.acquire(5))
    await asyncio.sleep(0)
    dead.terminate()
    pool.release(dead)
    fresh = await waiting
    await dirty.execute("begin")
    pool.release(dirty)
    assert dirty.is_closed()
    another = await pool.acquire(5)
    assert await fresh.fetchval("select 1") == await another.fetchval("select 1") == 1
    assert len({dead, dirty, fresh, another}) == 4


async def test_a_connection_that_died_at_rest_is_not_lent(pool: Pool) -> None:
    resting = await pool.acquire(5)
    pool.release(resting)
    resting.terminate()
    assert pool.take() is None
    assert await (await pool.acquire(5)).fetchval("select 1") == 1


async def test_a_place_outlives_a_failure_to_connect(copied: Copy) -> None:
    fails = True

    async def connect() -> asyncpg.Connection:
        if fails:
            raise ConnectionRefusedError
        return await asyncpg.connect(copied.url)

    pool = Pool(connect, 1, await asyncpg.connect(copied.url))
    lent = await pool.acquire(5)
    lent.terminate()
    pool.release(lent)
    with pytest.raises(DatabaseUnavailable):
        await pool.acquire(5)
    fails = False
    assert await (await pool.acquire(5)).fetchval("select 1") == 1
    pool.terminate()


async def test_surplus_connections_are_closed_after_a_while(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "_IDLE_SECONDS", 0.05)
    lent = [await pool.acquire(5), await pool.acquire(5)]
    for connection in lent:
        pool.release(connection)
    async with asyncio.timeout(30):
        while not all(connection.is_closed() for connection in lent):
            pool._drop_old()
            await asyncio.sleep(0.02)
    assert await (await pool.acquire(5)).fetchval("select 1") == 1


async def test_closing_waits_for_what_is_lent_and_turns_away_who_comes(pool: Pool) -> None:
    lent, other = await pool.acquire(5), await pool.acquire(5)
    waiting = asyncio.create_task(pool.acquire(5))
    await asyncio.sleep(0)
    closing = asyncio.create_task(pool.close())
    with pytest.raises(DatabaseUnavailable):
        await waiting
    with pytest.raises(DatabaseUnavailable):
        await pool.acquire(5)
    pool.release(other)
    await asyncio.sleep(0)
    assert not closing.done()
    pool.release(lent)
    await asyncio.wait_for(closing, 5)
    assert lent.is_closed()
    assert other.is_closed()


async def test_TN_06_a_transaction_that_has_ended_reaches_no_connection(copied: Copy) -> None:
    database = await Database.connect(copied.url, size=1)
    async with database.tenant("ten_a") as tx:
        assert (await tx.fetch_sql("select 1"))[0][0] == 1
    async with database.tenant("ten_b"):
        with pytest.raises(RuntimeError, match="ended"):
            await tx.fetch_sql("select 1")
    with pytest.raises(LookupError):
        async with database.tenant("ten_a") as failed:
            raise LookupError
    with pytest.raises(RuntimeError, match="ended"):
        await failed.execute_sql("select 1")
    await database.close()
