"""Processes hear of one another and share what a tenant may have (security.md RL-05)."""

import asyncio

from isthmus.engine.db import Database
from isthmus.engine.presence import Presence

_HEARD = "update processes set since = since - interval '1 hour'"
_SILENT = "update processes set seen_at = seen_at - interval '1 hour' where id = $1"


async def _do(database: Database, statement: str, *values: object) -> None:
    async with database.system() as tx:
        await tx.execute_sql(statement, *values)


async def test_RL_05_processes_share_a_bound_and_one_that_has_just_come_has_little_until_it_was_heard_of(
    database: Database,
) -> None:
    first, second = Presence(database, every=60.0), Presence(database, every=60.0)
    assert first.share(10) == 10, "a command is alone"
    await first.beat()
    assert first.share(10) == 10
    await second.beat()
    assert (first.share(80), second.share(80), second.share(1)) == (80, 10, 1)
    await _do(database, _HEARD)
    await first.beat()
    await second.beat()
    assert (first.share(10), second.share(10), second.share(1)) == (5, 5, 1)
    await _do(database, _SILENT, second._id)
    await first.beat()
    assert first.share(10) == 10
    await _do(database, "delete from processes")


async def test_RL_05_what_processes_count_by_themselves_is_shown_over_all_of_them(database: Database) -> None:
    here, there = Presence(database, every=60.0), Presence(database, every=60.0)
    here.tell("streams", lambda: {"ten_a": 2})
    there.tell("streams", lambda: {"ten_a": 5, "ten_b": 1})
    await there.beat()
    assert (await here.fullest("streams", "ten_a"), await here.total("streams", "ten_a")) == (5, 7)
    assert (await here.fullest("streams", "ten_b"), await here.total("streams", "ten_c")) == (1, 0)
    assert await there.total("streams", "ten_a") == 5, "of one that has said nothing, nothing is known"
    await _do(database, _SILENT, there._id)
    assert await here.total("streams", "ten_a") == 2
    await _do(database, "delete from processes")


async def test_a_process_that_ends_is_gone_at_once(database: Database) -> None:
    ending, staying = Presence(database, every=60.0), Presence(database, every=60.0)
    stop = asyncio.Event()
    running = [asyncio.create_task(ending.run(stop)) for _ in range(2)]
    async with asyncio.timeout(10):
        while True:
            await staying.beat()
            if staying.share(80) < 80:
                break
            await asyncio.sleep(0.01)
    stop.set()
    await asyncio.gather(*running)
    await staying.beat()
    assert staying.share(10) == 10
    await _do(database, "delete from processes")
