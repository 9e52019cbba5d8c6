"""Which variants of several listings are the same thing: by SKU, then by barcode, else by hand (pure)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

How = Literal["sku", "barcode", "hand"]
By = Literal["sku", "barcode"]
_BY: Final[tuple[By, ...]] = ("sku", "barcode")


@dataclass(frozen=True, slots=True)
class Sold:
    """A variant of a listing, as far as matching needs it."""

    listing_id: str
    variant: str
    connection_id: str
    sku: str | None = None
    barcode: str | None = None
    title: str | None = None
    stock: int | None = None


@dataclass(slots=True)
class Group:
    """Variants that are one thing; `how` says why each was put there."""

    members: list[tuple[Sold, How]] = field(default_factory=list)
    #: The item that they are of already, if any.
    item_id: str | None = None

    @property
    def sku(self) -> str | None:
        """The first SKU among them."""
        return next((one.sku.strip() for one, _ in self.members if one.sku and one.sku.strip()), None)

    @property
    def barcode(self) -> str | None:
        """The first barcode among them."""
        return next((one.barcode for one, _ in self.members if one.barcode), None)

    @property
    def title(self) -> str | None:
        """The first title among them."""
        return next((one.title for one, _ in self.members if one.title), None)


def twins(sold: Sequence[Sold]) -> list[str]:
    """SKUs that one connection sells more than once among these: reported, never merged."""
    seen: set[tuple[str, str]] = set()
    found = []
    for one in sold:
        key = (one.connection_id, (one.sku or "").strip())
        if key[1] and key in seen:
            found.append(key[1])
        seen.add(key)
    return sorted(set(found))


def grouped(sold: Sequence[Sold], items: Mapping[tuple[str, str], str]) -> list[Group]:
    """Put variants of listings together; `items` are those that are linked already, by listing and variant.

    A variant joins one of another listing by SKU (trimmed, case kept), then by barcode; where each listing sells only
    one thing, these are the same because a person linked the listings.
    """
    single = len(sold) > 1 and all(_alone(one, sold) for one in sold)
    groups: list[Group] = []
    for one in sold:
        known = items.get((one.listing_id, one.variant))
        found, how = _joined(groups, one, known, by_hand=single)
        if found is None:
            found = Group()
            groups.append(found)
        found.members.append((one, how))
        found.item_id = found.item_id or known
    return groups


@dataclass(frozen=True, slots=True)
class Left:
    """A variant that cannot be linked without a person: by what it was looked for, and why."""

    sold: Sold
    by: By
    value: str
    reason: str
    #: What else bears the value.
    others: Sequence[Sold]


@dataclass(frozen=True, slots=True)
class Joining:
    """Where new variants of linked listings belong: to items that are there, or to one of their own."""

    groups: Sequence[Group]
    left: Sequence[Left]


@dataclass(slots=True)
class _Home:
    """An item: of which listings it is sold, and what joins it."""

    item_id: str | None = None
    listings: set[str] = field(default_factory=set)
    members: list[tuple[Sold, How]] = field(default_factory=list)


def joining(sold: Sequence[Sold], items: Mapping[tuple[str, str], str]) -> Joining:
    """Find the item of each variant that has none, by SKU, then by barcode; `items` are those that have one.

    Only what fits exactly one item, and is sold once by its connection, is linked: duplicates are never merged.
    """
    known: dict[str, _Home] = {}
    homes: dict[tuple[str, str], _Home] = {}
    for key, item_id in items.items():
        homes[key] = known.setdefault(item_id, _Home(item_id))
        homes[key].listings.add(key[0])
    bearers = _bearers(sold)
    made: list[_Home] = []
    left: list[Left] = []
    for one in sold:
        if (one.listing_id, one.variant) in items:
            continue
        by, value = _sought(one, bearers)
        others = [other for other in bearers.get((by, value), ()) if other is not one]
        found = {id(home): home for other in others if (home := homes.get((other.listing_id, other.variant)))}
        if reason := _unclear(one, by, others, list(found.values())):
            left.append(Left(one, by, value, f"A new variant of a linked listing: {reason}", others))
            continue
        home = next(iter(found.values()), None)
        if home is None:
            home = _Home()
            made.append(home)
        home.listings.add(one.listing_id)
        home.members.append((one, by if value else "hand"))
        homes[one.listing_id, one.variant] = home
    groups = [Group(home.members, home.item_id) for home in (*known.values(), *made) if home.members]
    return Joining(groups, left)


def _value(one: Sold, by: By) -> str:
    return (one.sku or "").strip() if by == "sku" else one.barcode or ""


def _bearers(sold: Sequence[Sold]) -> dict[tuple[By, str], list[Sold]]:
    found: dict[tuple[By, str], list[Sold]] = {}
    for one in sold:
        for by in _BY:
            if value := _value(one, by):
                found.setdefault((by, value), []).append(one)
    return found


def _sought(one: Sold, bearers: Mapping[tuple[By, str], Sequence[Sold]]) -> tuple[By, str]:
    """By what a variant is looked for: its SKU where another one bears it, else its barcode, else nothing is found."""
    for by in _BY:
        if len(bearers.get((by, _value(one, by)), ())) > 1:
            return by, _value(one, by)
    return "sku", _value(one, "sku")


def _unclear(one: Sold, by: By, others: Sequence[Sold], homes: Sequence[_Home]) -> str:
    """Why a person has to look, empty where nobody has to."""
    word = f"{'SKU' if by == 'sku' else 'barcode'} {_value(one, by)}"
    connections = [one.connection_id, *(other.connection_id for other in others)]
    if len(set(connections)) < len(connections):
        return f"one connection sells the {word} more than once."
    if len(homes) > 1:
        return f"the {word} fits several items of the product."
    if homes and one.listing_id in homes[0].listings:
        return f"the listing sells the item of the {word} as another variant already."
    return ""


def _alone(one: Sold, sold: Iterable[Sold]) -> bool:
    return sum(other.listing_id == one.listing_id for other in sold) == 1


def _joined(groups: Sequence[Group], one: Sold, known: str | None, *, by_hand: bool) -> tuple[Group | None, How]:
    free = [group for group in groups if all(member.listing_id != one.listing_id for member, _ in group.members)]
    for group in free:
        if known is not None and group.item_id == known:
            return group, "hand"
    sku = (one.sku or "").strip()
    for group in free:
        if sku and any((member.sku or "").strip() == sku for member, _ in group.members):
            return group, "sku"
    for group in free:
        if one.barcode and any(member.barcode == one.barcode for member, _ in group.members):
            return group, "barcode"
    if by_hand and free:
        return free[0], "hand"
    return None, "sku" if sku else "hand"
