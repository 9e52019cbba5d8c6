"""What people decide over actions that wait or are in doubt, and what a connection's fate means for them."""

from datetime import datetime

from isthmus.engine.db import Tx as SystemTx
from isthmus.features.fulfilment import model, store
from isthmus.features.fulfilment.errors import ActionMoved, ActionNotFound
from isthmus.features.fulfilment.events import ActionCancelled, ActionDone, ActionRetried
from isthmus.features.fulfilment.model import OrderAction, State, Step, event_body
from isthmus.features.fulfilment.service.working import JOB
from isthmus.scope import Scope, Tx


async def cancel(scope: Scope, id_: str) -> OrderAction:
    """Take an action back that was not sent yet. Raises ActionNotFound, ActionMoved."""
    async with scope.tx() as tx:
        known = await _known(tx, id_)
        if known.sent_at is not None:
            raise ActionMoved("A request may have left already; wait until it is known what became of it.")
        ended = await store.decide(tx, id_, (State.WAITING,), State.CANCELLED, scope.now, code=None, message=None)
        if ended is None:
            raise ActionMoved(details={"state": known.state})
        tx.emit(ActionCancelled(subject=ended.order_id, body=event_body(ended)))
    return ended


async def dismiss(scope: Scope, id_: str, *, happened: bool) -> OrderAction:
    """Say what became of an action in doubt, after having looked at the marketplace. Raises what `cancel` raises."""
    step = Step.CONFIRMED if happened else Step.DISMISSED
    to = State.DONE if happened else State.CANCELLED
    message = f"{scope.principal.subject} looked: it {'has' if happened else 'has not'} happened."
    async with scope.tx() as tx:
        known = await _known(tx, id_)
        ended = await store.decide(tx, id_, model.before(step), to, scope.now, code="RESOLVED_BY_HAND", message=message)
        if ended is None:
            raise ActionMoved(details={"state": known.state})
        kind = ActionDone if happened else ActionCancelled
        tx.emit(kind(subject=ended.order_id, body=event_body(ended), before={"state": known.state}))
    return ended


async def retry(scope: Scope, id_: str) -> OrderAction:
    """Do it once more: what was refused, or what nobody could tell; of the latter the order is looked at first.

    Of an action that was done in part only the lines are tried that were not. Raises what `cancel` raises.
    """
    async with scope.tx() as tx:
        known = await _known(tx, id_)
        items = await store.items(tx, id_)
        lines = model.left_over(items, id_) or known.lines
        if State(known.state) is State.DONE and not known.failed:
            raise ActionMoved("Everything of it was done.", details={"state": known.state})
        waiting = await store.retry(tx, id_, model.before(Step.RETRIED), lines)
        if waiting is None:
            raise ActionMoved(details={"state": known.state})
        tx.emit(ActionRetried(subject=waiting.order_id, body=event_body(waiting), before={"state": known.state}))
        await tx.enqueue(JOB, waiting.id)
    return waiting


async def _known(tx: Tx, id_: str) -> OrderAction:
    known = await store.action(tx, id_, held=True)
    if known is None:
        raise ActionNotFound
    return known


async def connected(
    tx: SystemTx, tenant_id: str, connection_id: str
) -> None:  # house: silent - the action itself tells
    """Signed in anew: what waited for it goes on; the reconciler wakes it."""
    await store.unpark(tx, tenant_id, connection_id)


async def disconnected(  # house: silent - the cause was told
    tx: SystemTx, tenant_id: str, connection_id: str, now: datetime
) -> None:
    """Disconnected: nothing can be done there any more."""
    await store.end_of(tx, tenant_id, connection_id, now)
