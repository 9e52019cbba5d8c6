"""A CSV file of a million rows into the store, and the same file again: CPU of the worker and of PostgreSQL, memory.

`ISTHMUS_BENCH_ROWS` changes the size; the targets are for 1,000,000. Rows are variants, four to a product; the figures
for a file of one row to a product are printed beside them, per million, measured on a tenth. The floor is Python's own
csv module that only counts the rows.
"""

import asyncio
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import psutil

from bench.processes import usage
from bench.report import Row, publish
from isthmus.engine.db import EmbeddedPostgres, migrate

ROWS = int(os.environ.get("ISTHMUS_BENCH_ROWS", "1000000"))
_ROOT = Path(__file__).parents[1]
_HEADER = (
    "product_id,title,description,brand,category,tags,images,status,sku,barcode,option1_name,option1_value,price,stock"
)


def _write(file: Path, rows: int, variants: int) -> None:
    with file.open("w", newline="") as opened:
        opened.write(_HEADER + "\r\n")
        for number in range(rows):
            product, variant = divmod(number, variants)
            opened.write(
                f'P{product},"Áo thun nam cổ tròn, số {product}","<p>Chất liệu cotton. Mẫu {product}.</p>",'
                f"Sao Mai,Thời trang > Nam > Áo,cotton,https://img.example/{product}.jpg,active,"
                f"SKU-{product}-{variant},{8930000000000 + number},Cỡ,{variant},{99000 + number % 500},{number % 40}"
                "\r\n"
            )


def _floor(file: Path) -> float:
    before = os.times()
    with file.open(newline="") as opened:
        for _ in csv.reader(opened):
            pass
    after = os.times()
    return after.user - before.user


def _postgres() -> float:
    own = psutil.Process().children(recursive=False)
    roots = [one for one in own if "postgres" in one.name()]
    return sum(usage(one.pid).cpu_seconds for one in roots)


def _taken(url: str, file: Path, folder: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.files.worker", url, str(file), str(folder)]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, check=True)
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if said["state"] != "succeeded":
        raise RuntimeError(str(said))
    return said


async def _round(place: Path, rows: int, variants: int) -> dict[str, tuple[float, float, float]]:
    """For the first and the second time: CPU of the worker, of PostgreSQL, and the worker's memory."""
    file = place / f"rows-{variants}.csv"
    _write(file, rows, variants)
    found = {}
    async with EmbeddedPostgres(place / f"postgres-{variants}") as server:
        await migrate(server.owner_url)
        for name in ("first", "again"):
            before = _postgres()
            said = await asyncio.to_thread(_taken, server.url, file, place / "blobs")
            if (said["rows"], said["created" if name == "first" else "unchanged"]) != (rows, rows // variants):
                raise RuntimeError(f"not everything was taken: {said}")
            found[name] = (said["cpu"], _postgres() - before, said["memory_mb"])
    found["floor"] = (_floor(file), 0.0, 0.0)
    return found


def run() -> None:
    """Both shapes of files, the large one first."""
    place = Path(tempfile.mkdtemp(prefix="isthmus-bench-"))
    place.chmod(0o755)
    try:
        whole = asyncio.run(_round(place, ROWS, 4))
        single = asyncio.run(_round(place, ROWS // 10, 1))
    finally:
        shutil.rmtree(place, ignore_errors=True)
    scale = ROWS / 1_000_000
    first, again = whole["first"], whole["again"]
    publish(
        "uploads",
        [
            Row("rows", ROWS, "rows"),
            Row("first time, PostgreSQL included", first[0] + first[1], "CPU s", 60 * scale, "60 a million"),
            Row("  of it PostgreSQL", first[1], "CPU s"),
            Row("again", again[0] + again[1], "CPU s", 20 * scale, "20 a million"),
            Row("memory of the worker", first[2], "MB", 150),
            Row("Python's csv alone", whole["floor"][0], "CPU s"),
            Row("one row to a product, for as many rows", 10 * sum(single["first"][:2]), "CPU s"),
            Row("  again", 10 * sum(single["again"][:2]), "CPU s"),
        ],
    )


if __name__ == "__main__":
    run()
