"""Money and numbers from outside: one strict reader before `Decimal` sees anything (security.md PA-04, 0.2 no. 3)."""

import re
from dataclasses import dataclass
from decimal import Decimal

_PLAIN = re.compile(r"[+-]?(?:[0-9]{1,20}(?:\.[0-9]{0,15})?|\.[0-9]{1,15})(?:[eE][+-]?[0-9]{1,2})?", re.ASCII)
_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)
_QUANTITY_LIMIT = 10**12

#: Currencies that have no minor unit in daily use at the marketplaces (marketplaces.md 2.8, 3.5).
WHOLE_CURRENCIES = frozenset({"VND", "IDR", "TWD", "JPY", "KRW", "CLP"})


def decimal(value: object) -> Decimal:
    """Read a number strictly: ASCII, sign, digits, one point, exponent -15..6, at most 20 digits.

    Raises ValueError for anything else, NaN, infinities, booleans and floats included.
    """
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        raise ValueError("not a number")
    text = str(value)
    if len(text) > 40 or not _PLAIN.fullmatch(text):
        raise ValueError("not a plain number of at most 20 digits")
    number = Decimal(text)
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or not -15 <= exponent <= 6:
        raise ValueError("the exponent is out of range")
    if len(number.as_tuple().digits) + max(exponent, 0) > 20:
        raise ValueError("more than 20 digits")
    # 1e5 is stored and shown as 100000, so that equal amounts are equal texts.
    return number if exponent <= 0 else Decimal(format(number, "f"))


def quantity(value: object) -> int:
    """Read a whole number within 10**12; a text or a decimal without a fraction is accepted. Raises ValueError."""
    if isinstance(value, int) and not isinstance(value, bool):
        number = value
    else:
        exact = decimal(value)
        if exact != exact.to_integral_value():
            raise ValueError("not a whole number")
        number = int(exact)
    if abs(number) > _QUANTITY_LIMIT:
        raise ValueError("out of range")
    return number


def currency(value: object) -> str:
    """Read an ISO 4217 code. Raises ValueError."""
    if not isinstance(value, str) or not _CURRENCY.fullmatch(value):
        raise ValueError("not an ISO 4217 currency code")
    return value


def plain(number: Decimal) -> str:
    """The number as digits without an exponent and without needless zeros, as the API writes it."""
    text = format(number, "f")
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text


@dataclass(frozen=True, slots=True)
class Money:
    """An exact amount in one currency."""

    amount: Decimal
    currency: str
