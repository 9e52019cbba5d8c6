"""How one stock is shown in several shops, and what a change in one of them means for it (pure).

Changes are told as differences: two shops that each sell one of ten leave eight, whoever is read first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Standing(StrEnum):
    """How the stock that we last wanted in a shop stands."""

    #: It never went out, and may still be replaced.
    UNSENT = "unsent"
    #: It is under way, or nobody knows how it went: nothing can be said before it has ended.
    UNDER_WAY = "under_way"
    #: The shop took it.
    TAKEN = "taken"
    #: The shop would not take it a short while ago, and shows what it showed then: it would refuse the same again.
    REFUSED = "refused"
    #: It ended in another way, or there was none: the shop shows its own.
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Place:
    """One shop's stock of an item: what it shows, what of that was counted, and what we last wanted there."""

    listing_id: str
    variant: str
    shows: int | None
    seen: int | None
    wanted: int | None
    standing: Standing
    buffer: int = 0


@dataclass(frozen=True, slots=True)
class Counted:
    """What a look at all shops brought: the stock, and by place what is counted now and what is to be wanted."""

    stock: int | None
    seen: dict[Place, int | None]
    wants: dict[Place, int]


@dataclass(frozen=True, slots=True)
class Spot:
    """What a shop shows of a variant at one location; `ours` where stock of the seller lies: that can be set."""

    location: str
    available: int
    ours: bool = True


@dataclass(frozen=True, slots=True)
class Step:
    """A value for one location: what it was based on, and what the whole shop shows once it is there."""

    location: str
    value: int
    based_on: int
    total: int


def step(spots: Sequence[Spot], target: int, home: str) -> Step | None:
    """The next value on the way to `target` over all locations; None where nothing of ours can bring it nearer.

    What the other locations hold stays where it lies: `home` gets the rest, or the location of ours with the most where
    none is named. Only where the others hold more than there is to sell are they taken from, once home is empty. Each
    step is one value at one location, so that none is ever half done.
    """
    total = sum(one.available for one in spots)
    own = sorted((one for one in spots if one.ours), key=lambda one: (-one.available, one.location))
    if home:
        own.sort(key=lambda one: one.location != home)
    if home and not any(one.location == home for one in own):
        own.insert(0, Spot(home, 0))
    for one in own:
        value = max(0, target - (total - one.available))
        if value != one.available:
            return Step(one.location, value, one.available, total - one.available + value)
    return None


def counted(stock: int | None, places: Sequence[Place]) -> Counted:
    """Count what the shops sold or took back since the last look, and say what each is to show then.

    Without a stock nothing is shared: linking alone changes nothing in any shop.
    """
    if stock is None:
        return Counted(None, {}, {})
    stock = max(0, stock + sum(_difference(place) for place in places))
    seen = {place: place.shows for place in places if place.standing is not Standing.UNDER_WAY}
    wants = {place: max(0, stock - place.buffer) for place in places if _is_to_change(place, stock)}
    return Counted(stock, seen, wants)


def _difference(place: Place) -> int:
    """What the shop itself did; what it shows because we wanted it so is no news."""
    if place.shows is None or place.standing is Standing.UNDER_WAY:
        return 0
    if place.standing is Standing.TAKEN and place.wanted is not None:
        return place.shows - place.wanted
    return 0 if place.seen is None else place.shows - place.seen


def _is_to_change(place: Place, stock: int) -> bool:
    if place.standing is Standing.UNDER_WAY or place.shows is None:
        return False
    target = max(0, stock - place.buffer)
    return target != (place.wanted if place.standing is Standing.UNSENT else place.shows)
