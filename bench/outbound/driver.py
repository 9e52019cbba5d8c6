"""What every arm shares: `calls in_flight` on standard input, CPU microseconds per call on standard output."""

import asyncio
import resource
import sys
from collections.abc import Awaitable, Callable

Call = Callable[[], Awaitable[object]]


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def measure(call: Call, calls: int, in_flight: int) -> float:
    """CPU microseconds per call, user and system, of this process."""
    left = iter(range(calls))

    async def work() -> None:
        for _ in left:
            await call()

    before = _cpu()
    await asyncio.gather(*(work() for _ in range(in_flight)))
    return (_cpu() - before) / calls * 1e6


async def drive(call: Call) -> None:
    """Answer each line until the input ends."""
    loop = asyncio.get_running_loop()
    await measure(call, 300, 16)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        calls, in_flight = (int(part) for part in line.split())
        sys.stdout.write(f"{await measure(call, calls, in_flight)}\n")
        sys.stdout.flush()
