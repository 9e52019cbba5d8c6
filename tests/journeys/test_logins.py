"""OA-19: our own login by OpenID Connect, at a server that nobody here wrote and at one that obeys the test."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from joserfc import jwk, jwt
from tests.given.independent import Independent, independent
from tests.journeys.deployment import Answer, Deployment, deployment

from isthmus.features import access
from isthmus.features.access.model import factors
from isthmus.http import SESSION_COOKIE
from isthmus.kit.clock import SYSTEM
from isthmus.kit.permissions import TENANT_ADMIN, USER, system
from isthmus.kit.secret import Secret
from isthmus.sandbox.clock import ShiftedClock

CLIENT = "isthmus-of-tests"
_KEY = jwk.RSAKey.generate_key(2048, {"kid": "one", "alg": "RS256", "use": "sig"})
_STRANGER = jwk.RSAKey.generate_key(2048, {"kid": "one", "alg": "RS256", "use": "sig"})


@dataclass
class Obedient:
    """An issuer: what its next ID token says is up to the test."""

    url: str = ""
    claims: dict[str, Any] = field(default_factory=dict)
    key: jwk.RSAKey = field(default_factory=lambda: _KEY)
    asked: list[dict[str, Any]] = field(default_factory=list)
    clock: ShiftedClock = field(default_factory=lambda: ShiftedClock(SYSTEM))

    async def describe(self, _: web.Request) -> web.Response:
        return web.json_response(
            {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/keys",
                "authorization_response_iss_parameter_supported": True,
            }
        )

    async def keys(self, _: web.Request) -> web.Response:
        return web.json_response({"keys": [_KEY.as_dict(private=False)]})

    async def token(self, request: web.Request) -> web.Response:
        self.asked.append(dict(await request.post()))
        now = self.clock.unix()
        said = {"iss": self.url, "aud": CLIENT, "sub": "amy", "iat": now, "exp": now + 300, **self.claims}
        kept = {name: value for name, value in said.items() if value is not None}
        text = jwt.encode({"alg": "RS256", "kid": "one"}, kept, self.key)
        return web.json_response({"access_token": "x", "token_type": "Bearer", "id_token": text})


@asynccontextmanager
async def obedient(clock: ShiftedClock) -> AsyncIterator[Obedient]:
    made, site = Obedient(clock=clock), web.Application()
    site.router.add_get("/.well-known/openid-configuration", made.describe)
    site.router.add_get("/keys", made.keys)
    site.router.add_post("/token", made.token)
    runner = web.AppRunner(site)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


class Person:
    """Somebody's browser: it keeps every cookie of ours."""

    def __init__(self, hall: "Hall") -> None:
        self.hall = hall
        self.cookies: dict[str, str] = {}

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        said = {"sec-fetch-site": "same-origin", **{name.replace("_", "-"): one for name, one in headers.items()}}
        if self.cookies:
            said["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        sent = {} if body is None else {"json": body}
        async with (
            aiohttp.ClientSession() as client,
            client.request(
                method, self.hall.running.address + path, headers=said, allow_redirects=False, **sent
            ) as answer,
        ):
            raw = await answer.read()
            parsed = await answer.json() if raw and answer.content_type == "application/json" else raw
            for one in answer.headers.getall("set-cookie", []):
                name, _, rest = one.partition("=")
                assert "; Secure; HttpOnly; SameSite=Lax" in one
                self.cookies[name] = rest.partition(";")[0]
                if "Max-Age=0" in one:
                    del self.cookies[name]
            return Answer(answer.status, answer.headers, parsed)

    async def start(self, issuer: str, **asked: str) -> dict[str, str]:
        """Begin by a link; what the issuer is asked."""
        begun = await self.call("GET", f"/api/auth/oidc/{issuer}/start?{urlencode(asked)}", sec_fetch_site="cross-site")
        assert begun.status == 303, begun.body
        return {name: several[0] for name, several in parse_qs(urlsplit(begun.headers["location"]).query).items()}

    async def invited(self, issuer: str, invitation: str) -> dict[str, str]:
        """Begin with an invitation."""
        body = {"invitation": invitation, "returnTo": "/console"}
        begun = await self.call("POST", f"/api/auth/oidc/{issuer}/start", body)
        assert begun.status == 200, begun.body
        assert invitation not in str(begun.body)
        return {name: one[0] for name, one in parse_qs(urlsplit(begun.body["authorizationUrl"]).query).items()}

    async def back(self, issuer: str, asked: dict[str, str], **changed: str) -> Answer:
        """Come back from the obedient issuer of this name with a code."""
        far = self.hall.issuers[issuer]
        far.claims = {"nonce": asked["nonce"], **far.claims}
        query = {"code": "c", "state": asked["state"], "iss": far.url, **changed}
        path = f"/api/auth/oidc/{issuer}/callback?{urlencode({k: v for k, v in query.items() if v})}"
        answer = await self.call("GET", path, sec_fetch_site="cross-site")
        far.claims = {}
        return answer

    async def me(self) -> Any:
        """Who the cookie stands for."""
        return (await self.call("GET", "/api/auth/me")).body


@dataclass
class Hall:
    """A deployment that people sign in to at three issuers."""

    running: Deployment
    clock: ShiftedClock
    issuers: dict[str, Obedient]
    dot: Independent
    tenant: str = ""

    async def invitation(self, email: str, *roles: str, tenant: str = "") -> str:
        """A place for somebody."""
        at = tenant or self.tenant
        scope = self.running.platform.scope(at, system(at, "journeys"))
        return (await access.invite(scope, email, roles or (USER,))).shown.reveal()

    async def member(self, email: str, sub: str, issuer: str = "one", tenant: str = "") -> Person:
        """Somebody who has taken an invitation up with a login."""
        person = Person(self)
        asked = await person.invited(issuer, await self.invitation(email, TENANT_ADMIN, tenant=tenant))
        self.issuers[issuer].claims = {"sub": sub}
        done = await person.back(issuer, asked)
        assert (done.status, done.headers["location"]) == (303, "/console"), done.body
        return person


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hall(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hall]:
    clock, home = ShiftedClock(SYSTEM), Path(tmp_path_factory.mktemp("home"))
    async with obedient(clock) as one, obedient(clock) as two, independent(Path(tmp_path_factory.mktemp("dot"))) as dot:
        given = {
            "LOGINS__ONE__ISSUER": one.url,
            "LOGINS__ONE__CLIENT_ID": CLIENT,
            "LOGINS__ONE__LABEL": "One",
            "LOGINS__TWO__ISSUER": two.url,
            "LOGINS__TWO__CLIENT_ID": CLIENT,
            "LOGINS__TWO__CLIENT_SECRET": "canary-of-two",
            "LOGINS__DOT__ISSUER": "https://independent.example",
            "LOGINS__DOT__CLIENT_ID": dot.client_id,
            "LOGINS__DOT__CLIENT_SECRET": dot.client_secret,
            "LOGINS__DOT__AUTHORIZE_URL": f"{dot.url}/o/authorize/",
            "LOGINS__DOT__TOKEN_URL": f"{dot.url}/o/token/",
            "LOGINS__DOT__JWKS_URL": f"{dot.url}/o/.well-known/jwks.json",
        }
        async with deployment(database_url, home, 12, clock=clock, **given) as running:
            await dot.register(f"{running.address}/api/auth/oidc/dot/callback")
            made = Hall(running, clock, {"one": one, "two": two}, dot)
            made.tenant = (await running.merchant("Amy's")).tenant_id
            yield made


@pytest.fixture(autouse=True)
def a_minute_later(hall: Hall) -> None:
    """Logins are limited by address and minute, and everybody here comes from one."""
    hall.clock.advance(61)


async def test_a_page_learns_where_people_sign_in(hall: Hall) -> None:
    found = (await Person(hall).call("GET", "/api/auth/oidc")).body["items"]
    assert {one["name"]: one["label"] for one in found} == {"one": "One", "two": "two", "dot": "dot"}
    assert found[-1]["start"] == "/api/auth/oidc/two/start"


async def test_OA_19_a_server_that_nobody_here_wrote_signs_somebody_in(hall: Hall) -> None:
    person = Person(hall)
    body = {"invitation": await hall.invitation("dot@example.com", TENANT_ADMIN)}
    begun = await person.call("POST", "/api/auth/oidc/dot/start", body)
    back = urlsplit(await hall.dot.consent(begun.body["authorizationUrl"], "dotty"))
    done = await person.call("GET", f"{back.path}?{back.query}", sec_fetch_site="cross-site")
    assert (done.status, done.headers["location"]) == (303, "/"), done.body
    assert set(person.cookies) == {SESSION_COOKIE}
    assert (await person.me())["roles"] == [TENANT_ADMIN]
    again = Person(hall)
    asked = await again.call("GET", f"/api/auth/oidc/dot/start?tenant={hall.tenant}&returnTo=/orders")
    back = urlsplit(await hall.dot.consent(asked.headers["location"], "dotty"))
    done = await again.call("GET", f"{back.path}?{back.query}", sec_fetch_site="cross-site")
    assert (done.status, done.headers["location"]) == (303, "/orders"), done.body
    assert (await again.me())["id"] == (await person.me())["id"]
    replayed = await again.call("GET", f"{back.path}?{back.query}", sec_fetch_site="cross-site")
    assert (replayed.status, replayed.body["error"]["code"]) == (401, "LOGIN_REFUSED")


async def test_OA_19_what_is_asked_binds_the_answer_to_this_browser_and_issuer(hall: Hall) -> None:
    person = Person(hall)
    asked = [await person.start("one", tenant=hall.tenant) for _ in range(2)]
    assert {each["code_challenge_method"] for each in asked} == {"S256"}
    for name in ("state", "nonce", "code_challenge"):
        assert len({each[name] for each in asked}) == 2
        assert min(len(each[name]) for each in asked) >= 43
    assert asked[0]["redirect_uri"] == f"{hall.running.address}/api/auth/oidc/one/callback"
    assert "max_age" not in asked[0]
    assert (await person.start("one", tenant=hall.tenant, fresh="true"))["max_age"] == "0"
    async with hall.running.platform.system.tx() as tx:
        rows = await tx.fetch_sql("select to_jsonb(l)::text as row from login_attempts l")
    kept = " ".join(row["row"] for row in rows)
    for secret in (asked[0]["state"], asked[0]["nonce"], *person.cookies.values()):
        assert secret not in kept


async def test_OA_19_a_forged_callback_from_another_site_logs_nobody_in(hall: Hall) -> None:
    await hall.member("victim@example.com", "victim")
    attacker, victim = Person(hall), Person(hall)
    asked = await attacker.start("one", tenant=hall.tenant)
    hall.issuers["one"].claims = {"sub": "victim"}
    forged = await victim.back("one", asked)
    assert (forged.status, forged.body["error"]["code"]) == (401, "LOGIN_REFUSED")
    assert victim.cookies == {}
    own = await victim.start("one", tenant=hall.tenant)
    before = len(hall.issuers["one"].asked)
    for changed in ({"state": asked["state"]}, {"state": "x"}, {"state": ""}, {"code": ""}):
        refused = await victim.back("one", own, **changed)
        assert refused.status == 401, changed
        assert SESSION_COOKIE not in victim.cookies
    assert len(hall.issuers["one"].asked) == before, "no code was spent"
    # the attacker's own attempt is still theirs to finish, so that nobody can spoil a login from outside
    hall.issuers["one"].claims = {"sub": "victim"}
    assert (await attacker.back("one", asked)).status == 303


async def test_OA_19_a_doubled_or_mixed_answer_is_refused(hall: Hall) -> None:
    await hall.member("mixed@example.com", "mixed")
    person = Person(hall)
    for changed in ({"iss": hall.issuers["two"].url}, {"iss": ""}, {"error": "access_denied"}):
        asked = await person.start("one", tenant=hall.tenant)
        hall.issuers["one"].claims = {"sub": "mixed"}
        assert (await person.back("one", asked, **changed)).status == 401, changed
    asked = await person.start("one", tenant=hall.tenant)
    there = await person.back("two", asked)
    assert (there.status, there.body["error"]["code"]) == (401, "LOGIN_REFUSED")
    twice = urlencode({"state": asked["state"], "code": "c", "iss": hall.issuers["one"].url}) + "&code=d"
    assert (await person.call("GET", f"/api/auth/oidc/one/callback?{twice}")).status == 401


def _older(now: int) -> dict[str, Any]:
    return {"iat": now - 7200, "exp": now - 3600}


WRONG: dict[str, Callable[[int], dict[str, Any]]] = {
    "issuer": lambda _: {"iss": "http://127.0.0.1:1/other"},
    "issuer with a slash": lambda _: {"iss": "slash"},
    "audience": lambda _: {"aud": "somebody-else"},
    "audiences": lambda _: {"aud": [CLIENT, "somebody-else"]},
    "party": lambda _: {"azp": "somebody-else"},
    "nonce": lambda _: {"nonce": "another"},
    "no nonce": lambda _: {"nonce": None},
    "no subject": lambda _: {"sub": None},
    "age": _older,
}


@pytest.mark.parametrize("wrong", WRONG)
async def test_OA_19_an_id_token_that_is_not_exactly_for_us_signs_nobody_in(hall: Hall, wrong: str) -> None:
    far = hall.issuers["one"]
    if wrong == "issuer":
        await hall.member("exact@example.com", "exact")
    person = Person(hall)
    asked = await person.start("one", tenant=hall.tenant)
    claims = WRONG[wrong](hall.clock.unix())
    far.claims = {"sub": "exact", **({**claims, "iss": far.url + "/"} if wrong.endswith("slash") else claims)}
    answer = await person.back("one", asked)
    assert (answer.status, answer.body["error"]["code"]) == (401, "LOGIN_REFUSED")
    assert SESSION_COOKIE not in person.cookies


async def test_OA_19_a_key_that_the_issuer_does_not_publish_signs_nobody_in(hall: Hall) -> None:
    far, person = hall.issuers["one"], Person(hall)
    asked = await person.start("one", tenant=hall.tenant)
    far.claims, far.key = {"sub": "exact"}, _STRANGER
    try:
        assert (await person.back("one", asked)).status == 401
    finally:
        far.key = _KEY


async def test_OA_19_two_issuers_with_the_same_subject_and_address_are_two_accounts(hall: Hall) -> None:
    one = await hall.member("first@example.com", "twin", "one")
    two = await hall.member("second@example.com", "twin", "two")
    assert (await one.me())["id"] != (await two.me())["id"]
    for issuer, person in (("one", one), ("two", two)):
        again = Person(hall)
        asked = await again.start(issuer, tenant=hall.tenant)
        hall.issuers[issuer].claims = {"sub": "twin", "email": "first@example.com", "email_verified": True}
        assert (await again.back(issuer, asked)).status == 303
        assert (await again.me())["id"] == (await person.me())["id"]


@pytest.mark.parametrize("verified", [False, True])
async def test_OA_19_no_address_links_anything_verified_or_not(hall: Hall, verified: bool) -> None:
    if not verified:
        await hall.member("known@example.com", "known")
    stranger = Person(hall)
    asked = await stranger.start("two", tenant=hall.tenant)
    hall.issuers["two"].claims = {"sub": "stranger", "email": "known@example.com", "email_verified": verified}
    answer = await stranger.back("two", asked)
    assert (answer.status, answer.body["error"]["code"]) == (401, "SIGN_IN_FAILED")
    nowhere = await stranger.start("one", tenant="no-such-tenant")
    hall.issuers["one"].claims = {"sub": "known"}
    refused = await stranger.back("one", nowhere)
    assert (refused.status, refused.body["error"]["code"]) == (401, "SIGN_IN_FAILED")


async def test_a_login_is_an_account_of_one_tenant_and_another_one_of_another(hall: Hall) -> None:
    other = (await hall.running.merchant("Bo's")).tenant_id
    here = await hall.member("both@example.com", "both")
    there = await hall.member("both@example.com", "both", tenant=other)
    assert [(await one.me())["tenantId"] for one in (here, there)] == [hall.tenant, other]


async def test_an_invitation_serves_once_and_a_login_belongs_to_one_member(hall: Hall) -> None:
    await hall.member("taken@example.com", "taken")
    invitation = await hall.invitation("late@example.com")
    person = Person(hall)
    asked = await person.invited("one", invitation)
    hall.issuers["one"].claims = {"sub": "taken"}
    refused = await person.back("one", asked)
    assert (refused.status, refused.body["error"]["code"]) == (409, "LOGIN_TAKEN")
    asked = await person.invited("one", invitation)
    hall.issuers["one"].claims = {"sub": "late"}
    assert (await person.back("one", asked)).status == 303
    again = await person.invited("one", invitation)
    hall.issuers["one"].claims = {"sub": "later"}
    assert (await person.back("one", again)).body["error"]["code"] == "INVITATION_NOT_FOUND"


async def test_SE_09_a_login_is_as_fresh_as_the_issuer_says(hall: Hall) -> None:
    person = await hall.member("stale@example.com", "stale")
    body = {"name": "Till", "permissions": ["products:read"]}
    keys = f"/api/merchants/{hall.tenant}/api-keys"
    assert (await person.call("POST", keys, body)).body["error"]["code"] == "STEP_UP_REQUIRED"
    asked = await person.start("one", tenant=hall.tenant, fresh="true")
    hall.issuers["one"].claims = {"sub": "stale", "auth_time": hall.clock.unix()}
    assert (await person.back("one", asked)).status == 303
    assert (await person.call("POST", keys, body)).status == 201


async def test_SE_11_who_has_a_second_factor_here_shows_it_after_a_login_that_tells_of_none(hall: Hall) -> None:
    person = await hall.member("factor@example.com", "factor")
    asked = await person.start("one", tenant=hall.tenant, fresh="true")
    hall.issuers["one"].claims = {"sub": "factor", "auth_time": hall.clock.unix()}
    await person.back("one", asked)
    secret = Secret((await person.call("POST", "/api/auth/second-factor")).body["secret"])
    body = {"code": factors.code(secret, hall.clock.now())}
    assert (await person.call("POST", "/api/auth/second-factor/confirm", body)).status == 200
    for methods, status in ((["pwd"], 403), (["pwd", "mfa"], 200)):
        again = Person(hall)
        asked = await again.start("one", tenant=hall.tenant)
        hall.issuers["one"].claims = {"sub": "factor", "amr": methods}
        assert (await again.back("one", asked)).status == 303
        assert (await again.call("GET", "/api/products")).status == status
        assert (await again.call("GET", "/api/auth/me")).status == 200
    weak = Person(hall)
    asked = await weak.start("one", tenant=hall.tenant)
    hall.issuers["one"].claims = {"sub": "factor"}
    await weak.back("one", asked)
    hall.clock.advance(61)
    proof = {"code": factors.code(secret, hall.clock.now())}
    assert (await weak.call("POST", "/api/auth/step-up", proof)).status == 200
    assert (await weak.call("GET", "/api/products")).status == 200


async def test_who_was_removed_is_let_in_no_more_and_can_be_invited_anew_elsewhere(hall: Hall) -> None:
    person = await hall.member("leaves@example.com", "leaves")
    who = (await person.me())["id"].rpartition(":")[2]
    scope = hall.running.platform.scope(hall.tenant, system(hall.tenant, "journeys"))
    await access.remove_member(scope, who)
    back = Person(hall)
    asked = await back.start("one", tenant=hall.tenant)
    hall.issuers["one"].claims = {"sub": "leaves"}
    assert (await back.back("one", asked)).body["error"]["code"] == "SIGN_IN_FAILED"
    returned = await hall.member("returns@example.com", "leaves")
    assert (await returned.me())["id"] != f"user:isthmus:{who}"


@pytest.mark.parametrize("path", ["//evil.example", "/\\evil.example", "https://evil.example", "orders", "/a b"])
async def test_the_way_on_leads_to_this_server_only(hall: Hall, path: str) -> None:
    query = urlencode({"tenant": hall.tenant, "returnTo": path})
    answer = await Person(hall).call("GET", f"/api/auth/oidc/one/start?{query}")
    assert (answer.status, answer.body["error"]["code"]) == (400, "VALIDATION_ERROR")


async def test_a_login_that_took_too_long_is_over_and_swept(hall: Hall) -> None:
    person = Person(hall)
    asked = await person.start("one", tenant=hall.tenant)
    hall.clock.advance(601)
    assert (await person.back("one", asked)).status == 401
    await access.sweep(hall.running.platform.system)
    async with hall.running.platform.system.tx() as tx:
        assert await tx.fetch_sql("select 1 as one from login_attempts where until < $1", hall.clock.now()) == []


async def test_only_a_page_of_ours_takes_an_invitation_up(hall: Hall) -> None:
    body = {"invitation": await hall.invitation("page@example.com")}
    answer = await Person(hall).call("POST", "/api/auth/oidc/one/start", body, sec_fetch_site="cross-site")
    assert (answer.status, answer.body["error"]["code"]) == (403, "CROSS_SITE_REFUSED")
    for wrong in ({}, {"tenant": "t", "invitation": "i"}):
        assert (await Person(hall).call("POST", "/api/auth/oidc/one/start", wrong)).status == 400
    assert (await Person(hall).call("GET", "/api/auth/oidc/nobody/start?tenant=t")).status == 404
