"""One line to a connection: rounds of edits that are taken, decided, sent and settled, some of them side by side."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from isthmus.connect.edits import Edit, EditField
from isthmus.features import access, connections, records
from isthmus.features.connections import (
    ConnectionExpired,
    ConnectionNotFound,
    ConnectionPending,
    IntegrationDisabled,
    ShardTypeForbidden,
)
from isthmus.features.pushes.errors import NotWritable
from isthmus.features.pushes.model.edits import Halt, Later, LiveEdit
from isthmus.features.pushes.service import deciding, judging, rules, settling
from isthmus.features.pushes.service.calling import Calls, each
from isthmus.features.pushes.service.deciding import Plan
from isthmus.features.pushes.service.keeping import Ledger
from isthmus.features.pushes.service.lines import Lines, lines
from isthmus.features.pushes.service.looking import Seen, look
from isthmus.features.pushes.service.settling import Round
from isthmus.features.pushes.service.shops import Shop, shops
from isthmus.features.pushes.service.wanting import JOB
from isthmus.features.pushes.settings import Settings
from isthmus.features.pushes.store import conflicts, edits
from isthmus.features.pushes.store.pushes import Closed
from isthmus.kit.errors import Problem
from isthmus.scope import Scope, Tx

#: Rounds that overlap: while one sends, the next ones are decided, so that no call waits for the database.
_ROUNDS: Final = 3
#: Nothing is looked at after this part of a lease, and no call begins after that one; the rest is for their ends.
_LOOKING: Final = 0.25
_SENDING: Final = 0.5
#: Where a call takes many edits a round may be so much larger; still larger ones keep the process from all else.
_LARGEST: Final = 3
_OUTAGE: Final = timedelta(seconds=30)
#: What is due later is found when it is: each push that comes meanwhile would leave a wake-up behind, and each of these
#: another one.
_MOMENT: Final = timedelta(seconds=10)
#: For how long what an integration is switched off for is left alone; switching it on ends that.
OFF: Final = timedelta(minutes=10)


@dataclass(slots=True)
class _Line:
    """One worker's line to one connection; `size` is how many edits a round takes."""

    scope: Scope
    shop: Shop
    settings: Settings
    gate: asyncio.Semaphore
    size: int
    own: Lines
    ledger: Ledger

    async def run(self) -> None:
        """Send until nothing is due; returns once all of it is written down."""
        await each([self._drain_all(), self.ledger.keep()])

    async def _drain_all(self) -> None:
        """What was written down meanwhile may be due again."""
        try:
            more = True
            while more:
                await each([self._drain() for _ in range(_ROUNDS)])
                more = await self.ledger.catch_up() and await self._goes_on()
        finally:
            self.ledger.close()

    async def _drain(self) -> None:
        while await self._goes_on():
            pass

    async def _goes_on(self) -> bool:
        return not await self._is_to_stop() and await self._round()

    async def _is_to_stop(self) -> bool:
        """A process that ends leaves the rest to the next one; a suspended tenant's waits until it is let in again.

        Where nothing can be written down, nothing more is sent.
        """
        stops = self.ledger.broken or self.scope.engine.queue.stopping.is_set()
        return stops or await access.is_halted(self.scope)

    async def _round(self) -> bool:
        claim = self.scope.id("clm")
        lease = self.settings.lease.total_seconds()
        await self.own.backlog.has_room()
        began = self.scope.clock.monotonic()
        with self.own.backlog.ahead():
            taken, made = await self._take(claim)
        if not taken:
            return False
        if made is None:
            made = await self._look(claim, taken, began + lease * _LOOKING)
        begun = self.scope.clock.monotonic()
        self._remember(list(made.sending.values()))
        calls = Calls(self.shop, self.gate, self.scope.clock, began + lease * _SENDING)
        await calls.all(list(made.sending.values()))
        self._fit(len(made.sending), calls.count)
        # by the answers of these very calls: our own clock may be ahead, and what is changed there next is not older
        before = self.shop.now() - timedelta(seconds=self.scope.clock.monotonic() - begun)
        self.ledger.add(Round(claim, before, made, calls.outcomes, calls.failures), len(taken))
        return True

    def _remember(self, wanted: Sequence[tuple[LiveEdit, Edit]]) -> None:
        place = (self.scope.tenant_id, self.shop.about.id)
        self.own.writes(place, [(live.place.listing_id, edit) for live, edit in wanted])

    def _fit(self, sent: int, calls: int) -> None:
        """Rounds are as long as their calls, not as their edits."""
        if calls:
            most = self.settings.taken
            self.size = min(max(most, most * sent // calls), most * _LARGEST)

    async def _take(self, claim: str) -> tuple[Sequence[LiveEdit], Plan | None]:
        """Take what is due. Where the far side need not be looked at, it is noted at once what is about to be sent."""
        async with self.scope.tx() as tx:
            await shops(self.scope).admit(tx, self.shop.about.id)
            found = await edits.take(tx, self.shop.about.id, self.scope.now, self.size)
            taken = [one.edit for one in found]
            if not taken:
                return taken, None
            if any(self._is_doubtful(one) for one in taken):
                await edits.claim(tx, claim, self.settings.lease, found, {})
                return taken, None
            made = await self._decide(tx, taken)
            sending = {id_: (one, edit.based_on) for id_, (one, edit) in made.sending.items()}
            await edits.claim(tx, claim, self.settings.lease, found, sending)
            await self._answer(tx, made)
        return taken, made

    def _is_doubtful(self, one: LiveEdit) -> bool:
        return one.must_look(self.scope.now, self.settings.fresh)

    async def _look(self, claim: str, taken: Sequence[LiveEdit], until: float) -> Plan:
        """Look at what may have changed over there, or may have arrived; decide over all, and note what is sent."""
        doubtful = [one for one in taken if self._is_doubtful(one)]
        hurry = {one.place.listing_id for one in doubtful if one.place.field is EditField.STOCK}
        seen = await look(self.scope, self.shop, sorted({one.place.listing_id for one in doubtful}), until, hurry)
        early = _seen(self.scope, doubtful, seen)
        rest = [one for one in taken if one not in early.closed and one.id not in early.later]
        async with self.scope.tx() as tx:
            await shops(self.scope).admit(tx, self.shop.about.id)
            made = await self._decide(tx, rest)
            marked = await edits.mark(tx, claim, [(one, edit.based_on) for one, edit in made.sending.values()])
            made.sending = {id_: pair for id_, pair in made.sending.items() if id_ in marked}
            await self._answer(tx, made)
        made.closed.update(early.closed)
        made.later.update(early.later)
        return made

    async def _decide(self, tx: Tx, several: Sequence[LiveEdit]) -> Plan:
        shop = self.shop.about
        wholes = await records.wholes(tx, sorted({one.place.listing_id for one in several}))
        return deciding.plan(self.scope, several, wholes, await rules.in_force(tx, shop.id), shop.writing.price)

    async def _answer(self, tx: Tx, made: Plan) -> None:
        """Questions whose answer is that ours is sent."""
        answered = [end for id_, end in made.ended.items() if id_ in made.sending]
        settling.tell_ended(tx, await conflicts.end(tx, answered, self.scope.now), answered)


def _seen(scope: Scope, doubtful: Sequence[LiveEdit], seen: Seen) -> Plan:
    """Those of which looking has decided, or for which it must be done again."""
    made = Plan()
    for one in doubtful:
        id_ = one.place.listing_id
        if id_ in seen.gone:
            made.closed[one] = judging.refused(one, "LISTING_GONE", "The platform has no such listing any more.")
        elif id_ in seen.left:
            made.later[one.id] = judging.unlooked(one, scope.now)
        elif id_ in seen.failed:
            _note(made, one, judging.judged(seen.failed[id_], one, scope.now, looking=True))
    return made


def _note(made: Plan, one: LiveEdit, what: Later | Closed) -> None:
    if isinstance(what, Closed):
        made.closed[one] = what
    else:
        made.later[one.id] = what


async def work(scope: Scope, connection_id: str) -> None:
    """Send what is due at one connection, until nothing is; what is due in a moment wakes this again.

    Where this process is at it already, there is nothing to do: that line looks once more when it ends.
    """
    own, place = lines(scope), (scope.tenant_id, connection_id)
    if not own.take(place):
        return
    try:
        async with scope.tx() as tx:
            due = await edits.next_due(tx, connection_id)
        if due is not None and due <= scope.now:
            await _open(scope, connection_id)
    finally:
        own.leave(place)
    async with scope.tx() as tx:
        following = await edits.next_due(tx, connection_id)
        if following is not None and following - scope.now <= _MOMENT:
            await tx.enqueue(JOB, connection_id, after=max(following - scope.now, timedelta(0)))


async def _open(scope: Scope, connection_id: str) -> None:
    settings = scope.part(Settings)
    try:
        async with shops(scope).open(scope, connection_id) as shop:
            gate, own = asyncio.Semaphore(settings.at_once), lines(scope)
            ledger = Ledger(lambda one: settling.settle(scope, shop, one), own.backlog)
            await _Line(scope, shop, settings, gate, settings.taken, own, ledger).run()
    except (ConnectionExpired, ConnectionPending):
        await _halt(scope, connection_id, judging.EXPIRED, "The connection must be signed in to again.", None)
    except (ConnectionNotFound, NotWritable, ShardTypeForbidden) as failure:
        await settling.abandon(scope, connection_id, failure.code, failure.message)
    except IntegrationDisabled as failure:
        await _halt(scope, connection_id, failure.code, failure.message, OFF)
    except Problem as failure:
        await _halt(scope, connection_id, failure.code, failure.message, _OUTAGE)


async def _halt(scope: Scope, connection_id: str, code: str, reason: str, after: timedelta | None) -> None:
    async with scope.tx() as tx:
        if after is None and not await connections.awaits_sign_in(tx, connection_id):
            after = settling.SIGNED_IN
        wait = Halt(code, reason, None if after is None else scope.now + after)
        await edits.put_off(tx, scope.tenant_id, [connection_id], wait, scope.now)
