"""Inbound webhooks over HTTP: the address in front of the routes, and the routes that manage it."""

import hmac
import logging
from base64 import b64decode
from collections.abc import AsyncIterator

import httpx2
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.given import webhooks_in
from tests.given.edge import Edge
from tests.given.webhooks_in import World

from isthmus.engine.db import Database
from isthmus.features import vault
from isthmus.features.webhooks_in.feature import FEATURE
from isthmus.features.webhooks_in.service import intake
from isthmus.http import App, HttpSettings, create_app
from isthmus.kit.permissions import SUPER_ADMIN, USER
from isthmus.kit.secret import Secret
from isthmus.scope import Scope

SECRET = "It's a Secret to Everybody"
CAP = 10_000
_NAMES = st.sampled_from([b"content-type", b"x-github-event", b"cookie"])
_VALUES = st.binary(max_size=80).filter(lambda value: not set(value) & {0, 10, 13, 127} and value.strip() == value)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(database: Database) -> World:
    made = webhooks_in.world(database, body_bytes=CAP)
    await vault.check_canary(made.system)
    return made


@pytest.fixture(scope="module")
def edge(world: World) -> Edge:
    return Edge(world.system, *FEATURE.routes)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def door(world: World) -> AsyncIterator[httpx2.AsyncClient]:
    """The address that platforms call, as a deployment mounts it."""
    app: App = create_app(
        [],
        open_scope=_nobody,
        authenticators=[],
        secret=Secret("k" * 40),
        settings=HttpSettings(failures_per_minute=10_000),
        fronts={intake.PREFIX: intake.front(world.system)},
    )
    transport = httpx2.ASGITransport(app=app, client=("203.0.113.9", 4711))
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


def _nobody(*_: object) -> Scope:
    raise AssertionError("nobody signs in here")


async def made(edge: Edge) -> dict[str, str]:
    answer = await edge.call("POST", "/api/webhooks/sources", json={"provider": "github", "secret": SECRET})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def signed(body: bytes, **headers: str) -> dict[str, str]:
    mark = "sha256=" + hmac.digest(SECRET.encode(), body, "sha256").hex()
    return {"x-hub-signature-256": mark, **{name.replace("_", "-"): value for name, value in headers.items()}}


async def test_a_source_is_made_once_shown_and_its_secret_never(edge: Edge) -> None:
    source = await made(edge)
    assert source["url"].startswith("https://hooks.example.com/hooks/")
    shown = await edge.get(f"/api/webhooks/sources/{source['id']}")
    assert "url" not in shown.json()
    assert SECRET not in shown.text
    assert source["url"].rpartition("/")[2] not in shown.text
    assert shown.json()["setup"].startswith("Repository or organization")
    listed = (await edge.get("/api/webhooks/sources")).json()["items"]
    assert source["id"] in {one["id"] for one in listed}
    assert (await edge.call("POST", "/api/webhooks/sources", role=USER, json={"provider": "github"})).status_code == 403
    assert (await edge.get(f"/api/webhooks/sources/{source['id']}", tenant="ten_b")).status_code == 404


async def test_a_delivery_shows_what_came_and_what_became_of_it(edge: Edge, door: httpx2.AsyncClient) -> None:
    source = await made(edge)
    path = "/hooks/" + source["url"].rpartition("/")[2]
    body = b'{"repository":{"full_name":"octo/hello"}}'
    answer = await door.post(path, content=body, headers=signed(body, x_github_event="push", x_github_delivery="1"))
    assert (answer.status_code, answer.content) == (200, b"")
    page = (await edge.get("/api/webhooks", query={"sourceId": source["id"]})).json()
    assert [(one["event"], one["state"]) for one in page["items"]] == [("github.push", "received")]
    whole = (await edge.get(f"/api/webhooks/{page['items'][0]['id']}")).json()
    assert whole["body"].encode() == body
    assert whole["headers"]["x-github-event"] == "push"
    assert whole["delivery"]["verdict"] == {"accepted": True, "reason": "verified", "message": "A live secret fits."}
    assert (await edge.get("/api/webhooks", tenant="ten_b")).json()["items"] == []
    assert (await edge.get(f"/api/webhooks/{page['items'][0]['id']}", tenant="ten_b")).status_code == 404


async def test_HE_03_what_is_too_large_or_compressed_is_not_read(edge: Edge, door: httpx2.AsyncClient) -> None:
    path = "/hooks/" + (await made(edge))["url"].rpartition("/")[2]
    large = b"x" * (CAP + 1)
    assert (await door.post(path, content=large, headers=signed(large))).status_code == 413
    assert (
        await door.post(path, content=b"x", headers={**signed(b"x"), "content-encoding": "gzip"})
    ).status_code == 415
    assert (await door.post(path, content=b"x", headers={**signed(b"x"), "host": "elsewhere"})).status_code == 421
    assert (await door.put(path, content=b"x", headers=signed(b"x"))).status_code == 405
    for odd in (f"{path}/..", f"{path}%2f..", f"{path};a", "/hooks/", "/hooks/%00"):
        assert (await door.post(odd, content=b"x", headers=signed(b"x"))).status_code in {401, 404}, odd


async def test_LO_04_the_token_stands_in_no_log_line(
    edge: Edge, door: httpx2.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    token = (await made(edge))["url"].rpartition("/")[2]
    with caplog.at_level(logging.DEBUG, logger="isthmus"):
        await door.post(f"/hooks/{token}", content=b"{}", headers=signed(b"{}"))
        await door.post(f"/hooks/{token}", content=b"{}")
    assert token not in caplog.text


async def test_WH_08_an_address_that_is_refused_too_often_has_to_wait_and_the_believed_need_not(
    edge: Edge, world: World
) -> None:
    token = (await made(edge))["url"].rpartition("/")[2]
    few = HttpSettings(failures_per_minute=5)
    app = create_app(
        [], open_scope=_nobody, authenticators=[], secret=Secret("k" * 40), settings=few,
        fronts={intake.PREFIX: intake.front(world.system)},
    )  # fmt: skip
    transport = httpx2.ASGITransport(app=app, client=("203.0.113.9", 4711))
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
        first = await client.post(f"/hooks/{token}", content=b"{}", headers=signed(b"{}", x_github_delivery="v"))
        assert first.status_code == 200
        statuses = [(await client.post(f"/hooks/{'x' * 27}", content=b"{}")).status_code for _ in range(7)]
        assert (statuses[0], statuses[-1]) == (401, 429)
        again = await client.post(f"/hooks/{token}", content=b"{}", headers=signed(b"{}", x_github_delivery="w"))
        assert again.status_code == 200


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=300), names=st.lists(_NAMES, unique=True), value=_VALUES)
async def test_whatever_is_sent_is_answered_and_never_with_a_failure_of_ours(
    edge: Edge, door: httpx2.AsyncClient, body: bytes, names: list[bytes], value: bytes
) -> None:
    if "token" not in _KNOWN:
        _KNOWN["token"] = (await made(edge))["url"].rpartition("/")[2]
    mark = signed(body)["x-hub-signature-256"].encode()
    for proof in (mark, value):
        headers = {**dict.fromkeys(names, value), b"x-hub-signature-256": proof}
        answer = await door.post(f"/hooks/{_KNOWN['token']}", content=body, headers=headers)
        assert answer.status_code in {200, 401}, answer.text


_KNOWN: dict[str, str] = {}


async def test_the_simulator_and_a_plan_answer_over_http(edge: Edge) -> None:
    source = await made(edge)
    taken = await edge.call("POST", "/api/webhooks/simulate", json={"sourceId": source["id"], "topic": "push"})
    assert (taken.status_code, taken.json()["accepted"]) == (200, True)
    unknown = await edge.call("POST", "/api/webhooks/simulate", json={"sourceId": source["id"], "topic": "nothing"})
    assert unknown.status_code == 400
    plan = {"since": "2020-01-01T00:00:00Z", "plan": True}
    answer = await edge.call("POST", "/api/webhooks/replay", json=plan)
    assert (answer.status_code, answer.json()["state"]) == (202, "planned")
    naive = await edge.call("POST", "/api/webhooks/replay", json={"since": "2020-01-01T00:00:00"})
    assert naive.status_code == 400
    for wrong in ({"state": "received"}, {"until": "2019-01-01T00:00:00Z"}):
        answer = await edge.call("POST", "/api/webhooks/replay", json={**plan, **wrong})
        assert answer.status_code == 400, wrong


async def test_replays_are_listed_with_what_they_take_so_that_they_can_be_stopped(edge: Edge) -> None:
    wanted = {"since": "2026-01-01T00:00:00Z", "event": "github.push", "bodyPath": "a.b", "bodyValue": "1"}
    begun = [(await edge.call("POST", "/api/webhooks/replay", json=wanted)).json()["id"] for _ in range(2)]
    page = (await edge.get("/api/webhooks/replay", query={"limit": 1})).json()
    (newest,) = page["items"]
    assert (newest["id"], newest["state"], page["hasMore"]) == (begun[1], "running", True)
    assert newest["wanted"].items() >= wanted.items()
    assert newest["requestedBy"].startswith("user:")
    following = await edge.get("/api/webhooks/replay", query={"limit": 1, "cursor": page["nextCursor"]})
    assert [one["id"] for one in following.json()["items"]] == begun[:1]
    assert (await edge.get("/api/webhooks/replay", tenant="ten_b")).json()["items"] == []
    for id_ in begun:
        stopped = await edge.call("POST", f"/api/webhooks/replay/{id_}/cancel")
        assert stopped.json()["state"] == "cancelled"


async def test_a_secret_of_another_form_is_refused_when_it_is_given_and_not_when_it_is_used(edge: Edge) -> None:
    for provider, secret, fits in (
        ("discord", "not-a-key", False),
        ("discord", "ab" * 32, True),
        ("sendgrid", "aGVsbG8=", False),
        ("standard_webhooks", "whsec_!!!", False),
        ("standard_webhooks", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", True),
        ("adyen", "not hex", False),
        ("gitlab", "short", False),
        ("gitlab", "long-enough", True),
    ):
        given = {"provider": provider, "secret": secret}
        answer = await edge.call("POST", "/api/webhooks/sources", json=given)
        assert answer.status_code == (201 if fits else 400), (given, answer.text)
        if not fits:
            assert answer.json()["error"]["details"]["fields"][0]["path"] == "secret"
            assert secret not in answer.text


async def test_what_is_signed_beside_the_body_is_asked_for_when_the_source_is_made(edge: Edge) -> None:
    for provider, app, status in (
        ("tiktok_shop", None, 400),
        ("tiktok_shop", {"app_key": ""}, 400),
        ("tiktok_shop", {"app_kee": "1"}, 400),
        ("tiktok_shop", {"app_key": "1"}, 201),
        ("lazada", None, 400),
        ("lazada", {"app_key": "1"}, 201),
        ("github", {"app_key": "1"}, 400),
    ):
        given = {"provider": provider, "secret": "of the app", "app": app}
        answer = await edge.call("POST", "/api/webhooks/sources", json=given)
        assert answer.status_code == status, (given, answer.text)
        if status == 400:
            assert answer.json()["error"]["details"]["fields"][0]["path"] == "app"


async def test_what_has_leaked_ends_at_once_where_that_is_asked_for(edge: Edge, door: httpx2.AsyncClient) -> None:
    source = await made(edge)
    path, rotate = "/hooks/" + source["url"].rpartition("/")[2], f"/api/webhooks/sources/{source['id']}/rotate"
    assert (await edge.call("POST", rotate, json={})).status_code == 400
    assert (await edge.call("POST", rotate, json={"address": True, "overlapSeconds": -1})).status_code == 400
    ended = await edge.call("POST", rotate, json={"address": True, "secret": "another", "overlapSeconds": 0})
    assert ended.status_code == 200, ended.text
    new = "/hooks/" + ended.json()["url"].rpartition("/")[2]
    assert [(await door.post(to, content=b"{}", headers=signed(b"{}"))).status_code for to in (path, new)] == [401, 401]
    mark = {"x-hub-signature-256": "sha256=" + hmac.digest(b"another", b"{}", "sha256").hex()}
    assert (await door.post(new, content=b"{}", headers=mark)).status_code == 200


async def test_the_log_is_searched_by_what_stands_in_the_bodies(edge: Edge, door: httpx2.AsyncClient) -> None:
    source = await made(edge)
    path = "/hooks/" + source["url"].rpartition("/")[2]
    bodies = [
        b'{"data":{"item":100,"name":"Tr\\u00e0 \xc4\x91\xe1\xba\xadm"}}',
        b'{"data":{"item":1001}}',
        b"no json 100",
        b"\xff100",
    ]
    for number, body in enumerate(bodies):
        answer = await door.post(path, content=body, headers=signed(body, x_github_delivery=f"{source['id']}{number}"))
        assert answer.status_code == 200

    async def found(path: str, value: str, **more: str) -> list[str]:
        query = {"sourceId": source["id"], "bodyPath": path, "bodyValue": value, **more}
        answer = await edge.get("/api/webhooks", query=query)
        assert answer.status_code == 200, answer.text
        return [one["id"] for one in answer.json()["items"]]

    assert len(await found("data.item", "100")) == 1
    assert await found("data.name", "Tr\u00e0 \u0111\u1eadm") == await found("data.item", "100")
    assert await found("data.item", "10") == []
    assert await found("data.item", "100", provider="lazada") == []
    plan = {"since": "2020-01-01T00:00:00Z", "plan": True, "bodyPath": "data.item", "bodyValue": "100"}
    assert (await edge.call("POST", "/api/webhooks/replay", json=plan)).status_code == 202
    assert (await edge.get("/api/webhooks", query={"bodyPath": "data"})).status_code == 400


async def test_a_feed_gives_what_comes_in_as_it_was_sent(edge: Edge, door: httpx2.AsyncClient) -> None:
    source = await made(edge)
    start = (await edge.get("/api/webhooks/feed")).json()
    assert (start["items"], start["hasMore"]) == ([], False)
    path = "/hooks/" + source["url"].rpartition("/")[2]
    await door.post(path, content=b"\xff\x00{", headers=signed(b"\xff\x00{", x_github_delivery="feed"))
    query = {"after": start["next"], "sourceId": source["id"]}
    page = (await edge.get("/api/webhooks/feed", query=query)).json()
    assert [b64decode(one["bodyBase64"]) for one in page["items"]] == [b"\xff\x00{"]
    assert page["next"] >= start["next"]
    assert (await edge.get("/api/webhooks/feed", query=query, tenant="ten_b")).json()["items"] == []


async def test_handlers_are_set_up_over_http(edge: Edge) -> None:
    wanted = {
        "pattern": "github.*",
        "filter": "a > `1`",
        "transform": "{b: a}",
        "orderedBy": "object",
        "retries": [1, 5],
    }
    answer = await edge.call("POST", "/api/webhooks/handlers", json=wanted)
    assert answer.status_code == 201, answer.text
    path = f"/api/webhooks/handlers/{answer.json()['id']}"
    changed = await edge.call("PATCH", path, json={"filter": None, "priority": 7})
    assert (changed.json()["filter"], changed.json()["priority"], changed.json()["transform"]) == (None, 7, "{b: a}")
    assert (await edge.call("PATCH", path, json={"transform": "a["})).status_code == 400
    assert (await edge.call("POST", "/api/webhooks/handlers", json=wanted, role=USER)).status_code == 403
    assert (await edge.call("DELETE", path)).status_code == 204
    assert (await edge.get(path)).status_code == 404


async def test_an_operator_makes_the_address_of_an_app_and_nobody_else_does(edge: Edge) -> None:
    body = {"provider": "github", "secret": SECRET}
    assert (await edge.call("POST", "/api/admin/webhooks/sources", json=body)).status_code == 403
    made_one = await edge.call("POST", "/api/admin/webhooks/sources", json=body, role=SUPER_ADMIN)
    assert made_one.status_code == 201, made_one.text
    id_ = made_one.json()["id"]
    listed = (await edge.get("/api/admin/webhooks/sources", role=SUPER_ADMIN)).json()["items"]
    assert id_ in {one["id"] for one in listed}
    assert id_ not in {one["id"] for one in (await edge.get("/api/webhooks/sources")).json()["items"]}
    assert (await edge.get("/api/admin/webhooks/subscriptions", role=SUPER_ADMIN)).json() == {"items": []}
    assert (await edge.call("DELETE", f"/api/admin/webhooks/sources/{id_}", role=SUPER_ADMIN)).status_code == 204
