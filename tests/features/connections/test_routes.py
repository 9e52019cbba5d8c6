"""Connections over HTTP, against the emulated platforms on loopback."""

from collections.abc import AsyncIterator

import pytest
from tests.given import connections as given

from isthmus.engine.db import Database
from isthmus.features import connections


@pytest.fixture(scope="module")
async def world(database: Database) -> AsyncIterator[given.World]:
    async with given.world(database, "tiki", "lazada", "shopee") as made:
        yield made


@pytest.fixture(autouse=True)
async def nothing_left(world: given.World) -> AsyncIterator[None]:
    """An account belongs to one tenant: each test finds them free."""
    yield
    await world.clear()


async def test_a_shop_is_connected_by_its_platforms_real_handshake(world: given.World) -> None:
    side = world.side("ten_first")
    started = await world.start(side)
    assert started["status"] == "pending"
    assert started["authorizationUrl"].startswith(f"{given.BASE}/api/integrations/oauth/start?link=")
    back = await side.go(await world.ask(side, started["authorizationUrl"]))
    assert back.headers["location"].startswith(given.RETURN)
    assert given.query(back) == {"status": "connected", "connectionId": started["id"]}
    shown = (await side("GET", f"/api/connections/{started['id']}")).json()
    assert shown["status"] == "connected"
    assert shown["account"]["name"] == world.sandbox.shops["tiki"].sellers[0].name
    tried = (await side("POST", f"/api/connections/{started['id']}/test")).json()
    assert tried["success"] is True
    assert tried["details"]["accountId"] == shown["account"]["id"]
    assert tried["responseTime"] >= 0


async def test_a_session_calls_the_platform_as_the_connected_shop(world: given.World) -> None:
    made = await world.connected("ten_session")
    async with connections.session(world.scope("ten_session"), made) as session:
        answer = await session.client.get("/integration/v2/sellers/me")
    assert answer.status == 200
