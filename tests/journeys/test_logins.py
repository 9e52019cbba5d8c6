"""OA-19: our own login by OpenID Connect, at a server that nobody here wrote and at one that obeys the test."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
import pytest_asyncio
from tests.given.independent import Independent, independent
from tests.given.logins import CLIENT, KEY, STRANGER, Hall, Person
from tests.given.logins import hall as hall_of

from isthmus.features import access
from isthmus.features.access.model import factors
from isthmus.http import SESSION_COOKIE
from isthmus.kit.permissions import TENANT_ADMIN, system
from isthmus.kit.secret import Secret


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def dot(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Independent]:
    async with independent(Path(tmp_path_factory.mktemp("dot"))) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hall(database_url: str, tmp_path_factory: pytest.TempPathFactory, dot: Independent) -> AsyncIterator[Hall]:
    async with hall_of(database_url, Path(tmp_path_factory.mktemp("home")), dot) as made:
        yield made


@pytest.fixture(autouse=True)
def a_minute_later(hall: Hall) -> None:
    """Logins are limited by address and minute, and everybody here comes from one."""
    hall.clock.advance(61)


async def test_a_page_learns_where_people_sign_in(hall: Hall) -> None:
    found = (await Person(hall).call("GET", "/api/auth/oidc")).body["items"]
    assert {one["name"]: one["label"] for one in found} == {"one": "One", "two": "two", "dot": "dot"}
    assert found[-1]["start"] == "/api/auth/oidc/two/start"


async def test_OA_19_a_server_that_nobody_here_wrote_signs_somebody_in(hall: Hall, dot: Independent) -> None:
    person = Person(hall)
    body = {"invitation": await hall.invitation("dot@example.com", TENANT_ADMIN)}
    begun = await person.call("POST", "/api/auth/oidc/dot/start", body)
    back = urlsplit(await dot.consent(begun.body["authorizationUrl"], "dotty"))
    done = await person.call("GET", f"{back.path}?{back.query}", sec_fetch_site="cross-site")
    assert (done.status, done.headers["location"]) == (303, "/"), done.body
    assert set(person.cookies) == {SESSION_COOKIE}
    assert (await person.me())["roles"] == [TENANT_ADMIN]
    again = Person(hall)
    asked = await again.call("GET", f"/api/auth/oidc/dot/start?tenant={hall.tenant}&returnTo=/orders")
    back = urlsplit(await dot.consent(asked.headers["location"], "dotty"))
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
    far.claims, far.key = {"sub": "exact"}, STRANGER
    try:
        assert (await person.back("one", asked)).status == 401
    finally:
        far.key = KEY


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
        answer = await again.call("GET", "/api/products")
        assert answer.status == status
        if status == 403:
            assert answer.body["error"]["details"]["secondFactor"] == "not_shown"
            assert "/api/auth/step-up" in answer.body["error"]["message"]
        assert (await again.call("GET", "/api/auth/me")).status == 200
    weak = Person(hall)
    asked = await weak.start("one", tenant=hall.tenant)
    hall.issuers["one"].claims = {"sub": "factor"}
    await weak.back("one", asked)
    hall.clock.advance(61)
    proof = {"code": factors.code(secret, hall.clock.now())}
    assert (await weak.call("POST", "/api/auth/step-up", proof)).status == 200
    assert (await weak.call("GET", "/api/products")).status == 200


async def test_SE_11_an_issuers_word_alone_takes_no_second_factor_away(hall: Hall) -> None:
    person = await hall.member("kept@example.com", "kept")
    asked = await person.start("one", tenant=hall.tenant, fresh="true")
    hall.issuers["one"].claims = {"sub": "kept", "auth_time": hall.clock.unix()}
    await person.back("one", asked)
    secret = Secret((await person.call("POST", "/api/auth/second-factor")).body["secret"])
    body = {"code": factors.code(secret, hall.clock.now())}
    await person.call("POST", "/api/auth/second-factor/confirm", body)
    other = Person(hall)
    asked = await other.start("one", tenant=hall.tenant, fresh="true")
    hall.issuers["one"].claims = {"sub": "kept", "auth_time": hall.clock.unix()}
    assert (await other.back("one", asked)).status == 303
    for method, path in (("DELETE", "/api/auth/second-factor"), ("POST", "/api/auth/oidc/two/link")):
        refused = await other.call(method, path, {} if method == "POST" else None)
        assert (refused.status, refused.body["error"]["code"]) == (403, "STEP_UP_REQUIRED")
    assert (await other.me())["provedAt"] is None
    hall.clock.advance(61)
    proof = {"code": factors.code(secret, hall.clock.now())}
    assert (await other.call("POST", "/api/auth/step-up", proof)).status == 200
    assert (await other.call("DELETE", "/api/auth/second-factor")).status == 204


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
