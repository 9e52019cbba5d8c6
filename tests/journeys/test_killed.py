"""Processes and databases that die in the middle of work: nothing is lost, nothing happens twice (PR-08, PR-15)."""

import asyncio
import random
import time
from collections import Counter
from typing import Any

import pytest
import pytest_asyncio
from tests.journeys.deployment import LIVE, Merchant
from tests.journeys.process import Up, home, up

PLATFORMS = ("lazada", "shopee", "tiki")
_MANY = 600
_QUICK = {
    "SYNC__LEASE": "PT1S",
    "SYNC__HEARTBEAT": "PT0.3S",
    "SYNC__BACKOFF": "PT0.2S",
    "SYNC__MAX_BACKOFF": "PT1S",
    "SYNC__MAX_DEATHS": "1000",
    "SYNC__MAX_ATTEMPTS": "1000",
}


async def _connected(running: Up) -> tuple[Merchant, dict[str, str]]:
    amy = await running.merchant("Amy")
    return amy, {provider: await amy.connect(provider) for provider in PLATFORMS}


async def _begin(amy: Merchant, shops: dict[str, str]) -> dict[str, str]:
    """Three runs; their ids by platform."""
    begun = {}
    for provider, connection in shops.items():
        run = await amy.call("POST", "/api/sync/products", {"connectionId": connection, "mode": "full"})
        assert run.status == 202, run.body
        begun[provider] = run.body["id"]
    return begun


async def _runs(amy: Merchant) -> list[dict[str, Any]]:
    return list((await amy.call("GET", "/api/sync/runs")).body["items"])


async def _under_way(amy: Merchant) -> None:
    """Until some page is stored and some run goes on."""
    async with asyncio.timeout(60):
        while True:
            runs = await _runs(amy)
            if any(run["pages"] for run in runs) and any(run["state"] in LIVE for run in runs):
                return
            await asyncio.sleep(0.02)


async def _equal(running: Up, amy: Merchant, shops: dict[str, str], runs: dict[str, str]) -> dict[str, int]:
    """Every run ended well, the store is what the platforms have, and each listing has told its birth once.

    How often each has told of a change, by the platform's ids.
    """
    for shop in running.sandbox.shops.values():
        shop.faults.clear()
    for run in [await amy.finished(run) for run in runs.values()]:
        assert (run["state"], run["failed"]) == ("succeeded", 0), run
    listings = await amy.everything("/api/listings?", "items")
    assert len({(row["connectionId"], row["externalId"]) for row in listings}) == len(listings)
    for provider, connection in shops.items():
        again = await amy.sync(connection)
        mine = [row for row in listings if row["connectionId"] == connection]
        assert (again["created"], again["updated"], again["failed"]) == (0, 0, 0), (provider, again)
        assert len(mine) == running.products <= again["unchanged"], (provider, again)
    async with running.behind() as platform, platform.system.tx() as tx:
        sql = "select type, subject from events where tenant_id = $1"
        told = Counter((row["type"], row["subject"]) for row in await tx.fetch_sql(sql, amy.tenant_id))
    assert {subject: count for (kind, subject), count in told.items() if kind == "listing.created"} == {
        row["id"]: 1 for row in listings
    }
    assert {told["sync.completed", run] for run in runs.values()} == {1}
    # a listing whose parts lie on several pages grows by each further one, once
    grown = {subject: count for (kind, subject), count in told.items() if kind == "listing.updated"}
    assert set(grown) <= {row["id"] for row in listings if row["provider"] == "tiki" and row["variantCount"] > 1}
    return {row["externalId"]: grown[row["id"]] for row in listings if row["id"] in grown}


def _slow(running: Up, seconds: float) -> None:
    for shop in running.sandbox.shops.values():
        shop.faults.add("*product*", "latency", seconds=seconds)


async def test_PR_08_three_syncs_survive_kill_9_of_everything() -> None:
    with home() as place:
        async with up(place, products=60, **_QUICK) as running:
            amy, shops = await _connected(running)
            _slow(running, 0.1)
            runs = await _begin(amy, shops)
            await _under_way(amy)
            await running.kill()
            await running.start()
            assert set((await _equal(running, amy, shops, runs)).values()) <= {1}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def undisturbed() -> dict[str, int]:
    """How often each listing tells of a change where nobody is killed."""
    with home() as place:
        async with up(place, products=_MANY, **_QUICK) as running:
            amy, shops = await _connected(running)
            return await _equal(running, amy, shops, await _begin(amy, shops))


@pytest.mark.proof
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(5))
async def test_PR_08_three_syncs_survive_ten_kills_each(seed: int, undisturbed: dict[str, int]) -> None:
    dice = random.Random(seed)
    with home() as place:
        async with up(place, products=_MANY, **_QUICK) as running:
            amy, shops = await _connected(running)
            _slow(running, 0.2)
            runs = await _begin(amy, shops)
            for _ in range(10):
                await asyncio.sleep(dice.uniform(0.1, 2.0))
                await running.kill()
                await running.start()
            assert await _equal(running, amy, shops, runs) == undisturbed


async def test_PR_15_the_database_is_killed_under_load_and_all_goes_on() -> None:
    with home() as place:
        async with up(place, products=60, **_QUICK) as running:
            amy, shops = await _connected(running)
            _slow(running, 0.1)
            runs = await _begin(amy, shops)
            await _under_way(amy)
            answers: list[tuple[int, float]] = []
            done = asyncio.Event()
            load = [asyncio.create_task(_read(amy, answers, done)) for _ in range(4)]
            await asyncio.sleep(0.2)
            running.postgres.kill()
            await asyncio.sleep(0.1)
            await _served_again(amy)
            done.set()
            await asyncio.gather(*load)
            assert {status for status, _ in answers} <= {200, 503}
            assert max(seconds for status, seconds in answers if status == 503) < 6
            assert set((await _equal(running, amy, shops, runs)).values()) <= {1}


async def _served_again(amy: Merchant) -> None:
    async with asyncio.timeout(60):
        while True:
            if (await amy.call("GET", "/api/products")).status == 200:
                return
            await asyncio.sleep(0.05)


async def _read(amy: Merchant, answers: list[tuple[int, float]], done: asyncio.Event) -> None:
    while not done.is_set():
        began = time.monotonic()
        answer = await amy.call("GET", "/api/products?limit=5")
        answers.append((answer.status, time.monotonic() - began))
        if answer.status == 503:
            assert answer.body["error"]["retryAfter"] >= 1
            assert "Retry-After" in answer.headers
        await asyncio.sleep(0.01)
