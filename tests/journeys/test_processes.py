"""Several API processes on one database: what holds for all of them together."""

import asyncio
from collections import Counter
from pathlib import Path

from tests.journeys.deployment import KEY, MASTER, Deployment, Merchant

from isthmus.app import SECTIONS, address_of, open_platform, serve_api
from isthmus.features import access
from isthmus.http.server import bind
from isthmus.kit.permissions import PLATFORM_TENANT, TENANT_ADMIN, system
from isthmus.sandbox import SandboxServer
from isthmus.settings import load


async def test_a_limit_holds_for_all_processes_together(database_url: str, tmp_path: Path) -> None:
    given = {
        "ISTHMUS_HOME": str(tmp_path),
        "ISTHMUS_DATABASE_URL": database_url,
        "ISTHMUS_AUTH__HS256": KEY,
        "ISTHMUS_MASTER_KEY": MASTER,
        "ISTHMUS_HTTP__LIMITS": "other=30",
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
        answers = await asyncio.gather(*(who.call("GET", "/api/products") for _ in range(40) for who in (amy, second)))
        await amy.browser.close()
        stop.set()
    statuses = Counter(answer.status for answer in answers)
    assert statuses.keys() == {200, 429}
    assert 25 <= statuses[200] <= 30
