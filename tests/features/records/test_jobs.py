"""What other rooms' events cause in the canonical store."""

from collections.abc import AsyncIterator

import pytest_asyncio
from tests.given import records as given
from tests.house_database import Copy

from isthmus.engine.db import Database
from isthmus.features import records
from isthmus.features.records import ListingFilter, jobs
from isthmus.kit.paging import Ask
from isthmus.scope import Scope


@pytest_asyncio.fixture
async def scope(database: Database, copied: Copy) -> AsyncIterator[Scope]:
    yield given.scope(given.engine(database))
    await given.clear(copied)


async def test_a_disconnected_shop_leaves_nothing_and_takes_nothing_of_another(
    scope: Scope, database: Database
) -> None:
    await given.write(scope, given.listing("a"), given.listing("b"))
    kept = (await records.listings(scope, ListingFilter(), Ask(100))).items[0]["connection_id"]
    for subject in ("con_of_another_shop", kept):
        async with database.system() as tx:
            await jobs.disconnected(tx, {"tenant_id": scope.tenant_id, "subject": subject})
        left = (await records.listings(scope, ListingFilter(), Ask(100))).items
        assert len(left) == (2 if subject != kept else 0)
    assert (await records.products(scope, ListingFilter(), Ask(100))).items == []
    async with database.system() as tx:
        await jobs.disconnected(tx, {"tenant_id": scope.tenant_id, "subject": kept})
