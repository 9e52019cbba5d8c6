"""Canonical records as connectors hand them over (reference marketplaces.md 9.1, there called Product).

Money is `Decimal`, times are aware UTC, ids of the far side are texts. Empty collections are tuples.
A shape says nothing about tenants, connections or our own ids: the platform adds those.
"""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import msgspec


class ListingStatus(StrEnum):
    """Canonical states of a listing (marketplaces.md 10.4)."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    PENDING = "pending"
    REJECTED = "rejected"
    BANNED = "banned"
    DELETED = "deleted"
    DRAFT = "draft"
    UNKNOWN = "unknown"


class Option(msgspec.Struct, frozen=True, omit_defaults=True):
    """One choice a buyer makes, such as size, with its values in the seller's order."""

    name: str
    values: tuple[str, ...] = ()


class OptionValue(msgspec.Struct, frozen=True):
    """The value a variant has for one option."""

    name: str
    value: str


class Image(msgspec.Struct, frozen=True, omit_defaults=True):
    """An image by its address at the platform."""

    url: str
    external_id: str | None = None
    position: int = 0


class Price(msgspec.Struct, frozen=True, omit_defaults=True):
    """`list_price` is the regular price, `current_price` what a buyer pays now."""

    currency: str
    list_price: Decimal
    current_price: Decimal
    sale_price: Decimal | None = None
    sale_starts_at: datetime | None = None
    sale_ends_at: datetime | None = None
    tax_included: bool | None = None
    editable: bool = True
    lock_reason: str | None = None


class Inventory(msgspec.Struct, frozen=True, omit_defaults=True):
    """Stock at one location; `available` is what can still be sold."""

    available: int
    on_hand: int | None = None
    reserved: int | None = None
    campaign_locked: int | None = None
    location_external_id: str | None = None
    owner: str = "seller"


class Variant(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is sold: a listing without variants has exactly one default variant."""

    external_id: str
    sku: str | None = None
    platform_sku: str | None = None
    barcode: str | None = None
    barcode_type: str | None = None
    title: str | None = None
    option_values: tuple[OptionValue, ...] = ()
    image_url: str | None = None
    position: int = 0
    status: ListingStatus = ListingStatus.ACTIVE
    weight_kg: Decimal | None = None
    price: Price | None = None
    inventory: tuple[Inventory, ...] = ()

    @property
    def available(self) -> int | None:
        """What can be sold over all locations; None where the platform says nothing."""
        places = self.inventory
        if len(places) == 1:
            return places[0].available
        return sum(place.available for place in places) if places else None


class Listing(msgspec.Struct, frozen=True, omit_defaults=True):
    """One product as a marketplace shows it.

    `variants_complete` is False where the platform hands over variants one by one (siblings of one
    parent, marketplaces.md 4.4): such a listing is merged, variant by variant, with what is stored.
    """

    external_id: str
    title: str
    status: ListingStatus
    platform_status: str
    variants: tuple[Variant, ...]
    description_html: str = ""
    description_text: str = ""
    brand: str | None = None
    category_external_id: str | None = None
    category_path: tuple[str, ...] = ()
    options: tuple[Option, ...] = ()
    images: tuple[Image, ...] = ()
    attributes: dict[str, str] = {}
    tags: tuple[str, ...] = ()
    weight_kg: Decimal | None = None
    length_cm: Decimal | None = None
    width_cm: Decimal | None = None
    height_cm: Decimal | None = None
    condition: str | None = None
    url: str | None = None
    locked_reasons: tuple[str, ...] = ()
    platform_created_at: datetime | None = None
    platform_updated_at: datetime | None = None
    variants_complete: bool = True
