"""`python -m bench.pull.many DATABASE_URL PORT PAGE`: a worker process that carries on whatever runs are queued.

A connection `con_<n>` reads n pages of the shop. It works until its standard input closes, then prints its CPU seconds
and memory as JSON.
"""

import asyncio
import json
import os
import resource
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import uvloop

from bench.pull.connector import ShopSource
from isthmus.client import ApiClient
from isthmus.connect.spi import RecordPage, Window
from isthmus.engine.bus import Bus
from isthmus.engine.db import Database
from isthmus.engine.queue import PgQueue, Wake
from isthmus.features import sync
from isthmus.features.sync.service import JOB, Tally
from isthmus.features.sync.settings import Settings
from isthmus.kit.permissions import system
from isthmus.scope import Engine, Scope


class _Part(ShopSource):
    """The first pages of the shop."""

    def __init__(self, client: ApiClient, size: int, pages: int) -> None:
        super().__init__(client, size)
        self._pages = pages

    async def pull(self, window: Window, cursor: str | None) -> RecordPage:
        page = await super().pull(window, cursor)
        return page if int(cursor or 1) < self._pages else RecordPage(page.records, None, page.total)


async def shop(scope: Scope, connection_id: str, entity: str) -> sync.Shop:  # noqa: ARG001 - a part's form
    """What a run wants to know of a connection."""
    return sync.Shop(connection_id, "bench", timedelta(minutes=10))


def engine(database: Database, queue: PgQueue, sources: sync.Sources) -> Engine:
    """The engines of a process that starts or carries on runs."""
    return Engine(database, Bus(database), queue, {sync.Sources: sources, Settings: Settings()})


async def work(url: str, port: int, size: int) -> dict[str, float]:
    """Work until nobody is there to read the figures."""

    @asynccontextmanager
    async def opened(scope: Scope, connection_id: str, entity: str, tally: Tally) -> AsyncIterator[ShopSource]:  # noqa: ARG001
        async with ApiClient(f"http://127.0.0.1:{port}", hooks=[tally]) as client:
            yield _Part(client, size, int(connection_id.rpartition("_")[2]))

    database = await Database.connect(url, size=10)
    queue = PgQueue(database)
    made = engine(database, queue, sync.Sources(shop, opened))

    @queue.handler(JOB, counts_deaths=True, bulk=True)
    async def run(wake: Wake) -> None:
        await sync.work(Scope(wake.tenant_id, system(wake.tenant_id, "bench"), made), wake.key)

    stop = asyncio.Event()
    working = asyncio.create_task(queue.run(stop))
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    stop.set()
    await working
    await database.close()
    used = os.times()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"cpu": used.user + used.system, "memory_mb": memory}


if __name__ == "__main__":
    print(json.dumps(uvloop.run(work(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))))
