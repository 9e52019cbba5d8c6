"""Connections of single people (document 002, User-Scoped Connection Endpoints): theirs alone, ended by admins too."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from tests.given.connections import RETURN, Side, World, query, world

from isthmus.engine.db import Database
from isthmus.features import connections
from isthmus.features.connections.feature import FEATURE
from isthmus.features.connections.service import connecting, personal, revoking
from isthmus.features.connections.settings import Settings
from isthmus.kit.permissions import Principal
from isthmus.scope import Scope

HOME, OWN = "/api/tenant/integrations", "/api/user/integrations"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened(database: Database) -> AsyncIterator[World]:
    async with world(database) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def here(opened: World) -> World:
    await opened.clear()
    opened.far.keys = {"ann-key": "acc_ann", "bob-key": "acc_bob"}
    return opened


def refused(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def person(here: World, name: str, role: str = "user", tenant: str = "ten_a") -> Side:
    return here.side(tenant, name, role)


async def make(here: World, provider: str = "keys", **more: Any) -> str:
    body = {"integrationId": provider, "name": "Own", "userScoped": True, **more}
    answer = await person(here, "boss", "tenant_admin")("POST", HOME, body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def connect(here: World, integration: str, name: str) -> str:
    path = f"{OWN}/{integration}/connect/api-key"
    answer = await person(here, name)("POST", path, {"apiKey": f"{name}-key"})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["connectionId"])


async def test_each_person_connects_alone_and_sees_only_their_own(here: World) -> None:
    integration = await make(here)
    ann, bob = person(here, "ann"), person(here, "bob")
    assert (await ann("GET", f"{OWN}/{integration}/connection")).json() == {"connected": False}
    anns, bobs = await connect(here, integration, "ann"), await connect(here, integration, "bob")
    assert anns != bobs
    seen = (await ann("GET", f"{OWN}/{integration}/connection")).json()
    assert (seen["connected"], seen["connectionId"], seen["status"]) == (True, anns, "active")
    assert seen["lastConnectedAt"]
    assert (await ann("POST", f"{OWN}/{integration}/connection/test")).json()["success"] is True
    listed = (await ann("GET", OWN)).json()["integrations"]
    assert [(one["id"], one["connected"]) for one in listed] == [(integration, True)]
    assert (await bob("GET", f"/api/connections/{anns}")).status_code == 404
    assert [one["id"] for one in (await bob("GET", "/api/connections")).json()["items"]] == [bobs]


async def test_the_log_tells_that_there_is_one_and_never_whose_account_it_is(here: World) -> None:
    integration = await make(here)
    anns = await connect(here, integration, "ann")
    ended = await person(here, "ann")("POST", f"{OWN}/{integration}/disconnect")
    assert ended.status_code == 200, ended.text
    async with here.system.tx() as tx:
        rows = await tx.fetch_sql("select type, body, before, after from events where subject = $1 order by id", anns)
    told = {row["type"]: row for row in rows}
    assert told["connection.connected"]["body"] == {"provider": "keys"}
    assert told["connection.disconnected"]["before"] == {"status": "connected"}
    assert "acc_ann" not in str([dict(row) for row in rows])


async def test_OA_17_nobody_else_can_use_it_neither_admins_nor_work_nor_keys(here: World) -> None:
    integration = await make(here)
    anns = await connect(here, integration, "ann")
    boss = person(here, "boss", "tenant_admin")
    for method, path in (
        ("GET", f"/api/connections/{anns}"), ("POST", f"/api/connections/{anns}/test"),
        ("DELETE", f"/api/connections/{anns}"), ("GET", f"/api/connections/{anns}/logs"),
        ("GET", f"/api/connections/{anns}/metrics"),
    ):  # fmt: skip
        assert refused(await boss(method, path)) == (404, "CONNECTION_NOT_FOUND"), path
    assert (await boss("GET", "/api/connections")).json()["total"] == 0
    key = Principal("key", "key_1", "isthmus", "ten_a", permissions=frozenset({"connections:manage"}))
    system = here.system
    scopes = [
        here.person("ten_a", "boss", "tenant_admin"),
        system.scope("ten_a", "sync"),
        Scope("ten_a", key, system.engine, system.clock),
        Scope("ten_a", Principal("user", "ann", "https://elsewhere", "ten_a"), system.engine, system.clock),
    ]
    for scope in scopes:
        with pytest.raises(connections.ConnectionNotFound):
            async with connections.session(scope, anns):
                pytest.fail(f"{scope.principal.id} got in")
        assert await connections.reach(scope) == []
    mine = here.person("ten_a", "ann", "user")
    async with connections.session(mine, anns) as session:
        await session.client.get("/me")
    assert [one.connection_id for one in await connections.reach(mine)] == [anns]


async def test_another_user_id_is_refused_with_403(here: World) -> None:
    integration = await make(here)
    anns = await connect(here, integration, "ann")
    ann = here.person("ten_a", "ann", "user")
    for given in (None, "ann"):
        used = await connections.use(ann, integration, user_id=given)
        assert used.connection is not None
        assert used.connection.id == anns
    for who in (ann, here.person("ten_a", "boss", "tenant_admin")):
        with pytest.raises(connections.UserScopeDenied) as refusal:
            await connections.use(who, integration, user_id="bob")
        assert refusal.value.status == 403
    with pytest.raises(connections.PersonRequired):
        await connections.use(here.system.scope("ten_a", "search"), integration)


async def test_an_admin_sees_that_it_exists_and_may_end_it(here: World) -> None:
    integration = await make(here)
    anns = await connect(here, integration, "ann")
    await connect(here, integration, "bob")
    boss = person(here, "boss", "tenant_admin")
    rows = (await boss("GET", f"{HOME}/{integration}/users")).json()["users"]
    assert [(one["userId"], one["provider"], one["status"]) for one in rows] == [
        ("ann", "keys", "active"),
        ("bob", "keys", "active"),
    ]
    assert set(rows[0]) == {"userId", "provider", "status", "since"}
    ended = await boss("POST", f"{HOME}/{integration}/users/ann/disconnect")
    assert (ended.json()["success"], ended.json()["ended"]) == (True, 1)
    assert (await person(here, "ann")("GET", f"{OWN}/{integration}/connection")).json() == {"connected": False}
    again = await boss("POST", f"{HOME}/{integration}/users/ann/disconnect")
    assert again.json()["ended"] == 0
    assert refused(await person(here, "ann")("GET", f"{HOME}/{integration}/users")) == (403, "PERMISSION_DENIED")
    assert [one["subject"] for one in await here.events("ten_a", "connection.disconnected")][-1] == anns


async def test_each_person_ends_their_own(here: World) -> None:
    integration = await make(here)
    await connect(here, integration, "ann")
    ann = person(here, "ann")
    ended = (await ann("POST", f"{OWN}/{integration}/disconnect")).json()
    assert (ended["success"], ended["revoked"]) == (True, "nothing_to_revoke")
    assert refused(await ann("POST", f"{OWN}/{integration}/disconnect")) == (404, "CONNECTION_NOT_FOUND")
    assert (await person(here, "boss", "tenant_admin")("GET", f"{HOME}/{integration}")).json()["status"] == "connected"


async def test_a_consent_of_ones_own_ends_in_ones_own_connection(here: World) -> None:
    integration = await make(here, "rotor")
    ann, bob = person(here, "ann"), person(here, "bob")
    for side, account in ((ann, "first"), (bob, "second")):
        started = (await side("POST", f"{OWN}/{integration}/connect/oauth", {"returnUrl": RETURN})).json()
        assert (await side.go(started["authorizationUrl"])).status_code == 303
        assert query(await side.go(here.back("rotor", started, account)))["status"] == "connected"
    own = [(await side("GET", f"{OWN}/{integration}/connection")).json() for side in (ann, bob)]
    assert [one["status"] for one in own] == ["active", "active"]
    assert own[0]["connectionId"] != own[1]["connectionId"]


async def test_OA_16_a_platform_that_hangs_is_waited_for_once_when_everybodys_connections_are_removed(
    here: World,
) -> None:
    integration = await make(here, "rotor")
    for name in ("ann", "bob", "cy"):
        side = person(here, name)
        started = (await side("POST", f"{OWN}/{integration}/connect/oauth", {"returnUrl": RETURN})).json()
        await side.go(started["authorizationUrl"])
        assert query(await side.go(here.back("rotor", started, name)))["status"] == "connected"
    parts: Any = here.system.engine.parts
    settings, told = here.system.engine.part(Settings), here.far.counts["revoke"]
    here.far.revoke_mode = "hang"
    try:
        parts[Settings] = replace(settings, revoke_deadline=timedelta(milliseconds=400))
        removed = await person(here, "boss", "tenant_admin")("DELETE", f"{HOME}/{integration}?permanent=true")
    finally:
        parts[Settings] = settings
        here.far.revoke_mode = "ok"
    asked = here.far.counts["revoke"] - told
    assert removed.status_code == 204
    assert asked <= 1
    async with here.system.tx() as tx:
        waiting = [
            row["id"] for row in await tx.fetch_sql("select id from token_revocations where tenant_id = 'ten_a'")
        ]
    assert len(waiting) == 3
    for one in waiting:
        await revoking.try_again(here.system.scope("ten_a", "connections"), one)
    assert here.far.counts["revoke"] - told == asked + 3


async def test_a_consent_given_in_another_browser_is_finished_by_its_own_person_alone(here: World) -> None:
    integration = await make(here, "rotor")
    ann, bob, elsewhere = person(here, "ann"), person(here, "bob"), here.side()
    started = (await ann("POST", f"{OWN}/{integration}/connect/oauth", {"returnUrl": RETURN})).json()
    await elsewhere.go(started["authorizationUrl"])
    ticket = {"ticket": query(await elsewhere.go(here.back("rotor", started, "abroad")))["ticket"]}
    assert refused(await bob("POST", f"{OWN}/flows", ticket)) == (404, "TICKET_NOT_FOUND")
    done = (await ann("POST", f"{OWN}/flows", ticket)).json()
    assert (done["connected"], done["status"]) == (True, "active")
    assert refused(await ann("POST", f"{OWN}/flows", ticket)) == (404, "TICKET_NOT_FOUND")


async def test_the_account_of_one_person_is_not_taken_over_by_another(here: World) -> None:
    integration = await make(here, "rotor")
    ann, bob = person(here, "ann"), person(here, "bob")
    answers = []
    for side in (ann, bob):
        started = (await side("POST", f"{OWN}/{integration}/connect/oauth", {"returnUrl": RETURN})).json()
        await side.go(started["authorizationUrl"])
        answers.append(query(await side.go(here.back("rotor", started, "shared"))))
    assert answers[0]["status"] == "connected"
    assert answers[1] == {"status": "failed", "error": "needs_review"}
    assert (await bob("GET", f"{OWN}/{integration}/connection")).json()["connected"] is False


async def test_keys_of_an_account_that_somebody_else_holds_leave_nothing_behind(here: World) -> None:
    integration = await make(here)
    ann, bob = person(here, "ann"), person(here, "bob")
    assert (await ann("POST", f"{OWN}/{integration}/connect/api-key", {"apiKey": "ann-key"})).status_code == 200
    held = await bob("POST", f"{OWN}/{integration}/connect/api-key", {"apiKey": "ann-key"})
    assert refused(held) == (409, "ALREADY_CONNECTED")
    assert "one owner" in held.json()["error"]["message"]
    assert (await bob("GET", f"{OWN}/{integration}/connection")).json() == {"connected": False}
    assert (await ann("GET", f"{OWN}/{integration}/connection")).json()["connected"] is True


async def test_one_kind_of_integration_is_not_used_as_the_other(here: World) -> None:
    own = await make(here)
    boss, ann = person(here, "boss", "tenant_admin"), person(here, "ann")
    tenants = await boss("POST", HOME, {"integrationId": "keys", "name": "Ours"})
    path = f"{OWN}/{tenants.json()['id']}"
    assert refused(await ann("POST", f"{path}/connect/api-key", {"apiKey": "ann-key"})) == (409, "NOT_USER_SCOPED")
    assert refused(await ann("POST", f"{path}/disconnect")) == (409, "NOT_USER_SCOPED")
    taken = await boss("POST", f"{HOME}/{own}/connect/api-key", {"apiKey": "ann-key"})
    assert refused(taken) == (409, "USER_SCOPED")
    await connect(here, own, "ann")
    turned = await boss("PATCH", f"{HOME}/{own}", {"userScoped": False})
    assert refused(turned) == (409, "INTEGRATION_CONNECTED")


async def test_a_limited_one_is_for_those_it_names(here: World) -> None:
    integration = await make(here, allowedUsers=["ann"])
    await connect(here, integration, "ann")
    path = f"{OWN}/{integration}/connect/api-key"
    assert refused(await person(here, "bob")("POST", path, {"apiKey": "bob-key"})) == (403, "INTEGRATION_LIMITED")
    assert (await person(here, "bob")("GET", OWN)).json()["integrations"] == []
    stranger = person(here, "ann", tenant="ten_b")
    assert refused(await stranger("POST", path, {"apiKey": "ann-key"})) == (404, "INTEGRATION_NOT_FOUND")


async def test_what_is_switched_off_takes_no_connection(here: World) -> None:
    integration = await make(here)
    await person(here, "boss", "tenant_admin")("POST", f"{HOME}/{integration}/deactivate")
    path = f"{OWN}/{integration}/connect/api-key"
    assert refused(await person(here, "ann")("POST", path, {"apiKey": "ann-key"})) == (409, "INTEGRATION_DISABLED")


async def test_when_a_member_is_removed_their_connections_end(here: World) -> None:
    integration = await make(here)
    anns, bobs = await connect(here, integration, "ann"), await connect(here, integration, "bob")
    _, listener = FEATURE.listens["connections.member_removed"]
    async with here.system.tx() as tx:
        await listener(tx, {"tenant_id": "ten_a", "subject": "ann"})
    with pytest.raises(connections.ConnectionExpired):
        async with connections.session(here.person("ten_a", "ann", "user"), anns):
            pytest.fail("it is closed at once")
    async with here.system.tx() as tx:
        wakes = await personal.missing(here.system, tx)
    assert [(one.job, one.key, one.tenant_id) for one in wakes] == [(personal.DEPART, "ann", "ten_a")]
    await FEATURE.jobs[personal.DEPART](here.system.scope("ten_a", "connections"), "ann")
    async with here.system.tx() as tx:
        assert await personal.missing(here.system, tx) == []
    assert (await person(here, "bob")("GET", f"/api/connections/{bobs}")).status_code == 200
    assert (await person(here, "ann")("GET", f"/api/connections/{anns}")).status_code == 404


async def _removed(here: World, name: str) -> None:
    """A member is removed, and the room has heard of it; its job has not run yet."""
    async with here.system.tx() as tx:
        for kinds, listener in FEATURE.listens.values():
            if "member.removed" in kinds:
                await listener(tx, {"type": "member.removed", "tenant_id": "ten_a", "subject": name})


async def test_what_somebody_began_before_they_were_removed_is_finished_by_nobody(here: World) -> None:
    integration = await make(here, "rotor")
    ann, bob, elsewhere = person(here, "ann"), person(here, "bob"), here.side()
    path = f"{OWN}/{integration}/connect/oauth"
    anns = (await ann("POST", path, {"returnUrl": RETURN})).json()
    bobs = (await bob("POST", path, {"returnUrl": RETURN})).json()
    await ann.go(anns["authorizationUrl"])
    await elsewhere.go(bobs["authorizationUrl"])
    held = query(await elsewhere.go(here.back("rotor", bobs, "bobs")))["ticket"]
    await _removed(here, "ann")
    await _removed(here, "bob")
    assert (await ann.go(here.back("rotor", anns, "anns"))).status_code == 404
    assert refused(await bob("POST", f"{OWN}/flows", {"ticket": held})) == (404, "TICKET_NOT_FOUND")
    assert here.far.counts["exchange"] == 0
    async with here.system.tx() as tx:
        rows = await tx.fetch_sql("select status, status_reason from connections where tenant_id = 'ten_a'")
        assert {tuple(row) for row in rows} == {("expired", "the member was removed")}
        assert len(await personal.missing(here.system, tx)) == 2


async def test_a_consent_that_is_being_exchanged_while_its_person_is_removed_connects_nothing(here: World) -> None:
    integration = await make(here, "rotor")
    ann = person(here, "ann")
    begun = (await ann("POST", f"{OWN}/{integration}/connect/oauth", {"returnUrl": RETURN})).json()
    await ann.go(begun["authorizationUrl"])
    here.far.gate = asyncio.Event()
    try:
        late = asyncio.create_task(ann.go(here.back("rotor", begun, "late")))
        async with asyncio.timeout(30):
            while not here.far.counts["exchange"]:  # noqa: ASYNC110 - the far side counts, and rings for nobody
                await asyncio.sleep(0.01)
        await _removed(here, "ann")
    finally:
        here.far.gate.set()
        here.far.gate = None
    assert query(await late)["status"] == "failed"
    async with here.system.tx() as tx:
        assert [wake.key for wake in await personal.missing(here.system, tx)] == ["ann"]


async def test_a_connect_session_in_the_name_of_somebody_who_was_removed_opens_nothing(here: World) -> None:
    integration = await make(here)
    sessions, origin = "/api/connect-sessions", RETURN.rpartition("/")[0]
    key = Principal("key", "key_1", "isthmus", "ten_a", permissions=frozenset({"connections:manage"}))
    scope = Scope("ten_a", key, here.system.engine, here.system.clock)
    made = {
        name: await connecting.create(scope, connecting.Wanted(integration_id=integration, origin=origin, user_id=name))
        for name in ("ann", "bob")
    }
    await _removed(here, "ann")
    front = here.side()
    front.headers["origin"] = origin
    answers = {}
    for name, one in made.items():
        body = {"token": one.token.reveal(), "apiKey": f"{name}-key"}
        answers[name] = await front("POST", "/api/connect/start", body)
    assert refused(answers["ann"]) == (401, "CONNECT_SESSION_INVALID")
    assert answers["bob"].json()["status"] == "connected"
    boss = person(here, "boss", "tenant_admin")
    assert (await boss("GET", f"{sessions}/{made['ann'].session.id}")).json()["status"] == "revoked"
    rows = (await boss("GET", f"{HOME}/{integration}/users")).json()["users"]
    assert [one["userId"] for one in rows] == ["bob"]
