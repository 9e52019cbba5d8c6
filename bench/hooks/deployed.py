"""A deployment with nothing but outbound webhooks, a receiver beside it, and what both took."""

import asyncio
import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import psutil

from isthmus.engine.bus import Bus
from isthmus.engine.db import Database, EmbeddedPostgres, migrate
from isthmus.engine.keys import Key, KeyRing, random_material
from isthmus.engine.queue import PgQueue
from isthmus.features import vault
from isthmus.features.webhooks_out import Catalogue, Draft, Sender, Settings, create, deliver, fan_out
from isthmus.kit.events import Event
from isthmus.kit.permissions import Principal
from isthmus.scope import Engine, Scope, System

PAD = "x" * 900
_CHUNK = 50


class Measured(Event):
    """An event of this benchmark."""

    type: ClassVar[str] = "bench.measured"
    public: ClassVar[bool] = True
    audited: ClassVar[bool] = False


@contextlib.contextmanager
def sink() -> Iterator[int]:
    """The port of a receiver that is not counted; what comes to `/dead...` it never answers."""
    command = [sys.executable, "-m", "bench.hooks.sink"]
    with subprocess.Popen(command, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, text=True) as process:
        try:
            yield int(process.stdout.readline() if process.stdout else 0)
        finally:
            process.kill()


def lateness(port: int) -> list[float]:
    """How late each message came since this was asked before, in seconds."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/late", timeout=10) as answer:
        found: list[float] = json.loads(answer.read())
    return found


def place() -> Path:
    """A folder for a server. As root the server runs as another user, who must be able to pass through."""
    made = Path(tempfile.mkdtemp(prefix="isthmus-bench-"))
    made.chmod(0o755)
    return made


@contextlib.asynccontextmanager
async def deployment(owner: list[str] | None = None) -> AsyncIterator[System]:
    """`owner` is told the addresses of the one who may vacuum, and of the one who may write everything to the disk."""
    home = place()
    settings = Settings(allow_networks=("127.0.0.0/8",), allow_http=True)
    sender = Sender(settings)
    ring = KeyRing([Key("bench", random_material())], ["bench"])
    try:
        async with EmbeddedPostgres(home / "postgres") as running:
            await migrate(running.owner_url)
            if owner is not None:
                owner += [running.owner_url, running.admin_url]
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
        shutil.rmtree(home, ignore_errors=True)


@contextlib.asynccontextmanager
async def working(system: System) -> AsyncIterator[None]:
    """All that one process does about outbound webhooks."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for work in (system.engine.bus.run(stop, {}), fan_out(system, stop), deliver(system, stop)):
            group.create_task(work)
        try:
            yield
        finally:
            stop.set()


def postgres_cpu() -> float:
    """CPU seconds of all its processes; those that ended meanwhile are few and short."""
    total = 0.0
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if "postgres" in process.name():
                times = process.cpu_times()
                total += _spent(process.pid, times.user + times.system) + times.children_user + times.children_system
    return total


def _spent(pid: int, ticks: float) -> float:
    """By the scheduler's own count where it has one: what runs for a moment now and then is seldom met by a tick."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text("ascii").split()[0]) / 1e9
    except (OSError, ValueError, IndexError):
        return ticks


def scope(system: System, tenant: str) -> Scope:
    """A tenant's own hand."""
    return Scope(tenant, Principal("user", "bench", "bench", tenant), system.engine, system.clock)


async def emit(scope: Scope, count: int) -> None:
    """Events of 1 KB, some in each transaction."""
    for start in range(0, count, _CHUNK):
        async with scope.tx() as tx:
            for number in range(start, min(start + _CHUNK, count)):
                body = {"sent": time.monotonic(), "n": number, "pad": PAD}
                tx.emit(Measured(subject=f"obj_{number}", body=body))


async def make_tenant(system: System, name: str, port: int, endpoints: int) -> str:
    """A tenant with so many endpoints at the receiver."""
    for number in range(endpoints):
        draft = Draft(url=f"http://127.0.0.1:{port}/{number}", concurrency=64)
        await create(scope(system, name), draft, verify=False)
    return name
