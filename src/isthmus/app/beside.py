"""Bulk work beside the API: a process of its own, so that an import never stands between a request and its answer.

It is started when there is bulk work, steps back where the processors are busy, and goes when there has been none for
a while. When this process dies, however it dies, that one ends at once: its standard input closes.
"""

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import Mapping, Sequence

from isthmus.app.work import BULK, Beside
from isthmus.kit.errors import Problem
from isthmus.kit.waiting import first_of
from isthmus.scope import System

_LOG = logging.getLogger("isthmus.app.beside")
COMMAND: Sequence[str] = (sys.executable, "-m", "isthmus", "work", "--only", "bulk", "--beside")
_LOOK_SECONDS = 1.0
#: No exit code of a process.
_UNSTARTED = 256
_LONGEST_PAUSE = 30.0
_CHECK_SECONDS, _IDLE_CHECKS = 60.0, 10
#: More than the grace that a worker gives to what is in flight.
_END_SECONDS = 25.0


async def bulk_beside(
    system: System,
    stop: asyncio.Event,
    beside: Beside,
    environment: Mapping[str, str],
    command: Sequence[str] = COMMAND,
) -> None:
    """Until `stop` is set, have a process while there is bulk work; the last one has ended when this returns.

    environment: what that process is told besides what this one was.
    """
    pause = _LOOK_SECONDS
    while not stop.is_set():
        if await _is_due(system):
            started = system.clock.monotonic()
            beside.tell(lives=True)
            try:
                code = await _live(system, stop, environment, command)
            except OSError as failure:  # no room for a process just now
                _LOG.error("the process for bulk work cannot be started: %s", failure)
                code = _UNSTARTED
            finally:
                beside.tell(lives=False)
            failed = code != 0 and system.clock.monotonic() - started < _LONGEST_PAUSE
            pause = min(_LONGEST_PAUSE, pause * 2) if failed else _LOOK_SECONDS
            if code not in {0, _UNSTARTED} and not stop.is_set():
                _LOG.error("the process for bulk work ended with %d; it is started again", code)
        await first_of(stop, seconds=pause)


async def _is_due(system: System) -> bool:
    try:
        async with system.tx() as tx:
            return await system.engine.queue.is_due(tx, BULK)
    except Problem as problem:
        _LOG.warning("whether there is bulk work cannot be seen: %s", problem.message)
        return False


async def _live(system: System, stop: asyncio.Event, environment: Mapping[str, str], command: Sequence[str]) -> int:
    """One life of the process; its exit code."""
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, env={**os.environ, **environment}, start_new_session=True
    )
    gone = asyncio.Event()
    waiting = asyncio.create_task(process.wait(), name="bulk process")
    waiting.add_done_callback(lambda _: gone.set())
    try:
        idle = 0
        while not gone.is_set() and not stop.is_set() and idle < _IDLE_CHECKS:
            await first_of(gone, stop, seconds=_CHECK_SECONDS)
            idle = 0 if await _is_due(system) else idle + 1
        return await _ended(process)
    finally:
        if process.returncode is None:
            process.kill()
        await waiting


async def _ended(process: asyncio.subprocess.Process) -> int:
    """Ask it to end, and wait until it has; what it had in flight is finished or handed back."""
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_END_SECONDS):
            return await process.wait()
    process.kill()
    return await process.wait()
