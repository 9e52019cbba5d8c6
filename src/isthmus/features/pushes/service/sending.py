"""Sending what is wanted at a far side: taken, decided, marked, sent, and settled, some hundred edits at a time.

Whoever dies in between leaves edits that are marked as sent: the next one looks at the far side before anything else.
Each edit carries an absolute value, and always the newest, so that a late repeat never brings an old one back.
"""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from isthmus.client import ClientError, PlatformError, PlatformFailed, Throttled
from isthmus.connect.edits import Edit, Outcome
from isthmus.features import records
from isthmus.features.connections import ConnectionExpired, ConnectionNotFound, ConnectionPending
from isthmus.features.pushes.errors import NotWritable
from isthmus.features.pushes.model.edits import Later, LiveEdit
from isthmus.features.pushes.service import deciding, judging, rules, settling
from isthmus.features.pushes.service.deciding import Plan
from isthmus.features.pushes.service.looking import look
from isthmus.features.pushes.service.shops import Shop, shops
from isthmus.features.pushes.service.wanting import JOB
from isthmus.features.pushes.settings import Settings
from isthmus.features.pushes.store import edits
from isthmus.features.pushes.store.pushes import Closed
from isthmus.kit.errors import Problem
from isthmus.scope import Scope

#: Rounds that overlap: while one is settled the other one sends.
_ROUNDS: Final = 2
#: Calls begin only in the first half of a lease; the rest is for their ends.
_SENDING: Final = 0.5
_OUTAGE: Final = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class _Line:
    """One worker's line to one connection."""

    scope: Scope
    shop: Shop
    settings: Settings
    gate: asyncio.Semaphore

    async def drain(self) -> None:
        while not self.scope.engine.queue.stopping.is_set() and await self._round():
            pass

    async def _round(self) -> bool:
        claim = self.scope.id("clm")
        began = self.scope.clock.monotonic()
        taken = await _take(self.scope, self.shop.about.id, claim)
        if not taken:
            return False
        stop = began + self.settings.lease.total_seconds() * _SENDING
        made = await self._decide(claim, taken)
        before = self.shop.now()
        sent = _Sent(self, stop)
        await sent.all([edit for _, edit in made.sending.values()])
        await settling.settle(self.scope, self.shop, settling.Round(claim, before, made, sent.outcomes, sent.failures))
        return True

    async def _decide(self, claim: str, taken: Sequence[LiveEdit]) -> Plan:
        doubtful = [one for one in taken if one.must_look(self.scope.now, self.settings.fresh)]
        seen = await look(self.scope, self.shop, sorted({one.place.listing_id for one in doubtful}))
        early = Plan()
        for one in doubtful:
            id_ = one.place.listing_id
            if id_ in seen.gone:
                early.closed[one] = judging.refused(one, "LISTING_GONE", "The platform has no such listing any more.")
            elif id_ in seen.failed:
                _note(early, one, judging.judged(seen.failed[id_], one, self.scope.now, looking=True))
        rest = [one for one in taken if one not in early.closed and one.id not in early.later]
        async with self.scope.tx() as tx:
            await shops(self.scope).admit(tx, self.shop.about.id)
            wholes = await records.wholes(tx, sorted({one.place.listing_id for one in rest}))
            ruling = await rules.in_force(tx, self.shop.about.id)
            made = deciding.plan(self.scope, rest, wholes, ruling, self.shop.about.writing.price)
            marked = await edits.mark(tx, claim, [(one, edit.based_on) for one, edit in made.sending.values()])
        made.sending = {id_: pair for id_, pair in made.sending.items() if id_ in marked}
        made.closed.update(early.closed)
        made.later.update(early.later)
        return made


def _note(made: Plan, one: LiveEdit, what: Later | Closed) -> None:
    if isinstance(what, Closed):
        made.closed[one] = what
    else:
        made.later[one.id] = what


@dataclass(slots=True)
class _Sent:
    """The calls of one round; `outcomes` and `failures` are by the edits' keys, and what is in neither was not sent."""

    line: _Line
    stop: float
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    failures: dict[str, ClientError] = field(default_factory=dict)

    async def all(self, wanted: Sequence[Edit]) -> None:
        batches = self.line.shop.batches(wanted) if wanted else ()
        await _each([self._one(batch) for batch in batches])

    async def _one(self, batch: Sequence[Edit]) -> None:
        async with self.line.gate:
            if self.line.scope.clock.monotonic() >= self.stop:
                return
            try:
                told = await self.line.shop.write(batch)
            except ClientError as failure:
                if len(batch) == 1 or not _definite(failure):
                    self.failures.update((edit.key, failure) for edit in batch)
                    return
            else:
                self.outcomes.update((one.key, one) for one in told)
                return
        # one of them is refused for all: each half alone, until the one is found
        middle = len(batch) // 2
        await _each([self._one(batch[:middle]), self._one(batch[middle:])])


def _definite(failure: ClientError) -> bool:
    """Whether the platform refused the call as a whole, and so did nothing of it, for a reason that one edit may be."""
    return isinstance(failure, PlatformError) and not isinstance(failure, PlatformFailed | Throttled)


async def _each(calls: Sequence[Awaitable[None]]) -> None:
    """All of them; a failure of ours waits for the others, whose outcomes are known by then."""
    for end in await asyncio.gather(*calls, return_exceptions=True):
        if isinstance(end, BaseException):
            raise end


async def _take(scope: Scope, connection_id: str, claim: str) -> Sequence[LiveEdit]:
    settings = scope.part(Settings)
    async with scope.tx() as tx:
        return await edits.take(tx, (connection_id, claim), settings.lease, scope.now, settings.taken)


async def work(scope: Scope, connection_id: str) -> None:
    """Send what is due at one connection, until nothing is; what is due later wakes this again."""
    async with scope.tx() as tx:
        due = await edits.next_due(tx, connection_id)
    if due is not None and due <= scope.now:
        await _open(scope, connection_id)
    async with scope.tx() as tx:
        following = await edits.next_due(tx, connection_id)
        if following is not None:
            await tx.enqueue(JOB, connection_id, after=max(following - scope.now, timedelta(0)))


async def _open(scope: Scope, connection_id: str) -> None:
    settings = scope.part(Settings)
    try:
        async with shops(scope).open(scope, connection_id) as shop:
            line = _Line(scope, shop, settings, asyncio.Semaphore(settings.at_once))
            await _each([line.drain() for _ in range(_ROUNDS)])
    except (ConnectionExpired, ConnectionPending):
        told = (judging.EXPIRED, "The connection must be signed in to again.")
        await _put_off(scope, connection_id, told, None)
    except (ConnectionNotFound, NotWritable) as failure:
        await settling.abandon(scope, connection_id, failure.code, failure.message)
    except Problem as failure:
        await _put_off(scope, connection_id, (failure.code, failure.message), _OUTAGE)


async def _put_off(scope: Scope, connection_id: str, told: tuple[str, str], after: timedelta | None) -> None:
    claim = scope.id("clm")
    while taken := await _take(scope, connection_id, claim):
        waits: Mapping[str, Later] = {one.id: judging.put_off(one, *told, after, scope.now) for one in taken}
        async with scope.tx() as tx:
            await edits.later(tx, claim, waits)
