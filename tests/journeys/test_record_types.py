"""Types of records that an integration may not read are neither fetched, kept nor shown, from one commit on."""

import asyncio

from tests.journeys.deployment import Deployment, Merchant

from isthmus.features.connections.jobs import purge


async def _shown(amy: Merchant, connection: str) -> tuple[int, int]:
    listings = (await amy.call("GET", f"/api/listings?connectionId={connection}")).body["items"]
    products = (await amy.call("GET", f"/api/products?connectionId={connection}")).body["items"]
    return len(listings), len(products)


async def _kept(running: Deployment, connection: str) -> int:
    async with running.platform.system.tx() as tx:
        rows = await tx.fetch_sql("select count(*) from listings where connection_id = $1", connection)
    return int(rows[0][0])


async def _orders(amy: Merchant, connection: str) -> int:
    return len(await amy.everything(f"/api/orders?connectionId={connection}&", "items"))


async def _until_nothing_is_kept(running: Deployment, connection: str) -> None:
    async with asyncio.timeout(60):
        while True:
            if not await _kept(running, connection):
                return
            await asyncio.sleep(0.05)


async def test_a_type_that_is_taken_back_is_hidden_at_once_removed_by_a_job_and_read_anew_later(
    running: Deployment,
) -> None:
    amy, connection = await running.owner("tiki")
    first = await amy.sync(connection)
    count = first["listings"]
    before = await _shown(amy, connection)
    assert before == (count, count)
    assert count > 0
    one = (await amy.call("GET", f"/api/listings?connectionId={connection}")).body["items"][0]
    integration = (await amy.call("GET", f"/api/connections/{connection}")).body["integrationId"]
    path = f"/api/tenant/integrations/{integration}"

    taken = await amy.call("PATCH", path, {"allowedShardTypes": ["order"]})
    assert (taken.status, taken.body["allowedShardTypes"]) == (200, ["order"])
    assert await _shown(amy, connection) == (0, 0)
    assert (await amy.call("GET", f"/api/listings/{one['id']}")).status == 404
    assert (await amy.call("GET", f"/api/products/{one['productId']}")).status == 404
    refused = await amy.call("POST", "/api/sync/products", {"connectionId": connection})
    assert (refused.status, refused.body["error"]["code"]) == (403, "SHARD_TYPE_FORBIDDEN")
    named = await amy.call("POST", "/api/sync", {"connectionId": connection, "entities": ["orders", "products"]})
    assert (named.status, named.body["error"]["code"]) == (403, "SHARD_TYPE_FORBIDDEN")
    rest = await amy.call("POST", "/api/sync", {"connectionId": connection})
    assert (rest.status, [run["entity"] for run in rest.body["items"]]) == (202, ["orders"])
    assert (await amy.finished(rest.body["items"][0]["id"]))["state"] == "succeeded"
    await _until_nothing_is_kept(running, connection)

    given = await amy.call("PATCH", path, {"allowedShardTypes": []})
    assert given.status == 200
    again = await amy.sync(connection, "incremental")
    assert (again["mode"], again["created"]) == ("full", count)
    assert await _shown(amy, connection) == before


async def test_orders_that_may_pass_again_are_not_removed_by_what_is_heard_late(running: Deployment) -> None:
    amy, connection = await running.owner("tiki")
    first = await amy.sync(connection, entity="orders")
    count = first["records"]
    assert count == await _orders(amy, connection) > 0
    integration = (await amy.call("GET", f"/api/connections/{connection}")).body["integrationId"]
    path = f"/api/tenant/integrations/{integration}"
    assert (await amy.call("PATCH", path, {"allowedShardTypes": ["product"]})).status == 200
    async with asyncio.timeout(60):
        while True:
            if not await _orders(amy, connection):
                break
            await asyncio.sleep(0.05)
    assert (await amy.call("PATCH", path, {"allowedShardTypes": []})).status == 200
    assert (await amy.sync(connection, entity="orders"))["state"] == "succeeded"
    assert await _orders(amy, connection) == count
    await purge(running.platform.system.scope(amy.tenant_id, "connections"), integration)
    assert await _orders(amy, connection) == count


async def test_a_run_under_way_ends_when_its_integration_is_switched_off(running: Deployment) -> None:
    amy, connection = await running.owner("lazada")
    integration = (await amy.call("GET", f"/api/connections/{connection}")).body["integrationId"]
    path = f"/api/tenant/integrations/{integration}"
    run = await amy.call("POST", "/api/sync/products", {"connectionId": connection, "mode": "full"})
    assert run.status == 202
    assert (await amy.call("POST", f"{path}/deactivate")).status == 200
    ended = await amy.finished(run.body["id"])
    assert ended["state"] in {"cancelled", "failed", "succeeded"}
    refused = await amy.call("POST", "/api/sync/products", {"connectionId": connection})
    assert (refused.status, refused.body["error"]["code"]) == (409, "INTEGRATION_DISABLED")
    assert (await amy.call("POST", f"{path}/activate")).status == 200
    assert (await amy.sync(connection))["state"] == "succeeded"
    shown = (await amy.call("GET", path)).body
    assert shown["status"] == "connected"
    async with asyncio.timeout(60):
        while True:
            if (await amy.call("GET", path)).body["lastSyncAt"]:
                return
            await asyncio.sleep(0.05)
