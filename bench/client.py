"""What the resilient client costs per call, beside bare aiohttp and beside the same put together from libraries."""

import asyncio
import contextlib
import os
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import uvloop

from bench.outbound.driver import measure
from bench.report import Row, publish
from isthmus.client import NEVER, ApiClient, Cache, DeadlineExceeded, Limiter, RateLimit, Response, Scripted

ROUNDS = int(os.environ.get("ISTHMUS_BENCH_ROUNDS", "7"))
CALLS = int(os.environ.get("ISTHMUS_BENCH_CALLS", "3000"))
IN_FLIGHT = (1, 16, 100)
ROOT = Path(__file__).parent.parent
PEERS = "httpx2 + tenacity + limits + purgatory"


def _first_line(process: subprocess.Popen[str]) -> str:
    return process.stdout.readline().strip() if process.stdout is not None else ""


class Arm:
    """One way to call, in a process of its own."""

    def __init__(self, python: str, module: str, url: str) -> None:
        self._process = subprocess.Popen(
            [python, "-m", f"bench.outbound.{module}", url],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.costs: dict[int, list[float]] = {}
        self.ready = self._line() == "ready"

    def _line(self) -> str:
        return _first_line(self._process)

    def run(self, calls: int, in_flight: int) -> None:
        """Make calls and keep what they cost."""
        if self._process.stdin is not None:
            self._process.stdin.write(f"{calls} {in_flight}\n")
            self._process.stdin.flush()
        self.costs.setdefault(in_flight, []).append(float(self._line()))

    def median(self, in_flight: int) -> float:
        """CPU microseconds per call."""
        return statistics.median(self.costs[in_flight])

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()


def _peer_python() -> str:
    own = ROOT / ".venv-bench" / "bin" / "python"
    return os.environ.get("ISTHMUS_BENCH_PYTHON") or (str(own) if own.exists() else sys.executable)


@contextlib.contextmanager
def _server() -> Iterator[str]:
    command = [sys.executable, "-m", "bench.outbound.server"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        yield f"http://127.0.0.1:{_first_line(process)}"
        process.kill()


def _calls(url: str) -> list[Row]:
    bare, whole = Arm(sys.executable, "bare", url), Arm(sys.executable, "whole", url)
    peers = Arm(_peer_python(), "peers", url)
    arms = [arm for arm in (bare, whole, peers) if arm.ready]
    try:
        for in_flight in IN_FLIGHT:
            for _ in range(ROUNDS):
                for arm in arms:
                    arm.run(CALLS // 3 if arm is peers else CALLS, in_flight)
    finally:
        for arm in (bare, whole, peers):
            arm.close()
    rows: list[Row] = []
    for in_flight in IN_FLIGHT:
        pairs = zip(whole.costs[in_flight], bare.costs[in_flight], strict=True)
        overhead = statistics.median(mine - theirs for mine, theirs in pairs)
        rows += [
            Row(f"overhead of the pipeline, {in_flight} in flight", overhead, "us CPU", 25.0, "aiohttp + uvloop"),
            Row(f"whole call, {in_flight} in flight", whole.median(in_flight), "us CPU"),
            Row(f"bare call, {in_flight} in flight", bare.median(in_flight), "us CPU", None, "aiohttp + uvloop"),
        ]
        if peers.ready:
            share = whole.median(in_flight) / peers.median(in_flight)
            target = {16: 1 / 4.5, 100: 1 / 6}.get(in_flight)
            rows += [
                Row(f"peers' call, {in_flight} in flight", peers.median(in_flight), "us CPU", None, PEERS),
                Row(f"share of the peers' CPU, {in_flight} in flight", share, "of 1", target, PEERS),
            ]
    return rows


async def _cache_hit() -> float:
    headers = {"Content-Type": "application/json", "Cache-Control": "max-age=3600"}
    transport = Scripted(lambda request: Response(200, headers, b"x" * 1700, request))
    async with ApiClient("https://api.example.com", transport=transport, cache=Cache()) as api:
        await api.get("/products", query={"page": 1})
        costs = [await measure(lambda: api.get("/products", query={"page": 1}), CALLS, 1) for _ in range(ROUNDS)]
    return statistics.median(costs)


def _limiter(keys: int) -> float:
    limiter = Limiter(RateLimit(max_requests=10**6, window=60.0), max_keys=10**6)
    names = [f"shop {number}" for number in range(keys)]
    for name in names:
        limiter.try_acquire(name)
    times = []
    for _ in range(ROUNDS):
        chosen = [names[number * 7919 % keys] for number in range(20_000)]
        started = time.process_time()
        for name in chosen:
            limiter.try_acquire(name)
        times.append((time.process_time() - started) / len(chosen) * 1e6)
    return statistics.median(times)


async def _waiting() -> tuple[float, float]:
    limiter = Limiter(RateLimit(max_requests=1, window=3600.0))
    await limiter.acquire()
    tracemalloc.start()
    tasks = [asyncio.create_task(limiter.acquire()) for _ in range(10_000)]
    await asyncio.sleep(0)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    before = time.process_time()
    await asyncio.sleep(0.5)
    idle = time.process_time() - before
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return held / 1e6, idle / 0.5 * 100


async def _overshoot(url: str) -> float:
    over: list[float] = []
    async with ApiClient(url, retry=NEVER, breaker=None) as api:
        for _ in range(20):
            started = time.perf_counter()
            with contextlib.suppress(DeadlineExceeded):
                await api.get("/silent", deadline=0.05)
            over.append((time.perf_counter() - started - 0.05) * 1000)
    return max(over)


def run() -> dict[str, object]:
    """Measure everything, interleaved, print the table and return it."""
    with _server() as url:
        rows = _calls(url)
        rows.append(Row("overshoot of a deadline, worst of 20", uvloop.run(_overshoot(url)), "ms", 50.0))
    rows.append(Row("cache hit in memory", uvloop.run(_cache_hit()), "us CPU", 15.0))
    rows += [Row(f"limiter at {keys:,} keys", _limiter(keys), "us CPU", 2.0) for keys in (1, 1_000, 100_000)]
    held, idle = uvloop.run(_waiting())
    rows.append(Row("10,000 calls waiting on a limiter", held, "MB", 60.0))
    rows.append(Row("CPU while they wait", idle, "% of a core", 2.0))
    return publish("client", rows)


if __name__ == "__main__":
    run()
