"""How a worker hears of new work: at once, or in bunches where it can wait and others are not to be disturbed."""

import asyncio
from typing import TYPE_CHECKING

import asyncpg

if TYPE_CHECKING:
    from pgqueuer.ports.driver import Driver, NotifyCallback

#: What the library tells of every statement that changes its table, whatever job it is about.
_CHANGED = "table_changed_event"


class Bunched:
    """Passes on what is said of the table once for all that is said within so many seconds; all else at once."""

    def __init__(self, callback: "NotifyCallback", seconds: float) -> None:
        self._callback = callback
        self._seconds = seconds
        self._waits = False

    def __call__(self, payload: str | bytes | bytearray) -> None:
        """Hear one message."""
        text = payload if isinstance(payload, str) else payload.decode()
        if _CHANGED not in text:
            self._callback(payload)
        elif not self._waits:
            self._waits = True
            asyncio.get_running_loop().call_later(self._seconds, self._tell, payload)

    def _tell(self, payload: str | bytes | bytearray) -> None:
        self._waits = False
        self._callback(payload)


def driver(connection: asyncpg.Connection, seconds: float) -> "Driver":
    """The library's way to the database; a worker looks `seconds` after it has heard of something."""
    # The library takes a fifth of a second to import, and only a process that works needs it.
    from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver  # noqa: PLC0415 - see above

    class Patient(AsyncpgDriver):
        """Listens in bunches."""

        async def add_listener(self, channel: str, callback: "NotifyCallback") -> None:
            await super().add_listener(channel, Bunched(callback, seconds))

    return Patient(connection) if seconds else AsyncpgDriver(connection)
