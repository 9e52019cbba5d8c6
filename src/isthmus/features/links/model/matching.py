"""Which variants of several listings are the same thing: by SKU, then by barcode, else by hand (pure)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

How = Literal["sku", "barcode", "hand"]


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
