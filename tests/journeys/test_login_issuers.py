"""Issuers that people sign in at, added and looked after by the deployment's super admins over HTTP."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio
from tests.given.logins import CLIENT, Hall, Person, obedient
from tests.given.logins import hall as hall_of
from tests.journeys.deployment import Answer

from isthmus.features import access, vault
from isthmus.kit.permissions import PLATFORM_TENANT, SUPER_ADMIN, TENANT_ADMIN

ISSUERS = "/api/admin/login-issuers"
SECRET = "canary-of-three:%&"
#: Most issuers that may be added to this deployment.
MOST = 4


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hall(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hall]:
    home, inside = Path(tmp_path_factory.mktemp("home")), {"CONNECTIONS__ALLOW_NETWORKS": "127.0.0.0/8"}
    inside["ACCESS__LOGIN_ISSUERS"] = str(MOST)
    async with hall_of(database_url, home, None, **inside) as made, obedient(made.clock) as three:
        made.issuers["three"] = three
        yield made


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def anew(hall: Hall) -> AsyncIterator[None]:
    """Logins are limited by address and minute, and everybody here comes from one; the third issuer is added anew."""
    hall.clock.advance(61)
    yield
    await call(hall, "DELETE", f"{ISSUERS}/three")


async def call(hall: Hall, method: str, path: str, body: Any = None, tenant: str = PLATFORM_TENANT) -> Answer:
    """One call by a super admin, or by an admin of a tenant."""
    roles = [SUPER_ADMIN] if tenant == PLATFORM_TENANT else [TENANT_ADMIN]
    token = hall.running.person(tenant, roles, "keeper").token
    return await Person(hall).call(method, path, body, authorization=f"Bearer {token}")


async def added(hall: Hall, **about: Any) -> Answer:
    """Add the third issuer."""
    body = {"name": "three", "issuer": hall.issuers["three"].url, "clientId": CLIENT, **about}
    return await call(hall, "POST", ISSUERS, body)


async def test_people_sign_in_at_an_issuer_that_was_added_and_no_more_when_it_is_gone(hall: Hall) -> None:
    made = await added(hall, clientSecret=SECRET, label="Three")
    assert made.status == 201, made.body
    assert made.body["redirectUri"] == f"{hall.running.address}/api/auth/oidc/three/callback"
    assert (made.body["hasSecret"], made.body["readOnly"], made.body["algorithms"]) == (True, False, ["RS256"])
    shown = (await Person(hall).call("GET", "/api/auth/oidc")).body["items"]
    assert shown[-1] == {"name": "three", "label": "Three", "start": "/api/auth/oidc/three/start"}
    tried = (await call(hall, "POST", f"{ISSUERS}/three/test")).body
    assert (tried["success"], tried["problem"]) == (True, None)
    assert tried["jwksUri"] == hall.issuers["three"].url + "/keys"
    person = await hall.member("third@example.com", "third", "three")
    assert (await person.me())["roles"] == [TENANT_ADMIN]
    asked = await Person(hall).start("three", tenant=hall.tenant)
    assert asked["client_id"] == CLIENT
    assert (await call(hall, "DELETE", f"{ISSUERS}/three")).status == 204
    assert (await Person(hall).call("GET", f"/api/auth/oidc/three/start?tenant={hall.tenant}")).status == 404
    assert (await person.me())["roles"] == [TENANT_ADMIN], "sessions go on"
    (only,) = (await person.call("GET", "/api/auth/identities")).body["items"]
    assert (only["name"], only["issuer"]) == (None, hall.issuers["three"].url)
    assert (await call(hall, "GET", f"{ISSUERS}/three")).status == 404
    log = (await call(hall, "GET", "/api/audit?limit=50")).body["items"]
    assert {"login_issuer.added", "login_issuer.removed"} <= {one["type"] for one in log}
    assert SECRET not in str(log)


async def test_OA_19_the_secret_is_sealed_and_stands_in_no_answer_and_another_one_counts_at_once(hall: Hall) -> None:
    far = hall.issuers["three"]
    made = await added(hall, clientSecret=SECRET)
    listed = await call(hall, "GET", ISSUERS)
    changed = await call(hall, "PATCH", f"{ISSUERS}/three", {"clientSecret": "other-" + SECRET, "label": "Drei"})
    assert (changed.body["label"], changed.body["hasSecret"]) == ("Drei", True)
    assert SECRET not in str([made.body, listed.body, changed.body])
    async with hall.running.platform.system.tx() as tx:
        (row,) = await tx.fetch_sql("select secret_sealed from login_issuers")
    assert SECRET.encode() not in row["secret_sealed"]
    asked = await Person(hall).start("three", tenant=hall.tenant)
    assert "client_secret" not in asked
    far.said = ""
    await hall.member("sealed@example.com", "sealed", "three")
    assert far.said == "Basic " + _basic("other-" + SECRET)
    await vault.rotate(hall.running.platform.system, data=True)
    async with hall.running.platform.system.tx() as tx:
        (later,) = await tx.fetch_sql("select secret_sealed from login_issuers")
    assert later["secret_sealed"] != row["secret_sealed"]
    asked_again = Person(hall)
    asked = await asked_again.start("three", tenant=hall.tenant)
    far.claims = {"sub": "sealed"}
    assert (await asked_again.back("three", asked)).status == 303
    gone = await call(hall, "PATCH", f"{ISSUERS}/three", {"clientSecret": None})
    assert gone.body["hasSecret"] is False


def _basic(secret: str) -> str:
    return b64encode(f"{CLIENT}:{quote(secret, safe='')}".encode()).decode()


async def test_those_of_the_environment_are_shown_and_stay_as_they_are(hall: Hall) -> None:
    found = {one["name"]: one for one in (await call(hall, "GET", ISSUERS)).body["items"]}
    assert {name: one["readOnly"] for name, one in found.items()} == {"one": True, "two": True}
    assert found["two"]["hasSecret"] is True
    assert "canary" not in str(found)
    assert (await call(hall, "GET", f"{ISSUERS}/one")).body["issuer"] == hall.issuers["one"].url
    for method, body in (("PATCH", {"label": "x"}), ("DELETE", None)):
        refused = await call(hall, method, f"{ISSUERS}/one", body)
        assert (refused.status, refused.body["error"]["code"]) == (409, "LOGIN_ISSUER_READ_ONLY")
    for about in ({"name": "one"}, {"issuer": hall.issuers["two"].url}):
        refused = await added(hall, **about)
        assert (refused.status, refused.body["error"]["code"]) == (409, "LOGIN_ISSUER_TAKEN")
    assert (await call(hall, "POST", f"{ISSUERS}/one/test")).body["success"] is True


async def test_nobody_can_stand_in_for_an_issuer(hall: Hall) -> None:
    """Its addresses are what it says itself, and a second one of the same issuer cannot be."""
    assert (await added(hall)).status == 201
    again = await added(hall, name="again")
    assert (again.status, again.body["error"]["code"]) == (409, "LOGIN_ISSUER_TAKEN")
    for name, value in (("issuer", "https://evil.example"), ("jwksUrl", "https://evil.example/keys")):
        refused = await call(hall, "PATCH", f"{ISSUERS}/three", {name: value})
        assert refused.body["error"]["details"]["fields"][0]["path"] == name


async def test_a_change_that_changes_nothing_is_none_and_nothing_that_is_needed_can_be_taken_away(hall: Hall) -> None:
    made = (await added(hall, label="Three")).body
    for body in ({}, {"label": "Three", "clientId": CLIENT, "algorithms": ["RS256"]}):
        assert (await call(hall, "PATCH", f"{ISSUERS}/three", body)).body == made
    for field in ("clientId", "algorithms"):
        refused = await call(hall, "PATCH", f"{ISSUERS}/three", {field: None})
        assert [one["path"] for one in refused.body["error"]["details"]["fields"]] == [field]
    log = (await call(hall, "GET", "/api/audit?type=login_issuer.changed")).body["items"]
    assert not [one for one in log if one["after"]["label"] == "Three" and one["at"] >= made["createdAt"]]


@pytest.mark.parametrize(
    ("about", "field"),
    [
        ({"name": "Not Plain"}, "name"),
        ({"name": "_three"}, "name"),
        ({"issuer": "http://sign-in.example"}, "issuer"),
        ({"issuer": "https://user@sign-in.example"}, "issuer"),
        ({"issuer": "javascript:alert(1)"}, "issuer"),
        ({"algorithms": ["HS256"]}, "algorithms"),
        ({"algorithms": ["RS256", "ES256"]}, "algorithms"),
        ({"algorithms": ["none"]}, "algorithms"),
        ({"algorithms": []}, "algorithms"),
        ({"label": "two\nlines"}, "label"),
        ({"clientId": "a\tb"}, "clientId"),
        ({"clientSecret": ""}, "clientSecret"),
    ],
)
async def test_what_cannot_be_meant_is_refused_by_its_field(hall: Hall, about: dict[str, Any], field: str) -> None:
    refused = await added(hall, **about)
    assert (refused.status, refused.body["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert [one["path"] for one in refused.body["error"]["details"]["fields"]] == [field]


@pytest.mark.parametrize("inside", ["https://10.0.0.1", "https://169.254.169.254", "https://[::1]:1"])
async def test_an_issuer_inside_our_own_network_is_not_asked(hall: Hall, inside: str) -> None:
    logins = hall.running.platform.engine.part(access.Logins)
    logins.tighten(())
    try:
        assert (await added(hall, issuer=inside)).status == 201
        tried = (await call(hall, "POST", f"{ISSUERS}/three/test")).body
        assert tried["success"] is False
        assert "cannot be fetched" in tried["problem"]
        start = await Person(hall).call("GET", f"/api/auth/oidc/three/start?tenant={hall.tenant}")
        assert (start.status, start.body["error"]["code"]) == (503, "SERVICE_UNAVAILABLE")
    finally:
        logins.tighten(("127.0.0.0/8",))


async def test_a_description_of_another_issuer_is_told_by_the_test(hall: Hall) -> None:
    far = hall.issuers["three"]
    assert (await added(hall, issuer=far.url + "/")).status == 201
    tried = (await call(hall, "POST", f"{ISSUERS}/three/test")).body
    assert (tried["success"], tried["jwksUri"]) == (False, None)
    assert "another issuer's" in tried["problem"]


async def test_only_super_admins_see_and_change_them(hall: Hall) -> None:
    for method, path, body in (
        ("GET", ISSUERS, None),
        ("POST", ISSUERS, {"name": "x", "issuer": "https://x.example", "clientId": "c"}),
        ("GET", f"{ISSUERS}/one", None),
        ("DELETE", f"{ISSUERS}/one", None),
    ):
        refused = await call(hall, method, path, body, tenant=hall.tenant)
        assert (refused.status, refused.body["error"]["code"]) == (403, "PERMISSION_DENIED")


async def test_RL_05_so_many_issuers_are_added_and_no_more_also_at_the_same_moment(hall: Hall) -> None:
    names = [f"far{number}" for number in range(MOST + 3)]
    try:
        answers = await asyncio.gather(*(added(hall, name=name, issuer=f"https://{name}.example") for name in names))
        assert sorted(one.status for one in answers) == [201] * MOST + [409] * 3
        assert {one.body["error"]["code"] for one in answers if one.status == 409} == {"TOO_MANY_LOGIN_ISSUERS"}
    finally:
        for name in names:
            await call(hall, "DELETE", f"{ISSUERS}/{name}")
    assert (await added(hall)).status == 201
