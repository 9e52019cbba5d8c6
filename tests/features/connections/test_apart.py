"""Connections of one provider stay apart: what each may do, and which token each call carries (security.md OA-17)."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.given import connections as given
from tests.given.connections import World

from isthmus.engine.db import Database
from isthmus.features import catalog, connections
from isthmus.features.vault import Unreadable


@pytest.fixture(scope="module")
async def world(database: Database) -> AsyncIterator[World]:
    async with given.world(database, "tiki") as made:
        yield made


async def _who(world: World, tenant: str, connection: str) -> str:
    """The account that the platform sees behind a call of this connection."""
    async with connections.session(world.scope(tenant), connection) as session:
        answer = await session.client.get("/me")
    seen = answer.json()
    assert isinstance(seen, dict)
    return str(seen["id"])


async def _expire(world: World, connection: str) -> None:
    async with world.system.tx() as tx:
        await tx.execute_sql(
            "update connections set expires_at = now() - interval '1 hour', token_version = token_version + 1 "
            "where id = $1",
            connection,
        )


async def test_OA_17_two_connections_of_one_provider_never_carry_each_others_token(world: World) -> None:
    one, two = await world.rotor("ten_apart", "first"), await world.rotor("ten_apart", "second")
    foreign = await world.rotor("ten_other", "third")
    asked = [("ten_apart", one), ("ten_apart", two), ("ten_other", foreign)]
    for _ in range(2):
        seen = await asyncio.gather(*[_who(world, *each) for each in asked * 5])
        assert seen == ["first", "second", "third"] * 5
        await _expire(world, two)


async def test_OA_17_a_token_moved_to_another_connection_of_the_tenant_does_not_open(world: World) -> None:
    one, two = await world.rotor("ten_moved", "fourth"), await world.rotor("ten_moved", "fifth")
    async with world.system.tx() as tx:
        await tx.execute_sql(
            "update connections set access_token = given.access_token, refresh_token = given.refresh_token, "
            "token_version = connections.token_version + 1 from connections given "
            "where connections.id = $1 and given.id = $2",
            one,
            two,
        )
    with pytest.raises(Unreadable):
        await _who(world, "ten_moved", one)
    assert await _who(world, "ten_moved", two) == "fifth"


async def test_OA_17_a_consent_asks_for_the_declared_scopes_and_a_new_one_is_asked_again(world: World) -> None:
    side = world.side("ten_scopes")
    manifest = world.system.engine.part(catalog.Providers)["tiki"].manifest
    assert manifest.oauth is not None
    started = await world.start(side)
    again = await side("POST", f"/api/connections/{started['id']}/reconnect", {"returnUrl": given.RETURN})
    for link in (started["authorizationUrl"], again.json()["authorizationUrl"]):
        opened = await side.go(link)
        asked = parse_qs(urlsplit(opened.headers["location"]).query)["scope"][0].split()
        assert sorted(asked) == sorted(manifest.oauth.scopes)
