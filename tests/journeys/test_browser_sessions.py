"""Sessions in browsers: begun, proved anew, kept from other pages, ended (security.md SE-05 to SE-09, SE-11)."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from tests.given.browsers import Browser
from tests.given.dumps import dump, forms
from tests.house_database import Copy
from tests.journeys.deployment import Deployment, Merchant, deployment
from tests.journeys.routes import CASES, SIGNED, Case, unknown

from isthmus.features import access
from isthmus.features.access.model import factors
from isthmus.http import SESSION_COOKIE, RequestFacts
from isthmus.kit.clock import SYSTEM
from isthmus.kit.permissions import PLATFORM_TENANT, SUPER_ADMIN, TENANT_ADMIN, USER, system
from isthmus.kit.secret import Secret
from isthmus.sandbox import walk
from isthmus.sandbox.clock import ShiftedClock

PASSWORD = "plenty of dew on the meadow"
HERE = RequestFacts("req_1", "127.0.0.1")
UNSAFE = [case for case in SIGNED if case.method != "GET"]
DANGEROUS = [case for case in SIGNED if case.route.declaration and case.route.declaration.step_up]
#: Ways to say that it is not a page of this server that asks; the last says nothing of it.
STRANGE = [
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "", "origin": "null"},
    {"sec-fetch-site": "", "origin": "http://127.0.0.1:1"},
    {"sec-fetch-site": "", "origin": "http://shop.localhost"},
    {"sec-fetch-site": "", "x-http-method-override": "GET"},
]
#: What SE-09 names, by the routes that do it.
NAMED = {
    "POST /api/merchants/{merchant_id}/api-keys",
    "POST /api/merchants/{merchant_id}/api-keys/{id}/rotate",
    "POST /api/tenant/members",
    "PATCH /api/tenant/members/{id}",
    "DELETE /api/tenant/members/{id}",
    "POST /api/tenant/members/{id}/password-reset",
    "POST /api/admin/integrations",
    "PATCH /api/admin/integrations/{category}/{id}",
    "POST /api/admin/integrations/import",
    "GET /api/audit/export",
    "GET /api/orders/export",
    "GET /api/products/export",
    "DELETE /api/admin/tenants/{id}",
    "POST /api/webhooks/endpoints",
    "POST /api/auth/second-factor",
}


class Town:
    """A deployment under a clock that can be moved, a tenant in it, and how people get in."""

    def __init__(self, running: Deployment, clock: ShiftedClock, amy: Merchant) -> None:
        self.running, self.clock, self.amy = running, clock, amy

    @property
    def address(self) -> str:
        """Where the API answers."""
        return self.running.address

    async def member(self, email: str, *roles: str, tenant: str = "") -> access.User:
        """Somebody with an account and a password."""
        platform = self.running.platform
        scope = platform.scope(tenant or self.amy.tenant_id, system(tenant or self.amy.tenant_id, "journeys"))
        invited = await access.invite(scope, email, roles)
        return await access.accept(platform.system, HERE, invited.shown, Secret(PASSWORD))

    async def enter(self, email: str, tenant: str = "", code: str | None = None, kept: str = "") -> Browser:
        """A browser with a session."""
        browser = Browser(self, kept)
        body = {"tenant": tenant or self.amy.tenant_id, "email": email, "password": PASSWORD, "code": code}
        begun = await browser.call("POST", "/api/auth/session", {name: said for name, said in body.items() if said})
        assert begun.status == 201, begun.body
        assert browser.kept.startswith("ist_")
        assert browser.kept not in str(begun.body)
        return browser


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    clock, home = ShiftedClock(SYSTEM), Path(tmp_path_factory.mktemp("home"))
    async with deployment(database_url, home, clock=clock, HTTP__STREAMS_PER_PRINCIPAL="50") as running:
        yield Town(running, clock, await running.merchant("Amy"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def admin(town: Town) -> access.User:
    return await town.member("admin@example.com", TENANT_ADMIN)


async def test_SE_06_a_session_is_a_cookie_that_no_script_reads(town: Town, admin: access.User) -> None:
    browser = Browser(town)
    body = {"tenant": town.amy.tenant_id, "email": admin.email, "password": PASSWORD}
    begun = await browser.call("POST", "/api/auth/session", body)
    shown = begun.headers["set-cookie"].replace(browser.kept, "*")
    assert shown == f"{SESSION_COOKIE}=*; Path=/; Max-Age=604800; Secure; HttpOnly; SameSite=Lax"
    me = (await browser.call("GET", "/api/auth/me")).body
    assert (me["id"], me["roles"]) == (f"user:isthmus:{admin.id}", [TENANT_ADMIN])
    assert me["sessionId"].startswith("ses_")
    assert me["provedAt"]


async def test_SE_06_what_was_made_for_a_cookie_opens_nothing_as_a_token_nor_the_other_way(
    town: Town, admin: access.User
) -> None:
    browser = await town.enter(admin.email)
    as_token = await Browser(town).call("GET", "/api/auth/me", authorization=f"Bearer {browser.kept}")
    body = {"tenant": town.amy.tenant_id, "email": admin.email, "password": PASSWORD}
    token = (await Browser(town).call("POST", "/api/auth/login", body)).body["token"]
    as_cookie = await Browser(town, token).call("GET", "/api/auth/me")
    assert [as_token.status, as_cookie.status] == [401, 401]
    assert (await Browser(town).call("GET", "/api/auth/me", authorization=f"Bearer {token}")).status == 200


async def test_SE_06_the_proxy_and_whoever_names_themselves_go_past_the_cookie(town: Town, admin: access.User) -> None:
    browser = await town.enter(admin.email)
    assert (await browser.call("GET", "/api/proxy/con_x/orders")).status == 401
    low = town.running.person(town.amy.tenant_id, [USER], "low")
    me = await browser.call("GET", "/api/auth/me", authorization=f"Bearer {low.token}")
    assert me.body["id"] == "user:isthmus:low"
    assert (await browser.call("GET", "/api/auth/me", authorization="Bearer nothing")).status == 401


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def seated(town: Town, admin: access.User) -> Browser:
    return await town.enter(admin.email)


@pytest.mark.parametrize("case", UNSAFE, ids=str)
async def test_SE_07_no_other_page_changes_anything_with_the_cookie(seated: Browser, case: Case) -> None:
    asked = case.call(unknown())
    passed = case.route.declaration is not None and case.route.declaration.passes_on
    refused = (401, "UNAUTHORIZED") if passed else (403, "CROSS_SITE_REFUSED")
    # more of what a browser may say stands in tests/http/test_browsers.py
    for said in STRANGE:
        answer = await seated.call(case.method, asked.address, asked.body, **said)
        assert (answer.status, answer.body["error"]["code"]) == refused, said
        assert refused[1] in case.codes
        assert "set-cookie" not in answer.headers


async def test_SE_07_a_form_of_another_type_is_no_json_at_any_route(seated: Browser) -> None:
    cookie = {"sec-fetch-site": "same-origin", "cookie": f"{SESSION_COOKIE}={seated.kept}"}
    taking = [one for one in UNSAFE if one.route.takes_json and one.for_tenants]
    assert len(taking) > 50
    async with aiohttp.ClientSession(headers=cookie) as client:
        for case in taking:
            url = seated.server.address + case.call(unknown()).address
            for kind in ("text/plain", "application/x-www-form-urlencoded"):
                said = {"content-type": kind}
                async with client.request(case.method, url, data='{"_method": "GET"}', headers=said) as one:
                    told = (one.status, (await one.json())["error"]["code"])
                    assert told == (415, "UNSUPPORTED_MEDIA_TYPE"), case


LOOKED_AT = [case for case in SIGNED if case.method == "GET"]


async def test_SE_06_at_no_route_is_there_anybody_for_a_page_of_another_site(seated: Browser) -> None:
    """Widgets' routes among them: a page that embeds one is never its reader's session."""
    assert [case for case in LOOKED_AT if case.route.declaration and case.route.declaration.embed]
    cookie = {"cookie": f"{SESSION_COOKIE}={seated.kept}"}
    async with aiohttp.ClientSession(headers=cookie) as client:
        for case in LOOKED_AT:
            url = seated.server.address + case.call(unknown()).address
            for said in ({"sec-fetch-site": "cross-site"}, {"origin": "https://shop.example.com"}):
                async with client.get(url, headers=said) as answer:
                    told = (answer.status, (await answer.json())["error"]["code"])
                    assert told == (401, "UNAUTHORIZED"), (case, said)
                    assert not [name for name in answer.headers if name.lower().startswith("access-control-")]


#: What is no business of our own pages: it goes on to another system, pages of others embed it, or nobody signs in.
ELSEWHERE = [
    case
    for case in CASES
    if case.permission is None or (case.route.declaration and (case.passes_on or case.route.declaration.embed))
]
#: Where the cookie itself is what it is about, for a sign-in ends the session that the browser had; and one document
#: for all, whose making takes seconds.
_APART = {"POST /api/auth/session", "GET /api/openapi.json", "GET /api/openapi.yaml"}


async def test_SE_06_what_is_not_the_consoles_answers_as_if_there_were_no_cookie(town: Town, seated: Browser) -> None:
    """Whoever asks: a page that says nothing of itself, a foreign one, or one of our own."""
    origins: list[dict[str, str]] = [{}, {"origin": "https://shop.example.com"}, {"sec-fetch-site": "same-origin"}]
    assert len(ELSEWHERE) > 30
    # the clock is moved, and with it what the server takes for idle
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as client:
        for case in ELSEWHERE:
            if str(case) in _APART:
                continue
            if case.route.path.startswith("/api/auth/"):
                town.clock.advance(61)  # sign-ins are limited by address and minute
            url = seated.server.address + case.call(unknown()).address
            body: dict[str, str] | None = {} if case.method != "GET" else None
            for said in origins if case.permission else origins[:2]:
                told = []
                for cookie in ({}, {"cookie": f"{SESSION_COOKIE}={seated.kept}"}):
                    async with client.request(
                        case.method, url, json=body, headers={**said, **cookie}, allow_redirects=False
                    ) as answer:
                        raw = await answer.read()
                        code = (json.loads(raw).get("error") or {}).get("code") if raw[:1] == b"{" else len(raw) > 0
                        told.append((answer.status, code, SESSION_COOKIE in str(answer.headers)))
                assert told[0] == told[1], (case, said)
                assert case.permission is None or told[1][0] == 401, (case, said)
        async with client.get(seated.server.address + "/api/auth/me", headers=cookie) as me:
            assert me.status == 200, "and it is a session"


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_SE_07_for_another_page_that_looks_nobody_is_there(seated: Browser, site: str) -> None:
    nobody = await Browser(seated.server).call("GET", "/api/auth/me", sec_fetch_site=site)
    answer = await seated.call("GET", "/api/auth/me", sec_fetch_site=site)
    assert (answer.status, answer.body["error"]["code"]) == (401, nobody.body["error"]["code"])
    assert (await seated.call("HEAD", "/api/auth/me")).status == 200
    assert (await seated.call("GET", "/api/auth/me", sec_fetch_site="none")).status == 200
    assert "access-control-allow-credentials" not in {name.lower() for name in answer.headers}


async def test_SE_07_a_form_is_no_json_and_no_other_method(seated: Browser) -> None:
    plain = await seated.call("POST", "/api/tenant/members", {"email": "a@b.io"}, content_type="text/plain")
    assert plain.status == 415
    override = await seated.call("POST", "/api/auth/me?_method=GET", {})
    assert override.status == 405


async def test_SE_08_no_other_page_signs_somebody_in(town: Town, admin: access.User) -> None:
    body = {"tenant": town.amy.tenant_id, "email": admin.email, "password": PASSWORD}
    for said in ({"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "", "origin": "https://evil.example"}):
        answer = await Browser(town).call("POST", "/api/auth/session", body, **said)
        assert (answer.status, answer.body["error"]["code"]) == (403, "CROSS_SITE_REFUSED")
        assert "set-cookie" not in answer.headers
        token = {"authorization": f"Bearer {town.amy.token}"}
        exchanged = await Browser(town).call("POST", "/api/auth/session/token", **said, **token)
        assert (exchanged.status, "set-cookie" in exchanged.headers) == (403, False)
    form = await Browser(town).call("POST", "/api/auth/session", body, content_type="text/plain")
    assert (form.status, "set-cookie" in form.headers) == (415, False)


async def test_SE_05_a_planted_cookie_is_worthless_after_the_sign_in(town: Town, admin: access.User) -> None:
    planted = await town.enter(admin.email)
    fresh = await town.enter(admin.email, kept=planted.kept)
    assert fresh.kept != planted.kept
    town.clock.advance(4.9)
    assert [(await one.call("GET", "/api/auth/me")).status for one in (planted, fresh)] == [401, 200]
    invented = await town.enter(admin.email, kept="ist_" + "A" * 43)
    assert invented.kept != "ist_" + "A" * 43


async def test_SE_05_signing_out_takes_the_cookie_and_ends_what_it_should(town: Town, admin: access.User) -> None:
    one, two = await town.enter(admin.email), await town.enter(admin.email)
    ended = await one.call("POST", "/api/auth/logout?everywhere=false")
    assert (ended.status, one.kept) == (204, "")
    assert "Max-Age=0" in ended.headers["set-cookie"]
    town.clock.advance(4.9)
    assert (await two.call("GET", "/api/auth/me")).status == 200
    assert (await two.call("POST", "/api/auth/logout")).status == 204


async def test_SE_12_a_stream_ends_with_the_session_whose_cookie_opened_it(town: Town, admin: access.User) -> None:
    browser = await town.enter(admin.email)
    headers = {"cookie": f"{SESSION_COOKIE}={browser.kept}", "sec-fetch-site": "same-origin"}
    async with (
        aiohttp.ClientSession() as client,
        client.get(town.address + "/api/sync/stream", headers=headers) as stream,
        asyncio.timeout(60),
    ):
        assert stream.status == 200
        assert (await browser.call("POST", "/api/auth/logout")).status == 204
        town.clock.advance(4.9)
        assert await stream.read() is not None


async def test_SE_12_a_stream_ends_with_the_role_that_opened_it(town: Town) -> None:
    eve = await town.member("eve@example.com", TENANT_ADMIN)
    browser = await town.enter(eve.email)
    headers = {"cookie": f"{SESSION_COOKIE}={browser.kept}", "sec-fetch-site": "same-origin"}
    async with (
        aiohttp.ClientSession() as client,
        client.get(town.address + "/api/sync/stream", headers=headers) as stream,
        client.get(town.address + f"/api/sync/stream?token={browser.kept}") as shown,
        asyncio.timeout(60),
    ):
        assert (stream.status, shown.status) == (200, 401)
        assert (await town.amy.call("PATCH", f"/api/tenant/members/{eve.id}", {"roles": ["user"]})).status == 200
        town.clock.advance(4.9)
        assert await stream.read() is not None


async def test_SE_05_another_role_ends_the_sessions_in_browsers(town: Town) -> None:
    cai = await town.member("cai@example.com", TENANT_ADMIN)
    browser = await town.enter(cai.email)
    assert (await town.amy.call("PATCH", f"/api/tenant/members/{cai.id}", {"roles": ["user"]})).status == 200
    town.clock.advance(4.9)
    assert (await browser.call("GET", "/api/auth/me")).status == 401


def test_SE_09_everything_that_is_named_asks_for_a_fresh_proof() -> None:
    asking = {str(case) for case in DANGEROUS}
    assert asking >= NAMED
    once = {
        str(case)
        for case in SIGNED
        if case.route.declaration
        and set(case.route.declaration.secret_fields) - {"authorizationUrl", "state"}
        and not case.route.path.startswith("/api/auth/")
    }
    assert once <= asking


async def test_SE_09_without_a_fresh_proof_nothing_dangerous_is_done(town: Town) -> None:
    stale = await town.member("stale@example.com", TENANT_ADMIN)
    browser = await town.enter(stale.email)
    body = {"name": "Till", "permissions": ["products:read"]}
    keys = f"/api/merchants/{town.amy.tenant_id}/api-keys"
    assert (await browser.call("POST", keys, body)).status == 201
    town.clock.advance(600)
    for case in (one for one in DANGEROUS if one.for_tenants):
        asked = case.call({**unknown(), "ten": town.amy.tenant_id})
        answer = await browser.call(case.method, asked.address, asked.body)
        assert (answer.status, answer.body["error"]["code"]) == (403, "STEP_UP_REQUIRED"), case
        assert answer.body["error"]["details"] == {"withinSeconds": 600}
        assert "STEP_UP_REQUIRED" in case.codes
    assert (await browser.call("GET", "/api/products")).status == 200
    before = browser.kept
    empty = await browser.call("POST", "/api/auth/step-up", {})
    assert (empty.status, empty.body["error"]["code"]) == (400, "VALIDATION_ERROR")
    wrong = await browser.call("POST", "/api/auth/step-up", {"password": "not these words"})
    assert "e-mail" not in wrong.body["error"]["message"], "who is signed in said neither tenant nor address"
    assert (wrong.status, wrong.body["error"]["code"]) == (401, "SIGN_IN_FAILED")
    proved = await browser.call("POST", "/api/auth/step-up", {"password": PASSWORD})
    assert (proved.status, proved.body) == (200, {"token": None})
    assert browser.kept != before
    assert (await browser.call("POST", keys, body)).status == 201
    town.clock.advance(4.9)
    assert (await Browser(town, before).call("GET", "/api/auth/me")).status == 401


async def test_SE_09_an_operator_proves_who_they_are_for_providers_tenants_and_breaking_glass(town: Town) -> None:
    stale = await town.member("stale-operator@example.com", SUPER_ADMIN, tenant=PLATFORM_TENANT)
    browser = await town.enter(stale.email, PLATFORM_TENANT)
    secret = Secret((await browser.call("POST", "/api/auth/second-factor", {})).body["secret"])
    code = {"code": factors.code(secret, town.clock.now())}
    assert (await browser.call("POST", "/api/auth/second-factor/confirm", code)).status == 200
    theirs = [one for one in DANGEROUS if one.permission and SUPER_ADMIN in one.permission.roles]
    names = {str(one) for one in theirs}
    assert names >= {
        "DELETE /api/admin/tenants/{id}", "POST /api/admin/tenants/{id}/break-glass",
        "PATCH /api/admin/integrations/{category}/{id}",
    }  # fmt: skip
    town.clock.advance(600)
    for case in theirs:
        asked = case.call({**unknown(), "ten": town.amy.tenant_id})
        answer = await browser.call(case.method, asked.address, asked.body)
        assert (answer.status, answer.body["error"]["code"]) == (403, "STEP_UP_REQUIRED"), case
    assert (await browser.call("GET", "/api/admin/tenants")).status == 200


async def test_SE_10_what_is_handed_out_names_no_server_and_is_for_one_address_and_tenant(town: Town) -> None:
    poisoned = {"x-forwarded-host": "evil.example", "forwarded": "host=evil.example", "x-host": "evil.example"}
    body = {"email": "handed@example.com", "roles": ["user"]}
    wrong = await town.amy.call("POST", "/api/tenant/members", body, host="evil.example")
    assert (wrong.status, wrong.body["error"]["code"]) == (421, "MISDIRECTED_REQUEST")
    invited = await town.amy.call("POST", "/api/tenant/members", body, **poisoned)
    assert (invited.status, "://" in str(invited.body), "evil" in str(invited.body)) == (201, False, False)
    taken = {"invitation": invited.body["invitation"], "password": PASSWORD}
    for more in ({"email": "other@example.com"}, {"tenant": "ten_other"}, {"tenantId": "ten_other"}):
        assert (await Browser(town).call("POST", "/api/auth/accept", {**taken, **more})).status == 400
    accepted = await Browser(town).call("POST", "/api/auth/accept", taken)
    assert (accepted.status, (await Browser(town).call("POST", "/api/auth/accept", taken)).status) == (200, 404)
    assert (await town.enter("handed@example.com")).kept
    other = await town.running.merchant("Else")
    elsewhere = {"tenant": other.tenant_id, "email": "handed@example.com"}
    for who in (elsewhere, {"tenant": town.amy.tenant_id, "email": "other@example.com"}):
        refused = await Browser(town).call("POST", "/api/auth/session", {**who, "password": PASSWORD})
        assert (refused.status, refused.body["error"]["code"]) == (401, "SIGN_IN_FAILED")
    reset = await town.amy.call("POST", f"/api/tenant/members/{invited.body['id']}/password-reset", **poisoned)
    assert (reset.status, "://" in str(reset.body), "evil" in str(reset.body)) == (201, False, False)
    link = await other.call("POST", "/api/connections", {"provider": "tiki"}, **poisoned)
    assert link.body["authorizationUrl"].startswith(f"{town.address}/api/integrations/oauth/start?link=")


async def test_SE_09_keys_and_tokens_of_an_issuer_have_no_session_to_prove(town: Town) -> None:
    answer = await town.amy.call("POST", "/api/auth/step-up", {"password": "x"})
    assert (answer.status, answer.body["error"]["code"]) == (409, "NO_SESSION")
    keys = f"/api/merchants/{town.amy.tenant_id}/api-keys"
    assert (await town.amy.call("POST", keys, {"name": "A", "permissions": ["products:read"]})).status == 201


async def test_SE_05_who_changes_the_password_stays_signed_in_and_every_other_session_ends(town: Town) -> None:
    ivy = await town.member("ivy@example.com", TENANT_ADMIN)
    here, elsewhere = await town.enter(ivy.email), await town.enter(ivy.email)
    before, wanted = here.kept, "a gate that creaks in the wind"
    body = {"tenant": town.amy.tenant_id, "email": ivy.email, "password": PASSWORD}
    machine = (await Browser(town).call("POST", "/api/auth/login", body)).body["token"]
    assert (await elsewhere.call("GET", "/api/auth/me")).status == 200
    changed = await here.call("POST", "/api/auth/password", {"current": PASSWORD, "wanted": wanted})
    assert (changed.status, changed.body) == (200, {"token": None})
    assert here.kept not in {"", before}
    proved = await here.call("POST", "/api/auth/step-up", {"password": wanted})
    assert (proved.status, proved.body) == (200, {"token": None})
    # it may be believed for a moment still, and is told then what has become of it
    late = await elsewhere.call("POST", "/api/auth/step-up", {"password": wanted})
    assert (late.status, late.body["error"]["code"]) in {(401, "SESSION_ENDED"), (401, "UNAUTHORIZED")}
    town.clock.advance(4.9)
    assert (await here.call("GET", "/api/auth/me")).status == 200
    for gone in (elsewhere, Browser(town, before)):
        assert (await gone.call("GET", "/api/auth/me")).status == 401
    bearer = {"authorization": f"Bearer {machine}"}
    assert (await Browser(town).call("GET", "/api/auth/me", None, **bearer)).status == 401


async def test_SE_09_a_session_of_a_token_is_as_fresh_as_the_issuer_says(town: Town) -> None:
    browser = Browser(town)
    begun = await browser.call("POST", "/api/auth/session/token", authorization=f"Bearer {town.amy.token}")
    assert (begun.status, begun.body["member"]) == (201, None)
    assert "Max-Age=43200" in begun.headers["set-cookie"]
    me = (await browser.call("GET", "/api/auth/me")).body
    assert (me["id"], me["roles"]) == ("user:isthmus:amy", [TENANT_ADMIN])
    keys = f"/api/merchants/{town.amy.tenant_id}/api-keys"
    refused = await browser.call("POST", keys, {"name": "A", "permissions": ["products:read"]})
    assert refused.body["error"]["code"] == "STEP_UP_REQUIRED"
    elsewhere = await browser.call("POST", "/api/auth/step-up", {"password": PASSWORD})
    assert (elsewhere.status, elsewhere.body["error"]["code"]) == (409, "PROOF_AT_ISSUER")
    again = await browser.call("POST", "/api/auth/session/token")
    assert (again.status, again.body["error"]["code"]) == (409, "NO_PERSON")


async def test_ID_05_what_opens_a_session_or_is_a_second_factor_stands_in_no_dump(town: Town, copied: Copy) -> None:
    fay = await town.member("fay@example.com", TENANT_ADMIN)
    browser = await town.enter(fay.email)
    body = {"tenant": town.amy.tenant_id, "email": fay.email, "password": PASSWORD}
    token = (await Browser(town).call("POST", "/api/auth/login", body)).body["token"]
    signed = {"authorization": f"Bearer {token}"}
    proved = (await Browser(town).call("POST", "/api/auth/step-up", {"password": PASSWORD}, **signed)).body["token"]
    offered = (await browser.call("POST", "/api/auth/second-factor", {})).body["secret"]
    code = {"code": factors.code(Secret(offered), town.clock.now())}
    confirmed = await browser.call("POST", "/api/auth/second-factor/confirm", code)
    assert (confirmed.status, offered in str(confirmed.body)) == (200, False)
    whole = "\n".join(row for rows in (await dump(copied)).values() for row in rows)
    assert fay.id in whole
    for secret in (PASSWORD, browser.kept, token, proved, offered):
        assert not [form for form in forms(secret) if form in whole], secret[:4]


async def test_SE_11_a_second_factor_is_asked_for_once_it_is_confirmed(town: Town) -> None:
    dov = await town.member("dov@example.com", TENANT_ADMIN)
    browser = await town.enter(dov.email)
    offered = (await browser.call("POST", "/api/auth/second-factor", {})).body
    secret = Secret(offered["secret"])
    assert f"secret={offered['secret']}" in offered["address"]
    await town.enter(dov.email)
    wrong = await browser.call("POST", "/api/auth/second-factor/confirm", {"code": "12345"})
    assert (wrong.status, wrong.body["error"]["code"]) == (401, "SIGN_IN_FAILED")
    code = factors.code(secret, town.clock.now())
    assert (await browser.call("POST", "/api/auth/second-factor/confirm", {"code": code})).status == 200
    assert (await browser.call("POST", "/api/auth/second-factor", {})).body["error"]["code"] == "SECOND_FACTOR_PRESENT"
    body = {"tenant": town.amy.tenant_id, "email": dov.email, "password": PASSWORD}
    asked = await Browser(town).call("POST", "/api/auth/session", body)
    assert (asked.status, asked.body["error"]["code"]) == (401, "SECOND_FACTOR_REQUIRED")
    used = await Browser(town).call("POST", "/api/auth/session", {**body, "code": code})
    assert (used.status, used.body["error"]["code"]) == (401, "SIGN_IN_FAILED")
    town.clock.advance(60)
    await town.enter(dov.email, code=factors.code(secret, town.clock.now()))
    town.clock.advance(30)
    proved = await browser.call("POST", "/api/auth/step-up", {"code": factors.code(secret, town.clock.now())})
    assert proved.status == 200
    assert (await town.amy.call("DELETE", f"/api/tenant/members/{dov.id}/second-factor")).status == 204
    town.clock.advance(4.9)
    assert (await browser.call("GET", "/api/auth/me")).status == 401
    await town.enter(dov.email)


async def test_SE_11_a_super_admin_is_nobody_without_a_second_factor(town: Town) -> None:
    boss = await town.member("boss@example.com", SUPER_ADMIN, tenant=PLATFORM_TENANT)
    browser = await town.enter(boss.email, PLATFORM_TENANT)
    for case in (one for one in SIGNED if one.permission and SUPER_ADMIN in one.permission.roles and not one.streams):
        if case.permission and case.permission.name != "account:own":
            answer = await browser.call(case.method, case.call(unknown()).address, case.call(unknown()).body)
            refused = 401 if case in ELSEWHERE else 403
            assert answer.status == refused, case
    told = (await browser.call("GET", "/api/admin/tenants")).body["error"]
    assert (told["code"], told["details"]["secondFactor"]) == ("PERMISSION_DENIED", "missing")
    assert all(one in told["message"] for one in ("super admin", "/api/auth/second-factor", "/confirm")), told
    offered = (await browser.call("POST", "/api/auth/second-factor", {})).body
    code = factors.code(Secret(offered["secret"]), town.clock.now())
    assert (await browser.call("POST", "/api/auth/second-factor/confirm", {"code": code})).status == 200
    assert (await browser.call("GET", "/api/admin/tenants")).status == 200
    kept = await browser.call("DELETE", "/api/auth/second-factor")
    assert (kept.status, kept.body["error"]["code"]) == (409, "SECOND_FACTOR_NEEDED")


async def test_SA_02_the_last_super_admin_stays(town: Town) -> None:
    operator = town.running.person(PLATFORM_TENANT, [SUPER_ADMIN], "operator")
    held = (await operator.call("GET", "/api/tenant/members")).body["items"]
    more = await town.member("second@example.com", SUPER_ADMIN, tenant=PLATFORM_TENANT)
    for one in held:
        assert (await operator.call("DELETE", f"/api/tenant/members/{one['id']}")).status == 204
    last = await operator.call("DELETE", f"/api/tenant/members/{more.id}")
    assert (last.status, last.body["error"]["code"]) == (409, "LAST_SUPER_ADMIN")
    demoted = await operator.call("PATCH", f"/api/tenant/members/{more.id}", {"roles": [TENANT_ADMIN]})
    assert demoted.status == 400


async def test_OA_03_somebody_who_is_signed_in_to_our_console_finishes_nothing_that_a_stranger_began(
    town: Town, admin: access.User
) -> None:
    seated = await town.enter(admin.email)
    attacker = await town.running.merchant("Mallory")
    began = await attacker.call("POST", "/api/connections", {"provider": "tiki"})
    victim = aiohttp.ClientSession(
        cookie_jar=aiohttp.CookieJar(unsafe=True), headers={"cookie": f"{SESSION_COOKIE}={seated.kept}"}
    )
    town.running.browsers.append(victim)
    shop = town.running.sandbox.shops["tiki"]
    shop.recording.clear()
    async with victim.get(town.address + "/api/auth/me") as me:
        assert (await me.json())["id"] == (await seated.call("GET", "/api/auth/me")).body["id"]
    async with victim.get(began.body["authorizationUrl"], allow_redirects=False) as opened:
        consent = opened.headers["location"]
    async with victim.get(await walk(consent), allow_redirects=False) as back:
        assert "flows: " in await back.text()
    assert not [one for one in shop.recording.requests if one.path == "/sc/oauth2/token"]
    seen = (await attacker.call("GET", f"/api/connections/{began.body['id']}")).body
    assert (seen["status"], seen["account"]) == ("pending", None)
    assert (await seated.call("GET", "/api/connections")).body["total"] == 0
    audit = (await attacker.call("GET", "/api/audit?limit=100")).body["items"]
    assert "connection.consent_held" in {one["type"] for one in audit}
    hers = (await seated.call("GET", "/api/audit?limit=100")).body["items"]
    assert began.body["id"] not in str(hers)
