"""A whole product sync of a shop with plain pages, beside dlt in the same run: CPU of the worker process, memory.

Rounds are interleaved and medians quoted. `ISTHMUS_BENCH_PRODUCTS`, `ISTHMUS_BENCH_ROUNDS` and `ISTHMUS_BENCH_MANY`
(the size of the memory run, 0 for none) change the sizes; the targets are for 50,000 products.
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
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg

from bench.processes import free_port
from bench.report import Row, publish
from isthmus.engine.db import EmbeddedPostgres, migrate

PRODUCTS = int(os.environ.get("ISTHMUS_BENCH_PRODUCTS", "50000"))
ROUNDS = int(os.environ.get("ISTHMUS_BENCH_ROUNDS", "3"))
MANY = int(os.environ.get("ISTHMUS_BENCH_MANY", "500000"))
PAGE = 100
_ROOT = Path(__file__).parents[1]
_PEER = _ROOT / ".venv-bench" / "bin" / "python"
_SYSTEM = frozenset({"PATH", "HOME", "LANG", "LC_ALL", "TMPDIR"})
#: Every difference between what both sides stored, on the fields both have.
_DIFFERENT = """
select count(*) from (
  select l.external_id::bigint as id, v.sku, l.title, v.price::numeric, v.currency, v.stock, l.platform_updated_at as at
  from listings l join variants v on v.tenant_id = l.tenant_id and v.listing_id = l.id
) ours full join (
  select id, sku, title, price::numeric as price, currency, stock, updated_at::timestamptz as at from {peer}.products
) theirs using (id, sku, title, price, currency, stock, at)
where ours.id is null or theirs.id is null
"""
_EMPTY = "truncate products, listings, variants, events, sync_runs, sync_errors, sync_cursors cascade"


@dataclass
class Cost:
    """What one process used from its start to its end."""

    cpu: float
    memory_mb: float
    said: dict[str, Any]


@dataclass
class Costs:
    """The rounds of one arm."""

    all: list[Cost] = field(default_factory=list)

    def median(self, name: str) -> float:
        """The median of a figure over the rounds."""
        return float(statistics.median(getattr(one, name) for one in self.all))


def _measured(command: list[str]) -> Cost:
    """Run a command to its end and ask the kernel what it used, its own children included."""
    kept = {name: value for name, value in os.environ.items() if name in _SYSTEM}
    with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, env=kept) as process:
        said = process.stdout.read() if process.stdout else b""
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command[1:3]} ended with {process.returncode}")
    return Cost(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, json.loads(said.splitlines()[-1]))


@contextlib.contextmanager
def _shop(count: int) -> Iterator[int]:
    port = free_port()
    command = [sys.executable, "-m", "bench.pull.server", str(port), str(count), str(PAGE)]
    with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE) as process:
        try:
            if process.stdout:
                process.stdout.readline()
            yield port
        finally:
            process.kill()


def _place() -> Path:
    """As root the server runs as another user, who must be able to pass through."""
    made = Path(tempfile.mkdtemp(prefix="isthmus-bench-"))
    made.chmod(0o755)
    return made


@contextlib.asynccontextmanager
async def _database() -> AsyncIterator[EmbeddedPostgres]:
    place = _place()
    try:
        async with EmbeddedPostgres(place / "postgres") as running:
            await migrate(running.owner_url)
            yield running
    finally:
        shutil.rmtree(place, ignore_errors=True)


class Arms:
    """Both sides of the comparison over one database and one shop."""

    def __init__(self, running: EmbeddedPostgres, admin: asyncpg.Connection) -> None:
        self._running = running
        self._admin = admin

    async def ours(self, port: int, *, empty: bool) -> Cost:
        """One run of a worker, from nothing or over what is stored."""
        if empty:
            await self._admin.execute(_EMPTY)
        address = self._running.address("isthmus_service", "isthmus")
        command = [sys.executable, "-m", "bench.pull.worker", address, str(port), str(PAGE)]
        cost = await asyncio.to_thread(_measured, command)
        if cost.said["state"] != "succeeded":
            raise RuntimeError(f"the run ended as {cost.said}")
        return cost

    async def peer(self, port: int, name: str) -> Cost:
        """One load by dlt into a schema of its own."""
        await self._admin.execute(f"drop schema if exists {name} cascade")
        await self._admin.execute(f"drop schema if exists {name}_staging cascade")
        # dlt insists on a host and a password in front; the socket's folder behind them is what counts.
        address = self._running.address("postgres", "isthmus").replace("postgres@/", "postgres:none@localhost/")
        command = [str(_PEER), "bench/pull/peer.py", address, str(port), str(PAGE), name]
        return await asyncio.to_thread(_measured, [*command, "tuned"] if name == "dlt_tuned" else command)

    async def check(self, count: int, peer: str | None) -> None:
        """Everything is stored with one event each, and the same as the peer has stored."""
        stored = await self._admin.fetchval("select count(*) from listings")
        told = await self._admin.fetchval("select count(*) from events where type = 'listing.created'")
        different = await self._admin.fetchval(_DIFFERENT.format(peer=peer)) if peer else 0
        if (stored, told, different) != (count, count, 0):
            raise RuntimeError(f"{stored} listings and {told} events of {count} products, {different} differ")


async def _rounds(arms: Arms, peers: list[str]) -> dict[str, Costs]:
    found = {name: Costs() for name in ("first", "second", *peers)}
    with _shop(PRODUCTS) as port:
        for _ in range(ROUNDS):
            found["first"].all.append(await arms.ours(port, empty=True))
            for peer in peers:
                found[peer].all.append(await arms.peer(port, peer))
            await arms.check(PRODUCTS, peers[0] if peers else None)
            found["second"].all.append(await arms.ours(port, empty=False))
            await arms.check(PRODUCTS, None)
    return found


async def _measure() -> list[Row]:
    peers = ["dlt_tuned", "dlt_default"] if _PEER.exists() else []
    async with _database() as running:
        admin = await asyncpg.connect(running.address("postgres", "isthmus"))
        arms = Arms(running, admin)
        found = await _rounds(arms, peers)
        many = None
        if MANY:
            with _shop(MANY) as port:
                many = await arms.ours(port, empty=True)
        await admin.close()
    return _rows(found, many, " / ".join(f"{name} {found[name].median('cpu'):.2f} s" for name in peers))


def _rows(found: dict[str, Costs], many: Cost | None, peer: str) -> list[Row]:
    first, second = found["first"], found["second"]
    pulls = {name: statistics.median(one.said["pull_cpu"] for one in found[name].all) for name in ("first", "second")}
    memory = " / ".join(f"{name} {costs.median('memory_mb'):.0f} MB" for name, costs in list(found.items())[2:])
    rows = [
        Row(f"{PRODUCTS} products, the run in the worker", pulls["first"], "CPU s", 2.0, peer),
        Row(f"{PRODUCTS} products, the whole process with its start", first.median("cpu"), "CPU s", None, peer),
        Row("again and unchanged, the run in the worker", pulls["second"], "CPU s", 1.0),
        Row("again and unchanged, the whole process with its start", second.median("cpu"), "CPU s"),
        Row("memory of the worker process", first.median("memory_mb"), "MB", 100.0, memory),
    ]
    if many is not None:
        rows.append(Row(f"memory with {MANY} products", many.memory_mb, "MB", 100.0))
    return rows


def run() -> None:
    """Interleaved rounds, then one large shop for its memory."""
    publish("sync_pull", asyncio.run(_measure()))
