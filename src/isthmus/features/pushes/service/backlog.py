"""What this process has sent and not written down yet: sending goes first, and writing down is never far behind."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Final

#: So many edits of all connections together may be unwritten before nothing more is taken.
_MOST: Final = 10_000
#: Seconds for which writing down lets those pass who take what is sent next, each time.
_YIELDS: Final = 0.25


class Backlog:
    """Rounds whose calls have ended, of all lines of a process: they are written down one at a time."""

    def __init__(self) -> None:
        self._unwritten = 0
        self._taking = 0
        self._turn = asyncio.Lock()
        self._room = asyncio.Event()
        self._room.set()
        self._quiet = asyncio.Event()
        self._quiet.set()

    @property
    def is_full(self) -> bool:
        """Whether nothing more is sent before something is written down."""
        return not self._room.is_set()

    async def has_room(self) -> None:
        """Wait until something more may be sent."""
        await self._room.wait()

    @contextmanager
    def ahead(self) -> Iterator[None]:
        """What is sent next is being taken: whoever writes down waits for it a moment."""
        self._taking += 1
        self._quiet.clear()
        try:
            yield
        finally:
            self._taking -= 1
            if not self._taking:
                self._quiet.set()

    def add(self, edits: int) -> None:
        """So many edits more are to be written down."""
        self._unwritten += edits
        if self._unwritten >= _MOST:
            self._room.clear()

    def less(self, edits: int) -> None:
        """So many edits need no writing down any more."""
        self._unwritten -= edits
        if self._unwritten < _MOST:
            self._room.set()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """The only one who writes down just now, behind those who take; in the order of asking."""
        async with self._turn:
            if not self.is_full:
                with suppress(TimeoutError):  # where they take all the time both go on
                    async with asyncio.timeout(_YIELDS):
                        await self._quiet.wait()
            yield
