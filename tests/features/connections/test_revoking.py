"""A platform that does not take the end of a grant is told again, durably, and then it is said."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from tests.given import connections as given
from tests.given.connections import World

from isthmus.engine.db import Database
from isthmus.features.connections.service import revoking


@pytest.fixture(scope="module")
async def world(database: Database) -> AsyncIterator[World]:
    async with given.world(database, "tiki", revoke_deadline=given.seconds(0.5)) as made:
        yield made


@pytest.fixture(autouse=True)
async def fresh(world: World) -> None:
    await world.clear()


async def _ended(world: World, tenant: str) -> str:
    """A connection whose end the platform did not take; the revocation that waits."""
    made = await world.rotor(tenant, tenant)
    world.far.revoke_mode = "broken"
    assert (await world.side(tenant)("DELETE", f"/api/connections/{made}")).status_code == 204
    async with world.system.tx() as tx:
        rows = await tx.fetch_sql("select id from token_revocations where tenant_id = $1", tenant)
    assert len(rows) == 1
    return str(rows[0]["id"])


async def _due(world: World) -> list[str]:
    async with world.system.tx() as tx:
        return [wake.key for wake in await revoking.missing(world.system, tx)]


async def _make_due(world: World) -> None:
    async with world.system.tx() as tx:
        await tx.execute_sql("update token_revocations set due_at = $1", world.system.now - timedelta(seconds=1))


async def test_OA_16_a_failed_revocation_is_told_again_until_the_platform_takes_it(world: World) -> None:
    waiting = await _ended(world, "ten_again")
    scope = world.system.scope("ten_again", "connections")
    assert await _due(world) == []
    await _make_due(world)
    assert await _due(world) == [waiting]
    await revoking.try_again(scope, waiting)
    assert await _due(world) == []
    world.far.revoke_mode = "ok"
    await revoking.try_again(scope, waiting)
    assert world.far.counts["revoke"] == 3
    assert len(await world.events("ten_again", "connection.revoked")) == 1
    await revoking.try_again(scope, waiting)
    assert world.far.counts["revoke"] == 3


async def test_OA_16_after_the_last_attempt_it_is_said_and_the_sealed_tokens_are_destroyed(world: World) -> None:
    waiting = await _ended(world, "ten_last")
    scope = world.system.scope("ten_last", "connections")
    async with world.system.tx() as tx:
        await tx.execute_sql("update token_revocations set attempts = 9")
    await revoking.try_again(scope, waiting)
    told = await world.events("ten_last", "connection.revocation_failed")
    assert [event["body"]["provider"] for event in told] == ["rotor"]
    async with world.system.tx() as tx:
        assert await tx.fetch_sql("select id from token_revocations where tenant_id = 'ten_last'") == []


async def test_VA_09_what_waits_is_sealed_anew_with_its_tenants_key(world: World) -> None:
    waiting = await _ended(world, "ten_sealed")
    scope = world.system.scope("ten_sealed", "connections")
    assert await revoking.reseal(scope, None, 10) is None
    assert await revoking.reseal(scope, None, 1) == waiting
    world.far.revoke_mode = "ok"
    await revoking.try_again(scope, waiting)
    assert len(await world.events("ten_sealed", "connection.revoked")) == 1
