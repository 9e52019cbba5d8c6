"""Rows that stand together become products; what could not be read spoils the product it lies in, and no other."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

import msgspec

from isthmus.features.uploads.model.rows import Row
from isthmus.features.uploads.model.shaping import SKIPPED

_ORPHAN = "the row belongs to the product above, and there is none that could be read"


class Group(msgspec.Struct, frozen=True, gc=False):
    """The rows of one product, with the line and the place behind them; or one row and what is wrong with it."""

    key: str
    rows: Sequence[Row]
    line: int
    end: int
    problem: str | None = None
    #: Options of a variant that the product's own row states, by the variant's line.
    extra: Mapping[int, Mapping[str, str]] | None = None
    #: How many there are, where `end` is a number of groups and that is known; else 0.
    of: int = 0


class Keyed(Protocol):
    """What tells which rows belong together; `uniform`: every row counts."""

    @property
    def uniform(self) -> bool: ...

    def key(self, row: Row) -> str: ...

    def role(self, row: Row) -> str: ...


class _Held:
    """The product whose rows are being read, and the broken rows among or behind them."""

    def __init__(self) -> None:
        self.key = ""
        self.rows: list[Row] = []
        self._broken: list[Row] = []
        self._spoilt = False
        self._place = (0, 0)

    def join(self, row: Row) -> None:
        """Another row of the product; one behind a broken row shows that the broken one was part of it."""
        self._spoilt = bool(self._broken)
        self.rows.append(row)
        self._place = (row.line, row.end)

    def breaks(self, row: Row) -> None:
        """A row that cannot be read, which may or may not be part of the product."""
        self._broken.append(row)
        self._place = (row.line, row.end)

    def closed(self, shape: Keyed) -> Iterator[Group]:
        """The product, then what could not be read; all end at the same place, behind the last of them."""
        if self.rows:
            kept = self.rows if shape.uniform else [row for row in self.rows if shape.role(row) != SKIPPED]
            problem = f"line {self._broken[0].line} of this product cannot be read" if self._spoilt else None
            yield Group(self.key, kept, *self._place, problem)
        for row in self._broken:
            yield Group("", (row,), *self._place, row.problem)


def adjacent(rows: Iterable[Row], shape: Keyed) -> Iterator[Group]:
    """Products of rows that stand together: equal keys, or none, which means the product above."""
    held = _Held()
    for row in rows:
        if row.problem is not None:
            held.breaks(row)
            continue
        found = shape.key(row)
        if held.rows and (not found or found == held.key):
            held.join(row)
            continue
        yield from held.closed(shape)
        held = _Held()
        if found:
            held.key = found
            held.join(row)
        else:
            held.breaks(msgspec.structs.replace(row, problem=_ORPHAN))
    yield from held.closed(shape)
