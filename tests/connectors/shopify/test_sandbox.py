"""The emulated Shopify keeps the rules of reference 6."""

import base64
import hashlib
import hmac
import re
from collections.abc import AsyncIterator

import msgspec
import pytest
import pytest_asyncio
from tests.given.marketplaces import Answer, fetch

from isthmus.connectors.shopify.sandbox import Shopify
from isthmus.kit.clock import ManualClock
from isthmus.kit.secret import Secret
from isthmus.sandbox import SandboxServer

API = "/admin/api/2026-10"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[SandboxServer]:
    async with SandboxServer(["shopify"], products=40, clock=ManualClock()) as running:
        yield running


@pytest.fixture
def shop(server: SandboxServer) -> Shopify:
    shop = server.shops["shopify"]
    assert isinstance(shop, Shopify)
    shop.reset()
    return shop


async def ask(shop: Shopify, path: str) -> Answer:
    url = path if path.startswith("http") else f"{shop.base_url}{API}{path}"
    return await fetch("GET", url, headers={"X-Shopify-Access-Token": shop.apps[0].credentials["access_token"]})


def ahead(answer: Answer) -> str | None:
    """The address of the next page."""
    found = re.fullmatch(r'<(.+)>; rel="next"', answer.headers.get("link", ""))
    return found[1] if found else None


async def test_pages_are_joined_by_the_link_header_and_hold_every_row_once(shop: Shopify) -> None:
    seen: list[int] = []
    path: str | None = "/products.json?limit=7"
    while path is not None:
        answer = await ask(shop, path)
        seen += [row["id"] for row in answer.json["products"]]
        path = ahead(answer)
    whole = await ask(shop, "/products.json?limit=250")
    assert seen == [row["id"] for row in whole.json["products"]]
    assert ahead(whole) is None


async def test_beside_a_place_in_the_list_no_filter_is_taken_and_a_place_is_forgotten(shop: Shopify) -> None:
    place = ahead(await ask(shop, "/products.json?limit=7"))
    assert place is not None
    assert (await ask(shop, f"{place}&status=active")).status == 400
    shop.clock.advance(601)
    assert (await ask(shop, place)).status == 400


@pytest.mark.parametrize("query", ["limit=251", "limit=0", "page_info=x", "since_id=x", "updated_at_min=soon"])
async def test_what_a_list_does_not_take_is_refused(shop: Shopify, query: str) -> None:
    answer = await ask(shop, f"/products.json?{query}")
    assert answer.status == 400
    assert "errors" in answer.json


async def test_without_a_status_only_open_orders_are_listed(shop: Shopify) -> None:
    shown = (await ask(shop, "/orders.json?limit=250")).json["orders"]
    every = (await ask(shop, "/orders.json?limit=250&status=any")).json["orders"]
    assert {one["closed_at"] for one in shown} == {None}
    assert len(shown) < len(every)


async def test_the_bucket_of_forty_runs_dry_and_fills_by_two_a_second(shop: Shopify) -> None:
    shop.throttle.set_rate(2, 3)
    answers = [await ask(shop, "/shop.json") for _ in range(4)]
    assert [one.status for one in answers] == [200, 200, 200, 429]
    assert 0 < float(answers[3].headers["retry-after"]) <= 0.5
    shop.clock.advance(0.5)
    assert (await ask(shop, "/shop.json")).status == 200


async def test_a_deleted_product_is_gone(shop: Shopify) -> None:
    [added] = shop.add_product()
    shop.remove_product(added)
    assert (await ask(shop, f"/products/{added}.json")).status == 404


def test_the_reference_vector_of_a_push_comes_out(shop: Shopify) -> None:
    sent = shop.push("orders/create", {"id": 820982911946154508}, Secret("hush"))
    assert sent.headers["x-shopify-hmac-sha256"] == "qBvrsZF7RfB1iS6BX6IHqJTp5L911P7intnPeTPsH0I="


@pytest.mark.parametrize("topic", ["customers/data_request", "customers/redact", "shop/redact"])
def test_the_mandatory_privacy_topics_are_signed_and_name_their_shop(shop: Shopify, topic: str) -> None:
    sent = shop.push_privacy(topic, Secret("hush"))
    digest = hmac.new(b"hush", sent.body, hashlib.sha256).digest()
    body = msgspec.json.decode(sent.body)
    assert sent.headers["x-shopify-hmac-sha256"] == base64.b64encode(digest).decode()
    assert body["shop_domain"] == sent.headers["x-shopify-shop-domain"]
    assert ("customer" in body) == (topic != "shop/redact")
