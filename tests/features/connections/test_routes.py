"""Connections over HTTP: the whole life of one, who may see it, and what is never shown."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlencode

import pytest
from starlette.responses import Response
from tests.given import connections as given
from tests.given import vault
from tests.given.connections import World, query

from isthmus.client import InvalidRequest
from isthmus.engine.db import Database
from isthmus.features import catalog, connections
from isthmus.features.connections.feature import FEATURE
from isthmus.features.connections.routes import cookies
from isthmus.kit.secret import Secret

UNKNOWN = "con_00000000000000000000000000"


@pytest.fixture(scope="module")
async def world(database: Database) -> AsyncIterator[World]:
    async with given.world(database, "tiki", "lazada", "shopee", revoke_deadline=given.seconds(0.5)) as made:
        yield made


@pytest.fixture(autouse=True)
async def nothing_left(world: World) -> AsyncIterator[None]:
    """An account belongs to one tenant: each test finds them free."""
    yield
    await world.clear()


async def test_a_shop_is_connected_by_its_platforms_real_handshake(world: World) -> None:
    side = world.side("ten_first")
    started = await world.start(side)
    assert started["status"] == "pending"
    assert started["authorizationUrl"].startswith(f"{given.BASE}/api/integrations/oauth/start?link=")
    back = await side.go(await world.ask(side, started["authorizationUrl"]))
    assert back.headers["location"].startswith(given.RETURN)
    assert query(back) == {"status": "connected", "connectionId": started["id"]}
    shown = (await side("GET", f"/api/connections/{started['id']}")).json()
    assert shown["status"] == "connected"
    assert shown["account"]["name"] == world.sandbox.shops["tiki"].sellers[0].name
    tried = (await side("POST", f"/api/connections/{started['id']}/test")).json()
    assert tried["success"] is True
    assert tried["details"]["accountId"] == shown["account"]["id"]
    assert tried["responseTime"] >= 0


@pytest.mark.parametrize("provider", ["tiki", "lazada", "shopee"])
async def test_each_platforms_shop_is_connected_tried_and_disconnected(world: World, provider: str) -> None:
    made = await world.connected(f"ten_{provider}", provider)
    side = world.side(f"ten_{provider}")
    assert (await side("POST", f"/api/connections/{made}/test")).json()["success"] is True
    assert (await side("DELETE", f"/api/connections/{made}")).status_code == 204


async def test_a_connection_without_credentials_says_so_when_it_is_tried(world: World) -> None:
    side = world.side("ten_waiting")
    started = await world.start(side, "rotor")
    tried = (await side("POST", f"/api/connections/{started['id']}/test")).json()
    assert (tried["success"], tried["error"]) == (False, "connection_pending")


async def test_a_connection_that_never_got_credentials_is_swept_after_a_day(world: World) -> None:
    side = world.side("ten_swept")
    started = await world.start(side, "rotor")
    kept = await world.rotor("ten_swept", "a")
    sweep = FEATURE.periodic["connections.sweep"][1]
    world.clock.advance(23 * 3600)
    await sweep(world.system)
    side = world.side("ten_swept")
    assert (await side("GET", "/api/connections")).json()["total"] == 2
    world.clock.advance(2 * 3600)
    await sweep(world.system)
    side = world.side("ten_swept")
    assert [one["id"] for one in (await side("GET", "/api/connections")).json()["items"]] == [kept]
    (gone,) = await world.events("ten_swept", "connection.disconnected")
    assert gone["subject"] == started["id"]


async def test_a_session_calls_the_platform_as_the_connected_shop(world: World) -> None:
    made = await world.connected("ten_session")
    async with connections.session(world.scope("ten_session"), made) as session:
        answer = await session.client.get("/integration/v2/sellers/me")
    assert answer.status == 200


async def test_PL_03_a_session_sends_nothing_to_other_hosts(world: World) -> None:
    made = await world.rotor("ten_hosts", "a")
    async with connections.session(world.scope("ten_hosts"), made) as session:
        with pytest.raises(InvalidRequest):
            await session.client.get("https://evil.example/me")
        with pytest.raises(InvalidRequest):
            await session.client.get(f"{world.far.url.replace('127.0.0.1', 'localhost')}/me")


async def test_a_list_is_narrowed_sorted_and_paged(world: World) -> None:
    for account in ("a", "b", "c"):
        await world.rotor("ten_list", account)
    side = world.side("ten_list", role="user")
    page = (await side("GET", "/api/connections?limit=2&sortBy=name&sortOrder=asc")).json()
    assert [one["name"] for one in page["items"]] == ["Shop a", "Shop b"]
    assert (page["total"], page["hasMore"], page["nextOffset"]) == (3, True, 2)
    found = (await side("GET", "/api/connections?search=shop%20C&status=connected&provider=rotor")).json()
    assert [one["name"] for one in found["items"]] == ["Shop c"]
    assert (await side("GET", "/api/connections?status=odd")).status_code == 400
    assert (await side("GET", "/api/connections?limit=101")).status_code == 400


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/api/connections/{id}", None),
        ("DELETE", "/api/connections/{id}", None),
        ("POST", "/api/connections/{id}/test", None),
        ("POST", "/api/connections/{id}/reconnect", {}),
        ("POST", "/api/tenant/integrations/{integration}/connect/oauth", {"returnUrl": given.RETURN}),
    ],
)
async def test_TN_01_a_foreign_id_answers_as_one_that_never_was(
    world: World, method: str, path: str, body: dict[str, str] | None
) -> None:
    made = await world.rotor("ten_mine", "a")
    mine = (await world.side("ten_mine")("GET", f"/api/connections/{made}")).json()
    other = world.side("ten_other")
    foreign = await other(method, path.format(id=made, integration=mine["integrationId"]), body)
    unknown = await other(method, path.format(id=UNKNOWN, integration=UNKNOWN.replace("con", "int")), body)
    assert foreign.status_code == unknown.status_code == 404
    assert foreign.json()["error"]["code"] == unknown.json()["error"]["code"]
    assert foreign.json()["error"]["message"] == unknown.json()["error"]["message"]
    reader = world.side("ten_mine", role="user")
    if method != "GET":
        assert (await reader(method, path.format(id=made, integration=mine["integrationId"]), body)).status_code == 403
    assert (await world.side()(method, path.format(id=made, integration="x"), body)).status_code == 401
    assert (await world.side("ten_mine")("GET", f"/api/connections/{made}")).json()["status"] == "connected"


async def test_TN_01_a_list_shows_ones_own_only(world: World) -> None:
    await world.rotor("ten_mine", "a")
    assert (await world.side("ten_other")("GET", "/api/connections?search=Shop")).json()["items"] == []


async def test_OA_14_the_same_account_again_renews_what_is_there(world: World) -> None:
    made = await world.rotor("ten_same", "a")
    again = await world.rotor("ten_same", "a")
    assert again == made
    assert (await world.side("ten_same")("GET", "/api/connections")).json()["total"] == 1


async def test_OA_14_another_tenants_account_waits_and_its_owner_is_told(world: World) -> None:
    made = await world.rotor("ten_owner", "a")
    side = world.side("ten_new")
    started = await world.start(side, "rotor")
    await side.go(started["authorizationUrl"])
    answer = await side.go(world.back("rotor", started, "a"))
    assert query(answer) == {"status": "failed", "error": "needs_review"}
    shown = (await side("GET", f"/api/connections/{started['id']}")).json()
    assert (shown["status"], shown["account"], shown["statusReason"]) == ("pending", None, "needs_review")
    told = await world.events("ten_owner", "connection.claimed_elsewhere")
    assert [event["subject"] for event in told] == [made]
    assert "ten_new" not in str(told)
    async with connections.session(world.scope("ten_owner"), made) as session:
        assert (await session.client.get("/me")).status == 200


async def test_OA_14_of_two_tenants_at_the_same_moment_one_gets_the_account(world: World) -> None:
    sides = []
    for number in range(4):
        side = world.side(f"ten_race{number}")
        started = await world.start(side, "rotor")
        await side.go(started["authorizationUrl"])
        sides.append((side, world.back("rotor", started, "raced")))
    answers = await asyncio.gather(*[side.go(back) for side, back in sides])
    assert sorted(query(answer)["status"] for answer in answers) == ["connected", "failed", "failed", "failed"]


async def test_OA_14_tenants_that_want_the_same_shops_in_another_order_do_not_block_each_other(world: World) -> None:
    backs = []
    for number in range(6):
        side = world.side(f"ten_ring{number}")
        started = await world.start(side, "rotor")
        await side.go(started["authorizationUrl"])
        backs.append((side, world.back("rotor", started, "one two" if number % 2 else "two one")))
    answers = [query(answer)["status"] for answer in await asyncio.gather(*[side.go(back) for side, back in backs])]
    assert sorted(answers) == ["connected", *["failed"] * 5]


async def test_OA_14_two_consents_of_one_tenant_at_the_same_moment_make_one_connection(world: World) -> None:
    side = world.side("ten_twice")
    backs = []
    for _ in range(3):
        started = await world.start(side, "rotor")
        await side.go(started["authorizationUrl"])
        backs.append(world.back("rotor", started, "same"))
    answers = await asyncio.gather(*[side.go(back) for back in backs])
    assert len({query(answer)["connectionId"] for answer in answers}) == 1
    assert (await side("GET", "/api/connections")).json()["total"] == 1


async def test_OA_14_a_reconnection_takes_its_own_account_only(world: World) -> None:
    made = await world.rotor("ten_again", "a")
    side = world.side("ten_again")
    for code, expected in (("b", {"status": "failed", "error": "wrong_account"}), ("a", None)):
        started = (await side("POST", f"/api/connections/{made}/reconnect", {"returnUrl": given.RETURN})).json()
        assert started["id"] == made
        await side.go(started["authorizationUrl"])
        answer = query(await side.go(world.back("rotor", started, code)))
        assert answer == (expected or {"status": "connected", "connectionId": made})
    failed = await world.events("ten_again", "connection.consent_failed")
    assert failed[-1]["body"]["reason"] == "expected a, got b"


async def test_an_integration_that_exists_is_connected_by_the_same_service(world: World) -> None:
    made = await world.rotor("ten_old", "a")
    side = world.side("ten_old")
    integration = (await side("GET", f"/api/connections/{made}")).json()["integrationId"]
    for _ in range(2):
        path = f"/api/tenant/integrations/{integration}/connect/oauth"
        answer = await side("POST", path, {"returnUrl": given.RETURN})
        assert answer.json().keys() == {"authorizationUrl", "state"}
        await side.go(answer.json()["authorizationUrl"])
        done = query(await side.go(world.back("rotor", answer.json(), "a")))
        assert done["status"] == "connected"
        await side("DELETE", f"/api/connections/{done['connectionId']}")


@pytest.mark.parametrize(("mode", "told"), [("ok", "revoked"), ("broken", "failed"), ("hang", "failed")])
async def test_OA_16_disconnecting_destroys_our_copy_whatever_the_platform_says(
    world: World, mode: str, told: str
) -> None:
    made = await world.rotor("ten_end", "a")
    world.far.revoke_mode = mode
    side = world.side("ten_end")
    assert (await side("DELETE", f"/api/connections/{made}")).status_code == 204
    assert (await side("GET", f"/api/connections/{made}")).status_code == 404
    async with world.system.tx() as tx:
        assert await tx.fetch_sql("select id from connections where tenant_id = 'ten_end'") == []
    ended = await world.events("ten_end", "connection.disconnected")
    assert ended[-1]["body"]["revoked"] == told
    assert world.far.counts["revoke"] == 1


async def test_keys_are_tried_before_they_are_stored(world: World) -> None:
    side = world.side("ten_keys")
    wrong = await side("POST", "/api/connections", {"provider": "keys", "apiKey": "canary-wrong"})
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (400, "INVALID_CREDENTIALS")
    assert "canary" not in wrong.text
    assert (await side("GET", "/api/connections")).json()["total"] == 0
    world.far.keys["canary-key"] = "acct"
    made = await side("POST", "/api/connections", {"provider": "keys", "apiKey": "canary-key", "name": "Mine"})
    assert made.status_code == 201
    assert made.json()["status"] == "connected"
    assert "authorizationUrl" not in made.json()
    tried = (await side("POST", f"/api/connections/{made.json()['id']}/test")).json()
    assert tried["success"]
    again = await side("POST", "/api/connections", {"provider": "keys", "apiKey": "canary-key"})
    assert again.status_code == 409
    assert again.json()["error"]["details"]["connectionId"] == made.json()["id"]


async def test_new_keys_must_belong_to_the_same_account(world: World) -> None:
    side = world.side("ten_rekey")
    world.far.keys |= {"k1": "one", "k2": "one", "k3": "three"}
    made = (await side("POST", "/api/connections", {"provider": "keys", "apiKey": "k1"})).json()["id"]
    other = await side("POST", f"/api/connections/{made}/reconnect", {"apiKey": "k3"})
    assert (other.status_code, other.json()["error"]["details"]) == (409, {"expected": "one", "given": "three"})
    assert (await side("POST", f"/api/connections/{made}/reconnect", {"apiKey": "k2"})).status_code == 200
    del world.far.keys["k1"]
    assert (await side("POST", f"/api/connections/{made}/test")).json()["success"] is True


@pytest.mark.parametrize(
    "body",
    [
        {"provider": "keys"},
        {"provider": "keys", "username": "u", "password": "p"},
        {"provider": "keys", "apiKey": "k", "returnUrl": given.RETURN},
        {"provider": "rotor", "apiKey": "k"},
        {"provider": "rotor", "settings": {"baseUrl": "https://evil.example"}},
        {"provider": "rotor", "baseUrl": "https://evil.example"},
        {"provider": "rotor", "name": " "},
        {},
    ],
)
async def test_VA_02_what_a_provider_does_not_take_is_refused(world: World, body: dict[str, object]) -> None:
    answer = await world.side("ten_wrong")("POST", "/api/connections", body)
    assert answer.status_code == 400


async def test_an_unknown_provider_is_named_so(world: World) -> None:
    answer = await world.side("ten_wrong")("POST", "/api/connections", {"provider": "nowhere"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "PROVIDER_NOT_FOUND")


async def test_VA_01_changed_hosts_clear_the_credentials(world: World) -> None:
    made = await world.connected("ten_moved")
    shop = world.sandbox.shops["tiki"]
    own = {name: Secret(value) for name, value in shop.apps[0].credentials.items()}
    hosts = {name: shop.hosts[name] for name in ("api", "auth", "consent")}
    moved = hosts | {"api": "http://127.0.0.1:9"}
    operator = vault.platform(world.system)
    await catalog.set_app(operator, "tiki", credentials=own, hosts=moved)
    with pytest.raises(connections.ConnectionPending):
        async with connections.session(world.scope("ten_moved"), made):
            pass
    shown = (await world.side("ten_moved")("GET", f"/api/connections/{made}")).json()
    assert shown["status"] == "pending"
    assert len(await world.events("ten_moved", "connection.cleared")) == 1
    async with world.system.tx() as tx:
        (row,) = await tx.fetch_sql("select access_token, refresh_token from connections where id = $1", made)
    assert (row["access_token"], row["refresh_token"]) == (None, None)
    await catalog.set_app(operator, "tiki", credentials=own, hosts=hosts)


async def test_LO_03_no_secret_is_in_the_database_the_log_or_an_answer(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    side = world.side("ten_canary")
    world.far.keys["canary-key"] = "acct"
    answers = [await side("POST", "/api/connections", {"provider": "keys", "apiKey": "canary-key"})]
    started = await world.start(side, "rotor")
    await side.go(started["authorizationUrl"])
    link = started["authorizationUrl"].split("link=")[1]
    held = [cookie.value or "" for cookie in side.http.cookies.jar]
    back = world.back("rotor", started, "canary-code")
    answers += [await side.go(back), await side("GET", "/api/connections")]
    answers += [await side("POST", f"/api/connections/{started['id']}/test")]
    shown = " ".join(answer.text + str(answer.headers) for answer in answers)
    async with world.system.tx() as tx:
        names = ("connections", "integrations", "oauth_flows", "events", "account_claims")
        rows = [await tx.fetch_sql(f"select to_jsonb(t)::text as row from {name} t") for name in names]  # noqa: S608
    stored = " ".join(row["row"] for table in rows for row in table)
    logged = " ".join(str(vars(record)) for record in caplog.records if record.name.startswith("isthmus"))
    assert "/api/connections" in logged
    for text in (shown, stored, logged):
        for secret in ("canary-key", "canary-access", "canary-refresh", started["state"], link, *held):
            assert secret
            assert secret not in text
            assert secret.encode().hex() not in text


async def test_an_integration_is_connected_by_its_keys_shown_tried_and_disconnected(world: World) -> None:
    side = world.side("ten_002")
    world.far.keys |= {"k1": "one", "k2": "one"}
    first = (await side("POST", "/api/connections", {"provider": "keys", "apiKey": "k1"})).json()
    path = f"/api/tenant/integrations/{first['integrationId']}"
    again = (await side("POST", f"{path}/connect/api-key", {"apiKey": "k2", "displayName": "Second"})).json()
    assert (again["connectionId"], again["status"]) == (first["id"], "active")
    custom = await side("POST", f"{path}/connect/custom", {"credentials": {"api_key": "k1"}})
    assert custom.json()["connectionId"] == first["id"]
    basic = await side("POST", f"{path}/connect/basic", {"username": "u", "password": "p"})
    assert (basic.status_code, basic.json()["error"]["code"]) == (400, "WRONG_CREDENTIAL_KIND")
    assert (await side("POST", f"{path}/connection/test")).json()["success"] is True
    state = (await side("GET", f"{path}/connection")).json()
    assert (state["status"], "lastValidatedAt" in state) == ("active", True)
    assert (await side("GET", f"/api/connections/{first['id']}")).json()["name"] == "Second"
    ended = (await side("POST", f"{path}/disconnect")).json()
    assert (ended["success"], ended["revoked"]) == (True, "nothing_to_revoke")
    assert (await side("GET", f"{path}/connection")).status_code == 404
    back = (await side("POST", f"{path}/connect/api-key", {"apiKey": "k1"})).json()
    shown = (await side("GET", f"/api/connections/{back['connectionId']}")).json()
    assert shown["integrationId"] == first["integrationId"]


async def test_ID_05_a_repeated_start_makes_one_connection_and_does_not_repeat_its_link(world: World) -> None:
    side = world.side("ten_repeat")
    side.headers["idempotency-key"] = "start-1"
    first, second = [await side("POST", "/api/connections", {"provider": "rotor"}) for _ in range(2)]
    assert first.json()["id"] == second.json()["id"]
    assert "authorizationUrl" in first.json()
    assert not second.json().get("authorizationUrl")
    assert not second.headers.get_list("set-cookie")
    del side.headers["idempotency-key"]
    assert (await side("GET", "/api/connections")).json()["total"] == 1


async def test_a_free_integration_is_used_again_and_called_after_its_new_shop(world: World) -> None:
    side = world.side("ten_reuse")
    first = await world.rotor("ten_reuse", "a")
    shown = (await side("GET", f"/api/connections/{first}")).json()
    await side("DELETE", f"/api/connections/{first}")
    second = await world.rotor("ten_reuse", "b")
    again = (await side("GET", f"/api/connections/{second}")).json()
    assert (again["integrationId"], again["name"]) == (shown["integrationId"], "Shop b")


@pytest.mark.parametrize(
    ("path", "issuer", "told"),
    [
        ("", "https://as.example", "connected"),
        ("/none-fixed", "https://as.example", "registration_mismatch"),
        ("", None, "registration_mismatch"),
        ("", "https://evil.example", "registration_mismatch"),
    ],
)
async def test_OA_04_OA_06_a_platform_with_one_fixed_address_and_an_issuer(
    world: World, path: str, issuer: str | None, told: str
) -> None:
    side = world.side("ten_fixed")
    started = await world.start(side, "fixed")
    await side.go(started["authorizationUrl"])
    fields = {"state": started["state"], "code": "a"} | ({"iss": issuer} if issuer else {})
    answer = query(await side.go(f"{given.BASE}/api/integrations/oauth/callback{path}?{urlencode(fields)}"))
    assert told in {answer["status"], answer.get("error")}
    assert world.far.counts["exchange"] == (told == "connected")


def test_over_tls_the_cookie_is_sent_over_tls_only() -> None:
    answer = Response()
    cookies.put(answer, "__Host-isthmus_flow_1", Secret("v"), secure=True)
    assert answer.headers["set-cookie"] == (
        "__Host-isthmus_flow_1=v; Path=/; Max-Age=600; HttpOnly; SameSite=Lax; Secure"
    )
