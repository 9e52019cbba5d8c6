"""A tenant's client id and secret are traded for tokens (RFC 6749 section 4.4), at a server that nobody here wrote."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from tests.given import connections as given
from tests.given import independent
from tests.given.connections import World
from tests.given.independent import ALONE, Independent

from isthmus.client import ReauthorizationRequired
from isthmus.engine.db import Database
from isthmus.features import connections

TENANT, HOME = "ten_traded", "/api/tenant/integrations"


@dataclass
class Place:
    """A deployment, the server, and one tenant's connection."""

    world: World
    server: Independent
    integration: str = ""
    connection: str = ""

    async def connect(self, secret: str) -> httpx2.Response:
        """Bring the client id with this secret."""
        side = self.world.side(TENANT)
        made = await side("POST", HOME, {"integrationId": ALONE, "name": "Ours"})
        self.integration = f"{HOME}/{made.json()['id']}"
        keys = {"client_id": self.server.robot_id, "client_secret": secret}
        return await side("POST", f"{self.integration}/connect/custom", {"credentials": keys})

    async def rotate(self, secret: str) -> httpx2.Response:
        """New credentials in place of the old."""
        keys = {"client_id": self.server.robot_id, "client_secret": secret}
        body = {"credentialType": "custom", "credentials": keys}
        return await self.world.side(TENANT)("PATCH", f"{self.integration}/credentials", body)

    async def who(self) -> str:
        """Whose account answers."""
        async with connections.session(self.world.scope(TENANT), self.connection) as session:
            body = (await session.client.get("/me")).body
        assert isinstance(body, dict)
        return str(body["id"])

    async def row(self) -> dict[str, Any]:
        """What is stored."""
        sql = "select status, token_version, access_token, refresh_token, credentials from connections where id = $1"
        async with self.world.system.tx() as tx:
            return dict((await tx.fetch_sql(sql, self.connection))[0])

    async def expire(self) -> None:
        """The token has run out, and no client remembers it."""
        async with self.world.system.tx() as tx:
            sql = "update connections set expires_at = now() - interval '1 minute' where id = $1"
            await tx.execute_sql(sql, self.connection)
        await self.world.system.engine.part(connections.Clients).drop(TENANT, self.connection)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened(database: Database, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    folder = tmp_path_factory.mktemp("independent")
    async with given.world(database) as world, independent.independent(folder) as server:
        independent.offer(world.system, folder, server.url)
        yield Place(world, server)


@pytest_asyncio.fixture(loop_scope="module")
async def place(opened: Place) -> Place:
    await opened.world.clear()
    answer = await opened.connect(opened.server.robot_secret)
    assert answer.status_code == 200, answer.text
    opened.connection = answer.json()["connectionId"]
    return opened


async def test_what_was_traded_is_kept_and_calls_bear_the_token_alone(place: Place) -> None:
    assert await place.who() == "robot"
    row = await place.row()
    assert (row["status"], row["token_version"], row["credentials"]) == ("connected", 1, None)
    stored = bytes(row["access_token"]) + bytes(row["refresh_token"])
    assert place.server.robot_secret.encode() not in stored
    shown = await place.world.side(TENANT)("GET", f"/api/connections/{place.connection}")
    assert (shown.json()["account"]["id"], shown.json()["status"]) == ("robot", "connected")
    assert place.server.robot_secret not in shown.text


async def test_credentials_that_the_server_refuses_are_not_kept(opened: Place) -> None:
    await opened.world.clear()
    answer = await opened.connect("canary-wrong-secret")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "INVALID_CREDENTIALS")
    assert "canary" not in answer.text
    async with opened.world.system.tx() as tx:
        assert await tx.fetch_sql("select 1 from connections") == []


async def test_a_token_that_ended_is_asked_for_once_however_many_call(place: Place) -> None:
    before = (await place.server.state())["access"]
    await place.expire()
    assert set(await asyncio.gather(*(place.who() for _ in range(8)))) == {"robot"}
    assert (await place.server.state())["access"] == before + 1
    row = await place.row()
    assert (row["status"], row["token_version"]) == ("connected", 2)


async def test_a_token_that_the_server_ended_early_costs_one_other_and_no_call(place: Place) -> None:
    assert await place.who() == "robot"
    await place.server.robot()
    assert await place.who() == "robot"
    assert (await place.server.state())["access"] == 1
    assert (await place.row())["token_version"] == 2


async def test_a_secret_that_was_changed_there_expires_the_connection_until_the_new_one_is_given(place: Place) -> None:
    await place.server.robot(secret="canary-second-secret")
    await place.expire()
    with pytest.raises(ReauthorizationRequired):
        await place.who()
    row = await place.row()
    assert row["status"] == "expired"
    side = place.world.side(TENANT)
    told = await side("GET", f"/api/connections/{place.connection}")
    assert "does not take these credentials" in told.text
    assert "canary" not in told.text
    keys = {"client_id": place.server.robot_id, "client_secret": "canary-second-secret"}
    again = await side("POST", f"{place.integration}/connect/custom", {"credentials": keys})
    assert again.status_code == 200, again.text
    assert await place.who() == "robot"


async def test_a_process_that_holds_the_old_secret_trades_the_new_one(place: Place) -> None:
    scope = place.world.scope(TENANT)
    async with connections.session(scope, place.connection) as session:
        assert (await session.client.get("/me")).ok
        await place.server.robot(secret="canary-third-secret")
        await place.server.robot()
        done = await place.rotate("canary-third-secret")
        assert done.status_code == 200, done.text
        assert done.json()["overlapUntil"] <= done.json()["updatedAt"]
        # this long read was begun with the old secret: it goes on with the new token, and trades what is stored now
        assert (await session.client.get("/me")).ok
        await place.server.robot()
        assert (await session.client.get("/me")).ok
    assert (await place.row())["token_version"] == 3
    assert (await place.row())["status"] == "connected"


async def test_a_wrong_secret_is_refused_and_the_one_before_goes_on(place: Place) -> None:
    refused = await place.rotate("canary-wrong-secret")
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "INVALID_CREDENTIALS")
    await place.expire()
    assert await place.who() == "robot"


async def test_the_end_of_a_connection_leaves_nothing_of_it(place: Place) -> None:
    assert await connections.disconnect(place.world.scope(TENANT), place.connection) == "nothing_to_revoke"
    async with place.world.system.tx() as tx:
        assert await tx.fetch_sql("select 1 from connections where id = $1", place.connection) == []
