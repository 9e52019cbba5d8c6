"""Sync runs over HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest_asyncio
from tests.given import records as given_records
from tests.given import sync as given
from tests.given.edge import Edge
from tests.house_database import Copy

from isthmus.engine.db import Database
from isthmus.features import sync
from isthmus.features.sync.routes import routes
from isthmus.http import Server
from isthmus.kit.permissions import TENANT_ADMIN, USER
from isthmus.scope import Scope, System

TENANT = "ten_one"


@pytest_asyncio.fixture
async def scope(database: Database, copied: Copy) -> AsyncIterator[Scope]:
    shop = given.Shelf({"a": "Áo", "b": "?", "c": "Giày"})
    yield given.scope(database, {"con_one": shop, "con_two": given.shelf(1)})
    await given_records.clear(copied)


@pytest_asyncio.fixture
async def edge(scope: Scope) -> Edge:
    return Edge(System(scope.engine), routes)


async def _start(edge: Edge, connection: str = "con_one", **more: str) -> str:
    body = {"connectionId": connection} | more
    answer = await edge.call("POST", "/api/sync/products", tenant=TENANT, json=body)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


async def test_a_run_is_started_watched_and_its_errors_read(edge: Edge, scope: Scope) -> None:
    run = await _start(edge, mode="full")
    await sync.work(scope, run)
    body = (await edge.get(f"/api/sync/runs/{run}", tenant=TENANT, role=USER)).json()
    counters = {
        name: body[name] for name in ("state", "mode", "records", "listings", "created", "failed", "pages", "waitedMs")
    }
    assert counters == {
        "state": "succeeded",
        "mode": "full",
        "records": 3,
        "listings": 2,
        "created": 2,
        "failed": 1,
        "pages": 2,
        "waitedMs": 0,
    }
    assert body["perSecond"] > 0
    errors = (await edge.get(f"/api/sync/runs/{run}/errors", tenant=TENANT, query={"limit": 1})).json()
    assert [(one["externalId"], one["reason"], one["payload"]) for one in errors["items"]] == [
        ("b", "The title is missing.", ["b", "?"])
    ]
    status = (await edge.get("/api/sync/status", tenant=TENANT)).json()["items"]
    assert [(one["connectionId"], one["lastRun"]["id"], one["nextRunAt"]) for one in status] == [("con_one", run, None)]
    assert status[0]["watermark"] == body["until"]


async def test_a_second_trigger_answers_409_with_the_run_under_way(edge: Edge) -> None:
    run = await _start(edge)
    answer = await edge.call("POST", "/api/sync/products", tenant=TENANT, json={"connectionId": "con_one"})
    assert answer.status_code == 409
    error = answer.json()["error"]
    assert (error["code"], error["details"]["run"]["runId"]) == ("SYNC_IN_PROGRESS", run)


async def test_a_run_is_cancelled_once(edge: Edge) -> None:
    run = await _start(edge)
    answer = await edge.call("POST", f"/api/sync/{run}/cancel", tenant=TENANT)
    assert (answer.status_code, answer.json()["state"]) == (202, "cancelled")
    assert (await edge.call("POST", f"/api/sync/{run}/cancel", tenant=TENANT)).status_code == 409


async def test_runs_are_listed_newest_first_with_filters(edge: Edge, scope: Scope) -> None:
    first = await _start(edge)
    await sync.work(scope, first)
    second = await _start(edge, "con_two")
    page = (await edge.get("/api/sync/runs", tenant=TENANT, query={"limit": 1})).json()
    assert ([run["id"] for run in page["items"]], page["hasMore"]) == ([second], True)
    rest = await edge.get("/api/sync/runs", tenant=TENANT, query={"limit": 1, "cursor": page["nextCursor"]})
    assert [run["id"] for run in rest.json()["items"]] == [first]
    for query, expected in (({"state": "queued"}, [second]), ({"connectionId": "con_one"}, [first])):
        rows = (await edge.get("/api/sync/runs", tenant=TENANT, query=query)).json()["items"]
        assert [run["id"] for run in rows] == expected
    assert (await edge.get("/api/sync/runs", tenant=TENANT, query={"state": "lost"})).status_code == 400
    for query, expected in (({"to": "2020-01-01T00:00:00Z"}, []), ({"from": "2020-01-01T00:00:00Z"}, [second, first])):
        rows = (await edge.get("/api/sync/runs", tenant=TENANT, query=query)).json()["items"]
        assert [run["id"] for run in rows] == expected


async def test_what_is_wrong_with_a_trigger_is_said(edge: Edge) -> None:
    for body in ({}, {"connectionId": "con_one", "mode": "some"}, {"connectionId": "con_one", "more": 1}):
        assert (await edge.call("POST", "/api/sync/products", tenant=TENANT, json=body)).status_code == 400
    answer = await edge.call("POST", "/api/sync/products", tenant=TENANT, json={"connectionId": "con_none"})
    assert answer.status_code == 404


async def test_TN_01_another_tenants_run_looks_like_one_that_never_existed(edge: Edge) -> None:
    run = await _start(edge)
    for method, path in (
        ("GET", "/api/sync/runs/{}"),
        ("GET", "/api/sync/runs/{}/errors"),
        ("POST", "/api/sync/{}/cancel"),
    ):
        foreign = await edge.call(method, path.format(run), tenant="ten_two")
        missing = await edge.call(method, path.format("run_00000000000000000000000000"), tenant="ten_two")
        assert foreign.status_code == missing.status_code == 404
        assert foreign.json()["error"]["message"] == missing.json()["error"]["message"]
    for path in ("/api/sync/runs", "/api/sync/status"):
        assert (await edge.get(path, tenant="ten_two")).json()["items"] == []
    foreign = await edge.call("POST", "/api/sync/products", tenant="ten_two", json={"connectionId": "con_one"})
    assert foreign.status_code == 404


async def test_TN_01_a_user_may_look_and_not_touch(edge: Edge) -> None:
    run = await _start(edge)
    assert (await edge.get(f"/api/sync/runs/{run}", tenant=TENANT, role=USER)).status_code == 200
    for path in ("/api/sync/products", f"/api/sync/{run}/cancel"):
        body = {"connectionId": "con_one"} if path.endswith("products") else None
        assert (await edge.call("POST", path, tenant=TENANT, role=USER, json=body)).status_code == 403
    assert (await edge.get("/api/sync/runs", tenant=TENANT, role="")).status_code == 403


async def _next(answer: aiohttp.ClientResponse) -> tuple[str, dict[str, object]]:
    """The next event: its id and its data."""
    id_ = ""
    async for line in answer.content:
        name, _, value = line.decode().rstrip("\r\n").partition(": ")
        if name == "id":
            id_ = value
        elif name == "data":
            return id_, json.loads(value)
    raise AssertionError("the stream ended")


async def test_the_stream_tells_of_every_change_and_goes_on_after_a_break(edge: Edge, scope: Scope) -> None:
    async with Server(edge.app).running() as server, aiohttp.ClientSession(server.url) as client:
        headers = {"authorization": edge.bearer(TENANT, TENANT_ADMIN)}
        async with client.get("/api/sync/stream", headers=headers) as answer:
            assert answer.status == 200
            await asyncio.sleep(0.1)
            run = await _start(edge)
            seen, body = await asyncio.wait_for(_next(answer), 5)
            assert (body["id"], body["state"]) == (run, "queued")
        await sync.work(scope, run)
        async with client.get("/api/sync/stream", headers=headers | {"last-event-id": seen}) as answer:
            _, body = await asyncio.wait_for(_next(answer), 5)
            assert (body["id"], body["state"], body["created"]) == (run, "succeeded", 2)
        stranger = {"authorization": edge.bearer("ten_two", TENANT_ADMIN), "last-event-id": "0"}
        async with client.get("/api/sync/stream", headers=stranger) as answer:
            try:
                async with asyncio.timeout(0.3):
                    event: object = await _next(answer)
            except TimeoutError:
                event = None
            assert event is None
