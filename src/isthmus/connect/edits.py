"""Edits of single fields of listings: what is wanted, what became of it, and how a listing looks with it (pure)."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias

import msgspec

from isthmus.connect.abilities import OF_VARIANT as OF_VARIANT
from isthmus.connect.abilities import EditField as EditField
from isthmus.connect.abilities import Writing as Writing
from isthmus.connect.shapes import Inventory, Listing, ListingStatus, Variant
from isthmus.kit import text

#: Decimal for prices, int for stock, str for texts, bool for `published`; None where there is no value.
EditValue: TypeAlias = Decimal | int | str | bool | None


@dataclass(frozen=True, slots=True)
class Edit:
    """One field that is to have a value at the far side.

    `key` names this value of this field for ever: the same edit sent again bears the same one, for platforms that
    honour idempotency keys. `based_on` is what the far side showed when the value was decided, None where nobody knows;
    a platform that compares before it writes is given it. `listing` is the stored record, and `variant` the one in it
    that the edit is of, None for fields of the listing.
    """

    key: str
    field: EditField
    value: EditValue
    listing: Listing
    variant: Variant | None = None
    location: str = ""
    based_on: EditValue = None
    currency: str = ""


class Result(StrEnum):
    """What became of one edit."""

    #: The platform has the value.
    DONE = "done"
    #: It will not take this value, ever.
    REFUSED = "refused"
    #: It cannot take a value just now, such as during a campaign (marketplaces.md 2.4, 3.4: business locks).
    LOCKED = "locked"
    #: It holds another value than the edit was based on, and wrote nothing.
    STALE = "stale"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the platform said of one edit; `code` and `reason` are its own words, data and never markup."""

    key: str
    result: Result = Result.DONE
    code: str = ""
    reason: str = ""


def as_shown(field: EditField, value: EditValue, writing: Writing) -> EditValue:
    """The value as the platform will show it once it has it (pure): what is wanted, before it is kept and compared.

    Titles are trimmed and normalised; a platform of plain text shows a description without its markup. Doing it twice
    changes nothing.
    """
    if not isinstance(value, str):
        return value
    if field is EditField.TITLE:
        return text.shown(value).strip()
    whole = text.storable(value)
    if writing.description == "html":
        return whole
    # Twice, since a text of one line is taken as it is and one of several is tidied.
    return text.to_html(text.from_html(text.to_html(text.from_html(whole))))


def value_of(listing: Listing, variant_id: str, field: EditField, location: str, price: str) -> EditValue:
    """What a listing shows in a field (pure). Raises LookupError where it has no such variant or location.

    `price` is the manifest's `writing.price`. A location that is not shown holds nothing: platforms leave empty ones
    out (marketplaces.md 3.5). It is unknown only where the stock is known to lie nowhere in particular.
    """
    if field is EditField.TITLE:
        return listing.title
    if field is EditField.DESCRIPTION:
        return listing.description_html or listing.description_text
    if field is EditField.PUBLISHED:
        return listing.status is ListingStatus.ACTIVE
    variant = variant_of(listing, variant_id)
    if field is EditField.STOCK:
        return _stock(variant, location)
    if variant.price is None:
        return None
    if field is EditField.SALE_PRICE:
        return variant.price.sale_price
    return variant.price.list_price if price == "list" else variant.price.current_price


def variant_of(listing: Listing, variant_id: str) -> Variant:
    """The variant of that external id. Raises LookupError."""
    for variant in listing.variants:
        if variant.external_id == variant_id:
            return variant
    raise LookupError(variant_id)


def _stock(variant: Variant, location: str) -> int | None:
    if not location:
        return variant.available
    found = next((one for one in variant.inventory if one.location_external_id == location), None)
    if found is not None:
        return found.available
    if any(not one.location_external_id and one.available for one in variant.inventory):
        raise LookupError(location)
    return 0


def edited(listing: Listing, edit: Edit, price: str) -> Listing:
    """The listing with the edit in it, as a platform that took it will show it (pure)."""
    if edit.variant is None:
        return _edited_whole(listing, edit)
    changed = _edited_variant(variant_of(listing, edit.variant.external_id), edit, price)
    variants = tuple(changed if one.external_id == changed.external_id else one for one in listing.variants)
    return msgspec.structs.replace(listing, variants=variants)


def _edited_whole(listing: Listing, edit: Edit) -> Listing:
    value = edit.value
    if edit.field is EditField.TITLE:
        return msgspec.structs.replace(listing, title=str(value))
    if edit.field is EditField.DESCRIPTION:
        html = str(value) if listing.description_html else ""
        return msgspec.structs.replace(
            listing, description_html=html, description_text=listing.description_text if html else str(value)
        )
    if value == (listing.status is ListingStatus.ACTIVE):
        return listing
    return msgspec.structs.replace(listing, status=ListingStatus.ACTIVE if value else ListingStatus.INACTIVE)


def _edited_variant(variant: Variant, edit: Edit, price: str) -> Variant:
    value = edit.value
    if edit.field is EditField.STOCK:
        return msgspec.structs.replace(variant, inventory=_restocked(variant.inventory, edit))
    known = variant.price
    if known is None or not isinstance(value, Decimal | None):
        return variant
    if edit.field is EditField.SALE_PRICE:
        current = known.list_price if value is None else value
        return msgspec.structs.replace(
            variant, price=msgspec.structs.replace(known, sale_price=value, current_price=current)
        )
    if value is None:
        return variant
    if price == "current":
        regular = max(known.list_price, value)
        sale = value if value < regular else None
        shown = msgspec.structs.replace(known, list_price=regular, current_price=value, sale_price=sale)
        return msgspec.structs.replace(variant, price=shown)
    on_sale = known.sale_price is not None and known.current_price < known.list_price  # else it is over, or to come
    current = known.current_price if on_sale else value
    return msgspec.structs.replace(
        variant, price=msgspec.structs.replace(known, list_price=value, current_price=current)
    )


def _restocked(places: Sequence[Inventory], edit: Edit) -> tuple[Inventory, ...]:
    available = int(edit.value or 0)
    if not edit.location and len(places) > 1:
        raise LookupError("several locations")
    if not places or (edit.location and not any(one.location_external_id == edit.location for one in places)):
        located = [one for one in places if one.location_external_id]
        return (*located, Inventory(available=available, location_external_id=edit.location or None))
    return tuple(
        msgspec.structs.replace(
            place,
            available=available,
            on_hand=None if place.on_hand is None else place.on_hand + available - place.available,
        )
        if not edit.location or place.location_external_id == edit.location
        else place
        for place in places
    )
