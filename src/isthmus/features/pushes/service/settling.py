"""What became of a round of edits, written in one transaction: edits, items, listings, conflicts and events."""

from collections.abc import Callable, Collection, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import msgspec

from isthmus.client import ClientError
from isthmus.connect.edits import Edit, EditValue, Outcome, Result, edited
from isthmus.connect.shapes import Listing
from isthmus.engine.db import DatabaseCrossed
from isthmus.features import connections, records, sync
from isthmus.features.pushes.events import ConflictOpened, ConflictResolved, PushFinished
from isthmus.features.pushes.model.edits import ItemState, Later, LiveEdit, State
from isthmus.features.pushes.model.values import shown
from isthmus.features.pushes.service import judging
from isthmus.features.pushes.service.deciding import Plan
from isthmus.features.pushes.service.judging import Broken
from isthmus.features.pushes.service.looking import Origin
from isthmus.features.pushes.service.shops import ENTITY, Known
from isthmus.features.pushes.store import conflicts, edits, pushes
from isthmus.features.pushes.store.conflicts import Ended
from isthmus.features.pushes.store.pushes import Closed
from isthmus.scope import Scope, Tx

Change = Callable[[Listing], Listing]
DISCONNECTED: Final = "DISCONNECTED"
FORBIDDEN: Final = "SHARD_TYPE_FORBIDDEN"
#: Of items with these codes it is known what took their edits away.
TOLD: Final = (DISCONNECTED, FORBIDDEN)
#: The far side's clock is known to seconds; an older answer than our write is told by less.
_MARGIN = timedelta(seconds=2)
#: How often a round is written down before the next worker has to look how it went.
_TRIES: Final = 4
#: How soon goes on what was refused by an old sign-in while there is a new one.
SIGNED_IN: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Round:
    """One round: what was planned, and what the calls brought, by the edits' keys.

    `before` is the far side's time before the first call: every one of them changed a listing later than that.
    """

    claim: str
    before: datetime
    plan: Plan
    outcomes: Mapping[str, Outcome]
    failures: Mapping[str, ClientError | Broken]


async def settle(scope: Scope, shop: Known, one: Round) -> None:
    """Write it down. Of edits that another worker has taken meanwhile nothing is written.

    Whoever wants thousands of values anew locks the same edits in another order: who is sent back then begins again,
    since nobody else knows how the calls went.
    """
    done = _judge(scope, one)
    for left in reversed(range(_TRIES)):
        try:
            await _write(scope, shop, one, done)
        except DatabaseCrossed:
            if not left:
                raise
        else:
            return


async def _write(scope: Scope, shop: Known, one: Round, done: Sequence[tuple[LiveEdit, Edit]]) -> None:
    at = one.before - _MARGIN
    async with scope.tx() as tx:
        await _signed_in(tx, scope, shop, one.plan)
        await sync.lock(tx, shop.about.id, ENTITY)
        mine = await edits.end(tx, one.claim, _ended(one.plan.closed, one), scope.now)
        await edits.later(tx, one.claim, one.plan.later)
        written = [pair for pair in done if pair[0].id in mine]
        origin = Origin(shop.about.id, shop.about.provider)
        await records.rewrite(tx, scope, origin, _changes(shop, written, at), one.plan.wholes)
        closed = [end for live, end in one.plan.closed.items() if live.id in mine]
        await finish(tx, scope, await pushes.close(tx, closed, scope.now))
        await pushes.held(tx, [(id_, wait.code, wait.reason) for id_, wait in one.plan.later.items() if wait.code])
        _tell(tx, shop, one, await conflicts.add(tx, shop.about.id, one.plan.conflicts, scope.now))
        answered = [end for end in one.plan.ended.values() if end.edit_id in mine]
        tell_ended(tx, await conflicts.end(tx, answered, scope.now), answered)
        if pointless := _pointless(one.plan, mine):
            await conflicts.drop_open(tx, scope.tenant_id, pointless, scope.now)


def _pointless(made: Plan, mine: Set[str]) -> list[str]:
    """Edits whose questions have no answer: there is nothing any more that they could be sent to."""
    return [one.id for one in made.closed if one.state is State.CONFLICT and one.id in mine - made.ended.keys()]


async def _signed_in(tx: Tx, scope: Scope, shop: Known, made: Plan) -> None:
    """What is to wait for a sign-in goes on where somebody has signed in while the calls were under way."""
    held = [id_ for id_, wait in made.later.items() if wait.state is State.PARKED and wait.due_at is None]
    if held and not await connections.awaits_sign_in(tx, shop.about.id):
        soon = scope.now + SIGNED_IN
        made.later.update((id_, replace(made.later[id_], due_at=soon)) for id_ in held)


def _judge(scope: Scope, one: Round) -> list[tuple[LiveEdit, Edit]]:
    """Sort what was sent into what has ended and what goes on; those that the far side took."""
    done = []
    for live, edit in one.plan.sending.values():
        what = _end_of(scope, one, live, edit)
        if isinstance(what, Later):
            one.plan.later[live.id] = what
            continue
        one.plan.closed[live] = what
        if what.state is ItemState.DONE:
            done.append((live, edit))
    return done


def _end_of(scope: Scope, one: Round, live: LiveEdit, edit: Edit) -> Later | Closed:
    outcome, failure = one.outcomes.get(edit.key), one.failures.get(edit.key)
    if failure is not None:
        return judging.judged(failure, live, scope.now)
    if outcome is None:
        return Later(live.state if live.state is State.UNSURE else State.WAITING, scope.now, live.attempts, "", "")
    if outcome.result is Result.DONE:
        return Closed(live.id, live.version, ItemState.DONE)
    if outcome.result is Result.STALE:
        return judging.stale(live, scope.now)
    if outcome.result is Result.LOCKED:
        return judging.locked(live, outcome.code, outcome.reason, scope.now)
    return judging.refused(live, outcome.code or "REFUSED", outcome.reason or "The platform refused this value.")


def _ended(closed: Mapping[LiveEdit, Closed], one: Round) -> dict[LiveEdit, tuple[EditValue] | None]:
    """What has ended, with what the far side shows from now on."""
    theirs = {found.edit.id: found.theirs for found in one.plan.conflicts}
    theirs.update((id_, end.theirs) for id_, end in one.plan.ended.items())
    found: dict[LiveEdit, tuple[EditValue] | None] = {}
    for live, end in closed.items():
        if end.state in (ItemState.DONE, ItemState.AGREED):
            found[live] = (live.value,)
        elif end.state is ItemState.YIELDED:
            found[live] = (theirs[live.id],)
        else:
            found[live] = None
    return found


def _changes(shop: Known, done: Sequence[tuple[LiveEdit, Edit]], at: datetime) -> dict[str, Change]:
    """By listing: what the far side has taken."""
    by_listing: dict[str, list[Edit]] = {}
    for live, edit in done:
        by_listing.setdefault(live.place.listing_id, []).append(edit)
    return {id_: _change(given, shop.about.writing.price, at) for id_, given in by_listing.items()}


def _change(given: Sequence[Edit], price: str, at: datetime) -> Change:
    def change(listing: Listing) -> Listing:
        for edit in given:
            try:
                listing = edited(listing, edit, price)
            except LookupError:
                continue  # the variant has gone meanwhile
        known = listing.platform_updated_at
        if not listing.variants_complete:
            listing = _dated(listing, given, at)
        return msgspec.structs.replace(listing, platform_updated_at=at if known is None else max(known, at))

    return change


def _dated(listing: Listing, given: Sequence[Edit], at: datetime) -> Listing:
    """The same with the time of the write on what it touched: variants of such a listing are read one by one."""
    touched = {edit.variant.external_id if edit.variant is not None else "" for edit in given}
    variants = [
        msgspec.structs.replace(one, changed_at=at if one.changed_at is None else max(one.changed_at, at))
        if {one.external_id, ""} & touched
        else one
        for one in listing.variants
    ]
    return msgspec.structs.replace(listing, variants=tuple(variants))


def _tell(tx: Tx, shop: Known, one: Round, new: Collection[str]) -> None:
    for found in one.plan.conflicts:
        if found.winner is None and found.id in new:
            place = found.edit.place
            body = {
                "conflictId": found.id,
                "connectionId": shop.about.id,
                "listingId": place.listing_id,
                "variant": place.variant,
                "field": place.field,
                "ours": shown(found.edit.value),
                "theirs": shown(found.theirs),
            }
            tx.emit(ConflictOpened(subject=found.id, body=body))


def tell_ended(tx: Tx, closed: Mapping[str, str], ended: Sequence[Ended]) -> None:
    """Tell of questions that needed nobody in the end; `closed` are their ids by edit."""
    for one in ended:
        if one.edit_id in closed:
            id_ = closed[one.edit_id]
            body = {"conflictId": id_, "winner": one.winner, "value": shown(one.value)}
            tx.emit(ConflictResolved(subject=id_, body=body))


async def finish(tx: Tx, scope: Scope, finished: Sequence[str]) -> None:  # noqa: ARG001 - the form of its kind
    """Tell of pushes whose last item has ended."""
    counted = await pushes.counts(tx, finished) if finished else {}
    for push_id in finished:
        found = counted.get(push_id, {})
        body = {state.value: found.get(state, 0) for state in ItemState if state is not ItemState.WAITING}
        tx.emit(PushFinished(subject=push_id, body={"pushId": push_id, **body}))


async def abandon(scope: Scope, connection_id: str, code: str, reason: str) -> None:
    """Nothing can ever be sent there: whatever was wanted ends as refused."""
    async with scope.tx() as tx:
        gone = await edits.forget(tx, scope.tenant_id, [connection_id])
        closed = [Closed(id_, version, ItemState.REFUSED, code, reason) for id_, version in gone]
        await finish(tx, scope, await pushes.close(tx, closed, scope.now))
        await conflicts.drop_open(tx, scope.tenant_id, [id_ for id_, _ in gone], scope.now)


async def close_orphans(scope: Scope, connection_id: str) -> None:
    """End items whose edits went with their listings, since the shop was disconnected or what was read is removed."""
    async with scope.tx() as tx:
        told = (TOLD, "The listing was removed.")
        await finish(tx, scope, await pushes.close_orphans(tx, connection_id, told, scope.now))
        await conflicts.drop_orphans(tx, connection_id, scope.now)
