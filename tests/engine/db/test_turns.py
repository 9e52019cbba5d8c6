"""One tenant has half of the pool at most, and what it asks for too long is ended (security.md RL-12)."""

import asyncio
import os
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from isthmus.engine.db import Database, DatabaseSlow, Tx
from isthmus.engine.db.turns import Turns


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(database_url: str) -> AsyncIterator[Database]:
    made = await Database.connect(database_url, size=4, acquire_timeout=0.2, statement_timeout=0.3, tenant_share=2)
    yield made
    await made.close()


async def test_RL_12_a_tenant_with_much_to_ask_leaves_half_of_the_pool_to_others(shared: Database) -> None:
    freed, full = asyncio.Event(), asyncio.Event()
    inside = 0

    async def heavy() -> None:
        nonlocal inside
        async with shared.tenant("ten_heavy"):
            inside += 1
            if inside == 2:
                full.set()
            await freed.wait()

    crowd = [asyncio.create_task(heavy()) for _ in range(6)]
    await full.wait()
    async with shared.tenant("ten_light") as one, shared.tenant("ten_other") as two, asyncio.timeout(30):
        assert await one.fetch_sql("select 1") == await two.fetch_sql("select 1")
    assert inside == 2
    freed.set()
    done = await asyncio.gather(*crowd, return_exceptions=True)
    assert [one for one in done if one is not None and not isinstance(one, DatabaseSlow)] == []


async def test_RL_12_who_waits_too_long_in_the_tenants_own_line_is_told_and_takes_no_turn(shared: Database) -> None:
    async with shared.tenant("ten_slow"), shared.tenant("ten_slow"):
        with pytest.raises(DatabaseSlow):
            async with shared.tenant("ten_slow"):
                pass
    async with shared.tenant("ten_slow"), shared.tenant("ten_slow") as tx:
        assert await tx.fetch_sql("select 1")


async def test_RL_12_a_query_that_takes_too_long_is_ended(shared: Database) -> None:
    with pytest.raises(DatabaseSlow):
        async with shared.tenant("ten_slow") as tx:
            await tx.fetch_sql("select pg_sleep(20)")
    async with shared.tenant("ten_slow") as tx:
        assert await tx.fetch_sql("select 1")


async def test_turns_go_round_in_order_and_none_is_lost_by_who_goes_away() -> None:
    turns = Turns(1)
    order: list[int] = []
    assert turns.take("ten_a")
    assert not turns.take("ten_a")
    assert turns.take("ten_b")

    async def work(number: int) -> None:
        await turns.wait("ten_a", 5)
        order.append(number)
        turns.leave("ten_a")

    waiting = [asyncio.create_task(work(number)) for number in range(4)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    turns.leave("ten_a")
    waiting[1].cancel()  # its turn came at the same moment
    await asyncio.wait(waiting)
    assert order == [2, 3]
    assert turns.take("ten_a")
    turns.leave("ten_a")
    turns.leave("ten_b")
    assert (turns._open, turns._lines) == ({}, {})


async def test_RL_08_sessions_for_bulk_work_step_back_for_others(database_url: str) -> None:
    made = await Database.connect(database_url, size=2)

    async def nice(tx: Tx) -> int:
        return os.getpriority(os.PRIO_PROCESS, (await tx.fetch_sql("select pg_backend_pid()"))[0][0])

    try:
        async with made.system() as tx:
            before = await nice(tx)
        made.step_back(3)
        async with made.system() as first, made.system() as opened_later:
            assert [await nice(first), await nice(opened_later)] == [min(19, before + 3)] * 2
    finally:
        await made.close()
