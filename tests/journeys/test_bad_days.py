"""Bad days of the platforms: what a run says of them, what is kept, and that the next run heals (issue section 9)."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.journeys.deployment import Deployment, Merchant, deployment

from isthmus.features import connections
from isthmus.kit.clock import SYSTEM
from isthmus.sandbox import Shop

PLATFORMS = ("lazada", "shopee", "tiki")
_IMPATIENT = {"SYNC__BACKOFF": "PT0.05S", "SYNC__MAX_BACKOFF": "PT0.2S", "SYNC__MAX_ATTEMPTS": "2"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Deployment]:
    home: Path = tmp_path_factory.mktemp("home")
    async with deployment(database_url, home, products=12, clock=SYSTEM, **_IMPATIENT) as made:
        yield made


@pytest.fixture
def shops(running: Deployment) -> Any:
    yield running.sandbox.shops
    for shop in running.sandbox.shops.values():
        shop.faults.clear()
        shop.throttle.reset()


async def _titles(amy: Merchant) -> dict[str, str]:
    return {row["externalId"]: row["title"] for row in await amy.everything("/api/listings?", "items")}


async def _forget(running: Deployment, amy: Merchant, connection: str) -> None:
    """A circuit that opened stays open for seconds; a new client has a closed one."""
    await running.platform.engine.part(connections.Clients).drop(amy.tenant_id, connection)


def _reads(shop: Shop) -> str:
    """The route that lists products."""
    return {"lazada": "*/products/get", "shopee": "*/product/get_item_list", "tiki": "*/products"}[shop.platform]


@pytest.mark.parametrize("provider", PLATFORMS)
async def test_html_with_200_ends_the_run_clearly_and_the_next_one_heals(
    running: Deployment, shops: dict[str, Shop], provider: str
) -> None:
    amy, connection = await running.owner(provider)
    assert (await amy.sync(connection))["state"] == "succeeded"
    before = await _titles(amy)
    shop = shops[provider]
    shop.faults.add(_reads(shop), "html")
    run = await amy.sync(connection)
    assert (run["state"], run["error"]["code"], run["attempts"]) == ("failed", "NOT_JSON", 1), run
    assert "not JSON" in run["error"]["message"]
    assert "<" not in run["error"]["message"]
    assert await _titles(amy) == before
    shop.faults.clear()
    await _forget(running, amy, connection)
    run = await amy.sync(connection)
    assert (run["state"], run["error"], run["created"], run["updated"]) == ("succeeded", None, 0, 0)
    assert await _titles(amy) == before


@pytest.mark.parametrize("provider", PLATFORMS)
@pytest.mark.parametrize(
    "kind", ["html", "truncate", "cut", "server_error", "throttle", "reset", "drop_reply", "expired_token"]
)
async def test_one_bad_answer_is_got_over_without_a_trace(
    running: Deployment, shops: dict[str, Shop], provider: str, kind: str
) -> None:
    amy, connection = await running.owner(provider)
    shops[provider].faults.add(_reads(shops[provider]), kind, times=1)
    run = await amy.sync(connection)
    assert (run["state"], run["failed"], run["error"]) == ("succeeded", 0, None), run
    assert len(await _titles(amy)) == 12
    assert (await amy.call("GET", f"/api/connections/{connection}")).body["status"] == "connected"


_NOTHING: dict[str, dict[str, Any]] = {
    "lazada": {"data": {"products": [], "total_products": 0}},
    "shopee": {"response": {"item": [], "total_count": 0, "has_next_page": False}},
    "tiki": {"data": [], "paging": {"total": 0, "last_page": 1}},
}


@pytest.mark.parametrize("provider", PLATFORMS)
@pytest.mark.parametrize(("kind", "suspected"), [("lose", True), ("reorder", False), ("patch", False)])
async def test_PR_10_a_list_that_loses_rows_turns_them_round_or_is_empty_deletes_nothing(
    running: Deployment, shops: dict[str, Shop], provider: str, kind: str, suspected: bool
) -> None:
    amy, connection = await running.owner(provider)
    assert (await amy.sync(connection))["state"] == "succeeded"
    before = await amy.everything("/api/listings?", "items")
    shops[provider].faults.add(_reads(shops[provider]), kind, body=_NOTHING[provider])
    run = await amy.sync(connection)
    assert (run["state"], run["failed"]) == ("succeeded", 0), run
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(60):
        while (suspected and not found) or {one["state"] for one in found} - {"found"}:
            await asyncio.sleep(0.05)
            found = await amy.everything(f"/api/sync/deletions?runId={run['id']}&", "items")
    shops[provider].faults.clear()
    assert (await amy.sync(connection))["updated"] == 0
    assert await amy.everything("/api/listings?", "items") == before, "each was asked for by its id, and is still there"


async def test_a_valid_token_goes_on_while_the_token_endpoint_is_down(
    running: Deployment, shops: dict[str, Shop]
) -> None:
    amy, connection = await running.owner("tiki")
    for kind in ("server_error", "html"):
        shops["tiki"].faults.add("*/token", kind)
    assert (await amy.sync(connection))["state"] == "succeeded"
    assert (await amy.call("POST", f"/api/connections/{connection}/test")).body["success"] is True


async def test_a_grant_ended_at_the_platform_expires_the_connection_at_once(
    running: Deployment, shops: dict[str, Shop]
) -> None:
    shop = shops["shopee"]
    amy = await running.merchant("Revoked")
    seller = shop.sellers[1].id
    connection = await amy.connect("shopee", seller)
    assert (await amy.sync(connection))["state"] == "succeeded"
    shop.ledger.revoke(seller)
    run = await amy.sync(connection)
    assert (run["state"], run["error"]["code"]) == ("parked", "CONNECTION_EXPIRED"), run
    found = (await amy.call("GET", f"/api/connections/{connection}")).body
    assert (found["status"], bool(found["statusReason"])) == ("expired", True)
    async with running.platform.system.tx() as tx:
        sql = "select count(*) from events where type = 'connection.expired' and subject = $1"
        assert (await tx.fetch_sql(sql, connection))[0][0] == 1
    again = await amy.call("POST", f"/api/connections/{connection}/test")
    assert again.body["success"] is False
    assert "reconnect" in str(again.body).lower() or "connect" in str(again.body).lower()


async def test_a_clock_that_is_ten_minutes_off_is_reported_as_such_and_stops_nothing(
    running: Deployment, shops: dict[str, Shop], caplog: pytest.LogCaptureFixture
) -> None:
    """marketplaces.md 12.3, 10."""
    amy, connection = await running.owner("shopee")
    running.sandbox.clock.advance(600)
    try:
        with caplog.at_level("WARNING", "isthmus.client"):
            run = await amy.sync(connection)
    finally:
        running.sandbox.clock.advance(-600)
    assert run["state"] == "succeeded", run
    assert re.search("our clock and that of 127.0.0.1 differ by (599|600) seconds", caplog.text)
    await _forget(running, amy, connection)
    assert (await amy.sync(connection))["state"] == "succeeded"


async def test_a_platform_that_allows_one_call_a_second_is_read_to_the_end_and_not_overrun(
    running: Deployment, shops: dict[str, Shop]
) -> None:
    """marketplaces.md 12.3, 6."""
    amy, connection = await running.owner("shopee")
    shop = shops["shopee"]
    shop.recording.clear()
    shop.throttle.set_rate(1.0, 1.0)
    began = time.monotonic()
    run = await amy.sync(connection)
    seconds = time.monotonic() - began
    assert run["state"] == "succeeded", str(run)[300:]
    assert run["throttled"] > 0
    assert run["waitedMs"] > 500
    served = len(shop.recording.requests) - shop.recording.counts["throttled"]
    assert served <= seconds + 2


async def test_what_callers_get_wrong_is_named(running: Deployment) -> None:
    amy, connection = await running.owner("tiki")
    for method, path, body, status, code, named in [
        ("POST", "/api/connections", {"provider": "amazon"}, 404, "PROVIDER_NOT_FOUND", "provider"),
        ("GET", "/api/integrations/amazon", None, 404, "PROVIDER_NOT_FOUND", "provider"),
        ("GET", "/api/products?limit=0", None, 400, "VALIDATION_ERROR", "limit"),
        ("GET", "/api/products?limit=101", None, 400, "VALIDATION_ERROR", "limit"),
        ("GET", "/api/products?limit=ten", None, 400, "VALIDATION_ERROR", "limit"),
        ("GET", "/api/products?pageSize=10", None, 400, "VALIDATION_ERROR", "pageSize"),
        ("POST", "/api/sync/products", {}, 400, "VALIDATION_ERROR", "connectionId"),
        ("POST", "/api/sync/products", {"connectionId": connection, "mode": "some"}, 400, "VALIDATION_ERROR", "mode"),
        ("GET", "/api/sync/runs?state=odd", None, 400, "VALIDATION_ERROR", "state"),
        ("GET", "/api/nothing", None, 404, "NOT_FOUND", ""),
        ("PUT", "/api/products", {}, 405, "METHOD_NOT_ALLOWED", ""),
    ]:
        answer = await amy.call(method, path, body)
        assert (answer.status, answer.body["error"]["code"]) == (status, code), (path, answer.body)
        assert named in str(answer.body["error"]), path


async def test_a_pending_connection_is_not_read(running: Deployment) -> None:
    amy = await running.merchant("Undecided")
    opened = await amy.call("POST", "/api/connections", {"provider": "tiki"})
    answer = await amy.call("POST", "/api/sync/products", {"connectionId": opened.body["id"], "mode": "full"})
    if answer.status == 202:
        run = await amy.finished(answer.body["id"])
        assert (run["state"], run["error"]["code"]) == ("failed", "CONNECTION_PENDING"), run
    else:
        assert (answer.status, answer.body["error"]["code"]) == (409, "CONNECTION_PENDING")
    await asyncio.sleep(0)
