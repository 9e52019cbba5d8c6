"""The rounds of one line whose calls have ended, written down behind it while the next ones are sent."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from isthmus.features.pushes.service.backlog import Backlog
from isthmus.features.pushes.service.settling import Round

#: Seconds for which a round lets those go first that are still to be sent.
_YOUNG: Final = 2.0
#: How often is looked meanwhile whether there is room for more, in seconds.
_LOOKS: Final = 0.1


class Ledger:
    """What a line has sent, round by round, until it is written down. `settle` writes one."""

    def __init__(self, settle: Callable[[Round], Awaitable[None]], backlog: Backlog) -> None:
        self._settle = settle
        self._backlog = backlog
        self._rounds: deque[tuple[Round, int, float]] = deque()
        self._unwritten = 0
        self._news = asyncio.Event()
        self._caught_up = asyncio.Event()
        #: Set where somebody waits for what is written down, or nothing more is sent.
        self._hurry = asyncio.Event()
        self._closed = False
        self._wrote = False
        #: Whether a round could not be written down: whoever takes its edits next looks how it went.
        self.broken = False

    def add(self, one: Round, edits: int) -> None:
        """The calls of a round of so many edits have ended."""
        self._rounds.append((one, edits, asyncio.get_running_loop().time() + _YOUNG))
        self._unwritten += 1
        self._backlog.add(edits)
        self._news.set()

    def close(self) -> None:
        """No more come."""
        self._closed = True
        self._news.set()
        self._hurry.set()

    async def catch_up(self) -> bool:
        """Wait until nothing is left to write down; whether anything was written since this was asked last."""
        while self._unwritten:
            self._hurry.set()
            self._caught_up.clear()
            await self._caught_up.wait()
        found, self._wrote = self._wrote, False
        return found

    async def keep(self) -> None:
        """Write down what comes until the ledger is closed and empty; a failure of ours waits for the rest."""
        failure: BaseException | None = None
        try:
            while await self._comes():
                one, edits, ripe = self._rounds.popleft()
                (ended,) = await asyncio.gather(self._write(one, edits, ripe), return_exceptions=True)
                if isinstance(ended, BaseException):
                    self.broken, failure = True, failure or ended
        finally:
            self._backlog.less(sum(edits for _, edits, _ in self._rounds))
            self._rounds.clear()
        if failure is not None:
            raise failure

    async def _write(self, one: Round, edits: int, ripe: float) -> None:
        try:
            await self._ripens(ripe)
            async with self._backlog.turn():
                await self._settle(one)
        finally:
            self._backlog.less(edits)
            self._unwritten -= 1
            self._wrote = True
            if not self._unwritten:
                self._caught_up.set()
                self._hurry.clear()

    async def _ripens(self, ripe: float) -> None:
        while not (self._closed or self._hurry.is_set() or self._backlog.is_full):
            left = ripe - asyncio.get_running_loop().time()
            if left <= 0:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left, _LOOKS)):
                    await self._hurry.wait()

    async def _comes(self) -> bool:
        while not self._rounds and not self._closed:
            self._news.clear()
            await self._news.wait()
        return bool(self._rounds)
