"""What one record costs in the store at 100 to a transaction: listing, variant and event, PostgreSQL included.

Three rounds over the same products: all new, none changed, all changed. Each record is checked, encoded and hashed, as
every writer does it; mapping is not part of it. The floor beside it is one plain table with the document and its hash,
written by `insert ... on conflict` without variants, events, checks and row-level security.

`ISTHMUS_BENCH_RECORDS` changes the number of products.
"""

import os
import shutil
import statistics
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from hashlib import blake2b
from pathlib import Path

import asyncpg
import msgspec
import psutil
import uvloop

from bench.processes import usage
from bench.report import Row, publish
from isthmus.connect.shapes import Image, Inventory, Listing, ListingStatus, Price, Variant
from isthmus.engine.bus import Bus
from isthmus.engine.db import Database, EmbeddedPostgres, migrate
from isthmus.engine.queue import PgQueue
from isthmus.features import records
from isthmus.kit.permissions import system
from isthmus.scope import Engine, Scope

RECORDS = int(os.environ.get("ISTHMUS_BENCH_RECORDS", "20000"))
_Page = list[tuple[Listing, bytes]]
_BATCH = 100
_ROUNDS = 3
_TARGETS = {"insert": 75.0, "unchanged": 20.0, "all changed": 90.0}
_PEERS = {"insert": "a peer's: 279", "unchanged": "a peer's: 122-151", "all changed": "a peer's: 317"}
_FLOOR_TABLE = """
create table floor_records (tenant_id text, connection_id text, id text, body jsonb, hash bytea,
  created_at timestamptz default now(), updated_at timestamptz default now(),
  primary key (tenant_id, connection_id, id))
"""
_FLOOR = """
insert into floor_records (tenant_id, connection_id, id, body, hash)
select 'ten_bench', 'con_bench', f.id, f.body, f.hash
from unnest($1::text[], $2::jsonb[], $3::bytea[]) as f(id, body, hash)
on conflict (tenant_id, connection_id, id) do update set body = excluded.body, hash = excluded.hash, updated_at = now()
where floor_records.hash <> excluded.hash
"""


@dataclass(frozen=True)
class _Origin:
    id: str
    provider: str = "rotor"


def _listing(number: int, edition: int) -> Listing:
    price = Decimal(99_000 + number % 500 + edition)
    return Listing(
        external_id=f"P{number}",
        title=f"Áo thun nam cổ tròn, số {number}, lần {edition}",
        status=ListingStatus.ACTIVE,
        platform_status="live",
        variants=(
            Variant(
                external_id=f"V{number}",
                sku=f"SKU-{number}",
                barcode=str(8930000000000 + number),
                price=Price("VND", price, price),
                inventory=(Inventory(number % 40 + edition),),
            ),
        ),
        description_html=f"<p>Chất liệu cotton, form rộng, màu không phai. Mẫu {number}.</p>",
        description_text=f"Chất liệu cotton, form rộng, màu không phai. Mẫu {number}.",
        brand="Sao Mai",
        category_path=("Thời trang", "Nam", "Áo"),
        tags=("cotton",),
        images=(Image(f"https://img.example/{number}.jpg"),),
    )


def _pages(edition: int) -> Iterator[_Page]:
    for start in range(0, RECORDS, _BATCH):
        made = [_listing(number, edition) for number in range(start, start + _BATCH)]
        yield [(one, msgspec.json.encode(one)) for one in made]


def _used() -> tuple[float, float]:
    own = psutil.Process()
    times = own.cpu_times()
    roots = [one for one in own.children() if "postgres" in one.name()]
    return times.user + times.system, sum(usage(one.pid).cpu_seconds for one in roots)


async def _measured(pages: list[_Page], put: Callable[..., Awaitable[None]]) -> tuple[float, float]:
    """Microseconds a record: of this process, and of PostgreSQL."""
    own, server = _used()
    for page in pages:
        await put(page)
    own_after, server_after = _used()
    return (own_after - own) / RECORDS * 1e6, (server_after - server) / RECORDS * 1e6


async def _round(url: str, number: int) -> dict[str, tuple[float, float]]:
    database = await Database.connect(url, size=2)
    engine = Engine(database, Bus(database), PgQueue(database))
    scope = Scope("ten_bench", system("ten_bench", "bench"), engine)
    origin = _Origin(f"con_{number}")
    reading = records.revision("rotor", "bench")

    async def put(page: _Page) -> None:
        items = [records.item(listing, raw, records.raw_hash(raw, reading)) for listing, raw in page]
        async with scope.tx() as tx:
            await records.write_listings(tx, scope, origin, items)

    first, second = list(_pages(0)), list(_pages(1))
    found = {
        "insert": await _measured(first, put),
        "unchanged": await _measured(first, put),
        "all changed": await _measured(second, put),
    }
    await database.close()
    return found


async def _floor(owner_url: str) -> float:
    connection = await asyncpg.connect(owner_url)
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=bytes.decode, decoder=str)
    await connection.execute(_FLOOR_TABLE)

    async def put(page: _Page) -> None:
        hashes = [blake2b(raw, digest_size=16).digest() for _, raw in page]
        await connection.execute(_FLOOR, [one.external_id for one, _ in page], [raw for _, raw in page], hashes)

    found = await _measured(list(_pages(0)), put)
    await connection.close()
    return sum(found)


async def _all(place: Path) -> tuple[list[dict[str, tuple[float, float]]], float]:
    async with EmbeddedPostgres(place / "postgres") as server:
        await migrate(server.owner_url)
        rounds = [await _round(server.url, number) for number in range(_ROUNDS)]
        return rounds, await _floor(server.owner_url)


def run() -> None:
    """Medians of three rounds, each of a connection of its own."""
    place = Path(tempfile.mkdtemp(prefix="isthmus-bench-"))
    place.chmod(0o755)
    try:
        rounds, floor = uvloop.run(_all(place))
    finally:
        shutil.rmtree(place, ignore_errors=True)
    rows = [Row("records", RECORDS, "records")]
    for name, target in _TARGETS.items():
        rows.append(Row(name, statistics.median(sum(one[name]) for one in rounds), "us CPU", target, _PEERS[name]))
        rows.append(Row("  of it PostgreSQL", statistics.median(one[name][1] for one in rounds), "us CPU"))
    publish("records_upsert", [*rows, Row("floor: insert into one plain table", floor, "us CPU")])


if __name__ == "__main__":
    run()
