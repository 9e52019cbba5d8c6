"""The rounds of one line whose calls have ended, written down behind it while the next ones are sent."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from isthmus.features.pushes.service.backlog import Backlog
from isthmus.features.pushes.service.settling import Round


class Ledger:
    """What a line has sent, round by round, until it is written down. `settle` writes one."""

    def __init__(self, settle: Callable[[Round], Awaitable[None]], backlog: Backlog) -> None:
        self._settle = settle
        self._backlog = backlog
        self._rounds: deque[tuple[Round, int]] = deque()
        self._unwritten = 0
        self._news = asyncio.Event()
        self._caught_up = asyncio.Event()
        self._closed = False
        #: Whether a round could not be written down: whoever takes its edits next looks how it went.
        self.broken = False

    def add(self, one: Round, edits: int) -> None:
        """The calls of a round of so many edits have ended."""
        self._rounds.append((one, edits))
        self._unwritten += 1
        self._caught_up.clear()
        self._backlog.add(edits)
        self._news.set()

    def close(self) -> None:
        """No more come."""
        self._closed = True
        self._news.set()

    async def catch_up(self) -> bool:
        """Wait until nothing is left to write down; False where nothing was, and so nothing is due anew."""
        if not self._unwritten:
            return False
        await self._caught_up.wait()
        return True

    async def keep(self) -> None:
        """Write down what comes until the ledger is closed and empty; a failure of ours waits for the rest."""
        failure: BaseException | None = None
        try:
            while await self._comes():
                one, edits = self._rounds.popleft()
                (ended,) = await asyncio.gather(self._write(one, edits), return_exceptions=True)
                if isinstance(ended, BaseException):
                    self.broken, failure = True, failure or ended
        finally:
            self._backlog.less(sum(edits for _, edits in self._rounds))
            self._rounds.clear()
        if failure is not None:
            raise failure

    async def _write(self, one: Round, edits: int) -> None:
        try:
            async with self._backlog.turn():
                await self._settle(one)
        finally:
            self._backlog.less(edits)
            self._unwritten -= 1
            if not self._unwritten:
                self._caught_up.set()

    async def _comes(self) -> bool:
        while not self._rounds and not self._closed:
            self._news.clear()
            await self._news.wait()
        return bool(self._rounds)
