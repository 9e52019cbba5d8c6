"""Data is held against a schema within a budget: neither a tenant's schema nor its data may stop everybody else."""

from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from fractions import Fraction
from itertools import islice
from typing import Any, Final

import jsonschema
import msgspec
from jsonschema.validators import create

#: Words of a schema that are looked at, and what they are compared with: about a second of a slow machine.
_MOST: Final = 100_000
#: So many values are shown, or walked over, in the time that one word takes.
_CHEAP: Final = 20
_ERROR: Final = 4
#: Words that look at every member of the value.
_WALKS: Final = frozenset({"items", "contains", "additionalProperties", "propertyNames", "uniqueItems"})
#: Words that look up every member of the value in a list of others.
_SQUARES: Final = frozenset({"unevaluatedItems", "unevaluatedProperties"})
_LETTERS: Final = 16

Keyword = Callable[[Any, Any, Any, Mapping[str, Any]], Iterator[jsonschema.ValidationError]]


class TooMuch(Exception):
    """The budget is spent."""


class _Budget:
    """What is left of the steps that one check may take."""

    def __init__(self) -> None:
        self._left = _MOST
        self._weights: dict[int, int] = {}

    def spend(self, steps: int) -> None:
        """Take so many steps. Raises TooMuch."""
        self._left -= steps
        if self._left < 0:
            raise TooMuch

    def weight(self, value: object) -> int:
        """How many values a value holds; what is asked for lives as long as the check does, so its id is its name."""
        if not isinstance(value, dict | list):
            return weight(value)
        found = self._weights.get(id(value))
        if found is None:
            found = self._weights[id(value)] = weight(value)
        return found


_BUDGET: ContextVar[_Budget] = ContextVar("budget")


def weight(value: object) -> int:
    """How many values a value holds, where a long text counts as several."""
    if isinstance(value, dict):
        return 1 + sum(1 + weight(inner) for inner in value.values())
    if isinstance(value, list):
        return 1 + sum(map(weight, value))
    return 1 + len(value) // _LETTERS if isinstance(value, str) else 1


def tried(schema: Mapping[str, Any], data: object, most: int) -> list[jsonschema.ValidationError]:
    """The first things that are wrong with the data. Raises TooMuch, RecursionError."""
    token = _BUDGET.set(_Budget())
    try:
        return list(islice(_Counted(schema).iter_errors(data), most))
    finally:
        _BUDGET.reset(token)


def _price(word: str, wanted: object, value: object) -> int:
    """The steps that a word takes before any schema within it is tried."""
    price = 1 + (len(wanted) if isinstance(wanted, dict | list) else 0)
    if isinstance(value, dict | list):
        if word in _WALKS:
            price += len(value)
        elif word in _SQUARES:
            price += len(value) + len(value) ** 2 // 100
    inner = wanted if isinstance(wanted, list) else list(wanted.values()) if isinstance(wanted, dict) else [wanted]
    refused = sum(one is False for one in inner)
    return price + (refused * _BUDGET.get().weight(value) // _CHEAP if refused else 0)


def _counted(word: str, keyword: Keyword) -> Keyword:
    def count(
        validator: Any,  # noqa: ANN401 - the library's class is made at run time
        wanted: Any,  # noqa: ANN401 - any JSON value
        value: Any,  # noqa: ANN401 - any JSON value
        schema: Mapping[str, Any],
    ) -> Iterator[jsonschema.ValidationError]:
        budget = _BUDGET.get()
        budget.spend(_price(word, wanted, value))
        for error in keyword(validator, wanted, value, schema):
            budget.spend(_ERROR + (budget.weight(value) + budget.weight(wanted)) // _CHEAP)
            yield error

    return count


def _unique(_validator: object, wanted: object, value: object, _schema: object) -> Iterator[jsonschema.ValidationError]:
    """The library compares each with each where they cannot be sorted."""
    if wanted is True and isinstance(value, list):
        _BUDGET.get().spend(_BUDGET.get().weight(value))
        if len({_known(one) for one in value}) < len(value):
            yield jsonschema.ValidationError("There is one twice.")


def _known(value: object) -> bytes:
    """Equal for what is one value in JSON, where 1.0 is 1."""
    return msgspec.json.encode(_plain(value), order="deterministic")


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _multiple(
    _validator: object, wanted: object, value: object, _schema: object
) -> Iterator[jsonschema.ValidationError]:
    """By the numbers as they are written: 0.3 is a multiple of 0.1, and no number is too large to say."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if number and _exact(value) % _exact(wanted):
        yield jsonschema.ValidationError("It is no multiple.")


def _exact(value: Any) -> Fraction:  # noqa: ANN401 - an int or a float
    return Fraction(repr(value)) if isinstance(value, float) else Fraction(value)


_OWN: Final[Mapping[str, Keyword]] = {"uniqueItems": _unique, "multipleOf": _multiple}
_DRAFT: Final = jsonschema.Draft202012Validator
_Counted: Final = create(
    meta_schema=_DRAFT.META_SCHEMA,
    validators={word: _counted(word, _OWN.get(word, own)) for word, own in _DRAFT.VALIDATORS.items()},
    type_checker=_DRAFT.TYPE_CHECKER,
)
