"""CPU of one authorised list request (page of 50, token, limits, row-level security), PostgreSQL included."""

import asyncio
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import aiohttp
import uvloop

from bench.processes import free_port, isthmus_up, usage, wait_ready, wait_rest
from bench.report import Row, publish
from isthmus.app import SECTIONS, address_of, open_platform, serve_api, work_queue
from isthmus.cli.demo import emulated
from isthmus.cli.demo_steps import Demo
from isthmus.http.server import bind
from isthmus.settings import load

ROUNDS = int(os.environ.get("ISTHMUS_BENCH_ROUNDS", "5"))
REQUESTS = int(os.environ.get("ISTHMUS_BENCH_REQUESTS", "3000"))
IN_FLIGHT = 8
LIMITS = "other=1000000000"


async def _fill(home: Path) -> str:
    """A tenant with one synced shop in this home; a token for it."""
    bound = bind("127.0.0.1", 0)
    address, stop = address_of(bound), asyncio.Event()
    settings = load(SECTIONS, {"ISTHMUS_HOME": str(home)})
    async with (
        emulated(120, None) as sandboxes,
        open_platform(settings, upgrade=True, public_url=address) as platform,
        asyncio.TaskGroup() as group,
    ):
        group.create_task(serve_api(platform, bound, stop))
        group.create_task(work_queue(platform, stop))
        steps = Demo(platform, address, {name: one for name, one in sandboxes.items() if name == "lazada"})
        try:
            await steps.prepare()
            await steps.connect_all()
            await steps.sync_all(lambda *_: None)
        finally:
            await steps.aclose()
            stop.set()
    return steps.token.reveal()


async def _load(url: str, token: str, requests: int) -> list[float]:
    """Ask `requests` times, a few at a time; seconds of each answer."""
    headers = {"authorization": f"Bearer {token}"}
    took: list[float] = []

    async def ask(client: aiohttp.ClientSession, times: int) -> None:
        for _ in range(times):
            started = time.perf_counter()
            async with client.get(url, headers=headers) as answer:
                body = await answer.read()
                if answer.status != 200 or len(body) < 1000:
                    raise RuntimeError(f"status {answer.status}: {body[:200]!r}")
            took.append(time.perf_counter() - started)

    async with aiohttp.ClientSession() as client:
        await asyncio.gather(*(ask(client, requests // IN_FLIGHT) for _ in range(IN_FLIGHT)))
    return took


def run() -> None:
    """Fill a home, start the system on it, and ask for listings again and again."""
    home = Path(tempfile.mkdtemp(prefix="isthmus-bench-"))
    home.chmod(0o755)
    try:
        token = uvloop.run(_fill(home))
        port = free_port()
        url = f"http://127.0.0.1:{port}/api/listings?limit=50"
        costs: list[float] = []
        slow: list[float] = []
        with isthmus_up(home, port, {"ISTHMUS_HTTP__LIMITS": LIMITS}) as process:
            wait_ready(port, process)
            uvloop.run(_load(url, token, 400))
            wait_rest(process.pid)
            for _ in range(ROUNDS):
                before = usage(process.pid).cpu_seconds
                took = uvloop.run(_load(url, token, REQUESTS))
                costs.append((usage(process.pid).cpu_seconds - before) / len(took) * 1e6)
                slow.append(sorted(took)[int(len(took) * 0.99)] * 1e3)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    publish(
        "http",
        [
            Row("authorised list of 50, server and PostgreSQL, median", statistics.median(costs), "us CPU", 450.0),
            Row(f"p99 at {IN_FLIGHT} in flight, median", statistics.median(slow), "ms"),
        ],
    )
