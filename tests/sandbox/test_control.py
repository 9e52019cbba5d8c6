"""What tests do in Python, other programs do over HTTP."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from tests.given.marketplaces import Answer, TikiUser, fetch

from isthmus.kit.clock import ManualClock
from isthmus.sandbox import SandboxServer, Shop


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[SandboxServer]:
    async with SandboxServer(["tiki"], products=10, clock=ManualClock()) as running:
        yield running


@pytest.fixture
def shop(server: SandboxServer) -> Shop:
    server.shops["tiki"].reset()
    return server.shops["tiki"]


async def control(shop: Shop, method: str, part: str = "", **body: object) -> Answer:
    return await fetch(method, f"{shop.base_url}/_sandbox{part}", json=body or None)


async def test_the_summary_names_hosts_applications_and_sellers(shop: Shop) -> None:
    summary = (await control(shop, "GET")).json
    assert summary["hosts"]["api"] == shop.base_url
    assert summary["apps"][0]["credentials"] == shop.apps[0].credentials
    assert [seller["blocked"] for seller in summary["sellers"]] == [False, False, True, False]


async def test_faults_are_added_shown_and_cleared(shop: Shop) -> None:
    added = await control(shop, "POST", "/faults", route="*/products", kind="server_error", times=1, status=500)
    assert added.status == 201
    assert (await fetch("GET", f"{shop.base_url}/integration/v2/products")).status == 500
    fault = (await control(shop, "POST", "/faults", route="*", kind="html")).json
    assert [each["id"] for each in (await control(shop, "GET", "/faults")).json["faults"]] == [fault["id"]]
    assert (await control(shop, "DELETE", f"/faults/{fault['id']}")).json["faults"] == []


async def test_requests_are_shown_with_their_verdict(shop: Shop) -> None:
    user = TikiUser(shop)
    await user.connect()
    await user.get("/products", page=1)
    user.access = "wrong"
    await user.get("/products")
    shown = (await control(shop, "GET", "/requests?limit=2")).json
    right, wrong = shown["requests"]
    assert (right["status"], right["seller"], right["page"], right["rule"]) == (200, shop.sellers[0].id, "1", None)
    assert (wrong["status"], wrong["rule"]) == (401, "token")
    assert shown["counts"]["exchange"] == 1
    await control(shop, "DELETE", "/requests")
    assert (await control(shop, "GET", "/requests")).json == {"requests": [], "counts": {}}


async def test_products_are_added_edited_and_removed(shop: Shop) -> None:
    added = (await control(shop, "POST", "/products")).json["ids"][0]
    assert (await control(shop, "PATCH", f"/products/{added}", title="Changed")).status == 200
    row = shop.sellers[0].shelf.row(int(added))
    assert row is not None
    assert row.product.title == "Changed"
    await control(shop, "DELETE", f"/products/{added}")
    assert shop.sellers[0].shelf.status(int(added)) == "deleted"


async def test_clock_throttle_consent_and_tokens_are_switched(shop: Shop) -> None:
    before = shop.clock.now()
    await control(shop, "POST", "/clock", advance=90)
    assert (shop.clock.now() - before).total_seconds() == 90
    await control(shop, "POST", "/throttle", per_second=3)
    assert shop.throttle.rate == 3
    await control(shop, "POST", "/consent", auto="approve")
    assert shop.auto_consent == "approve"
    user = TikiUser(shop)
    await user.connect()
    assert (await control(shop, "POST", "/revoke", seller=shop.sellers[0].id)).json == {"revoked": 1}
    assert (await user.get("/sellers/me")).status == 401
    await control(shop, "POST", "/reset")
    assert shop.throttle.rate == 200
    assert not shop.ledger.grants
    assert shop.auto_consent is None


@pytest.mark.parametrize(
    ("method", "part", "body", "status"),
    [
        ("POST", "/faults", {"route": "*", "kind": "explode"}, 400),
        ("POST", "/faults", {"route": "*", "kind": "html", "times": "x"}, 400),
        ("POST", "/throttle", {"per_second": 0}, 400),
        ("PATCH", "/products/x", {"title": "y"}, 400),
        ("PATCH", "/products/1", {"title": "y"}, 404),
        ("GET", "/nothing", {}, 404),
    ],
)
async def test_wrong_controls_say_what_is_wrong(
    shop: Shop, method: str, part: str, body: dict[str, object], status: int
) -> None:
    answer = await control(shop, method, part, **body)
    assert answer.status == status
    assert answer.json["error"]
