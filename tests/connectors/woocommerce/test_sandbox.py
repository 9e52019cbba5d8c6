"""The emulated WooCommerce keeps the rules of reference 7, and the oddities that the real one was found to have."""

import base64
import hashlib
import hmac
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from tests.given.marketplaces import Answer, fetch

from isthmus.connectors.woocommerce.sandbox import WooCommerce
from isthmus.connectors.woocommerce.sandbox.hooks import Delivery
from isthmus.kit.clock import ManualClock
from isthmus.sandbox import SandboxServer

HERE = "http://127.0.0.1:9/hook"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[SandboxServer]:
    async with SandboxServer(["woocommerce"], products=40, clock=ManualClock()) as running:
        yield running


@pytest.fixture
def shop(server: SandboxServer) -> WooCommerce:
    shop = server.shops["woocommerce"]
    assert isinstance(shop, WooCommerce)
    shop.reset()
    return shop


async def ask(shop: WooCommerce, path: str, method: str = "GET", body: object = None, **query: object) -> Answer:
    key = shop.apps[0].credentials
    pair = base64.b64encode(f"{key['consumer_key']}:{key['consumer_secret']}".encode()).decode()
    text = "&".join(f"{name}={value}" for name, value in query.items())
    headers = {"Authorization": f"Basic {pair}", "Content-Type": "application/json"}
    data = msgspec.json.encode(body) if body is not None else None
    return await fetch(method, f"{shop.base_url}/wp-json/wc/v3{path}?{text}", data=data, headers=headers)


async def ids(shop: WooCommerce, path: str, **query: str) -> set[int]:
    found = await ask(shop, path, per_page=100, dates_are_gmt="true", **query)
    return {row["id"] for row in rows(found)}


def rows(answer: Answer) -> list[dict[str, Any]]:
    """The rows of a page."""
    found = msgspec.json.decode(answer.body, type=list[dict[str, Any]])
    assert answer.status == 200
    return found


async def hooked(shop: WooCommerce, topic: str = "product.updated") -> tuple[int, Delivery]:
    """A webhook, and its ping."""
    made = await ask(shop, "/webhooks", "POST", {"topic": topic, "delivery_url": HERE, "secret": "wc_secret"})
    assert made.status == 201
    [ping] = shop.hooks.take()
    return made.json["id"], ping


@pytest.mark.parametrize("query", [{}, {"consumer_key": "ck_x", "consumer_secret": "cs_x"}])
async def test_a_call_without_a_known_key_is_refused(shop: WooCommerce, query: dict[str, str]) -> None:
    text = "&".join(f"{name}={value}" for name, value in query.items())
    answer = await fetch("GET", f"{shop.base_url}/wp-json/wc/v3/products?{text}")
    assert (answer.status, answer.json["data"]) == (401, {"status": 401})


async def test_the_key_may_stand_in_the_query(shop: WooCommerce) -> None:
    text = "&".join(f"{name}={value}" for name, value in shop.apps[0].credentials.items())
    assert (await fetch("GET", f"{shop.base_url}/wp-json/wc/v3/products?{text}")).status == 200


async def test_pages_are_counted_in_headers_and_at_most_a_hundred_long(shop: WooCommerce) -> None:
    first = await ask(shop, "/products")
    total, pages = int(first.headers["x-wp-total"]), int(first.headers["x-wp-totalpages"])
    assert (len(rows(first)), pages) == (10, -(-total // 10))
    answer = await ask(shop, "/products", per_page=101)
    assert (answer.status, answer.json["code"]) == (400, "rest_invalid_param")
    assert rows(await ask(shop, "/products", page=pages + 1)) == []


async def test_a_window_leaves_out_the_very_second_at_both_its_ends(shop: WooCommerce) -> None:
    one = rows(await ask(shop, "/products", per_page=1))[0]
    moment = one["date_modified_gmt"]
    assert one["id"] not in await ids(shop, "/products", modified_after=moment)
    assert one["id"] not in await ids(shop, "/products", modified_before=moment)
    shop.clock.advance(1)
    shop.edit_product(str(one["id"]), stock=5)
    assert one["id"] in await ids(shop, "/products", modified_after=moment)


async def test_a_put_with_equal_values_still_moves_the_date(shop: WooCommerce) -> None:
    before = rows(await ask(shop, "/products", per_page=1))[0]
    shop.clock.advance(60)
    after = (await ask(shop, f"/products/{before['id']}", "PUT", {"name": before["name"]})).json
    assert {**after, "date_modified": 0, "date_modified_gmt": 0} == {
        **before,
        "date_modified": 0,
        "date_modified_gmt": 0,
    }
    assert after["date_modified_gmt"] > before["date_modified_gmt"]


async def test_a_product_in_the_bin_leaves_the_list_and_still_answers(shop: WooCommerce) -> None:
    [added] = shop.add_product()
    shop.remove_product(added)
    assert int(added) not in await ids(shop, "/products", status="any")
    assert (await ask(shop, f"/products/{added}")).json["status"] == "trash"


async def test_a_new_webhook_is_pinged_with_an_unsigned_form(shop: WooCommerce) -> None:
    hook, ping = await hooked(shop)
    assert ping.body == f"webhook_id={hook}".encode()
    assert dict(ping.headers) == {"content-type": "application/x-www-form-urlencoded"}


async def test_events_of_one_second_share_their_delivery_id(shop: WooCommerce) -> None:
    await hooked(shop)
    first, second = [row["id"] for row in rows(await ask(shop, "/products", per_page=2))]
    shop.edit_product(str(first), stock=1)
    shop.edit_product(str(second), stock=1)
    shop.clock.advance(1)
    shop.edit_product(str(first), stock=2)
    sent = shop.hooks.take()
    told = [one.headers["x-wc-webhook-delivery-id"] for one in sent]
    assert told[0] == told[1] != told[2]
    assert sent[0].body != sent[1].body


async def test_deliveries_are_signed_over_the_body(shop: WooCommerce) -> None:
    await hooked(shop, "order.created")
    shop.place_order()
    [sent] = shop.hooks.take()
    digest = hmac.new(b"wc_secret", sent.body, hashlib.sha256).digest()
    assert sent.headers["x-wc-webhook-signature"] == base64.b64encode(digest).decode()


async def test_the_sixth_failure_in_a_row_switches_a_webhook_off_and_nothing_is_sent_again(shop: WooCommerce) -> None:
    hook, ping = await hooked(shop)
    for _ in range(5):
        shop.hooks.answered(ping, 500)
    shop.hooks.answered(ping, 302)
    for count in range(6):
        assert (await ask(shop, f"/webhooks/{hook}")).json["status"] == "active", count
        shop.hooks.answered(ping, 0)
    assert (await ask(shop, f"/webhooks/{hook}")).json["status"] == "disabled"
    shop.add_product()
    assert shop.hooks.take() == []
    assert (await ask(shop, f"/webhooks/{hook}", "PUT", {"status": "active"})).json["status"] == "active"
