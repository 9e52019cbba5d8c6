"""Starts the processes of a benchmark, asks them, and counts their CPU."""

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import uvloop

from bench.processes import free_port, usage

IN_FLIGHT = 8


@contextlib.contextmanager
def module(name: str, *arguments: str, python: str = sys.executable) -> Iterator[subprocess.Popen[str]]:
    """`python -m name ...`, ended at the end."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("ISTHMUS_")}
    command = [python, "-m", name, *arguments]
    with subprocess.Popen(command, env=kept, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            if process.stdin is not None:
                process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.1 if name != "bench.serving.server" else 30)
            process.kill()


def line(process: subprocess.Popen[str]) -> str:
    """The next line that a process says. Raises RuntimeError when it has ended."""
    said = process.stdout.readline() if process.stdout is not None else ""
    if not said:
        raise RuntimeError("a process of the benchmark ended early")
    return said


@dataclass(frozen=True)
class Serving:
    """The API that runs, and whom it can be asked about."""

    process: subprocess.Popen[str]
    port: int
    home: Path
    asked: Mapping[str, Mapping[str, str]]
    database: str

    @property
    def address(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def statements(self) -> int:
        """How many it has made so far."""
        if self.process.stdin is None:
            raise RuntimeError("the server has no input")
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return int(line(self.process))


@contextlib.contextmanager
def serving() -> Iterator[tuple[Serving, str]]:
    """The far side and the API over it; the far side's address."""
    home = Path(tempfile.mkdtemp(prefix="isthmus-bench-"))
    home.chmod(0o755)
    far_port, port = free_port(), free_port()
    far_url = f"http://127.0.0.1:{far_port}"
    try:
        with module("bench.serving.far", str(far_port)) as far:
            line(far)
            with module("bench.serving.server", str(home), str(port), far_url) as process:
                told: dict[str, Any] = json.loads(line(process))
                wait(port)
                yield Serving(process, port, home, told["asked"], told["database"]), far_url
    finally:
        shutil.rmtree(home, ignore_errors=True)


def wait(port: int, seconds: float = 60.0) -> None:
    """Until somebody answers there."""
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=2):
                return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.02)
    raise RuntimeError("nobody answers")


def ask(url: str, token: str, requests: int) -> None:
    """Ask so many times, a few at a time. Raises RuntimeError for an answer that is not 200."""
    uvloop.run(_ask(url, token, requests))


async def _ask(url: str, token: str, requests: int) -> None:
    headers = {"authorization": f"Bearer {token}"}

    async def some(client: aiohttp.ClientSession, times: int) -> None:
        for _ in range(times):
            async with client.get(url, headers=headers) as answer:
                body = await answer.read()
                if answer.status != 200:
                    raise RuntimeError(f"status {answer.status}: {body[:300]!r}")

    async with aiohttp.ClientSession() as client:
        await asyncio.gather(*(some(client, requests // IN_FLIGHT) for _ in range(IN_FLIGHT)))


def cpu(*processes: subprocess.Popen[str]) -> float:
    """CPU seconds that these and all they started have used."""
    return sum(usage(one.pid).cpu_seconds for one in processes)
