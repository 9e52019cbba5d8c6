"""Who is let in, by whose word, and how soon a change of that counts in every process (security.md JT-07, JT-10)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from joserfc import jwk, jwt
from tests.given.browsers import Browser
from tests.journeys.deployment import Deployment, Merchant, deployment

from isthmus.app import address_of, open_platform, serve_api
from isthmus.features import access
from isthmus.features.access import TenantStatus
from isthmus.http.server import bind
from isthmus.kit.clock import SYSTEM
from isthmus.kit.permissions import PLATFORM_TENANT, SUPER_ADMIN, TENANT_ADMIN, USER, system
from isthmus.sandbox.clock import ShiftedClock

ISSUER = "https://sign-in.example.com"
_KEY = jwk.RSAKey.generate_key(2048, {"kid": "one", "alg": "RS256", "use": "sig"})
_STRANGER = jwk.RSAKey.generate_key(2048, {"kid": "one", "alg": "RS256", "use": "sig"})
_OPERATOR = system(PLATFORM_TENANT, "journeys")


class Entrance:
    """A deployment that believes a foreign issuer for the tenants `ten_listed...` that the test lists."""

    def __init__(self, running: Deployment, clock: ShiftedClock) -> None:
        self.running, self.clock = running, clock

    def shows(self, tenant_id: str, *roles: str, key: jwk.RSAKey = _KEY, **changed: Any) -> Merchant:
        """Somebody with a token of the foreign issuer."""
        now = int(self.clock.now().timestamp())
        claims = {"iss": ISSUER, "aud": "isthmus", "sub": "amy", "tenantId": tenant_id, "roles": list(roles)}
        token = jwt.encode(
            {"alg": "RS256", "kid": "one", "typ": "at+jwt"}, {**claims, "iat": now, "exp": now + 600, **changed}, key
        )
        person = self.running.person(tenant_id, [TENANT_ADMIN])
        return Merchant(self.running, tenant_id, token, person.browser)


@asynccontextmanager
async def _issuer() -> AsyncIterator[str]:
    async def keys(_: web.Request) -> web.Response:
        return web.json_response({"keys": [_KEY.as_dict(private=False)]})

    site = web.Application()
    site.router.add_get("/keys", keys)
    runner = web.AppRunner(site)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/keys"
    await runner.cleanup()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def entrance(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Entrance]:
    clock, home = ShiftedClock(SYSTEM), tmp_path_factory.mktemp("home")
    async with _issuer() as url:
        more = {"AUTH__JWKS_URL": url, "AUTH__JWKS_ISSUER": ISSUER, "AUTH__JWKS_TENANTS": "ten_listed"}
        async with deployment(database_url, Path(home), products=12, clock=clock, **more) as running:
            async with running.platform.system.tx() as tx:
                await tx.execute_sql(_TENANTS, "ten_listed", "listed")
                await tx.execute_sql(_TENANTS, "ten_other", "other")
            yield Entrance(running, clock)


_WORDS = "plenty of dew on the meadow"
_TENANTS = "insert into tenants (id, name, slug, status, created_at) values ($1, $2, $2, 'active', now())"


async def test_a_foreign_issuer_is_believed_by_its_published_keys(entrance: Entrance) -> None:
    assert (await entrance.shows("ten_listed", TENANT_ADMIN).call("GET", "/api/products")).status == 200
    for refused in (
        entrance.shows("ten_listed", TENANT_ADMIN, key=_STRANGER),
        entrance.shows("ten_listed", TENANT_ADMIN, aud="elsewhere"),
        entrance.shows("ten_listed", TENANT_ADMIN, iss="isthmus"),
    ):
        answer = await refused.call("GET", "/api/products")
        assert (answer.status, answer.body["error"]["code"]) == (401, "UNAUTHORIZED")


@pytest.mark.parametrize("tenant", ["ten_other", PLATFORM_TENANT, "ten_nowhere"])
async def test_JT_07_an_issuer_speaks_only_for_its_tenants(entrance: Entrance, tenant: str) -> None:
    assert (await entrance.shows(tenant, TENANT_ADMIN).call("GET", "/api/products")).status == 401


async def test_JT_07_a_foreign_issuer_names_no_super_admin(entrance: Entrance) -> None:
    assert (await entrance.shows("ten_listed", SUPER_ADMIN).call("GET", "/api/products")).status == 401


async def test_JT_07_what_an_issuer_may_not_say_stands_in_the_deployments_audit_log(entrance: Entrance) -> None:
    running = entrance.running
    answers = [
        await entrance.shows(*wrong, sub=f"mallory-{n}").call("DELETE", "/api/webhooks/endpoints/whe_x")
        for n, wrong in enumerate([("ten_other", TENANT_ADMIN), ("ten_listed", SUPER_ADMIN)])
    ]
    forged = await entrance.shows("ten_other", TENANT_ADMIN, key=_STRANGER, sub="mallory-9").call(
        "GET", "/api/products"
    )
    said = {(one.status, one.body["error"]["code"], one.body["error"]["message"]) for one in (*answers, forged)}
    assert len(said) == 1, "all failures look alike"
    await running.platform.refusals.flush()
    operator = running.person(PLATFORM_TENANT, [SUPER_ADMIN], "operator")
    rows = (await operator.call("GET", "/api/audit?type=access.refused&search=mallory")).body["items"]
    told = sorted((one["actor"].rpartition(":")[2], one["subject"], one["details"]["code"]) for one in rows)
    asked = "DELETE /api/webhooks/endpoints/{id}"
    assert told == [("mallory-0", asked, "UNAUTHORIZED"), ("mallory-1", asked, "UNAUTHORIZED")]
    assert {one["address"] for one in rows} == {"127.0.0.1"}


async def test_the_deployments_own_tenant_is_for_super_admins(entrance: Entrance) -> None:
    assert (await entrance.running.person(PLATFORM_TENANT, [TENANT_ADMIN]).call("GET", "/api/audit")).status == 401
    assert (await entrance.running.person(PLATFORM_TENANT, [SUPER_ADMIN]).call("GET", "/api/audit")).status == 200


async def test_SA_01_whom_the_deployment_limits_is_no_super_admin_of_it(entrance: Entrance) -> None:
    root, gone = [entrance.running.person(PLATFORM_TENANT, [SUPER_ADMIN], name) for name in ("root", "gone")]
    assert (await gone.call("GET", "/api/admin/tenants")).status == 200
    bob = await entrance.running.merchant("Bob is looked after")
    why = {"reason": "Orders stand still since noon", "ticket": "SUP-12"}
    inside = entrance.running.person(bob.tenant_id, [], "gone")
    entered = await gone.call("POST", f"/api/admin/tenants/{bob.tenant_id}/break-glass", why)
    inside.token = entered.body["token"]
    assert (await inside.call("GET", "/api/products")).status == 200
    subject = {"issuer": "isthmus", "subject": "gone"}
    limited = await root.call("PUT", ACCOUNTS, {**subject, "roles": []})
    assert limited.status == 200, limited.body
    entrance.clock.advance(4.9)
    assert (await gone.call("GET", "/api/admin/tenants")).status == 401
    assert (await inside.call("GET", "/api/products")).status == 401
    assert (await root.call("GET", "/api/admin/tenants")).status == 200
    assert (await root.call("DELETE", f"{ACCOUNTS}/{limited.body['id']}")).status == 204
    entrance.clock.advance(4.9)
    assert (await gone.call("GET", "/api/admin/tenants")).status == 200


async def test_SA_01_a_super_admin_opens_no_merchants_data(entrance: Entrance) -> None:
    bob = await entrance.running.merchant("Bobs own")
    for roles in ([SUPER_ADMIN], [SUPER_ADMIN, TENANT_ADMIN]):
        inside = entrance.running.person(bob.tenant_id, roles, "operator")
        assert (await inside.call("GET", "/api/products")).status == 401
    operator = entrance.running.person(PLATFORM_TENANT, [SUPER_ADMIN], "operator")
    known = (await operator.call("GET", f"/api/admin/tenants/{bob.tenant_id}")).body
    assert set(known) == {"id", "name", "slug", "status", "createdAt", "plan", "etag"}
    assert (await operator.call("GET", f"/api/merchants/{bob.tenant_id}/api-keys")).status == 403


async def test_a_tenant_is_suspended_over_http_with_its_keys(entrance: Entrance) -> None:
    bob = await entrance.running.merchant("Bob with a key")
    body = {"name": "Till", "permissions": ["products:read"]}
    key = (await bob.call("POST", f"/api/merchants/{bob.tenant_id}/api-keys", body)).body["data"]["key"]
    operator = entrance.running.person(PLATFORM_TENANT, [SUPER_ADMIN], "operator")
    for verb, status in (("suspend", 401), ("activate", 200)):
        answer = await operator.call("POST", f"/api/admin/tenants/{bob.tenant_id}/{verb}")
        assert answer.status == 200, answer.body
        entrance.clock.advance(4.9)
        async with bob.browser.get(entrance.running.address + "/api/products", headers={"x-api-key": key}) as shown:
            assert shown.status == status


@asynccontextmanager
async def _another_process(entrance: Entrance) -> AsyncIterator[Deployment]:
    running, bound, stop = entrance.running, bind("127.0.0.1", 0), asyncio.Event()
    settings = running.platform.settings
    async with open_platform(settings, upgrade=False, clock=entrance.clock) as platform, asyncio.TaskGroup() as group:
        group.create_task(serve_api(platform, bound, stop))
        yield Deployment(platform, running.sandbox, address_of(bound))
        stop.set()


@asynccontextmanager
async def _three_processes(entrance: Entrance) -> AsyncIterator[list[Deployment]]:
    async with _another_process(entrance) as second, _another_process(entrance) as third:
        yield [entrance.running, second, third]


async def test_JT_10_a_suspended_tenant_is_out_within_five_seconds_everywhere(entrance: Entrance) -> None:
    bob = await entrance.running.merchant("Bob")
    async with _three_processes(entrance) as places:
        doors = [Merchant(place, bob.tenant_id, bob.token, bob.browser) for place in places]
        stream = await bob.browser.get(
            entrance.running.address + "/api/sync/stream", headers={"authorization": f"Bearer {bob.token}"}
        )
        assert [(await door.call("GET", "/api/products")).status for door in doors] == [200] * 3
        entrance.clock.advance(0.9)
        operator = entrance.running.platform.scope(PLATFORM_TENANT, _OPERATOR)
        await access.set_status(operator, bob.tenant_id, status=TenantStatus.SUSPENDED)
        for _ in range(3):  # whatever is remembered is remembered anew on the way
            entrance.clock.advance(1.3)
            for door in doors:
                await door.call("GET", "/api/products")
        entrance.clock.advance(1.1)
        assert [(await door.call("GET", "/api/products")).status for door in doors] == [401] * 3
        async with asyncio.timeout(30):
            assert await stream.read() is not None
        await access.set_status(operator, bob.tenant_id, status=TenantStatus.ACTIVE)
        entrance.clock.advance(1.1)
        assert [(await door.call("GET", "/api/products")).status for door in doors] == [200] * 3


ACCOUNTS = "/api/tenant/issuer-accounts"


async def _by_key(place: Deployment, key: str, path: str = "/api/audit") -> int:
    """What an API key gets there."""
    async with (
        aiohttp.ClientSession() as client,
        client.get(place.address + path, headers={"x-api-key": key}) as answer,
    ):
        return answer.status


async def test_JT_09_a_tenant_leaves_somebody_of_another_issuer_what_it_says(entrance: Entrance) -> None:
    boss = entrance.shows("ten_listed", TENANT_ADMIN, sub="boss")
    dan = entrance.shows("ten_listed", TENANT_ADMIN, sub="dan")
    twin = entrance.running.person("ten_listed", [TENANT_ADMIN], "dan")
    assert (await dan.call("GET", "/api/audit")).status == 200
    wanted = {"name": "Till", "permissions": ["audit:read"]}
    made = [(await one.call("POST", "/api/merchants/ten_listed/api-keys", wanted)).body["data"] for one in (dan, twin)]
    body = {"issuer": ISSUER, "subject": "dan", "roles": ["user"]}
    limited = await boss.call("PUT", ACCOUNTS, body)
    assert (limited.status, limited.body["roles"]) == (200, ["user"])
    entrance.clock.advance(4.9)
    assert [(await one.call("GET", "/api/audit")).status for one in (dan, twin)] == [403, 200]
    places = [_by_key(entrance.running, one["key"]) for one in made]
    assert await asyncio.gather(*places) == [403, 200], "each one's keys are their own"
    assert (await dan.call("GET", "/api/products")).status == 200
    assert (await boss.call("PUT", ACCOUNTS, {**body, "roles": []})).body["id"] == limited.body["id"]
    entrance.clock.advance(4.9)
    assert (await dan.call("GET", "/api/products")).status == 403
    refused = await boss.call("PUT", ACCOUNTS, {**body, "subject": "boss"})
    assert (refused.status, refused.body["error"]["code"]) == (409, "MEMBER_IS_YOURSELF")
    for wrong in ({"roles": ["super_admin"]}, {"roles": ["nobody"]}, {"issuer": ""}):
        assert (await boss.call("PUT", ACCOUNTS, {**body, **wrong})).status == 400
    assert (await boss.call("DELETE", f"{ACCOUNTS}/{limited.body['id']}")).status == 204
    entrance.clock.advance(4.9)
    assert (await dan.call("GET", "/api/audit")).status == 200
    told = (await boss.call("GET", f"/api/audit?subject={limited.body['id']}")).body["items"]
    assert [one["type"] for one in told] == ["issuer_account.freed", *["issuer_account.limited"] * 2]


async def test_AK_04_a_key_follows_what_its_makers_issuer_and_tenant_say_now(entrance: Entrance) -> None:
    maker = entrance.shows("ten_listed", TENANT_ADMIN, sub="maker")
    body = {"name": "Till", "permissions": ["products:read", "audit:read"]}
    key = (await maker.call("POST", "/api/merchants/ten_listed/api-keys", body)).body["data"]["key"]

    async def opens() -> list[int]:
        entrance.clock.advance(4.9)
        found = []
        for path in ("/api/audit", "/api/products"):
            async with maker.browser.get(entrance.running.address + path, headers={"x-api-key": key}) as answer:
                found.append(answer.status)
        return found

    assert await opens() == [200, 200]
    assert (await entrance.shows("ten_listed", "user", sub="maker").call("GET", "/api/products")).status == 200
    assert await opens() == [403, 200]
    assert (await entrance.shows("ten_listed", TENANT_ADMIN, sub="maker").call("GET", "/api/audit")).status == 200
    assert await opens() == [200, 200]
    boss = entrance.shows("ten_listed", TENANT_ADMIN, sub="boss")
    limit = await boss.call("PUT", ACCOUNTS, {"issuer": ISSUER, "subject": "maker", "roles": ["user"]})
    assert await opens() == [403, 200]
    await entrance.shows("ten_listed", TENANT_ADMIN, sub="maker").call("GET", "/api/products")
    assert await opens() == [403, 200]
    await boss.call("DELETE", f"{ACCOUNTS}/{limit.body['id']}")
    entrance.clock.advance(4.9)
    await entrance.shows("ten_listed", TENANT_ADMIN, sub="maker").call("GET", "/api/products")
    assert await opens() == [200, 200]


async def test_SE_09_a_foreign_issuers_session_is_as_fresh_as_its_auth_time(entrance: Entrance) -> None:
    now = int(entrance.clock.now().timestamp())
    for age, status in ((10, 201), (700, 403)):
        shown = entrance.shows("ten_listed", TENANT_ADMIN, sub="fresh", auth_time=now - age)
        browser = Browser(entrance.running)
        begun = await browser.call("POST", "/api/auth/session/token", authorization=f"Bearer {shown.token}")
        assert begun.status == 201, begun.body
        body = {"name": "Till", "permissions": ["products:read"]}
        made = await browser.call("POST", "/api/merchants/ten_listed/api-keys", body)
        assert made.status == status, made.body
    boss = entrance.shows("ten_listed", TENANT_ADMIN, sub="boss")
    await boss.call("PUT", ACCOUNTS, {"issuer": ISSUER, "subject": "fresh", "roles": ["user"]})
    entrance.clock.advance(4.9)
    assert (await browser.call("GET", "/api/products")).status == 401


async def test_OA_19_somebody_is_an_issuer_and_a_subject_and_never_an_address(entrance: Entrance) -> None:
    """A session begun with a token belongs to this issuer's person, whatever else the token says of them."""
    scope = entrance.running.platform.scope("ten_listed", system("ten_listed", "journeys"))
    invited = await access.invite(scope, "twin@example.com", ["user"])
    said: dict[str, Any] = {"email": "twin@example.com", "email_verified": True}
    boss = entrance.shows("ten_listed", TENANT_ADMIN, sub="boss")
    browsers = []
    for sub in (invited.user.id, "twin"):
        browser = Browser(entrance.running)
        shown = entrance.shows("ten_listed", "user", sub=sub, **said)
        begun = await browser.call("POST", "/api/auth/session/token", authorization=f"Bearer {shown.token}")
        assert (begun.status, begun.body["member"]) == (201, None)
        assert (await browser.call("GET", "/api/auth/me")).body["id"] == f"user:{ISSUER}:{sub}"
        browsers.append(browser)
    assert (await boss.call("DELETE", f"/api/tenant/members/{invited.user.id}")).status == 204
    entrance.clock.advance(4.9)
    assert [(await one.call("GET", "/api/auth/me")).status for one in browsers] == [200, 200]
    forged = Browser(entrance.running)
    token = entrance.shows("ten_listed", "user", sub="twin").token
    headers = {"authorization": f"Bearer {token}", "sec-fetch-site": "cross-site"}
    assert (await forged.call("POST", "/api/auth/session/token", **headers)).status == 403
    assert forged.kept == ""
    identity = entrance.shows("ten_listed", "user", sub="twin", nonce="of-a-sign-in").token
    refused = await forged.call("POST", "/api/auth/session/token", authorization=f"Bearer {identity}")
    assert (refused.status, forged.kept) == (401, "")


async def _joined(entrance: Entrance, boss: Merchant, email: str) -> tuple[str, Merchant, str]:
    """A member who is an admin: the id, a session, and a key of theirs."""
    invited = (await boss.call("POST", "/api/tenant/members", {"email": email, "roles": [TENANT_ADMIN]})).body
    taken = {"invitation": invited["invitation"], "password": _WORDS}
    assert (await boss.call("POST", "/api/auth/accept", taken)).status == 200
    body = {"tenant": boss.tenant_id, "email": email, "password": _WORDS}
    token = (await boss.call("POST", "/api/auth/login", body)).body["token"]
    member = Merchant(entrance.running, boss.tenant_id, token, boss.browser)
    path = f"/api/merchants/{boss.tenant_id}/api-keys"
    made = (await member.call("POST", path, {"name": "Till", "permissions": ["audit:read"]})).body["data"]
    return invited["id"], member, made["key"]


@pytest.mark.parametrize(("end", "refused"), [("removed", (401, 403)), ("demoted", (403, 403))])
async def test_JT_10_AK_04_what_a_member_may_no_more_is_over_within_five_seconds_in_every_process(
    entrance: Entrance, end: str, refused: tuple[int, int]
) -> None:
    boss = await entrance.running.merchant(f"Boss {end}")
    member_id, member, key = await _joined(entrance, boss, f"{end}@example.com")
    async with _three_processes(entrance) as places:
        doors = [(place, shown) for place in places for shown in (member.token, key)]

        async def answers() -> list[int]:
            found = []
            for place, shown in doors:
                name = {"x-api-key": shown} if shown == key else {"authorization": f"Bearer {shown}"}
                async with boss.browser.get(place.address + "/api/audit?limit=1", headers=name) as answer:
                    found.append(answer.status)
            return found

        assert await answers() == [200] * 6
        path = f"/api/tenant/members/{member_id}"
        ended = await (boss.call("DELETE", path) if end == "removed" else boss.call("PATCH", path, {"roles": [USER]}))
        assert ended.status < 300, ended.body
        for _ in range(3):  # whatever is remembered is remembered anew on the way
            entrance.clock.advance(1.6)
            await answers()
        assert await answers() == [*refused] * 3
