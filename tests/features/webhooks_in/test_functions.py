"""Functions that a Python service registers for the deliveries of its own tenant."""

import json
from collections.abc import AsyncIterator

import pytest_asyncio
from tests.given import webhooks_in as given
from tests.given.webhooks_in import World

from isthmus.engine.db import Database
from isthmus.features.webhooks_in.service import routing
from isthmus.features.webhooks_in.service.handlers import Handler, Handlers, Told
from isthmus.kit.clock import ManualClock
from isthmus.kit.secret import Secret
from isthmus.scope import Scope

_SHOP = """
with made as (
  insert into integrations (tenant_id, id, provider, name, settings, status, created_at, updated_at)
  values ($1, 'int_' || $2, 'shopee', $2, '{}', 'connected', now(), now())
), held as (
  insert into connections (tenant_id, id, integration_id, provider, auth, registration_id, external_account_id, status,
                           created_at, updated_at)
  values ($1, 'con_' || $2, 'int_' || $2, 'shopee', 'oauth2', 'reg_own', $2, 'connected', now(), now())
)
insert into account_claims (tenant_id, provider, external_account_id, connection_id, created_at)
values ($1, 'shopee', $2, 'con_' || $2, now())
"""
_ORDER = 3
TOLD: list[tuple[str, str]] = []


async def function(scope: Scope, told: Told) -> None:
    """Notes whose delivery it was, and of which shop."""
    TOLD.append((scope.tenant_id, told.account))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(database: Database) -> AsyncIterator[World]:
    own = Handler("own", "order.*", function, tenant_id="ten_one")
    made = given.world(database, ManualClock(), {Handlers: Handlers([own])})
    async with made.system.tx() as tx:
        for tenant, account in (("ten_one", "111"), ("ten_two", "222")):
            await tx.execute_sql(_SHOP, tenant, account)
    yield made


async def test_a_function_of_one_tenant_is_told_of_its_shops_at_the_address_of_an_app_too(world: World) -> None:
    """That address is the deployment's own; what comes in there is each shop's tenant's."""
    seen, token = await world.source("ten_platform", provider="shopee", secret=Secret("partner-key"))
    for account in (111, 222):
        body = {"data": {"ordersn": "1"}, "shop_id": account, "code": _ORDER, "timestamp": 1767225600}
        assert (await world.push("ten_platform", seen, token, json.dumps(body).encode())).status == 200
    await routing.route(world.scope("ten_platform"), seen.source.id)
    for tenant in ("ten_one", "ten_two"):
        await world.work(tenant)
    assert TOLD == [("ten_one", "111")]


def test_a_name_is_free_again_when_its_function_was_taken_away() -> None:
    every = Handlers([Handler("own", "*", function, tenant_id="ten_one")])
    assert every.remove("ten_two", "own") is False
    assert every.remove("ten_one", "own") is True
    assert every.of("ten_one") == []
    every.add(Handler("own", "*", function, tenant_id="ten_one"))
