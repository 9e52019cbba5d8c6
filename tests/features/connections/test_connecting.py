"""Connect sessions: a front end connects one integration by a token, once, from one origin, without a login."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from tests.given.connections import RETURN, Side, World, query, world

from isthmus.engine.db import Database
from isthmus.features.connections.feature import FEATURE
from isthmus.features.connections.service import connecting

HOME, SESSIONS, CONNECT = "/api/tenant/integrations", "/api/connect-sessions", "/api/connect"
ORIGIN = "https://app.example.com"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened(database: Database) -> AsyncIterator[World]:
    async with world(database) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def here(opened: World) -> World:
    await opened.clear()
    opened.far.keys = {"good": "acc_1"}
    return opened


def refused(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def reason(answer: httpx2.Response) -> str:
    assert refused(answer) == (401, "CONNECT_SESSION_INVALID"), answer.text
    return str(answer.json()["error"]["details"]["reason"])


def page(here: World, origin: str = ORIGIN) -> Side:
    """A page of the tenant's own front end: nobody is signed in to us."""
    side = here.side()
    side.headers["origin"] = origin
    return side


async def make(here: World, provider: str = "keys", **more: Any) -> dict[str, Any]:
    side = here.side("ten_a")
    made = await side("POST", HOME, {"integrationId": provider, "name": f"For {provider}"})
    body = {"integrationId": made.json()["id"], "origin": ORIGIN, **more}
    answer = await side("POST", SESSIONS, body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def test_keys_connect_once_and_wrong_ones_may_be_corrected(here: World) -> None:
    made, front = await make(here), page(here)
    token = {"token": made["token"]}
    offer = (await front("POST", f"{CONNECT}/session", token)).json()
    assert (offer["name"], offer["authType"]) == ("For keys", "api_key")
    assert [(one["name"], one["secret"]) for one in offer["fields"]] == [("api_key", True)]
    wrong = await front("POST", f"{CONNECT}/start", {**token, "apiKey": "canary-bad"})
    assert refused(wrong) == (400, "INVALID_CREDENTIALS")
    assert "canary-bad" not in wrong.text
    right = (await front("POST", f"{CONNECT}/start", {**token, "apiKey": "good"})).json()
    assert right["status"] == "connected"
    assert reason(await front("POST", f"{CONNECT}/start", {**token, "apiKey": "good"})) == "used"
    seen = (await here.side("ten_a")("GET", f"{SESSIONS}/{made['id']}")).json()
    assert (seen["status"], seen["connectionId"]) == ("used", right["connectionId"])
    assert "token" not in seen
    shown = (await here.side("ten_a")("GET", f"{HOME}/{made['integrationId']}")).json()
    assert (shown["status"], shown["connectionId"]) == ("connected", right["connectionId"])


async def test_a_consent_ends_with_the_ticket_that_only_the_token_redeems(here: World) -> None:
    made, front = await make(here, "rotor", returnUrl=RETURN), page(here)
    token = {"token": made["token"]}
    begun = (await front("POST", f"{CONNECT}/start", token)).json()
    assert begun["status"] == "pending"
    assert (await front.go(begun["authorizationUrl"])).status_code == 303
    back = query(await front.go(here.back("rotor", begun, "shop")))
    assert back["status"] == "pending"
    stolen = await make_again(here, made["integrationId"])
    taken = await page(here)("POST", f"{CONNECT}/finish", {"token": stolen["token"], "ticket": "x" * 20})
    assert refused(taken) == (404, "TICKET_NOT_FOUND")
    done = await front("POST", f"{CONNECT}/finish", {**token, "ticket": back["ticket"]})
    assert done.json() == {"status": "connected", "connectionId": begun["connectionId"]}
    assert reason(await front("POST", f"{CONNECT}/start", token)) == "used"


async def make_again(here: World, integration: str) -> dict[str, Any]:
    answer = await here.side("ten_a")("POST", SESSIONS, {"integrationId": integration, "origin": ORIGIN})
    return dict(answer.json())


async def test_a_consent_that_ends_in_its_own_browser_uses_the_session_up(here: World) -> None:
    made, front = await make(here, "rotor"), page(here)
    begun = (await front("POST", f"{CONNECT}/start", {"token": made["token"]})).json()
    _, listener = FEATURE.listens["connections.connect_sessions"]
    async with here.system.tx() as tx:
        await listener(tx, {"tenant_id": "ten_a", "subject": begun["connectionId"]})
    assert (await here.side("ten_a")("GET", f"{SESSIONS}/{made['id']}")).json()["status"] == "used"


async def test_the_token_is_bound_to_its_origin_and_opens_nothing_else(here: World) -> None:
    made = await make(here)
    body = {"token": made["token"], "apiKey": "good"}
    for origin in ("https://evil.example.com", "null", ""):
        side = page(here, origin) if origin else here.side()
        assert refused(await side("POST", f"{CONNECT}/start", body)) == (403, "CONNECT_ORIGIN_REFUSED")
    bearer = here.side()
    bearer.headers["authorization"] = f"Bearer {made['token']}"
    assert refused(await bearer("GET", HOME)) == (401, "UNAUTHORIZED")
    assert reason(await page(here)("POST", f"{CONNECT}/start", {**body, "token": "ics_no"})) == "unknown"


async def test_a_revoked_or_old_or_overused_session_says_so(here: World) -> None:
    side, front = here.side("ten_a"), page(here)
    revoked = await make(here)
    assert (await side("POST", f"{SESSIONS}/{revoked['id']}/revoke")).json()["status"] == "revoked"
    assert reason(await front("POST", f"{CONNECT}/session", {"token": revoked["token"]})) == "revoked"
    tried = await make_again(here, revoked["integrationId"])
    for _ in range(5):
        wrong = await front("POST", f"{CONNECT}/start", {"token": tried["token"], "apiKey": "bad"})
        assert refused(wrong) == (400, "INVALID_CREDENTIALS")
    right = await front("POST", f"{CONNECT}/start", {"token": tried["token"], "apiKey": "good"})
    assert reason(right) == "exhausted"
    old = await make_again(here, revoked["integrationId"])
    here.clock.advance(15 * 60)
    assert reason(await front("POST", f"{CONNECT}/session", {"token": old["token"]})) == "expired"
    assert (await here.side("ten_a")("GET", f"{SESSIONS}/{old['id']}")).json()["status"] == "expired"
    here.clock.advance(86_400)
    await connecting.sweep(here.system)
    assert (await here.side("ten_a")("GET", SESSIONS)).json()["items"] == []


async def test_what_cannot_be_meant_is_refused_at_the_start(here: World) -> None:
    side = here.side("ten_a")
    made = (await side("POST", HOME, {"integrationId": "keys", "name": "One"})).json()

    async def fields(**body: Any) -> set[str]:
        answer = await side("POST", SESSIONS, {"integrationId": made["id"], "origin": ORIGIN, **body})
        assert refused(answer) == (400, "VALIDATION_ERROR"), answer.text
        return {one["path"] for one in answer.json()["error"]["details"]["fields"]}

    assert await fields(origin="https://evil.example.com") == {"origin"}
    assert await fields(origin="not an origin") == {"origin"}
    assert await fields(returnUrl="https://evil.example.com/x") == {"returnUrl"}
    assert await fields(expiresIn=5) == {"expiresIn"}
    assert await fields(expiresIn=86_400) == {"expiresIn"}
    assert await fields(expiresIn=10**30) == {"expiresIn"}
    unknown = await side("POST", SESSIONS, {"integrationId": "int_no", "origin": ORIGIN})
    assert refused(unknown) == (404, "INTEGRATION_NOT_FOUND")
    low = await here.side("ten_a", role="user")("POST", SESSIONS, {"integrationId": made["id"], "origin": ORIGIN})
    assert refused(low) == (403, "PERMISSION_DENIED")


async def test_TN_01_sessions_of_another_tenant_are_not_there(here: World) -> None:
    made, stranger = await make(here), here.side("ten_b")
    assert refused(await stranger("GET", f"{SESSIONS}/{made['id']}")) == (404, "CONNECT_SESSION_NOT_FOUND")
    assert refused(await stranger("POST", f"{SESSIONS}/{made['id']}/revoke")) == (404, "CONNECT_SESSION_NOT_FOUND")
    foreign = await stranger("POST", SESSIONS, {"integrationId": made["integrationId"], "origin": ORIGIN})
    assert refused(foreign) == (404, "INTEGRATION_NOT_FOUND")


async def test_a_person_makes_sessions_of_people_for_themselves_only(here: World) -> None:
    side = here.side("ten_a")
    own = (await side("POST", HOME, {"integrationId": "keys", "name": "Own", "userScoped": True})).json()
    body = {"integrationId": own["id"], "origin": ORIGIN}
    assert refused(await side("POST", SESSIONS, {**body, "userId": "ann"})) == (403, "USER_SCOPE_DENIED")
    made = (await side("POST", SESSIONS, body)).json()
    right = await page(here)("POST", f"{CONNECT}/start", {"token": made["token"], "apiKey": "good"})
    assert right.json()["status"] == "connected"
    mine = (await side("GET", f"/api/user/integrations/{own['id']}/connection")).json()
    assert mine["connectionId"] == right.json()["connectionId"]


async def test_only_the_routes_of_tokens_answer_pages_of_any_origin(here: World) -> None:
    front = page(here)
    preflight = await front("OPTIONS", f"{CONNECT}/start")
    assert preflight.headers["access-control-allow-origin"] == ORIGIN
    assert "access-control-allow-credentials" not in preflight.headers
    assert "access-control-allow-origin" not in (await front("OPTIONS", SESSIONS)).headers


async def test_a_try_that_is_cut_off_leaves_the_token_usable(here: World) -> None:
    made = await make(here, "rotor", returnUrl=RETURN)
    session = await connecting.session(here.scope("ten_a"), made["id"])
    scope = here.scope("ten_a")

    async def cut(*_: object, **__: object) -> None:
        raise asyncio.CancelledError

    with pytest.MonkeyPatch.context() as patch, pytest.raises(asyncio.CancelledError):
        patch.setattr(connecting, "_connect", cut)
        await connecting.begin(scope, session, None, RETURN)
    seen = await connecting.session(scope, made["id"])
    assert (seen.state, seen.tries) == ("open", 1)


@pytest.mark.parametrize("event", ["member.removed", "member.roles_changed", "api_key.revoked"])
async def test_AK_04_whoever_is_gone_connects_nothing_by_what_they_began(here: World, event: str) -> None:
    session, consent, front = await make(here), await make(here, "rotor", returnUrl=RETURN), page(here)
    begun = (await front("POST", f"{CONNECT}/start", {"token": consent["token"]})).json()
    assert (await front.go(begun["authorizationUrl"])).status_code == 303
    wanted, listener = FEATURE.listens["connections.makers"]
    assert event in wanted
    async with here.system.tx() as tx:
        await tx.execute_sql("update connect_sessions set created_by = $1", _named("gone", event))
        await tx.execute_sql("update oauth_flows set principal_id = $1", _named("gone", event))
        await listener(tx, {"type": event, "tenant_id": "ten_a", "subject": "another"})
        await listener(tx, {"type": event, "tenant_id": "ten_b", "subject": "gone"})
    assert (await front("POST", f"{CONNECT}/session", {"token": session["token"]})).status_code == 200
    async with here.system.tx() as tx:
        await listener(tx, {"type": event, "tenant_id": "ten_a", "subject": "gone"})
    for token in (session["token"], consent["token"]):
        assert reason(await front("POST", f"{CONNECT}/start", {"token": token, "apiKey": "good"})) == "revoked"
    assert (await front.go(here.back("rotor", begun, "shop"))).status_code == 404
    async with here.system.tx() as tx:
        assert (await tx.fetch_sql("select count(*) from connections where status = 'connected'"))[0][0] == 0


def _named(subject: str, event: str) -> str:
    return f"{'key' if event.startswith('api_key') else 'user'}:isthmus:{subject}"


async def test_AK_04_nobody_connects_in_the_name_of_a_person_who_was_removed(here: World) -> None:
    made, front = await make(here), page(here)
    _, listener = FEATURE.listens["connections.makers"]
    async with here.system.tx() as tx:
        told = {"kind": "user", "issuer": "isthmus", "subject": "ann", "roles": ["user"]}
        await tx.execute_sql("update connect_sessions set principal = $1", told)
        await listener(tx, {"type": "member.removed", "tenant_id": "ten_a", "subject": "ann"})
    assert reason(await front("POST", f"{CONNECT}/session", {"token": made["token"]})) == "revoked"
