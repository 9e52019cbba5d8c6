"""Consents against the emulated platforms: who may finish one, and how each ends (security.md OA)."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import msgspec
import pytest
from tests.given import connections as given
from tests.given.connections import RETURN, World, query

from isthmus.engine.db import Database
from isthmus.features import catalog, connections
from isthmus.features.connections.feature import FEATURE
from isthmus.kit.secret import Secret
from isthmus.sandbox import walk


@pytest.fixture(scope="module")
async def world(database: Database) -> AsyncIterator[World]:
    async with given.world(database, "tiki", "shopee", exchange_deadline=timedelta(seconds=3)) as made:
        yield made


@pytest.fixture(autouse=True)
async def nothing_left(world: World) -> AsyncIterator[None]:
    """An account belongs to one tenant: each test finds them free."""
    yield
    await world.clear()


def tokens_asked(world: World) -> int:
    return sum(record.path == "/sc/oauth2/token" for record in world.sandbox.shops["tiki"].recording.requests)


async def status_of(world: World, tenant: str, connection_id: str) -> str:
    answer = await world.side(tenant)("GET", f"/api/connections/{connection_id}")
    return str(answer.json()["status"])


async def test_OA_01_of_twenty_callbacks_with_one_state_one_counts(world: World) -> None:
    side = world.side("ten_twenty")
    started = await world.start(side)
    back = await world.ask(side, started["authorizationUrl"])
    answers = await asyncio.gather(*[side.go(back) for _ in range(20)])
    good = [answer for answer in answers if answer.status_code == 302]
    assert len(good) == 1
    assert query(good[0])["status"] == "connected"
    assert {answer.status_code for answer in answers if answer is not good[0]} == {404}
    assert tokens_asked(world) == 1


async def test_OA_01_the_table_holds_no_state_link_or_cookie(world: World) -> None:
    side = world.side("ten_clear")
    started = await world.start(side)
    link = parse_qs(urlsplit(started["authorizationUrl"]).query)["link"][0]
    await side.go(started["authorizationUrl"])
    cookies = [cookie.value for cookie in side.http.cookies.jar]
    async with world.system.tx() as tx:
        rows = await tx.fetch_sql("select to_jsonb(f)::text as row from oauth_flows f")
    text = " ".join(row["row"] for row in rows)
    assert rows
    for secret in (started["state"], link, *cookies):
        assert secret
        assert secret not in text
        assert secret.encode().hex() not in text


@pytest.mark.parametrize(
    "change",
    [
        lambda url: url.replace("state=", "state=x"),
        lambda url: url.replace("state=", "other="),
        lambda url: url.split("state=")[0] + "state=",
        lambda url: url.split("?")[0],
    ],
)
async def test_OA_01_a_changed_or_missing_state_changes_nothing(world: World, change: Callable[[str], str]) -> None:
    side = world.side("ten_states")
    started = await world.start(side)
    back = await world.ask(side, started["authorizationUrl"])
    answer = await side.go(change(back))
    assert answer.status_code == 404
    assert "location" not in answer.headers
    assert tokens_asked(world) == 0
    assert query(await side.go(back))["status"] == "connected"


async def test_OA_01_a_doubled_state_is_refused(world: World) -> None:
    side = world.side("ten_double")
    started = await world.start(side)
    back = await world.ask(side, started["authorizationUrl"])
    answer = await side.go(f"{back}&state={started['state']}")
    assert answer.status_code == 404
    assert tokens_asked(world) == 0


async def test_OA_01_an_old_state_is_refused(world: World) -> None:
    side = world.side("ten_old")
    started = await world.start(side)
    back = await world.ask(side, started["authorizationUrl"])
    world.clock.advance(601)
    assert (await side.go(back)).status_code == 404
    assert tokens_asked(world) == 0


async def test_OA_01_the_state_of_somebody_elses_flow_counts_in_their_browser_alone(world: World) -> None:
    one, other = world.side("ten_one"), world.side("ten_two")
    ones, others = await world.start(one), await world.start(other)
    mine = await world.ask(one, ones["authorizationUrl"])
    await world.ask(other, others["authorizationUrl"])
    mixed = await one.go(mine.replace(ones["state"], others["state"]))
    assert (mixed.status_code, "location" in mixed.headers) == (403, False)
    assert tokens_asked(world) == 0
    assert query(await one.go(mine))["connectionId"] == ones["id"]


async def test_OA_02_a_link_opens_once_and_not_by_a_preview(world: World) -> None:
    side = world.side("ten_once")
    started = await world.start(side)
    link = started["authorizationUrl"]
    assert (await side.http.head(link)).status_code == 200
    assert (await side.http.get(link, headers={"sec-purpose": "prefetch"})).status_code == 200
    opened = await side.go(link)
    assert opened.status_code == 303
    assert (await side.go(link)).status_code == 404


async def test_OA_02_another_cookie_jar_cannot_finish_and_does_not_spoil_it(world: World) -> None:
    side = world.side("ten_jar")
    started = await world.start(side)
    back = await world.ask(side, started["authorizationUrl"])
    refused = await world.side().go(back)
    assert refused.status_code == 403
    assert "Finish in the browser where you began" in refused.text
    assert tokens_asked(world) == 0
    assert query(await side.go(back))["status"] == "connected"


async def test_OA_03_the_starter_finishes_what_another_browser_agreed_to(world: World) -> None:
    starter, victim = world.side("ten_b", "attacker"), world.side()
    started = await world.start(starter)
    back = await victim.go(await world.ask(victim, started["authorizationUrl"]))
    assert query(back).keys() == {"status", "ticket"}
    ticket = query(back)["ticket"]
    assert query(back)["status"] == "pending"
    assert tokens_asked(world) == 0
    assert await status_of(world, "ten_b", started["id"]) == "pending"
    assert len(await world.events("ten_b", "connection.consent_held")) == 1
    for other in (world.side("ten_b", "colleague"), world.side("ten_a", "attacker"), world.side("ten_a")):
        assert (await other("POST", "/api/connections/flows", {"ticket": ticket})).status_code == 404
    assert tokens_asked(world) == 0
    done = await starter("POST", "/api/connections/flows", {"ticket": ticket})
    assert done.status_code == 200
    assert done.json()["connectionId"] == started["id"]
    assert done.json()["connections"][0]["status"] == "connected"
    assert (await starter("POST", "/api/connections/flows", {"ticket": ticket})).status_code == 404
    assert tokens_asked(world) == 1


async def test_OA_03_a_late_ticket_is_refused(world: World) -> None:
    starter, other = world.side("ten_late"), world.side()
    started = await world.start(starter)
    ticket = query(await other.go(await world.ask(other, started["authorizationUrl"])))["ticket"]
    world.clock.advance(301)
    assert (await starter("POST", "/api/connections/flows", {"ticket": ticket})).status_code == 404
    assert tokens_asked(world) == 0


async def test_OA_03_without_a_return_address_the_page_says_how_to_finish(world: World) -> None:
    starter, other = world.side("ten_page"), world.side()
    started = await world.start(starter, returnUrl=None)
    page = await other.go(await world.ask(other, started["authorizationUrl"]))
    assert page.status_code == 200
    ticket = page.text.split("flows: ")[1].split("<")[0]
    assert (await starter("POST", "/api/connections/flows", {"ticket": ticket})).status_code == 200


async def test_OA_03_a_foreign_cookie_of_the_right_name_proves_nothing(world: World) -> None:
    starter, victim = world.side("ten_b2"), world.side()
    started = await world.start(starter)
    name = next(cookie.name for cookie in starter.http.cookies.jar)
    victim.http.cookies.set(name, "planted", domain="localhost.local")
    assert "ticket" in query(await victim.go(await world.ask(victim, started["authorizationUrl"])))
    assert tokens_asked(world) == 0


async def test_OA_04_a_code_at_another_registrations_door_is_refused(world: World) -> None:
    scope = world.scope("ten_mix")
    shop = world.sandbox.shops["tiki"]
    own = {name: Secret(value) for name, value in shop.apps[0].credentials.items()}
    hosts = {name: shop.hosts[name] for name in ("api", "auth", "consent")}
    registered = await catalog.set_app(scope, "tiki", credentials=own, hosts=hosts)
    side = world.side("ten_mix")
    for _ in range(2):
        started = await world.start(side)
        back = await world.ask(side, started["authorizationUrl"])
        assert f"/callback/{registered.id}?" in back
        mixed = await side.go(back.replace(registered.id, "reg_00000000000000000000000000"))
        assert query(mixed) == {"status": "failed", "error": "registration_mismatch"}
        bare = await world.start(side)
        back = await world.ask(side, bare["authorizationUrl"])
        assert query(await side.go(back.replace(f"/{registered.id}?", "?")))["error"] == "registration_mismatch"
    assert tokens_asked(world) == 0


@pytest.mark.parametrize(("here", "there"), [("tiki", "shopee"), ("shopee", "tiki")])
async def test_OA_05_a_state_counts_at_the_door_of_its_own_registration_only(
    world: World, here: str, there: str
) -> None:
    side = world.side(f"ten_{here}_first")
    one, other = await world.start(side, here), await world.start(side, there)
    back = await world.ask(side, one["authorizationUrl"])
    await world.ask(side, other["authorizationUrl"])
    assert one["state"] in back
    asked = {name: len(shop.recording.requests) for name, shop in world.sandbox.shops.items()}
    # the browser is the starter's of both flows, so that only path and state can tell that they do not belong together
    mixed = await side.go(back.replace(one["state"], other["state"]))
    assert query(mixed) == {"status": "failed", "error": "registration_mismatch"}
    assert {name: len(shop.recording.requests) for name, shop in world.sandbox.shops.items()} == asked
    assert query(await side.go(back))["status"] == "connected"


async def test_OA_07_each_flow_has_its_own_challenge_and_the_platform_checks_it(world: World) -> None:
    side = world.side("ten_pkce")
    challenges = set()
    for _ in range(2):
        started = await world.start(side)
        opened = await side.go(started["authorizationUrl"])
        asked = parse_qs(urlsplit(opened.headers["location"]).query)
        assert asked["code_challenge_method"] == ["S256"]
        challenges.add(asked["code_challenge"][0])
    assert len(challenges) == 2


async def test_SS_01_a_tenants_own_app_reaches_no_internal_address(world: World) -> None:
    shop = world.sandbox.shops["tiki"]
    own = {name: Secret(value) for name, value in shop.apps[0].credentials.items()}
    hosts = {name: shop.hosts[name] for name in ("api", "auth", "consent")}
    await catalog.set_app(world.scope("ten_ssrf"), "tiki", credentials=own, hosts=hosts)
    side = world.side("ten_ssrf")
    started = await world.start(side)
    back = await world.ask(side, started["authorizationUrl"])
    assert query(await side.go(back)) == {"status": "failed", "error": "exchange_failed"}
    assert tokens_asked(world) == 0


async def test_OA_08_a_flow_ends_when_the_app_changed_meanwhile(world: World) -> None:
    shop = world.sandbox.shops["tiki"]
    scope = world.scope("ten_edit")
    own = {name: Secret(value) for name, value in shop.apps[0].credentials.items()}
    hosts = {name: shop.hosts[name] for name in ("api", "auth", "consent")}
    await catalog.set_app(scope, "tiki", credentials=own, hosts=hosts)
    side = world.side("ten_edit")
    started = await world.start(side)
    back = await world.ask(side, started["authorizationUrl"])
    await catalog.set_app(scope, "tiki", credentials=own)
    assert query(await side.go(back)) == {"status": "failed", "error": "settings_changed"}
    assert tokens_asked(world) == 0


@pytest.mark.parametrize(
    "change",
    [
        {"hosts": {"api": "http://127.0.0.1:1"}},
        {"oauth": {"client_auth": "basic"}},
        {"oauth": {"client_id": "another"}},
        {"oauth": {"issuer": "https://as.example"}},
        {"oauth": {"scopes": ("more",)}},
    ],
)
async def test_OA_08_a_flow_ends_when_the_provider_was_edited_meanwhile(
    world: World, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    side = world.side("ten_edited")
    started = await world.start(side, "rotor")
    await side.go(started["authorizationUrl"])
    providers = world.system.engine.part(catalog.Providers)
    known = providers.found("rotor").manifest
    assert known.oauth is not None
    facts = {
        **change,
        **({"oauth": msgspec.structs.replace(known.oauth, **change["oauth"])} if "oauth" in change else {}),
    }
    edited = replace(providers.found("rotor"), manifest=msgspec.structs.replace(known, **facts))
    with monkeypatch.context() as patch:
        patch.setattr(providers, "_found", {**providers, "rotor": edited})
        ended = query(await side.go(world.back("rotor", started, "a")))
    assert ended == {"status": "failed", "error": "settings_changed"}
    assert world.far.counts["exchange"] == 0


async def test_OA_06_an_issuer_that_nobody_expects_is_logged_and_judged_no_further(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    side = world.side("ten_iss")
    started = await world.start(side, "rotor")
    await side.go(started["authorizationUrl"])
    answer = await side.go(world.back("rotor", started, "a") + "&iss=https%3A%2F%2Fsurprise.example")
    assert query(answer)["status"] == "connected"
    told = [record for record in caplog.records if "issuer" in record.getMessage()]
    assert [record.levelname for record in told] == ["WARNING"]
    assert "surprise.example" not in caplog.text


async def test_OA_09_a_lost_answer_is_not_asked_for_again(world: World) -> None:
    side = world.side("ten_lost")
    started = await world.start(side)
    back = await world.ask(side, started["authorizationUrl"])
    world.sandbox.shops["tiki"].faults.add("POST /sc/oauth2/token", "drop_reply")
    assert query(await side.go(back)) == {"status": "failed", "error": "exchange_failed"}
    assert tokens_asked(world) == 1
    assert (await side.go(back)).status_code == 404
    assert await status_of(world, "ten_lost", started["id"]) == "pending"


async def test_OA_10_a_refusal_needs_a_state_too_and_its_text_is_data(world: World) -> None:
    side = world.side("ten_no")
    started = await world.start(side, returnUrl=None)
    address = f"{given.BASE}/api/integrations/oauth/callback/x?error=access_denied"
    assert (await side.go(address)).status_code == 404
    back = await world.ask(side, started["authorizationUrl"], approve=False)
    page = await side.go(f"{back}&error_description=%3Cimg%20src=x%20onerror=alert(1)%3E")
    assert page.status_code == 400
    assert "<img" not in page.text
    assert "consent_denied" in page.text


async def test_a_denied_consent_ends_at_the_return_address_and_changes_nothing(world: World) -> None:
    side = world.side("ten_deny")
    started = await world.start(side)
    back = await world.ask(side, started["authorizationUrl"], approve=False)
    answer = await side.go(back)
    assert answer.headers["location"].startswith(RETURN)
    assert query(answer) == {"status": "failed", "error": "consent_denied"}
    assert await status_of(world, "ten_deny", started["id"]) == "pending"
    assert (await side.go(back)).status_code == 404
    failed = await world.events("ten_deny", "connection.consent_failed")
    assert failed[0]["body"]["error"] == "consent_denied"


async def test_OA_11_a_return_address_off_the_list_is_refused_at_the_start(world: World) -> None:
    side = world.side("ten_return")
    body = {"provider": "tiki", "returnUrl": "https://evil.example/"}
    answer = await side("POST", "/api/connections", body)
    assert answer.status_code == 400
    assert answer.json()["error"]["details"]["fields"][0]["path"] == "returnUrl"
    assert (await side("GET", "/api/connections")).json()["total"] == 0


async def test_OA_11_what_is_no_origin_is_not_put_on_the_list(world: World) -> None:
    side = world.side("ten_origin")
    body = {"origins": ["https://ok.example.com", "javascript:alert(1)", "http://plain.example.com"]}
    answer = await side("PUT", "/api/connections/return-origins", body)
    assert answer.status_code == 400
    assert [field["path"] for field in answer.json()["error"]["details"]["fields"]] == ["origins.1", "origins.2"]


async def test_OA_11_a_list_that_changed_meanwhile_ends_at_our_own_page(world: World) -> None:
    side = world.side("ten_list")
    body = {"origins": ["https://OWN.example.com/", "https://other.example.com"]}
    listed = await side("PUT", "/api/connections/return-origins", body)
    assert listed.json()["origins"] == ["https://other.example.com", "https://own.example.com"]
    started = await world.start(side, returnUrl="https://own.example.com/back")
    back = await world.ask(side, started["authorizationUrl"])
    kept = {"origins": ["https://other.example.com"]}
    for method, sent in (("PUT", kept), ("GET", None)):
        answer = await side(method, "/api/connections/return-origins", sent)
        assert answer.json()["origins"] == kept["origins"]
    assert len(await world.events("ten_list", "connection.return_origins_changed")) == 2
    page = await side.go(back)
    assert page.status_code == 200
    assert "not allowed any more" in page.text
    assert "location" not in page.headers


async def test_OA_12_OA_18_answers_to_browsers_are_quiet_and_cannot_be_framed(world: World) -> None:
    side = world.side("ten_quiet")
    started = await world.start(side)
    opened = await side.go(started["authorizationUrl"])
    back = await side.go(f"{given.BASE}/api/integrations/oauth/callback/x?state=nothing")
    for answer in (opened, back):
        assert "no-store" in answer.headers["cache-control"]
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    answer = await world.side("ten_quiet")("POST", "/api/connections", {"provider": "tiki"})
    (cookie,) = answer.headers.get_list("set-cookie")
    assert cookie.startswith("isthmus_flow_")
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Path=/" in cookie


@pytest.mark.parametrize(
    "change",
    [
        {"expires_in": None},
        {"expires_in": "3600"},
        {"expires_in": -5},
        {"expires_in": 0},
        {"expires_in": 10**12},
        {"expires_in": "soon"},
        {"scope": "product"},
    ],
)
async def test_OA_13_odd_token_replies_do_no_harm(world: World, change: dict[str, object]) -> None:
    side = world.side("ten_odd")
    started = await world.start(side)
    back = await world.ask(side, started["authorizationUrl"])
    world.sandbox.shops["tiki"].faults.add("POST /sc/oauth2/token", "patch", 1, body=change)
    assert query(await side.go(back))["status"] == "connected"
    before = tokens_asked(world)
    async with connections.session(world.scope("ten_odd"), started["id"]) as session:
        for _ in range(3):
            await session.client.get("/integration/v2/sellers/me")
    assert tokens_asked(world) - before <= 1
    if "scope" in change:
        shown = (await side("GET", f"/api/connections/{started['id']}")).json()
        assert shown["scopes"] == ["product"]


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("html", {}),
        ("truncate", {}),
        ("server_error", {}),
        ("patch", {"body": {"padding": "x" * 256 * 1024}}),
        ("replace", {"body": {"access_token": ["no", "text"]}}),
        ("replace", {"status": 302, "body": {}}),
    ],
)
async def test_OA_13_a_token_reply_that_is_none_connects_nothing(world: World, kind: str, more: dict[str, Any]) -> None:
    side = world.side("ten_html")
    started = await world.start(side)
    back = await world.ask(side, started["authorizationUrl"])
    world.sandbox.shops["tiki"].faults.add("POST /sc/oauth2/token", kind, 1, **more)
    assert query(await side.go(back))["error"] == "exchange_failed"
    assert tokens_asked(world) == 1


async def test_OA_20_the_twenty_first_open_flow_is_refused_and_old_ones_are_swept(world: World) -> None:
    side = world.side("ten_many")
    answers = await asyncio.gather(*[side("POST", "/api/connections", {"provider": "rotor"}) for _ in range(24)])
    assert sorted(answer.status_code for answer in answers) == [201] * 20 + [429] * 4
    assert (await world.side("ten_many", "usr_2")("POST", "/api/connections", {"provider": "rotor"})).status_code == 201
    world.clock.advance(601)
    await FEATURE.periodic["connections.sweep"][1](world.system)
    async with world.system.tx() as tx:
        assert (await tx.fetch_sql("select count(*) from oauth_flows"))[0][0] == 0
    fresh = world.side("ten_many")
    assert (await fresh("POST", "/api/connections", {"provider": "rotor"})).status_code == 201


async def test_a_platform_without_state_gets_ours_in_the_redirect_address(world: World) -> None:
    side = world.side("ten_shopee")
    started = await world.start(side, "shopee")
    back = await world.ask(side, started["authorizationUrl"])
    assert parse_qs(urlsplit(back).query)["state"] == [started["state"]]
    answer = await side.go(back)
    assert query(answer) == {"status": "connected", "connectionId": started["id"]}


async def test_a_consent_over_several_shops_makes_one_connection_each_named_after_its_shop(world: World) -> None:
    side = world.side("ten_main")
    shop = world.sandbox.shops["shopee"]
    started = await world.start(side, "shopee", name="My shops")
    opened = await side.go(started["authorizationUrl"])
    accounts = await main_account(opened)
    back = await walk(opened.headers["location"], seller=accounts)
    assert query(await side.go(back))["status"] == "connected"
    listed = (await side("GET", "/api/connections")).json()
    assert listed["total"] > 1
    assert len({one["integrationId"] for one in listed["items"]}) == listed["total"]
    names = {seller.name for seller in shop.sellers}
    assert {one["name"] for one in listed["items"]} <= names


async def main_account(opened: httpx2.Response) -> str:
    async with httpx2.AsyncClient() as plain:
        page = (await plain.get(opened.headers["location"])).text
    options = [part.split('"')[0] for part in page.split('<option value="')[1:]]
    return options[-1]
