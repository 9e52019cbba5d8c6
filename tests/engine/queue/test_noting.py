"""What has ended is written down once there is some, and again where it could not be."""

import asyncio
from datetime import timedelta
from typing import Any

from pgqueuer.core import buffers

from isthmus.engine.queue import noting


class Log:
    """Takes what has ended, but for the first time."""

    def __init__(self) -> None:
        self.asked, self.kept = 0, list[Any]()
        self.changed = asyncio.Event()

    async def log_jobs(self, ended: list[Any]) -> None:
        self.asked += 1
        self.changed.set()
        if self.asked == 1:
            raise ConnectionResetError
        self.kept += ended


async def test_an_end_is_written_down_soon_and_tried_again_and_nothing_is_done_where_there_is_none() -> None:
    noting.note_when_there_is_something()
    noting.note_when_there_is_something()
    log, flushes = Log(), 0
    buffer = buffers.JobStatusLogBuffer(max_size=10, timeout=timedelta(milliseconds=2), repository=log)
    flush = buffer.flush

    async def counted() -> None:
        nonlocal flushes
        flushes += 1
        await flush()

    buffer.flush = counted  # type: ignore[method-assign]
    async with buffer:
        ended: Any = ("job", "successful", None)
        await buffer.add(ended)
        async with asyncio.timeout(5):
            while not log.kept:
                log.changed.clear()
                await log.changed.wait()
        await asyncio.sleep(0.05)
        assert (log.kept, log.asked, flushes) == ([ended], 2, 2)
