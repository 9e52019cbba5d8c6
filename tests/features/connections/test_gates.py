"""An app's quota is every tenant's: shared in turns, and a part of it kept for what must not wait (RL-07)."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from tests.given import rotor

from isthmus.client import (
    DeadlineExceeded,
    MemoryTokenStore,
    RateLimited,
    RefreshUnavailable,
    Throttled,
    Tokens,
    urgent,
)
from isthmus.connect.manifest import Limit
from isthmus.connect.spi import Account, App
from isthmus.engine.budget import PostgresBudget
from isthmus.engine.db import Database
from isthmus.features.catalog import Registration
from isthmus.features.connections import Clients, Settings
from isthmus.features.connections.service.clients import Binding
from isthmus.kit.clock import SYSTEM
from isthmus.kit.secret import Secret

#: Longer than a test, so that nothing comes back meanwhile; one call in twenty is kept.
LIMIT = Limit(requests=20, seconds=120.0, per="app")
HELD = (RateLimited, DeadlineExceeded)


class Store(MemoryTokenStore):
    """The tokens of one connection, without a vault."""

    previous: Secret | None = None

    def unproved(self, _version: int) -> bool:
        return False


@pytest.fixture
async def far() -> AsyncIterator[rotor.Far]:
    async with rotor.far() as state:
        yield state


@pytest.fixture
async def processes(database: Database) -> AsyncIterator[list[Clients]]:
    settings = Settings(call_attempts=1, exchange_deadline=timedelta(seconds=2))
    made = [Clients(settings, budget=PostgresBudget(database)) for _ in range(2)]
    yield made
    for one in made:
        await one.aclose()


def known(far: rotor.Far, limit: Limit = LIMIT) -> Registration:
    found = rotor.found("rotor", far.url, limits=(limit,))
    assert found.connector is not None
    app = App({}, found.manifest.hosts)
    return Registration(f"none-{far.url[-5:]}", "rotor", "none", app, found.connector, found.manifest, "/back", 0)


def connection(far: rotor.Far, tenant: str, limit: Limit = LIMIT) -> tuple[Binding, Any]:
    """A connection of the tenant's own account, whose tokens the far side has just given."""
    pair = far.pair(tenant)
    store = Store(Tokens(Secret(pair["access_token"]), Secret(pair["refresh_token"])))
    return Binding(tenant, f"con_{tenant}", known(far, limit), Account(tenant)), store


async def read(clients: Clients, bound: tuple[Binding, Any], **options: Any) -> None:
    async with clients.bound(*bound, SYSTEM) as session:
        await session.client.get("/me", **options)


async def test_RL_07_a_greedy_tenant_in_another_process_leaves_room_for_a_token_refresh_and_it_counts(
    far: rotor.Far, processes: list[Clients]
) -> None:
    importing, serving = processes
    greedy, modest = connection(far, "ten_a"), connection(far, "ten_b")
    for _ in range(19):
        await read(importing, greedy)
    waiting = [asyncio.create_task(read(importing, greedy)) for _ in range(3)]
    with pytest.raises(HELD):
        await read(serving, modest, deadline=0.5)
    await serving.renew(*modest, SYSTEM)
    assert (far.counts["refresh"], far.counts["me"]) == (1, 19), "it has left, and nothing else"
    with pytest.raises(RefreshUnavailable):
        await serving.renew(*connection(far, "ten_c"), SYSTEM)
    assert far.counts["token"] == 1, "the twenty are used up, and exchanges are among them"
    for one in waiting:
        one.cancel()
    assert None not in await asyncio.gather(*waiting, return_exceptions=True)


async def test_RL_07_sign_ins_are_urgent_and_what_an_app_does_by_itself_is_not(
    far: rotor.Far, processes: list[Clients]
) -> None:
    clients, app = processes[0], known(far)
    for _ in range(19):
        async with clients.plain(app, SYSTEM) as client:
            await client.post("/token", form={"code": "acct"})
    async with clients.plain(app, SYSTEM) as client:
        with pytest.raises(HELD):
            await client.post("/token", form={"code": "acct"}, deadline=0.5)
    async with clients.plain(app, SYSTEM, tenant_id="ten_a", urgent=True) as client:
        await client.post("/token", form={"code": "acct"})
    assert far.counts["token"] == 20


async def test_RL_07_a_throttle_at_the_token_endpoint_holds_no_other_tenant_up(
    far: rotor.Far, processes: list[Clients]
) -> None:
    clients = processes[0]
    modest = connection(far, "ten_b")
    async with clients.plain(known(far), SYSTEM, urgent=True) as client:
        far.statuses.append(429)
        with pytest.raises(Throttled):
            await client.get("/me", headers={"Authorization": "Bearer x"})
    await read(clients, modest, deadline=5.0)
    limiter = next(iter(clients._gates._limiters.values()))
    assert all(one.narrowing is None for one in limiter._states.values())


@pytest.mark.parametrize(
    ("limit", "kept"),
    [
        (Limit(requests=200, seconds=1.0, per="app"), 10),
        (Limit(requests=200, seconds=1.0, per="app", burst=20), 1),
        (Limit(requests=200, seconds=1.0, per="app", reserve=0.1), 20),
        (Limit(requests=200, seconds=1.0, per="app", reserve=0.0), 0),
        (Limit(requests=5, seconds=1.0, per="app"), 0),
        (Limit(requests=1, seconds=1.0, per="app", reserve=0.5), 0),
        (Limit(requests=200, seconds=1.0), 0),
        (Limit(requests=200, seconds=1.0, reserve=0.1), 20),
    ],
)
async def test_RL_07_a_twentieth_is_kept_unless_the_manifest_says_otherwise(
    far: rotor.Far, limit: Limit, kept: int
) -> None:
    assert limit.kept == kept
    clients = Clients(Settings())
    greedy = connection(far, "ten_a", limit)
    await read(clients, greedy)
    assert next(iter(clients._gates._limiters.values())).rule.reserve == kept
    with urgent():
        await read(clients, greedy)
    await clients.aclose()
