"""Workers that end parts of one push at the same moment, and whoever crosses them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

import pytest_asyncio
from tests.given import records as given_records
from tests.given.pushes import Given, given_pushes
from tests.given.waiting import waiting
from tests.house_database import Copy

from isthmus.connect.abilities import EditField
from isthmus.connect.edits import Edit, Outcome
from isthmus.engine.db import Database, DatabaseCrossed
from isthmus.features import pushes, sync
from isthmus.features.pushes.model.edits import ItemState
from isthmus.features.pushes.service import reading
from isthmus.features.pushes.store import pushes as store
from isthmus.features.pushes.store.pushes import Closed
from isthmus.kit.paging import Ask


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


async def test_a_round_that_crosses_another_writer_is_written_down_all_the_same(at: Given, database: Database) -> None:
    """The calls were made: nobody else knows how they went."""
    ids = await at.stock(given_records.listing("p1"))
    push_id = await at.want(ids["p1"], EditField.STOCK, 77)
    held, sent = asyncio.Event(), asyncio.Event()

    async def cross() -> None:
        # Whoever looks first when both wait is taken back: mostly the round, this one where the machine stood still.
        with contextlib.suppress(DatabaseCrossed):
            await crossed()

    async def crossed() -> None:
        async with database.tenant("ten_one") as tx:
            await tx.execute_sql("update edits set requested_by = 'somebody' where tenant_id = 'ten_one'")
            held.set()
            await sent.wait()
            await _done_or_blocked(database, work)
            await sync.lock(tx, "con_one", "products")  # what the round holds, while it waits for what we hold

    write = at.far.write

    async def written(batch: Sequence[Edit]) -> Sequence[Outcome]:
        other = asyncio.create_task(cross())
        crossing.append(other)
        await held.wait()
        told = await write(batch)
        sent.set()
        return told

    crossing: list[asyncio.Task[None]] = []
    at.far.write = written  # type: ignore[method-assign] # somebody else comes by while the call is under way
    work = asyncio.create_task(at.work())
    assert await work
    await asyncio.gather(*crossing)
    page = await reading.items(at.scope, push_id, None, Ask(10))
    assert [row["state"] for row in page.items] == ["done"]
    assert await at.edits() == []


async def test_two_that_want_the_same_values_in_another_order_do_not_cross(at: Given, database: Database) -> None:
    ids = await at.stock(*(given_records.listing(f"p{number}") for number in range(2)))
    first = min(ids.values())
    wants = [pushes.Want(id_, EditField.STOCK, 5) for id_ in sorted(ids.values())]
    await pushes.want(at.scope, wants)
    async with database.system() as tx:
        await tx.fetch_sql("select id from edits where listing_id = $1 for update", first)
        one = asyncio.create_task(pushes.want(at.scope, wants))
        await waiting(database, 1)
        other = asyncio.create_task(pushes.want(at.scope, wants[::-1]))
        await waiting(database, 2)
    await asyncio.gather(one, other)
    assert [edit["version"] for edit in await at.edits()] == [3, 3]
