"""A merchant's own back end calls with an API key; what becomes of the key counts in every process (AK-*)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from tests.given.statements import written_down
from tests.journeys.deployment import Answer, Deployment, Merchant, deployment

from isthmus.app import address_of, open_platform, serve_api
from isthmus.features import access
from isthmus.features.access.model import keys
from isthmus.http.server import bind
from isthmus.kit.clock import SYSTEM
from isthmus.kit.permissions import PLATFORM_TENANT, TENANT_ADMIN, USER, Principal, system
from isthmus.sandbox.clock import ShiftedClock


@dataclass
class Story:
    """A deployment under a clock that can be moved, and a merchant in it."""

    running: Deployment
    clock: ShiftedClock
    amy: Merchant

    async def make(self, *permissions: str, **more: Any) -> dict[str, Any]:
        """A new key of the merchant, as the API answers it."""
        body = {"name": "Till", "permissions": permissions or ["products:read"], **more}
        answer = await self.amy.call("POST", f"/api/merchants/{self.amy.tenant_id}/api-keys", body)
        assert answer.status == 201, answer.body
        made: dict[str, Any] = answer.body["data"]
        return made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def story(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Story]:
    clock, home = ShiftedClock(SYSTEM), Path(tmp_path_factory.mktemp("home"))
    async with deployment(database_url, home, clock=clock) as running:
        yield Story(running, clock, await running.merchant("Amy"))


async def _call(place: str, key: str, method: str = "GET", path: str = "/api/products", body: Any = None) -> Answer:
    async with (
        aiohttp.ClientSession() as client,
        client.request(method, place + path, json=body, headers={"x-api-key": key}) as answer,
    ):
        return Answer(answer.status, answer.headers, await answer.json())


@asynccontextmanager
async def _another_process(story: Story) -> AsyncIterator[Deployment]:
    running, bound, stop = story.running, bind("127.0.0.1", 0), asyncio.Event()
    settings = running.platform.settings
    async with open_platform(settings, upgrade=False, clock=story.clock) as platform, asyncio.TaskGroup() as group:
        group.create_task(serve_api(platform, bound, stop))
        yield Deployment(platform, running.sandbox, address_of(bound))
        stop.set()


async def test_a_key_does_what_it_was_made_for_and_nothing_else(story: Story) -> None:
    key = (await story.make("products:read"))["key"]
    place = story.running.address
    assert (await _call(place, key)).status == 200
    for method, path in (("GET", "/api/connections"), ("GET", f"/api/merchants/{story.amy.tenant_id}/api-keys")):
        answer = await _call(place, key, method, path)
        assert (answer.status, answer.body["error"]["code"]) == (403, "PERMISSION_DENIED")


async def test_AK_10_a_key_in_the_body_signs_nobody_in(story: Story) -> None:
    key = (await story.make("sync:trigger"))["key"]
    async with aiohttp.ClientSession() as client:
        body = {"connectionId": "con_x", "apiKey": key}
        async with client.post(story.running.address + "/api/sync/products", json=body) as answer:
            assert answer.status == 401
    assert (await _call(story.running.address, key, "POST", "/api/sync/products", body)).status == 400


async def test_AU_06_what_a_key_does_is_told_of_whoever_made_it_too(story: Story) -> None:
    made = await story.make("connections:manage")
    path = "/api/connections/return-origins"
    body = {"origins": ["https://by-a-key.example.com"]}
    assert (await _call(story.running.address, made["key"], "PUT", path, body)).status == 200
    told = (await story.amy.call("GET", f"/api/audit?actor=key:isthmus:{made['id']}")).body["items"]
    assert [(one["onBehalfOf"], one["route"]) for one in told] == [("user:isthmus:amy", f"PUT {path}")]


async def test_AK_07_JT_10_a_revoked_key_is_out_within_five_seconds_everywhere(story: Story) -> None:
    made = await story.make()
    async with _another_process(story) as second, _another_process(story) as third:
        places = [story.running.address, second.address, third.address]
        assert [(await _call(place, made["key"])).status for place in places] == [200] * 3
        path = f"/api/merchants/{story.amy.tenant_id}/api-keys/{made['id']}"
        assert (await story.amy.call("DELETE", path)).status == 204
        story.clock.advance(2)
        for place in places:  # what is remembered must not be remembered anew on the way
            await _call(place, made["key"])
        story.clock.advance(2.9)
        assert [(await _call(place, made["key"])).status for place in places] == [401] * 3


async def test_AK_04_a_demoted_makers_key_shrinks_within_five_seconds(story: Story) -> None:
    key = (await story.make("products:read", "connections:manage"))["key"]
    path = "/api/connections/return-origins"
    assert (await _call(story.running.address, key, path=path)).status == 200
    operator = Principal("operator", "root", "host", story.amy.tenant_id)
    scope = story.running.platform.scope(story.amy.tenant_id, operator)
    await access.regrade(scope, "user:isthmus:amy", [USER])
    story.clock.advance(4.9)
    assert (await _call(story.running.address, key, path=path)).status == 403
    assert (await _call(story.running.address, key)).status == 200
    await access.regrade(scope, "user:isthmus:amy", [TENANT_ADMIN])


@pytest.mark.parametrize("calls", [200, pytest.param(10_000, marks=pytest.mark.proof)])
async def test_AK_05_many_uses_in_a_minute_are_written_once(story: Story, calls: int) -> None:
    made = await story.make()
    path = f"/api/merchants/{story.amy.tenant_id}/api-keys/{made['id']}"
    headers = {"x-api-key": made["key"]}
    with written_down() as statements:
        async with aiohttp.ClientSession(headers=headers) as client:
            for number in range(calls):
                async with client.head(story.running.address + "/api/connections/limits") as answer:
                    assert answer.status in {403, 404}
                if number % (calls // 10) == 0:
                    story.clock.advance(5)
        assert (await story.amy.call("GET", path)).body["data"]["lastUsedAt"] is None
        for _ in range(3):
            await story.running.platform.used.flush()
    assert (await story.amy.call("GET", path)).body["data"]["lastUsedAt"]
    written = [one for one in statements if one.startswith("update api_keys") and "last_used_at" in one]
    assert len(written) == 1, "the row allows two"


async def test_AK_03_whatever_is_wrong_with_a_key_the_answer_is_the_same(story: Story) -> None:
    revoked, expired = await story.make(), await story.make(expiresAt=end_text(story.clock.now().timestamp() + 60))
    path = f"/api/merchants/{story.amy.tenant_id}/api-keys/{revoked['id']}"
    assert (await story.amy.call("DELETE", path)).status == 204
    other = Story(story.running, story.clock, await story.running.merchant("Suspended"))
    foreign = await other.make()
    operator = story.running.platform.scope(PLATFORM_TENANT, system(PLATFORM_TENANT, "journeys"))
    await access.set_status(operator, other.amy.tenant_id, status=access.TenantStatus.SUSPENDED)
    story.clock.advance(61)
    good, unknown = (await story.make())["key"], keys.form(keys.Mode.LIVE, "A" * 32).reveal()
    shown = [unknown, revoked["key"], expired["key"], foreign["key"], good[:-1], good.lower(), "isk_live_", "no key"]
    said = []
    for key in shown:
        answer = await _call(story.running.address, key)
        error = {name: text for name, text in answer.body["error"].items() if name != "requestId"}
        said.append((answer.status, error, answer.headers["www-authenticate"]))
    assert said == [said[0]] * len(shown)
    assert said[0][:1] == (401,)
    assert (await _call(story.running.address, good)).status == 200


async def test_an_expired_key_is_out(story: Story) -> None:
    end = story.clock.now().timestamp() + 60
    key = (await story.make(expiresAt=end_text(end)))["key"]
    assert (await _call(story.running.address, key)).status == 200
    story.clock.advance(61)
    assert (await _call(story.running.address, key)).status == 401


def end_text(seconds: float) -> str:
    """An instant as the wire writes it."""
    return SYSTEM.now().fromtimestamp(seconds, tz=SYSTEM.now().tzinfo).isoformat()


async def test_SC_08_a_one_time_secret_is_never_compressed(running: Deployment) -> None:
    amy = await running.merchant("Compressed")
    body = {"name": "Till", "permissions": ["products:read"]}
    path, takes = f"/api/merchants/{amy.tenant_id}/api-keys", {"accept-encoding": "gzip, deflate, br, zstd"}
    for answer in (await amy.call("POST", path, body, **takes), await amy.call("GET", path, **takes)):
        assert "content-encoding" not in {name.lower() for name in answer.headers}
