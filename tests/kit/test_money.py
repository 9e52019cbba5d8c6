"""The strict reader of numbers (security.md PA-04, 0.2 no. 3)."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.kit import money

HOSTILE = [
    "NaN", "sNaN", "Infinity", "-inf", "1e999999", "1e1000000", "1_000", "٣", "", " 1", "1 ", "0x10", "1,000", "--1",
    "1" * 21, "1e-16", "1e7", ".", "+", "1e", "9" * 41, 1.5, None, True, [], b"1",
]  # fmt: skip


@pytest.mark.parametrize("value", HOSTILE, ids=repr)
def test_PA_04_what_is_no_plain_number_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"number|digits|range"):
        money.decimal(value)


@given(st.decimals(min_value=-(10**14), max_value=10**14, places=4, allow_nan=False))
def test_PA_04_a_plain_number_comes_back_as_it_was(number: Decimal) -> None:
    assert money.decimal(format(number, "f")) == number


@given(st.integers(min_value=-(10**12), max_value=10**12))
def test_PA_04_quantities_are_whole_numbers_in_range(number: int) -> None:
    assert money.quantity(number) == money.quantity(str(number)) == money.quantity(f"{number}.0") == number


@pytest.mark.parametrize("value", ["1.5", 10**12 + 1, "1e6.5", True, "12a"])
def test_PA_04_other_quantities_are_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        money.quantity(value)


@pytest.mark.parametrize(("number", "text"), [("1.50", "1.5"), ("1E+3", "1000"), ("0.00", "0"), ("-2.10", "-2.1")])
def test_an_amount_is_written_without_an_exponent(number: str, text: str) -> None:
    assert money.plain(Decimal(number)) == text


@pytest.mark.parametrize("code", ["vnd", "VN", "VNDX", "V1D", None, ""])
def test_a_currency_is_three_capital_letters(code: object) -> None:
    with pytest.raises(ValueError, match="ISO 4217"):
        money.currency(code)
