"""What a record costs where millions are stored already, beside the same where none is: CPU of worker and PostgreSQL.

Both cases read the same shop into a connection of its own, in turns of five; medians are compared. The stored set is
made once, set-based: a second shop of the same tenant. `ISTHMUS_BENCH_STORED`, `ISTHMUS_BENCH_PRODUCTS` and
`ISTHMUS_BENCH_ROUNDS` change the sizes; the targets are for 5,000,000, 500,000 and 5.
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
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import psutil

from bench.processes import free_port, usage
from bench.report import Row, publish
from isthmus.engine.db import EmbeddedPostgres, migrate

STORED = int(os.environ.get("ISTHMUS_BENCH_STORED", "5000000"))
PRODUCTS = int(os.environ.get("ISTHMUS_BENCH_PRODUCTS", "500000"))
ROUNDS = int(os.environ.get("ISTHMUS_BENCH_ROUNDS", "5"))
_PAGE = 100
_ROOT = Path(__file__).parents[1]
#: Written as the owner of the server, without the checks of references, which hold by the way the rows are made.
_SEED = (
    "set session_replication_role = replica",
    """
    insert into products (tenant_id, id, title, sku, status, currency, price, stock, version, created_at, updated_at)
    select 'ten_bench', 'prd_00' || lpad(n::text, 24, '0'), 'Stored ' || n, 'OLD-' || n, 'active', 'VND', n, 5, 1,
      now(), now()
    from generate_series(1, $1::bigint) n
    """,
    """
    insert into listings (tenant_id, id, product_id, connection_id, provider, external_id, title, status,
      platform_status, sku, variant_count, currency, price, stock, body, raw, raw_hash, hash, version, created_at,
      updated_at)
    select 'ten_bench', 'lst_00' || lpad(n::text, 24, '0'), 'prd_00' || lpad(n::text, 24, '0'), 'con_stored', 'bench',
      n::text, 'Stored ' || n, 'active', 'active', 'OLD-' || n, 1, 'VND', n, 5,
      jsonb_build_object('external_id', n::text, 'title', 'Stored ' || n, 'description_html', repeat('x', 300)),
      convert_to(repeat('y', 400), 'UTF8'), decode(md5(n::text), 'hex'), decode(md5('h' || n), 'hex'), 1, now(), now()
    from generate_series(1, $1::bigint) n
    """,
    """
    insert into variants (tenant_id, id, listing_id, connection_id, external_id, sku, position, status, currency,
      price, list_price, stock)
    select 'ten_bench', 'var_00' || lpad(n::text, 24, '0'), 'lst_00' || lpad(n::text, 24, '0'), 'con_stored', n::text,
      'OLD-' || n, 0, 'active', 'VND', n, n, 5
    from generate_series(1, $1::bigint) n
    """,
    "set session_replication_role = origin",
    "vacuum (analyze) products, listings, variants",
)

_EMPTY = (
    "delete from variants where tenant_id = 'ten_bench' and connection_id <> 'con_stored'",
    "delete from listings where tenant_id = 'ten_bench' and connection_id <> 'con_stored'",
    "delete from products where tenant_id = 'ten_bench' and id > 'prd_01'",
    # A table that is vacuumed while it is empty looks small to the planner for as long as nobody counts again.
    "analyze products, listings, variants",
)


@dataclass(frozen=True)
class _Pulled:
    """Microseconds a record, of the worker and of PostgreSQL, and the worker's memory."""

    worker: float
    server: float
    memory_mb: float

    @property
    def each(self) -> float:
        return self.worker + self.server


def _postgres() -> float:
    own = psutil.Process().children(recursive=False)
    return sum(usage(one.pid).cpu_seconds for one in own if "postgres" in one.name())


@contextlib.contextmanager
def _shop() -> Iterator[int]:
    port = free_port()
    command = [sys.executable, "-m", "bench.pull.server", str(port), str(PRODUCTS), str(_PAGE)]
    with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE) as process:
        try:
            if process.stdout:
                process.stdout.readline()
            yield port
        finally:
            process.kill()


async def _pulled(address: str, port: int, connection: str) -> _Pulled:
    command = [sys.executable, "-m", "bench.pull.worker", address, str(port), str(_PAGE), connection]
    before = _postgres()
    done = await asyncio.to_thread(subprocess.run, command, cwd=_ROOT, capture_output=True, check=True)
    said = json.loads(done.stdout.splitlines()[-1])
    if (said["state"], said["created"]) != ("succeeded", PRODUCTS):
        raise RuntimeError(f"not everything was taken: {said}")
    scale = 1e6 / PRODUCTS
    return _Pulled(said["pull_cpu"] * scale, (_postgres() - before) * scale, said["memory_mb"])


async def _seed(admin: asyncpg.Connection) -> None:
    for statement in _SEED:
        await (admin.execute(statement, STORED) if "$1" in statement else admin.execute(statement))


async def _measured(place: Path) -> tuple[list[_Pulled], list[_Pulled]]:
    """Rounds over an empty store and over a full one, each shop forgotten again before the next."""
    found: tuple[list[_Pulled], list[_Pulled]] = ([], [])
    with _shop() as port:
        async with EmbeddedPostgres(place / "small") as small, EmbeddedPostgres(place / "large") as large:
            for server in (small, large):
                await migrate(server.owner_url)
            admin = await asyncpg.connect(large.address("postgres", "isthmus"), command_timeout=3_600)
            await _seed(admin)
            for number in range(ROUNDS):
                for server, rounds in zip((small, large), found, strict=True):
                    address = server.address("isthmus_service", "isthmus")
                    rounds.append(await _pulled(address, port, f"con_{number}"))
                    await _emptied(server)
            await admin.close()
    return found


async def _emptied(server: EmbeddedPostgres) -> None:
    admin = await asyncpg.connect(server.address("postgres", "isthmus"), command_timeout=3_600)
    for statement in _EMPTY:
        await admin.execute(statement)
    await admin.close()


def run() -> None:
    """The small case and the large one in turns."""
    place = Path(tempfile.mkdtemp(prefix="isthmus-bench-"))
    place.chmod(0o755)
    try:
        small, large = asyncio.run(_measured(place))
    finally:
        shutil.rmtree(place, ignore_errors=True)
    base, grown = (statistics.median(one.each for one in rounds) for rounds in (small, large))
    memory = [max(one.memory_mb for one in rounds) for rounds in (small, large)]
    publish(
        "sync_large",
        [
            Row("stored already", STORED, "products"),
            Row(f"a record of {PRODUCTS}, none stored", base, "us CPU"),
            Row("a record, with those stored", grown, "us CPU"),
            Row("  of it PostgreSQL", statistics.median(one.server for one in large), "us CPU"),
            Row("the one by the other", grown / base, "times", 1.25),
            Row("memory of the worker, none stored", memory[0], "MB", 100.0),
            Row("memory of the worker, with those stored", memory[1], "MB", 100.0),
        ],
    )


if __name__ == "__main__":
    run()
