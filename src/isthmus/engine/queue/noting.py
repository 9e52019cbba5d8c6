"""What has ended is written down soon after it has: the library looks for it ten times a second, also where nothing is.

That is a good part of what a process costs in which nothing happens.
"""

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from isthmus.kit.waiting import first_of

if TYPE_CHECKING:
    from pgqueuer.domain import models, types

    Ended = tuple[models.Job, types.JOB_STATUS, models.TracebackRecord | None]


def note_when_there_is_something() -> None:
    """Have the library's managers of this process wait for an end before they write any down."""
    # The library takes a fifth of a second to import, and only a process that works needs it.
    from pgqueuer.core import buffers  # noqa: PLC0415 - see above

    if buffers.JobStatusLogBuffer.periodic_flush is not buffers.TimedOverflowBuffer.periodic_flush:
        return

    @dataclass
    class Patient(buffers.JobStatusLogBuffer):
        """Flushes half a timeout after something has come: as late as before, on the average."""

        some: asyncio.Event = field(init=False, default_factory=asyncio.Event)

        async def add(self, item: "Ended") -> None:
            await super().add(item)
            self.some.set()

        async def periodic_flush(self) -> None:
            while not self.shutdown.is_set():
                await first_of(self.shutdown, self.some)
                await first_of(self.shutdown, seconds=self.timeout.total_seconds() / 2)
                self.some.clear()
                await self.flush()
                if not self.events.empty():  # what could not be written is tried again
                    self.some.set()

    # no parameter of its manager takes a buffer
    buffers.JobStatusLogBuffer = Patient  # type: ignore[misc]
