"""What a buyer pays follows the dates of a sale."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from tests.given import records as given_records

from isthmus.connect.pricing import next_change, priced
from isthmus.connect.shapes import Listing, Price, Variant

NOON = datetime(2026, 11, 11, 12, tzinfo=UTC)
_MINUTES = st.integers(-5, 5)
_DATES = st.none() | _MINUTES.map(lambda minutes: NOON + timedelta(minutes=minutes))


def _on_sale(starts: datetime | None, ends: datetime | None, *, current: str = "10") -> Listing:
    price = Price("VND", Decimal(10), Decimal(current), Decimal(8), starts, ends)
    return given_records.listing("a", Variant("a1", price=price), given_records.variant("a2"))


def _paid(listing: Listing) -> Decimal:
    price = listing.variants[0].price
    assert price is not None
    return price.current_price


@given(_DATES, _DATES, _MINUTES)
def test_a_price_holds_until_the_moment_that_is_told(
    starts: datetime | None, ends: datetime | None, minutes: int
) -> None:
    at = NOON + timedelta(minutes=minutes, seconds=30)
    shown = priced(_on_sale(starts, ends), at)
    then = next_change(shown.variants, at)
    assert then is None or then > at
    last = NOON + timedelta(hours=1) if then is None else then - timedelta(microseconds=1)
    assert priced(shown, last) is shown
    if then is not None and (starts is None or ends is None or starts <= ends):
        assert _paid(priced(shown, then)) != _paid(shown)


def test_a_sale_holds_from_its_first_moment_to_its_last() -> None:
    ends = NOON + timedelta(hours=1)
    tick = timedelta(microseconds=1)
    sale = _on_sale(NOON, ends)
    moments = [NOON - tick, NOON, ends, ends + tick]
    assert [_paid(priced(sale, at)) for at in moments] == [Decimal(10), Decimal(8), Decimal(8), Decimal(10)]
    assert [next_change(sale.variants, at) for at in moments] == [NOON, ends + tick, ends + tick, None]


def test_without_dates_the_word_of_the_platform_stands() -> None:
    sale = _on_sale(None, None)
    assert priced(sale, NOON) is sale
    assert next_change(sale.variants, NOON) is None


def test_a_sale_above_the_regular_price_is_none() -> None:
    sale = _on_sale(NOON, None)
    price = sale.variants[0].price
    assert price is not None
    dear = msgspec.structs.replace(sale.variants[0], price=msgspec.structs.replace(price, sale_price=Decimal(12)))
    listing = msgspec.structs.replace(sale, variants=(dear,))
    assert priced(listing, NOON) is listing
