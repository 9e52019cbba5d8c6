"""Somebody is invited, joins, signs in, is demoted and leaves, and it counts within five seconds (SE-05)."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from tests.journeys.deployment import Answer, Deployment, Merchant, deployment

from isthmus.kit.clock import SYSTEM
from isthmus.sandbox.clock import ShiftedClock

PASSWORD = "plenty of dew on the meadow"


class Town:
    """A deployment under a clock that can be moved, and an admin of a tenant in it."""

    def __init__(self, running: Deployment, clock: ShiftedClock, amy: Merchant) -> None:
        self.running, self.clock, self.amy = running, clock, amy

    async def open(self, path: str, body: Any) -> Answer:
        """A call by nobody."""
        async with (
            aiohttp.ClientSession() as client,
            client.post(self.running.address + path, json=body) as answer,
        ):
            return Answer(answer.status, answer.headers, await answer.json())

    async def join(self, email: str, *roles: str) -> tuple[str, Merchant]:
        """Somebody new, signed in."""
        invited = await self.amy.call("POST", "/api/tenant/members", {"email": email, "roles": roles})
        assert invited.status == 201, invited.body
        body = {"invitation": invited.body["invitation"], "password": PASSWORD}
        assert (await self.open("/api/auth/accept", body)).status == 200
        return invited.body["id"], await self.enter(email)

    async def enter(self, email: str) -> Merchant:
        """A new session."""
        body = {"tenant": self.amy.tenant_id, "email": email, "password": PASSWORD}
        begun = await self.open("/api/auth/login", body)
        assert begun.status == 200, begun.body
        return Merchant(self.running, self.amy.tenant_id, begun.body["token"], self.amy.browser)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    clock, home = ShiftedClock(SYSTEM), Path(tmp_path_factory.mktemp("home"))
    async with deployment(database_url, home, clock=clock) as running:
        yield Town(running, clock, await running.merchant("Amy"))


async def test_somebody_who_was_invited_signs_in_as_themselves(town: Town) -> None:
    user, bea = await town.join("bea@example.com", "user")
    known = (await bea.call("GET", "/api/auth/me")).body
    assert (known["id"], known["roles"]) == (f"user:isthmus:{user}", ["user"])
    assert (await bea.call("GET", "/api/products")).status == 200
    assert (await bea.call("GET", "/api/tenant/members")).status == 403
    listed = (await town.amy.call("GET", "/api/tenant/members")).body["items"]
    assert [(one["id"], one["status"]) for one in listed] == [(user, "active")]


async def test_SE_03_a_refused_sign_in_says_nothing(town: Town) -> None:
    said = set()
    for tenant, email in (
        (town.amy.tenant_id, "bea@example.com"),
        (town.amy.tenant_id, "x@example.com"),
        ("t", "y@z.io"),
    ):
        answer = await town.open("/api/auth/login", {"tenant": tenant, "email": email, "password": "not the words"})
        said.add((answer.status, answer.body["error"]["code"], answer.body["error"]["message"]))
    assert len(said) == 1
    assert next(iter(said))[:2] == (401, "SIGN_IN_FAILED")


async def test_AK_04_a_demoted_member_and_their_key_shrink_within_five_seconds(town: Town) -> None:
    user, cai = await town.join("cai@example.com", "tenant_admin")
    body = {"name": "Till", "permissions": ["products:read", "audit:read"]}
    key = (await cai.call("POST", f"/api/merchants/{cai.tenant_id}/api-keys", body)).body["data"]["key"]

    async def with_key(path: str) -> int:
        async with (
            aiohttp.ClientSession() as client,
            client.get(town.running.address + path, headers={"x-api-key": key}) as answer,
        ):
            return answer.status

    assert ((await cai.call("GET", "/api/audit")).status, await with_key("/api/audit")) == (200, 200)
    assert (await town.amy.call("PATCH", f"/api/tenant/members/{user}", {"roles": ["user"]})).status == 200
    town.clock.advance(4.9)
    assert ((await cai.call("GET", "/api/audit")).status, await with_key("/api/audit")) == (403, 403)
    assert ((await cai.call("GET", "/api/products")).status, await with_key("/api/products")) == (200, 200)
    assert (await town.amy.call("DELETE", f"/api/tenant/members/{user}")).status == 204
    town.clock.advance(4.9)
    assert ((await cai.call("GET", "/api/products")).status, await with_key("/api/products")) == (401, 403)


async def test_SE_05_signing_out_ends_the_session_within_five_seconds(town: Town) -> None:
    _, dov = await town.join("dov@example.com", "user")
    other = await town.enter("dov@example.com")
    assert (await dov.call("POST", "/api/auth/logout")).status == 204
    town.clock.advance(4.9)
    assert [(await one.call("GET", "/api/products")).status for one in (dov, other)] == [401, 401]


async def test_ID_05_an_invitation_is_shown_once(town: Town) -> None:
    body = {"email": "eve@example.com", "roles": ["user"]}
    first, again = [
        (await town.amy.call("POST", "/api/tenant/members", body, **{"idempotency-key": "eve"})).body for _ in range(2)
    ]
    assert (first["id"], "invitation" in first, "invitation" in again) == (again["id"], True, False)
