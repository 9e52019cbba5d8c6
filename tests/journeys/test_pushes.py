"""Prices and stock on their way to marketplaces: over HTTP, through workers, into the sandboxes, once."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from tests.journeys.deployment import Deployment, Merchant, deployment

from isthmus.client import DeadlineExceeded, RateLimited
from isthmus.connect.manifest import Limit
from isthmus.features import catalog, connections
from isthmus.kit.permissions import PLATFORM_TENANT, SUPER_ADMIN
from isthmus.scope import System

PLATFORMS = ("shopee", "lazada", "tiki")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Deployment]:
    home: Path = tmp_path_factory.mktemp("home")
    async with deployment(database_url, home, products=12) as made:
        yield made


async def owned(running: Deployment, provider: str) -> tuple[Merchant, str]:
    """The owner of a platform's first shop, whose products have been read."""
    known = provider in running.owners
    amy, connection = await running.owner(provider)
    if not known:
        run = await amy.sync(connection)
        assert run["state"] == "succeeded", run
    return amy, connection


async def ended(amy: Merchant, push: dict[str, Any], patience: float = 60) -> list[dict[str, Any]]:
    """The items of a push, once all have ended."""
    found: dict[str, Any] = {"finishedAt": None}
    try:
        async with asyncio.timeout(patience):
            while found["finishedAt"] is None:
                await asyncio.sleep(0.05)
                found = (await amy.call("GET", f"/api/sync/pushes/{push['id']}")).body
    except TimeoutError:
        pytest.fail(str(await amy.everything(f"/api/sync/pushes/{push['id']}/items?", "items")))
    assert found["counts"]["waiting"] == 0
    return await amy.everything(f"/api/sync/pushes/{push['id']}/items?", "items")


async def sold(amy: Merchant, connection: str, place: int = 0) -> dict[str, Any]:
    """An active listing, by its place among them, with what it has of variants."""
    rows = await amy.everything(f"/api/listings?connectionId={connection}&status=active&", "items")
    priced = sorted((row for row in rows if row["price"] and row["stock"]), key=lambda row: row["externalId"])
    detail: dict[str, Any] = (await amy.call("GET", f"/api/listings/{priced[place]['id']}")).body
    return detail


def values(running: Deployment, listing: dict[str, Any]) -> dict[str, Any]:
    """A price and a stock that it does not have, for its first variant; who has several warehouses names one."""
    variant = listing["variants"][0]
    record = next(one for one in listing["record"]["variants"] if one["external_id"] == variant["externalId"])
    places = record.get("inventory", [])
    several = len(running.sandbox.shops[listing["provider"]].sellers[0].warehouses) > 1
    location = places[0].get("location_external_id") if several else None
    of_variant: dict[str, Any] = {"variantId": variant["id"], "stock": places[0]["available"] + 7}
    of_variant["price"] = str(int(Decimal(variant["listPrice"])) + 1_000)
    return of_variant | ({"location": location} if location else {})


@contextmanager
def metered(running: Deployment, provider: str, limit: Limit) -> Iterator[None]:
    """While this lasts, that is what the provider's manifest says of its quota."""
    shelf = running.platform.engine.part(catalog.Providers)._found
    before = shelf[provider]
    shelf[provider] = replace(before, manifest=msgspec.structs.replace(before.manifest, limits=(limit,)))
    try:
        yield
    finally:
        shelf[provider] = before


@pytest.mark.parametrize("provider", PLATFORMS)
async def test_price_and_stock_reach_the_platform_and_come_back_as_no_news(running: Deployment, provider: str) -> None:
    amy, connection = await owned(running, provider)
    listing = await sold(amy, connection)
    effects = running.sandbox.shops[provider].effects
    before = effects.last
    wanted = values(running, listing)
    answer = await amy.call("POST", f"/api/listings/{listing['id']}/push", {"variants": [wanted]})
    assert answer.status == 202, answer.body
    items = await ended(amy, answer.body)
    told = [(one["field"], one["state"], one["reason"]) for one in items]
    assert told == [("price", "done", None), ("stock", "done", None)]
    written = {(one.field, Decimal(str(one.value))) for one in effects.of(after=before)}
    assert ("price", Decimal(wanted["price"])) in written
    shown = (await amy.call("GET", f"/api/listings/{listing['id']}")).body
    [variant] = [one for one in shown["variants"] if one["id"] == wanted["variantId"]]
    assert Decimal(wanted["price"]) in (Decimal(variant["price"]), Decimal(variant["listPrice"]))
    echo = await amy.sync(connection, "incremental")
    assert (echo["state"], echo["updated"], echo["created"], echo["failed"]) == ("succeeded", 0, 0, 0), echo
    again = await amy.call("POST", f"/api/listings/{listing['id']}/push", {"variants": [wanted]})
    assert {one["state"] for one in await ended(amy, again.body)} == {"agreed"}


@pytest.mark.parametrize("provider", PLATFORMS)
@pytest.mark.parametrize("kind", ["drop_reply", "replace"])
async def test_PR_11_an_answer_that_is_lost_or_somebody_elses_repeats_and_loses_nothing(
    running: Deployment, provider: str, kind: str
) -> None:
    amy, connection = await owned(running, provider)
    shop = running.sandbox.shops[provider]
    listing = await sold(amy, connection)
    wanted = {name: value for name, value in values(running, listing).items() if name != "price"}
    before = shop.effects.last
    routes = {"shopee": "POST */product/update_stock", "lazada": "POST */product/*", "tiki": "PUT */products/*"}
    shop.faults.add(routes[provider], kind, times=1, body={"welcome": "to the proxy"})
    answer = await amy.call("POST", f"/api/listings/{listing['id']}/push", {"variants": [wanted]})
    items = await ended(amy, answer.body)
    assert [one["state"] for one in items] == ["done"], items
    assert [one.value for one in shop.effects.of(after=before) if one.field == "stock"] == [wanted["stock"]]


@pytest.mark.parametrize("provider", PLATFORMS)
async def test_PR_09_what_changes_there_behind_our_write_is_news_though_our_clock_is_ahead(
    running: Deployment, provider: str
) -> None:
    amy, connection = await owned(running, provider)
    shop = running.sandbox.shops[provider]
    listing = await sold(amy, connection, -1)  # one that was not written yet, when the platform's clock was right
    wanted = {name: value for name, value in values(running, listing).items() if name != "price"}
    running.sandbox.clock.advance(-60)
    try:
        pushed = await amy.call("POST", f"/api/listings/{listing['id']}/push", {"variants": [wanted]})
        assert [one["state"] for one in await ended(amy, pushed.body)] == ["done"]
        [written, *_] = [one for one in shop.effects.of() if one.number == shop.effects.last]
        row = next(id_ for id_ in shop.sellers[0].shelf.ids() if str(written.object).startswith(str(id_)))
        price = str(int(Decimal(listing["variants"][0]["listPrice"])) + 90_000)
        shop.change_product(str(row), {"price": price})
        run = await amy.sync(connection, "incremental")
    finally:
        running.sandbox.clock.advance(60)
    assert (run["state"], run["updated"]) == ("succeeded", 1), run
    shown = (await amy.call("GET", f"/api/listings/{listing['id']}")).body["variants"]
    assert price in {f"{Decimal(one['listPrice']):f}".partition(".")[0] for one in shown}


async def test_a_product_is_pushed_to_the_listings_that_can_take_it_and_the_rest_is_named(running: Deployment) -> None:
    amy, connection = await owned(running, "shopee")
    listing = await sold(amy, connection)
    answer = await amy.call("POST", f"/api/products/{listing['productId']}/push", {"title": "Áo thun mùa hè loại mới"})
    assert answer.status == 202, answer.body
    assert [(one["listingId"], one["state"]) for one in await ended(amy, answer.body)] == [(listing["id"], "done")]
    many = [{"listingId": listing["id"], "field": "published", "value": False}]
    bulk = await amy.call("POST", "/api/sync/pushes", {"items": many})
    assert [one["state"] for one in await ended(amy, bulk.body)] == ["done"]
    assert (await amy.call("GET", f"/api/listings/{listing['id']}")).body["status"] == "inactive"
    wrong = await amy.call("POST", f"/api/products/{listing['productId']}/push", {"listings": ["lst_x"], "title": "T"})
    assert (wrong.status, wrong.body["error"]["code"]) == (400, "VALIDATION_ERROR"), wrong.body
    empty = await amy.call("POST", f"/api/products/{listing['productId']}/push", {})
    assert (empty.status, empty.body["error"]["code"]) == (409, "PUSH_EMPTY")


async def test_a_conflict_is_shown_and_decided_over_http(running: Deployment) -> None:
    amy, connection = await owned(running, "shopee")
    rules = await amy.call("PUT", f"/api/sync/conflicts/rules/{connection}", {"stock": "manual"})
    assert (rules.body["rules"]["stock"], rules.body["own"]) == ("manual", {"stock": "manual"})
    listing = await sold(amy, connection)
    wanted = {name: value for name, value in values(running, listing).items() if name != "price"}
    based = {**wanted, "stockBasedOn": wanted["stock"] + 5}
    push = (await amy.call("POST", f"/api/listings/{listing['id']}/push", {"variants": [based]})).body
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(60):
        while not found:
            await asyncio.sleep(0.05)
            found = (await amy.call("GET", "/api/sync/conflicts?state=open")).body["items"]
    assert (found[0]["field"], found[0]["ours"], found[0]["base"]) == ("stock", wanted["stock"], wanted["stock"] + 5)
    preview = await amy.call("POST", "/api/sync/conflicts/resolve", {"rule": "highest", "dryRun": True})
    assert (preview.body["ours"], preview.body["theirs"], preview.body["dryRun"]) == (1, 0, True)
    done = await amy.call("POST", f"/api/sync/conflicts/{found[0]['id']}/resolve", {"winner": "ours"})
    assert (done.status, done.body["winner"], done.body["decidedBy"]) == (200, "ours", "user:isthmus:amy"), done.body
    await ended(amy, push)
    shown = (await amy.call("GET", f"/api/listings/{listing['id']}")).body
    places = [place for one in shown["record"]["variants"] for place in one["inventory"]]
    assert wanted["stock"] in [place["available"] for place in places]


async def test_RL_07_stock_leaves_while_a_greedy_tenant_has_read_all_of_an_apps_quota_that_reading_may_have(
    running: Deployment,
) -> None:
    amy, connection = await owned(running, "tiki")
    greedy = await running.merchant("greedy")
    other = await greedy.connect("tiki", seller=running.sandbox.shops["tiki"].sellers[1].id)
    listing, effects = await sold(amy, connection, place=4), running.sandbox.shops["tiki"].effects
    with metered(running, "tiki", Limit(requests=40, seconds=300.0, per="app", reserve=0.25)):
        scope = System(running.platform.engine, running.platform.clock).scope(greedy.tenant_id, "reading")
        with pytest.raises((RateLimited, DeadlineExceeded)):
            async with connections.session(scope, other) as session:
                for _ in range(31):
                    await session.client.get(f"{session.app_hosts['api']}/integration/v2/sellers/me", deadline=1.0)
        wanted = values(running, listing)
        before, stock = effects.last, {name: value for name, value in wanted.items() if name != "price"}
        pushed = await amy.call("POST", f"/api/listings/{listing['id']}/push", {"variants": [stock]})
        assert [one["state"] for one in await ended(amy, pushed.body)] == ["done"]
        assert [(one.field, one.value) for one in effects.of(after=before)] == [("stock", stock["stock"])]


async def test_what_a_plan_does_not_include_is_not_sent_and_waits(running: Deployment) -> None:
    amy, connection = await owned(running, "tiki")
    root, at = running.person(PLATFORM_TENANT, [SUPER_ADMIN], "root"), "/api/admin/integrations/marketplace/tiki"
    listing = await sold(amy, connection, place=3)
    effects = running.sandbox.shops["tiki"].effects
    dear = await root.call("PATCH", at, {"isPremium": True, "requiredPlan": "pro"})
    assert dear.status == 200, dear.body
    before = effects.last
    answer = await amy.call("POST", f"/api/listings/{listing['id']}/push", {"variants": [values(running, listing)]})
    assert answer.status == 202, answer.body
    async with asyncio.timeout(60):
        while True:
            items = await amy.everything(f"/api/sync/pushes/{answer.body['id']}/items?", "items")
            if {one["code"] for one in items} == {"PLAN_REQUIRED"}:
                break
            await asyncio.sleep(0.05)
    assert {one["state"] for one in items} == {"waiting"}
    assert not effects.of(after=before)
    assert (await root.call("POST", f"{at}/reset")).body["isPremium"] is False


async def waits(running: Deployment) -> None:
    """A call of somebody's waits in the client for a permit."""
    limiters = running.platform.engine.part(connections.Clients)._gates._limiters
    async with asyncio.timeout(30):
        while not any(one.waiting for one in limiters.values()):  # noqa: ASYNC110 - the client tells nobody
            await asyncio.sleep(0.01)


async def rests(running: Deployment) -> None:
    """No call waits any more."""
    limiters = running.platform.engine.part(connections.Clients)._gates._limiters
    async with asyncio.timeout(30):
        while any(one.waiting for one in limiters.values()):  # noqa: ASYNC110 - the client tells nobody
            await asyncio.sleep(0.01)


@pytest.mark.proof
async def test_a_call_that_waits_in_the_client_when_what_it_is_for_ends_is_not_sent(running: Deployment) -> None:
    amy, connection = await owned(running, "tiki")
    shop = running.sandbox.shops["tiki"]
    root, at = running.person(PLATFORM_TENANT, [SUPER_ADMIN], "root"), "/api/admin/integrations/marketplace/tiki"
    listing = await sold(amy, connection, place=5)
    scope = System(running.platform.engine, running.platform.clock).scope(amy.tenant_id, "reading")

    def calls() -> int:
        return sum(one.path.startswith("/integration/") for one in shop.recording.requests)

    async def use_up() -> None:
        async with connections.session(scope, connection) as session:
            await session.client.get(f"{session.app_hosts['api']}/integration/v2/sellers/me")

    with metered(running, "tiki", Limit(requests=1, seconds=3.0)):
        await use_up()
        read = calls()
        run = await amy.call("POST", "/api/sync/products", {"connectionId": connection, "mode": "full"})
        await waits(running)
        assert (await amy.call("POST", f"/api/sync/{run.body['id']}/cancel")).status in {200, 202}
        assert (await amy.finished(run.body["id"]))["state"] == "cancelled"
        await rests(running)
        assert calls() == read, "what waited for the run has gone with it"
        await use_up()
        seen = calls()
        pushed = await amy.call("POST", f"/api/listings/{listing['id']}/push", {"variants": [values(running, listing)]})
        await waits(running)
        assert (await root.call("PATCH", at, {"isPremium": True, "requiredPlan": "pro"})).status == 200
        await rests(running)
        async with asyncio.timeout(60):
            while True:
                items = await amy.everything(f"/api/sync/pushes/{pushed.body['id']}/items?", "items")
                if {one["code"] for one in items} & {"PLAN_REQUIRED"}:
                    break
                await asyncio.sleep(0.05)
        assert calls() == seen
    assert (await root.call("POST", f"{at}/reset")).status == 200
