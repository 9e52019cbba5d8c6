"""Bound clients: one per connection, its limits its own or its app's, and none kept for ever."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.given import rotor

from isthmus.client import BudgetRule, Grant
from isthmus.connect.manifest import Limit
from isthmus.connect.spi import Account, App
from isthmus.features.catalog import Registration
from isthmus.features.connections import Clients, Settings
from isthmus.features.connections.service.clients import Binding
from isthmus.kit.clock import SYSTEM
from isthmus.kit.secret import Secret


class Asked:
    """A budget that gives everything and remembers who asked."""

    def __init__(self) -> None:
        self.keys: list[str] = []

    async def lease(self, key: str, wanted: int, rule: BudgetRule) -> Grant:  # noqa: ARG002 - the port's signature
        self.keys.append(key)
        return Grant(wanted)


@pytest.fixture(scope="module")
async def far() -> AsyncIterator[rotor.Far]:
    async with rotor.far() as state:
        state.keys["key"] = "acct"
        yield state


def binding(far: rotor.Far, connection: str, *limits: Limit, tenant: str = "ten_a", generation: int = 1) -> Binding:
    found = rotor.found("keys", far.url, "api_key", limits=limits)
    assert found.connector is not None
    app = App({}, found.manifest.hosts)
    known = Registration("none-keys", "keys", "none", app, found.connector, found.manifest, "/back", 0)
    return Binding(tenant, connection, known, Account("acct"), generation, {"api_key": Secret("key")})


async def call(clients: Clients, bound: Binding) -> Any:
    async with clients.bound(bound, None, SYSTEM) as session:
        assert (await session.client.get("/me")).status == 200
        return session.client


async def test_a_connections_client_is_kept_and_changed_credentials_get_another(far: rotor.Far) -> None:
    clients = Clients(Settings())
    first = await call(clients, binding(far, "con_1"))
    assert await call(clients, binding(far, "con_1")) is first
    assert await call(clients, binding(far, "con_1", generation=2)) is not first
    await clients.aclose()


async def test_the_oldest_client_goes_when_there_are_too_many_but_not_while_it_is_used(far: rotor.Far) -> None:
    clients = Clients(Settings(pooled_clients=2))
    async with clients.bound(binding(far, "con_1"), None, SYSTEM) as session:
        for number in range(2, 5):
            await call(clients, binding(far, f"con_{number}"))
        assert (await session.client.get("/me")).status == 200
    await clients.aclose()


async def test_TN_11_limits_are_counted_per_tenant_and_connection_or_per_app(far: rotor.Far) -> None:
    asked = Asked()
    clients = Clients(Settings(), budget=asked)
    limits = (Limit(requests=100, seconds=1.0), Limit(requests=5000, seconds=60.0, per="app"))
    await call(clients, binding(far, "con_1", *limits))
    await call(clients, binding(far, "con_1", *limits, tenant="ten_b"))
    await clients.aclose()
    own = {key for key in asked.keys if "con_1" in key}
    assert len(own) == 2
    assert {key.split("/")[-2] for key in own} == {"ten_a", "ten_b"}
    assert len(set(asked.keys) - own) == 1


async def test_RL_07_a_greedy_tenant_leaves_the_others_their_turns_at_an_apps_quota(far: rotor.Far) -> None:
    clients = Clients(Settings())
    limit = Limit(requests=1, seconds=0.04, per="app")
    order: list[str] = []

    async def one(bound: Binding) -> None:
        await call(clients, bound)
        order.append(bound.tenant_id)

    greedy = [binding(far, "con_1", limit) for _ in range(8)]
    modest = [binding(far, "con_2", limit, tenant="ten_b") for _ in range(2)]
    await asyncio.gather(*(one(bound) for bound in greedy + modest))
    await clients.aclose()
    assert len(order) == 10
    assert "ten_b" in order[:4]
    assert order[:6].count("ten_b") == 2
