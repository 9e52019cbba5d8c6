"""kill -9 at arbitrary places: nothing that was emitted is lost, and what comes twice was under way."""

import asyncio
import signal
from collections import Counter
from pathlib import Path

from tests.given import forks
from tests.given import vault as given_vault
from tests.given import webhooks_out as given
from tests.house_database import Copy

from isthmus.engine.db import Database
from isthmus.features.webhooks_out.model import Draft
from isthmus.features.webhooks_out.service import endpoints
from isthmus.features.webhooks_out.service.deliveries import DeliveryFilters, listing
from isthmus.kit.paging import Ask
from isthmus.scope import Scope

ROOT = Path(__file__).resolve().parents[3]
EVENTS = 90


async def _worker(url: str) -> forks.Process:
    return await forks.process("-m", "tests.given.webhooks_killed", url, cwd=ROOT)


async def _undelivered(scope: Scope) -> int:
    return len((await listing(scope, Ask(100), DeliveryFilters(state="pending"))).items)


async def test_PR_04_killed_again_and_again_nothing_is_lost(database: Database, copied: Copy) -> None:
    async with given.sink() as sink, given.process(database) as system:
        scope = given_vault.scope(system, "ten_a")
        await endpoints.create(scope, Draft(url=sink.url, types=["shelf.filled"], concurrency=4), verify=False)
        came = 0
        for round_ in range(3):
            await given.emit(scope, *range(round_ * 30, round_ * 30 + 30))
            worker = await _worker(copied.url)
            try:
                await sink.wait_for(came + 5, 60)
            finally:
                worker.send_signal(signal.SIGKILL)
                await worker.wait()
            came = len(sink.bodies)
        last = await _worker(copied.url)
        try:
            async with asyncio.timeout(60):
                while len({head["webhook-id"] for head in sink.heads}) < EVENTS or await _undelivered(scope):
                    sink.came.clear()
                    await asyncio.wait([asyncio.ensure_future(sink.came.wait())], timeout=0.1)
        finally:
            last.kill()
            await last.wait()
    counted = Counter(head["webhook-id"] for head in sink.heads)
    assert len(counted) == EVENTS
    # At most what was sent and not yet written at each of three deaths: a batch that gathers, and what is in flight.
    assert sum(counted.values()) - EVENTS <= 3 * 30
    assert max(counted.values()) <= 4
