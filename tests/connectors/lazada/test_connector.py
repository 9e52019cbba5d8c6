"""Lazada's particulars: its signature, country hosts, cross-border accounts, two lists."""

import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict
from tests.given.connectors import found, played, session

from isthmus.client import RefreshFailed, RefreshRefused, Request
from isthmus.client.url import encode, parse
from isthmus.connect.conformance.stage import Skewed
from isthmus.connect.shapes import ListingStatus
from isthmus.connect.spi import App, Window
from isthmus.connectors.lazada.connector import signing
from isthmus.kit.secret import Secret

APP = App({"app_key": Secret("123456"), "app_secret": Secret("helloworld")}, {})


@pytest.mark.parametrize(
    ("path", "parameters", "expected"),
    [
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
    ],
)
def test_published_and_computed_vectors(path: str, parameters: dict[str, str], expected: str) -> None:
    given_ = {**parameters, "sign_method": "sha256"}
    assert signing.signature("helloworld", path, given_.items()) == expected


texts = st.text(min_size=0, max_size=8)


@given(st.dictionaries(texts.filter(bool), texts, max_size=6), texts)
def test_order_empty_values_and_the_sign_itself_do_not_count(parameters: dict[str, str], body: str) -> None:
    parameters.pop("sign", None)
    pairs = list(parameters.items())
    expected = signing.signature("k", "/p", pairs, body)
    assert signing.signature("k", "/p", [*reversed(pairs), ("sign", "x"), ("empty", "")], body) == expected
    base = b"/p" + b"".join(k.encode() + v.encode() for k, v in sorted(pairs, key=lambda one: one[0].encode()) if v)
    assert expected == hmac.new(b"k", base + body.encode(), hashlib.sha256).hexdigest().upper()


@given(st.dictionaries(texts.filter(bool), texts, max_size=5))
def test_query_and_form_are_signed_alike(parameters: dict[str, str]) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    kept = {
        name: value
        for name, value in parameters.items()
        if name not in {"sign", "access_token", "app_key", "timestamp", "sign_method"}
    }
    form = Request(
        "POST",
        parse("https://api.lazada.vn/rest/x"),
        CIMultiDict({"Content-Type": "application/x-www-form-urlencoded"}),
        encode(kept).encode(),
    )
    query = Request("GET", parse("https://api.lazada.vn/rest/x?" + encode(kept)), CIMultiDict())
    signs = [dict(signing.attached(APP, one, "t", now).query())["sign"] for one in (form, query)]
    assert signs[0] == signs[1]


def test_a_raw_body_is_signed_and_an_upload_is_not() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)

    def sign(kind: str, body: bytes) -> str:
        request = Request("POST", parse("https://api.lazada.vn/rest/x"), CIMultiDict({"Content-Type": kind}), body)
        return dict(signing.attached(APP, request, "t", now).query())["sign"]

    assert sign("application/json", b"{}") != sign("application/json", b"[]")
    assert sign("multipart/form-data; boundary=b", b"1") == sign("multipart/form-data; boundary=b", b"2")


async def test_a_cross_border_account_gives_a_shop_per_country_with_one_pair_of_tokens() -> None:
    async with played("lazada") as (play, shop):
        granted = await play.connect("several")
        assert sorted(one.account.region for one in granted) == ["ID", "MY", "PH", "SG", "TH", "VN"]
        assert len({one.tokens.access_token for one in granted}) == 1
        assert all(one.account.id.startswith(one.account.region.lower() + ":") for one in granted)
        assert shop.recording.counts["exchange"] == 1
        for one in granted:
            async with play.session(one) as opened:
                await play.connector.pull_listings(opened, Window(None, play.stage.clock.now()), None)
            assert shop.recording.requests[-1].path == f"/{one.account.region.lower()}/rest/products/get"


async def test_a_refresh_does_not_move_the_end_of_the_authorization() -> None:
    async with played("lazada") as (play, shop):
        granted = (await play.connect())[0]
        play.stage.advance(86_400)
        async with play.plain() as client:
            fresh = await play.connector.refresh(play.stage.app, granted.account, granted.tokens, client, shop.clock)
        first, second = granted.tokens.refresh_expires_at, fresh.refresh_expires_at
        assert first is not None
        assert second is not None
        assert abs((first - second).total_seconds()) < 2


async def test_an_app_of_the_service_market_is_told_for_good() -> None:
    async with played("lazada") as (play, shop):
        granted = (await play.connect())[0]
        market = shop.apps[2]
        app = App({name: Secret(value) for name, value in market.credentials.items()}, shop.hosts)
        async with play.plain() as client:
            with pytest.raises(RefreshRefused, match="AUTH_TYPE_UNSUPPORTED"):
                await play.connector.refresh(app, granted.account, granted.tokens, client, shop.clock)
            wrong = App({**play.stage.app.credentials, "app_secret": Secret("no")}, shop.hosts)
            with pytest.raises(RefreshFailed):
                await play.connector.refresh(wrong, granted.account, granted.tokens, client, shop.clock)


async def test_deleted_items_are_read_as_a_list_of_their_own() -> None:
    async with played("lazada") as (play, shop), session(play) as (opened, _):
        gone = shop.sellers[0].shelf.ids()[3]
        play.stage.advance(60)
        shop.remove_product(str(gone))
        play.stage.advance(60)
        pulled = await play.pull(opened, play.stage.clock.now() - timedelta(minutes=10))
        assert {key: one.status for key, one in pulled.listings.items()} == {str(gone): ListingStatus.DELETED}


async def test_neither_code_nor_refresh_token_stands_in_an_address() -> None:
    async with played("lazada") as (play, shop):
        await play.connect()
        calls = [record for record in shop.recording.requests if "/auth/token/" in record.path]
        assert calls
        assert all(record.method == "POST" and not record.query for record in calls)


def test_its_hosts_name_every_country() -> None:
    hosts = found("lazada").manifest.hosts
    assert {name for name in hosts if name.startswith("api.")} == {
        f"api.{one.lower()}" for one in found("lazada").manifest.regions
    }


async def test_a_wrong_clock_is_set_by_the_platforms() -> None:
    async with played("lazada") as (play, shop):
        granted = (await play.connect())[0]
        async with play.session(granted, Skewed(play.stage.clock, -10_000.0)) as opened:
            assert (await play.connector.test(opened)).id == granted.account.id
        assert shop.recording.counts["rule:InvalidTimestamp"] == 1
