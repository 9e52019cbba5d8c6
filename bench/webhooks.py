"""Outbound webhooks: CPU of the worker and PostgreSQL for each delivered event, and how late events arrive.

One worker process, one PostgreSQL, 1 KB bodies, a receiver beside them that is not counted. Medians of the rounds.
`ISTHMUS_BENCH_EVENTS`, `ISTHMUS_BENCH_ROUNDS` and `ISTHMUS_BENCH_STORED` change the sizes: a tenth of what is stored
waits in retry.
"""

import asyncio
import contextlib
import os
import statistics
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import uvloop

from bench.hooks import past
from bench.hooks.deployed import (
    PAD,
    Measured,
    deployment,
    emit,
    lateness,
    make_tenant,
    postgres_cpu,
    scope,
    sink,
    working,
)
from bench.report import Row, publish
from isthmus.engine.db import Tx, connect
from isthmus.scope import System

EVENTS = int(os.environ.get("ISTHMUS_BENCH_EVENTS", "4000"))
ROUNDS = int(os.environ.get("ISTHMUS_BENCH_ROUNDS", "3"))
STORED = int(os.environ.get("ISTHMUS_BENCH_STORED", "1000000"))


@dataclass(frozen=True)
class Cost:
    """CPU seconds of the worker and of PostgreSQL, and wall seconds."""

    worker: float
    postgres: float
    wall: float


async def _delivered(system: System, tenant: str, count: int) -> None:
    while True:
        async with system.tx() as tx:
            rows = await tx.fetch_sql(
                "select coalesce(sum(delivered), 0) as n from webhook_endpoints where tenant_id = $1", tenant
            )
        if rows[0]["n"] >= count:
            return
        await asyncio.sleep(0.1)


async def _cost(system: System, tenant: str, events: int, endpoints: int) -> Cost:
    """Emit, deliver, and wait for the last completion to be written."""
    worker, postgres, wall = time.process_time(), postgres_cpu(), time.perf_counter()
    await emit(scope(system, tenant), events)
    await _delivered(system, tenant, events * endpoints)
    return Cost(time.process_time() - worker, postgres_cpu() - postgres, time.perf_counter() - wall)


async def _latency(system: System, port: int, tenant: str, rate: int) -> float:
    """The 95th percentile of emit to arrival at a steady rate, in milliseconds."""
    await asyncio.to_thread(lateness, port)
    mine, started = scope(system, tenant), time.perf_counter()
    count = max(100, rate * 3)
    for number in range(count):
        async with mine.tx() as tx:
            tx.emit(Measured(subject="obj_1", body={"sent": time.monotonic(), "n": number, "pad": PAD}))
        await asyncio.sleep(max(0.0, started + (number + 1) / rate - time.perf_counter()))
    await asyncio.sleep(1.0)
    return statistics.quantiles(await asyncio.to_thread(lateness, port), n=20)[-1] * 1000


async def _fill(system: System, owner: str, admin: str) -> None:
    """What a deployment has behind it: events that were delivered, and a tenth that waits for its next attempt."""
    await past.fill_out(system, STORED)
    # In operation the log was read, cleaned and written to the disk as it grew: none of that belongs to what follows.
    connection = await connect(owner)
    for table in ("events", "webhook_deliveries", "webhook_attempts", "webhook_due"):
        await connection.execute(f"vacuum (analyze) {table}", timeout=1_800)
    await connection.close()
    connection = await connect(admin)
    await connection.execute("checkpoint", timeout=1_800)
    cleaning = "select count(*) from pg_stat_activity where backend_type = 'autovacuum worker'"
    while await connection.fetchval(cleaning):  # noqa: ASYNC110 - nothing tells of its end
        await asyncio.sleep(1.0)
    await connection.close()
    await system.engine.bus.skip("webhooks_out", _nobody)


async def _nobody(_tx: Tx) -> bool:
    return False


async def _costs(system: System, name: str, port: int, rounds: int, endpoints: int) -> list[Cost]:
    """Some rounds, each with a tenant of its own."""
    events = EVENTS // endpoints
    return [
        await _cost(system, await make_tenant(system, f"ten_{name}{number}", port, endpoints), events, endpoints)
        for number in range(rounds)
    ]


async def _measure() -> list[Row]:
    with sink() as port:
        async with deployment() as system, working(system):
            one = await _costs(system, "one", port, ROUNDS, 1)
            fan = await _costs(system, "fan", port, ROUNDS, 100)
            tenant = await make_tenant(system, "ten_late", port, 1)
            late = {rate: await _latency(system, port, tenant, rate) for rate in (50, 200, 1000)}
        full = await _with_a_past(port) if STORED else []
    return _rows(one, fan, late) + full


async def _with_a_past(port: int) -> list[Row]:
    """The same cost in a deployment that was filled, each round beside one in an empty deployment.

    Whatever else the machine does then falls on both.
    """
    owner: list[str] = []
    ratios: dict[str, list[float]] = {"full": [], "held": []}
    async with deployment() as empty, deployment(owner) as full:
        await _fill(full, *owner)
        for name, found in ratios.items():
            async with _held(owner[0]) if name == "held" else contextlib.nullcontext():
                for number in range(5):
                    before = await _alone(empty, f"{name}{number}", port)
                    found.append(await _alone(full, f"{name}{number}", port) / before)
    name = f"the same with {STORED:,} stored and {STORED // 10:,} in retry, against empty"
    return [
        Row(name, (statistics.median(ratios["full"]) - 1) * 100, "% more", 25),
        Row("and with an old snapshot held all the while", (statistics.median(ratios["held"]) - 1) * 100, "% more", 25),
    ]


async def _alone(system: System, name: str, port: int) -> float:
    """CPU seconds of one round, of a worker that is there for it."""
    async with working(system):
        (cost,) = await _costs(system, name, port, 1, 1)
    return cost.worker + cost.postgres


@contextlib.asynccontextmanager
async def _held(owner: str) -> AsyncIterator[None]:
    """A snapshot that is held, so that no dead row can go."""
    connection = await connect(owner)
    async with connection.transaction(isolation="repeatable_read"):
        await connection.fetch("select 1 from webhook_shards")
        yield
    await connection.close()


def _rows(one: list[Cost], fan: list[Cost], late: Mapping[int, float]) -> list[Row]:
    each = 1e6 / EVENTS
    return [
        Row("deliver to one endpoint", statistics.median(c.worker + c.postgres for c in one) * each, "us CPU", 220),
        Row("of that PostgreSQL", statistics.median(c.postgres for c in one) * each, "us CPU", 50),
        Row("delivered a second", EVENTS / statistics.median(c.wall for c in one), "1/s"),
        Row("fan-out to 100, a delivery", statistics.median(c.worker + c.postgres for c in fan) * each, "us CPU", 180),
        Row("p95 emit to arrival at 50/s", late[50], "ms", 50),
        Row("p95 emit to arrival at 200/s", late[200], "ms", 25),
        Row("p95 emit to arrival at 1000/s", late[1000], "ms", 25),
    ]


def run() -> None:
    """Measure and publish."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        publish("webhooks", runner.run(_measure()))


if __name__ == "__main__":
    run()
