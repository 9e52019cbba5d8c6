"""The emulated Shopee keeps the rules of reference 2 and table 12.2, and passes the reference's vectors."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest
import pytest_asyncio
from tests.given.marketplaces import CALLBACK, ShopeeUser, fetch, lacking, query_of

from isthmus.connectors.shopee.sandbox.rules import signature
from isthmus.kit.clock import ManualClock
from isthmus.sandbox import App, SandboxServer, Shop, walk

KEY = "shpk_test_partner_key_0001"
#: The reference's vectors S1 to S4: what is signed, and the signature.
VECTORS = [
    (
        ("2001887", "/api/v2/auth/token/get", 1700000000),
        "183461e5ce18e9863d3747aa44ecd0655aa04ce114fd4311dd9e5231d3fdf014",
    ),
    (
        ("2001887", "/api/v2/order/get_order_list", 1700000000, "access_token_abc", "14701711"),
        "27101d183bd086857b7231c49fa4f41b13644a22ffd6691a5eb12bfb4603d480",
    ),
    (
        ("2001887", "/api/v2/merchant/get_merchant_info", 1700000000, "access_token_abc", "1000000"),
        "cb6ce2354fa224ddd35e98b72ec3f16bf3dccb5900934be236f0c46d2c78e6da",
    ),
    (
        ("2001887", "/api/v2/shop/auth_partner", 1700000000),
        "4f7a763cb98f46dd64339277ed0c401b7161d5592ae81a149abaa24dde7d558d",
    ),
]
LIST = [("page_size", 100), ("item_status", "NORMAL")]
ALL = ["NORMAL", "BANNED", "UNLIST", "REVIEWING", "SELLER_DELETE", "SHOPEE_DELETE"]

#: The fields of the reference's fixtures (section 11) and the types of their values; None takes any.
ITEM = {
    "item_id": 0,
    "category_id": 0,
    "item_name": "",
    "description": "",
    "description_type": "",
    "item_sku": "",
    "create_time": 0,
    "update_time": 0,
    "image": {"image_id_list": [""], "image_url_list": [""], "image_ratio": ""},
    "weight": "",
    "dimension": {"package_length": 0, "package_width": 0, "package_height": 0},
    "logistic_info": [{"logistic_id": 0, "logistic_name": "", "enabled": True, "is_free": False}],
    "pre_order": {"is_pre_order": False, "days_to_ship": 0},
    "condition": "",
    "item_status": "",
    "has_model": True,
    "has_promotion": False,
    "brand": {"brand_id": 0, "original_brand_name": ""},
    "attribute_list": [],
    "wholesales": [],
}
TIER = {"name": "", "option_list": [{"option": ""}]}
MODEL = {
    "model_id": 0,
    "tier_index": [0],
    "model_sku": "",
    "model_status": "",
    "price_info": [
        {
            "currency": "",
            "original_price": 0,
            "current_price": 0,
            "inflated_price_of_original_price": 0,
            "inflated_price_of_current_price": 0,
        }
    ],
    "stock_info_v2": {
        "summary_info": {"total_reserved_stock": 0, "total_available_stock": 0},
        "seller_stock": [{"location_id": "", "stock": 0, "if_saleable": True}],
        "shopee_stock": [],
    },
    "has_promotion": False,
    "weight": "",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[SandboxServer]:
    async with SandboxServer(["shopee"], products=130, clock=ManualClock()) as running:
        yield running


@pytest.fixture
def shop(server: SandboxServer) -> Shop:
    shop = server.shops["shopee"]
    shop.reset()
    return shop


@pytest.fixture
def user(shop: Shop) -> ShopeeUser:
    return ShopeeUser(shop)


@pytest.mark.parametrize(("parts", "expected"), VECTORS)
def test_the_reference_vectors_are_reproduced(parts: tuple[object, ...], expected: str) -> None:
    assert signature(KEY, *parts) == expected


async def test_the_verifier_accepts_the_vectors_of_calls_and_links() -> None:
    then = datetime.fromtimestamp(1_700_000_000, UTC)
    async with SandboxServer(["shopee"], products=1, clock=ManualClock(then)) as running:
        shop = running.shops["shopee"]
        shop.apps.append(App("2001887", "vector", {"partner_id": "2001887", "partner_key": KEY}))
        query = {"partner_id": "2001887", "timestamp": "1700000000"}
        body = {"code": "x", "partner_id": 2001887, "shop_id": 1}
        address = f"{shop.base_url}/api/v2/auth/token/get"
        right = await fetch("POST", address, params={**query, "sign": VECTORS[0][1]}, json=body)
        assert right.json["error"] == "invalid_code"
        link = {**query, "sign": VECTORS[3][1], "redirect": CALLBACK}
        assert "code" in query_of(await walk(f"{shop.base_url}/api/v2/shop/auth_partner?{urlencode(link)}"))
        merchant = {**query, "access_token": "access_token_abc", "merchant_id": "1000000", "sign": VECTORS[2][1]}
        found = await fetch("GET", f"{shop.base_url}/api/v2/merchant/get_merchant_info", params=merchant)
        assert found.json["error"] == "invalid_acceess_token"
        for wrong in (VECTORS[0][1].upper(), VECTORS[1][1], "0"):
            refused = await fetch("POST", address, params={**query, "sign": wrong}, json=body)
            assert (refused.status, refused.json["error"]) == (200, "error_sign")


@pytest.mark.parametrize("name", ["partner_id", "timestamp", "sign", "access_token", "shop_id"])
async def test_a_missing_common_parameter_is_error_param(user: ShopeeUser, name: str) -> None:
    await user.connect()
    path = "/api/v2/shop/get_shop_info"
    params = {**user.signed(path, user.access, user.entity), "access_token": user.access, "shop_id": user.entity}
    del params[name]
    answer = await fetch("GET", f"{user.shop.base_url}{path}", params=params)
    assert (answer.status, answer.json["error"]) == (200, "error_param")
    assert name in answer.json["message"]


async def test_wrong_partner_key_and_clock_each_have_their_error(user: ShopeeUser) -> None:
    await user.connect()
    genuine = user.app
    user.app = App("1", "stranger", {"partner_id": "1", "partner_key": "x"})
    assert (await user.get("shop/get_shop_info")).json["error"] == "error_auth"
    user.app = App(genuine.key, "thief", {"partner_id": genuine.key, "partner_key": "x"})
    assert (await user.get("shop/get_shop_info")).json["error"] == "error_sign"
    user.app = genuine
    for skew, error in ((295, ""), (-295, ""), (301, "error_param"), (-301, "error_param")):
        user.skew = skew
        reply = (await user.get("shop/get_shop_info")).json
        assert reply["error"] == error
        assert error == "" or reply["message"] == "Timestamp is expired."


async def test_both_consent_links_lead_to_the_callback_and_keep_its_query(user: ShopeeUser) -> None:
    redirect = f"{CALLBACK}?state=our-own"
    signed = query_of(await walk(user.link(redirect)))
    query = {"auth_type": "seller", "partner_id": user.app.key, "redirect_uri": redirect, "response_type": "code"}
    plain = query_of(await walk(f"{user.shop.hosts['consent']}/auth?{urlencode(query)}"))
    for back in (signed, plain):
        assert set(back) == {"state", "code", "shop_id"}
        assert back["state"] == "our-own"


async def test_a_refusal_returns_without_a_code(user: ShopeeUser) -> None:
    assert await walk(user.link(f"{CALLBACK}?state=s"), approve=False) == f"{CALLBACK}?state=s"


async def test_a_signed_link_ends_after_five_minutes_and_foreign_domains_get_nothing(user: ShopeeUser) -> None:
    link = user.link()
    user.shop.clock.advance(301)
    assert (await fetch("GET", link)).json["error"] == "error_param"
    answer = await fetch("GET", user.link("https://evil.example/"))
    assert (answer.status, "location" in answer.headers) == (400, False)


async def test_a_code_works_once_for_its_shop_within_ten_minutes(user: ShopeeUser) -> None:
    back = query_of(await walk(user.link()))
    shop_id = int(back["shop_id"])
    assert (await user.exchange(back["code"], shop_id=shop_id + 1))["error"] == "invalid_shop_id"
    assert (await user.exchange(back["code"], main_account_id=shop_id + 1))["error"] == "invalid_main_acount_id"
    stranger = ShopeeUser(user.shop)
    stranger.app = user.shop.apps[1]
    assert (await stranger.exchange(back["code"], shop_id=shop_id))["error"] == "invalid_code"
    first = await user.exchange(back["code"], shop_id=shop_id)
    assert (first["error"], first["expire_in"], first["shop_id_list"]) == ("", 14_400, [])
    assert (await user.exchange(back["code"], shop_id=shop_id))["error"] == "invalid_code"
    late = query_of(await walk(user.link()))
    user.shop.clock.advance(601)
    assert (await user.exchange(late["code"], shop_id=shop_id))["error"] == "invalid_code"


async def test_ids_in_a_token_body_are_integers_and_exactly_one(user: ShopeeUser) -> None:
    path = "/api/v2/auth/token/get"
    partner = int(user.app.key)
    bodies: list[dict[str, object]] = [
        {"code": "x", "partner_id": user.app.key, "shop_id": 1},
        {"code": "x", "partner_id": partner, "shop_id": "1"},
        {"code": "x", "partner_id": partner},
        {"code": "x", "partner_id": partner, "shop_id": 1, "main_account_id": 1},
        {"code": "x", "partner_id": partner + 1, "shop_id": 1},
    ]
    assert {(await user.post(path, body))["error"] for body in bodies} == {"error_param"}


async def test_a_refresh_token_works_once_and_the_old_access_token_five_more_minutes(user: ShopeeUser) -> None:
    await user.connect()
    shop_id = int(user.entity)
    fresh = await user.renew(user.refresh, shop_id=shop_id)
    assert (fresh["error"], fresh["shop_id"]) == ("", shop_id)
    assert (await user.renew(user.refresh, shop_id=shop_id))["error"] == "error_shop_refresh_token"
    assert (await user.get("shop/get_shop_info")).json["error"] == ""
    user.shop.clock.advance(301)
    assert (await user.get("shop/get_shop_info")).json["error"] == "invalid_acceess_token"
    user.access = fresh["access_token"]
    assert (await user.get("shop/get_shop_info")).json["error"] == ""


async def test_access_ends_after_four_hours_and_refresh_after_thirty_days(user: ShopeeUser) -> None:
    await user.connect()
    user.shop.clock.advance(14_400)
    assert (await user.get("shop/get_shop_info")).json["error"] == "invalid_acceess_token"
    user.shop.clock.advance(30 * 86_400)
    assert (await user.renew(user.refresh, shop_id=int(user.entity)))["error"] == "refresh_token_expired"


async def test_the_first_refresh_token_of_a_main_account_works_once_per_shop_and_merchant(user: ShopeeUser) -> None:
    account = user.shop.sellers[3].extra["account"]
    pair = await user.connect(account)
    shops, [merchant] = pair["shop_id_list"], pair["merchant_id_list"]
    assert len(shops) == 2
    first = {shop_id: await user.renew(user.refresh, shop_id=shop_id) for shop_id in shops}
    of_merchant = await user.renew(user.refresh, merchant_id=merchant)
    assert {reply["error"] for reply in [*first.values(), of_merchant]} == {""}
    assert (await user.renew(user.refresh, shop_id=shops[0]))["error"] == "error_shop_refresh_token"
    assert (await user.renew(user.refresh, merchant_id=merchant))["error"] == "error_merchant_refresh_token"
    # from here every shop owns its pair, and one shop's token opens no other shop
    own = first[shops[0]]
    assert (await user.renew(own["refresh_token"], shop_id=shops[1]))["error"] == "error_shop_refresh_token"
    user.access, user.entity = own["access_token"], str(shops[1])
    assert (await user.get("shop/get_shop_info")).json["error"] == "error_auth"
    user.entity = str(shops[0])
    assert (await user.get("shop/get_shop_info")).json["error"] == ""
    user.access, user.entity = of_merchant["access_token"], str(merchant)
    assert (await user.get("merchant/get_merchant_info", kind="merchant_id")).json["merchant_region"] == "VN"


async def test_a_new_authorization_replaces_the_old_pair(user: ShopeeUser) -> None:
    await user.connect()
    old, stale = user.access, user.refresh
    await user.connect()
    fresh, user.access = user.access, old
    assert (await user.get("shop/get_shop_info")).json["error"] == "invalid_acceess_token"
    assert (await user.renew(stale, shop_id=int(user.entity)))["error"] == "shop_no_linked"
    user.access = fresh
    assert (await user.get("shop/get_shop_info")).json["error"] == ""


async def test_authorized_shops_are_listed_until_the_seller_cancels(user: ShopeeUser) -> None:
    await user.connect()
    public = ShopeeUser(user.shop)
    [listed] = (await public.get("public/get_shops_by_partner", [("page_size", 10), ("page_no", 1)])).json[
        "authed_shop_list"
    ]
    assert listed["shop_id"] == int(user.entity)
    assert listed["expire_time"] - listed["auth_time"] == 365 * 86_400
    path = "/api/v2/shop/cancel_auth_partner"
    await fetch("GET", f"{user.shop.base_url}{path}", params=user.signed(path))
    assert (await public.get("public/get_shops_by_partner")).json["authed_shop_list"] == []
    assert (await user.get("shop/get_shop_info")).json["error"] == "invalid_acceess_token"


async def test_a_banned_shop_is_told_so(user: ShopeeUser) -> None:
    await user.connect(user.shop.sellers[2].id)
    assert (await user.get("shop/get_shop_info")).json["error"] == "shop_banned"


async def test_the_list_pages_to_its_end_and_is_counted(user: ShopeeUser) -> None:
    await user.connect()
    query: list[tuple[str, object]] = [("item_status", ",".join(ALL)), ("page_size", 40)]
    seen: list[int] = []
    offset, more = 0, True
    while more:
        page = (await user.get("product/get_item_list", [*query, ("offset", offset)])).json["response"]
        seen += [item["item_id"] for item in page["item"]]
        offset, more = page["next_offset"], page["has_next_page"]
    assert len(seen) == len(set(seen)) == page["total_count"] == 130
    assert offset == 0
    repeated = [("item_status", status) for status in ALL]
    again = (await user.get("product/get_item_list", [*repeated, ("page_size", 100)])).json["response"]
    assert [item["item_id"] for item in again["item"]] == seen[:100]


@pytest.mark.parametrize(
    "query",
    [
        [("page_size", 101), ("item_status", "NORMAL")],
        [("page_size", 0), ("item_status", "NORMAL")],
        [("item_status", "NORMAL")],
        [("page_size", 10)],
        [("page_size", 10), ("item_status", "FINE")],
        [*LIST, ("offset", "x")],
        [*LIST, ("offset", 10_001)],
        [*LIST, ("update_time_from", 10), ("update_time_to", 9)],
    ],
)
async def test_values_out_of_bounds_are_error_param(user: ShopeeUser, query: list[tuple[str, object]]) -> None:
    await user.connect()
    answer = await user.get("product/get_item_list", query)
    assert (answer.status, answer.json["error"]) == (200, "product.error_param")


async def test_a_deep_offset_names_its_limit(user: ShopeeUser) -> None:
    await user.connect()
    answer = await user.get("product/get_item_list", [*LIST, ("offset", 10_001)])
    assert answer.json["message"] == "get items offset over limit"


async def test_a_window_of_changes_is_closed_and_finds_deletions(user: ShopeeUser) -> None:
    await user.connect()
    user.shop.clock.advance(60)
    [edited, removed] = user.shop.sellers[0].shelf.ids(frozenset({"active"}))[:2]
    user.shop.edit_product(str(edited), price=50_000)
    user.shop.remove_product(str(removed))
    now = user.shop.clock.unix()
    window = [("page_size", 10), ("update_time_from", now), ("update_time_to", now), ("item_status", ",".join(ALL))]
    page = (await user.get("product/get_item_list", window)).json["response"]
    found = {item["item_id"]: item["item_status"] for item in page["item"]}
    assert found == {edited: "NORMAL", removed: "SELLER_DELETE"}


async def test_base_info_shows_prices_only_without_models_and_models_name_their_tiers(user: ShopeeUser) -> None:
    await user.connect()
    listed = (await user.get("product/get_item_list", [("page_size", 50), ("item_status", "NORMAL")])).json["response"]
    ids = ",".join([str(item["item_id"]) for item in listed["item"]])
    items = (await user.get("product/get_item_base_info", [("item_id_list", ids)])).json["response"]["item_list"]
    assert [str(item["item_id"]) for item in items] == ids.split(",")
    assert {item["has_model"] for item in items} == {True, False}
    assert all(("price_info" in item) != item["has_model"] for item in items)
    assert {item["description_type"] for item in items} == {"normal", "extended"}
    assert all(isinstance(item["weight"], str) for item in items)
    varied = next(item["item_id"] for item in items if item["has_model"])
    tree = (await user.get("product/get_model_list", [("item_id", varied)])).json["response"]
    sizes = [len(tier["option_list"]) for tier in tree["tier_variation"]]
    assert all(place < size for model in tree["model"] for place, size in zip(model["tier_index"], sizes, strict=True))
    stock = tree["model"][0]["stock_info_v2"]
    assert [place["location_id"] for place in stock["seller_stock"]] == ["VN10SGN", "VN20HAN"]
    total = stock["summary_info"]["total_available_stock"] + stock["summary_info"]["total_reserved_stock"]
    assert sum(place["stock"] for place in stock["seller_stock"]) == total
    plain = next(item["item_id"] for item in items if not item["has_model"])
    empty = (await user.get("product/get_model_list", [("item_id", plain)])).json["response"]
    assert empty == {"tier_variation": [], "model": []}


async def test_at_most_fifty_ids_are_taken_and_foreign_ones_are_not_found(user: ShopeeUser) -> None:
    await user.connect()
    ids = user.shop.sellers[0].shelf.ids()
    for call in ("product/get_item_base_info", "product/get_item_extra_info"):
        fifty = ",".join(map(str, ids[:50]))
        assert len((await user.get(call, [("item_id_list", fifty)])).json["response"]["item_list"]) == 50
        refused = await user.get(call, [("item_id_list", f"{fifty},{ids[50]}")])
        assert refused.json["error"] == "product.error_param"
        foreign = user.shop.sellers[3].shelf.ids()[0]
        assert (await user.get(call, [("item_id_list", foreign)])).json["error"] == "product.error_item_not_found"


async def test_a_search_pages_by_a_text_that_ends(user: ShopeeUser) -> None:
    await user.connect()
    query: list[tuple[str, object]] = [("page_size", 60), ("item_status", "NORMAL")]
    first = (await user.get("product/search_item", query)).json["response"]
    cursor = first["next_offset"]
    second = (await user.get("product/search_item", [*query, ("offset", cursor)])).json["response"]
    assert set(first["item_id_list"]).isdisjoint(second["item_id_list"])
    assert len(first["item_id_list"]) + len(second["item_id_list"]) == first["total_count"]
    user.shop.clock.advance(601)
    assert (await user.get("product/search_item", [*query, ("offset", cursor)])).json["error"] == "product.error_param"
    assert (await user.get("product/search_item", [("page_size", 5)])).json["error"] == "product.error_param"


async def test_too_many_calls_are_error_rate_limit(user: ShopeeUser) -> None:
    await user.connect()
    user.shop.throttle.set_rate(1)
    errors = [(await user.get("shop/get_shop_info")).json["error"] for _ in range(2)]
    assert errors == ["", "error_rate_limit"]


async def test_items_and_models_have_the_documented_fields_with_their_types(user: ShopeeUser) -> None:
    await user.connect()
    ids = user.shop.sellers[0].shelf.ids()[:50]
    asked = [("item_id_list", ",".join(map(str, ids)))]
    items = (await user.get("product/get_item_base_info", asked)).json["response"]["item_list"]
    assert not [place for item in items for place in lacking(ITEM, item)]
    for item in [item for item in items if item["has_model"]][:5]:
        tree = (await user.get("product/get_model_list", [("item_id", item["item_id"])])).json["response"]
        assert not lacking({"tier_variation": [TIER], "model": [MODEL]}, tree)
