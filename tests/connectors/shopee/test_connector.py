"""Shopee's particulars: its signature, main accounts, chains of tokens per shop, items joined with their models."""

import hashlib
import hmac
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict
from tests.given.connectors import found, paths, played, session

from isthmus.client import PlatformFailed, RefreshRefused, Request, Response, Throttled
from isthmus.client.url import parse
from isthmus.connect.conformance.stage import REDIRECT, Skewed
from isthmus.connect.shapes import ListingStatus
from isthmus.connect.spi import App, Consent, Searcher, SearchFor, Window
from isthmus.connectors.shopee.connector import signing
from isthmus.kit.secret import Secret

KEY = "shpk_test_partner_key_0001"
APP = App(
    {"partner_id": Secret("2001887"), "partner_key": Secret(KEY)},
    {"api": "https://a.example", "consent": "https://a.example"},
)
NOW = datetime.fromtimestamp(1_700_000_000, UTC)


@pytest.mark.parametrize(
    ("path", "bound", "expected"),
    [
        ("/api/v2/auth/token/get", (), "183461e5ce18e9863d3747aa44ecd0655aa04ce114fd4311dd9e5231d3fdf014"),
        (
            "/api/v2/order/get_order_list",
            ("access_token_abc", "14701711"),
            "27101d183bd086857b7231c49fa4f41b13644a22ffd6691a5eb12bfb4603d480",
        ),
        (
            "/api/v2/merchant/get_merchant_info",
            ("access_token_abc", "1000000"),
            "cb6ce2354fa224ddd35e98b72ec3f16bf3dccb5900934be236f0c46d2c78e6da",
        ),
        ("/api/v2/shop/auth_partner", (), "4f7a763cb98f46dd64339277ed0c401b7161d5592ae81a149abaa24dde7d558d"),
    ],
)
def test_computed_vectors(path: str, bound: tuple[str, ...], expected: str) -> None:
    assert signing.signature(KEY, "2001887", path, 1_700_000_000, *bound) == expected
    assert signing.query(APP, path, NOW, *bound)["sign"] == expected


@given(st.text(min_size=1, max_size=20), st.text(max_size=20), st.integers(0, 2**40), st.text(max_size=20))
def test_the_key_is_text_and_the_parts_are_joined(key: str, path: str, stamp: int, shop: str) -> None:
    base = f"1{path}{stamp}t{shop}".encode()
    expected = hmac.new(key.encode(), base, hashlib.sha256).hexdigest()
    assert signing.signature(key, "1", path, stamp, "t", shop) == expected


def test_a_call_can_be_signed_for_a_merchant() -> None:
    request = Request("GET", parse("https://a.example/api/v2/merchant/get_merchant_info"), CIMultiDict())
    query = dict(signing.attached(APP, request, "access_token_abc", ("merchant_id", "1000000"), NOW).query())
    assert query["sign"].startswith("cb6ce235")
    assert query["merchant_id"] == "1000000"


def test_the_link_is_signed_and_takes_the_redirect_as_it_is() -> None:
    connector = found("shopee").connector
    assert connector is not None
    link = urlsplit(connector.consent_url(APP, Consent(f"{REDIRECT}?state=s1", "s1"), NOW))
    query = parse_qs(link.query)
    assert query["redirect"] == [f"{REDIRECT}?state=s1"]
    assert query["sign"] == ["4f7a763cb98f46dd64339277ed0c401b7161d5592ae81a149abaa24dde7d558d"]


async def test_the_newer_link_is_used_where_consent_has_a_host_of_its_own() -> None:
    async with played("shopee") as (play, shop):
        app = replace(play.stage.app, hosts={**shop.hosts, "api": "https://elsewhere.example"})
        link = play.connector.consent_url(app, Consent(f"{REDIRECT}?state=s1", "s1"), play.stage.clock.now())
        assert "sign=" not in link
        back = parse_qs(urlsplit(await play.stage.consent(link, account=play.stage.account("main"))).query)
        assert (back["state"], list(back)) == (["s1"], ["state", "code", "shop_id"])


async def test_a_main_account_gives_each_shop_its_own_chain() -> None:
    async with played("shopee") as (play, shop):
        granted = await play.connect("several")
        assert len(granted) == 2
        assert len({one.tokens.access_token for one in granted}) == 2
        assert len({one.tokens.refresh_token for one in granted}) == 2
        assert all(one.account.extra["main_account_id"] for one in granted)
        assert shop.recording.counts["refresh"] == 2


async def test_a_shop_whose_branch_is_delayed_is_granted_and_refreshes_at_its_first_use() -> None:
    async with played("shopee") as (play, shop):
        shop.faults.add("*/access_token/get", "server_error", 1)
        granted = await play.connect("several")
        late = [one for one in granted if not one.tokens.access_token]
        assert len(granted) == 2
        assert len(late) == 1
        async with play.session(late[0]) as opened:
            assert (await play.connector.test(opened)).id == late[0].account.id


async def test_a_refresh_token_works_once() -> None:
    async with played("shopee") as (play, shop):
        granted = (await play.connect())[0]
        async with play.plain() as client:
            await play.connector.refresh(play.stage.app, granted.account, granted.tokens, client, shop.clock)
            with pytest.raises(RefreshRefused, match="error_shop_refresh_token"):
                await play.connector.refresh(play.stage.app, granted.account, granted.tokens, client, shop.clock)


async def test_the_refresh_token_is_known_to_live_thirty_days() -> None:
    async with played("shopee") as (play, _):
        tokens = (await play.connect())[0].tokens
        assert tokens.expires_at is not None
        assert tokens.refresh_expires_at is not None
        assert tokens.refresh_expires_at - tokens.expires_at > timedelta(days=29)


async def test_details_come_in_fifties_and_models_only_where_there_are_some() -> None:
    async with played("shopee", 130) as (play, shop), session(play) as (opened, granted):
        shop.recording.clear()
        page = await play.connector.pull_listings(opened, Window(None, play.stage.clock.now()), None)
        asked = paths(shop)
        assert asked.count("/api/v2/product/get_item_base_info") == 2
        with_models = [play.connector.map_listing(one, granted.account) for one in page.records]
        assert asked.count("/api/v2/product/get_model_list") == sum(bool(one.options) for one in with_models)


async def test_an_item_that_goes_between_two_calls_costs_itself_alone() -> None:
    gone = {"error": "product.error_item_not_found", "message": "Item not found.", "request_id": "r"}
    async with played("shopee") as (play, shop), session(play) as (opened, _):
        shop.faults.add("*/get_model_list", "replace", 1, status=200, body=gone)
        page = await play.connector.pull_listings(opened, Window(None, play.stage.clock.now()), None)
        assert len(page.records) == len(shop.sellers[0].shelf.ids())
        assert sum(b'"models":null' in one.payload for one in page.records) >= 1


async def test_one_failing_call_of_a_page_ends_the_page() -> None:
    async with played("shopee") as (play, shop), session(play) as (opened, _):
        shop.faults.add("*/get_model_list", "server_error")
        with pytest.raises(PlatformFailed):
            await play.connector.pull_listings(opened, Window(None, play.stage.clock.now()), None)


async def test_deleted_items_come_with_the_others() -> None:
    async with played("shopee") as (play, shop), session(play) as (opened, _):
        gone = shop.sellers[0].shelf.ids()[3]
        play.stage.advance(60)
        shop.remove_product(str(gone))
        play.stage.advance(60)
        pulled = await play.pull(opened, play.stage.clock.now() - timedelta(minutes=10))
        assert {key: one.status for key, one in pulled.listings.items()} == {str(gone): ListingStatus.DELETED}


async def test_a_spent_daily_quota_names_the_wait_until_midnight_in_utc_plus_8() -> None:
    spent = {"error": "error_limit", "message": "Daily quota.", "request_id": "r"}
    async with played("shopee") as (play, shop), session(play) as (opened, _):
        shop.faults.add("*", "replace", status=200, body=spent)
        with pytest.raises(Throttled) as waiting:
            await play.connector.test(opened)
        now = play.stage.clock.now()
        assert waiting.value.retry_after is not None
        reset = now + timedelta(seconds=waiting.value.retry_after)
        assert (reset + timedelta(hours=8)).strftime("%H:%M") in {"00:00", "23:59"}


@pytest.mark.parametrize("wrong", [-3_600.0, 3_600.0])
async def test_a_wrong_clock_is_set_by_the_platforms_and_named_where_it_shows_none(wrong: float) -> None:
    async with played("shopee") as (play, shop):
        granted = (await play.connect())[0]
        async with play.session(granted, Skewed(play.stage.clock, wrong)) as opened:
            assert (await play.connector.test(opened)).id == granted.account.id
            assert shop.recording.counts["rule:error_param"] == 1
            await play.connector.test(opened)
            assert shop.recording.counts["rule:error_param"] == 1
    verdict = play.connector.classify(Response(200, {}, b'{"error":"error_param","message":"Timestamp is expired."}'))
    assert verdict is not None
    assert (verdict.kind, verdict.code, verdict.far_time) == ("configuration", "clock_skew", None)


async def test_items_are_searched_by_name_and_named_by_their_details() -> None:
    async with played("shopee", 130) as (play, shop), session(play) as (opened, _):
        connector = play.connector
        assert isinstance(connector, Searcher)
        shelf = shop.sellers[0].shelf
        titles = {str(row.id): row.product.title for row in shelf.rows(shelf.ids())}
        word = max(next(iter(titles.values())).split(), key=len)
        wanted = SearchFor(word, ("products",), None, None, {}, 20)
        hits = await connector.search(opened, wanted)
        assert hits
        assert all(word.casefold() in hit.title.casefold() and hit.external_id in titles for hit in hits)
        assert all(hit.entity == "products" and hit.updated_at is not None for hit in hits)
        assert await connector.search(opened, replace(wanted, until=datetime(2000, 1, 1, tzinfo=UTC))) == []
        assert await connector.search(opened, replace(wanted, entities=("orders",))) == ()
        assert await connector.search(opened, replace(wanted, query="nothing is called so")) == []
