"""A merchant finds what was synced, and calls the platform through the shop's connection, over the real server."""

import asyncio
from typing import Any

import aiohttp
from tests.journeys.deployment import Deployment, Merchant


async def _shop(running: Deployment) -> tuple[Merchant, str, str]:
    amy, connection = await running.owner("tiki")
    integration = (await amy.call("GET", f"/api/connections/{connection}")).body["integrationId"]
    return amy, connection, integration


async def test_what_a_sync_has_committed_is_found_soon_by_title_and_misspelt(running: Deployment) -> None:
    amy, connection, integration = await _shop(running)
    await amy.sync(connection)
    title = (await amy.call("GET", "/api/listings?limit=1")).body["items"][0]["title"]
    found = await _found(amy, title)
    best = found["results"][0]
    assert (best["title"], best["integrationId"], best["entity"], best["source"]) == (
        title, integration, "products", "index",
    )  # fmt: skip
    word = max((one for one in title.split() if one.isalpha()), key=len)
    assert (await _found(amy, f"{word[:-1]}x{word[-1]}"))["total"] > 0
    stranger = await running.merchant("Stranger")
    assert (await stranger.call("POST", "/api/integrations/search", {"query": title})).body["total"] == 0


async def _found(who: Merchant, query: str) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while True:
            answer = await who.call("POST", "/api/integrations/search", {"query": query})
            assert answer.status == 200, answer.body
            if answer.body["results"]:
                body: dict[str, Any] = answer.body
                return body
            await asyncio.sleep(0.1)


async def test_a_call_through_the_proxy_reaches_the_platform_signed_and_comes_back_whole(running: Deployment) -> None:
    amy, connection, integration = await _shop(running)
    path = f"/api/proxy/{connection}/integration/v2/products?page=1&limit=5"
    assert (await amy.call("GET", path)).body["error"]["code"] == "PROXY_DISABLED"
    switched = await amy.call("PATCH", f"/api/tenant/integrations/{integration}", {"proxyEnabled": True})
    assert switched.status == 200, switched.body
    answer = await amy.call("GET", path)
    assert answer.headers["isthmus-answered-by"] == "platform"
    assert (answer.status, len(answer.body["data"])) == (200, 5)
    refused = await amy.call("GET", f"/api/proxy/{connection}/nowhere")
    assert refused.status == 404
    assert refused.headers["isthmus-answered-by"] == "platform"


async def test_widgets_show_the_shop_live(running: Deployment) -> None:
    amy, _, integration = await _shop(running)
    base = f"/api/tenant/integrations/{integration}/widgets"
    assert (await amy.call("GET", f"{base}/status")).body["status"] == "connected"
    answer = await amy.call("GET", f"{base}/data?entity=products&fields=id&fields=title&limit=3")
    assert answer.status == 200, answer.body
    assert len(answer.body["data"]) == 3
    assert all(one.keys() == {"id", "title"} for one in answer.body["data"])
    async with asyncio.timeout(60):
        while True:
            if (await amy.call("GET", f"{base}/activity")).body["total"]:
                break
            await asyncio.sleep(0.1)


async def test_SC_04_a_widget_shows_nothing_personal_of_an_order_to_anybody(running: Deployment) -> None:
    amy, _, integration = await _shop(running)
    path = f"/api/tenant/integrations/{integration}/widgets/data?entity=orders&limit=3"
    answer = await amy.call("GET", path)
    assert answer.status == 200, answer.body
    assert len(answer.body["data"]) == 3
    personal = {"customer", "shippingAddress", "billingAddress", "buyerNote", "sellerNote"}
    assert not [one for one in answer.body["data"] if one.keys() & personal]
    for more in ("&fields=customer", '&filters={"buyerNote":{"contains":"a"}}'):
        assert (await amy.call("GET", path + more)).body["error"]["code"] == "VALIDATION_ERROR"


async def test_a_body_without_a_length_goes_through(running: Deployment) -> None:
    amy, connection, integration = await _shop(running)
    await amy.call("PATCH", f"/api/tenant/integrations/{integration}", {"proxyEnabled": True})

    async def pieces() -> Any:
        for _ in range(3):
            yield b"x" * 1000

    url = f"{running.address}/api/proxy/{connection}/nowhere"
    headers = {"authorization": f"Bearer {amy.token}", "content-type": "text/plain"}
    async with aiohttp.ClientSession() as client, client.post(url, data=pieces(), headers=headers) as answer:
        assert answer.headers["isthmus-answered-by"] == "platform"
