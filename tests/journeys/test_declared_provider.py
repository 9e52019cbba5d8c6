"""A provider that was made by API and by nothing else: connected, tested, read, changed and taken away again."""

import asyncio
import contextlib
import hashlib
import hmac
import json
import socket
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import aiohttp
import pytest
import pytest_asyncio
from tests.given import catalog as given
from tests.given.crm import KEY, SITES, Crm, crm, person
from tests.given.lines import line, who_it_is
from tests.journeys.deployment import Deployment, Merchant, deployment

from isthmus.connect import registry
from isthmus.features import catalog
from isthmus.kit.clock import SYSTEM
from isthmus.kit.permissions import PLATFORM_TENANT, SUPER_ADMIN

AT = "/api/admin/integrations"
PUSHES: dict[str, Any] = {
    "signatures": [
        {
            "where": "header:x-acme-signature",
            "pattern": "^v1=(?P<value>[0-9a-f]{64})$",
            "template": "{timestamp}.{body}",
            "timestamp": "header:x-acme-time",
            "tolerance": 300,
        }
    ],
    "dedupe": ["body:id"],
    "topic": "body:event",
    "account": "body:account",
    "object": "body:person",
    "hints": [{"topic": "person.changed", "event": "person.updated", "entity": "people"}],
    "samples": [{"topic": "person.changed", "body": '{"id":"s","event":"person.changed","account":7,"person":"1"}'}],
    "setup": "Settings, Webhooks.",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def far() -> AsyncIterator[Crm]:
    async with crm() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(
    database_url: str,
    tmp_path_factory: object,
    far: Crm,
) -> AsyncIterator[Deployment]:
    home = Path(str(tmp_path_factory.mktemp("home")))  # type: ignore[attr-defined] # pytest's own factory
    async with deployment(database_url, home, CONNECTIONS__ALLOW_NETWORKS="127.0.0.0/8") as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def operator(running: Deployment, far: Crm) -> Merchant:
    person_ = running.person(PLATFORM_TENANT, [SUPER_ADMIN], "root")
    told = given.document("acme")
    told["availableEntities"][0]["endpoint"] |= {"one": "/people/{id}", "item": "person"}
    told |= {"webhooks": PUSHES, "supportsWebhooks": True}
    made = await person_.call("POST", AT, told | {"hosts": {"api": far.url}})
    assert made.status == 201, made.body
    return person_


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def amy(running: Deployment, operator: Merchant) -> Merchant:
    return await running.merchant("Amy")


async def connected(amy: Merchant) -> str:
    """Her connection, made on the first call."""
    listed = (await amy.call("GET", "/api/connections?provider=acme")).body["items"]
    if listed:
        return str(listed[0]["id"])
    opened = await amy.call("POST", "/api/connections", {"provider": "acme", "apiKey": KEY})
    assert opened.status == 201, opened.body
    return str(opened.body["id"])


async def synced(amy: Merchant, connection: str, mode: str = "incremental") -> None:
    started = await amy.call("POST", "/api/sync", {"connectionId": connection, "mode": mode})
    assert started.status == 202, started.body
    run = await amy.finished(started.body["items"][0]["id"])
    assert run["state"] == "succeeded", run


async def test_a_merchant_finds_it_and_a_wrong_key_is_refused_before_it_is_kept(amy: Merchant) -> None:
    found = (await amy.call("GET", "/api/integrations/acme")).body
    assert found["credentialFields"][0] == {
        "name": "api_key", "label": "API key", "secret": True, "required": True, "help": "", "pattern": "",
    }  # fmt: skip
    wrong = await amy.call("POST", "/api/connections", {"provider": "acme", "apiKey": "wrong"})
    assert (wrong.status, wrong.body["error"]["code"]) == (400, "INVALID_CREDENTIALS")
    assert wrong.body["error"]["details"] == {"platformMessage": "Who are you?"}
    assert wrong.body["error"]["message"].endswith("nothing was stored. The platform answered: Who are you?")
    assert (await amy.call("GET", "/api/connections?provider=acme")).body["items"] == []


async def test_its_account_shows_and_the_connection_is_tested(amy: Merchant) -> None:
    connection = await connected(amy)
    found = (await amy.call("GET", f"/api/connections/{connection}")).body
    assert (found["status"], found["account"]) == ("connected", {"id": "7", "name": "North office", "region": ""})
    trial = (await amy.call("POST", f"/api/connections/{connection}/test")).body
    assert trial["success"] is True, trial


async def test_its_people_are_read_page_by_page_mapped_and_kept(amy: Merchant, far: Crm) -> None:
    connection = await connected(amy)
    await synced(amy, connection)
    rows = await amy.everything("/api/records?entity=people&shardType=contact&", "items")
    assert {row["externalId"]: row["title"] for row in rows} == {
        "1": "ann", "2": "bob", "3": "cy", "4": "dan", "5": "eve",
    }  # fmt: skip
    ann = next(row for row in rows if row["title"] == "ann")
    assert (ann["body"], ann["url"], ann["provider"]) == (
        {"email": "ann@example.com"}, "https://crm.example/1", "acme",
    )  # fmt: skip
    assert ann["sourceUpdatedAt"] == "2026-01-01T00:00:01Z"
    assert far.asked["people"] == 3


async def test_a_second_run_asks_for_changes_and_follows_them(amy: Merchant, far: Crm) -> None:
    connection = await connected(amy)
    await synced(amy, connection)
    far.people |= {1: person(1, "anna"), 2: person(2, "bob", gone=True), 6: person(6, "fay")}
    await synced(amy, connection)
    assert "changed_since" in far.queries[-1]
    rows = await amy.everything("/api/records?entity=people&", "items")
    assert {row["externalId"]: row["title"] for row in rows} == {
        "1": "anna", "3": "cy", "4": "dan", "5": "eve", "6": "fay",
    }  # fmt: skip


async def test_what_a_full_run_no_longer_finds_is_asked_for_and_removed(amy: Merchant, far: Crm) -> None:
    connection = await connected(amy)
    await synced(amy, connection)
    del far.people[5]
    await synced(amy, connection, mode="full")
    async with asyncio.timeout(60):
        while True:
            left = {row["externalId"] for row in await amy.everything("/api/records?entity=people&", "items")}
            if "5" not in left:
                break
            await asyncio.sleep(0.05)
    assert "4" in left


async def test_its_own_search_answers_beside_the_others(amy: Merchant) -> None:
    await connected(amy)
    found = await amy.call("POST", "/api/integrations/search", {"query": "dan"})
    assert found.status == 200, found.body
    row = next(one for one in found.body["results"] if one["provider"] == "acme")
    assert (row["title"], row["entity"], row["externalId"]) == ("dan", "people", "4")


async def _pushed(url: str, secret: str, body: dict[str, object], shift: int = 0) -> int:
    text, at = json.dumps(body).encode(), str(int(SYSTEM.now().timestamp()) + shift)
    digest = hmac.new(secret.encode(), f"{at}.".encode() + text, hashlib.sha256).hexdigest()
    headers = {"x-acme-signature": f"v1={digest}", "x-acme-time": at, "content-type": "application/json"}
    async with aiohttp.ClientSession() as client, client.post(url, data=text, headers=headers) as answer:
        return answer.status


async def test_what_it_pushes_is_believed_by_its_own_scheme_and_read_anew(
    running: Deployment, amy: Merchant, far: Crm
) -> None:
    connection = await connected(amy)
    await synced(amy, connection)
    parts: Any = running.platform.engine.parts
    parts[catalog.Providers] = catalog.Providers(registry.discover())  # another process has not met it yet
    made = await amy.call("POST", "/api/webhooks/sources", {"provider": "acme", "secret": "canary-push-secret"})
    assert (made.status, made.body["setup"]) == (201, "Settings, Webhooks."), made.body
    url, body = made.body["url"], {"id": "d1", "event": "person.changed", "account": 7, "person": "4"}
    far.people[4] = person(4, "danuta")
    assert await _pushed(url, "wrong", body) == 401
    assert await _pushed(url, "canary-push-secret", body, shift=-900) == 401
    assert await _pushed(url, "canary-push-secret", body) == 200
    assert await _pushed(url, "canary-push-secret", body) == 200, "the same again is thanked for and not kept"
    async with asyncio.timeout(60):
        while True:
            rows = await amy.everything("/api/records?entity=people&", "items")
            if "danuta" in {row["title"] for row in rows}:
                break
            await asyncio.sleep(0.05)
    kept = (await amy.call("GET", f"/api/webhooks?sourceId={made.body['id']}")).body["items"]
    assert [(one["topic"], one["connectionId"]) for one in kept] == [("person.changed", connection)]


async def test_a_scheme_that_cannot_be_meant_is_refused_when_the_provider_is_made(operator: Merchant) -> None:
    def wrong(**changes: object) -> dict[str, object]:
        return given.document("mute") | {"webhooks": {**PUSHES, **changes}, "supportsWebhooks": True}

    signature = PUSHES["signatures"][0]
    cases = {
        "webhooks.signatures": wrong(signatures=[]),
        "webhooks.signatures.0.pattern": wrong(signatures=[{**signature, "pattern": "^(?P<value>(?:a+)+)$"}]),
        "webhooks": wrong(topic="cookie:x"),
        "webhooks.hints.0.entity": wrong(hints=[{"topic": "a", "event": "a.b", "entity": "cats"}]),
        "webhooks.secretField": wrong(secretField="no_such_field"),
    }
    for place, told in cases.items():
        answer = await operator.call("POST", AT, told)
        assert answer.status == 400, place
        assert place in {one["path"] for one in answer.body["error"]["details"]["fields"]}, answer.body


async def test_SS_05_a_name_that_changes_its_address_is_judged_at_every_dial(
    operator: Merchant, amy: Merchant, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, dialled = ["127.0.0.1"], Counter[str]()

    async def resolve(_: object, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> object:
        assert family in {socket.AF_INET, socket.AF_UNSPEC}
        found = {"hostname": host, "port": port, "family": socket.AF_INET, "proto": 0, "flags": socket.AI_NUMERICHOST}
        return [found | {"host": one} for one in answers]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        dialled["far"] += 1
        await reader.readuntil(b"\r\n\r\n")
        who_it_is(writer)

    monkeypatch.setattr(aiohttp.ThreadedResolver, "resolve", resolve)
    async with line(operator.call, amy.call, "rebind", serve) as (made, through):
        assert (await amy.call("GET", through)).status == 200
        before, told = dialled["far"], set()
        for bad in (["10.255.255.1"], ["127.0.0.1", "169.254.169.254"], ["1.1.1.1", "::1"], []):
            answers[:] = bad
            for method in ("GET", "DELETE"):
                refused = await amy.call(method, through)
                told.add((refused.status, refused.body["error"]["code"], refused.body["error"]["message"]))
            trial = await amy.call("POST", f"/api/connections/{made['id']}/test")
            assert trial.body["success"] is False
            found = await amy.call("POST", "/api/integrations/search", {"query": "ann"})
            missed = {one["integrationId"]: one["code"] for one in found.body["missed"]}
            assert missed[made["integrationId"]] == "CONNECT_FAILED"
        # SS-09: refused, unresolvable and, at an allowed address, unreachable are one
        answers[:] = ["127.0.0.2"]
        refused = await amy.call("DELETE", through)
        told.add((refused.status, refused.body["error"]["code"], refused.body["error"]["message"]))
        assert [one[:2] for one in told] == [(502, "FAR_SIDE_UNREACHABLE")]
        assert dialled["far"] == before
        answers[:] = ["127.0.0.1"]
        assert (await amy.call("GET", through)).status == 200


async def test_bodies_stream_both_ways_and_a_caller_that_hangs_up_ends_the_far_call(
    operator: Merchant, amy: Merchant
) -> None:
    half, heard, over = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (await reader.readuntil(b"\r\n\r\n")).startswith(b"GET /me"):
            who_it_is(writer)
            return
        assert await reader.readuntil(b"\r\n") == b"5\r\n"
        assert await reader.readexactly(7) == b"first\r\n"
        half.set()
        assert await reader.readexactly(16) == b"6\r\nsecond\r\n0\r\n\r\n"[:16]
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        await heard.wait()
        with contextlib.suppress(ConnectionError):
            await reader.read()
        over.set()
        writer.close()

    async def pieces() -> AsyncIterator[bytes]:
        yield b"first"
        await half.wait()
        yield b"second"

    async with asyncio.timeout(20), line(operator.call, amy.call, "streams", serve) as (_, through):
        url, headers = amy.deployment.address + through, {"authorization": f"Bearer {amy.token}"}
        async with aiohttp.ClientSession() as caller:
            answer = await caller.post(url, data=pieces(), headers=headers)
            assert await answer.content.readany() == b"first"  # while the far side has not ended
            heard.set()
            answer.close()
        await over.wait()


async def test_a_widget_shows_its_records_as_they_are_now(amy: Merchant) -> None:
    connection = await connected(amy)
    integration = (await amy.call("GET", f"/api/connections/{connection}")).body["integrationId"]
    at = f"/api/tenant/integrations/{integration}/widgets/data?entity=people&fields=title&fields=email&limit=2"
    shown = await amy.call("GET", at)
    assert shown.status == 200, shown.body
    assert (shown.body["entity"], len(shown.body["data"])) == ("people", 2)
    assert shown.body["data"][1]["email"] == "bob@example.com"
    wrong = await amy.call("GET", at.replace("fields=email", "fields=nothing"))
    assert (wrong.status, wrong.body["error"]["code"]) == (400, "VALIDATION_ERROR")


async def test_a_consent_works_once_the_app_is_set_by_api(operator: Merchant, amy: Merchant, far: Crm) -> None:
    oauth = {"authorizeUrl": f"{far.url}/authorize", "tokenUrl": f"{far.url}/token", "revokeUrl": f"{far.url}/revoke"}
    service = {
        "attach": [{"place": "header", "name": "Authorization", "value": "Bearer {access_token}"}],
        "verify": {"path": "/me", "account": "account.id", "name": "account.name"},
    }
    told = {"hosts": {"api": far.url}, "authType": "oauth2", "oauthConfig": oauth, "service": service}
    made = await operator.call("POST", AT, given.document("consents") | told)
    assert made.status == 201, made.body
    missing = await amy.call("POST", "/api/connections", {"provider": "consents"})
    assert (missing.status, missing.body["error"]["code"]) == (409, "PROVIDER_APP_MISSING")
    app = {"credentials": {"client_id": "app", "client_secret": "canary-app-secret"}}
    state = await operator.call("PUT", f"{AT}/crm/consents/app", app)
    assert (state.status, state.body["status"]) == (200, "ready")
    opened = await amy.call("POST", "/api/connections", {"provider": "consents"})
    async with amy.browser.get(opened.body["authorizationUrl"], allow_redirects=False) as answer:
        link = dict(parse_qsl(urlsplit(answer.headers["location"]).query))
    back = f"{link['redirect_uri']}?{urlencode({'code': 'x', 'state': link['state']})}"
    async with amy.browser.get(back, allow_redirects=False) as answer:
        assert answer.status == 200, await answer.text()
    found = (await amy.call("GET", f"/api/connections/{opened.body['id']}")).body
    assert (found["status"], found["account"]["name"]) == ("connected", "North office")
    moved = await operator.call("PATCH", f"{AT}/crm/consents", {"hosts": {"api": f"{far.url}/v2"}})
    assert moved.status == 200, moved.body
    assert (await operator.call("GET", f"{AT}/crm/consents/app")).body["status"] == "pending"
    trial = (await amy.call("POST", f"/api/connections/{opened.body['id']}/test")).body
    assert trial["success"] is False


async def test_a_second_way_to_sign_in_is_open_beside_the_keys(operator: Merchant, amy: Merchant, far: Crm) -> None:
    both = {
        "hosts": {"api": far.url},
        "authAlso": ["oauth2"],
        "oauthConfig": {"authorizeUrl": f"{far.url}/authorize", "tokenUrl": f"{far.url}/token", "clientId": "app"},
        "service": {
            "attach": [
                {"place": "header", "name": "Authorization", "value": "Bearer {api_key}"},
                {"place": "header", "name": "Authorization", "value": "Bearer {access_token}"},
            ],
            "verify": {"path": "/me", "account": "account.id", "name": "account.name"},
        },
    }
    made = await operator.call("POST", AT, given.document("both") | both)
    assert (made.status, made.body["authAlso"]) == (201, ["oauth2"]), made.body
    state = await operator.call("PUT", f"{AT}/crm/both/app", {"credentials": {"client_secret": "canary-app-secret"}})
    assert (state.status, state.body["status"]) == (200, "ready"), state.body
    keyed = await amy.call("POST", "/api/connections", {"provider": "both", "apiKey": KEY})
    assert (keyed.status, keyed.body["status"]) == (201, "connected"), keyed.body
    assert (await amy.call("DELETE", f"/api/connections/{keyed.body['id']}")).status in {200, 204}
    use = (await amy.call("POST", "/api/tenant/integrations", {"integrationId": "both", "name": "Both"})).body
    origins = {"origins": ["https://app.example.com"]}
    assert (await amy.call("PUT", "/api/connections/return-origins", origins)).status == 200
    begun = await amy.call(
        "POST", f"/api/tenant/integrations/{use['id']}/connect/oauth", {"returnUrl": "https://app.example.com/done"}
    )
    assert begun.status == 200, begun.body
    async with amy.browser.get(begun.body["authorizationUrl"], allow_redirects=False) as answer:
        link = dict(parse_qsl(urlsplit(answer.headers["location"]).query))
    assert link["client_id"] == "app"
    back = f"{link['redirect_uri']}?{urlencode({'code': 'x', 'state': link['state']})}"
    async with amy.browser.get(back, allow_redirects=False) as answer:
        assert "status=connected" in answer.headers["location"]
    tested = await amy.call("POST", f"/api/tenant/integrations/{use['id']}/connection/test")
    assert (tested.status, tested.body["success"]) == (200, True), tested.body


async def test_the_deployment_has_a_connection_of_its_own_and_tests_with_it(operator: Merchant, amy: Merchant) -> None:
    await operator.call("POST", AT, (await given_twin(operator)))
    reached = (await operator.call("POST", f"{AT}/crm/twin/test")).body
    assert reached["success"] is True, reached
    assert "no connection of its own" in reached["message"]
    refused = await operator.call("POST", f"{AT}/crm/twin/connection", {"apiKey": "wrong"})
    assert refused.body["error"]["code"] == "INVALID_CREDENTIALS"
    made = await operator.call("POST", f"{AT}/crm/twin/connection", {"apiKey": KEY})
    assert made.status == 201, made.body
    again = await operator.call("POST", f"{AT}/crm/twin/connection", {"apiKey": KEY})
    assert again.body["id"] == made.body["id"]
    tested = (await operator.call("POST", f"{AT}/crm/twin/test")).body
    assert (tested["success"], tested["message"]) == (True, "The connection works.")
    assert (await amy.call("GET", "/api/integrations/twin")).status == 404
    used = await operator.call("DELETE", f"{AT}/crm/twin")
    assert (used.status, used.body["error"]["code"]) == (409, "PROVIDER_IN_USE")
    assert [one["tenantId"] for one in used.body["error"]["details"]["integrations"]] == [PLATFORM_TENANT]
    ended = await operator.call("DELETE", f"{AT}/crm/twin/connection")
    assert ended.body["success"] is True
    assert (await operator.call("DELETE", f"{AT}/crm/twin/connection")).status == 404
    assert (await operator.call("GET", "/api/tenant/integrations")).body["integrations"] == []
    # what the deployment began and no connection came of holds nobody either
    assert (await operator.call("PATCH", f"{AT}/crm/twin/audience", {"audience": "tenant"})).status == 200
    begun = await operator.call("POST", "/api/tenant/integrations", {"integrationId": "twin", "name": "Begun"})
    assert begun.status == 201, begun.body
    assert (await operator.call("DELETE", f"{AT}/crm/twin")).status == 204


async def given_twin(operator: Merchant) -> dict[str, object]:
    """The same service as a provider that is the deployment's own."""
    host = (await operator.call("GET", f"{AT}/crm/acme")).body["hosts"]["api"]
    return given.document("twin") | {"hosts": {"api": host}, "audience": "system"}


async def test_SS_01_addresses_given_by_api_reach_no_inner_network(operator: Merchant, amy: Merchant) -> None:
    for host in ("https://10.0.0.1", "https://169.254.169.254"):
        name = "inner_" + host.split(".")[-1]
        made = await operator.call("POST", AT, given.document(name) | {"hosts": {"api": host}})
        assert made.status == 201
        answer = await amy.call("POST", "/api/connections", {"provider": name, "apiKey": "k"})
        assert (answer.status, answer.body["error"]["code"]) == (502, "CONNECTION_FAILED")


async def test_a_premium_provider_asks_for_the_plan_when_connected_and_shows_it_before(
    operator: Merchant, amy: Merchant, far: Crm
) -> None:
    premium = {"hosts": {"api": far.url}, "isPremium": True, "requiredPlan": "pro"}
    assert (await operator.call("POST", AT, given.document("costly") | premium)).status == 201
    shown = (await amy.call("GET", "/api/integrations/costly")).body
    assert (shown["isPremium"], shown["requiredPlan"], shown["included"]) == (True, "pro", False)
    for path, body in (
        ("/api/connections", {"provider": "costly", "apiKey": KEY}),
        ("/api/tenant/integrations", {"integrationId": "costly", "name": "Costly"}),
        ("/api/tenant/integrations/import", {"yaml": "provider: costly\nname: Costly", "dryRun": True}),
    ):
        refused = await amy.call("POST", path, body)
        assert (refused.status, refused.body["error"]["code"]) == (403, "PLAN_REQUIRED"), refused.body
        assert refused.body["error"]["details"]["requiredPlan"] == "pro"
    await operator.call("PATCH", f"/api/admin/tenants/{amy.tenant_id}", {"plan": "enterprise"})
    assert (await amy.call("GET", "/api/integrations/costly")).body["included"] is True
    made = await amy.call("POST", "/api/tenant/integrations", {"integrationId": "costly", "name": "Costly"})
    assert made.status == 201, made.body


async def test_a_plan_that_ends_lets_nothing_begin_nor_pass_and_keeps_what_was_read(
    operator: Merchant, amy: Merchant, far: Crm
) -> None:
    premium = {"hosts": {"api": far.url}, "isPremium": True, "requiredPlan": "pro"}
    premium |= {"webhooks": PUSHES, "supportsWebhooks": True}
    assert (await operator.call("POST", AT, given.document("dear") | premium)).status == 201
    await _plan(operator, amy, "pro")
    use = await amy.call("POST", "/api/tenant/integrations", {"integrationId": "dear", "name": "Dear"})
    at, origin = f"/api/tenant/integrations/{use.body['id']}", "https://app.example.com"
    opened = await amy.call("POST", f"{at}/connect/api-key", {"apiKey": KEY})
    assert opened.status in {200, 201}, opened.body
    connection = (await amy.call("GET", "/api/connections?provider=dear")).body["items"][0]["id"]
    await synced(amy, connection)
    assert (await amy.call("PATCH", at, {"proxyEnabled": True})).status == 200
    assert (await amy.call("PUT", "/api/connections/return-origins", {"origins": [origin]})).status == 200
    every = {"schedules": [{"entity": "people", "everySeconds": 3600}]}
    ways: list[tuple[str, str, Any]] = [
        ("PUT", f"/api/config/{connection}", every),
        ("PUT", "/api/config", {"schedules": [{"connectionId": connection, **every["schedules"][0]}]}),
        ("POST", f"/api/config/{connection}/resume", {}),
        ("POST", f"{at}/activate", None),
        ("POST", "/api/connect-sessions", {"integrationId": use.body["id"], "origin": origin}),
        ("POST", f"{at}/connect/api-key", {"apiKey": KEY}),
        ("POST", f"/api/connections/{connection}/reconnect", {"apiKey": KEY}),
        ("POST", "/api/sync", {"connectionId": connection, "mode": "full"}),
        ("POST", "/api/webhooks/sources", {"provider": "dear", "secret": "canary-push-secret"}),
        ("GET", f"/api/proxy/{connection}/me", None),
        ("GET", f"{at}/widgets/data?entity=people&fields=title", None),
    ]
    session = await amy.call("POST", "/api/connect-sessions", {"integrationId": use.body["id"], "origin": origin})
    rows = await amy.everything("/api/records?entity=people&provider=dear&", "items")
    await _plan(operator, amy, "free")
    asked = far.asked.copy()
    for method, path, body in ways:
        refused = await amy.call(method, path, body)
        assert (refused.status, refused.body["error"]["code"]) == (403, "PLAN_REQUIRED"), (path, refused.body)
        assert refused.body["error"]["details"] == {"provider": "dear", "requiredPlan": "pro"}
    begun = await amy.call("POST", "/api/connect/start", {"apiKey": KEY, "token": session.body["token"]}, origin=origin)
    assert (begun.status, begun.body["error"]["code"]) == (403, "PLAN_REQUIRED"), begun.body
    found = (await amy.call("POST", "/api/integrations/search", {"query": "dan"})).body
    assert (use.body["id"], "PLAN_REQUIRED") in {(one["integrationId"], one["code"]) for one in found["missed"]}
    assert {one["source"] for one in found["results"] if one["provider"] == "dear"} == {"cache"}
    assert far.asked == asked, "nothing has gone to the far side"
    assert await amy.everything("/api/records?entity=people&provider=dear&", "items") == rows
    assert (await amy.call("PUT", f"/api/config/{connection}", {"schedules": []})).status == 200
    await _plan(operator, amy, "enterprise")
    for method, path, body in ways:
        answer = await amy.call(method, path, body)
        assert answer.status < 300 or answer.body["error"]["code"] != "PLAN_REQUIRED", (path, answer.body)
    await _plan(operator, amy, "free")
    ended = await amy.call("DELETE", f"/api/connections/{connection}")
    assert ended.status in {200, 204}, "what a plan does not include can still be ended"


async def test_VA_01_an_address_that_moves_by_patch_import_or_rollback_takes_the_secret_of_no_live_connection_along(
    operator: Merchant, amy: Merchant, far: Crm
) -> None:
    at, here, there = f"{AT}/crm/moves", {"api": far.url}, {"api": f"{far.url}/{SITES[0]}"}
    assert (await operator.call("POST", AT, given.document("moves") | {"hosts": here})).status == 201
    opened = await amy.call("POST", "/api/connections", {"provider": "moves", "apiKey": KEY})
    connection = opened.body["id"]

    async def refused() -> None:
        asked = far.asked.copy()
        trial = (await amy.call("POST", f"/api/connections/{connection}/test")).body
        assert trial["success"] is False
        begun = await amy.call("POST", "/api/sync", {"connectionId": connection})
        assert (begun.status, begun.body["error"]["code"]) == (409, "CONNECTION_PENDING"), begun.body
        found = (await amy.call("GET", f"/api/connections/{connection}")).body
        assert (found["status"], "hosts" in found["statusReason"]) == ("pending", True)
        assert far.asked == asked, "nothing was sent anywhere"
        again = await amy.call("POST", f"/api/connections/{connection}/reconnect", {"apiKey": KEY})
        assert again.body["status"] == "connected", again.body

    exported = (await operator.call("GET", f"{at}/export")).body.decode()
    assert (await operator.call("PATCH", at, {"hosts": there})).status == 200
    await refused()
    back = await operator.call("POST", f"{AT}/import", {"yaml": exported})
    assert back.body["differences"] == [{"path": "hosts.api", "before": there["api"], "after": here["api"]}]
    await refused()
    assert (await operator.call("POST", f"{at}/versions/2/rollback")).status == 200
    await refused()
    assert (await amy.call("DELETE", f"/api/connections/{connection}")).status in {200, 204}


async def test_a_provider_that_is_disabled_or_the_deployments_own_is_connected_for_the_first_time_by_nobody(
    operator: Merchant, amy: Merchant, far: Crm
) -> None:
    made = await operator.call("POST", AT, given.document("leaving") | {"hosts": {"api": far.url}})
    assert made.status == 201, made.body
    use = (await amy.call("POST", "/api/tenant/integrations", {"integrationId": "leaving", "name": "Leaving"})).body
    for facts in ({"status": "disabled"}, {"status": "active", "audience": "system"}):
        assert (await operator.call("PATCH", f"{AT}/crm/leaving", facts)).status == 200
        for path, body in (
            (f"/api/tenant/integrations/{use['id']}/connect/api-key", {"apiKey": KEY}),
            ("/api/connections", {"provider": "leaving", "apiKey": KEY}),
            ("/api/tenant/integrations", {"integrationId": "leaving", "name": "Another"}),
        ):
            refused = await amy.call("POST", path, body)
            assert (refused.status, refused.body["error"]["code"]) == (404, "PROVIDER_NOT_FOUND"), (path, facts)
    listed = (await amy.call("GET", "/api/integrations?search=leaving")).body["providers"]
    assert "leaving" not in {one["id"] for one in listed}
    assert (
        await operator.call("PATCH", f"{AT}/crm/leaving", {"status": "deprecated", "audience": "tenant"})
    ).status == 200
    opened = await amy.call("POST", f"/api/tenant/integrations/{use['id']}/connect/api-key", {"apiKey": KEY})
    assert opened.status in {200, 201}, "what uses it goes on"
    assert (await operator.call("PATCH", f"{AT}/crm/leaving", {"status": "disabled"})).status == 200
    tested = await amy.call("POST", f"/api/tenant/integrations/{use['id']}/connection/test")
    assert tested.body["success"] is True, "what is connected goes on"
    assert (await amy.call("DELETE", f"/api/tenant/integrations/{use['id']}")).status in {200, 204}


async def _plan(operator: Merchant, amy: Merchant, plan: str) -> None:
    assert (await operator.call("PATCH", f"/api/admin/tenants/{amy.tenant_id}", {"plan": plan})).status == 200


async def test_a_changed_mapping_counts_for_what_was_read_and_a_rollback_brings_the_old_one_back(
    operator: Merchant, amy: Merchant, far: Crm
) -> None:
    told = given.document("remade") | {"hosts": {"api": far.url}}
    assert (await operator.call("POST", AT, told)).status == 201
    opened = await amy.call("POST", "/api/connections", {"provider": "remade", "apiKey": KEY})
    connection = opened.body["id"]
    await synced(amy, connection)

    async def bodies() -> set[str]:
        rows = await amy.everything("/api/records?entity=people&provider=remade&", "items")
        return {",".join(sorted(row["body"])) for row in rows}

    assert await bodies() == {"email"}
    mapping = told["entityMappings"][0]
    fields = [*mapping["fieldMappings"][:4], {"from": "mail", "to": "workEmail"}, {"from": "id", "to": "number"}]
    changed = await operator.call(
        "PATCH", f"{AT}/crm/remade", {"entityMappings": [mapping | {"fieldMappings": fields}], "description": "New."}
    )
    assert changed.status == 200, changed.body
    await synced(amy, connection, mode="full")
    assert await bodies() == {"number,workEmail"}
    mute = {"attach": [{"place": "header", "name": "X-Elsewhere", "value": "{api_key}"}], "verify": {"path": "/me"}}
    assert (await operator.call("PATCH", f"{AT}/crm/remade", {"service": mute})).status == 200
    trial = (await amy.call("POST", f"/api/connections/{connection}/test")).body
    assert trial["success"] is False, "calls are signed as the definition says now, by clients that were ready too"
    back = await operator.call("POST", f"{AT}/crm/remade/versions/1/rollback")
    assert (back.status, back.body["revision"]) == (200, 4), back.body
    await synced(amy, connection, mode="full")
    assert await bodies() == {"email"}
    found = (await amy.call("GET", f"/api/connections/{connection}")).body
    assert found["status"] == "connected", "its hosts are the same, so its credentials stay"
    assert (await amy.call("DELETE", f"/api/connections/{connection}")).status in {200, 204}


async def test_a_provider_in_use_is_deleted_only_when_it_was_deprecated_and_its_connections_go_on(
    operator: Merchant, amy: Merchant
) -> None:
    connection = await connected(amy)
    refused = await operator.call("DELETE", f"{AT}/crm/acme")
    assert (refused.status, refused.body["error"]["code"]) == (409, "PROVIDER_IN_USE")
    uses = refused.body["error"]["details"]
    assert (uses["total"], uses["integrations"][0]["tenantId"]) == (1, amy.tenant_id)
    await operator.call("PATCH", f"{AT}/crm/acme/status", {"status": "deprecated"})
    assert (await operator.call("DELETE", f"{AT}/crm/acme")).status == 204
    assert (await operator.call("GET", f"{AT}/crm/acme")).status == 404
    assert (await operator.call("DELETE", f"{AT}/crm/acme")).status == 404
    trial = (await amy.call("POST", f"/api/connections/{connection}/test")).body
    assert trial["success"] is True, trial
    fresh = await amy.call("POST", "/api/connections", {"provider": "acme", "apiKey": KEY})
    assert (fresh.status, fresh.body["error"]["code"]) == (404, "PROVIDER_NOT_FOUND")
