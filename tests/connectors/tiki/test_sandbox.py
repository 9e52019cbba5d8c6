"""The emulated Tiki keeps the rules of reference 4 and table 12.2."""

import base64
import hashlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from tests.given.marketplaces import CALLBACK, TikiUser, fetch, lacking, query_of

from isthmus.kit.clock import ManualClock
from isthmus.sandbox import App, SandboxServer, Shop, walk

#: The fields of the reference's fixture (section 11) and the types of their values; None takes any.
QUANTITIES = {"quantity": 0, "quantity_available": 0, "quantity_reserved": 0, "quantity_sellable": 0}
PRODUCT = {
    "product_id": 0,
    "sku": "",
    "name": "",
    "master_id": 0,
    "super_id": 0,
    "active": 0,
    "is_hidden": False,
    "original_sku": None,
    "type": "",
    "entity_type": "",
    "price": 0,
    "market_price": 0,
    "created_at": "",
    "updated_at": "",
    "thumbnail": None,
    "images": [{"id": 0, "url": "", "path": "", "position": 0, "label": None, "is_gallery": True}],
    "categories": [{"id": 0, "name": "", "is_primary": True}],
    "attributes": {"seller_warehouse": ""},
    "inventory": {
        "fulfillment_type": "",
        "inventory_type": "",
        "warehouse_stocks": [{"warehouse_id": 0, **QUANTITIES}],
        **QUANTITIES,
    },
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[SandboxServer]:
    async with SandboxServer(["tiki"], products=90, clock=ManualClock()) as running:
        yield running


@pytest.fixture
def shop(server: SandboxServer) -> Shop:
    shop = server.shops["tiki"]
    shop.reset()
    return shop


@pytest.fixture
def user(shop: Shop) -> TikiUser:
    return TikiUser(shop)


async def test_the_callback_carries_code_scope_and_state(user: TikiUser) -> None:
    back = query_of(await walk(user.link()))
    assert back["scope"] == "product inventory offline"
    assert back["state"] == "state-123456"
    assert back["code"]


async def test_a_refusal_comes_back_with_error_code_and_hint(user: TikiUser) -> None:
    back = query_of(await walk(user.link(), approve=False))
    assert back["error"] == "access_denied"
    assert {"error_code", "error_hint", "state"} <= set(back)
    assert "code" not in back


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"state": "short"}, "invalid_state"),
        ({"state": None}, "invalid_state"),
        ({"scope": "everything"}, "invalid_scope"),
        ({"response_type": "token"}, "unsupported_response_type"),
    ],
)
async def test_a_wrong_authorization_request_comes_back_as_its_error(
    user: TikiUser, change: dict[str, str | None], error: str
) -> None:
    answer = await fetch("GET", user.link(**change))
    assert query_of(answer.headers["location"])["error"] == error


@pytest.mark.parametrize("change", [{"redirect_uri": "https://evil.example/cb"}, {"client_id": "1"}])
async def test_OA_an_unregistered_callback_or_client_is_never_redirected_to(
    user: TikiUser, change: dict[str, str]
) -> None:
    answer = await fetch("GET", user.link(**change))
    assert answer.status == 400
    assert "location" not in answer.headers


async def test_a_registered_callback_matches_exactly_or_by_origin(user: TikiUser) -> None:
    user.app.redirects = ["https://app.example/cb", "https://other.example"]
    accepted = ["https://app.example/cb", "https://other.example/any", "http://localhost:81/x"]
    assert all(user.app.accepts(address) for address in accepted)
    assert not any(user.app.accepts(a) for a in ["https://app.example/cb2", "ftp://localhost", "/cb", ""])


async def test_a_code_works_once(user: TikiUser) -> None:
    code = await user.code()
    assert (await user.token(grant_type="authorization_code", code=code)).status == 200
    again = await user.token(grant_type="authorization_code", code=code)
    assert (again.status, again.json["error"]) == (400, "invalid_grant")


async def test_a_code_ends_after_ten_minutes(user: TikiUser) -> None:
    code = await user.code()
    user.shop.clock.advance(601)
    answer = await user.token(grant_type="authorization_code", code=code)
    assert answer.json["error"] == "invalid_grant"


async def test_a_code_is_bound_to_its_callback_and_application(user: TikiUser) -> None:
    code = await user.code()
    other = await user.token(grant_type="authorization_code", code=code, redirect_uri=CALLBACK + "2")
    assert other.json["error"] == "invalid_grant"
    stranger = TikiUser(user.shop)
    stranger.app = user.shop.apps[1]
    assert (await stranger.token(grant_type="authorization_code", code=code)).json["error"] == "invalid_grant"
    assert (await user.token(grant_type="authorization_code", code=code)).status == 200


async def test_the_reference_vector_for_basic_credentials_signs_in(user: TikiUser) -> None:
    credentials = {"client_id": "1234567890123456", "client_secret": "demo_secret"}
    user.shop.apps.append(
        App("1234567890123456", "vector", credentials, user.app.scopes, owner=user.shop.sellers[0].id)
    )
    headers = {"Authorization": "Basic MTIzNDU2Nzg5MDEyMzQ1NjpkZW1vX3NlY3JldA=="}
    data = {"grant_type": "client_credentials", "scope": "product"}
    answer = await fetch("POST", f"{user.shop.base_url}/sc/oauth2/token", data=data, headers=headers)
    assert answer.status == 200
    assert "refresh_token" not in answer.json
    user.access = answer.json["access_token"]
    assert (await user.get("/sellers/me")).json["id"] == int(user.shop.sellers[0].id)


async def test_basic_and_body_credentials_both_work_and_wrong_ones_do_not(user: TikiUser) -> None:
    code = await user.code()
    basic = base64.b64encode(f"{user.app.key}:wrong".encode()).decode()
    data = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
    url = f"{user.shop.base_url}/sc/oauth2/token"
    wrong = await fetch("POST", url, data=data, headers={"Authorization": f"Basic {basic}"})
    assert (wrong.status, wrong.json["error"]) == (401, "invalid_client")
    assert (await user.token(**data, client_secret="x")).status == 401
    assert (await user.token(**data)).status == 200


async def test_OA_07_a_verifier_must_match_its_challenge(user: TikiUser) -> None:
    digest = hashlib.sha256(b"v" * 43).digest()
    challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    code = await user.code(code_challenge=challenge, code_challenge_method="S256")
    wrong = await user.token(grant_type="authorization_code", code=code, code_verifier="w" * 43)
    assert wrong.json["error"] == "invalid_grant"
    assert (await user.token(grant_type="authorization_code", code=code, code_verifier="v" * 43)).status == 200


async def test_a_refresh_token_works_once_and_ends_the_old_access_token(user: TikiUser) -> None:
    await user.connect()
    old = user.refresh
    assert (await user.get("/sellers/me")).status == 200
    fresh = await user.token(grant_type="refresh_token", refresh_token=old)
    assert (await user.get("/sellers/me")).status == 401
    user.keep(fresh)
    assert (await user.get("/sellers/me")).status == 200
    assert (await user.token(grant_type="refresh_token", refresh_token=old)).json["error"] == "invalid_grant"
    assert user.shop.recording.counts["refresh"] == 1


async def test_without_offline_there_is_no_refresh_token_and_openid_brings_an_id_token(user: TikiUser) -> None:
    code = await user.code(scope="product openid")
    reply = (await user.token(grant_type="authorization_code", code=code)).json
    assert "refresh_token" not in reply
    assert reply["id_token"].count(".") == 2
    assert (reply["expires_in"], reply["token_type"]) == (3600, "bearer")


async def test_an_access_token_ends_after_an_hour(user: TikiUser) -> None:
    await user.connect()
    user.shop.clock.advance(3600)
    answer = await user.get("/products")
    assert answer.status == 401
    assert isinstance(answer.json["errors"][0], str)


async def test_a_public_application_has_no_shop_of_its_own(user: TikiUser) -> None:
    user.keep(await user.token(grant_type="client_credentials", scope="product"))
    assert (await user.get("/products")).status == 401


async def test_scope_and_blocked_sellers_are_answered_with_403(user: TikiUser) -> None:
    await user.connect(scope="order offline")
    assert (await user.get("/products")).status == 403
    await user.connect(user.shop.sellers[2].id)
    assert (await user.get("/sellers/me")).status == 403


async def test_every_row_is_met_once_although_some_pages_are_short(user: TikiUser) -> None:
    await user.connect()
    seen: list[int] = []
    sizes = []
    page = last = 1
    while page <= last:
        answer = (await user.get("/products", page=page, limit=20)).json
        last = answer["paging"]["last_page"]
        sizes.append(len(answer["data"]))
        seen += [row["product_id"] for row in answer["data"]]
        page += 1
    assert len(seen) == len(set(seen)) == answer["paging"]["total"]
    assert seen == sorted(seen)
    assert sizes[0] == 20
    assert 19 in sizes[:-1]
    assert (await user.get("/products", page=last + 1)).json["data"] == []


@pytest.mark.parametrize("query", [{"limit": 51}, {"limit": 0}, {"page": 0}, {"page": "x"}, {"active": 2}])
async def test_values_out_of_bounds_are_refused_with_422(user: TikiUser, query: dict[str, Any]) -> None:
    await user.connect()
    assert (await user.get("/products", **query)).status == 422


async def test_optional_parts_come_by_include_only(user: TikiUser) -> None:
    await user.connect()
    bare = (await user.get("/products", limit=1)).json["data"][0]
    full = (await user.get("/products", "v2.1", limit=1, include="inventory,attributes,images,categories")).json[
        "data"
    ][0]
    assert set(full) - set(bare) == {"inventory", "attributes", "images", "categories"}
    assert [place["warehouse_id"] for place in full["inventory"]["warehouse_stocks"]] == [1034, 1015]
    assert (await user.get(f"/products/{bare['product_id']}")).json["attributes"]["seller_warehouse"] == "1034,1015"


async def test_siblings_share_a_parent_and_a_simple_product_has_none(user: TikiUser) -> None:
    await user.connect()
    rows = (await user.get("/products", limit=50, include="attributes")).json["data"]
    groups: dict[int, int] = {}
    for row in rows:
        groups[row["super_id"]] = groups.get(row["super_id"], 0) + 1
        assert ("option1" in row["attributes"]) == (row["super_id"] != 0)
    assert 0 in groups
    assert max(groups.values()) > 1


async def test_the_window_of_changes_is_in_local_time_and_closed(user: TikiUser) -> None:
    await user.connect()
    row = (await user.get("/products", limit=1)).json["data"][0]
    user.shop.clock.advance(600)
    user.shop.edit_product(str(row["product_id"]), price=123_000)
    changed = (await user.get(f"/products/{row['product_id']}")).json
    assert changed["market_price"] == 123_000
    window = {"updated_from_date": changed["updated_at"], "updated_to_date": changed["updated_at"]}
    found = (await user.get("/products", **window)).json["data"]
    assert [each["product_id"] for each in found] == [row["product_id"]]
    assert (await user.get("/products", updated_from_date="2026-01-01T00:00:00Z")).status == 422


async def test_a_product_is_found_by_its_sku_and_foreign_ones_are_not(user: TikiUser) -> None:
    await user.connect()
    rows = (await user.get("/products", limit=50)).json["data"]
    row = next(row for row in rows if row["original_sku"])
    assert (await user.get("/products/findBy", original_sku=row["original_sku"])).json["original_sku"] == row[
        "original_sku"
    ]
    stranger = user.shop.sellers[3].shelf.ids()[0]
    answer = await user.get(f"/products/{stranger}")
    assert (answer.status, answer.json) == (404, {"errors": [f"Product not found id: {stranger}"]})


async def test_a_removed_product_is_gone(user: TikiUser) -> None:
    await user.connect()
    total = (await user.get("/products")).json["paging"]
    first = user.shop.sellers[0].shelf.ids(by_id=True)[0]
    user.shop.remove_product(str(first))
    assert (await user.get("/products")).json["paging"]["total"] == total["total"] - 1
    assert (await user.get(f"/products/{first}")).status == 404


async def test_the_empty_seller_has_an_empty_page(user: TikiUser) -> None:
    await user.connect(user.shop.sellers[1].id)
    answer = (await user.get("/products")).json
    assert answer["data"] == []
    assert answer["paging"]["total"] == 0
    assert (await user.get("/sellers/me/warehouses")).json["data"][0]["id"] == 1101


async def test_unknown_paths_and_methods_have_the_error_body(user: TikiUser) -> None:
    await user.connect()
    assert (await user.get("/nothing")).status == 404
    answer = await fetch("DELETE", f"{user.shop.base_url}/integration/v2/products")
    assert answer.status == 405
    assert "errors" in answer.json


async def test_too_many_calls_are_answered_with_429(user: TikiUser) -> None:
    await user.connect()
    user.shop.throttle.set_rate(2)
    assert [(await user.get("/sellers/me")).status for _ in range(3)] == [200, 200, 429]
    user.shop.clock.advance(0.5)
    assert (await user.get("/sellers/me")).status == 200


async def test_a_product_has_the_documented_fields_with_their_types(user: TikiUser) -> None:
    await user.connect()
    rows = (await user.get("/products", limit=50, include="inventory,attributes,images,categories")).json["data"]
    assert not [place for row in rows for place in lacking(PRODUCT, row)]
