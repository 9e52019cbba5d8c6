"""The calls of one round: batches as the platform takes them, and what is known of each edit afterwards."""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from typing import Final

from isthmus.client import ClientError, MalformedBody, PlatformError, PlatformFailed, Throttled
from isthmus.connect.budgets import Overrun, Within
from isthmus.connect.edits import Edit, Outcome
from isthmus.connect.faults import DATA_FAULTS
from isthmus.features.pushes.model.edits import LiveEdit, State
from isthmus.features.pushes.service.judging import Broken
from isthmus.features.pushes.service.shops import Shop
from isthmus.kit.clock import Clock

#: An edit whose calls ended without an answer so often goes alone: it may be what they all ended of.
_SUSPECT: Final = 3
#: Processor time that a connector may take to part edits into batches: for each time, and for each edit.
_SECONDS: Final = 0.25
_SECONDS_EACH: Final = 0.001


@dataclass(slots=True)
class Calls:
    """The calls of one round, of which none begins after `stop` (seconds of the clock).

    `outcomes` and `failures` are by the edits' keys. What is in neither was not sent.
    """

    shop: Shop
    gate: asyncio.Semaphore
    clock: Clock
    stop: float
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    failures: dict[str, ClientError | Broken] = field(default_factory=dict)
    count: int = 0

    async def all(self, wanted: Sequence[tuple[LiveEdit, Edit]]) -> None:
        """Send them, each once; one that spoils its calls spoils no others' for ever."""
        together = [edit for live, edit in wanted if not _is_suspect(live)]
        alone = [[edit] for live, edit in wanted if _is_suspect(live)]
        batches = [batch for several in (together, *alone) for batch in await self._parted(several)]
        self.count = len(batches)
        await each([self._one(batch) for batch in batches])

    async def _parted(self, wanted: Sequence[Edit]) -> list[Sequence[Edit]]:
        if not wanted:
            return []
        try:
            with Within(_SECONDS + _SECONDS_EACH * len(wanted)):
                return list(self.shop.batches(wanted))
        except (*DATA_FAULTS, Overrun) as fault:
            if len(wanted) == 1:
                self.failures[wanted[0].key] = Broken(type(fault).__name__, sent=False)
                return []
        first, rest = _halves(wanted)
        await asyncio.sleep(0)  # whatever else the process does goes on in between
        return [*await self._parted(first), *await self._parted(rest)]

    async def _one(self, batch: Sequence[Edit]) -> None:
        async with self.gate:
            if self.clock.monotonic() >= self.stop:
                return
            try:
                self._hear(batch, await self.shop.write(batch))
            except ClientError as failure:
                if len(batch) == 1 or not _definite(failure):
                    self._fail(batch, failure)
                    return
            except DATA_FAULTS as fault:
                self._fail(batch, Broken(type(fault).__name__, sent=True))
                return
            else:
                return
        # one of them is refused for all: each half alone, until the one is found
        await each([self._one(half) for half in _halves(batch)])

    def _hear(self, batch: Sequence[Edit], told: Sequence[Outcome]) -> None:
        """What the answer leaves out was sent all the same, and nobody knows how it went."""
        mine = {edit.key for edit in batch}
        answered = {one.key: one for one in told if one.key in mine}
        self.outcomes.update(answered)
        silent = [edit for edit in batch if edit.key not in answered]
        self._fail(silent, MalformedBody("The platform's answer says nothing of this value.", reason="shape"))

    def _fail(self, batch: Sequence[Edit], failure: ClientError | Broken) -> None:
        self.failures.update((edit.key, failure) for edit in batch)


def _is_suspect(live: LiveEdit) -> bool:
    return live.attempts >= _SUSPECT and live.state in (State.UNSURE, State.SENDING)


def _halves(edits: Sequence[Edit]) -> tuple[Sequence[Edit], Sequence[Edit]]:
    middle = len(edits) // 2
    return edits[:middle], edits[middle:]


def _definite(failure: ClientError) -> bool:
    """Whether the platform refused the call as a whole, and so did nothing of it, for a reason that one edit may be."""
    return isinstance(failure, PlatformError) and not isinstance(failure, PlatformFailed | Throttled)


async def each(calls: Sequence[Awaitable[None]]) -> None:
    """All of them; a failure of ours waits for the others, whose outcomes are known by then."""
    for end in await asyncio.gather(*calls, return_exceptions=True):
        if isinstance(end, BaseException):
            raise end
