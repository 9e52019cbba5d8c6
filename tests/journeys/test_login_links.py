"""A member's own logins at issuers: added by whoever is signed in, shown, and taken away but for the last way in."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import pytest_asyncio
from tests.given.logins import Hall, Person
from tests.given.logins import hall as hall_of
from tests.journeys.deployment import Answer

from isthmus.features import access
from isthmus.features.access.errors import SignInFailed
from isthmus.features.access.feature import FEATURE
from isthmus.features.access.service import linking, logins
from isthmus.http import IdToken, RequestFacts
from isthmus.kit.permissions import TENANT_ADMIN, USER, system
from isthmus.kit.secret import Secret

PASSWORD = "plenty of dew on the meadow"
HERE = RequestFacts("req_1", "127.0.0.1")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hall(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hall]:
    async with hall_of(database_url, Path(tmp_path_factory.mktemp("home"))) as made:
        yield made


@pytest.fixture(autouse=True)
def a_minute_later(hall: Hall) -> None:
    """Logins are limited by address and minute, and everybody here comes from one."""
    hall.clock.advance(61)


async def signed_in(hall: Hall, email: str, *, anew: bool = True) -> Person:
    """Somebody with a password, signed in with it."""
    if anew:
        invitation = Secret(await hall.invitation(email, TENANT_ADMIN))
        await access.accept(hall.running.platform.system, HERE, invitation, Secret(PASSWORD))
    person = Person(hall)
    body = {"tenant": hall.tenant, "email": email, "password": PASSWORD}
    assert (await person.call("POST", "/api/auth/session", body)).status == 201
    return person


async def begun(person: Person, issuer: str) -> dict[str, str]:
    """A login that is to be added."""
    answer = await person.call("POST", f"/api/auth/oidc/{issuer}/link", {"returnTo": "/me"})
    assert answer.status == 200, answer.body
    query = parse_qs(urlsplit(answer.body["authorizationUrl"]).query)
    return {name: one[0] for name, one in query.items()}


async def linked(person: Person, issuer: str, sub: str) -> Answer:
    """Add a login at an issuer."""
    asked = await begun(person, issuer)
    person.hall.issuers[issuer].claims = {"sub": sub}
    return await person.back(issuer, asked)


async def mine(person: Person) -> Any:
    """The logins that somebody has."""
    return (await person.call("GET", "/api/auth/identities")).body


async def test_who_has_a_password_adds_a_login_and_signs_in_with_either(hall: Hall) -> None:
    person = await signed_in(hall, "adds@example.com")
    assert await mine(person) == {"items": [], "hasPassword": True}
    before = dict(person.cookies)
    done = await linked(person, "one", "adds")
    assert (done.status, done.headers["location"]) == (303, "/me"), done.body
    assert person.cookies == before, "the session is the one that it was"
    (only,) = (await mine(person))["items"]
    assert (only["name"], only["label"], only["issuer"]) == ("one", "One", hall.issuers["one"].url)
    assert only["subject"] == "adds"
    again = Person(hall)
    asked = await again.start("one", tenant=hall.tenant)
    hall.issuers["one"].claims = {"sub": "adds"}
    assert (await again.back("one", asked)).status == 303
    assert (await again.me())["id"] == (await person.me())["id"]
    assert (await linked(person, "one", "adds")).status == 303, "once more is as good as once"
    assert len((await mine(person))["items"]) == 1
    log = (await person.call("GET", "/api/audit?type=member.login_linked")).body["items"]
    told = [one for one in log if one["subject"] == (await person.me())["id"].rpartition(":")[2]]
    assert len(told) == 1


async def test_OA_03_a_login_is_added_only_in_the_session_and_browser_that_began(hall: Hall) -> None:
    person, stranger = await signed_in(hall, "began@example.com"), await signed_in(hall, "stranger@example.com")
    asked = await begun(person, "one")
    hall.issuers["one"].claims = {"sub": "began"}
    elsewhere = await stranger.back("one", asked)
    assert (elsewhere.status, elsewhere.body["error"]["code"]) == (401, "LOGIN_REFUSED")
    for ending in ("/api/auth/logout", "/api/auth/logout?everywhere=true"):
        person = await signed_in(hall, "began@example.com", anew=False)
        asked = await begun(person, "one")
        assert (await person.call("POST", ending)).status == 204
        hall.issuers["one"].claims = {"sub": "began"}
        late = await person.back("one", asked)
        assert (late.status, late.body["error"]["code"]) == (409, "NO_SESSION")
    person = await signed_in(hall, "began@example.com", anew=False)
    assert (await mine(person))["items"] == []
    asked = await begun(person, "one")
    scope = hall.running.platform.scope(hall.tenant, system(hall.tenant, "journeys"))
    await access.remove_member(scope, (await person.me())["id"].rpartition(":")[2])
    hall.issuers["one"].claims = {"sub": "began"}
    assert (await person.back("one", asked)).body["error"]["code"] == "NO_SESSION"


async def test_OA_19_a_login_of_one_member_is_never_added_to_another(hall: Hall) -> None:
    owner = await hall.member("owner@example.com", "owned")
    other = await signed_in(hall, "other@example.com")
    refused = await linked(other, "one", "owned")
    assert (refused.status, refused.body["error"]["code"]) == (409, "LOGIN_TAKEN")
    assert (await mine(other))["items"] == []
    assert len((await mine(owner))["items"]) == 1


async def test_SE_09_adding_and_taking_away_take_a_fresh_proof_and_a_page_of_ours(hall: Hall) -> None:
    person = await signed_in(hall, "proves@example.com")
    foreign = await person.call("POST", "/api/auth/oidc/one/link", {}, sec_fetch_site="cross-site")
    assert (foreign.status, foreign.body["error"]["code"]) == (403, "CROSS_SITE_REFUSED")
    await linked(person, "one", "proves")
    (only,) = (await mine(person))["items"]
    hall.clock.advance(700)
    for method, path in (("POST", "/api/auth/oidc/one/link"), ("DELETE", f"/api/auth/identities/{only['id']}")):
        refused = await person.call(method, path, {} if method == "POST" else None)
        assert (refused.status, refused.body["error"]["code"]) == (403, "STEP_UP_REQUIRED")
    assert (await person.call("POST", "/api/auth/step-up", {"password": PASSWORD})).status == 200
    assert (await person.call("DELETE", f"/api/auth/identities/{only['id']}")).status == 204


async def test_a_login_that_was_taken_away_opens_nothing_and_other_sessions_end(hall: Hall) -> None:
    person = await signed_in(hall, "leaves@example.com")
    await linked(person, "one", "leaves")
    other = Person(hall)
    asked = await other.start("one", tenant=hall.tenant)
    hall.issuers["one"].claims = {"sub": "leaves"}
    await other.back("one", asked)
    (only,) = (await mine(person))["items"]
    stranger = await signed_in(hall, "looks@example.com")
    for wrong in (only["id"], "lgn_nobodys"):
        refused = await stranger.call("DELETE", f"/api/auth/identities/{wrong}")
        assert (refused.status, refused.body["error"]["code"]) == (404, "IDENTITY_NOT_FOUND")
    assert (await person.call("DELETE", f"/api/auth/identities/{only['id']}")).status == 204
    assert (await other.call("GET", "/api/auth/me")).status == 401
    assert await mine(person) == {"items": [], "hasPassword": True}
    asked = await other.start("one", tenant=hall.tenant)
    hall.issuers["one"].claims = {"sub": "leaves"}
    assert (await other.back("one", asked)).body["error"]["code"] == "SIGN_IN_FAILED"
    log = (await person.call("GET", "/api/audit?type=member.login_unlinked")).body["items"]
    assert log[0]["subject"] == (await person.me())["id"].rpartition(":")[2]


async def test_the_last_way_in_stays_also_when_two_are_taken_away_at_once(hall: Hall) -> None:
    person = await hall.member("last@example.com", "last")
    asked = await person.start("one", tenant=hall.tenant, fresh="true")
    hall.issuers["one"].claims = {"sub": "last", "auth_time": hall.clock.unix()}
    await person.back("one", asked)
    (only,) = (await mine(person))["items"]
    kept = await person.call("DELETE", f"/api/auth/identities/{only['id']}")
    assert (kept.status, kept.body["error"]["code"]) == (409, "LAST_WAY_IN")
    assert (await linked(person, "two", "last")).status == 303
    found = (await mine(person))["items"]
    assert [one["name"] for one in found] == ["one", "two"]
    gone = await asyncio.gather(*(person.call("DELETE", f"/api/auth/identities/{one['id']}") for one in found))
    assert sorted(one.status for one in gone) == [204, 409]


async def test_who_is_no_member_with_a_session_adds_nothing(hall: Hall) -> None:
    token = hall.running.person(hall.tenant, [USER], "foreign").token
    said = {"authorization": f"Bearer {token}"}
    refused = await Person(hall).call("POST", "/api/auth/oidc/one/link", {}, **said)
    assert (refused.status, refused.body["error"]["code"]) == (409, "NO_SESSION")
    elsewhere = await Person(hall).call("POST", "/api/auth/oidc/one/link", {}, **said, sec_fetch_site="")
    assert elsewhere.body["error"]["code"] == "NO_SESSION"
    none = await Person(hall).call("GET", "/api/auth/identities", **said)
    assert none.body == {"items": [], "hasPassword": False}
    gone = await Person(hall).call("DELETE", "/api/auth/identities/lgn_x", **said)
    assert (gone.status, gone.body["error"]["code"]) == (404, "MEMBER_NOT_FOUND")
    person = await signed_in(hall, "paths@example.com")
    for body in ({"returnTo": "//evil.example"}, {"tenant": hall.tenant}):
        assert (await person.call("POST", "/api/auth/oidc/one/link", body)).status == 400
    assert (await person.call("POST", "/api/auth/oidc/nowhere/link", {})).status == 404


async def test_OA_20_the_twenty_first_login_that_is_to_be_added_waits_for_the_others_to_end(hall: Hall) -> None:
    eager, other = await signed_in(hall, "eager@example.com"), await signed_in(hall, "patient@example.com")
    path, system_ = "/api/auth/oidc/one/link", hall.running.platform.system
    answers = await asyncio.gather(*(eager.call("POST", path, {}) for _ in range(24)))
    assert sorted(one.status for one in answers) == [200] * 20 + [429] * 4
    refused = next(one for one in answers if one.status == 429)
    assert refused.body["error"]["code"] == "TOO_MANY_LINKS"
    assert refused.headers["retry-after"] == "60"
    assert (await other.call("POST", path, {})).status == 200, "each member has their own"
    assert (await eager.call("POST", "/api/auth/oidc/two/link", {})).status == 429, "over all issuers"
    hall.clock.advance(601)
    await FEATURE.periodic["access.sweep"][1](system_)
    async with system_.tx() as tx:
        assert (await tx.fetch_sql("select count(*) from login_attempts"))[0][0] == 0
    eager = await signed_in(hall, "eager@example.com", anew=False)
    assert (await linked(eager, "one", "eager")).status == 303


async def test_an_admin_sees_a_members_logins_and_takes_the_last_one_away(hall: Hall) -> None:
    admin = await signed_in(hall, "admin@example.com")
    member = await hall.member("watched@example.com", "watched")
    key = (await member.me())["id"].rpartition(":")[2]
    place = f"/api/tenant/members/{key}/identities"
    shown = (await admin.call("GET", place)).body
    assert shown == {"items": (await mine(member))["items"], "hasPassword": False}
    (only,) = shown["items"]
    assert (only["name"], only["subject"]) == ("one", "watched")
    assert (await admin.call("DELETE", f"{place}/{only['id']}")).status == 204
    hall.clock.advance(5)
    assert (await member.call("GET", "/api/auth/me")).status == 401
    asked = await member.start("one", tenant=hall.tenant)
    hall.issuers["one"].claims = {"sub": "watched"}
    assert (await member.back("one", asked)).body["error"]["code"] == "SIGN_IN_FAILED"
    assert (await admin.call("GET", place)).body == {"items": [], "hasPassword": False}
    again = await admin.call("DELETE", f"{place}/{only['id']}")
    assert (again.status, again.body["error"]["code"]) == (404, "IDENTITY_NOT_FOUND")
    told = (await admin.call("GET", f"/api/audit?type=member.login_unlinked&subject={key}")).body["items"]
    assert [one["actor"] for one in told] == [(await admin.me())["id"]]
    reset = (await admin.call("POST", f"/api/tenant/members/{key}/password-reset")).body["reset"]
    assert (await member.call("POST", "/api/auth/reset", {"reset": reset, "password": PASSWORD})).status < 300
    member = await signed_in(hall, "watched@example.com", anew=False)
    assert (await linked(member, "one", "watched")).status == 303, "who was let in again adds it anew"


async def test_only_admins_with_a_fresh_proof_take_logins_of_others_away(hall: Hall) -> None:
    admin = await signed_in(hall, "proof@example.com")
    await linked(admin, "one", "proof")
    me = (await admin.me())["id"].rpartition(":")[2]
    (own,) = (await mine(admin))["items"]
    kept = await admin.call("DELETE", f"/api/tenant/members/{me}/identities/{own['id']}")
    assert (kept.status, kept.body["error"]["code"]) == (409, "MEMBER_IS_YOURSELF")
    member = await hall.member("kept@example.com", "kept")
    key = (await member.me())["id"].rpartition(":")[2]
    (only,) = (await mine(member))["items"]
    place = f"/api/tenant/members/{key}/identities"
    nobody = await admin.call("GET", "/api/tenant/members/usr_nobody/identities")
    assert (nobody.status, nobody.body["error"]["code"]) == (404, "MEMBER_NOT_FOUND")
    said = {"authorization": f"Bearer {hall.running.person(hall.tenant, [USER], 'plain').token}"}
    for method, path in (("GET", place), ("DELETE", f"{place}/{only['id']}")):
        refused = await Person(hall).call(method, path, **said)
        assert (refused.status, refused.body["error"]["code"]) == (403, "PERMISSION_DENIED")
    hall.clock.advance(700)
    late = await admin.call("DELETE", f"{place}/{only['id']}")
    assert (late.status, late.body["error"]["code"]) == (403, "STEP_UP_REQUIRED")
    assert (await mine(member))["items"] == [only]


async def test_a_login_that_is_taken_away_on_its_way_in_begins_no_session(hall: Hall) -> None:
    member = await hall.member("between@example.com", "between")
    key = (await member.me())["id"].rpartition(":")[2]
    (only,) = (await mine(member))["items"]
    system_, now = hall.running.platform.system, float(hall.clock.unix())
    vouched = IdToken(issuer=only["issuer"], subject="between", proved_at=now, methods=frozenset())
    entering = await logins._known(system_, HERE, hall.tenant, vouched)
    admin = hall.running.platform.scope(hall.tenant, system(hall.tenant, "journeys"))
    await linking.unlink_of(admin, key, only["id"])
    with pytest.raises(SignInFailed):
        await logins._entered(entering, vouched, "/console")
    async with admin.tx() as tx:
        assert (await tx.fetch_sql("select count(*) from sessions where user_id = $1", key))[0][0] == 0
