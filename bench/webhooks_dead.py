"""A dead endpoint beside a healthy one: how late the healthy one is told, alone and beside the dead one.

Both belong to one tenant and want every event; the dead one takes connections and never answers. What it missed waits
in retry meanwhile. Rounds alternate, and each ratio compares two that followed each other.
"""

import asyncio
import os
import statistics
import time

import uvloop

from bench.hooks.deployed import PAD, Measured, deployment, emit, lateness, make_tenant, scope, sink, working
from bench.report import Row, publish
from isthmus.features.webhooks_out import Draft, create
from isthmus.scope import System

ROUNDS = int(os.environ.get("ISTHMUS_BENCH_ROUNDS", "5"))
RATE = 200
_SECONDS = 4
_BEHIND = 1_000


async def _p99(system: System, port: int, tenant: str) -> float:
    """The 99th percentile of emit to arrival at a steady rate, in milliseconds."""
    await asyncio.to_thread(lateness, port)
    mine, started = scope(system, tenant), time.perf_counter()
    for number in range(RATE * _SECONDS):
        async with mine.tx() as tx:
            tx.emit(Measured(subject="obj_1", body={"sent": time.monotonic(), "n": number, "pad": PAD}))
        await asyncio.sleep(max(0.0, started + (number + 1) / RATE - time.perf_counter()))
    await asyncio.sleep(0.5)
    return statistics.quantiles(await asyncio.to_thread(lateness, port), n=100)[-1] * 1000


async def _measure() -> list[Row]:
    alone, beside = [], []
    with sink() as port:
        async with deployment() as system, working(system):
            healthy = await make_tenant(system, "ten_alone", port, 1)
            both = await make_tenant(system, "ten_both", port, 1)
            await create(scope(system, both), Draft(url=f"http://127.0.0.1:{port}/dead", concurrency=64), verify=False)
            await _p99(system, port, healthy)
            await emit(scope(system, both), _BEHIND)
            await asyncio.sleep(1.0)
            for _ in range(ROUNDS):
                alone.append(await _p99(system, port, healthy))
                beside.append(await _p99(system, port, both))
    ratio = statistics.median(b / a for a, b in zip(alone, beside, strict=True))
    return [
        Row(f"p99 of a healthy endpoint at {RATE}/s", statistics.median(alone), "ms"),
        Row("the same beside a dead one", statistics.median(beside), "ms"),
        Row("how many times as late beside a dead one", ratio, "x", 1.5),
    ]


def run() -> None:
    """Measure and publish."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        publish("webhooks_dead", runner.run(_measure()))


if __name__ == "__main__":
    run()
