"""More bodies at once than a process holds, at the product's own routes: it refuses in time, and lives (RL-09)."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
import pytest_asyncio
from tests.given.crowds import Body, Crowd, send
from tests.journeys.deployment import Deployment, Merchant, deployment
from tests.journeys.process import home, up

from isthmus.http.holding import RETRY_SECONDS

MIB = 1024 * 1024
#: Room for eight bodies that are passed on piece by piece, or for sixteen of a MiB of nobody's tenant.
_ROOM = 32 * MIB
_FORM = b'--b\r\nContent-Disposition: form-data; name="file"; filename="products.csv"\r\n\r\n'
_END = b"\r\n--b--\r\n"
_GIGABYTE = 1024 * MIB


def upload(who: Merchant, size: int) -> Body:
    """A file of products as a browser's form sends it."""
    headers = (f"Authorization: Bearer {who.token}", "Content-Type: multipart/form-data; boundary=b")
    path = f"/api/merchants/{who.tenant_id}/product-sync/upload"
    return Body(who.deployment.address, path, size, headers, _FORM, _END)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Deployment]:
    settings = {"HTTP__HELD_BYTES": str(_ROOM), "HTTP__CONNECTIONS_PER_ADDRESS": "1000"}
    async with deployment(database_url, Path(tmp_path_factory.mktemp("home")), **settings) as made:  # type: ignore[arg-type] # settings are texts
        yield made


async def _served(running: Deployment, who: Merchant) -> None:
    """Others go on meanwhile."""
    answer = await who.call("GET", "/api/products")
    assert answer.status == 200, answer.body


async def test_RL_09_fifty_files_at_once_take_turns_and_others_are_served(running: Deployment) -> None:
    many = [await running.merchant(f"Many {number}") for number in range(5)]
    crowd = Crowd([upload(many[number % 5], 4 * MIB) for number in range(50)])
    held, statuses = await crowd.grown(lambda: _served(running, many[0]))
    assert set(statuses) <= {202, 503, 0}, statuses
    assert 1 <= statuses.count(202) <= 8, statuses
    assert held < 96 * MIB


async def test_RL_09_two_hundred_webhooks_that_never_end_hold_no_more_than_there_is_room_for(
    running: Deployment,
) -> None:
    amy = await running.merchant("Pushed")
    made = await amy.call("POST", "/api/webhooks/sources", {"provider": "github", "secret": "of-this-crowd"})
    path = urlsplit(made.body["url"]).path
    crowd = Crowd([Body(running.address, path, MIB - 65_536, ("Content-Type: application/json",)) for _ in range(200)])
    held, statuses = await crowd.grown(lambda: _served(running, amy))
    assert statuses.count(503) > 100, statuses
    assert held < 96 * MIB


async def _until_taken(body: Body) -> int:
    """Sent again for as long as the server says so; how often it was refused."""
    refused = 0
    while (status := await send(body, _at_once)) != 202:
        assert status in {503, 0}, status
        refused += 1
        await asyncio.sleep(RETRY_SECONDS)
    return refused


async def _at_once() -> None:
    return None


@pytest.mark.proof
@pytest.mark.timeout(7200)
async def test_RL_09_fifty_files_of_a_gigabyte_at_once_are_taken_by_one_process_that_lives() -> None:
    """Of ten tenants; the process works them off meanwhile, and finds no table in them. May take 60 GB of disk."""
    settings = {"HTTP__HELD_BYTES": str(_ROOM), "HTTP__REQUEST_SECONDS": "3600", "UPLOADS__OPEN_BYTES": str(2**36)}
    with home() as place:
        async with up(place, **settings) as running:  # type: ignore[arg-type] # settings are texts
            assert running.process is not None
            process, peak = psutil.Process(running.process.pid), 0
            many = [await running.merchant(f"Many {number}") for number in range(10)]
            before = process.memory_info().rss
            async with asyncio.TaskGroup() as group:
                bodies = [upload(many[number % 10], _GIGABYTE - MIB) for number in range(50)]
                sending = [group.create_task(_until_taken(body)) for body in bodies]
                while not all(one.done() for one in sending):
                    await asyncio.sleep(0.2)
                    peak = max(peak, process.memory_info().rss)
            assert sum(one.result() for one in sending) > 0, "not all at once"
            assert peak - before < 160 * MIB
            assert (await many[0].call("GET", "/api/products")).status == 200
