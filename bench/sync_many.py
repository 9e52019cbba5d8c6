"""200 connections that sync at once, one of them huge, in one worker process: how long the small ones wait to start.

The huge one is under way when the others are triggered, all in one moment. `ISTHMUS_BENCH_CONNECTIONS` and
`ISTHMUS_BENCH_HUGE` (pages of 100 products) change the sizes. Each small one reads one page.
"""

import asyncio
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import asyncpg

from bench.processes import free_port
from bench.pull import many
from bench.pull.connector import ShopSource
from bench.report import Row, publish
from isthmus.engine.db import Database, EmbeddedPostgres, migrate
from isthmus.engine.queue import PgQueue
from isthmus.features import sync
from isthmus.features.sync.service import Tally
from isthmus.kit.permissions import system
from isthmus.scope import Scope

CONNECTIONS = int(os.environ.get("ISTHMUS_BENCH_CONNECTIONS", "200"))
HUGE = int(os.environ.get("ISTHMUS_BENCH_HUGE", "500"))
_PAGE = 100
_ROOT = Path(__file__).parents[1]
_LIMIT = 300.0
_WAITS = """
select extract(epoch from started_at - created_at)::float8 as start,
  extract(epoch from finished_at - created_at)::float8 as ended, tenant_id = 'ten_huge' as huge
from sync_runs
"""


def _opened(*_: Scope | str | Tally) -> AbstractAsyncContextManager[ShopSource]:
    raise RuntimeError("this process starts runs and carries none on")


async def _triggered(url: str, names: list[tuple[str, str]]) -> None:
    database = await Database.connect(url, size=8)
    engine = many.engine(database, PgQueue(database), sync.Sources(many.shop, _opened))
    for tenant, connection in names:
        await sync.start(Scope(tenant, system(tenant, "bench"), engine), connection, mode=sync.Mode.FULL)
    await database.close()


async def _while(admin: asyncpg.Connection, query: str) -> None:
    ends = time.monotonic() + _LIMIT
    while await admin.fetchval(query):
        if time.monotonic() > ends:
            raise RuntimeError("the runs did not end in time")
        await asyncio.sleep(0.2)


@contextlib.contextmanager
def _started(arguments: list[str]) -> Iterator[subprocess.Popen[str]]:
    """A module of ours in a process of its own, once it has said that it is ready."""
    command = [sys.executable, "-m", *arguments]
    with subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            if process.stdout:
                process.stdout.readline()
            yield process
        finally:
            process.kill()


async def _measured(place: Path) -> tuple[list[asyncpg.Record], dict[str, Any], float]:
    port = free_port()
    async with EmbeddedPostgres(place / "postgres") as server:
        await migrate(server.owner_url)
        admin = await asyncpg.connect(server.address("postgres", "isthmus"))
        address = server.address("isthmus_service", "isthmus")
        with (
            _started(["bench.pull.server", str(port), str(HUGE * _PAGE), str(_PAGE)]),
            _started(["bench.pull.many", address, str(port), str(_PAGE)]) as worker,
        ):
            await _triggered(address, [("ten_huge", f"con_{HUGE}")])
            await _while(admin, "select count(*) = 0 from sync_runs where pages > 1")
            began = time.monotonic()
            await _triggered(address, [(f"ten_{number}", "con_1") for number in range(CONNECTIONS - 1)])
            triggered = time.monotonic() - began
            await _while(admin, "select count(*) > 0 from sync_runs where finished_at is null")
            said, _ = await asyncio.to_thread(worker.communicate, "stop\n", 60)
        rows = await admin.fetch(_WAITS)
        await admin.close()
        return rows, json.loads(said.splitlines()[-1]), triggered


def run() -> None:
    """One round: the many are the sample."""
    place = Path(tempfile.mkdtemp(prefix="isthmus-bench-"))
    place.chmod(0o755)
    try:
        rows, said, triggered = asyncio.run(_measured(place))
    finally:
        shutil.rmtree(place, ignore_errors=True)
    small = sorted(row["start"] for row in rows if not row["huge"])
    ended = sorted(row["ended"] for row in rows if not row["huge"])
    publish(
        "sync_many",
        [
            Row("connections at once, one of them huge", CONNECTIONS, "connections"),
            Row("small ones: 95th percentile of the wait for their start", small[int(len(small) * 0.95)], "s", 2.0),
            Row("  median", statistics.median(small), "s"),
            Row("  longest", small[-1], "s"),
            Row("  until all of them had ended", ended[-1], "s"),
            Row("  triggered within", triggered, "s"),
            Row("the huge one, in all", max(row["ended"] for row in rows if row["huge"]), "s"),
            Row("memory of the worker", said["memory_mb"], "MB"),
            Row("CPU of the worker", said["cpu"], "CPU s"),
        ],
    )


if __name__ == "__main__":
    run()
