"""Collects verified deliveries and commits them together: what comes while one commit is under way goes into the next.

Every one is told of its end in the time that its platform gives, whatever the database does.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from isthmus.features.webhooks_in.errors import NotInTime
from isthmus.features.webhooks_in.model.days import Days
from isthmus.features.webhooks_in.model.deliveries import Entry
from isthmus.features.webhooks_in.service import retaining
from isthmus.features.webhooks_in.settings import Settings
from isthmus.features.webhooks_in.store import intake as store
from isthmus.scope import System

ROUTE = "webhooks_in.route"
#: Seconds between looks at what waits too long; nothing is looked at while nothing waits.
_TICK = 0.05
Tell = Callable[[bool | Exception], None]


@dataclass(slots=True)
class _Waiting:
    entry: Entry
    first: bool
    #: When it must have been answered, by the clock of the loop.
    due: float
    tell: Tell
    #: Who else brought the same meanwhile.
    more: list[Tell]


class Batch:
    """Collects deliveries and commits them together."""

    def __init__(self, system: System, settings: Settings) -> None:
        self._system, self._settings = system, settings
        self._waiting: dict[bytes, _Waiting] = {}
        self._flying: list[_Waiting] = []
        self._days: Days | None = None
        self._work: asyncio.Task[None] | None = None
        self._watch: asyncio.TimerHandle | None = None

    async def put(self, entry: Entry, due: float, *, first: bool) -> bool:
        """Wait until the delivery is committed; whether it was news. Raises NotInTime, or what the database raises."""
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.add(entry, due, partial(_resolve, answer), first=first)
        return await answer

    def add(self, entry: Entry, due: float, tell: Tell, *, first: bool) -> None:
        """Have the delivery committed; `tell` is called with whether it was news, or with what went wrong.

        It is called by `due`, of the loop's clock, in any case, and may be called again when the end comes later.
        """
        same = self._waiting.get(entry.digest)
        if same is not None:
            same.more.append(tell)
        else:
            self._waiting[entry.digest] = _Waiting(entry, first, due, tell, [])
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._run(), name="webhook intake")
        if self._watch is None:
            self._watch = asyncio.get_running_loop().call_later(_TICK, self._look)

    def _look(self) -> None:
        """Tell those whose time is over. What is under way may still be kept: then what comes again is a repeat."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        late = [one for one in (*self._waiting.values(), *self._flying) if one.due <= now]
        for one in late:
            self._waiting.pop(one.entry.digest, None)
        _tell(late, NotInTime())
        pending = self._waiting or self._flying
        self._watch = loop.call_later(_TICK, self._look) if pending else None

    async def _run(self) -> None:
        while self._waiting:
            if len(self._waiting) < self._settings.batch:
                await asyncio.sleep(self._settings.linger.total_seconds())
            taken = [self._waiting.pop(digest) for digest in list(self._waiting)[: self._settings.batch]]
            if not taken:
                return
            self._flying = taken
            try:
                kept = await self._commit(taken)
            except Exception as failure:  # noqa: BLE001 - every caller is told; the next batch goes on
                _tell(taken, failure)
            else:
                _tell(taken, kept)
            finally:
                self._flying = []

    async def _commit(self, taken: Sequence[_Waiting]) -> set[str]:
        if self._days is None or not self._days.hold(self._system.now):
            self._days = await retaining.ready(self._system)
        async with self._system.tx() as tx:
            entries, more = [one.entry for one in taken], [len(one.more) for one in taken]
            kept, asleep = await store.keep(tx, entries, more, self._system.now)
            for tenant_id, source_id in asleep:
                await self._system.engine.queue.enqueue(tx, ROUTE, source_id, tenant_id=tenant_id)
            first = sorted({(one.entry.tenant_id, one.entry.source_id) for one in taken if one.first})
            if first:
                await store.mark_verified(tx, first, self._system.now)
        return kept


def _tell(taken: Sequence[_Waiting], outcome: set[str] | Exception) -> None:
    for one in taken:
        one.tell(outcome if isinstance(outcome, Exception) else one.entry.id in outcome)
        for tell in one.more:
            tell(outcome if isinstance(outcome, Exception) else False)


def _resolve(answer: "asyncio.Future[bool]", outcome: bool | Exception) -> None:
    if answer.done():
        return
    if isinstance(outcome, Exception):
        answer.set_exception(outcome)
    else:
        answer.set_result(outcome)
