"""Shops that are connected by keys at an address of their own: nothing but their folder makes them marketplaces."""

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest
import pytest_asyncio
from tests.journeys.deployment import Deployment, Merchant, deployment

from isthmus.sandbox import SandboxServer

PLATFORMS = ("shopify", "woocommerce")
#: The operator has put the sandbox in the place of every shop's own address, which is entered all the same.
ENTERED = {"woocommerce": {"shop_url": "https://shop.example.com"}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Deployment]:
    home: Path = tmp_path_factory.mktemp("home")
    async with (
        SandboxServer(PLATFORMS, products=12) as shops,
        deployment(
            database_url,
            home,
            products=1,
            PROVIDERS__SHOPIFY__HOSTS__API=shops.shops["shopify"].base_url,
            PROVIDERS__WOOCOMMERCE__HOSTS__API=shops.shops["woocommerce"].base_url,
        ) as made,
    ):
        made.sandbox = shops
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
