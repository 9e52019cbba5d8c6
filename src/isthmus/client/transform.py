"""Transformers: functions over the JSON that leaves and the JSON that came, with codecs for dates and money."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from isthmus.client.errors import MalformedBody
from isthmus.kit.money import Money, currency, decimal, plain

Transformer = Callable[[object], object]


@dataclass(frozen=True, slots=True)
class Transformers:
    """request: applied to the JSON body before it is written. response: applied to `Response.body`."""

    request: tuple[Transformer, ...] = ()
    response: tuple[Transformer, ...] = ()

    @classmethod
    def of(cls, given: Transformers | Mapping[str, Transformer | Iterable[Transformer]] | None) -> Transformers:
        """`{"request": f, "response": [g, h]}` or the class itself."""
        if given is None:
            return cls()
        if isinstance(given, Transformers):
            return given
        unknown = set(given) - {"request", "response"}
        if unknown:
            raise ValueError(f"transformers are for request or response, not {sorted(unknown)}")
        return cls(_tuple(given.get("request", ())), _tuple(given.get("response", ())))


def _tuple(given: Transformer | Iterable[Transformer]) -> tuple[Transformer, ...]:
    return (given,) if callable(given) else tuple(given)


def apply(transformers: tuple[Transformer, ...], value: object) -> object:
    """The value after all of them."""
    for transformer in transformers:
        value = transformer(value)
    return value


def each_value(change: Callable[[object], object]) -> Transformer:
    """A transformer that applies `change` to every value inside of lists and objects, innermost first."""

    def walk(value: object) -> object:
        if isinstance(value, dict):
            return change({name: walk(inner) for name, inner in value.items()})
        if isinstance(value, list | tuple):
            return change([walk(inner) for inner in value])
        return change(value)

    return walk


def _to_iso(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime | date) else value


def _from_iso(value: object) -> object:
    if not isinstance(value, str) or not 19 <= len(value) <= 35 or value[4] != "-" or value[10] not in "T ":
        return value
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        return value


def _to_amounts(value: object) -> object:
    if isinstance(value, Money):
        return {"amount": plain(value.amount), "currency": value.currency}
    return plain(value) if isinstance(value, Decimal) else value


def _from_amounts(value: object) -> object:
    if not isinstance(value, dict) or value.keys() != {"amount", "currency"}:
        return value
    try:
        return Money(decimal(value["amount"]), currency(value["currency"]))
    except ValueError as error:
        raise MalformedBody(f"an amount of money cannot be read: {error}", reason="shape") from None


#: datetimes and dates leave as ISO 8601.
dates_out: Transformer = each_value(_to_iso)
#: ISO 8601 times come back as datetimes.
dates_in: Transformer = each_value(_from_iso)
#: `Money` leaves as {"amount": "12.50", "currency": "EUR"}, decimals as plain digits.
money_out: Transformer = each_value(_to_amounts)
#: {"amount", "currency"} objects come back as `Money`, exactly.
money_in: Transformer = each_value(_from_amounts)
