"""What a worker does with an action: notes that it sends, sends once, and looks before it would ever send again."""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from isthmus.client import ClientError
from isthmus.connect.abilities import ActionKind
from isthmus.connect.acting import Action, WrongDetail
from isthmus.connect.budgets import Overrun
from isthmus.connect.faults import DATA_FAULTS
from isthmus.connect.shapes import Order
from isthmus.connect.writing import Outcome
from isthmus.features import connections, orders, sync
from isthmus.features.fulfilment import model, store
from isthmus.features.fulfilment.errors import Lost
from isthmus.features.fulfilment.events import ActionCancelled, ActionDone, ActionRefused, ActionUnsure
from isthmus.features.fulfilment.model import (
    Again,
    Fault,
    Item,
    OrderAction,
    State,
    Step,
    Told,
    event_body,
)
from isthmus.features.fulfilment.service.far import ORDERS, Facts, Far, actors, check, shows
from isthmus.features.fulfilment.service.faults import fault_of, fault_of_problem
from isthmus.features.fulfilment.settings import Settings
from isthmus.kit.chance import draw
from isthmus.kit.errors import Problem, Unavailable
from isthmus.kit.events import Event
from isthmus.kit.text import storable
from isthmus.scope import Scope

JOB = "fulfilment.act"
_ENDINGS: dict[State, type[Event]] = {
    State.DONE: ActionDone,
    State.REFUSED: ActionRefused,
    State.UNSURE: ActionUnsure,
    State.CANCELLED: ActionCancelled,
}
_CODE, _REASON = 80, 500
_UNTOLD = Fault(Told.NO, "CANNOT_BE_TOLD", "The marketplace does not show whether it has happened; look there.")
#: How soon an action tries again that an old sign-in refused while there is a new one.
_SIGNED_IN = timedelta(seconds=5)
_DEADLY = Fault(Told.NO, "ACTION_ENDS_WORKERS", "The action ended its worker again and again and was set aside.")


async def work(scope: Scope, action_id: str) -> None:
    """Take the action if it is due and nobody holds it, and carry it on until it ends or has to wait."""
    settings = scope.part(Settings)
    async with scope.tx() as tx:
        action = await store.claim(tx, action_id, scope.id("wrk"), settings.lease, scope.now)
    if action is None:
        return
    attempt = _Attempt(scope, action, settings)
    if action.deaths >= settings.max_deaths:
        await attempt.end(Step.UNSURE, fault=_DEADLY)
        return
    await _held(attempt)


async def _held(attempt: "_Attempt") -> None:
    """Carry it out while its lease is prolonged; a worker that is to stop leaves the rest to the next one."""
    scope = attempt.scope
    carry = asyncio.create_task(attempt.carry(), name=f"act {attempt.action.id}")
    beat = asyncio.create_task(attempt.beat(), name=f"beat {attempt.action.id}")
    halt = asyncio.create_task(scope.engine.queue.stopping.wait(), name=f"halt {attempt.action.id}")
    try:
        await asyncio.wait({carry, beat, halt}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await _stop(carry, beat, halt)
    if carry.cancelled() and not halt.cancelled():
        await attempt.give_back()
    elif not carry.cancelled():
        with contextlib.suppress(Lost):
            carry.result()


async def _stop(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class _Attempt:
    """One worker's try; `action` follows what has been written down."""

    def __init__(self, scope: Scope, action: OrderAction, settings: Settings) -> None:
        self.scope = scope
        self.action = action
        self._settings = settings

    async def beat(self) -> None:
        """Prolong the lease until it is lost."""
        while True:
            await self.scope.clock.sleep(self._settings.heartbeat.total_seconds())
            with contextlib.suppress(Unavailable):
                async with self.scope.tx() as tx:
                    if not await store.beat(tx, self.action, self._settings.lease):
                        return

    async def carry(self) -> None:
        """Do it, and write down how it ended. Raises Lost when somebody else has it."""
        sent_at = self.action.sent_at
        wait = model.settled(sent_at, self.scope.now, self._settings) if sent_at else None
        if wait:
            await self._put_off(None, wait)
            return
        try:
            await self._try()
        except ClientError as failure:
            await self._after(fault_of(failure))
        except Problem as failure:
            await self._after(fault_of_problem(failure))
        except (*DATA_FAULTS, Overrun) as failure:
            await self._after(Fault(Told.UNKNOWN, "CONNECTOR_FAULT", type(failure).__name__))

    async def _try(self) -> None:
        reach = actors(self.scope)
        facts = await reach.facts(self.scope, self.action.connection_id)
        async with reach.open(self.scope, self.action.connection_id) as far:
            order = (await orders.order(self.scope, self.action.order_id)).order
            if self.action.sent_at is not None:
                fresh = await far.look(self.action.external_id)
                step, order = self._judged(facts, order, fresh), fresh or order
                if step is not None:
                    await self._after_look(step, fresh)
                    return
                self.action = replace(self.action, sent_at=None)
            await self._mark(facts)
            try:
                outcomes = await far.act(_wish_of(self.action, order))
            except ClientError as failure:
                await self._after_sending(facts, far, order, fault_of(failure))
                return
            except WrongDetail as wrong:
                await self._after_sending(facts, far, order, Fault(Told.NO, "WRONG_DETAIL", wrong.reason))
                return
        items = _items_of(outcomes)
        await self.end(model.ending(items), items, _of_items(items))

    def _judged(self, facts: Facts, known: Order, fresh: Order | None) -> Step | None:
        """What the order read anew means; None: it has not happened and may be sent."""
        if fresh is None:
            return None if self.action.forced else Step.UNSURE
        shown = shows(facts, _wish_of(self.action, known), fresh)
        try:
            why_not = check(facts, _wish_of(self.action, fresh))
        except WrongDetail as wrong:
            why_not = wrong.reason
        return model.after_look(shown, why_not, forced=self.action.forced)

    async def _after_look(self, step: Step, fresh: Order | None) -> None:
        status = fresh.status if fresh else None
        self.action = replace(self.action, status_after=status)
        message = f"The marketplace would not allow it any more: the order is {status}."
        fault = {Step.UNSURE: _UNTOLD, Step.REFUSED: Fault(Told.NO, "ORDER_ACTION_NOT_ALLOWED", message)}.get(step)
        done = Item(self.action.id, model.DONE, "", "seen on the order")
        await self.end(step, (done,) if step is Step.DONE else (), fault)

    async def _after_sending(self, facts: Facts, far: Far, order: Order, fault: Fault) -> None:
        """The platform gave no good answer. A no to a repeated request may be a no to something that has happened."""
        if fault.told is Told.UNKNOWN:
            await self._after(fault)
            return
        sends = max(0, self.action.sends - 1)
        if fault.told is Told.NO and sends:
            fresh = await far.look(self.action.external_id)
            step = self._judged(facts, order, fresh)
            if step in {Step.DONE, Step.UNSURE}:
                await self._after_look(step, fresh)
                return
        self.action = replace(self.action, sends=sends, sent_at=None)
        await self._after(fault)

    async def _mark(self, facts: Facts) -> None:
        """Note that a request is about to leave; who finds the note later looks before it sends."""
        async with self.scope.tx() as tx:
            await actors(self.scope).admit(tx, self.action.connection_id, facts)
            marked = await store.mark(tx, self.action, self.scope.now)
        if marked is None:
            raise Lost
        self.action = marked

    async def _after(self, fault: Fault) -> None:
        if fault.told is Told.SIGNED_OUT:
            await self._put_off(fault, None)
            return
        following = model.after_fault(fault, self.action, draw(), self._settings)
        if isinstance(following, Again):
            self.action = replace(self.action, attempts=self.action.attempts + fault.tried)
            await self._put_off(fault, following.after)
        else:
            await self.end(following, fault=fault)

    async def _put_off(self, fault: Fault | None, after: timedelta | None) -> None:
        """Let it wait: so long, or (None) until the connection has been signed in anew."""
        async with self.scope.tx() as tx:
            if after is None and not await connections.awaits_sign_in(tx, self.action.connection_id):
                after = _SIGNED_IN
            retry_at = None if after is None else self.scope.now + after
            if not await store.put_off(tx, self.action, fault, retry_at, parked=after is None):
                raise Lost
            if after is not None:
                await tx.enqueue(JOB, self.action.id, after=after)

    async def give_back(self) -> None:
        """Leave it to the next worker."""
        with contextlib.suppress(Lost, Unavailable):
            await self._put_off(None, timedelta(0))

    async def end(self, step: Step, items: tuple[Item, ...] = (), fault: Fault | None = None) -> None:
        """Write down how it ended, and have the order read anew. Raises Lost when somebody else has it."""
        state = model.move(State.SENDING, step)
        assert state is not None  # noqa: S101 - the steps of a held action
        began = self.action.sent_at
        if state is not State.UNSURE:
            self.action = replace(self.action, sends=0, sent_at=None)
        if state is not State.CANCELLED:
            await self._refresh(began)
        async with self.scope.tx() as tx:
            ended = await store.finish(tx, self.action, state, items, fault, self.scope.now)
            if ended is None:
                raise Lost
            before, after = {"status": ended.status_before}, {"status": ended.status_after, "state": ended.state}
            body = event_body(ended, items)
            tx.emit(_ENDINGS[state](subject=ended.order_id, body=body, before=before, after=after))

    async def _refresh(self, began: datetime | None) -> None:
        """The wish is durable and comes before the end is written, so that no crash loses it."""
        seen = began.replace(microsecond=0) if began else None
        with contextlib.suppress(Problem):
            await sync.refresh(self.scope, self.action.connection_id, ORDERS, self.action.external_id, seen)


def _wish_of(action: OrderAction, order: Order) -> Action:
    """The action as its connector sees it, over this state of the order."""
    return Action(action.id, ActionKind(action.kind), order, action.lines, action.reason, action.details)


def _items_of(outcomes: Sequence[Outcome]) -> tuple[Item, ...]:
    """The outcomes as they are kept; the last one of a key counts."""
    kept = {
        one.key: Item(storable(one.key), one.result, storable(one.code)[:_CODE], storable(one.reason)[:_REASON])
        for one in outcomes
    }
    return tuple(kept.values())


def _of_items(items: tuple[Item, ...]) -> Fault | None:
    """The first refusal, as the whole action's."""
    return next((Fault(Told.NO, one.code, one.reason) for one in items if one.result != model.DONE), None)
