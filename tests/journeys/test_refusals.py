"""Each refusal of 002's table of errors, produced over HTTP: its status, its code, its shape, and what to do."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from tests.given import rotor
from tests.journeys.deployment import Answer, Deployment, Form, Merchant, deployment
from tests.journeys.routes import unknown

from isthmus.connect import registry
from isthmus.features import catalog
from isthmus.http.settings import LIMITS
from isthmus.kit.errors import Problem
from isthmus.kit.permissions import USER

_MANIFEST = """
id = "desk"
names = { en = "Desk" }
category = "support"
integration_type = "custom"
description = "A far side that takes one key."
auth = "api_key"
api_version = ""
documentation_url = "https://docs.example.com"

[hosts]
api = "URL"

[[credential_fields]]
name = "api_key"
label = "Key"
secret = true

[service]
attach = [{ place = "header", name = "Authorization", value = "Bearer {api_key}" }]

[service.verify]
path = "/me"
account = "id"
"""
#: 002, HTTP Status Codes and Error Codes: every one of them is refused with below.
STATUSES = {400, 401, 403, 404, 409, 429, 500}
CODES = {
    *("INTEGRATION_NOT_FOUND", "PROVIDER_NOT_FOUND", "INVALID_CREDENTIALS", "CONNECTION_FAILED", "PERMISSION_DENIED"),
    *("RATE_LIMIT_EXCEEDED", "VALIDATION_ERROR"),
}
#: 002, Rate Limits.
PER_MINUTE = {"provider": 100, "integration": 200, "connection": 50, "search": 30, "widget": 100}


@dataclass
class Place:
    """A merchant, somebody with a low role, and a far side."""

    amy: Merchant
    clerk: Merchant
    nobody: Merchant
    files: Path


@asynccontextmanager
async def _far_side() -> AsyncIterator[str]:
    async def me(request: web.Request) -> web.Response:
        shown = request.headers.get("authorization", "")
        if shown == "Bearer down":
            return web.json_response({"error": "down"}, status=503)
        if shown == "Bearer surprising":
            return web.json_response(["no", "object"])
        known = shown == "Bearer right"
        return web.json_response({"id": "shop"} if known else {"error": "bad key"}, status=200 if known else 401)

    site = web.Application()
    site.router.add_get("/me", me)
    runner = web.AppRunner(site)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Deployment]:
    """A deployment that limits searches as a real one does."""
    home = tmp_path_factory.mktemp("home")
    async with deployment(database_url, home, searches=str(LIMITS["search"])) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(running: Deployment, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    home = tmp_path_factory.mktemp("providers") / "desk"
    home.mkdir()
    async with _far_side() as url:
        (home / "manifest.toml").write_text(_MANIFEST.replace("URL", url))
        parts: Any = running.platform.engine.parts
        own = {"desk": registry.load(home, "none"), "rotor": rotor.found("rotor", url, "api_key")}
        shelf = {**registry.discover(), **own}
        parts[catalog.Providers] = catalog.Providers(shelf)
        amy = await running.merchant("Amy")
        clerk = running.person(amy.tenant_id, [USER], "clerk")
        nobody = Merchant(running, amy.tenant_id, "no.such.token", amy.browser)
        await amy.call("POST", "/api/tenant/integrations", {"integrationId": "desk", "name": "Taken"})
        await amy.call("POST", f"/api/merchants/{amy.tenant_id}/product-sync/config", {"source": "upload"})
        yield Place(amy, clerk, nobody, running.platform.settings.core.home / "blobs")


async def _connect(place: Place, key: str) -> Answer:
    return await place.amy.call("POST", "/api/connections", {"provider": "desk", "apiKey": key})


async def _beyond_the_limit(place: Place) -> Answer:
    for _ in range(LIMITS["search"]):
        answer = await place.clerk.call("POST", "/api/integrations/search", {"query": "tea"})
        assert answer.status == 200, answer.body
    return await place.clerk.call("POST", "/api/integrations/search", {"query": "tea"})


async def _without_a_disk(place: Place) -> Answer:
    """Nothing can be stored: where the folder of files would be stands a file."""
    aside = place.files.with_name("aside")
    kept = place.files.exists()
    if kept:
        place.files.rename(aside)
    place.files.write_bytes(b"")
    try:
        form = Form(file="product_id,title,sku,price\np1,Tea,T,1\n")
        return await place.amy.call("POST", f"/api/merchants/{place.amy.tenant_id}/product-sync/upload", form)
    finally:
        place.files.unlink()
        if kept:
            aside.rename(place.files)


#: What is asked -> the status and the code of the refusal.
REFUSALS: Mapping[str, tuple[Callable[[Place], Awaitable[Answer]], int, str]] = {
    "an integration that is not there": (
        lambda place: place.amy.call("GET", f"/api/tenant/integrations/{unknown()['int']}"),
        404,
        "INTEGRATION_NOT_FOUND",
    ),
    "a provider that is not there": (
        lambda place: place.amy.call("POST", "/api/connections", {"provider": "nobodys"}),
        404,
        "PROVIDER_NOT_FOUND",
    ),
    "credentials that the far side refuses": (lambda place: _connect(place, "wrong"), 400, "INVALID_CREDENTIALS"),
    "a far side that fails": (lambda place: _connect(place, "down"), 502, "CONNECTION_FAILED"),
    "a role without the permission": (
        lambda place: place.clerk.call("POST", "/api/tenant/members", {"email": "a@example.com", "roles": ["user"]}),
        403,
        "PERMISSION_DENIED",
    ),
    "a body that is not valid": (
        lambda place: place.amy.call("POST", "/api/connections", {"provider": 7, "more": True}),
        400,
        "VALIDATION_ERROR",
    ),
    "nobody": (lambda place: place.nobody.call("GET", "/api/integrations"), 401, "UNAUTHORIZED"),
    "a name that is taken": (
        lambda place: place.amy.call("POST", "/api/tenant/integrations", {"integrationId": "desk", "name": "Taken"}),
        409,
        "INTEGRATION_NAME_TAKEN",
    ),
    "a connector that fails by itself": (
        lambda place: place.amy.call("POST", "/api/connections", {"provider": "rotor", "apiKey": "surprising"}),
        500,
        "INTERNAL_ERROR",
    ),
    "a disk that takes nothing": (_without_a_disk, 503, "SERVICE_UNAVAILABLE"),
    "one request too many": (_beyond_the_limit, 429, "RATE_LIMIT_EXCEEDED"),
}


@pytest.mark.parametrize("what", REFUSALS)
async def test_each_refusal_of_the_table_has_its_status_its_code_and_says_what_to_do(place: Place, what: str) -> None:
    ask, status, code = REFUSALS[what]
    answer = await ask(place)
    assert (answer.status, answer.body["error"]["code"]) == (status, code), answer.body
    error = answer.body["error"]
    assert answer.body["success"] is False
    assert len(error["message"]) > len("Not found.")
    assert error["requestId"] == answer.body["requestId"] == answer.headers["x-request-id"]
    assert int(answer.headers["x-ratelimit-limit"]) > 0
    if status in {429, 503}:
        assert error["retryAfter"] == int(answer.headers["retry-after"]) > 0
    if status == 429:
        assert answer.headers["x-ratelimit-remaining"] == "0"
    if code == "VALIDATION_ERROR":
        assert {one["path"] for one in error["details"]["fields"]} == {"provider", "more"}


def test_every_status_and_every_code_of_the_table_is_produced_here() -> None:
    assert {status for _, status, _ in REFUSALS.values()} >= STATUSES
    assert {code for _, _, code in REFUSALS.values()} >= CODES


async def test_the_same_far_side_takes_what_is_right(place: Place) -> None:
    answer = await _connect(place, "right")
    assert (answer.status, answer.body["status"]) == (201, "connected"), answer.body


def test_the_classes_of_limits_are_those_of_the_table() -> None:
    assert {name: LIMITS[name] for name in LIMITS if name in PER_MINUTE} == PER_MINUTE


def _failures(kind: type[Problem] = Problem) -> Iterator[type[Problem]]:
    for child in kind.__subclasses__():
        yield child
        yield from _failures(child)


def test_each_failure_says_what_happened_in_one_line_and_then_what_to_do() -> None:
    told = {kind: (kind.__doc__ or "").strip() for kind in _failures() if kind.__module__.startswith("isthmus.")}
    assert len(told) > 100
    assert [kind for kind, text in told.items() if "\n" in text.split("\n\n")[0]] == []
