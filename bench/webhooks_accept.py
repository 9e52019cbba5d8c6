"""Inbound webhooks: CPU of the API process and PostgreSQL for each delivery that is accepted, and how long that takes.

Accepted means verified on its raw bytes, found to be no repeat, committed, and answered. 1 KB bodies; the sender is not
counted. A peer does the same with FastAPI, asyncpg and one insert for each. Medians of the rounds.
`ISTHMUS_BENCH_EVENTS` and `ISTHMUS_BENCH_ROUNDS` change the sizes.
"""

import asyncio
import contextlib
import hmac
import json
import os
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import uvloop

from bench.hooks.accepting import SECRET
from bench.processes import usage
from bench.report import Row, publish

EVENTS = int(os.environ.get("ISTHMUS_BENCH_EVENTS", "10000"))
ROUNDS = int(os.environ.get("ISTHMUS_BENCH_ROUNDS", "3"))
IN_FLIGHT = 64
RATE = 2_000
_PAD = "x" * 900


@dataclass(frozen=True)
class Measured:
    """One round at full load."""

    micros: float
    each_second: float


@dataclass(frozen=True)
class Process:
    """A measured process, and the address of its hook."""

    which: str
    running: "subprocess.Popen[str]"
    url: str

    @property
    def pid(self) -> int:
        """Its id; what it started stands below it."""
        return self.running.pid

    def left(self) -> dict[str, int]:
        """What it has still to do besides what it has answered."""
        return self.tell("left")

    def tell(self, what: str) -> dict[str, Any]:
        """Have it do something, or answer a question: `left`, `replay`, `late`, `cancel`."""
        told, said = self.running.stdin, self.running.stdout
        assert told is not None  # noqa: S101 - both are pipes
        assert said is not None  # noqa: S101
        told.write(f"{what}\n")
        told.flush()
        found: dict[str, Any] = json.loads(said.readline())
        return found


@contextlib.contextmanager
def accepting(which: str) -> Iterator[Process]:
    """The measured process of this kind."""
    command = [sys.executable, "-m", "bench.hooks.accepting", which]
    home = Path(__file__).parents[1]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=home, text=True, **pipes) as process:  # type: ignore[call-overload] # pipes
        try:
            yield Process(which, process, process.stdout.readline().strip())
        finally:
            process.stdin.close()
            process.wait(120)


def request(url: str) -> bytes:
    """A delivery as GitHub sends it, with an id of its own."""
    parts, delivery = urlsplit(url), uuid.uuid4()
    body = json.dumps({"id": str(delivery), "action": "opened", "repository": {"id": 1}, "pad": _PAD}).encode()
    mark = hmac.digest(SECRET.encode(), body, "sha256").hex()
    head = (
        f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUser-Agent: GitHub-Hookshot/1\r\nAccept: */*\r\n"
        f"Content-Type: application/json\r\nX-GitHub-Event: issues\r\nX-GitHub-Delivery: {delivery}\r\n"
        f"X-Hub-Signature-256: sha256={mark}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def _answered(reader: asyncio.StreamReader) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(head.decode())


async def full(url: str, requests: list[bytes]) -> None:
    """As fast as it goes over some connections."""
    parts = urlsplit(url)

    async def one(share: list[bytes]) -> None:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        for request in share:
            writer.write(request)
            await _answered(reader)
        writer.close()

    await asyncio.gather(*(one(requests[at::IN_FLIGHT]) for at in range(IN_FLIGHT)))


async def _steady(url: str, requests: list[bytes]) -> list[float]:
    """At `RATE` a second, whatever the answers take; seconds of each."""
    parts = urlsplit(url)
    free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for _ in range(200):
        free.put_nowait(await asyncio.open_connection(parts.hostname, parts.port))
    took: list[float] = []

    async def one(request: bytes, due: float) -> None:
        reader, writer = await free.get()
        writer.write(request)
        await _answered(reader)
        took.append(time.perf_counter() - due)
        free.put_nowait((reader, writer))

    begun = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number, request in enumerate(requests):
            due = begun + number / RATE
            wait = due - time.perf_counter()
            if wait > 0:
                await asyncio.sleep(wait)
            group.create_task(one(request, due))
    while not free.empty():
        free.get_nowait()[1].close()
    return took


def _round(one: Process) -> Measured:
    requests = [request(one.url) for _ in range(EVENTS)]
    before, begun = usage(one.pid).cpu_seconds, time.perf_counter()
    uvloop.run(full(one.url, requests))
    wall = time.perf_counter() - begun
    return Measured((usage(one.pid).cpu_seconds - before) / EVENTS * 1e6, EVENTS / wall)


def _p99(url: str) -> float:
    took = uvloop.run(_steady(url, [request(url) for _ in range(RATE * 3)]))
    return sorted(took)[int(len(took) * 0.99)] * 1e3


def run() -> None:
    """Measure ours and the peer, turn by turn."""
    with accepting("ours") as ours, accepting("peer") as peer:
        for one in (ours, peer):
            uvloop.run(full(one.url, [request(one.url) for _ in range(1_000)]))
        rounds = [(_round(ours), _round(peer)) for _ in range(ROUNDS)]
        slow = _p99(ours.url)
    mine, theirs = statistics.median(a.micros for a, _ in rounds), statistics.median(b.micros for _, b in rounds)
    publish(
        "webhooks_accept",
        [
            Row("accept at load, all processes and PostgreSQL", mine, "us CPU", 110, f"FastAPI + asyncpg {theirs:.0f}"),
            Row("accepted a second", statistics.median(a.each_second for a, _ in rounds), "1/s"),
            Row(f"p99 at {RATE} a second", slow, "ms", 25),
        ],
    )


if __name__ == "__main__":
    run()
