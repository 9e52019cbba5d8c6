"""Workers that are killed: one process forks another for each order, which kills itself at a boundary or after a while.

A fork costs a fiftieth of a new interpreter, which is what makes hundreds of kills affordable. What a fork writes as
lines to its standard output is heard by the test, also when it dies right behind it.
"""

import asyncio
import gc
import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import uvloop
from tests.given import forks

KILLED = -signal.SIGKILL
_ROOT = Path(__file__).parents[2]
_END = "end "
#: What a fork does: `boundary` is where it is to die, `after` in how many seconds; the rest is its own affair.
Order = dict[str, Any]


class Zygote:
    """The process that forks, as a test sees it."""

    def __init__(self, process: forks.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._stdin, self._stdout = process.stdin, process.stdout

    async def __call__(self, order: Order) -> int:
        """Have an order carried out; how the fork ended, `KILLED` where it died."""
        return (await self.heard(order))[0]

    async def heard(self, order: Order) -> tuple[int, list[str]]:
        """The same, with the lines that the fork wrote."""
        self._stdin.write(json.dumps(order).encode() + b"\n")
        told: list[str] = []
        while not (line := (await self._stdout.readline()).decode()).startswith(_END):
            assert line, "the process that forks has died"
            told.append(line.strip())
        return int(line.removeprefix(_END)), told


@asynccontextmanager
async def zygote(module: str, argument: str) -> AsyncIterator[Zygote]:
    """`python -m MODULE ARGUMENT`, whose `main` ends in `serve`."""
    pipe = asyncio.subprocess.PIPE
    process = await forks.process("-m", module, argument, cwd=_ROOT, stdin=pipe, stdout=pipe)
    made = Zygote(process)
    try:
        yield made
    finally:
        made._stdin.close()
        await process.wait()


def serve(work: Callable[[Order], Coroutine[Any, Any, None]]) -> None:
    """Carry out orders until stdin ends, each in a fork, which is gone before there is anything to collect."""
    gc.disable()
    for order in _orders():
        os.write(1, f"{_END}{_forked(work, order)}\n".encode())


def _orders() -> Iterator[Order]:
    for line in sys.stdin:
        yield json.loads(line)


def _forked(work: Callable[[Order], Coroutine[Any, Any, None]], order: Order) -> int:
    child = os.fork()
    if child == 0:
        status = 1
        try:
            uvloop.run(work(order))
            status = 0
        except BaseException:
            traceback.print_exc()
            raise
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def tell(line: str) -> None:
    """Say something to the test, at once."""
    os.write(1, f"{line}\n".encode())


def arm(order: Order, *calls: tuple[type, str]) -> None:
    """From now on this process dies as the order says: in so many seconds, or at its n-th boundary.

    Each statement has a boundary before and one behind it, and so has each of these `calls`, by class and name.
    """
    if order.get("after"):
        threading.Timer(order["after"], _die).start()
    if order.get("boundary"):
        _count_down(order["boundary"], calls)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _count_down(left: int, calls: tuple[tuple[type, str], ...]) -> None:
    def passed() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            _die()

    def killing(method: Any) -> Any:
        async def call(*args: Any, **more: Any) -> Any:
            passed()
            result = await method(*args, **more)
            passed()
            return result

        return call

    statements = [(asyncpg.Connection, name) for name in ("execute", "fetch", "fetchrow", "fetchval")]
    for kind, name in (*statements, *calls):
        setattr(kind, name, killing(getattr(kind, name)))
