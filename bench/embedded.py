"""The one-command system: time to ready, cold and warm, and what it costs while nothing happens."""

import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from bench.processes import free_port, isthmus_up, tree, usage, wait_ready
from bench.report import Row, publish

ROUNDS = int(os.environ.get("ISTHMUS_BENCH_ROUNDS", "3"))
IDLE_SECONDS = float(os.environ.get("ISTHMUS_BENCH_IDLE", "30"))
SETTLE_SECONDS = 5.0


def _start(home: Path) -> float:
    port = free_port()
    with isthmus_up(home, port) as process:
        return wait_ready(port, process)


def _idle(home: Path) -> tuple[float, float, int]:
    port = free_port()
    with isthmus_up(home, port) as process:
        wait_ready(port, process)
        time.sleep(SETTLE_SECONDS)
        before, started = usage(process.pid), time.perf_counter()
        time.sleep(IDLE_SECONDS)
        after, seconds = usage(process.pid), time.perf_counter() - started
        return (after.cpu_seconds - before.cpu_seconds) / seconds * 100, after.memory_mb, len(tree(process.pid))


def run() -> None:
    """Median of cold and warm starts, then one idle stretch."""
    cold, warm = [], []
    place = Path(tempfile.mkdtemp(prefix="isthmus-bench-"))
    place.chmod(0o755)
    try:
        for number in range(ROUNDS):
            home = place / str(number)
            cold.append(_start(home))
            warm.append(_start(home))
        share, memory, processes = _idle(place / "0")
    finally:
        shutil.rmtree(place, ignore_errors=True)
    publish(
        "embedded",
        [
            Row("cold start of isthmus up to ready, median", statistics.median(cold), "s", 4.0),
            Row("warm start of isthmus up to ready, median", statistics.median(warm), "s", 2.0),
            Row("whole idle system", share, "% of a core", 1.5),
            Row(f"idle memory of all {processes} processes (PSS)", memory, "MB"),
        ],
    )
