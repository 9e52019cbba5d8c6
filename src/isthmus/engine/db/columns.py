"""Columns of texts as one value each.

The driver looks at each element of an array several times, which costs more than parting a text does.
"""

from collections.abc import Sequence
from typing import Final

_BETWEEN: Final = "\x1f"
_NOTHING: Final = "\x1e"
_INSTEAD: Final = "\ufffd"


def joined(values: Sequence[str]) -> str:
    """A column for `string_to_array(..., chr(31))`; what would part its values differently has no place in them.

    A column of nothing but one empty text, or of no text, comes as no elements at all: `unnest` beside longer columns
    makes it null.
    """
    text = _BETWEEN.join(values)
    if text.count(_BETWEEN) != len(values) - 1:
        return _BETWEEN.join([value.replace(_BETWEEN, _INSTEAD) for value in values])
    return text


def joined_or_null(values: Sequence[str | None]) -> str:
    """As `joined`, for `string_to_array(..., chr(31), chr(30))`: None is null."""
    return joined([_NOTHING if value is None else _INSTEAD if value == _NOTHING else value for value in values])
