"""Shopify's public app: a consent at the shop's own address, a signed way back, tokens that are renewed."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
import pytest_asyncio
from tests.given import vault
from tests.given.connections import World, query, world

from isthmus.connect.spi import App
from isthmus.connectors.shopify import consent
from isthmus.engine.db import Database
from isthmus.features import catalog, connections
from isthmus.kit.secret import Secret

#: marketplaces.md, vector H1.
SIGNED = {
    "code": "0907a61c0c8d55e99db179b68161bc00",
    "shop": "some-shop.myshopify.com",
    "state": "0.6784241404160823",
    "timestamp": "1337178173",
    "hmac": "700e2dadb827fcc8609e9d5ce208b2e9cdaab9df07390d2cbca10d7c328fc4bf",
}
HUSH = App({"client_id": Secret("id"), "client_secret": Secret("hush")}, {})
THEN = datetime.fromtimestamp(1337178173, UTC)
PLACE = {"shop": "some-shop"}


def test_a_signed_callback_about_the_shop_that_was_asked_is_believed() -> None:
    consent.check(HUSH, PLACE, SIGNED, THEN)
    consent.check(HUSH, {"shop": "Some-Shop"}, {**SIGNED, "signature": "old"}, THEN)


@pytest.mark.parametrize(
    "changed",
    [
        {"hmac": "0" * 64},
        {"hmac": SIGNED["hmac"].upper()},
        {"hmac": ""},
        {"code": "another"},
        {"state": "another"},
        {"shop": "other-shop.myshopify.com"},
        {"extra": "1"},
    ],
    ids=str,
)
def test_what_was_changed_on_the_way_is_refused(changed: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="signed"):
        consent.check(HUSH, PLACE, {**SIGNED, **changed}, THEN)


@pytest.mark.parametrize("shop", ["evil.example.com", "some-shop.myshopify.com.evil.example", "-x.myshopify.com", ""])
def test_a_signed_callback_about_another_shop_or_none_is_refused(shop: str) -> None:
    given = {**SIGNED, "shop": shop}
    given["hmac"] = consent.signature("hush", given).decode()
    with pytest.raises(ValueError, match="another shop"):
        consent.check(HUSH, PLACE, given, THEN)


@pytest.mark.parametrize("stamp", ["1337178082", "1337178264", "", "1e9", "-1", "١٣٣٧"])
def test_a_signed_callback_of_another_time_is_refused(stamp: str) -> None:
    given = {**SIGNED, "timestamp": stamp}
    given["hmac"] = consent.signature("hush", given).decode()
    with pytest.raises(ValueError, match="too old"):
        consent.check(HUSH, PLACE, given, THEN)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def here(database: Database) -> AsyncIterator[World]:
    async with world(database, "shopify") as made:
        shop = made.sandbox.shops["shopify"]
        given = {name: Secret(value) for name, value in shop.apps[-1].credentials.items()}
        await catalog.set_app(vault.platform(made.system), "shopify", credentials=given)
        yield made


async def _came_back(here: World, tenant: str, shop: str, seller: str) -> dict[str, str]:
    side = here.side(tenant)
    started = await here.start(side, "shopify", credentials={"shop": shop})
    return query(await side.go(await here.ask(side, started["authorizationUrl"], seller=seller)))


async def test_a_shop_installs_the_public_app_is_read_and_its_tokens_are_renewed(here: World) -> None:
    shop = here.sandbox.shops["shopify"]
    back = await _came_back(here, "ten_a", "shop-0", shop.sellers[0].id)
    assert back["status"] == "connected", back
    found = (await here.side("ten_a")("GET", f"/api/connections/{back['connectionId']}")).json()
    assert (found["authType"], found["account"]["id"]) == ("oauth2", "shop-0.myshopify.com")
    scope = here.scope("ten_a")
    assert (await connections.test(scope, back["connectionId"])).success
    here.clock.advance(2 * 3_600)
    assert (await connections.test(scope, back["connectionId"])).success, "an hour's token was renewed"
    assert shop.recording.counts["refresh"] == 1


async def test_a_callback_about_another_shop_than_was_asked_connects_nothing(here: World) -> None:
    shop = here.sandbox.shops["shopify"]
    back = await _came_back(here, "ten_b", "shop-0", shop.sellers[3].id)
    assert (back["status"], back["error"]) == ("failed", "callback_unreadable")


async def test_a_callback_without_the_signature_or_with_another_state_connects_nothing(here: World) -> None:
    shop, side = here.sandbox.shops["shopify"], here.side("ten_b")
    for field in ("hmac", "state"):
        started = await here.start(side, "shopify", credentials={"shop": "shop-3"})
        address = await here.ask(side, started["authorizationUrl"], seller=shop.sellers[3].id)
        given = dict(parse_qsl(urlsplit(address).query)) | {field: "0" * 64}
        answer = await side.go(f"{address.partition('?')[0]}?{urlencode(given)}")
        assert answer.status_code == 404 if field == "state" else query(answer)["status"] == "failed"


async def test_a_custom_apps_token_still_connects_beside_it(here: World) -> None:
    shop = here.sandbox.shops["shopify"]
    keys = shop.apps[3].credentials
    side = here.side("ten_b")
    made = await side("POST", "/api/connections", {"provider": "shopify", "credentials": keys})
    assert (made.status_code, made.json()["status"]) == (201, "connected"), made.text
    assert (await connections.test(here.scope("ten_b"), made.json()["id"])).success
    nothing = await side("POST", "/api/connections", {"provider": "shopify", "credentials": {}})
    assert nothing.json()["error"]["code"] == "WRONG_CREDENTIAL_KIND"
