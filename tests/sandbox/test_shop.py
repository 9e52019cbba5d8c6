"""Whatever a client sends, a platform answers in one of its own forms."""

from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import Request

from isthmus.kit.clock import ManualClock
from isthmus.kit.errors import NotFound
from isthmus.sandbox import Call, Reply, Shop, World, discover
from isthmus.sandbox.clock import ShiftedClock

SHOPS = {name: kind(World(1, 5, ShiftedClock(ManualClock()))) for name, kind in discover().items()}
PATHS = [
    "/consent",
    "/sc/oauth2/auth",
    "/sc/oauth2/token",
    "/integration/v2/products",
    "/integration/v2/products/1",
    "/oauth/authorize",
    "/rest/auth/token/create",
    "/vn/rest/products/get",
    "/auth",
    "/api/v2/auth/token/get",
    "/api/v2/auth/access_token/get",
    "/api/v2/product/get_item_list",
    "/cancel_auth",
]
NAMES = ["client_id", "app_key", "partner_id", "timestamp", "sign", "sign_method", "access_token", "shop_id", "page"]
NAMES += ["redirect_uri", "redirect", "response_type", "scope", "grant_type", "code", "ticket", "auth_type", "auto"]
KEYS = [app.key for shop in SHOPS.values() for app in shop.apps]
VALUES = st.one_of(st.sampled_from([*KEYS, "code", "sha256", "http://localhost/", "1767225600", "approve"]), st.text())
PAIRS = st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=6)
BODIES = st.one_of(st.binary(max_size=40), PAIRS.map(lambda pairs: urlencode(pairs).encode()), st.just(b'{"a":[1]}'))
TYPES = st.sampled_from(["application/json", "application/x-www-form-urlencoded", "", "\xff"])
SIGN_IN = st.one_of(st.just("Bearer x"), st.text(st.characters(max_codepoint=255)).map(lambda text: f"Basic {text}"))


def call(method: str, path: str, query: list[tuple[str, str]], body: bytes, headers: dict[str, str]) -> Call:
    """A request as the network face would hand it over."""
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": urlencode(query).encode(),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
    }
    request = Request(scope)
    shop = next(iter(SHOPS.values()))
    return Call(request, body, shop.recording.blank())


@pytest.mark.parametrize("name", list(SHOPS))
@given(st.sampled_from(["GET", "POST", "PUT"]), st.sampled_from(PATHS), PAIRS, BODIES, TYPES, SIGN_IN)
@settings(max_examples=120, deadline=None)
def test_no_request_ends_in_a_failure_of_the_sandbox(
    name: str, method: str, path: str, query: list[tuple[str, str]], body: bytes, kind: str, sign_in: str
) -> None:
    asked = call(method, path, query, body, {"content-type": kind, "authorization": sign_in})
    reply = SHOPS[name].answer(asked)
    assert isinstance(reply, Reply)
    assert reply.status in {200, 302, 400, 401, 404, 405}
    assert all(value.isascii() and value.isprintable() for value in reply.headers.values())


def test_products_are_edited_at_the_shop_they_are_in() -> None:
    shop: Shop = SHOPS["lazada"]
    [added] = shop.add_product(seller=shop.sellers[3].id)
    shop.edit_product(added, seller=shop.sellers[3].id, title="Here")
    with pytest.raises(NotFound):
        shop.edit_product("1", title="Nowhere")
    with pytest.raises(NotFound):
        shop.add_product(seller="nobody")
