"""What a buyer pays at a moment: a sale price counts inside its dates, which pass without a word from the platform."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from isthmus.connect.shapes import Listing, Price, Variant

#: A sale holds at its last moment still (marketplaces.md 3.5, 7.3).
_JUST_AFTER = timedelta(microseconds=1)


def holds(price: Price, at: datetime) -> bool:
    """Whether the sale's dates include the moment; one without dates holds for ever."""
    starts, ends = price.sale_starts_at, price.sale_ends_at
    return (starts is None or starts <= at) and (ends is None or at <= ends)


def priced(listing: Listing, at: datetime) -> Listing:
    """The listing with the prices that hold at the moment (pure); the very same where they hold already.

    Only sales with dates are looked at: of others the platform's word is all there is.
    """
    variants = tuple(_priced(one, at) for one in listing.variants)
    if all(one is before for one, before in zip(variants, listing.variants, strict=True)):
        return listing
    return msgspec.structs.replace(listing, variants=variants)


def next_change(variants: Sequence[Variant], after: datetime) -> datetime | None:
    """When the first of these prices changes behind a moment, because a sale begins or has ended; None: never."""
    found: datetime | None = None
    for variant in variants:
        price = variant.price
        if price is not None and price.sale_price is not None and (price.sale_starts_at or price.sale_ends_at):
            at = _boundary(price, after)
            found = at if found is None or (at is not None and at < found) else found
    return found


def _priced(variant: Variant, at: datetime) -> Variant:
    price = variant.price
    if price is None or price.sale_price is None or not (price.sale_starts_at or price.sale_ends_at):
        return variant
    current = price.sale_price if holds(price, at) and price.sale_price < price.list_price else price.list_price
    if current == price.current_price:
        return variant
    return msgspec.structs.replace(variant, price=msgspec.structs.replace(price, current_price=current))


def _boundary(price: Price, after: datetime) -> datetime | None:
    starts, ends = price.sale_starts_at, price.sale_ends_at
    if starts is not None and starts > after:
        return starts
    over = ends + _JUST_AFTER if ends is not None else None
    return over if over is not None and over > after else None
