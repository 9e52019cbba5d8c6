"""Orders of three marketplaces in one deployment: read, moved, hidden from some, and forgotten."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.journeys.deployment import Deployment, Merchant, deployment

from isthmus.kit.clock import SYSTEM
from isthmus.kit.permissions import USER
from isthmus.sandbox import Shop

PLATFORMS = ("lazada", "shopee", "tiki")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Deployment]:
    home: Path = tmp_path_factory.mktemp("home")
    async with deployment(database_url, home, products=12, clock=SYSTEM) as made:
        yield made


async def _orders(amy: Merchant, query: str = "") -> dict[str, dict[str, Any]]:
    return {row["externalId"]: row for row in await amy.everything(f"/api/orders?{query}", "items")}


async def _read(amy: Merchant, connection: str, mode: str = "incremental") -> dict[str, Any]:
    run = await amy.sync(connection, mode, "orders")
    assert (run["state"], run["entity"], run["failed"]) == ("succeeded", "orders", 0), run
    return run


def _agrees(shop: Shop, rows: dict[str, dict[str, Any]]) -> None:
    """Every order with what it comes to; lines of one variant and price are one where the platform lists units."""
    assert {key: Decimal(row["grandTotal"]) for key, row in rows.items()} == {
        one.key: one.total for one in shop.book().all()
    }
    assert all(rows[one.key]["lineCount"] <= len(one.lines) for one in shop.book().all())


@pytest.mark.parametrize("provider", PLATFORMS)
async def test_every_order_comes_once_moves_are_told_and_a_second_read_changes_nothing(
    running: Deployment, provider: str
) -> None:
    amy, connection = await running.owner(provider)
    shop = running.sandbox.shops[provider]
    run = await _read(amy, connection)
    assert run["created"] == shop.book().size == run["records"]
    rows = await _orders(amy, f"connectionId={connection}&")
    _agrees(shop, rows)
    assert (await _read(amy, connection, "full"))["unchanged"] == run["created"]
    key = shop.place_order()
    shop.move_order(key, "shipped")
    assert (await _read(amy, connection))["created"] == 1
    shop.move_order(key, "delivered")
    assert (await _read(amy, connection))["updated"] == 1
    async with running.platform.system.tx() as tx:
        told = await tx.fetch_sql(
            "select type from events where tenant_id = $1 and body ->> 'externalId' = $2 and type like 'order%' "
            "order by xid, id",
            amy.tenant_id,
            key,
        )
    assert [row["type"] for row in told] == ["order.created", "order.updated", "order.status_changed"]


async def test_one_order_is_read_anew_on_demand(running: Deployment) -> None:
    for provider in PLATFORMS:
        amy, connection = await running.owner(provider)
        await _read(amy, connection)
        shop = running.sandbox.shops[provider]
        key = shop.place_order()
        body = {"connectionId": connection, "entity": "orders", "externalId": key}
        assert (await amy.call("POST", "/api/sync/refresh", body)).status == 202
        async with asyncio.timeout(60):
            while True:
                if key in await _orders(amy, f"search={key}&"):
                    break
                await asyncio.sleep(0.05)


async def test_persons_are_shown_to_those_who_may_see_them_and_to_nobody_once_erased(running: Deployment) -> None:
    amy, connection = await running.owner("shopee")
    shop = running.sandbox.shops["shopee"]
    key = shop.place_order()
    await _read(amy, connection)
    row = (await _orders(amy, f"search={key}&"))[key]
    path = f"/api/orders/{row['id']}"
    seen = (await amy.call("GET", f"{path}?include=raw")).body
    buyer = shop.book().order(key)
    assert buyer is not None
    assert seen["personal"]["shippingAddress"]["line1"] == buyer.buyer.street
    assert seen["raw"]["order_sn"] == key
    assert seen["totals"]["grandTotal"] == row["grandTotal"]
    assert [line["quantity"] for line in seen["lines"]] == [line.quantity for line in buyer.lines]
    clerk = running.person(amy.tenant_id, (USER,), "clerk")
    hidden = (await clerk.call("GET", f"{path}?include=raw")).body
    assert (hidden["personal"], hidden["raw"], hidden["number"]) == (None, None, key)
    shop.move_order(key, "shipped")
    await _read(amy, connection)
    kept = (await amy.call("GET", path)).body
    assert (kept["status"], kept["personal"]) == ("shipped", seen["personal"])
    assert (await clerk.call("POST", f"/api/customers/{row['customerId']}/redact")).status == 403
    assert (await amy.call("POST", f"/api/customers/{row['customerId']}/redact")).status == 204
    gone = (await amy.call("GET", path)).body
    assert (gone["personal"], gone["redactedAt"] is not None) == (None, True)


async def test_an_order_that_cannot_be_read_keeps_no_persons_in_its_error(running: Deployment) -> None:
    amy, connection = await running.owner("shopee")
    shop = running.sandbox.shops["shopee"]
    shop.place_order()
    shop.faults.add(
        "*/get_order_detail", "patch", body={"response": {"order_list": [{"order_sn": "X", "secret": "Canary"}]}}
    )
    try:
        run = await amy.sync(connection, "full", "orders")
    finally:
        shop.faults.clear()
    assert run["state"] == "succeeded", run
    assert run["failed"] > 0
    errors = (await amy.call("GET", f"/api/sync/runs/{run['id']}/errors")).body["items"]
    assert errors
    assert {error["payload"] for error in errors} == {""}


async def test_everything_of_a_connection_is_read_with_one_call(running: Deployment) -> None:
    amy, connection = await running.owner("tiki")
    answer = await amy.call("POST", "/api/sync", {"connectionId": connection})
    assert answer.status == 202
    ended = [await amy.finished(run["id"]) for run in answer.body["items"]]
    assert sorted((run["entity"], run["state"]) for run in ended) == [
        ("orders", "succeeded"),
        ("products", "succeeded"),
    ]
    wrong = await amy.call("POST", "/api/sync", {"connectionId": connection, "entities": ["nonsense"]})
    assert (wrong.status, wrong.body["error"]["code"]) == (409, "SYNC_NOT_SUPPORTED")
