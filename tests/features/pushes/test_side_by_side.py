"""Workers that end parts of one push at the same moment, and whoever crosses them."""

import asyncio
from collections.abc import AsyncIterator

import pytest_asyncio
from tests.given import records as given_records
from tests.given.pushes import Given, given_pushes
from tests.house_database import Copy

from isthmus.connect.abilities import EditField
from isthmus.engine.db import Database
from isthmus.features import pushes
from isthmus.features.pushes.model.edits import ItemState
from isthmus.features.pushes.service import reading
from isthmus.features.pushes.store import pushes as store
from isthmus.features.pushes.store.pushes import Closed


@pytest_asyncio.fixture
async def at(database: Database, copied: Copy) -> AsyncIterator[Given]:
    yield given_pushes(database)
    await given_records.clear(copied)
    async with database.system() as tx:
        await tx.execute_sql("delete from pushes")


async def _done_or_blocked(base: Database, other: asyncio.Task[object]) -> None:
    waiting = "select count(*) as many from pg_locks where not granted"
    while not other.done():
        async with base.system() as tx:
            if (await tx.fetch_sql(waiting))[0]["many"]:
                return
        await asyncio.sleep(0.01)


async def test_a_push_whose_last_items_end_at_the_same_moment_has_finished(at: Given, database: Database) -> None:
    ids = await at.stock(given_records.listing("p1"), given_records.listing("p2"))
    wants = [pushes.Want(id_, EditField.STOCK, 5) for id_ in ids.values()]
    push_id = await pushes.want(at.scope, wants)
    first, second = [Closed(str(one["id"]), 1, ItemState.DONE) for one in await at.edits()]

    async def close(one: Closed) -> list[str]:
        async with at.scope.tx() as tx:
            return await store.close(tx, [one], at.clock.now())

    async with at.scope.tx() as tx:
        assert await store.close(tx, [first], at.clock.now()) == []
        other = asyncio.create_task(close(second))
        await _done_or_blocked(database, other)
    assert await other == [push_id]
    assert (await reading.push(at.scope, push_id)).row["finished_at"] is not None
