"""Values of fields: checked, compared, and as they are stored."""

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Final

from isthmus.connect.edits import EditField, EditValue
from isthmus.features.pushes.errors import WrongEdit

_MOST_STOCK: Final = 10**12
_MOST_PRICE: Final = Decimal(10) ** 15
_PLACES: Final = -6
_TITLE: Final = 2_000
_DESCRIPTION: Final = 200_000
_MONEY: Final = frozenset({EditField.PRICE, EditField.SALE_PRICE})

#: A stored value: a list of one, so that no value and an unknown one differ.
Kept = Sequence[object]


def checked(field: EditField, given: object) -> EditValue:
    """A value that somebody wants. Raises WrongEdit with what is wrong."""
    if field in _MONEY:
        return _money(field, given)
    if field is EditField.STOCK:
        if not isinstance(given, int) or isinstance(given, bool) or not 0 <= given <= _MOST_STOCK:
            raise WrongEdit.field(field, "Stock is a whole number from 0 on.")
        return given
    if field is EditField.PUBLISHED:
        if not isinstance(given, bool):
            raise WrongEdit.field(field, "It is true or false.")
        return given
    return _text(field, given)


def _money(field: EditField, given: object) -> Decimal | None:
    if given is None and field is EditField.SALE_PRICE:
        return None
    try:
        amount = given if isinstance(given, Decimal) else Decimal(str(given))
    except InvalidOperation:
        amount = Decimal("NaN")
    exponent = amount.as_tuple().exponent
    fine = amount.is_finite() and 0 < amount < _MOST_PRICE and isinstance(exponent, int) and exponent >= _PLACES
    if isinstance(given, bool) or not fine:
        raise WrongEdit.field(field, "A price is a positive amount with at most six decimals, such as 19.90.")
    return amount


def _text(field: EditField, given: object) -> str:
    most = _TITLE if field is EditField.TITLE else _DESCRIPTION
    if not isinstance(given, str) or not given.strip() or len(given) > most or "\x00" in given:
        raise WrongEdit.field(field, f"It is a text of 1 to {most} characters.")
    return given


def kept(value: EditValue) -> Kept:
    """As it is stored: money as text, so that no digit is lost."""
    return [str(value) if isinstance(value, Decimal) else value]


def read(field: EditField, stored: Kept) -> EditValue:
    """A stored value."""
    value = stored[0]
    if field in _MONEY and value is not None:
        return Decimal(str(value))
    assert value is None or isinstance(value, int | str)  # noqa: S101 - `kept` wrote it
    return value


def shown(value: EditValue) -> str | int | bool | None:
    """As the API shows it: money is a text."""
    return str(value) if isinstance(value, Decimal) else value
