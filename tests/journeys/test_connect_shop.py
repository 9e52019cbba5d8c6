"""A merchant connects a shop of each platform, sees the listings, edits one at the platform and sees the change."""

import asyncio

import pytest
from tests.journeys.deployment import Deployment

from isthmus.sandbox import walk

PLATFORMS = ("lazada", "shopee", "tiki")


@pytest.mark.parametrize("provider", PLATFORMS)
async def test_every_listing_of_a_shop_arrives_and_a_change_follows(running: Deployment, provider: str) -> None:
    amy, connection = await running.owner(provider)
    run = await amy.sync(connection)
    assert (run["state"], run["failed"]) == ("succeeded", 0), run
    shop = running.sandbox.shops[provider]
    listings = await amy.everything("/api/listings?", "items")
    assert len(listings) == 12
    products = await amy.everything("/api/products?", "items")
    assert {product["title"] for product in products} == {listing["title"] for listing in listings}
    again = await amy.sync(connection, "incremental")
    assert (again["created"], again["updated"]) == (0, 0), again
    details = [(await amy.call("GET", f"/api/listings/{row['id']}")).body for row in listings]
    single = next(row for row in details if len(row["variants"]) == 1)
    changed = single["externalId"]
    # a platform without parents is edited by what it sells
    shop.edit_product(
        single["variants"][0]["externalId"] if provider == "tiki" else changed, title="Áo dài lụa Hà Đông"
    )
    await asyncio.sleep(1.1)  # the platforms count in whole seconds
    third = await amy.sync(connection, "incremental")
    assert third["updated"] == 1, third
    titles = {row["externalId"]: row["title"] for row in await amy.everything("/api/listings?", "items")}
    assert titles[changed] == "Áo dài lụa Hà Đông"


async def test_a_second_trigger_names_the_running_run(running: Deployment) -> None:
    amy, connection = await running.owner("tiki")
    running.sandbox.shops["tiki"].faults.add("/integration/*", "latency", seconds=0.5)
    try:
        first = await amy.call("POST", "/api/sync/products", {"connectionId": connection, "mode": "full"})
        second = await amy.call("POST", "/api/sync/products", {"connectionId": connection, "mode": "full"})
    finally:
        running.sandbox.shops["tiki"].faults.clear()
    assert (first.status, second.status) == (202, 409)
    assert first.body["id"] in str(second.body["error"])
    assert (await amy.finished(first.body["id"]))["state"] == "succeeded"


async def test_the_stream_tells_the_run_from_its_beginning_to_its_end(running: Deployment) -> None:
    amy, connection = await running.owner("tiki")
    headers = {"authorization": f"Bearer {amy.token}", "accept": "text/event-stream"}
    seen: list[str] = []
    async with amy.browser.get(running.address + "/api/sync/stream", headers=headers) as stream:
        assert stream.status == 200
        run = await amy.call("POST", "/api/sync/products", {"connectionId": connection, "mode": "full"})
        async with asyncio.timeout(60):
            while not any("succeeded" in line and run.body["id"] in line for line in seen):
                seen.append((await stream.content.readline()).decode())
    ids = [line.removeprefix("id:").strip() for line in seen if line.startswith("id:")]
    assert ids == sorted(set(ids), key=ids.index)
    resumed = {**headers, "last-event-id": ids[0]}
    async with amy.browser.get(running.address + "/api/sync/stream", headers=resumed) as stream, asyncio.timeout(60):
        again = ""
        while not ("succeeded" in again and run.body["id"] in again):
            again = (await stream.content.readline()).decode()


async def test_a_denied_consent_changes_nothing(running: Deployment) -> None:
    amy = await running.merchant("Second thoughts")
    opened = await amy.call("POST", "/api/connections", {"provider": "tiki"})
    async with amy.browser.get(opened.body["authorizationUrl"], allow_redirects=False) as answer:
        consent = answer.headers["location"]
    async with amy.browser.get(await walk(consent, approve=False), allow_redirects=False) as answer:
        page = await answer.text()
    assert "code=" not in page
    found = (await amy.call("GET", f"/api/connections/{opened.body['id']}")).body
    assert found["status"] != "connected"


async def test_a_shop_that_was_disconnected_and_connected_again_is_not_shown_twice(running: Deployment) -> None:
    amy, connection = await running.owner("lazada")
    await amy.sync(connection)
    assert len(await amy.everything("/api/listings?", "items")) == 12
    assert (await amy.call("DELETE", f"/api/connections/{connection}")).status == 204
    for _ in range(200):
        if not await amy.everything("/api/listings?", "items"):
            break
        await asyncio.sleep(0.1)
    assert await amy.everything("/api/listings?", "items") == []
    again = await amy.connect("lazada")
    running.owners["lazada"] = (amy, again)
    assert (await amy.sync(again))["created"] == 12
    assert len(await amy.everything("/api/products?", "items")) == 12
