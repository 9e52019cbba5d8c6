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
from isthmus.http import RequestFacts
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
