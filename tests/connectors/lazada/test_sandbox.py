"""The emulated Lazada keeps the rules of reference 3 and table 12.2, and passes the reference's vectors."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from tests.given.marketplaces import LazadaUser, fetch, lacking, query_of

from isthmus.connectors.lazada.sandbox.rules import signature
from isthmus.kit.clock import ManualClock
from isthmus.sandbox import App, CatalogueProduct, CatalogueVariant, SandboxServer, Shop, walk

DAY = 86_400
SKU = "<Sku><ItemId>1</ItemId><SkuId>2</SkuId><Quantity>5</Quantity></Sku>"
PAYLOAD = f"<Request><Product><Skus>{SKU}</Skus></Product></Request>"
#: Path, parameters and signature of the reference's vectors L1 (the platform's own), L2, L3; key "helloworld".
VECTORS = [
    (
        "/order/get",
        {"access_token": "test", "app_key": "123456", "order_id": "1234", "timestamp": "1517820392000"},
        "4190D32361CFB9581350222F345CB77F3B19F0E31D162316848A2C1FFD5FAB4A",
    ),
    (
        "/auth/token/create",
        {"app_key": "123456", "code": "0_123456_demo", "timestamp": "1700000000000"},
        "4537212916641E8B858D82EABDE950E7E1180E36102C5B18BAEC66E9A0D206B2",
    ),
    (
        "/product/price_quantity/update",
        {"access_token": "test", "app_key": "123456", "payload": PAYLOAD, "timestamp": "1700000000000"},
        "D0767271E0351D9940284BDA24D301E4F3246124B0F21DD50A5BEADB316F4651",
    ),
]

#: The fields of the reference's fixture (section 11) and the types of their values; None takes any.
STOCK = {"warehouseCode": "", "totalQuantity": 0, "sellableQuantity": 0, "occupyQuantity": 0, "withholdQuantity": 0}
ITEM = {
    "item_id": 0,
    "primary_category": 0,
    "created_time": "",
    "updated_time": "",
    "status": "",
    "subStatus": "",
    "images": None,
    "marketImages": None,
    "attributes": {"name": "", "description": "", "short_description": "", "brand": ""},
    "skus": [
        {
            "SkuId": 0,
            "SellerSku": "",
            "ShopSku": "",
            "Status": "",
            "quantity": 0,
            "Available": 0,
            "price": 0.0,
            "special_price": 0.0,
            "multiWarehouseInventories": [STOCK],
            "package_weight": "",
            "package_length": "",
            "package_width": "",
            "package_height": "",
            "Images": [""],
            "Url": "",
        }
    ],
    "suspendedSkus": [],
    "rejectReason": [],
    "trialProduct": False,
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[SandboxServer]:
    async with SandboxServer(["lazada"], products=70, clock=ManualClock()) as running:
        yield running


@pytest.fixture
def shop(server: SandboxServer) -> Shop:
    shop = server.shops["lazada"]
    shop.reset()
    return shop


@pytest.fixture
def user(shop: Shop) -> LazadaUser:
    return LazadaUser(shop)


@pytest.mark.parametrize(("path", "params", "expected"), VECTORS)
def test_the_reference_vectors_are_reproduced(path: str, params: dict[str, str], expected: str) -> None:
    assert (
        signature("helloworld", path, {**params, "sign_method": "sha256", "sign": "x", "empty": ""}.items()) == expected
    )


@given(st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=12), max_size=6), st.randoms())
def test_the_order_of_parameters_and_empty_ones_never_change_a_signature(
    params: dict[str, str], chance: Random
) -> None:
    shuffled = list(params.items())
    chance.shuffle(shuffled)
    expected = signature("secret", "/path", params.items())
    assert signature("secret", "/path", [*shuffled, ("empty-parameter", "")]) == expected
    assert signature("secret", "/path", [*shuffled, ("added-parameter", "x")]) != expected
    assert signature("secre", "/path", shuffled) != expected


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_the_verifier_accepts_the_vector_of_a_token_call_and_nothing_else(method: str) -> None:
    path, params, sign = VECTORS[1]
    then = datetime.fromtimestamp(1_700_000_000, UTC)
    async with SandboxServer(["lazada"], products=1, clock=ManualClock(then)) as running:
        shop = running.shops["lazada"]
        shop.apps.append(App("123456", "vector", {"app_key": "123456", "app_secret": "helloworld"}))
        user = LazadaUser(shop)
        right = {**params, "sign_method": "sha256", "sign": sign}
        # the signature holds, so the platform goes on to the code, which it never issued
        assert (await user.send(path, right, method=method)).json["code"] == "InvalidCode"
        for wrong in (sign.lower(), sign[:-1] + "3", VECTORS[0][2]):
            refused = (await user.send(path, {**right, "sign": wrong}, method=method)).json
            assert refused["code"] == "IncompleteSignature"
        assert (await user.send(path, {**right, "code": "0_123456_dem"}, method=method)).json["type"] == "ISV"


async def test_a_raw_body_is_signed_behind_the_parameters(user: LazadaUser) -> None:
    await user.connect()
    body = '{"hello":"world"}'
    params = user.signed("/seller/get", {"access_token": user.access}, body)
    url = f"{user.shop.hosts['api']}/rest/seller/get"
    headers = {"content-type": "application/json"}
    assert (await fetch("POST", url, params=params, data=body, headers=headers)).json["code"] == "0"
    forged = await fetch("POST", url, params=params, data=body + " ", headers=headers)
    assert forged.json["code"] == "IncompleteSignature"


@pytest.mark.parametrize("name", ["app_key", "timestamp", "sign", "sign_method", "access_token"])
async def test_a_missing_parameter_is_named_in_an_error_within_http_200(user: LazadaUser, name: str) -> None:
    await user.connect()
    params = user.signed("/seller/get", {"access_token": "" if name == "access_token" else user.access})
    params[name] = ""
    answer = await user.send("/seller/get", params)
    assert answer.status == 200
    assert (answer.json["type"], answer.json["code"]) == ("ISV", "MissingParameter")
    assert name in answer.json["message"]


async def test_wrong_key_secret_and_clock_each_have_their_error(user: LazadaUser) -> None:
    await user.connect()
    genuine = user.app
    user.app = App("999", "stranger", {"app_key": "999", "app_secret": "x"})
    assert (await user.call("/seller/get")).json["code"] == "InvalidAppKey"
    user.app = App(genuine.key, "thief", {"app_key": genuine.key, "app_secret": "x"})
    assert (await user.call("/seller/get")).json["code"] == "IncompleteSignature"
    user.app = genuine
    for skew, code in ((7190, "0"), (-7190, "0"), (7300, "InvalidTimestamp"), (-7300, "InvalidTimestamp")):
        user.skew = skew
        assert (await user.call("/seller/get")).json["code"] == code


async def test_the_token_reply_has_the_documented_fields(user: LazadaUser) -> None:
    reply = await user.connect()
    assert (reply["expires_in"], reply["refresh_expires_in"]) == (10 * DAY, 50 * DAY)
    assert (reply["country"], reply["account_platform"], reply["code"]) == ("vn", "seller_center", "0")
    assert set(reply["country_user_info"][0]) == {"country", "user_id", "seller_id", "short_code"}


async def test_codes_name_the_application_work_once_and_end_after_half_an_hour(user: LazadaUser) -> None:
    code = await user.code()
    assert code.startswith(f"0_{user.app.key}_")
    stranger = LazadaUser(user.shop)
    stranger.app = user.shop.apps[1]
    assert (await stranger.call("/auth/token/create", code=code)).json["code"] == "InvalidCode"
    assert (await user.call("/auth/token/create", code=code)).json["code"] == "0"
    assert (await user.call("/auth/token/create", code=code)).json["code"] == "InvalidCode"
    late = await user.code()
    user.shop.clock.advance(1801)
    assert (await user.call("/auth/token/create", code=late)).json["code"] == "InvalidCode"


async def test_a_refusal_keeps_state_and_an_unregistered_callback_gets_nothing(user: LazadaUser) -> None:
    back = query_of(await walk(user.link(), approve=False))
    assert back == {"error": "access_denied", "state": "s-1"}
    answer = await fetch("GET", user.link(redirect_uri="https://evil.example/"))
    assert (answer.status, "location" in answer.headers) == (400, False)


async def test_a_refresh_renews_access_but_never_the_end_of_the_authorization(user: LazadaUser) -> None:
    await user.connect()
    user.shop.clock.advance(9 * DAY)
    first = (await user.call("/auth/token/refresh", "auth", refresh_token=user.refresh)).json
    assert first["expires_in"] == 10 * DAY
    assert first["refresh_expires_in"] == 41 * DAY
    assert "country_user_info_list" in first
    assert "country_user_info" not in first
    # the old pair goes on: access until its own end, the refresh token may be used again
    assert (await user.call("/seller/get")).json["code"] == "0"
    again = (await user.call("/auth/token/refresh", "auth", refresh_token=user.refresh)).json
    assert again["code"] == "0"
    user.shop.clock.advance(41 * DAY)
    dead = (await user.call("/auth/token/refresh", "auth", refresh_token=again["refresh_token"])).json
    assert dead["code"] == "IllegalRefreshToken"


async def test_an_expired_or_foreign_access_token_is_illegal(user: LazadaUser) -> None:
    await user.connect()
    token = user.access
    user.app = user.shop.apps[1]
    assert (await user.call("/seller/get")).json["code"] == "IllegalAccessToken"
    user.app = user.shop.apps[0]
    user.shop.clock.advance(10 * DAY)
    user.access = token
    assert (await user.call("/seller/get")).json["code"] == "IllegalAccessToken"


async def test_an_application_of_the_service_market_cannot_refresh(user: LazadaUser) -> None:
    user.app = user.shop.apps[2]
    await user.connect()
    reply = (await user.call("/auth/token/refresh", refresh_token=user.refresh)).json
    assert reply["code"] == "AUTH_TYPE_UNSUPPORTED"


async def test_a_cross_border_token_serves_all_six_countries(user: LazadaUser) -> None:
    account = next(s.extra["account"] for s in user.shop.sellers if "account" in s.extra)
    reply = await user.connect(account)
    assert reply["country"] == "cb"
    assert [each["country"] for each in reply["country_user_info"]] == ["vn", "sg", "my", "th", "ph", "id"]
    found = [(await user.call("/seller/get", f"api.{cc}")).json["data"]["location"] for cc in ("vn", "sg", "id")]
    assert found == ["VN", "SG", "ID"]


async def test_a_token_of_one_country_is_illegal_in_another(user: LazadaUser) -> None:
    await user.connect()
    assert (await user.call("/seller/get", "api.vn")).json["code"] == "0"
    assert (await user.call("/seller/get", "api.sg")).json["code"] == "IllegalAccessToken"


async def test_a_blocked_seller_is_told_so(user: LazadaUser) -> None:
    await user.connect(user.shop.sellers[2].id)
    assert (await user.call("/products/get", filter="all")).json["code"] == "SellerNotVerified"


async def test_items_come_by_time_of_change_and_are_counted(user: LazadaUser) -> None:
    await user.connect()
    first = (await user.call("/products/get", filter="all", limit=50)).json["data"]
    rest = (await user.call("/products/get", filter="all", limit=50, offset=50)).json["data"]["products"]
    items = first["products"] + rest
    assert len(items) == first["total_products"] == len({item["item_id"] for item in items})
    times = [int(item["updated_time"]) for item in items]
    assert times == sorted(times)
    assert len(set(times)) < len(times)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({}, "MissingParameter"),
        ({"filter": "everything"}, "36"),
        ({"filter": "all", "limit": 51}, "19"),
        ({"filter": "all", "limit": "x"}, "19"),
        ({"filter": "all", "offset": 10_001}, "14"),
        ({"filter": "all", "update_after": "2026-01-01T00:00:00"}, "17"),
        ({"filter": "all", "update_after": "yesterday"}, "17"),
        ({"filter": "all", "update_after": "2026-01-02T00:00:00Z", "update_before": "2026-01-01T00:00:00Z"}, "17"),
        ({"filter": "all", "sku_seller_list": "TEE-1"}, "5"),
        ({"filter": "all", "sku_seller_list": json.dumps(["x"] * 101)}, "204"),
    ],
)
async def test_values_out_of_bounds_have_their_code(user: LazadaUser, query: dict[str, Any], code: str) -> None:
    await user.connect()
    assert (await user.call("/products/get", **query)).json["code"] == code


async def test_a_window_of_changes_is_closed_and_takes_both_forms_of_offset(user: LazadaUser) -> None:
    await user.connect()
    user.shop.clock.advance(60)
    edited = str(user.shop.sellers[0].shelf.ids()[3])
    user.shop.edit_product(edited, title="Mới", stock=0)
    stamp = user.shop.clock.now().replace(microsecond=0)
    local = (stamp + timedelta(hours=7)).strftime("%Y-%m-%dT%H:%M:%S+0700")
    for after in (stamp.isoformat(), local):
        data = (await user.call("/products/get", filter="all", update_after=after)).json["data"]
        assert [item["item_id"] for item in data["products"]] == [int(edited)]
        assert data["products"][0]["attributes"]["name"] == "Mới"
    later = (stamp + timedelta(seconds=1)).isoformat()
    assert (await user.call("/products/get", filter="all", update_after=later)).json["data"]["total_products"] == 0


async def test_deleted_and_sold_out_items_are_found_by_their_filters(user: LazadaUser) -> None:
    await user.connect()
    removed, empty = (str(i) for i in user.shop.sellers[0].shelf.ids(frozenset({"active"}))[:2])
    user.shop.remove_product(removed)
    user.shop.edit_product(empty, stock=0)
    deleted = (await user.call("/products/get", filter="deleted")).json["data"]["products"]
    assert [(item["item_id"], item["status"]) for item in deleted] == [(int(removed), "Deleted")]
    sold_out = (await user.call("/products/get", filter="sold-out")).json["data"]["products"]
    assert int(empty) in [item["item_id"] for item in sold_out]
    live = (await user.call("/products/get", filter="live", limit=50)).json["data"]["products"]
    assert int(removed) not in [item["item_id"] for item in live]


async def test_an_item_is_read_by_its_id_and_no_longer_by_sku(user: LazadaUser) -> None:
    await user.connect()
    item = (await user.call("/products/get", filter="all", limit=1)).json["data"]["products"][0]
    assert (await user.call("/product/item/get", item_id=item["item_id"])).json["data"] == item
    assert (await user.call("/product/item/get", seller_sku="x")).json["code"] == "MissingParameter"
    assert (await user.call("/product/item/get", item_id=1)).json["code"] == "208"
    sku = item["skus"][0]["SellerSku"]
    found = (await user.call("/products/get", filter="all", sku_seller_list=json.dumps([sku]))).json["data"]
    assert item["item_id"] in [each["item_id"] for each in found["products"]]


async def test_seller_skus_are_unique_however_dirty_the_catalogue(user: LazadaUser) -> None:
    await user.connect()
    pages = [(await user.call("/products/get", filter="all", limit=50, offset=o)).json["data"] for o in (0, 50)]
    items = [item for page in pages for item in page["products"]]
    skus = [sku["SellerSku"] for item in items for sku in item["skus"]]
    assert len(skus) == len(set(skus))
    assert {type(item["images"]) for item in items} == {str, list}


async def test_prices_are_in_the_money_of_the_country(user: LazadaUser) -> None:
    account = next(s.extra["account"] for s in user.shop.sellers if "account" in s.extra)
    await user.connect(account)
    product = CatalogueProduct("Cup", (CatalogueVariant("CUP-1", Decimal(190_000), stock=3),))
    seller = next(s for s in user.shop.sellers if s.country == "SG" and "account" in s.extra)
    [added] = user.shop.add_product(product, seller=seller.id)
    sku = (await user.call("/product/item/get", "api.sg", item_id=added)).json["data"]["skus"][0]
    assert sku["price"] == 10.0
    assert sku["multiWarehouseInventories"][0]["sellableQuantity"] == 3


async def test_too_many_calls_are_banned_for_the_named_seconds(user: LazadaUser) -> None:
    await user.connect()
    user.shop.throttle.set_rate(100, burst=1)
    assert (await user.call("/seller/get")).json["code"] == "0"
    banned = (await user.call("/seller/get")).json
    assert (banned["type"], banned["code"]) == ("ISP", "ApiCallLimit")
    assert banned["message"].endswith("this ban will last 1 seconds")
    user.shop.clock.advance(0.5)
    assert (await user.call("/seller/get")).json["code"] == "ApiCallLimit"
    user.shop.clock.advance(0.6)
    assert (await user.call("/seller/get")).json["code"] == "0"


async def test_unknown_paths_have_the_envelope_too(user: LazadaUser) -> None:
    answer = await user.call("/orders/unknown")
    assert (answer.status, answer.json["code"]) == (200, "InvalidApiPath")


async def test_an_item_has_the_documented_fields_with_their_types(user: LazadaUser) -> None:
    await user.connect()
    items = (await user.call("/products/get", filter="all", limit=50)).json["data"]["products"]
    assert not [place for item in items for place in lacking(ITEM, item)]
    options = [{"saleProp", "color_family", "size"} & set(item["skus"][0]) for item in items]
    assert {"saleProp"} in options
    assert {"color_family", "size"} in options
