"""Tiki's pages by number, some of them short (reference 4.5)."""

from isthmus.connectors.tiki.sandbox.rules import refuse
from isthmus.sandbox import Call

#: Every third page, starting with the second, is one row short: fewer rows than the limit do not mean the end.
_SHORT_EVERY = 3


def whole(call: Call, name: str, default: int, high: int | None = None) -> int:
    """A whole number of the query above 0."""
    text = call.one(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdecimal() or len(text) > 9 or int(text) < 1:
        raise refuse(422, name, f"{name} must be a whole number above 0")
    if high is not None and int(text) > high:
        raise refuse(422, name, f"{name} must not be above {high}")
    return int(text)


def bounds(page: int, limit: int, total: int) -> tuple[int, int, int]:
    """First row, end and number of the last page, with the short pages taken into account."""
    short = 1 if limit > 1 else 0

    def first(number: int) -> int:
        return (number - 1) * limit - short * (number // _SHORT_EVERY)

    last = max(1, -(-total // limit))
    while first(last + 1) < total:
        last += 1
    return min(first(page), total), min(first(page + 1), total), last
