"""From what a sync has committed to what a search finds, and the wall around it."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import asyncpg
import psutil
import pytest
import pytest_asyncio
from tests.given import records as given
from tests.house_database import Copy

from isthmus.connect.shapes import ListingStatus
from isthmus.engine.db import Database
from isthmus.features import pushes, records
from isthmus.features.connections.events import IntegrationLimited
from isthmus.features.search import model
from isthmus.features.search.model import Asked
from isthmus.features.search.service import indexing
from isthmus.features.search.store import find as store
from isthmus.features.search.store import index
from isthmus.features.search.store.find import Look
from isthmus.scope import Engine, Scope, System


@pytest_asyncio.fixture
async def engine(database: Database, copied: Copy) -> AsyncIterator[Engine]:
    yield given.engine(database)
    await given.clear(copied)
    async with database.system() as tx:
        await tx.execute_sql("delete from search_documents")
        await tx.execute_sql("delete from search_words")
        await tx.execute_sql("delete from search_builds")


async def _index(engine: Engine) -> None:
    while await indexing.index_once(System(engine)):
        continue


async def _found(scope: Scope, query: str, connection: str = "con_one", **more: Sequence[str]) -> list[asyncpg.Record]:
    asked = Asked(query=query)
    async with scope.tx() as tx:
        look = Look(
            connection,
            model.query_text(model.exactly(asked.words), connection),
            **{k: tuple(v) for k, v in more.items()},
        )
        return await store.find(tx, asked, [look])


async def _titles(scope: Scope, query: str, connection: str = "con_one") -> list[str]:
    return [row["title"] for row in await _found(scope, query, connection)]


async def test_a_committed_listing_is_found_by_title_without_accents_by_sku_and_by_its_own_id(engine: Engine) -> None:
    scope = given.scope(engine)
    shirt = given.variant("v1", "SKU-77", barcode="8934567")
    await given.write(scope, given.listing("ext9", shirt, title="Áo thun đỏ", url="https://shop.example/9"))
    await given.write(scope, given.listing("b", title="Quần dài"))
    await _index(engine)
    for query in ("ao thun", "ÁO THUN ĐỎ", "đỏ", "sku 77", "8934567", "ext9"):
        assert await _titles(scope, query) == ["Áo thun đỏ"], query
    (row,) = await _found(scope, "ao thun do")
    assert (row["score"], row["found"], row["url"]) == (1.0, 1, "https://shop.example/9")
    assert await _titles(scope, "ao quan") == []


async def test_what_changed_is_indexed_behind_values_that_this_process_sends(engine: Engine) -> None:
    lines, stop = pushes.Lines(), asyncio.Event()
    sending = replace(engine, parts={**engine.parts, pushes.Lines: lines})
    scope = given.scope(sending)
    await given.write(scope, given.listing("ext9", title="Áo thun đỏ"))
    assert lines.take((scope.tenant_id, "con_one"))
    running = asyncio.create_task(indexing.run(System(sending), stop))
    await asyncio.sleep(0.1)
    assert await _titles(scope, "ao thun") == []
    lines.leave((scope.tenant_id, "con_one"))
    for _ in range(500):
        if await _titles(scope, "ao thun") == ["Áo thun đỏ"]:
            break
        await asyncio.sleep(0.02)
    else:
        pytest.fail("what changed was not indexed")
    stop.set()
    await running


async def test_a_change_replaces_what_was_found_and_a_deleted_listing_is_found_no_more(engine: Engine) -> None:
    scope = given.scope(engine)
    await given.write(scope, given.listing("a", title="Old name"), given.listing("b", title="Other name"))
    await _index(engine)
    await given.write(scope, given.listing("a", title="New name"))
    await given.write(scope, given.listing("b", title="Other name", status=ListingStatus.DELETED))
    await _index(engine)
    assert await _titles(scope, "old") == []
    assert await _titles(scope, "name") == ["New name"]


async def test_what_came_through_a_connection_goes_with_it(engine: Engine) -> None:
    scope = given.scope(engine)
    await given.write(scope, given.listing("a", title="Here"))
    await given.write(scope, given.listing("a", title="Here too"), origin=given.Origin("con_two"))
    await _index(engine)
    rows = [{"type": "connection.disconnected", "tenant_id": scope.tenant_id, "subject": "con_one"}]
    async with System(engine).tx() as tx:
        await indexing._write(tx, rows)
    assert await _titles(scope, "here") == []
    assert await _titles(scope, "here", "con_two") == ["Here too"]


async def test_a_build_finds_what_was_there_before_and_a_rebuild_makes_it_anew(engine: Engine) -> None:
    scope, system = given.scope(engine), System(engine)
    await given.write(scope, *(given.listing(str(n), title=f"Thing {n}") for n in range(5)))
    counts = [await indexing.build_once(system, 2) for _ in range(8)]
    # one call for each source that has nothing, then nothing is left to do
    assert (counts[:3], counts[-1]) == ([2, 2, 1], 0)
    assert len(await _titles(scope, "thing")) == 5
    async with system.tx() as tx:
        await tx.execute_sql("update search_documents set title = 'wrong', version = 0")
    await indexing.rebuild(system)
    while await indexing.build_once(system):
        continue
    assert sorted(await _titles(scope, "thing")) == [f"Thing {n}" for n in range(5)]


async def test_TN_14_another_tenant_finds_nothing_even_by_the_connections_own_id(engine: Engine) -> None:
    amy, bob = given.scope(engine), given.scope(engine, "ten_two")
    await given.write(amy, given.listing("a", title="Secret shirt"))
    await _index(engine)
    assert await _titles(amy, "secret") == ["Secret shirt"]
    assert await _titles(bob, "secret") == []
    async with bob.tx() as tx:
        assert await store.near(tx, ["secret"]) == {}


async def test_SC_03_answers_and_scores_are_equal_whatever_others_have(engine: Engine) -> None:
    amy, bob = given.scope(engine), given.scope(engine, "ten_two")
    await given.write(amy, *(given.listing(str(n), title=f"Red shirt {n}") for n in range(30)))
    await _index(engine)
    async with amy.tx() as tx:
        near = await store.near(tx, ["shrit"])
    before = [tuple(row) for row in await _found(amy, "red shirt")]
    many = [given.listing(str(n), title=f"Red shirt shrit {n}") for n in range(300)]
    await given.write(bob, *many, origin=given.Origin("con_one"))
    await _index(engine)
    assert [tuple(row) for row in await _found(amy, "red shirt")] == before
    async with amy.tx() as tx:
        assert await store.near(tx, ["shrit"]) == near == {"shrit": ["shirt"]}


@pytest.mark.proof
async def test_SC_03_answers_and_scores_are_equal_beside_a_hundred_thousand_of_another_tenant(engine: Engine) -> None:
    amy = given.scope(engine)
    await given.write(amy, *(given.listing(str(n), title=f"Red shirt {n}") for n in range(30)))
    await _index(engine)

    async def asked() -> object:
        async with amy.tx() as tx:
            near = await store.near(tx, ["shrit", "rde", "shi"])
        exact, loose = await _found(amy, "red shirt"), model.loosely(["shrit"], near)
        async with amy.tx() as tx:
            misspelt = await store.find(tx, Asked(query="shrit"), [Look("con_one", model.query_text(loose, "con_one"))])
        return near, [tuple(row) for row in exact], [tuple(row) for row in misspelt]

    before = await asked()
    at = datetime(2026, 1, 1, tzinfo=UTC)
    row: dict[str, object] = {
        "connection_id": "con_one",
        "provider": "shelf",
        "entity": "products",
        "shard_type": "product",
    }
    row |= {"extra": "", "snippet": "", "url": None, "updated_at": at, "version": 1}
    for start in range(0, 100_000, 2_000):
        made = [
            model.document(
                {**row, "id": f"lst_{n:09}", "external_id": str(n), "title": f"Red shirt shrit red {n % 997}"}
            )
            for n in range(start, start + 2_000)
        ]
        async with System(engine).tx() as tx:
            await index.write(tx, "ten_two", made)
    assert await asked() == before


async def test_SC_04_types_of_records_that_may_not_pass_are_not_found(engine: Engine) -> None:
    scope = given.scope(engine)
    await given.write(scope, given.listing("a", title="Shirt"))
    await _index(engine)
    assert len(await _found(scope, "shirt", types=["product"], entities=["products"])) == 1
    assert await _found(scope, "shirt", types=["order"]) == []
    assert await _found(scope, "shirt", entities=["orders"]) == []


async def test_IN_02_signs_of_the_query_language_are_words_or_nothing(engine: Engine) -> None:
    scope = given.scope(engine)
    await given.write(scope, given.listing("a", title="100% cotton_shirt"))
    await _index(engine)
    for query in ("100%", "cotton_", "cotton:*", "'cotton' | 'zzz'", "(cotton & !shirt)", "cotton\\"):
        asked = Asked(query=query)
        expected = ["100% cotton_shirt"] if "zzz" not in query else []
        assert await _titles(scope, query) == expected, asked.words


@pytest.mark.parametrize("sign", ["%", "_", "\\", ":*", "&", "|", "!", "'", "<->", "%%%%", "$$", "--", "/*"])
async def test_IN_02_signs_alone_ask_for_nothing_however_many_they_are(engine: Engine, sign: str) -> None:
    scope = given.scope(engine)
    await given.write(scope, given.listing("a", title="100% cotton_shirt"))
    await _index(engine)
    for query in (sign, sign * (200 // len(sign)), (f"{sign} " * 100)[:200], sign * (10_240 // len(sign))):
        assert await _titles(scope, query) == []
        async with scope.tx() as tx:
            assert await store.near(tx, Asked(query=query).words) == {}
        assert await _titles(scope, f"cotton{sign}") == ["100% cotton_shirt"]


async def test_a_misspelt_word_is_known_by_its_neighbours(engine: Engine) -> None:
    scope = given.scope(engine)
    await given.write(scope, given.listing("a", title="Samsung Galaxy phone"))
    await _index(engine)
    asked = ["samsumg", "gaalxy", "sams", "xylophone"]
    async with scope.tx() as tx:
        near = await store.near(tx, asked)
    assert model.loosely(asked, near) == [["samsung"], ["galaxy"], ["samsung"]]


async def test_a_common_word_is_ranked_over_a_thousand_candidates_at_most(engine: Engine) -> None:
    scope = given.scope(engine)
    await given.write(scope, *(given.listing(str(n), title=f"Common {n}") for n in range(1_200)))
    await _index(engine)
    rows = await _found(scope, "common")
    assert (len(rows), rows[0]["found"]) == (store.DEEPEST, store.CANDIDATES)


_LISTS = {"connections": "array['con_one']", "queries": "array['a']", "entities": "array['']", "types": "array['']"}
_VALUES = {
    "phrase": "'a'::text",
    "since": "null::timestamptz",
    "until": "null::timestamptz",
    "candidates": "1000",
    "most": "10",
}


async def test_TN_14_the_plan_of_a_search_goes_through_its_own_index_without_any_statistics(
    engine: Engine, copied: Copy
) -> None:
    scope = given.scope(engine)
    await given.write(scope, given.listing("a", title="Shirt"))
    await _index(engine)
    owner = await asyncpg.connect(copied.owner_url)
    (row,) = await owner.fetch("select prosrc, proconfig from pg_proc where proname = 'search_find'")
    body = row["prosrc"].replace(", ".join(_LISTS), ", ".join(_LISTS.values()))
    for name, value in _VALUES.items():
        body = re.sub(rf"\b{name}\b", value, body)
    async with owner.transaction():
        await owner.execute("set local isthmus.tenant = 'ten_one'")
        for setting in row["proconfig"]:
            await owner.execute(f"set local {setting}")
        plan = " ".join(line[0] for line in await owner.fetch(f"explain {body}"))
    await owner.close()
    assert "Bitmap Index Scan on search_documents_lexemes" in plan
    assert "search_documents_pkey" not in plan


@pytest.mark.proof
async def test_TN_14_a_search_among_a_hundred_thousand_of_ones_own_costs_under_a_millisecond(
    engine: Engine, copied: Copy
) -> None:
    """Processor time of PostgreSQL, beside as many rows of another tenant that hold the same words."""
    amy, bob = given.scope(engine), given.scope(engine, "ten_two")
    for tenant in ("ten_one", "ten_two"):
        for start in range(0, 100_000, 2_000):
            rows = [_document(f"lst_{tenant[-3:]}{n:06}", f"Shirt {n} of linen") for n in range(start, start + 2_000)]
            async with System(engine).tx() as tx:
                await index.write(tx, tenant, rows)
    admin = await asyncpg.connect(copied.admin_url)
    await admin.execute("vacuum analyze search_documents")
    sessions = "select pid from pg_stat_activity where usename = 'isthmus_service' and datname = current_database()"

    async def spent() -> float:
        """Seconds of processor time of our sessions so far."""
        times = [psutil.Process(row[0]).cpu_times() for row in await admin.fetch(sessions)]
        return float(sum(one.user + one.system for one in times))

    for number in range(20):
        assert await _titles(amy, f"shirt {number}") == [f"Shirt {number} of linen"]
    before = await spent()
    for number in range(1_000):
        assert await _titles(amy, f"linen {number * 97}") == [f"Shirt {number * 97} of linen"]
    each = (await spent() - before) / 1_000
    found = await _found(bob, "linen 97")
    assert [row["id"] for row in found] == ["lst_two000097"], "of the other's not one"
    await admin.close()
    assert 0 < each < 0.001


def _document(id_: str, title: str) -> model.Document:
    row: dict[str, object] = {"connection_id": "con_one", "provider": "shelf", "entity": "products"}
    row |= {"shard_type": "product", "extra": "", "snippet": "", "url": None, "version": 1}
    return model.document(
        {**row, "id": id_, "external_id": id_, "title": title, "updated_at": datetime(2026, 1, 1, tzinfo=UTC)}
    )


async def test_dates_bound_what_is_found(engine: Engine) -> None:
    scope = given.scope(engine)
    at = datetime(2026, 3, 1, tzinfo=UTC)
    await given.write(scope, given.listing("a", title="Shirt", platform_updated_at=at))
    await _index(engine)
    query = model.query_text(model.exactly(["shirt"]), "con_one")
    async with scope.tx() as tx:
        late, early = (
            Asked(query="shirt", since=at.replace(day=2)),
            Asked(query="shirt", since=at, until=at.replace(day=2)),
        )
        assert await store.find(tx, late, [Look("con_one", query)]) == []
        assert len(await store.find(tx, early, [Look("con_one", query)])) == 1


async def test_SC_04_what_may_not_pass_any_more_leaves_the_index_and_comes_back_when_it_may(engine: Engine) -> None:
    scope = given.scope(engine)
    await given.write(scope, given.listing("a", title="Shirt"))
    await _index(engine)
    body = {"connectionIds": ["con_one"], "forbidden": ["product"], "allowedAgain": []}
    async with scope.tx() as tx:
        await records.set_hidden(tx, ["con_one"], ["product"])
        tx.emit(IntegrationLimited(subject="int_one", body=body))
    await _index(engine)
    assert await _titles(scope, "shirt") == []
    await given.write(scope, given.listing("a", title="Shirt again"))
    await _index(engine)
    assert await _titles(scope, "shirt") == []
    async with scope.tx() as tx:
        await records.set_hidden(tx, ["con_one"], [])
        tx.emit(IntegrationLimited(subject="int_one", body={**body, "forbidden": [], "allowedAgain": ["product"]}))
    await _index(engine)
    assert await _titles(scope, "shirt") == ["Shirt again"]
