"""Values that a platform holds up, compared with what it shows meanwhile: what is asked then is asked at once."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from isthmus.features import records
from isthmus.features.connections import ConnectionNotFound, ShardTypeForbidden
from isthmus.features.pushes.errors import NotWritable
from isthmus.features.pushes.service import deciding, rules, settling
from isthmus.features.pushes.service.deciding import Plan
from isthmus.features.pushes.service.settling import Round
from isthmus.features.pushes.service.shops import About, shops
from isthmus.features.pushes.settings import Settings
from isthmus.features.pushes.store import edits, waiting
from isthmus.features.pushes.store.edits import Taken
from isthmus.scope import Scope

JOB: Final = "pushes.compare"
#: Listings that changed within this time are compared with what is wanted of them; a sweep comes far more often.
NEWS: Final = timedelta(minutes=3)


@dataclass(frozen=True, slots=True)
class _Page:
    """What was compared in one go: all of it, and under a claim what is not to be sent as it stands."""

    taken: list[Taken]
    claim: str = ""
    made: Plan = field(default_factory=Plan)


@dataclass(frozen=True, slots=True)
class _Unopened:
    """A connection of which only what we know is asked."""

    about: About


async def compare(scope: Scope, connection_id: str) -> None:
    """Compare what waits for later at a connection, by the store alone: nothing is sent before its time."""
    try:
        shop = _Unopened(await shops(scope).about(scope, connection_id))
        after, most = "", scope.part(Settings).taken
        while True:
            page = await _page(scope, shop.about, after, most)
            if page.claim:
                await settling.settle(scope, shop, Round(page.claim, scope.now, page.made, {}, {}))
            if len(page.taken) < most:
                return
            after = page.taken[-1].edit.id
    except (ConnectionNotFound, NotWritable, ShardTypeForbidden):
        return  # at its time the edit itself tells


async def _page(scope: Scope, about: About, after: str, most: int) -> _Page:
    async with scope.tx() as tx:
        await shops(scope).admit(tx, about.id)
        taken = await waiting.take(tx, about.id, after, scope.now - NEWS, scope.now, most)
        if not taken:
            return _Page(taken)
        wholes = await records.wholes(tx, sorted({one.edit.place.listing_id for one in taken}))
        several = [one.edit for one in taken]
        made = deciding.plan(scope, several, wholes, await rules.in_force(tx, about.id), about.writing.price)
        held = [one for one in taken if one.edit.id not in made.sending]
        if not held:
            return _Page(taken)
        claim = scope.id("clm")
        await edits.claim(tx, claim, scope.part(Settings).lease, held, {})
    made.conflicts = [one for one in made.conflicts if one.edit.id not in made.sending]
    made.sending = {}
    return _Page(taken, claim, made)
