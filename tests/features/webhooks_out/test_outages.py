"""PostgreSQL really restarted, and a disk that is really full: everything that was committed arrives."""

import asyncio
import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.given import vault as given_vault
from tests.given import webhooks_out as given

from isthmus.engine.db import Database, DatabaseUnavailable, EmbeddedPostgres, migrate
from isthmus.features.webhooks_out import Draft, create
from isthmus.kit.errors import Problem
from isthmus.scope import Scope, System

pytestmark = [pytest.mark.proof, pytest.mark.timeout(300)]


@pytest.fixture
def place() -> Iterator[Path]:
    """As root the server runs as another user, who must be able to pass through."""
    made = Path(tempfile.mkdtemp(prefix="isthmus-outage-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def disk(place: Path) -> Iterator[Path]:
    """A file system of its own, just large enough for a fresh cluster and some work."""
    small = place / "disk"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160m,mode=755", "tmpfs", str(small)], check=True)
    yield small
    subprocess.run(["umount", "-l", str(small)], check=True)


@asynccontextmanager
async def _deployed(server: EmbeddedPostgres) -> AsyncIterator[System]:
    await migrate(server.owner_url)
    database = await Database.connect(server.address("isthmus_service", "isthmus"))
    try:
        async with given.process(database) as system:
            yield system
    finally:
        await database.close()


async def _emit(scope: Scope, *numbers: int) -> list[int]:
    """Those that were committed: what the database could not take was refused, and is nobody's loss."""
    taken = []
    for number in numbers:
        with contextlib.suppress(Problem):
            await given.emit(scope, number)
            taken.append(number)
    return taken


async def _all_delivered(system: System, count: int) -> None:
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(DatabaseUnavailable):
                async with system.tx() as tx:
                    rows = await tx.fetch_sql("select count(*) as n from webhook_deliveries where state = 'delivered'")
                if rows[0]["n"] >= count:
                    return
            await asyncio.sleep(0.1)


async def test_PR_15_postgresql_is_killed_and_started_anew_under_load(place: Path) -> None:
    server = EmbeddedPostgres(place / "postgres", test_mode=True)
    await server.start()
    try:
        async with _deployed(server) as system, given.sink() as sink, given.working(system):
            scope = given_vault.scope(system, "ten_a")
            await create(scope, Draft(url=sink.url, types=["shelf.filled"]), verify=False)
            taken: list[int] = []
            for round_ in range(3):
                taken += await _emit(scope, *range(round_ * 100, round_ * 100 + 100))
                await server.stop(immediate=round_ % 2 == 0)
                taken += await _emit(scope, -1 - round_)
                await server.start()
            await _all_delivered(system, len(taken))
    finally:
        await server.stop()
    assert len({head["webhook-id"] for head in sink.heads}) == len(taken) >= 300


@pytest.mark.tmpfs
async def test_RL_10_a_disk_that_is_full_and_freed_again_loses_nothing(disk: Path) -> None:
    server = EmbeddedPostgres(disk / "postgres", test_mode=True)
    await server.start()
    try:
        async with _deployed(server) as system, given.sink() as sink, given.working(system):
            scope = given_vault.scope(system, "ten_a")
            await create(scope, Draft(url=sink.url, types=["shelf.filled"]), verify=False)
            taken = await _emit(scope, *range(50))
            _fill(disk / "filler")
            taken += await _emit(scope, *range(50, 2_000))
            await asyncio.sleep(0.2)
            refused = 2_000 - len(taken)
            (disk / "filler").unlink()
            async with asyncio.timeout(60):
                while True:
                    if await _emit(scope, 5_000):
                        break
                    await asyncio.sleep(0.2)
            await _all_delivered(system, len(taken) + 1)
    finally:
        await server.stop()
    assert refused > 0, "the disk was never full"
    # What was under way when the server went down may count as not taken and have been committed all the same.
    assert len({head["webhook-id"] for head in sink.heads}) >= len(taken) + 1


def _fill(file: Path) -> None:
    with contextlib.suppress(OSError), file.open("wb", buffering=0) as filler:
        while True:
            filler.write(b"\0" * 65_536)
