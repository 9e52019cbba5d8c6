"""One search over many integrations, some of which are ill."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest_asyncio
from tests.given import passing
from tests.given import records as given
from tests.given.passing import World

from isthmus.engine.db import Database
from isthmus.features import connections, search
from isthmus.features.search.service import indexing

DEADLINE = timedelta(milliseconds=400)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(database: Database) -> AsyncIterator[World]:
    async with passing.world(database, search=search.Settings(deadline=DEADLINE)) as world:
        yield world


@pytest_asyncio.fixture
async def world(made: World) -> AsyncIterator[World]:
    yield made
    await made.clear()


async def _synced(world: World, connection: str, *titles: str, tenant: str = "ten_a") -> None:
    listings = [given.listing(title, title=title) for title in titles]
    await given.write(world.scope(tenant), *listings, origin=given.Origin(connection, "keys"))
    while await indexing.index_once(world.system):
        continue


async def _search(world: World, query: str, tenant: str = "ten_a", **body: Any) -> Any:
    answer = await world.side(tenant)("POST", "/api/integrations/search", {"query": query, **body})
    assert answer.status_code == 200, answer.text
    return answer.json()


def _code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


async def test_live_and_synced_results_are_ranked_together_and_grouped(world: World) -> None:
    keys, connection = await world.connect("ten_a", "one")
    await _synced(world, connection, "Red shirt", "Red shirt with long sleeves")
    finder, _ = await world.connect("ten_a", "two", "finder")
    world.far.shelf["two"] = [{"id": "9", "title": "Red shirt, new"}, {"id": "8", "title": "Blue", "entity": "tickets"}]
    found = await _search(world, "red shirt")
    assert [(hit["title"], hit["source"]) for hit in found["results"]] == [
        ("Red shirt", "index"),
        ("Red shirt, new", "live"),
        ("Red shirt with long sleeves", "index"),
        ("Blue", "live"),
    ]
    assert {name: len(hits) for name, hits in found["byIntegration"].items()} == {keys: 2, finder: 2}
    assert {name: len(hits) for name, hits in found["byEntity"].items()} == {"products": 3, "tickets": 1}
    assert (found["total"], found["hasMore"], found["missed"]) == (4, False, [])
    assert isinstance(found["took"], int)


async def test_a_slow_and_a_failing_one_cost_their_own_results_only_and_are_named(world: World) -> None:
    _, connection = await world.connect("ten_a", "one")
    await _synced(world, connection, "Shirt")
    world.far.shelf["well"] = [{"id": "1", "title": "Shirt"}]
    await world.connect("ten_a", "well", "finder")
    failing, _ = await world.connect("ten_a", "fail", "finder")
    slow, _ = await world.connect("ten_a", "slow", "finder")
    world.far.keys["canary-key-slow"] = "hang-slow"
    found = await _search(world, "shirt")
    assert [hit["source"] for hit in found["results"]] == ["index", "live"] or len(found["results"]) == 2
    missed = {one["integrationId"]: one["code"] for one in found["missed"]}
    assert missed[slow] == "TIMEOUT"
    assert missed.keys() == {slow, failing}
    assert found["took"] >= DEADLINE.total_seconds() * 1000 - 1


async def test_a_connector_that_breaks_costs_its_own_results_only(world: World) -> None:
    await world.connect("ten_a", "well", "finder")
    world.far.shelf["well"] = [{"id": "1", "title": "Shirt"}]
    broken, _ = await world.connect("ten_a", "broken", "finder")
    found = await _search(world, "shirt")
    assert [hit["source"] for hit in found["results"]] == ["live"]
    assert [(one["integrationId"], one["code"]) for one in found["missed"]] == [(broken, "FAILED")]


async def test_RL_08_so_many_far_sides_are_asked_at_a_time_and_the_others_come_after_them(database: Database) -> None:
    names = [f"n{number}" for number in range(5)]
    patient = search.Settings(deadline=timedelta(seconds=30), at_once=2)
    async with passing.world(database, search=patient) as world:
        for name in names:
            world.far.shelf[name] = [{"id": name, "title": f"Shirt {name}"}]
            await world.connect("ten_narrow", name, "finder")
        found = await _search(world, "shirt", "ten_narrow")
        assert (len(found["results"]), found["missed"]) == (5, [])
        await world.clear()
    async with passing.world(database, search=search.Settings(deadline=DEADLINE, at_once=2)) as world:
        for name in names:
            await world.connect("ten_narrow", name, "finder")
            world.far.keys[f"canary-key-{name}"] = f"hang-{name}"
        world.far.seen.clear()
        found = await _search(world, "shirt", "ten_narrow")
        assert [one["code"] for one in found["missed"]] == ["TIMEOUT"] * 5
        assert len([one for one in world.far.seen if one["path"].startswith("/search")]) <= 2
        await world.clear()


async def test_PR_21_what_was_synced_stands_in_for_a_far_side_that_fails_and_says_so(world: World) -> None:
    failing, connection = await world.connect("ten_a", "fail", "finder")
    await _synced(world, connection, "Shirt")
    found = await _search(world, "shirt")
    assert [(hit["source"], hit["integrationId"]) for hit in found["results"]] == [("cache", failing)]
    assert [one["integrationId"] for one in found["missed"]] == [failing]


async def test_IN_02_a_search_of_the_index_ends_with_its_deadline_in_the_database_too(world: World) -> None:
    integration, connection = await world.connect("ten_a", "one")
    await _synced(world, connection, "Shirt")
    async with world.system.tx() as tx:
        await tx.execute_sql("lock table search_documents in access exclusive mode")
        found = await _search(world, "shirt")
        assert [(one["integrationId"], one["code"]) for one in found["missed"]] == [(integration, "TIMEOUT")]
        waiting = "select count(*) as n from pg_locks where not granted and relation = 'search_documents'::regclass"
        async with asyncio.timeout(10):
            while True:
                if not (await tx.fetch_sql(waiting))[0]["n"]:
                    break
                await asyncio.sleep(0.01)


async def test_typing_errors_and_missing_accents_are_forgiven(world: World) -> None:
    _, connection = await world.connect("ten_a", "one")
    await _synced(world, connection, "Áo thun đỏ", "Samsung Galaxy")
    for query, title in (("ao thnu do", "Áo thun đỏ"), ("samsumg", "Samsung Galaxy"), ("galax", "Samsung Galaxy")):
        assert [hit["title"] for hit in (await _search(world, query))["results"]] == [title], query
    assert (await _search(world, "nothing at all"))["results"] == []


async def test_pages_are_stable_whatever_is_synced_in_between(world: World) -> None:
    integration, connection = await world.connect("ten_a", "one")
    await _synced(world, connection, *(f"Shirt {n:02}" for n in range(7)))
    first = await _search(world, "shirt", limit=3)
    assert (len(first["results"]), first["total"], first["hasMore"], first["nextOffset"]) == (3, 7, True, 3)
    await _synced(world, connection, "Shirt")
    second = await _search(world, "shirt", limit=3, cursor=first["nextCursor"])
    third = await _search(world, "shirt", limit=3, cursor=second["nextCursor"])
    titles = [hit["title"] for page in (first, second, third) for hit in page["results"]]
    assert sorted(titles) == [f"Shirt {n:02}" for n in range(7)]
    assert not third["hasMore"]
    side = world.side("ten_a")
    one = f"/api/integrations/{integration}/search?query=shirt&limit=5"
    page = (await side("GET", one)).json()
    assert len(page["results"]) == 5
    rest = (await side("GET", f"{one}&cursor={page['nextCursor']}")).json()
    assert len(rest["results"]) == 3


async def test_SC_02_a_cursor_is_for_its_own_search_and_caller(world: World) -> None:
    _, connection = await world.connect("ten_a", "one")
    await _synced(world, connection, *(f"Shirt {n}" for n in range(5)))
    cursor = (await _search(world, "shirt", limit=2))["nextCursor"]
    path, body = "/api/integrations/search", {"query": "shirt", "limit": 2, "cursor": cursor}
    others = (world.side("ten_b"), world.side("ten_a", "usr_2"))
    for side, change in (*((side, {}) for side in others), (world.side("ten_a"), {"query": "shirts"})):
        assert _code(await side("POST", path, {**body, **change})) == (400, "INVALID_CURSOR")
    assert _code(await world.side("ten_a")("POST", path, {**body, "offset": 2})) == (400, "VALIDATION_ERROR")
    async with world.system.tx() as tx:
        await tx.execute_sql("delete from search_snapshots")
    assert _code(await world.side("ten_a")("POST", path, body)) == (400, "SEARCH_EXPIRED")


async def test_TN_01_nothing_of_another_tenant_is_found_or_named(world: World) -> None:
    integration, connection = await world.connect("ten_a", "one")
    await _synced(world, connection, "Shirt")
    bobs = await _search(world, "shirt", "ten_b", integrations=[integration])
    assert bobs["results"] == []
    assert [(one["integrationName"], one["code"]) for one in bobs["missed"]] == [("", "INTEGRATION_NOT_FOUND")]
    never = await _search(world, "shirt", "ten_b", integrations=["int_0000000000000000000000000"])
    assert never["missed"][0]["code"] == "INTEGRATION_NOT_FOUND"
    answer = await world.side("ten_b")("GET", f"/api/integrations/{integration}/search?query=shirt")
    assert _code(answer) == (404, "INTEGRATION_NOT_FOUND")


async def test_SC_04_what_may_not_pass_an_integration_is_neither_asked_for_nor_shown(world: World) -> None:
    _, connection = await world.connect("ten_a", "one", allowedShardTypes=["ticket"])
    await _synced(world, connection, "Shirt")
    await world.connect("ten_a", "two", "finder", allowedShardTypes=["ticket"])
    world.far.shelf["two"] = [{"id": "1", "title": "Shirt"}, {"id": "2", "title": "Shirt", "entity": "tickets"}]
    assert [hit["entity"] for hit in (await _search(world, "shirt"))["results"]] == ["tickets"]


async def test_filters_narrow_by_entity_type_date_provider_and_what_a_connector_knows(world: World) -> None:
    _, connection = await world.connect("ten_a", "one")
    await _synced(world, connection, "Shirt")
    finder, _ = await world.connect("ten_a", "two", "finder")
    world.far.shelf["two"] = [{"id": "1", "title": "Shirt"}]
    assert (await _search(world, "shirt", entities=["tickets"]))["total"] == 0
    assert (await _search(world, "shirt", filters={"entityTypes": ["product"]}))["total"] == 2
    by_provider = {"customFilters": {"provider": "keys"}}
    assert [hit["provider"] for hit in (await _search(world, "shirt", filters=by_provider))["results"]] == ["keys"]
    red = await _search(world, "shirt", filters={"customFilters": {"colour": "red"}})
    assert [hit["integrationId"] for hit in red["results"]] == [finder]
    assert [one["code"] for one in red["missed"]] == ["FILTER_UNKNOWN"]
    assert "colour=red" in world.far.seen[-1]["path"]


async def test_what_a_far_side_finds_lies_in_the_date_range_or_is_not_shown(world: World) -> None:
    _, connection = await world.connect("ten_a", "two", "finder")
    await _synced(world, connection, "Shirt, synced")
    days = {"1": "2026-01-01T00:00:00Z", "2": "2026-01-31T23:59:59Z", "3": "2026-02-01T00:00:00Z", "4": None}
    world.far.shelf["two"] = [{"id": id_, "title": f"Shirt {id_}", "at": day} for id_, day in days.items()]
    january = {"dateRange": {"start": "2026-01-01T00:00:00Z", "end": "2026-02-01T00:00:00Z"}}
    assert {hit["externalId"] for hit in (await _search(world, "shirt", filters=january))["results"]} == {"1", "2"}
    world.far.shelf["two"] = [{"id": "4", "title": "Shirt 4"}]
    # what bears no date may lie anywhere; what was synced does
    since = {"dateRange": {"start": "2000-01-01T00:00:00Z"}}
    found = await _search(world, "shirt", filters=since)
    assert [(hit["title"], hit["source"]) for hit in found["results"]] == [("Shirt, synced", "index")]
    later = {"dateRange": {"start": "2999-01-01T00:00:00Z"}}
    assert (await _search(world, "shirt", filters=later))["results"] == []


async def test_what_a_far_side_does_not_search_itself_is_found_in_what_was_synced(world: World) -> None:
    _, connection = await world.connect("ten_a", "two", "finder")
    await _synced(world, connection, "Shirt")
    world.far.shelf["two"] = [{"id": "1", "title": "Shirt torn", "entity": "tickets"}]
    found = await _search(world, "shirt")
    assert [(hit["entity"], hit["source"]) for hit in found["results"]] == [("products", "index"), ("tickets", "live")]
    assert found["missed"] == []
    # where it has found something, that counts
    world.far.shelf["two"] = [{"id": "1", "title": "Shirt"}]
    assert [hit["source"] for hit in (await _search(world, "shirt"))["results"]] == ["live"]


async def test_SC_04_a_wall_and_an_end_count_for_later_pages_too(world: World) -> None:
    walled, first = await world.connect("ten_a", "one")
    ended, second = await world.connect("ten_a", "two")
    for connection in (first, second):
        await _synced(world, connection, *(f"Shirt {n} {connection}" for n in range(4)))
    page = await _search(world, "shirt", limit=2)
    side, body = world.side("ten_a"), {"limit": 2, "cursor": page["nextCursor"]}
    assert {hit["integrationId"] for hit in (await _search(world, "shirt", **body))["results"]} == {walled, ended}
    await side("PATCH", f"/api/tenant/integrations/{walled}", {"allowedShardTypes": ["ticket"]})
    assert {hit["integrationId"] for hit in (await _search(world, "shirt", **body))["results"]} == {ended}
    await connections.disconnect(world.scope("ten_a"), second)
    assert (await _search(world, "shirt", **body))["total"] == 0


async def test_a_persons_own_connection_is_searched_for_that_person_alone(world: World) -> None:
    integration, connection = await world.connect("ten_a", "one")
    await _synced(world, connection, "Shirt")
    async with world.system.tx() as tx:
        await tx.execute_sql("update integrations set user_scoped = true")
        owner = world.scope("ten_a").principal.id.replace(":test:", ":isthmus:")
        await tx.execute_sql("update connections set user_id = 'usr_1', owner_id = $1", owner)
    path = f"/api/integrations/{integration}/search?query=shirt"
    hers, his = world.side("ten_a"), world.side("ten_a", "usr_2")
    me = (await hers("POST", "/api/integrations/search", {"query": "shirt"})).json()
    assert (await his("POST", "/api/integrations/search", {"query": "shirt"})).json()["total"] == 0
    none = (await his("GET", path)).json()
    assert (none["total"], [one["code"] for one in none["missed"]]) == (0, ["INTEGRATION_NOT_CONNECTED"])
    assert _code(await his("GET", f"{path}&userId=usr_1")) == (403, "USER_SCOPE_DENIED")
    body = {"query": "shirt", "userId": "usr_1"}
    assert _code(await his("POST", "/api/integrations/search", body)) == (403, "USER_SCOPE_DENIED")
    assert me["total"] == 1
    assert me["total"] == (await hers("GET", f"{path}&userId=usr_1")).json()["total"]


async def test_what_is_wrong_with_a_search_is_said(world: World) -> None:
    integration, _ = await world.connect("ten_a", "one", searchEnabled=False)
    side = world.side("ten_a")
    path = "/api/integrations/search"
    for empty in ("%" * 200, "_", "\\", ":*", "'", "& | !", "\u200b"):  # IN-02
        assert _code(await side("POST", path, {"query": empty})) == (400, "SEARCH_EMPTY")
    for long in ("x" * 201, "%" * 10_000):
        assert _code(await side("POST", path, {"query": long})) == (400, "VALIDATION_ERROR")
    assert _code(await side("POST", path, {"query": "x", "limit": 101})) == (400, "VALIDATION_ERROR")
    backwards = {"dateRange": {"start": "2026-02-01T00:00:00Z", "end": "2026-01-01T00:00:00Z"}}
    assert _code(await side("POST", path, {"query": "x", "filters": backwards})) == (400, "VALIDATION_ERROR")
    naive = {"query": "x", "filters": {"dateRange": {"start": "2026-01-01T00:00:00"}}}
    assert _code(await side("POST", path, naive)) == (400, "VALIDATION_ERROR")
    assert _code(await side("GET", f"/api/integrations/{integration}/search?query=x")) == (409, "SEARCH_DISABLED")
    assert (await _search(world, "x"))["total"] == 0


async def test_RL_11_searches_and_widgets_count_against_limits_of_their_own(world: World) -> None:
    limits = {
        route.path: route.declaration.limit
        for route in world.app.inventory
        if route.declaration is not None and ("search" in route.path or "widgets" in route.path)
    }
    assert {limit for path, limit in limits.items() if "search" in path} == {"search"}
    assert {limit for path, limit in limits.items() if "widgets" in path} == {"widget"}
