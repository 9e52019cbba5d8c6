"""Every kind of record is found by what may be read of it."""

from collections.abc import AsyncIterator

import pytest_asyncio
from tests.given import orders as given
from tests.given import records as shelf
from tests.house_database import Copy

from isthmus.connect.record import Record
from isthmus.engine.db import Database
from isthmus.features import records
from isthmus.features.search import model
from isthmus.features.search.model import Asked
from isthmus.features.search.service import indexing
from isthmus.features.search.store import find as store
from isthmus.features.search.store.find import Look
from isthmus.scope import Engine, Scope, System


@pytest_asyncio.fixture
async def engine(database: Database, copied: Copy) -> AsyncIterator[Engine]:
    yield given.engine(database)
    await given.clear(copied)
    async with database.system() as tx:
        await tx.execute_sql("delete from search_documents")
        await tx.execute_sql("delete from search_builds")


async def _found(scope: Scope, query: str) -> list[tuple[str, str]]:
    asked = Asked(query=query)
    async with scope.tx() as tx:
        rows = await store.find(tx, asked, [Look("con_one", model.query_text(model.exactly(asked.words), "con_one"))])
    return [(row["entity"], row["title"]) for row in rows]


async def _index(engine: Engine) -> None:
    while await indexing.index_once(System(engine)):
        continue


async def test_an_order_is_found_by_number_article_and_title_and_by_nothing_personal(engine: Engine) -> None:
    scope = given.scope(engine)
    await given.write(scope, given.order("SO-77", given.line("l1")))
    await _index(engine)
    for query in ("so 77", "SKU-l1", "ao thun"):
        assert await _found(scope, query) == [("orders", "SO-77")], query
    for personal in ("Nguyen", "Duong", "0900000012", "9001"):
        assert await _found(scope, personal) == [], personal


async def test_orders_of_a_build_are_those_of_the_log(engine: Engine) -> None:
    scope = given.scope(engine)
    await given.write(scope, *(given.order(f"SO-{n}") for n in range(5)))
    while await indexing.build_once(System(engine), 2):
        continue
    assert len(await _found(scope, "so")) == 5


async def test_a_record_of_another_kind_is_found_by_its_fields_and_gone_with_it(engine: Engine) -> None:
    scope = given.scope(engine)
    made = Record("7", "Printer on fire", body={"state": "urgent"}, entity="tickets", shard_type="ticket")
    kind = records.Kind("tickets", "ticket")
    async with scope.tx() as tx:
        await records.write_records(tx, scope, shelf.Origin(), kind, [records.record_item(made)])
    await _index(engine)
    assert await _found(scope, "fire urgent") == [("tickets", "Printer on fire")]
    gone = Record("7", deleted=True, entity="tickets", shard_type="ticket")
    async with scope.tx() as tx:
        await records.write_records(tx, scope, shelf.Origin(), kind, [records.record_item(gone)])
    await _index(engine)
    assert await _found(scope, "fire") == []
