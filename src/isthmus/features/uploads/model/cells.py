"""Cells in and out: strict reading of what stands in one, and writing that no spreadsheet takes for a formula."""

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Final

from isthmus.connect.shapes import ListingStatus
from isthmus.features.uploads.model.formats import Column
from isthmus.kit import money, text

_STATUSES: Final[Mapping[str, ListingStatus]] = {
    "": ListingStatus.ACTIVE,
    **{status.value: status for status in ListingStatus},
    **dict.fromkeys(("1", "true", "yes", "enabled", "published", "publish"), ListingStatus.ACTIVE),
    **dict.fromkeys(("0", "-1", "false", "no", "disabled", "archived", "private", "hidden"), ListingStatus.INACTIVE),
}
_KILOGRAMS: Final = {"": Decimal(1), "kg": Decimal(1), "g": Decimal("0.001")} | {
    "lb": Decimal("0.45359237"),
    "oz": Decimal("0.028349523125"),
}
_GROUPED: Final = re.compile(r"[+-]?[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?", re.ASCII)
_COMMA: Final = re.compile(r"[+-]?[0-9]{1,3}(?:\.[0-9]{3})*,[0-9]+|[+-]?[0-9]+,[0-9]+", re.ASCII)
_SYMBOLS: Final = re.compile(r"[$€£¥₫đ฿₱]|\b(?:VND|USD|EUR|SGD|MYR|THB|PHP|IDR)\b", re.IGNORECASE)
_GRAM: Final = Decimal("0.001")
#: What spreadsheets leave around a cell.
PADDING: Final = " \u00a0\ufeff"
#: Digits that are a quantity without any further look.
_SAFE_DIGITS: Final = 12
#: Prices, brands and categories stand in many rows; longer cells do not, and would cost memory.
_REMEMBERED: Final = 4_096
_SHORT: Final = 120


class CellError(ValueError):
    """A cell that cannot be read; `column` and `value` as they stand in the file, `reason` in plain words."""

    def __init__(self, column: str, value: str, reason: str) -> None:
        self.column = column
        self.value = value[:200]
        self.reason = reason
        super().__init__(f"{column}: {reason}")


def plain(cell: str) -> str:
    """A cell without padding and without the mark that keeps spreadsheets from running it."""
    return text.unguarded(cell.strip(PADDING))


@dataclass(frozen=True, slots=True)
class Numbers:
    """How numbers are written in the file: `.` or `,` before the fraction."""

    decimal: str = "."

    def read(self, cell: str) -> Decimal:
        """A number, strictly; a currency's sign and grouped thousands are understood. Raises ValueError."""
        try:
            return money.decimal(cell)
        except ValueError:
            return money.decimal(self._normal(cell))

    def _normal(self, cell: str) -> str:
        bare = _SYMBOLS.sub("", cell).strip().replace("\u00a0", "")
        if self.decimal == ",":
            return bare.replace(".", "").replace(",", ".") if _COMMA.fullmatch(bare) or "," not in bare else bare
        return bare.replace(",", "") if _GROUPED.fullmatch(bare) else bare


@lru_cache(_REMEMBERED)
def _number(numbers: Numbers, cell: str) -> Decimal:
    return numbers.read(cell)


def amount(column: Column, cell: str, numbers: Numbers) -> Decimal:
    """A price. Raises CellError."""
    try:
        value = _number(numbers, cell) if len(cell) <= _SHORT else numbers.read(cell)
    except ValueError:
        raise CellError(
            column.column, cell, "this is no amount; write 12.50, or say `decimal=,` where it is 12,50"
        ) from None
    if value < 0:
        raise CellError(column.column, cell, "a price cannot be below zero")
    return value


def quantity(column: Column, cell: str, numbers: Numbers) -> int:
    """A whole number of pieces. Raises CellError."""
    if len(cell) <= _SAFE_DIGITS and cell.isascii() and cell.isdigit():
        return int(cell)
    try:
        return money.quantity(numbers.read(cell))
    except ValueError:
        raise CellError(column.column, cell, "this is no whole number of pieces") from None


def weight(column: Column, cell: str, numbers: Numbers) -> Decimal | None:
    """A weight in kilograms, to the gram; nothing for zero. Raises CellError."""
    try:
        value = numbers.read(cell)
    except ValueError:
        raise CellError(column.column, cell, "this is no weight; write a number") from None
    if value < 0:
        raise CellError(column.column, cell, "a weight cannot be below zero")
    return (value * _KILOGRAMS[column.unit]).quantize(_GRAM).normalize() + 0 if value else None


def status(column: Column, cell: str) -> ListingStatus:
    """A status by its own name, by the usual words, or by the format's own. Raises CellError."""
    wanted = cell.casefold()
    wanted = column.values.get(wanted, column.values.get("*", wanted))
    found = _STATUSES.get(wanted)
    if found is None:
        raise CellError(column.column, cell, f"this is no status; there are {', '.join(ListingStatus)}")
    return found


def currency(column: Column, cell: str) -> str:
    """A currency's code. Raises CellError."""
    try:
        return money.currency(cell.upper())
    except ValueError:
        raise CellError(column.column, cell, "this is no currency; write its three letters, such as VND") from None


def parts(column: Column, cell: str) -> tuple[str, ...]:
    """A list: by the column's separator, without empty ones and repeats."""
    if not column.each and (not column.split or column.split not in cell):
        only = cell.strip()
        return (only,) if only else ()
    return _parts(cell, column.split, column.each) if len(cell) <= _SHORT else _parted(cell, column.split, column.each)


def _parted(cell: str, split: str, each: str) -> tuple[str, ...]:
    found = cell.split(split) if split else [cell]
    if each:
        found = [one.partition(each)[2] for one in found if one.strip().startswith(each)]
    return tuple(dict.fromkeys(one.strip() for one in found if one.strip()))


_parts = lru_cache(_REMEMBERED)(_parted)


def label(cell: str) -> str:
    """As `line`, for names that stand in many rows, such as those of options and their values."""
    return _label(cell) if len(cell) <= _SHORT else line(cell)


def line(cell: str) -> str:
    """A text of one line as it is stored, with HTML's names for characters read."""
    if cell.isprintable() and "&" not in cell and "  " not in cell:
        return cell.strip()
    return " ".join(text.storable(html.unescape(cell) if "&" in cell else cell).split())


_label = lru_cache(_REMEMBERED)(line)
