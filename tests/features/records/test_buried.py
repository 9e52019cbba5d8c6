"""Listings that their platforms no longer know, buried in several shops at the same moment."""

import asyncio
from collections.abc import AsyncIterator

import pytest_asyncio
from tests.given import records as given
from tests.house_database import Copy

from isthmus.engine.db import Database
from isthmus.features import records
from isthmus.scope import Scope


@pytest_asyncio.fixture
async def scope(database: Database, copied: Copy) -> AsyncIterator[Scope]:
    yield given.scope(given.engine(database))
    await given.clear(copied)


async def _done_or_blocked(database: Database, other: asyncio.Task[int]) -> None:
    while not other.done():
        async with database.system() as tx:
            if (await tx.fetch_sql("select count(*) as many from pg_locks where not granted"))[0]["many"]:
                return
        await asyncio.sleep(0.01)


async def test_a_product_whose_last_listings_are_buried_at_the_same_moment_is_deleted(
    scope: Scope, database: Database
) -> None:
    async with scope.tx() as tx:
        items = [records.item(one, b"raw", b"hash") for one in (given.listing("p1"), given.listing("p2"))]
        await records.write_listings(tx, scope, given.Origin(), items)
        rows = await tx.fetch_sql("select id, product_id from listings order by external_id")
        await tx.execute_sql("update listings set product_id = $1", rows[0]["product_id"])
        await tx.execute_sql("delete from products where id = $1", rows[1]["product_id"])

    async def bury(id_: str) -> int:
        async with scope.tx() as tx:
            return await records.bury_listings(tx, scope, given.Origin(), [id_])

    async with scope.tx() as tx:
        assert await records.bury_listings(tx, scope, given.Origin(), [rows[0]["id"]]) == 1
        other = asyncio.create_task(bury(rows[1]["id"]))
        await _done_or_blocked(database, other)
    assert await other == 1
    async with scope.tx() as tx:
        products = await tx.fetch_sql("select status from products")
    assert [one["status"] for one in products] == ["deleted"]
