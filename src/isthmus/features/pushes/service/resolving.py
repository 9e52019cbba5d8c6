"""Conflicts: shown, decided by a person one by one or in bulk by a rule, and taken back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from isthmus.connect.edits import EditValue, value_of
from isthmus.features import connections, records
from isthmus.features.pushes.errors import ConflictDecided, ConflictNotFound, ConflictUndecided, WrongEdit
from isthmus.features.pushes.events import ConflictResolved, ConflictUndone
from isthmus.features.pushes.model.conflicts import ConflictFilter, FieldConflict
from isthmus.features.pushes.model.edits import ItemState
from isthmus.features.pushes.model.edits import Winner as DecidedFor
from isthmus.features.pushes.model.merging import Rule, Standing, Step, decide, fits
from isthmus.features.pushes.model.values import checked, shown
from isthmus.features.pushes.service.settling import finish
from isthmus.features.pushes.service.shops import shops
from isthmus.features.pushes.service.wanting import JOB, note
from isthmus.features.pushes.store import conflicts as store
from isthmus.features.pushes.store import edits, pushes
from isthmus.features.pushes.store.edits import Wish
from isthmus.features.pushes.store.pushes import Closed
from isthmus.kit.paging import Ask, Page
from isthmus.scope import Scope, Tx

Winner = Literal["ours", "theirs", "value"]
_AT_ONCE = 100
_MOST = 10_000
_UNKNOWN: store.Times = (None, None)


@dataclass(frozen=True, slots=True)
class Effect:
    """What a decision does: who wins, and the value that the field has afterwards; None where a rule cannot decide."""

    conflict: FieldConflict
    winner: Winner | None
    value: EditValue


@dataclass(frozen=True, slots=True)
class Judged:
    """What a rule does with many conflicts; `undecided` is how many it leaves open, since it cannot decide them."""

    effects: Sequence[Effect]
    undecided: int

    def wins(self, side: Winner) -> int:
        """How many a side wins."""
        return sum(one.winner == side for one in self.effects)


async def conflicts(scope: Scope, wanted: ConflictFilter, ask: Ask) -> Page[FieldConflict]:
    """Newest first."""
    async with scope.tx() as tx:
        return await store.many(tx, wanted, ask)


async def conflict(scope: Scope, id_: str) -> FieldConflict:
    """One conflict. Raises ConflictNotFound."""
    async with scope.tx() as tx:
        return await _one(tx, id_)


async def _one(tx: Tx, id_: str, *, held: bool = False) -> FieldConflict:
    found = await store.one(tx, id_, held=held)
    if found is None:
        raise ConflictNotFound
    return found


async def resolve(scope: Scope, id_: str, winner: Winner, given: object = None) -> FieldConflict:
    """Decide one; `given` is the third value where neither side is to win.

    Raises ConflictNotFound, ConflictDecided, WrongEdit.
    """
    before = await conflict(scope, id_)
    prices = await _prices(scope, [Effect(before, winner, None)])
    async with scope.tx() as tx:
        found = await _one(tx, id_, held=True)
        if found.state != "open":
            raise ConflictDecided
        value = checked(found.place.field, given) if winner == "value" else None
        value = {"ours": found.ours, "theirs": found.theirs}.get(winner, value)
        await _apply(tx, scope, Effect(found, winner, value), prices)
        return await _one(tx, id_)


async def _prices(scope: Scope, effects: Sequence[Effect]) -> Mapping[str, str]:
    """Which price the platforms show, by connection, of those to which something will be sent.

    Asked before a transaction is open: a connection is looked up in one of its own.
    """
    ids = {one.conflict.connection_id for one in effects if one.winner != "theirs"}
    return {id_: (await shops(scope).about(scope, id_)).writing.price for id_ in sorted(ids)}


async def _apply(tx: Tx, scope: Scope, effect: Effect, prices: Mapping[str, str]) -> None:
    found, winner = effect.conflict, effect.winner
    assert winner is not None  # noqa: S101 - the callers leave undecided ones out
    now = scope.now
    await store.decide(tx, found.id, winner, effect.value, (scope.principal.id, now))
    if winner == "theirs":
        await edits.drop(tx, [found.edit_id])
        closed = Closed(found.edit_id, _NEWEST, ItemState.YIELDED, "DECIDED", "A person kept the platform's value.")
        await finish(tx, scope, await pushes.close(tx, [closed], now))
    else:
        if winner == "value":
            closed = Closed(found.edit_id, _NEWEST, ItemState.SUPERSEDED)
            await finish(tx, scope, await pushes.close(tx, [closed], now))
        theirs = await _shown_now(tx, found, prices[found.connection_id])
        if await edits.decided(tx, found.edit_id, effect.value, theirs, now) is not None:
            await tx.enqueue(JOB, found.connection_id)
    body = {"conflictId": found.id, "winner": winner, "value": shown(effect.value)}
    tx.emit(ConflictResolved(subject=found.id, body=body))


#: Versions are counted in 32 bits; no edit gets there.
_NEWEST = 2**31 - 1


async def _shown_now(tx: Tx, found: FieldConflict, price: str) -> EditValue:
    """What the far side shows by now, as far as the store knows."""
    place = found.place
    whole = (await records.wholes(tx, [place.listing_id])).get(place.listing_id)
    try:
        if whole is not None:
            return value_of(whole.listing, place.variant, place.field, place.location, price)
    except LookupError:
        pass  # the variant has gone: sending tells
    return found.theirs


async def preview(scope: Scope, rule: Rule, wanted: ConflictFilter) -> Judged:
    """What a rule would do with the open conflicts of this filter, at most 10,000.

    Raises WrongEdit, ConnectionNotFound.
    """
    if wanted.connection_id is not None:
        await connections.connection(scope, wanted.connection_id)
    if rule is Rule.MANUAL:
        raise WrongEdit.field("rule", "A rule that leaves it to a person decides nothing.")
    found: list[Effect | None] = []
    after = None
    while len(found) < _MOST:
        async with scope.tx() as tx:
            page = await store.many(tx, replace(wanted, state="open"), Ask(_AT_ONCE, after=after))
            times = await store.times(tx, [one.edit_id for one in page.items]) if rule is Rule.NEWEST else {}
        found.extend(_effect(one, rule, times.get(one.edit_id, _UNKNOWN)) for one in page.items)
        if page.next_after is None:
            break
        after = page.next_after
    return Judged([one for one in found if one is not None], found.count(None))


def _effect(one: FieldConflict, rule: Rule, times: store.Times) -> Effect | None:
    if not fits(one.place.field, rule):
        return None
    step = decide(Standing(one.ours, one.theirs, one.base, None, *times), rule).step
    if step is Step.YIELD:
        return Effect(one, "theirs", one.theirs)
    return Effect(one, "ours", one.ours) if step in (Step.SEND, Step.AGREED) else None


async def resolve_all(scope: Scope, rule: Rule, wanted: ConflictFilter) -> Judged:
    """Decide all of them by a rule; those that somebody else decided meanwhile are left out. Raises as `preview`."""
    judged = await preview(scope, rule, wanted)
    effects = judged.effects
    prices = await _prices(scope, effects)
    applied: list[Effect] = []
    for start in range(0, len(effects), _AT_ONCE):
        async with scope.tx() as tx:
            for effect in effects[start : start + _AT_ONCE]:
                current = await store.one(tx, effect.conflict.id, held=True)
                if current is not None and current.state == "open":
                    await _apply(tx, scope, effect, prices)
                    applied.append(effect)
    return Judged(applied, judged.undecided)


async def undo(scope: Scope, id_: str) -> str:
    """Take a decision back: the value that had lost is wanted again; the push's id.

    Raises ConflictNotFound, ConflictUndecided, and what the connections raise.
    """
    found = await conflict(scope, id_)
    price = (await shops(scope).about(scope, found.connection_id)).writing.price
    async with scope.tx() as tx:
        found = await _one(tx, id_, held=True)
        if found.state != "resolved" or found.winner == DecidedFor.AGREED:
            raise ConflictUndecided
        await shops(scope).admit(tx, found.connection_id)
        loser = found.theirs if found.winner == "ours" else found.ours
        theirs = await _shown_now(tx, found, price)
        await store.set_undone(tx, id_, (scope.principal.id, scope.now))
        wish = Wish(scope.id("edt"), found.connection_id, found.place, loser, (theirs,))
        push_id = await note(tx, scope, [wish], "undo")
        tx.emit(ConflictUndone(subject=id_, body={"pushId": push_id, "value": shown(loser)}))
    return push_id
