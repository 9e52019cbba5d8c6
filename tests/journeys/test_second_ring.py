"""Shops that are connected by keys at an address of their own: nothing but their folder makes them marketplaces."""

import asyncio
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.journeys.deployment import Deployment, Merchant, deployment

PLATFORMS = ("shopify", "woocommerce")
#: The sandbox stands in the place of every shop's own address, which is entered all the same.
ENTERED = {"woocommerce": {"shop_url": "https://shop.example.com"}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Deployment]:
    home: Path = tmp_path_factory.mktemp("home")
    async with deployment(database_url, home) as made:
        yield made


async def connected(running: Deployment, provider: str) -> tuple[Merchant, str]:
    """A merchant with the main shop; its connection."""
    if provider not in running.owners:
        amy = await running.merchant(f"Amy at {provider}")
        keys = {**running.sandbox.shops[provider].apps[0].credentials, **ENTERED.get(provider, {})}
        made = await amy.call("POST", "/api/connections", {"provider": provider, "credentials": keys})
        assert (made.status, made.body["status"]) == (201, "connected"), made.body
        running.owners[provider] = (amy, made.body["id"])
    return running.owners[provider]


@pytest.mark.parametrize("provider", PLATFORMS)
async def test_products_and_orders_are_read_and_a_change_is_all_that_comes_next(
    running: Deployment, provider: str
) -> None:
    amy, connection = await connected(running, provider)
    shop = running.sandbox.shops[provider]
    run = await amy.sync(connection)
    assert (run["state"], run["failed"]) == ("succeeded", 0), run
    rows = await amy.everything(f"/api/products?connectionId={connection}&", "items")
    assert len(rows) == run["created"] > 0
    orders = await amy.sync(connection, entity="orders")
    assert (orders["state"], orders["failed"]) == ("succeeded", 0), orders
    told = await amy.everything(f"/api/orders?connectionId={connection}&", "items")
    assert {row["externalId"]: Decimal(row["grandTotal"]) for row in told} == {
        one.key: one.total for one in shop.book().all()
    }
    shelf = shop.sellers[0].shelf
    shop.edit_product(str(next(one for one in shelf.ids() if shelf.status(one) == "active")), stock=77)
    later = await amy.sync(connection, "incremental")
    assert (later["updated"], later["created"], later["failed"]) == (1, 0, 0), later
    assert (await amy.sync(connection))["unchanged"] == len(rows)


@pytest.mark.parametrize("provider", PLATFORMS)
async def test_wrong_keys_connect_nothing_and_are_not_told(running: Deployment, provider: str) -> None:
    amy = await running.merchant(f"Bob at {provider}")
    right = {**running.sandbox.shops[provider].apps[0].credentials, **ENTERED.get(provider, {})}
    wrong = {name: value if name in {"shop", "shop_url"} else "wrong-key-0123456789" for name, value in right.items()}
    made = await amy.call("POST", "/api/connections", {"provider": provider, "credentials": wrong})
    assert 400 <= made.status < 500, made.body
    assert "wrong-key" not in str(made.body)
    assert (await amy.call("GET", "/api/connections")).body["items"] == []


async def until(amy: Merchant, path: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """What lies at a path, once it is as wanted."""
    async with asyncio.timeout(60):
        while True:
            found: dict[str, Any] = (await amy.call("GET", path)).body
            if holds(found):
                return found
            await asyncio.sleep(0.05)


async def ready(amy: Merchant, running: Deployment, provider: str, connection: str) -> dict[str, Any]:
    """An active listing whose stock is counted, read if it never was."""
    path = f"/api/listings?connectionId={connection}&status=active&"
    if not await amy.everything(path, "items"):
        assert (await amy.sync(connection))["state"] == "succeeded"
    rows = [row for row in await amy.everything(path, "items") if row["stock"] is not None]
    found: dict[str, Any] = (await amy.call("GET", f"/api/listings/{rows[0]['id']}")).body
    return found


@pytest.mark.parametrize("provider", PLATFORMS)
async def test_prices_stock_and_titles_go_out_once_and_come_back_as_no_news(running: Deployment, provider: str) -> None:
    amy, connection = await connected(running, provider)
    listing = await ready(amy, running, provider, connection)
    shop, variant = running.sandbox.shops[provider], listing["variants"][0]
    before, price = shop.effects.last, int(Decimal(variant["listPrice"])) + 1_000
    of_variant = {"variantId": variant["id"], "price": str(price), "stock": 4_321}
    body = {"title": f"Tên mới ở {provider}", "variants": [of_variant]}
    # An answer is lost on the way: what was asked is looked for and not sent again.
    shop.faults.add("POST */batch" if provider == "woocommerce" else "*/graphql.json", "drop_reply", times=1)
    answer = await amy.call("POST", f"/api/listings/{listing['id']}/push", body)
    assert answer.status == 202, answer.body
    await until(amy, f"/api/sync/pushes/{answer.body['id']}", lambda told: told["finishedAt"] is not None)
    items = await amy.everything(f"/api/sync/pushes/{answer.body['id']}/items?", "items")
    assert {one["state"] for one in items} == {"done"}, items
    written = [(one.field, one.value) for one in shop.effects.of(after=before)]
    assert sorted(written) == [("price", price), ("stock", 4_321), ("title", body["title"])]
    echo = await amy.sync(connection, "incremental")
    assert (echo["state"], echo["updated"], echo["created"], echo["failed"]) == ("succeeded", 0, 0, 0), echo


@pytest.mark.parametrize(("provider", "reason"), [("shopify", "inventory"), ("woocommerce", None)])
async def test_an_order_is_cancelled_once_and_shows_it(running: Deployment, provider: str, reason: str | None) -> None:
    amy, connection = await connected(running, provider)
    shop = running.sandbox.shops[provider]
    key = shop.place_order()
    asked = {"connectionId": connection, "entity": "orders", "externalId": key}
    assert (await amy.call("POST", "/api/sync/refresh", asked)).status == 202
    found = await until(amy, f"/api/orders?search={key}", lambda told: bool(told["items"]))
    order = found["items"][0]["id"]
    body = {"action": "cancel"} | ({"reason": reason} if reason else {})
    answer = await amy.call("POST", f"/api/orders/{order}/push", body)
    assert answer.status == 202, answer.body
    path = f"/api/orders/actions/{answer.body['id']}"
    assert (await until(amy, path, lambda told: told["state"] not in {"waiting", "sending"}))["state"] == "done"
    assert len(shop.effects.of(key)) == 1
    await until(amy, f"/api/orders/{order}", lambda told: told["status"] == "cancelled")
