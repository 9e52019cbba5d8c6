"""The process for bulk work: there while there is some, gone with its parent's wish, and no end of the parent's own."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from tests.given import vault

from isthmus.app import Beside, bulk_beside
from isthmus.app.work import BULK
from isthmus.engine.db import Database
from isthmus.scope import System

_LIVES = (sys.executable, "-S", "-c", "import sys; sys.stdin.read()")
_DIES = (sys.executable, "-S", "-c", "raise SystemExit(3)")


@pytest.fixture
async def system(database: Database) -> System:
    made = vault.process(database)
    async with made.tx() as tx:
        await tx.execute_sql("delete from queue.pgqueuer")
    return made


async def _import(system: System) -> None:
    async with system.tx() as tx:
        await system.engine.queue.enqueue(tx, min(BULK), "one", tenant_id="ten_a")


@asynccontextmanager
async def _kept(system: System, command: Sequence[str]) -> AsyncIterator[Beside]:
    stop, beside = asyncio.Event(), Beside()
    keeping = asyncio.create_task(bulk_beside(system, stop, beside, {}, command))
    try:
        async with asyncio.timeout(30):
            yield beside
    finally:
        stop.set()
        await asyncio.wait_for(keeping, 30)


async def test_RL_08_the_process_for_bulk_work_comes_with_the_first_of_it_and_ends_when_it_is_told(
    system: System,
) -> None:
    async with _kept(system, _LIVES) as beside:
        await asyncio.sleep(0.1)
        assert beside.alone.is_set()
    await _import(system)
    async with _kept(system, _LIVES) as beside:
        await beside.accompanied.wait()
    assert beside.alone.is_set()


@pytest.mark.parametrize("command", [_DIES, ("/nowhere/isthmus",)])
async def test_RL_08_a_process_for_bulk_work_that_fails_is_told_and_ends_nothing_else(
    system: System, command: Sequence[str], caplog: pytest.LogCaptureFixture
) -> None:
    await _import(system)
    async with _kept(system, command) as beside:
        await beside.accompanied.wait()
        await beside.alone.wait()
    assert "the process for bulk work" in caplog.text
