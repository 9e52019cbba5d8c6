"""Exchanges of codes and tokens with a clock that is hours off, at a platform that checks it."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qsl

import pytest
from tests.given import connections as given
from tests.given.connections import World

from isthmus.client import Tokens
from isthmus.connect.conformance.stage import Skewed
from isthmus.engine.db import Database
from isthmus.features import catalog
from isthmus.features.connections.service import far_time, finishing, sessions
from isthmus.features.connections.service.clients import Clients
from isthmus.kit.secret import Secret

HOURS = 3 * 3600.0


@pytest.fixture(scope="module")
async def world(database: Database) -> AsyncIterator[World]:
    async with given.world(database, "shopee") as made:
        yield made


@pytest.mark.parametrize("off", [-HOURS, HOURS])
async def test_a_refresh_is_signed_by_the_platforms_clock_and_its_ends_count_by_ours(world: World, off: float) -> None:
    tenant = "ten_slow" if off < 0 else "ten_fast"
    made = await world.connected(tenant, "shopee", seller=None)
    wrong = Skewed(world.system.clock, off)
    scope = replace(world.system.scope(tenant, "connections"), clock=wrong)
    await sessions.renew(scope, made)
    async with world.system.tx() as tx:
        rows = await tx.fetch_sql("select token_version as v, expires_at as at from connections where id = $1", made)
    assert rows[0]["v"] == 2
    assert timedelta(hours=3) < rows[0]["at"] - wrong.now() < timedelta(hours=5)
    await world.clear()


async def test_a_code_is_traded_by_the_platforms_clock(world: World) -> None:
    side = world.side("ten_code")
    started = await world.start(side, "shopee")
    back = await world.ask(side, started["authorizationUrl"])
    wrong = Skewed(world.system.clock, -HOURS)
    scope = world.system.scope("ten_code", "connections")
    registration = await catalog.registration(scope, "shopee")
    answer = registration.connector.read_callback(dict(parse_qsl(back.partition("?")[2])), back.partition("?")[0])
    async with scope.part(Clients).plain(registration, wrong) as client:
        granted = await finishing._granted(registration, answer, client, wrong)
    ends = granted[0].tokens.expires_at
    assert ends is not None
    assert timedelta(hours=3) < ends - wrong.now() < timedelta(hours=5)
    await world.clear()


def test_ends_that_nobody_told_stay_unknown() -> None:
    assert far_time.by_ours(Tokens(Secret("a")), timedelta(hours=1)) == Tokens(Secret("a"))
