"""What is heavy goes over connections of its own, whose server processes give way to all others (RL-12)."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import nullcontext

import pytest_asyncio

from isthmus.engine.db import Database, lower_lane


@pytest_asyncio.fixture(loop_scope="module")
async def two_lanes(database_url: str) -> AsyncIterator[Database]:
    made = await Database.connect(database_url, size=2, acquire_timeout=5.0, direct=True, tenant_share=2)
    made.have_lower(2, 4)
    yield made
    await made.close()


async def _nice(database: Database, *, heavy: bool) -> int:
    with lower_lane() if heavy else nullcontext():
        async with database.tenant("ten_heavy") as tx:
            [row] = await tx.fetch_sql("select pg_backend_pid() as pid")
    return os.getpriority(os.PRIO_PROCESS, row["pid"])


async def test_RL_12_sessions_of_what_is_heavy_step_back_and_no_others(two_lanes: Database) -> None:
    light = await _nice(two_lanes, heavy=False)
    assert await _nice(two_lanes, heavy=True) == min(19, light + 4)
    assert await _nice(two_lanes, heavy=False) == light


async def test_RL_12_no_connection_beside_is_opened_before_something_heavy_asks(two_lanes: Database) -> None:
    await _nice(two_lanes, heavy=False)
    assert two_lanes.lower is not None
    assert two_lanes.lower.use == (0, 0, 0)


async def test_RL_12_what_is_heavy_leaves_every_connection_of_the_others_free(two_lanes: Database) -> None:
    held, freed = asyncio.Event(), asyncio.Event()

    async def heavy() -> None:
        with lower_lane():
            async with two_lanes.system(), two_lanes.system():
                held.set()
                await freed.wait()

    crowd = asyncio.create_task(heavy())
    await held.wait()
    async with asyncio.timeout(30), two_lanes.system() as one, two_lanes.system() as two:
        assert await one.fetch_sql("select 1") == await two.fetch_sql("select 1")
    assert two_lanes.use[0] == 2
    freed.set()
    await crowd


async def test_the_lane_ends_with_its_block_and_goes_with_what_was_begun_in_it(two_lanes: Database) -> None:
    with lower_lane():
        begun = asyncio.create_task(_nice(two_lanes, heavy=False))
    assert await begun > await _nice(two_lanes, heavy=False)


async def test_RL_12_rows_that_have_come_are_kept_until_others_have_gone_by(two_lanes: Database) -> None:
    asked, came, open_ = list[str](), asyncio.Event(), asyncio.Event()

    async def gate() -> None:
        asked.append("gate")
        came.set()
        await open_.wait()

    async def heavy() -> None:
        with lower_lane(gate):
            async with two_lanes.tenant("ten_heavy") as tx:
                assert await tx.fetch_sql("select 1")
        asked.append("heavy")

    going = asyncio.create_task(heavy())
    await came.wait()
    async with two_lanes.tenant("ten_light") as tx:
        assert await tx.fetch_sql("select 1")
    assert asked == ["gate"]
    open_.set()
    await going
    assert asked == ["gate", "heavy"]
