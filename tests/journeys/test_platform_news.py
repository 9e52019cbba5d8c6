"""News of platforms: asked for when a shop is connected, mended when switched off, and read from queues as well."""

import asyncio
import hmac
import json
from base64 import b64decode
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest_asyncio
from tests.journeys.deployment import Deployment, Merchant

from isthmus.connect.spi import Queues
from isthmus.connectors.shopee.sandbox.shop import Shopee
from isthmus.connectors.tiki.sandbox.shop import Tiki
from isthmus.features import catalog, connections
from isthmus.features.webhooks_in.service import pulling, subscribing
from isthmus.kit.permissions import PLATFORM_TENANT
from isthmus.scope import Scope


async def until(holds: Callable[[], Awaitable[Any]]) -> Any:
    async with asyncio.timeout(60):
        while not (found := await holds()):  # noqa: ASYNC110 - another process's work has no event here
            await asyncio.sleep(0.05)
    return found


async def answered(amy: Merchant, url: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
    """What a platform is told that comes again where it is asked to, as on a machine that is busy with others."""

    async def told() -> tuple[int, bytes] | None:
        async with amy.browser.post(url, data=body, headers=headers) as answer:
            return None if answer.status == 503 else (answer.status, await answer.read())

    found: tuple[int, bytes] = await until(told)
    return found


def platform(running: Deployment) -> Scope:
    return running.platform.system.scope(PLATFORM_TENANT, "journeys")


async def subscription(running: Deployment, provider: str) -> dict[str, Any] | None:
    found = [one for one in await subscribing.listed(platform(running)) if one["provider"] == provider]
    return found[0] if found else None


async def live(running: Deployment, provider: str) -> dict[str, Any] | None:
    found = await subscription(running, provider)
    return found if found is not None and found["state"] == "live" else None


async def log(amy: Merchant, provider: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await amy.call("GET", f"/api/webhooks?provider={provider}")).body["items"]
    return items


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shopee(running: Deployment) -> tuple[Merchant, str, Shopee, dict[str, Any]]:
    amy, connection = await running.owner("shopee")
    found = await until(lambda: live(running, "shopee"))
    return amy, connection, cast("Shopee", running.sandbox.shops["shopee"]), found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tiki(running: Deployment) -> tuple[Merchant, str, Tiki, dict[str, Any]]:
    amy, connection = await running.owner("tiki")
    found = await until(lambda: live(running, "tiki"))
    return amy, connection, cast("Tiki", running.sandbox.shops["tiki"]), found


async def test_connecting_a_shop_has_its_pushes_come(running: Deployment, shopee: Any) -> None:
    _, _, sandbox, found = shopee
    desk = sandbox.desks.of(sandbox.apps[0])
    assert desk.url.startswith(f"{running.address}/hooks/")
    assert {str(code) for code in desk.on} == set(found["topics"])


async def test_a_push_to_the_address_that_the_platform_was_told_is_believed(running: Deployment, shopee: Any) -> None:
    amy, connection, sandbox, _ = shopee
    shop, app = sandbox.sellers[0], sandbox.apps[0]
    body = b'{"data":{"item_id":1},"shop_id":%s,"code":8,"timestamp":1767225600}' % shop.id.encode()
    url = sandbox.desks.of(app).url
    mark = hmac.digest(app.credentials["partner_key"].encode(), url.encode() + b"|" + body, "sha256").hex()
    assert await answered(amy, url, body, {"authorization": mark}) == (200, b"")
    mine = await until(lambda: log(amy, "shopee"))
    assert mine[0]["connectionId"] == connection


async def test_a_push_about_one_object_has_that_object_read_anew(running: Deployment, shopee: Any) -> None:
    amy, connection, sandbox, _ = shopee
    await amy.sync(connection)
    listing = (await amy.call("GET", "/api/listings?limit=1")).body["items"][0]
    number = listing["externalId"]
    sandbox.edit_product(number, title="Read anew")
    app, shop = sandbox.apps[0], sandbox.sellers[0]
    shape = {"data": {"item_id": int(number)}, "shop_id": int(shop.id), "code": 8, "timestamp": 1767225601}
    body, url = json.dumps(shape).encode(), sandbox.desks.of(app).url
    mark = hmac.digest(app.credentials["partner_key"].encode(), url.encode() + b"|" + body, "sha256").hex()
    assert (await answered(amy, url, body, {"authorization": mark}))[0] == 200

    async def read() -> bool:
        return bool((await amy.call("GET", f"/api/listings/{listing['id']}")).body["title"] == "Read anew")

    assert await until(read)
    newest = (await log(amy, "shopee"))[0]
    whole = (await amy.call("GET", f"/api/webhooks/{newest['id']}")).body
    assert [(one["handler"], one["state"], one["result"]["externalId"]) for one in whole["handlers"]] == [
        ("sync", "done", number)
    ]


async def test_what_the_platform_switched_off_is_mended_by_the_daily_look(running: Deployment, shopee: Any) -> None:
    _, _, sandbox, found = shopee
    desk, scope = sandbox.desks.of(sandbox.apps[0]), platform(running)
    desk.suspended = True
    desk.on.discard(8)
    await subscribing.compare(scope, f"shopee {found['registration_id']}")
    assert (desk.suspended, 8 in desk.on) == (False, True)
    after = await subscription(running, "shopee")
    assert after is not None
    assert after["repaired_at"] > found["checked_at"]
    assert 0.9 < (after["next_at"] - after["checked_at"]).total_seconds() / 86_400 < 1.1


async def test_lost_pushes_are_read_into_the_same_log_once(running: Deployment, shopee: Any) -> None:
    amy, connection, sandbox, found = shopee
    app, shop = sandbox.apps[0], sandbox.sellers[0]
    desk = sandbox.desks.of(app)
    for number in range(130):
        sandbox.desks.lose(app, shop.id, 8, {"item_id": 1_000 + number}, 1_767_225_600)
    key = f"shopee {found['registration_id']}"
    await asyncio.gather(*(pulling.pull(platform(running), key) for _ in range(2)))
    assert desk.lost == []

    async def there() -> bool:
        rows = await amy.everything("/api/webhooks?provider=shopee&", "items")
        return len([row for row in rows if row["verdict"]["reason"] == "pulled"]) == 130

    assert await until(there)
    assert {row["connectionId"] for row in await log(amy, "shopee")} == {connection}


async def test_a_queue_is_joined_and_read_in_order_and_confirmed_after_the_commit(
    running: Deployment, tiki: Any
) -> None:
    amy, connection, sandbox, found = tiki
    sid, key, scope = sandbox.sellers[0].extra["sid"], f"tiki {found['registration_id']}", platform(running)
    joined = sandbox.queues.of(sandbox.apps[0], found["queue"]).joined

    async def all_joined() -> bool:
        return len(joined) == len(found["topics"])

    await until(all_joined)
    for number in range(3):
        payload = {"product_id": 500 + number}
        assert sandbox.queues.tell(sid, "PRODUCT_PRICE_UPDATED", payload, 1_767_225_600) == 1
    queue = sandbox.queues.of(sandbox.apps[0], found["queue"])
    assert queue is not None

    # a reader that dies before its commit has confirmed nothing
    registration = await catalog.registration(scope, "tiki", found["registration_id"])
    async with connections.desk(scope, registration) as desk:
        assert isinstance(registration.connector, Queues)
        lost = await registration.connector.pull_events(desk, found["queue"], "")
    assert len(lost.bodies) == 3
    assert len(queue.events) == 3
    await pulling.pull(scope, key)

    async def there() -> list[dict[str, Any]]:
        rows = await log(amy, "tiki")
        return rows if len(rows) == 3 else []

    rows = await until(there)
    assert [row["object"] for row in rows] == ["502", "501", "500"]
    assert {(row["connectionId"], row["event"]) for row in rows} == {(connection, "product.updated")}
    await pulling.pull(scope, key)
    assert queue.events == []
    assert len(await log(amy, "tiki")) == 3


async def test_with_the_last_connection_nothing_is_asked_for_any_more(running: Deployment, shopee: Any) -> None:
    amy, connection, sandbox, _ = shopee
    assert (await amy.call("DELETE", f"/api/connections/{connection}")).status in {200, 204}

    async def gone() -> bool:
        return await subscription(running, "shopee") is None

    assert await until(gone)
    assert sandbox.desks.of(sandbox.apps[0]).on == set()


async def test_a_stream_tells_what_comes_in_and_goes_on_where_it_was_cut(running: Deployment) -> None:
    amy = await running.merchant("Amy, who listens")
    made = await amy.call("POST", "/api/webhooks/sources", {"provider": "github", "secret": "of-this-journey"})
    headers = {"authorization": f"Bearer {amy.token}", "accept": "text/event-stream"}

    async def read(stream: Any, count: int) -> list[tuple[str, str, dict[str, Any]]]:
        """So many events: id, name, data."""
        events: list[tuple[str, str, dict[str, Any]]] = []
        told: dict[str, str] = {}
        while len(events) < count:
            name, _, value = (await stream.content.readline()).decode().rstrip("\n").partition(": ")
            if name:
                told[name] = value
            elif "data" in told:
                events.append((told["id"], told["event"], json.loads(told["data"])))
                told = {}
        return events

    async def send(number: int) -> None:
        body = {"sourceId": made.body["id"], "topic": "push", "headers": {"x-github-delivery": f"d-{number}"}}
        assert (await amy.call("POST", "/api/webhooks/simulate", body)).body["accepted"]

    url = f"{running.address}/api/webhooks/stream"
    async with asyncio.timeout(60):
        async with amy.browser.get(url, headers=headers) as stream:
            ((_, first, _),) = await read(stream, 1)
            await send(1)
            ((place, name, data),) = await read(stream, 1)
        assert (first, name, data["delivery"]["event"]) == ("ready", "delivery", "github.push")
        assert json.loads(b64decode(data["bodyBase64"]))
        await send(2)
        async with amy.browser.get(url, headers={**headers, "last-event-id": place}) as stream:
            again = await read(stream, 3)
    ids = [told["delivery"]["id"] for _, name, told in again if name == "delivery"]
    assert ids[0] == data["delivery"]["id"]
    assert len(set(ids)) == 2
