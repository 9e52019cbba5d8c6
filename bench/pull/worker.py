"""`python -m bench.pull.worker DATABASE_URL PORT PAGE [CONNECTION]`: one sync run; prints its CPU and memory."""

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
from isthmus.engine.bus import Bus
from isthmus.engine.db import Database
from isthmus.engine.queue import PgQueue
from isthmus.features import sync
from isthmus.features.sync.service import Tally
from isthmus.features.sync.settings import Settings
from isthmus.kit.permissions import system
from isthmus.scope import Engine, Scope


async def _shop(scope: Scope, connection_id: str, entity: str) -> sync.Shop:  # noqa: ARG001 - a part's form
    return sync.Shop(connection_id, "bench", timedelta(minutes=10))


async def pull(url: str, port: int, size: int, connection: str = "con_bench") -> dict[str, object]:
    """Start a full run and carry it to its end."""

    @asynccontextmanager
    async def opened(scope: Scope, connection_id: str, entity: str, tally: Tally) -> AsyncIterator[ShopSource]:  # noqa: ARG001
        async with ApiClient(f"http://127.0.0.1:{port}", hooks=[tally]) as client:
            yield ShopSource(client, size)

    database = await Database.connect(url, size=4)
    parts = {sync.Sources: sync.Sources(_shop, opened), Settings: Settings()}
    engine = Engine(database, Bus(database), PgQueue(database), parts)
    scope = Scope("ten_bench", system("ten_bench", "bench"), engine)
    run = await sync.start(scope, connection, mode=sync.Mode.FULL)
    began = os.times()
    await sync.work(scope, run.id)
    ended = os.times()
    done = await sync.run(scope, run.id)
    await database.close()
    return {
        "state": done.state,
        "error": done.error_message,
        "created": done.created,
        "updated": done.updated,
        "unchanged": done.unchanged,
        "pull_cpu": ended.user + ended.system - began.user - began.system,
        "process_cpu": ended.user + ended.system,
        "wall": ended.elapsed - began.elapsed,
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


if __name__ == "__main__":
    print(json.dumps(uvloop.run(pull(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:]))))
