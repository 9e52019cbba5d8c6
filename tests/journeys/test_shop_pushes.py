"""Shops that are asked one by one: their pushes are asked for by a call, mended daily, ended with the connection."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest
import pytest_asyncio
from tests.journeys.deployment import Deployment, Merchant, deployment

from isthmus.connectors.shopify.sandbox.shop import Shopify
from isthmus.connectors.tiki.sandbox.shop import Tiki
from isthmus.connectors.woocommerce.sandbox.shop import WooCommerce
from isthmus.features.webhooks_in.service import subscribing
from isthmus.kit.permissions import system
from isthmus.kit.secret import Secret
from isthmus.scope import Scope

ENTERED = {"woocommerce": {"shop_url": "https://shop.example.com"}}
WOO_TOPICS = {
    *(f"product.{what}" for what in ("created", "updated", "deleted", "restored")),
    *(f"order.{what}" for what in ("created", "updated", "deleted")),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Deployment]:
    home: Path = tmp_path_factory.mktemp("home")
    async with deployment(database_url, home) as made:
        yield made


async def until(holds: Callable[[], Awaitable[Any]]) -> Any:
    async with asyncio.timeout(60):
        while not (found := await holds()):  # noqa: ASYNC110 - another process's work has no event here
            await asyncio.sleep(0.05)
    return found


def scope(running: Deployment, amy: Merchant) -> Scope:
    return running.platform.scope(amy.tenant_id, system(amy.tenant_id, "journeys"))


async def connected(running: Deployment, provider: str) -> tuple[Merchant, str]:
    if provider not in running.owners:
        amy = await running.merchant(f"Amy at {provider}")
        keys = {**running.sandbox.shops[provider].apps[0].credentials, **ENTERED.get(provider, {})}
        made = await amy.call("POST", "/api/connections", {"provider": provider, "credentials": keys})
        assert made.status == 201, made.body
        running.owners[provider] = (amy, made.body["id"])
    return running.owners[provider]


async def subscription(running: Deployment, amy: Merchant, connection: str) -> dict[str, Any] | None:
    items = (await amy.call("GET", "/api/webhooks/subscriptions")).body["items"]
    return next((one for one in items if one["connectionId"] == connection and one["checkedAt"] is not None), None)


async def delivered(amy: Merchant, sandbox: WooCommerce) -> list[int]:
    """What the site's background queue has to send, sent."""
    statuses = []
    for one in sandbox.hooks.take():
        async with amy.browser.post(one.url, data=one.body, headers=one.headers) as answer:
            statuses.append(answer.status)
            sandbox.hooks.answered(one, answer.status)
    return statuses


async def log(amy: Merchant, provider: str) -> list[dict[str, Any]]:
    return await amy.everything(f"/api/webhooks?provider={provider}&", "items")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def woo(running: Deployment) -> tuple[Merchant, str, WooCommerce, dict[str, Any]]:
    amy, connection = await connected(running, "woocommerce")
    found = await until(lambda: subscription(running, amy, connection))
    return amy, connection, cast("WooCommerce", running.sandbox.shops["woocommerce"]), found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shopify(running: Deployment) -> tuple[Merchant, str, Shopify, dict[str, Any]]:
    amy, connection = await connected(running, "shopify")
    found = await until(lambda: subscription(running, amy, connection))
    return amy, connection, cast("Shopify", running.sandbox.shops["shopify"]), found


async def test_connecting_a_woocommerce_shop_makes_its_webhooks_and_answers_their_pings(
    running: Deployment, woo: Any
) -> None:
    amy, _, sandbox, found = woo
    hooks = sandbox.hooks.all(sandbox.sellers[0])
    assert found["state"] == "live", found["reason"]
    assert {hook.topic for hook in hooks} == WOO_TOPICS == set(found["topics"])
    assert all(hook.url.startswith(f"{running.address}/hooks/") for hook in hooks)
    assert len({hook.url for hook in hooks}) == 1
    assert await delivered(amy, sandbox) == [200] * len(hooks)
    assert (found["state"], found["registrationId"]) == ("live", None)


async def test_events_of_one_second_share_a_delivery_id_and_all_are_kept(running: Deployment, woo: Any) -> None:
    amy, connection, sandbox, _ = woo
    await amy.sync(connection)
    shelf = sandbox.sellers[0].shelf
    live = [str(one) for one in shelf.ids() if shelf.status(one) == "active"][:3]
    for number in live:
        sandbox.edit_product(number, title="Read anew")
    sent = list(sandbox.hooks.outbox)
    assert len({one.headers["x-wc-webhook-delivery-id"] for one in sent}) < len(sent)
    assert set(await delivered(amy, sandbox)) == {200}

    async def there() -> bool:
        rows = await log(amy, "woocommerce")
        return {row["object"] for row in rows if row["connectionId"] == connection} >= set(live)

    assert await until(there)

    async def read() -> bool:
        titles = [row["title"] for row in await amy.everything("/api/listings?", "items")]
        return titles.count("Read anew") == 3

    assert await until(read)


async def test_a_webhook_that_the_shop_switched_off_is_switched_on_by_the_daily_look(
    running: Deployment, woo: Any
) -> None:
    amy, connection, sandbox, _ = woo
    hooks = sandbox.hooks.all(sandbox.sellers[0])
    hooks[0].status = "disabled"
    sandbox.hooks.drop(hooks[1])
    await subscribing.compare(scope(running, amy), f"woocommerce {connection}")
    after = sandbox.hooks.all(sandbox.sellers[0])
    assert {hook.topic for hook in after if hook.status == "active"} == WOO_TOPICS
    assert (await subscription(running, amy, connection))["repairedAt"] is not None  # type: ignore[index] # it is there
    assert set(await delivered(amy, sandbox)) == {200}  # the new one's ping


async def test_a_disconnected_shop_has_no_webhooks_left_and_its_address_answers_nothing(
    running: Deployment, woo: Any
) -> None:
    amy, connection, sandbox, _ = woo
    url = sandbox.hooks.all(sandbox.sellers[0])[0].url
    assert (await amy.call("DELETE", f"/api/connections/{connection}")).status == 204
    assert sandbox.hooks.all(sandbox.sellers[0]) == []

    async def refused() -> bool:
        async with amy.browser.post(url, data=b"{}") as answer:
            return bool(answer.status == 401)

    assert await until(refused)


async def test_a_key_that_only_reads_goes_on_reading_and_the_lack_is_shown(running: Deployment) -> None:
    sandbox = cast("WooCommerce", running.sandbox.shops["woocommerce"])
    keys = sandbox.keys(sandbox.sellers[3].id)
    sandbox.reading.add(keys["consumer_key"])
    bob = await running.merchant("Bob, who may only read")
    made = await bob.call(
        "POST", "/api/connections", {"provider": "woocommerce", "credentials": {**keys, **ENTERED["woocommerce"]}}
    )
    found = await until(lambda: failed(running, bob))
    assert "write permissions" in found["reason"]
    assert (await bob.call("GET", f"/api/connections/{made.body['id']}")).body["status"] == "connected"
    assert (await bob.sync(made.body["id"]))["state"] == "succeeded"


async def failed(running: Deployment, bob: Merchant) -> dict[str, Any] | None:
    items = (await bob.call("GET", "/api/webhooks/subscriptions")).body["items"]
    return next((one for one in items if one["state"] == "failed"), None)


async def test_a_shopify_shop_is_asked_for_all_that_a_call_can_ask_for(running: Deployment, shopify: Any) -> None:
    amy, connection, sandbox, found = shopify
    hooks = sandbox.hooks.of(sandbox.sellers[0])
    assert found["state"] == "live", found["reason"]
    assert "orders/updated" in found["topics"]
    assert {hook.topic for hook in hooks} == set(found["topics"])
    # Shopify deletes what failed for hours
    sandbox.hooks.failed(hooks[0])
    await subscribing.compare(scope(running, amy), f"shopify {connection}")
    assert {hook.topic for hook in sandbox.hooks.of(sandbox.sellers[0])} == set(found["topics"])


async def pushed(amy: Merchant, sandbox: Shopify, topic: str) -> None:
    """One privacy topic, signed with the app's secret, to the address that the shop was told."""
    secret = Secret(sandbox.apps[0].credentials["api_secret"])
    url = sandbox.hooks.of(sandbox.sellers[0])[0].address
    one = sandbox.push_privacy(topic, secret)

    async def answered() -> int:
        async with amy.browser.post(url, data=one.body, headers=one.headers) as answer:
            return 0 if answer.status == 503 else answer.status

    # a platform comes again where it is asked to, as on a machine that is busy with others
    assert await until(answered) == 200


async def handled(amy: Merchant, topic: str) -> dict[str, Any]:
    """The delivery about a privacy topic, once it is done, whole."""

    async def done() -> Any:
        rows = [row for row in await log(amy, "shopify") if row["topic"] == topic and row["state"] == "done"]
        return rows[0] if rows else None

    found = await until(done)
    return dict((await amy.call("GET", f"/api/webhooks/{found['id']}")).body)


async def told(running: Deployment, amy: Merchant, kind: str) -> list[dict[str, Any]]:
    async with running.platform.system.tx() as tx:
        sql = "select body from events where tenant_id = $1 and type = $2 order by xid, id"
        return [row["body"] for row in await tx.fetch_sql(sql, amy.tenant_id, kind)]


async def test_who_asks_what_is_kept_of_them_is_told_of_to_the_tenant(running: Deployment, shopify: Any) -> None:
    amy, connection, sandbox, _ = shopify
    await amy.sync(connection, entity="orders")
    await pushed(amy, sandbox, "customers/data_request")
    whole = await handled(amy, "customers/data_request")
    assert [one["handler"] for one in whole["handlers"]] == ["privacy"]
    (body,) = await told(running, amy, "privacy.data_requested")
    assert body["customer"] == str(sandbox.book().all()[0].buyer.id)
    for id_ in body["orderIds"]:
        assert (await amy.call("GET", f"/api/orders/{id_}")).body["personal"] is not None


async def test_ER_02_a_person_whom_the_platform_wants_forgotten_is_forgotten(running: Deployment, shopify: Any) -> None:
    amy, connection, sandbox, _ = shopify
    orders = (await told(running, amy, "privacy.data_requested"))[0]["orderIds"]
    assert orders
    await pushed(amy, sandbox, "customers/redact")
    whole = await handled(amy, "customers/redact")
    assert whole["body"] == ""
    await amy.sync(connection, entity="orders")
    for id_ in orders:
        assert (await amy.call("GET", f"/api/orders/{id_}")).body["personal"] is None
    (body,) = await told(running, amy, "privacy.erased")
    assert (body["what"], body["orders"] > 0) == ("customer", True)
    audited = await amy.everything("/api/audit?", "items")
    assert {"privacy.data_requested", "privacy.erased"} <= {row["type"] for row in audited}


async def test_a_shop_that_is_to_be_forgotten_leaves_nothing(running: Deployment, shopify: Any) -> None:
    amy, connection, sandbox, _ = shopify
    await pushed(amy, sandbox, "shop/redact")
    await handled(amy, "shop/redact")

    async def gone() -> bool:
        return not await amy.everything("/api/orders?", "items") and not await amy.everything("/api/listings?", "items")

    assert await until(gone)
    assert (await amy.call("GET", f"/api/connections/{connection}")).status == 404
    rows = [(await amy.call("GET", f"/api/webhooks/{row['id']}")).body for row in await log(amy, "shopify")]
    assert {row["body"] for row in rows} == {""}
    assert sandbox.hooks.of(sandbox.sellers[0]) == []


async def test_a_seller_who_was_taken_out_of_the_queue_is_put_back_by_the_daily_look(running: Deployment) -> None:
    amy, connection = await running.owner("tiki")
    sandbox = cast("Tiki", running.sandbox.shops["tiki"])
    found = await until(lambda: subscription(running, amy, connection))
    assert found["state"] == "live"
    queue = next(iter(sandbox.queues.of_app(sandbox.apps[0])))
    whole = set(queue.joined)
    queue.joined.clear()
    await subscribing.compare(scope(running, amy), f"tiki {connection}")
    assert queue.joined == whole
