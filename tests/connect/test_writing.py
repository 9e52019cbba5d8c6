"""What an edit makes of a stored listing, and what a platform shows of a value."""

from dataclasses import replace
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.connect.shapes import Inventory, Listing, ListingStatus, Price, Variant
from isthmus.connect.writing import Edit, EditField, Writing, as_shown, edited, value_of
from isthmus.kit import text

PLACES = (
    Inventory(8, on_hand=10, reserved=2, location_external_id="A"),
    Inventory(1, location_external_id="B"),
)
SHIRT = Variant("7", price=Price("VND", Decimal(200), Decimal(150), Decimal(150)), inventory=PLACES)
CAP = Variant("8", price=Price("VND", Decimal(90), Decimal(90)), inventory=(Inventory(3),))
LISTING = Listing("1", "Shop", ListingStatus.ACTIVE, "NORMAL", (SHIRT, CAP), "<p>Text</p>", "Text")
EVERY = Writing(tuple(EditField))


def edit(field: EditField, value: object, variant: Variant | None = None, location: str = "") -> Edit:
    return Edit("k", field, value, LISTING, variant, location)  # type: ignore[arg-type] # any value, on purpose


@pytest.mark.parametrize(
    ("field", "value", "variant", "location"),
    [
        (EditField.TITLE, "New", None, ""),
        (EditField.DESCRIPTION, "<p>Other</p>", None, ""),
        (EditField.PUBLISHED, False, None, ""),
        (EditField.PRICE, Decimal(250), SHIRT, ""),
        (EditField.SALE_PRICE, Decimal(120), SHIRT, ""),
        (EditField.SALE_PRICE, None, SHIRT, ""),
        (EditField.STOCK, 5, SHIRT, "A"),
        (EditField.STOCK, 0, CAP, ""),
    ],
)
def test_an_edit_shows_in_its_field_and_in_no_other(
    field: EditField, value: object, variant: Variant | None, location: str
) -> None:
    after = edited(LISTING, edit(field, value, variant, location), "list")
    name = variant.external_id if variant else ""
    assert value_of(after, name, field, location, "list") == value
    back = edit(field, value_of(LISTING, name, field, location, "list"), variant, location)
    assert edited(after, back, "list") == LISTING


@pytest.mark.parametrize(("current", "shown"), [(90, 80), (60, 60)])
def test_buyers_pay_a_new_regular_price_unless_a_sale_is_on(current: int, shown: int) -> None:
    price = Price("VND", Decimal(90), Decimal(current), Decimal(60))
    dated = msgspec.structs.replace(LISTING, variants=(msgspec.structs.replace(CAP, price=price),))
    change = replace(edit(EditField.PRICE, Decimal(80), CAP), listing=dated)
    after = edited(dated, change, "list").variants[0].price
    assert after is not None
    assert (after.list_price, after.current_price, after.sale_price) == (Decimal(80), Decimal(shown), Decimal(60))


def test_a_price_that_buyers_pay_is_a_sale_below_the_regular_one() -> None:
    lower = edited(LISTING, edit(EditField.PRICE, Decimal(60), CAP), "current").variants[1].price
    assert lower is not None
    assert (lower.list_price, lower.current_price, lower.sale_price) == (Decimal(90), Decimal(60), Decimal(60))
    higher = edited(LISTING, edit(EditField.PRICE, Decimal(300), SHIRT), "current").variants[0].price
    assert higher is not None
    assert (higher.list_price, higher.current_price, higher.sale_price) == (Decimal(300), Decimal(300), None)


def test_stock_of_one_location_moves_what_is_on_hand_there() -> None:
    after = edited(LISTING, edit(EditField.STOCK, 3, SHIRT, "A"), "list").variants[0].inventory
    assert (after[0].available, after[0].on_hand, after[1]) == (3, 5, PLACES[1])


def test_stock_of_nowhere_in_particular_needs_a_single_location() -> None:
    with pytest.raises(LookupError):
        edited(LISTING, edit(EditField.STOCK, 3, SHIRT), "list")
    with pytest.raises(LookupError):
        value_of(LISTING, "9", EditField.STOCK, "", "list")


def test_a_location_that_is_not_shown_is_empty() -> None:
    assert value_of(LISTING, "7", EditField.STOCK, "Z", "list") == 0
    after = edited(LISTING, edit(EditField.STOCK, 4, SHIRT, "Z"), "list")
    assert value_of(after, "7", EditField.STOCK, "Z", "list") == 4
    assert [place.available for place in after.variants[0].inventory] == [8, 1, 4]
    with pytest.raises(LookupError):
        value_of(LISTING, "8", EditField.STOCK, "Z", "list")
    sold_out = msgspec.structs.replace(CAP, inventory=(Inventory(0),))
    whole = msgspec.structs.replace(LISTING, variants=(sold_out,))
    assert value_of(whole, "8", EditField.STOCK, "Z", "list") == 0
    back = edited(whole, replace(edit(EditField.STOCK, 2, sold_out, "Z"), listing=whole), "list")
    assert back.variants[0].inventory == (Inventory(2, location_external_id="Z"),)


def test_a_description_of_plain_text_stays_plain() -> None:
    plain = msgspec.structs.replace(LISTING, description_html="", description_text="Text")
    after = edited(plain, replace(edit(EditField.DESCRIPTION, "Other"), listing=plain), "list")
    assert (after.description_html, after.description_text) == ("", "Other")


@given(
    st.text(max_size=60), st.sampled_from([EditField.TITLE, EditField.DESCRIPTION]), st.sampled_from(["html", "text"])
)
def test_what_is_shown_is_shown_the_same_again(value: str, field: EditField, kind: str) -> None:
    writing = Writing(tuple(EditField), description=kind)  # type: ignore[arg-type] # one of the two
    once = as_shown(field, value, writing)
    assert as_shown(field, once, writing) == once


@given(st.text(alphabet="a <>&;/bpr\n\t\u2028\xa0", max_size=40))
def test_a_plain_description_survives_its_way_to_the_platform_and_back(value: str) -> None:
    shown = as_shown(EditField.DESCRIPTION, value, Writing((), description="text"))
    assert isinstance(shown, str)
    assert text.to_html(text.from_html(shown)) == shown


def test_titles_are_trimmed_and_numbers_left_alone() -> None:
    assert as_shown(EditField.TITLE, "  A\x00 ", EVERY) == "A\ufffd"
    assert as_shown(EditField.DESCRIPTION, "<p>A</p> ", EVERY) == "<p>A</p> "
    assert as_shown(EditField.PRICE, Decimal("1.50"), EVERY) == Decimal("1.50")
    assert as_shown(EditField.DESCRIPTION, "<p>A</p><p>B &amp; C</p>", Writing((), description="text")) == (
        "A<br>\nB &amp; C"
    )
