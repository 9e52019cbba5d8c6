"""Widgets over HTTP."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any

import pytest_asyncio
from tests.given import passing
from tests.given.passing import World

from isthmus.engine.db import Database
from isthmus.features import connections, widgets
from isthmus.features.sync.events import SyncCompleted, SyncStarted
from isthmus.features.widgets.feature import FEATURE

FRESH, STALE = timedelta(seconds=30), timedelta(hours=1)
TICKETS = [{"id": str(n), "title": f"Ticket {n}", "state": "new" if n % 2 else "old", "size": n} for n in range(8)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(database: Database) -> AsyncIterator[World]:
    async with passing.world(database, widgets=widgets.Settings(fresh=FRESH, stale=STALE)) as world:
        yield world


@pytest_asyncio.fixture
async def world(made: World) -> AsyncIterator[World]:
    yield made
    await made.clear()


async def _heard(world: World) -> None:
    ((name, (types, function)),) = FEATURE.listens.items()
    while await world.system.engine.bus.deliver(name, types, function):
        continue


async def _ask(world: World, path: str, tenant: str = "ten_a", subject: str = "usr_1", role: str = "user") -> Any:
    return await world.side(tenant, subject, role)("GET", f"/api/tenant/integrations/{path}")


def _code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def _tickets(world: World, account: str, count: int = 8) -> None:
    world.far.shelf[account] = list(TICKETS[:count])


async def test_the_status_is_what_the_integration_comes_to(world: World) -> None:
    integration, connection = await world.connect("ten_a", "shop")
    found = (await _ask(world, f"{integration}/widgets/status")).json()
    assert (found["integrationId"], found["name"], found["status"]) == (integration, "keys shop", "connected")
    assert found["connectionStatus"] == "active"
    assert "error" not in found
    assert found["lastConnectedAt"]
    admin = world.side("ten_a")
    assert (await admin("POST", f"/api/tenant/integrations/{integration}/deactivate")).status_code == 200
    assert (await _ask(world, f"{integration}/widgets/status")).json()["status"] == "disabled"
    await connections.disconnect(world.scope("ten_a"), connection)
    gone = (await _ask(world, f"{integration}/widgets/status")).json()
    assert "connectionStatus" not in gone


async def test_activities_tell_of_connections_tests_and_runs(world: World) -> None:
    integration, connection = await world.connect("ten_a", "shop")
    scope = world.scope("ten_a")
    body: Mapping[str, Any] = {"runId": "run_1", "connectionId": connection, "entity": "products", "records": 0}
    async with scope.tx() as tx:
        tx.emit(SyncStarted(subject="run_1", body=body))
    await _heard(world)
    path = f"{integration}/widgets/activity"
    running = (await _ask(world, path)).json()
    assert [(one["type"], one["status"]) for one in running["activities"]] == [
        ("sync", "running"),
        ("connect", "success"),
    ]
    async with scope.tx() as tx:
        tx.emit(SyncCompleted(subject="run_1", body={**body, "records": 3}))
    await connections.disconnect(scope, connection)
    await _heard(world)
    after = (await _ask(world, f"{path}?limit=2")).json()
    assert (len(after["activities"]), after["total"]) == (2, 3)
    every = (await _ask(world, f"{path}?timeRange=7d")).json()["activities"]
    assert {(one["type"], one["status"]) for one in every} == {
        ("disconnect", "success"), ("sync", "success"), ("connect", "success"),
    }  # fmt: skip
    (run,) = [one for one in every if one["type"] == "sync"]
    assert (run["id"], run["details"]["records"]) == ("run_1", 3)
    assert _code(await _ask(world, f"{path}?timeRange=1y")) == (400, "VALIDATION_ERROR")


async def test_records_are_read_live_with_the_fields_and_filters_that_were_asked_for(world: World) -> None:
    integration, _ = await world.connect("ten_a", "shop")
    _tickets(world, "shop")
    path = f"{integration}/widgets/data?entity=tickets"
    found = (await _ask(world, f"{path}&limit=2")).json()
    assert [one["title"] for one in found["data"]] == ["Ticket 0", "Ticket 1"]
    assert (found["entity"], found["stale"]) == ("tickets", False)
    filtered = (await _ask(world, f'{path}&fields=id&fields=size&filters={{"state":"new","size":{{"gt":2}}}}')).json()
    assert filtered["data"] == [{"id": str(n), "size": n} for n in (3, 5, 7)]
    assert filtered["total"] == 3


async def test_what_was_read_a_moment_ago_is_not_read_again(world: World) -> None:
    integration, _ = await world.connect("ten_a", "shop")
    _tickets(world, "shop", 2)
    path = f"{integration}/widgets/data?entity=tickets"
    for _ in range(3):
        assert (await _ask(world, path)).json()["total"] == 2
    assert _asked(world) == 1
    world.clock.advance(FRESH.total_seconds())
    _tickets(world, "shop", 1)
    assert (await _ask(world, path)).json()["total"] == 1


async def test_PR_21_a_silent_platform_leaves_what_it_said_before_marked_as_stale(world: World) -> None:
    integration, _ = await world.connect("ten_a", "shop")
    path = f"{integration}/widgets/data?entity=tickets"
    world.far.statuses[:] = [500] * 9
    assert _code(await _ask(world, path)) == (502, "PLATFORM_SILENT")
    world.far.statuses.clear()
    _tickets(world, "shop", 2)
    fresh = (await _ask(world, path)).json()
    world.clock.advance(FRESH.total_seconds())
    world.far.statuses[:] = [500] * 9
    stale = (await _ask(world, path)).json()
    assert (stale["data"], stale["fetchedAt"], stale["stale"]) == (fresh["data"], fresh["fetchedAt"], True)
    world.clock.advance(STALE.total_seconds())
    world.far.statuses[:] = [500] * 9
    assert _code(await _ask(world, path)) == (502, "PLATFORM_SILENT")


async def test_PR_21_whoever_waits_for_a_silent_platform_waits_for_it_once(world: World) -> None:
    integration, _ = await world.connect("ten_a", "shop")
    path = f"{integration}/widgets/data?entity=tickets"
    _tickets(world, "shop", 2)
    fresh = (await _ask(world, path)).json()
    world.clock.advance(FRESH.total_seconds())
    world.far.keys["canary-key-shop"] = "hang"
    asking = [asyncio.create_task(_ask(world, path)) for _ in range(4)]
    turns = world.system.engine.part(widgets.Shelf)._turns
    async with asyncio.timeout(60):
        while True:
            if sum(turn.users for turn in turns.values()) == 4 and _asked(world) == 2:
                break
            await asyncio.sleep(0.01)
    world.far.statuses[:] = [400] * 4
    world.far.released.set()
    found = [(await one).json() for one in asking]
    world.far.released.clear()
    assert [(one["data"], one["stale"]) for one in found] == [(fresh["data"], True)] * 4
    assert _asked(world) == 2
    world.far.keys["canary-key-shop"] = "shop"
    world.far.statuses.clear()
    assert (await _ask(world, path)).json()["stale"] is False
    assert turns == {}


def _asked(world: World) -> int:
    return [one["path"] for one in world.far.seen].count("/tickets")


async def test_what_cannot_be_shown_is_said(world: World) -> None:
    integration, connection = await world.connect("ten_a", "shop", allowedShardTypes=["product"])
    data = f"{integration}/widgets/data"
    assert _code(await _ask(world, data)) == (400, "VALIDATION_ERROR")
    assert _code(await _ask(world, f"{data}?entity=nothing")) == (400, "VALIDATION_ERROR")
    assert _code(await _ask(world, f"{data}?entity=products&fields=nothing")) == (400, "VALIDATION_ERROR")
    assert _code(await _ask(world, f"{data}?entity=products&filters=[]")) == (400, "VALIDATION_ERROR")
    assert _code(await _ask(world, f"{data}?entity=tickets")) == (403, "SHARD_TYPE_FORBIDDEN")
    await connections.disconnect(world.scope("ten_a"), connection)
    without = await _ask(world, f"{data}?entity=products")
    assert _code(without) == (409, "INTEGRATION_NOT_CONNECTED")
    assert "Nothing can be read" in without.json()["error"]["message"]
    await world.side("ten_a")("POST", f"/api/tenant/integrations/{integration}/deactivate")
    assert _code(await _ask(world, f"{data}?entity=products")) == (409, "INTEGRATION_DISABLED")


async def test_TN_01_nothing_is_shown_to_another_tenant_or_person(world: World) -> None:
    integration, _ = await world.connect("ten_a", "shop")
    _tickets(world, "shop", 2)
    data = f"{integration}/widgets/data?entity=tickets"
    assert (await _ask(world, data)).status_code == 200
    for what in ("status", "activity", "data?entity=tickets"):
        foreign = await _ask(world, f"{integration}/widgets/{what}", "ten_b")
        assert _code(foreign) == (404, "INTEGRATION_NOT_FOUND")
    async with world.system.tx() as tx:
        await tx.execute_sql("update integrations set user_scoped = true")
        await tx.execute_sql("update connections set user_id = 'usr_1', owner_id = 'user:isthmus:usr_1'")
    assert (await _ask(world, data)).json()["total"] == 2
    assert _code(await _ask(world, data, subject="usr_2")) == (409, "INTEGRATION_NOT_CONNECTED")
    assert _code(await _ask(world, f"{data}&userId=usr_1", subject="usr_2")) == (403, "USER_SCOPE_DENIED")
    await _heard(world)
    his = (await _ask(world, f"{integration}/widgets/activity", subject="usr_2")).json()
    assert his == {"activities": [], "total": 0}
    assert (await _ask(world, f"{integration}/widgets/status", subject="usr_2")).json()["status"] == "pending"
