"""What webhooks add while nothing happens, both halves: a worker with and without their rooms, and its PostgreSQL.

The whole worker runs in this process: listeners, reconciler, recurring work and what goes on all the time. A tenant has
an endpoint, so that the log is read for it. Rounds alternate; medians.
"""

import asyncio
import contextlib
import os
import shutil
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from unittest import mock

import uvloop

from bench.hooks.deployed import place, postgres_cpu, scope
from bench.report import Row, publish
from isthmus.app import FEATURES, SECTIONS, open_platform, work_queue
from isthmus.feature import Feature
from isthmus.features.webhooks_out import Draft, create
from isthmus.settings import load

ROUNDS = int(os.environ.get("ISTHMUS_BENCH_ROUNDS", "3"))
SECONDS = float(os.environ.get("ISTHMUS_BENCH_IDLE", "20"))
#: Until every connection of the pool has met its statements: what that costs belongs to the start.
_SETTLED = 40.0
_ROOMS = ("webhooks_in", "webhooks_out")


@contextlib.asynccontextmanager
async def _working(home: Path, rooms: Sequence[Feature]) -> AsyncIterator[None]:
    """A worker of these rooms alone, with an endpoint that has nothing to get."""
    given = {"ISTHMUS_HOME": str(home), "ISTHMUS_WEBHOOKS_OUT__ALLOW_NETWORKS": "127.0.0.0/8"}
    stop = asyncio.Event()
    async with open_platform(load(SECTIONS, given), upgrade=True) as platform:
        await create(scope(platform.system, "ten_idle"), Draft(url="https://127.0.0.1/hook"), verify=False)
        with mock.patch("isthmus.app.work.FEATURES", tuple(rooms)):
            task = asyncio.create_task(work_queue(platform, stop))
            try:
                yield
            finally:
                stop.set()
                await task


async def _share(home: Path, rooms: Sequence[Feature]) -> float:
    """Per cent of a core."""
    async with _working(home, rooms):
        await asyncio.sleep(_SETTLED)
        before = time.process_time() + postgres_cpu()
        await asyncio.sleep(SECONDS)
        return (time.process_time() + postgres_cpu() - before) / SECONDS * 100


async def _measure(home: Path) -> list[Row]:
    others = [feature for feature in FEATURES if feature.name not in _ROOMS]
    without, whole = [], []
    for _ in range(ROUNDS):
        without.append(await _share(home, others))
        whole.append(await _share(home, FEATURES))
    added = statistics.median(more - less for more, less in zip(whole, without, strict=True))
    return [
        Row("a worker without webhooks, with PostgreSQL", statistics.median(without), "% of a core"),
        Row("what webhooks add while idle, both halves", added, "% of a core", 0.3),
    ]


def run() -> None:
    """Measure and publish."""
    home = place()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            publish("webhooks_idle", runner.run(_measure(home)))
    finally:
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    run()
