"""Outbound webhooks: CPU of the worker and PostgreSQL for each delivered event, and how late events arrive.

One worker process, one PostgreSQL, 1 KB bodies, a receiver beside them that is not counted. Medians of the rounds.
`ISTHMUS_BENCH_EVENTS`, `ISTHMUS_BENCH_ROUNDS` and `ISTHMUS_BENCH_STORED` change the sizes: a tenth of what is stored
waits in retry.
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
import urllib.request
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import psutil
import uvloop

from bench.report import Row, publish
from isthmus.engine.bus import Bus
from isthmus.engine.db import Database, EmbeddedPostgres, Tx, connect, migrate
from isthmus.engine.keys import Key, KeyRing, random_material
from isthmus.engine.queue import PgQueue
from isthmus.features import vault
from isthmus.features.webhooks_out import Catalogue, Draft, Sender, Settings, create, deliver, fan_out
from isthmus.kit.events import Event
from isthmus.kit.permissions import Principal
from isthmus.scope import Engine, Scope, System

EVENTS = int(os.environ.get("ISTHMUS_BENCH_EVENTS", "4000"))
ROUNDS = int(os.environ.get("ISTHMUS_BENCH_ROUNDS", "3"))
STORED = int(os.environ.get("ISTHMUS_BENCH_STORED", "1000000"))
_IDLE_SECONDS = 15
_STEP = 20_000
_PAD = "x" * 900
_CHUNK = 50


class Measured(Event):
    """An event of this benchmark."""

    type: ClassVar[str] = "bench.measured"
    public: ClassVar[bool] = True
    audited: ClassVar[bool] = False


@dataclass(frozen=True)
class Cost:
    """CPU seconds of the worker and of PostgreSQL, and wall seconds."""

    worker: float
    postgres: float
    wall: float


@contextlib.contextmanager
def _sink() -> Iterator[int]:
    command = [sys.executable, "-m", "bench.hooks.sink"]
    with subprocess.Popen(command, cwd=Path(__file__).parents[1], stdout=subprocess.PIPE, text=True) as process:
        try:
            yield int(process.stdout.readline() if process.stdout else 0)
        finally:
            process.kill()


def _late(port: int) -> list[float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/late", timeout=10) as answer:
        found: list[float] = json.loads(answer.read())
    return found


def _place() -> Path:
    """As root the server runs as another user, who must be able to pass through."""
    made = Path(tempfile.mkdtemp(prefix="isthmus-bench-"))
    made.chmod(0o755)
    return made


@contextlib.asynccontextmanager
async def _deployment(owner: list[str] | None = None) -> AsyncIterator[System]:
    """`owner` is told the address of the one who may vacuum."""
    place = _place()
    settings = Settings(allow_networks=("127.0.0.0/8",), allow_http=True)
    sender = Sender(settings)
    ring = KeyRing([Key("bench", random_material())], ["bench"])
    try:
        async with EmbeddedPostgres(place / "postgres") as running:
            await migrate(running.owner_url)
            if owner is not None:
                owner.append(running.owner_url)
            database = await Database.connect(running.address("isthmus_service", "isthmus"))
            parts: Mapping[type, Any] = {
                Settings: settings,
                Sender: sender,
                Catalogue: Catalogue([Measured]),
                vault.Vault: vault.Vault(ring),
            }
            yield System(Engine(database, Bus(database), PgQueue(database), parts))
            await database.close()
    finally:
        await sender.aclose()
        shutil.rmtree(place, ignore_errors=True)


@contextlib.asynccontextmanager
async def _listening(system: System) -> AsyncIterator[None]:
    """The bus alone: what a process does anyway."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(system.engine.bus.run(stop, {}))
        try:
            yield
        finally:
            stop.set()


@contextlib.asynccontextmanager
async def _working(system: System) -> AsyncIterator[None]:
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for work in (system.engine.bus.run(stop, {}), fan_out(system, stop), deliver(system, stop)):
            group.create_task(work)
        try:
            yield
        finally:
            stop.set()


def _postgres_cpu() -> float:
    """Of all its processes; those that ended meanwhile are few and short."""
    total = 0.0
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if "postgres" in process.name():
                times = process.cpu_times()
                total += times.user + times.system + times.children_user + times.children_system
    return total


def _scope(system: System, tenant: str) -> Scope:
    return Scope(tenant, Principal("user", "bench", "bench", tenant), system.engine, system.clock)


async def _emit(scope: Scope, count: int) -> None:
    for start in range(0, count, _CHUNK):
        async with scope.tx() as tx:
            for number in range(start, min(start + _CHUNK, count)):
                body = {"sent": time.monotonic(), "n": number, "pad": _PAD}
                tx.emit(Measured(subject=f"obj_{number}", body=body))


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
    worker, postgres, wall = time.process_time(), _postgres_cpu(), time.perf_counter()
    await _emit(_scope(system, tenant), events)
    await _delivered(system, tenant, events * endpoints)
    return Cost(time.process_time() - worker, _postgres_cpu() - postgres, time.perf_counter() - wall)


async def _tenant(system: System, name: str, port: int, endpoints: int) -> str:
    for number in range(endpoints):
        draft = Draft(url=f"http://127.0.0.1:{port}/{number}", concurrency=64)
        await create(_scope(system, name), draft, verify=False)
    return name


async def _latency(system: System, port: int, tenant: str, rate: int) -> float:
    """The 95th percentile of emit to arrival at a steady rate, in milliseconds."""
    await asyncio.to_thread(_late, port)
    scope, started = _scope(system, tenant), time.perf_counter()
    count = max(100, rate * 3)
    for number in range(count):
        async with scope.tx() as tx:
            tx.emit(Measured(subject="obj_1", body={"sent": time.monotonic(), "n": number, "pad": _PAD}))
        await asyncio.sleep(max(0.0, started + (number + 1) / rate - time.perf_counter()))
    await asyncio.sleep(1.0)
    return statistics.quantiles(await asyncio.to_thread(_late, port), n=20)[-1] * 1000


async def _at_rest() -> float:
    """Per cent of a core that the worker and PostgreSQL take while nothing happens."""
    before = time.process_time() + _postgres_cpu()
    await asyncio.sleep(_IDLE_SECONDS)
    return (time.process_time() + _postgres_cpu() - before) / _IDLE_SECONDS * 100


_FILL = (
    """
    insert into events (tenant_id, id, type, subject, at, public, audited, body, actor, day)
    select 'ten_old', 'evt_' || lpad(n::text, 26, '0'), 'bench.stored', 'obj', now() - interval '3 days', true, false,
      jsonb_build_object('n', n, 'pad', repeat('x', 200)), 'bench', current_date - n % 2
    from generate_series($1::int, $2::int) n
    """,
    """
    insert into webhook_deliveries (tenant_id, id, number, endpoint_id, event_id, type, state, attempts, next_at,
      last_status, created_at, done_at)
    select 'ten_old', 'dlv_' || lpad(n::text, 26, '0'), nextval('webhook_numbers'), 'whe_' || n % 50,
      'evt_' || lpad(n::text, 26, '0'), 'bench.stored', case when n % 10 = 0 then 'pending' else 'delivered' end, 1,
      case when n % 10 = 0 then now() + interval '2 hours' + n * interval '1 ms' end, 503, now() - interval '3 days',
      case when n % 10 > 0 then now() - interval '3 days' end
    from generate_series($1::int, $2::int) n
    """,
    """
    insert into webhook_attempts (tenant_id, delivery_id, id, until, trigger, at, url, address, signed_at, signature,
      status, response_headers, response, duration_ms)
    select 'ten_old', 'dlv_' || lpad(n::text, 26, '0'), 'att_' || lpad(n::text, 26, '0'), current_date + 20, 'schedule',
      now() - interval '3 days', 'https://old.test/hook', '192.0.2.1', 1, 'v1,', 503, '{}', '', 12
    from generate_series($1::int, $2::int) n
    """,
    """
    insert into webhook_due (shard, at, number, tenant_id, endpoint_id, delivery_id, attempts)
    select number % 16, next_at, number, tenant_id, endpoint_id, id, 1 from webhook_deliveries
    where tenant_id = 'ten_old' and state = 'pending'
      and id between 'dlv_' || lpad($1::int::text, 26, '0') and 'dlv_' || lpad($2::int::text, 26, '0')
    """,
)


async def _fill(system: System, owner: str) -> None:
    """What a deployment has behind it: events that were delivered, and a tenth that waits for its next attempt."""
    for statement in _FILL:
        for start in range(0, STORED, _STEP):
            async with system.tx() as tx:
                await tx.execute_sql(statement, start + 1, min(start + _STEP, STORED))
    # In operation the log was read and cleaned as it grew.
    connection = await connect(owner)
    for table in ("events", "webhook_deliveries", "webhook_attempts", "webhook_due"):
        await connection.execute(f"vacuum (analyze) {table}")
    await connection.close()
    await system.engine.bus.skip("webhooks_out", _nobody)


async def _nobody(_tx: Tx) -> bool:
    return False


async def _costs(system: System, name: str, port: int, rounds: int, endpoints: int) -> list[Cost]:
    """Some rounds, each with a tenant of its own."""
    events = EVENTS // endpoints
    return [
        await _cost(system, await _tenant(system, f"ten_{name}{number}", port, endpoints), events, endpoints)
        for number in range(rounds)
    ]


async def _measure() -> list[Row]:
    with _sink() as port:
        async with _deployment() as system:
            async with _listening(system):
                base = await _at_rest()
            async with _working(system):
                one = await _costs(system, "one", port, ROUNDS, 1)
                fan = await _costs(system, "fan", port, ROUNDS, 100)
                tenant = await _tenant(system, "ten_late", port, 1)
                late = {rate: await _latency(system, port, tenant, rate) for rate in (50, 200, 1000)}
                await asyncio.sleep(3)
                idle = await _at_rest() - base
        full = await _with_a_past(port) if STORED else []
    return _rows(one, fan, late, idle) + full


async def _with_a_past(port: int) -> list[Row]:
    """The same cost in a deployment of its own, before and after it was filled."""
    owner: list[str] = []
    async with _deployment(owner) as system:
        async with _working(system):
            empty = await _costs(system, "empty", port, 5, 1)
        await _fill(system, owner[0])
        async with _working(system):
            full = await _costs(system, "full", port, 5, 1)
        async with _held(owner[0]), _working(system):
            held = await _costs(system, "held", port, 5, 1)
    before, after, later = (statistics.median(c.worker + c.postgres for c in some) for some in (empty, full, held))
    name = f"the same with {STORED:,} stored and {STORED // 10:,} in retry, against empty"
    return [
        Row(name, (after / before - 1) * 100, "% more", 25),
        Row("and with an old snapshot held all the while", (later / before - 1) * 100, "% more", 25),
    ]


@contextlib.asynccontextmanager
async def _held(owner: str) -> AsyncIterator[None]:
    """A snapshot that is held, so that no dead row can go."""
    connection = await connect(owner)
    async with connection.transaction(isolation="repeatable_read"):
        await connection.fetch("select 1 from webhook_shards")
        yield
    await connection.close()


def _rows(one: list[Cost], fan: list[Cost], late: Mapping[int, float], idle: float) -> list[Row]:
    each = 1e6 / EVENTS
    return [
        Row("deliver to one endpoint", statistics.median(c.worker + c.postgres for c in one) * each, "us CPU", 220),
        Row("of that PostgreSQL", statistics.median(c.postgres for c in one) * each, "us CPU", 50),
        Row("delivered a second", EVENTS / statistics.median(c.wall for c in one), "1/s"),
        Row("fan-out to 100, a delivery", statistics.median(c.worker + c.postgres for c in fan) * each, "us CPU", 180),
        Row("p95 emit to arrival at 50/s", late[50], "ms", 50),
        Row("p95 emit to arrival at 200/s", late[200], "ms", 25),
        Row("p95 emit to arrival at 1000/s", late[1000], "ms", 25),
        Row("what webhooks add while idle", idle, "% of a core", 0.3),
    ]


def run() -> None:
    """Measure and publish."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        publish("webhooks", runner.run(_measure()))


if __name__ == "__main__":
    run()
