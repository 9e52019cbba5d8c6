"""What is ended is over within five seconds in three processes of their own (security.md JT-10, AK-07, AK-04)."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from tests.given import forks
from tests.journeys.deployment import Merchant
from tests.journeys.process import Up, home, up

from isthmus.features import access
from isthmus.features.access import TenantStatus
from isthmus.kit.clock import SYSTEM
from isthmus.kit.permissions import PLATFORM_TENANT, TENANT_ADMIN, USER, system

_WORDS = "plenty of dew on the meadow"
_LOG = "/api/audit?limit=1"


@asynccontextmanager
async def _serving(running: Up) -> AsyncIterator[str]:
    """One more API process of the same deployment; its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ISTHMUS_")}
    said = {**kept, **running.given, "ISTHMUS_PORT": str(port)}
    process = await forks.process("-m", "isthmus", "serve", env=said)
    address = f"http://127.0.0.1:{port}"
    try:
        async with asyncio.timeout(100), aiohttp.ClientSession() as client:
            while True:
                assert process.returncode is None
                with contextlib.suppress(aiohttp.ClientError):
                    async with client.get(f"{address}/health/ready") as answer:
                        if answer.status == 200:
                            break
                await asyncio.sleep(0.05)
        yield address
    finally:
        process.kill()
        await process.wait()


async def _member(boss: Merchant, email: str) -> tuple[str, str, str]:
    """An admin of a tenant: the id, a session's token, and a key of theirs."""
    invited = (await boss.call("POST", "/api/tenant/members", {"email": email, "roles": [TENANT_ADMIN]})).body
    taken = {"invitation": invited["invitation"], "password": _WORDS}
    assert (await boss.call("POST", "/api/auth/accept", taken)).status == 200
    body = {"tenant": boss.tenant_id, "email": email, "password": _WORDS}
    token = str((await boss.call("POST", "/api/auth/login", body)).body["token"])
    key = await _key(Merchant(boss.deployment, boss.tenant_id, token, boss.browser))
    return str(invited["id"]), token, str(key["key"])


async def _key(maker: Merchant) -> Any:
    path = f"/api/merchants/{maker.tenant_id}/api-keys"
    return (await maker.call("POST", path, {"name": "Till", "permissions": ["audit:read"]})).body["data"]


@pytest.mark.proof
async def test_JT_10_AK_04_AK_07_what_is_ended_is_over_within_five_seconds_in_three_real_processes() -> None:
    limits = "other=100000,open=100000,login=1000"
    with home() as place:
        async with (
            up(place, HTTP__LIMITS=limits) as running,
            _serving(running) as second,
            _serving(running) as third,
            aiohttp.ClientSession() as client,
        ):
            places = [running.address, second, third]
            boss, shut = await running.merchant("Boss"), await running.merchant("Shut")
            (removed, *gone), (demoted, *less) = [
                await _member(boss, f"{name}@example.com") for name in ("removed", "demoted")
            ]
            revoked, of_shut = await _key(boss), await _key(shut)
            ends = {
                "removed": (gone, [401, 403]),
                "demoted": (less, [403, 403]),
                "revoked": ([revoked["key"]], [401]),
                "suspended": ([shut.token, of_shut["key"]], [401, 401]),
            }

            async def answers() -> dict[str, list[list[int]]]:
                return {
                    name: [[await _asked(client, one, shown) for shown in credentials] for one in places]
                    for name, (credentials, _) in ends.items()
                }

            before = {name: [[200] * len(credentials)] * 3 for name, (credentials, _) in ends.items()}
            assert await answers() == before
            async with running.behind() as platform:
                operator = platform.scope(PLATFORM_TENANT, system(PLATFORM_TENANT, "journeys"))
                assert await answers() == before, "what is remembered now may be believed for longest"
                await access.set_status(operator, shut.tenant_id, status=TenantStatus.SUSPENDED)
            path = f"/api/tenant/members/{demoted}"
            done = [
                await boss.call("DELETE", f"/api/tenant/members/{removed}"),
                await boss.call("PATCH", path, {"roles": [USER]}),
                await boss.call("DELETE", f"/api/merchants/{boss.tenant_id}/api-keys/{revoked['id']}"),
            ]
            assert [one.status // 100 for one in done] == [2, 2, 2]
            began = SYSTEM.monotonic()
            while SYSTEM.monotonic() < began + 5:
                await answers()  # whoever is asked all the while remembers anew
                await asyncio.sleep(0.05)
            assert await answers() == {name: [refused] * 3 for name, (_, refused) in ends.items()}


async def _asked(client: aiohttp.ClientSession, place: str, shown: str) -> int:
    name = {"x-api-key": shown} if shown.startswith("isk_") else {"authorization": f"Bearer {shown}"}
    async with client.get(place + _LOG, headers=name) as answer:
        return answer.status
