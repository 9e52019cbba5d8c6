"""Consents that a far side, or whoever stands between, leads astray: each ends where it began (security.md OA)."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from tests.given import connections as given
from tests.given.connections import World, query
from tests.given.connectors import found as shipped

from isthmus.connect.conformance import play, signing_in
from isthmus.connectors.tiki.sandbox import oauth
from isthmus.engine.db import Database
from isthmus.features import connections
from isthmus.sandbox import App, Ask, Call, Reply, Shop, walk
from isthmus.sandbox.stage import SandboxStage


@pytest.fixture(scope="module")
async def world(database: Database) -> AsyncIterator[World]:
    async with given.world(database, "tiki", exchange_deadline=timedelta(seconds=3)) as made:
        yield made


@pytest.fixture(autouse=True)
async def nothing_left(world: World) -> AsyncIterator[None]:
    yield
    await world.clear()


def tokens_asked(world: World) -> int:
    """How often any token endpoint was asked for tokens."""
    honest = sum(record.path == "/sc/oauth2/token" for record in world.sandbox.shops["tiki"].recording.requests)
    return honest + world.far.counts["token"]


async def test_OA_02_over_tls_the_cookie_of_a_flow_is_this_hosts_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts, settings = world.system.engine.parts, world.system.engine.part(connections.Settings)
    assert isinstance(parts, dict)
    monkeypatch.setitem(parts, connections.Settings, replace(settings, public_url="https://localhost"))
    side, other = world.side("ten_tls"), world.side()
    for browser, ends in ((side, "connected"), (other, "pending")):
        began = await world.start(side, "rotor")
        assert began["authorizationUrl"].startswith("https://localhost/")
        opened = await browser.go(began["authorizationUrl"])
        assert opened.status_code == 303
        assert (await browser.go(began["authorizationUrl"])).status_code == 404, "it serves once"
        cookies = [cookie for cookie in browser.http.cookies.jar if cookie.name.startswith("__Host-isthmus_flow_")]
        assert cookies
        assert {(cookie.secure, cookie.path, cookie.domain_specified) for cookie in cookies} == {(True, "/", False)}
        back = world.back("rotor", began, ends).replace("http://", "https://")
        elsewhere = await world.side().go(back)
        assert (elsewhere.status_code, "Finish in the browser where you began" in elsewhere.text) == (403, True)
        assert query(await browser.go(back))["status"] == ends
    assert tokens_asked(world) == 1


async def test_OA_04_a_page_that_forwards_to_an_honest_platform_learns_no_code(world: World) -> None:
    """Its consent page hands its own state and challenge on under the honest platform's client id (COAT)."""
    victim, mallory = world.side("ten_victim"), world.side("ten_mallory")
    began = await world.start(victim, "rotor")
    opened = await victim.go(began["authorizationUrl"])
    at_malicious = dict(parse_qsl(urlsplit(opened.headers["location"]).query))
    link = (await world.start(mallory))["authorizationUrl"]
    honest = urlsplit((await mallory.go(link)).headers["location"])
    asked = dict(parse_qsl(honest.query))
    forwarded = asked | {"state": at_malicious["state"], "code_challenge": at_malicious["challenge"]}
    back = await walk(honest._replace(query=urlencode(forwarded)).geturl())
    assert back.startswith(asked["redirect_uri"])
    assert dict(parse_qsl(urlsplit(back).query)).keys() >= {"code", "state"}
    assert query(await victim.go(back)) == {"status": "failed", "error": "registration_mismatch"}
    assert tokens_asked(world) == 0
    assert (await victim.go(world.back("rotor", began, "later"))).status_code == 404, "the flow is over"
    assert tokens_asked(world) == 0
    for side in (victim, mallory):
        (only,) = (await side("GET", "/api/connections")).json()["items"]
        assert (only["status"], only["account"]) == ("pending", None)


@pytest.mark.parametrize(
    ("issuers", "ends"),
    [
        (["https://as.example"], (302, 1)),
        ([], (302, 0)),
        (["https://evil.example"], (302, 0)),
        ([""], (302, 0)),
        (["https://as.example", "https://as.example"], (404, 0)),
        (["https://as.example", "https://evil.example"], (404, 0)),
    ],
)
async def test_OA_06_the_issuer_that_is_expected_is_named_once(
    world: World, issuers: list[str], ends: tuple[int, int]
) -> None:
    side = world.side("ten_issuer")
    began = await world.start(side, "fixed")
    await side.go(began["authorizationUrl"])
    fields = [("state", began["state"]), ("code", "a"), *(("iss", issuer) for issuer in issuers)]
    answer = await side.go(f"{given.BASE}/api/integrations/oauth/callback?{urlencode(fields)}")
    assert (answer.status_code, world.far.counts["exchange"]) == ends
    if answer.status_code == 302 and not world.far.counts["exchange"]:
        assert query(answer) == {"status": "failed", "error": "registration_mismatch"}


async def test_OA_07_a_platform_that_ignores_the_verifier_is_found(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = shipped("tiki")
    assert found.manifest.oauth is not None
    assert found.manifest.oauth.pkce, "the manifest records it"
    stage = SandboxStage(world.sandbox.shops["tiki"])
    assert (await play(signing_in.a_stolen_code_is_worth_nothing, found, stage)).ok
    issued = oauth.approved

    def forgets(shop: Shop, ask: Ask, choice: str) -> str:
        ask.extra.pop("challenge", None)
        return issued(shop, ask, choice)

    with monkeypatch.context() as patch:
        patch.setattr(oauth, "approved", forgets)
        ignored = await play(signing_in.a_stolen_code_is_worth_nothing, found, stage)
    assert not ignored.ok
    assert "wrong verifier" in ignored.detail


async def test_OA_07_without_its_verifier_a_code_is_refused_by_the_platform(world: World) -> None:
    """Somebody who has the code alone: the platform demands what only the flow knows."""
    side = world.side("ten_verifier")
    began = await world.start(side)
    back = await world.ask(side, began["authorizationUrl"])
    async with world.system.tx() as tx:
        sealed = "update oauth_flows set verifier = null where connection_id = $1"
        await tx.execute_sql(sealed, began["id"])
    assert query(await side.go(back)) == {"status": "failed", "error": "exchange_failed"}
    assert tokens_asked(world) == 1


async def test_OA_08_OA_09_whoever_has_no_address_to_return_to_reads_to_start_again(world: World) -> None:
    side = world.side("ten_reads")
    began = await world.start(side, returnUrl=None)
    back = await world.ask(side, began["authorizationUrl"])
    world.sandbox.shops["tiki"].faults.add("POST /sc/oauth2/token", "drop_reply")
    page = await side.go(back)
    assert page.status_code == 400
    assert "(exchange_failed). Start again where you began." in page.text
    assert tokens_asked(world) == 1
    again = await side.go(back)
    assert (again.status_code, "Start again" in again.text, tokens_asked(world)) == (404, True, 1)


async def test_OA_09_the_redirect_address_is_the_same_byte_for_byte(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = []
    exchanged = oauth._exchange

    def notes(shop: Shop, call: Call, app: App) -> Reply:
        sent.append(call.field("redirect_uri"))
        return exchanged(shop, call, app)

    monkeypatch.setattr(oauth, "_exchange", notes)
    side = world.side("ten_bytes")
    began = await world.start(side)
    opened = await side.go(began["authorizationUrl"])
    asked = dict(parse_qsl(urlsplit(opened.headers["location"]).query))["redirect_uri"]
    assert query(await side.go(await walk(opened.headers["location"])))["status"] == "connected"
    assert sent == [asked]
