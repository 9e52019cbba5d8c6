"""Several API processes on one database: what holds for all of them together."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.journeys.deployment import KEY, MASTER, Deployment, Merchant

from isthmus.app import SECTIONS, address_of, open_platform, serve_api
from isthmus.app.caps import every_cap
from isthmus.features import access
from isthmus.http import HttpSettings
from isthmus.http.server import bind
from isthmus.kit.permissions import PLATFORM_TENANT, TENANT_ADMIN, system
from isthmus.sandbox import SandboxServer
from isthmus.settings import load


@asynccontextmanager
async def _two(database_url: str, home: Path, **settings: str) -> AsyncIterator[tuple[Merchant, Merchant]]:
    """An admin of a new tenant, as she comes to each of two processes."""
    given = {
        "ISTHMUS_HOME": str(home),
        "ISTHMUS_DATABASE_URL": database_url,
        "ISTHMUS_AUTH__HS256": KEY,
        "ISTHMUS_MASTER_KEY": MASTER,
        **settings,
    }
    loaded, stop, doors = load(SECTIONS, given), asyncio.Event(), [bind("127.0.0.1", 0), bind("127.0.0.1", 0)]
    async with (
        SandboxServer([]) as sandbox,
        open_platform(loaded, upgrade=False) as one,
        open_platform(loaded, upgrade=False) as two,
        asyncio.TaskGroup() as group,
    ):
        for platform, door in zip((one, two), doors, strict=True):
            group.create_task(serve_api(platform, door, stop, hear=True))
        tenant = await access.create_tenant(one.scope(PLATFORM_TENANT, system(PLATFORM_TENANT, "journeys")), "Amy")
        first = Deployment(one, sandbox, address_of(doors[0]))
        amy = first.person(tenant.id, [TENANT_ADMIN])
        second = Merchant(Deployment(two, sandbox, address_of(doors[1])), tenant.id, amy.token, amy.browser)
        try:
            yield amy, second
        finally:
            await amy.browser.close()
            stop.set()


async def test_a_limit_holds_for_all_processes_together(database_url: str, tmp_path: Path) -> None:
    async with _two(database_url, tmp_path, ISTHMUS_HTTP__LIMITS="other=30") as (amy, second):
        answers = await asyncio.gather(*(who.call("GET", "/api/products") for _ in range(40) for who in (amy, second)))
    statuses = Counter(answer.status for answer in answers)
    assert statuses.keys() == {200, 429}
    assert 25 <= statuses[200] <= 30


async def test_RL_05_what_a_tenant_uses_is_shown_over_all_processes(database_url: str, tmp_path: Path) -> None:
    async with _two(database_url, tmp_path) as (amy, second):
        url, signed = f"{amy.deployment.address}/api/events/stream", {"authorization": f"Bearer {amy.token}"}
        reading = await amy.browser.get(url, headers=signed)
        assert reading.status == 200
        async with asyncio.timeout(30):
            while True:
                shown = (await second.call("GET", "/api/tenant/usage")).body["items"]
                used = {one["name"]: one["used"] for one in shown}
                if used["http.streams_per_tenant"] == 1:
                    break
                await asyncio.sleep(0.05)
        reading.close()
        assert set(used) == {cap.name for cap in every_cap(HttpSettings())}
