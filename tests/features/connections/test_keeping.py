"""Refresh tokens of idle connections are used before they end; what the platform grants more or less is told."""

from collections.abc import AsyncIterator

import pytest
from tests.given import connections as given
from tests.given.connections import World

from isthmus.engine.db import Database
from isthmus.features import connections
from isthmus.features.connections.model.flow import scopes_changed
from isthmus.features.connections.service import keeping, sessions

DAY = 24 * 3600


@pytest.fixture(scope="module")
async def world(database: Database) -> AsyncIterator[World]:
    async with given.world(database, "tiki") as made:
        yield made


@pytest.fixture(autouse=True)
async def fresh(world: World) -> None:
    await world.clear()


async def _due(world: World) -> list[str]:
    async with world.system.tx() as tx:
        return [wake.key for wake in await keeping.missing(world.system, tx)]


async def _made(world: World, tenant: str, days: float) -> str:
    world.far.refresh_life = int(days * DAY)
    return await world.rotor(tenant, tenant)


async def test_a_refresh_token_that_ends_soon_is_used_once_and_lives_on(world: World) -> None:
    idle, lively = await _made(world, "ten_idle", 3), await _made(world, "ten_lively", 30)
    assert await _due(world) == [idle]
    world.far.refresh_life = 30 * DAY
    scope = world.system.scope("ten_idle", "connections")
    await keeping.keep(scope, idle)
    assert world.far.counts["refresh"] == 1
    assert await _due(world) == []
    await keeping.keep(scope, idle)
    assert world.far.counts["refresh"] == 1
    assert lively not in await _due(world)
    assert await world.events("ten_idle", "connection.expiring") == []


async def test_a_grant_that_ends_whatever_is_done_is_told_once(world: World) -> None:
    made = await _made(world, "ten_fixed", 3)
    scope = world.system.scope("ten_fixed", "connections")
    await keeping.keep(scope, made)
    assert len(await world.events("ten_fixed", "connection.expiring")) == 1
    await keeping.keep(scope, made)
    assert await _due(world) == []
    assert world.far.counts["refresh"] == 1
    assert len(await world.events("ten_fixed", "connection.expiring")) == 1


async def test_a_platform_that_is_down_is_asked_again_in_an_hour(world: World) -> None:
    made = await _made(world, "ten_down", 3)
    world.far.mode = "down"
    await keeping.keep(world.system.scope("ten_down", "connections"), made)
    assert await _due(world) == []
    async with world.system.tx() as tx:
        await tx.execute_sql("update connections set renewed_at = renewed_at - interval '61 minutes'")
    assert await _due(world) == [made]


async def test_a_refused_renewal_marks_the_connection_and_one_without_tokens_is_left_alone(world: World) -> None:
    made = await _made(world, "ten_dead", 3)
    world.far.kill("ten_dead")
    scope = world.system.scope("ten_dead", "connections")
    await keeping.keep(scope, made)
    assert (await connections.connection(scope, made)).status is connections.Status.EXPIRED
    assert await _due(world) == []


async def test_OA_17_what_the_platform_grants_more_or_less_is_told(world: World) -> None:
    world.far.scope = "read write"
    made = await world.rotor("ten_scopes", "ten_scopes")
    scope = world.system.scope("ten_scopes", "connections")
    world.far.scope = ""
    await sessions.renew(scope, made)
    async with world.system.tx() as tx:
        rows = await tx.fetch_sql("select scope from connections where id = $1", made)
    assert rows[0]["scope"] == "read write"
    assert await world.events("ten_scopes", "connection.scopes_changed") == []
    async with sessions.trusted(scope, made) as session:
        await session.client.get("/me")
    world.far.scope = "read stock"
    await sessions.renew(scope, made)
    told = await world.events("ten_scopes", "connection.scopes_changed")
    assert [event["body"] for event in told] == [{"added": ["stock"], "removed": ["write"]}]


def test_scopes_are_compared_as_sets_and_silence_is_no_change() -> None:
    assert scopes_changed(["a", "b"], ["b", "a"]) is None
    assert scopes_changed([], ["a"]) is None
    assert scopes_changed(["a"], []) is None
    assert scopes_changed(["a"], ["a", "b"]) == {"added": ["b"], "removed": []}
