"""From a local file to products: its format is found, its header laid under it, its rows put together."""

import itertools
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from isthmus.features.uploads.errors import MappingNeeded, UnreadableFile, WrongMapping
from isthmus.features.uploads.model.cells import plain
from isthmus.features.uploads.model.formats import (
    CONFIGURED,
    ORDERS,
    Choice,
    Format,
    fits,
    guessed,
    normal,
    of_orders,
    recognised,
)
from isthmus.features.uploads.model.grouping import Group, adjacent
from isthmus.features.uploads.model.rows import Row, rows
from isthmus.features.uploads.model.shaping import Shape, Terms
from isthmus.features.uploads.model.source import Kind, Source
from isthmus.features.uploads.service.regrouping import scattered

#: Records of a JSON file whose names make its header.
_PEEKED: Final = 20
#: Columns that a message names.
_LISTED: Final = 12


@dataclass(frozen=True, slots=True)
class Plan:
    """How a file is read: what it is, its format, its columns, and where its first record begins."""

    source: Source
    form: Format
    header: tuple[str, ...]
    start: int = 0
    line: int = 0


def planned(place: Path, source: Source, formats: Iterable[Format], wanted: Format | None) -> Plan:
    """Find the format of a file, unless one is `wanted`. Raises MappingNeeded, UnreadableFile, WrongMapping."""
    with place.open("rb") as file:
        if source.kind is not Kind.CSV:
            return _of_documents(file, source, formats, wanted)
        first = next(rows(file, source, 0, 0), None)
        if first is None or first.problem is not None:
            raise _unreadable("line", first)
    header = tuple(plain(cell) for cell in first.cells)
    wanted = _unless_strange(wanted, header)
    if wanted is None and of_orders(header):
        return Plan(source, ORDERS, header, first.end, first.line)
    form = wanted or recognised(header, formats, "csv")
    if form is None:
        raise _mapping_needed(header)
    _laid(form, header)
    return Plan(source, form, header, first.end, first.line)


def _of_documents(file: BinaryIO, source: Source, formats: Iterable[Format], wanted: Format | None) -> Plan:
    peeked = list(itertools.islice(rows(file, source, 0, 0), _PEEKED))
    if all(row.problem is not None for row in peeked):
        raise _unreadable("record", peeked[0] if peeked else None)
    names = tuple(dict.fromkeys(name for row in peeked for name in row.header or ()))
    wanted = _unless_strange(wanted, names)
    if wanted is None and of_orders(names):
        return Plan(source, ORDERS, names)
    form = wanted or recognised(names, formats, "xml" if source.kind is Kind.XML else "json")
    if form is None:
        raise _mapping_needed(names)
    return Plan(source, form, _asked_for(form))


def _unless_strange(wanted: Format | None, header: Sequence[str]) -> Format | None:
    """The wanted format, but for the configured one where the file has other columns: then it is recognised."""
    return None if wanted is not None and wanted.id == CONFIGURED and not fits(wanted, header) else wanted


def _unreadable(part: str, first: Row | None) -> UnreadableFile:
    if first is None:
        return UnreadableFile("The file has no record. Save it as CSV (UTF-8) or JSON and send it again.")
    reason = str(first.problem)[:300]
    return UnreadableFile(
        f"The first {part} cannot be read: {reason}. Save it as CSV (UTF-8) or JSON and send it again."
    )


def _mapping_needed(header: Sequence[str]) -> MappingNeeded:
    guess = guessed(header)
    asked = "Part its columns by commas" if len(header) == 1 else "Say by a mapping which of them mean what"
    return MappingNeeded(
        f"No known format has the columns of this file: {_listed(header)}. {asked}, or send it to preview for a guess.",
        details={
            "columns": list(header)[:200],
            "suggestion": None if guess is None else {"product": dict(guess.product), "variant": dict(guess.variant)},
        },
    )


def _listed(header: Sequence[str]) -> str:
    shown = ", ".join(name[:60] for name in header[:_LISTED])
    return f"{shown} and {len(header) - _LISTED} more" if len(header) > _LISTED else shown


def _laid(form: Format, header: Sequence[str]) -> None:
    try:
        Shape(form, header, Terms(""))
    except ValueError as error:
        raise WrongMapping.field("mapping", f"{error}; it has {_listed(header)}") from None


def _asked_for(form: Format) -> tuple[str, ...]:
    """Every column that a format reads: the header of files whose records name their own values."""
    choices = (name for choice in form.options for name in choice.columns if name)
    others = [
        *form.skipped,
        form.parent,
        form.kinds.column if form.kinds else "",
        form.children.column if form.children else "",
    ]
    columns = (column.column for column in form.columns().values())
    return tuple(dict.fromkeys(name for name in (*form.key, *others, *form.variant_if, *choices, *columns) if name))


def groups(
    file: BinaryIO, plan: Plan, terms: Terms, at: tuple[int, int], scratch: Path
) -> Generator[tuple[Shape, Group], None, None]:
    """The products behind a place and line (zeros: the beginning); `scratch` is a file that may be written."""
    shape = Shape(plan.form, plan.header, terms)
    if plan.form.rows == "scattered":
        file.seek(plan.start)
        found = scattered(_fitted(rows(file, plan.source, plan.start, plan.line), plan), shape, scratch, at[0])
    else:
        place, line = at if at[0] else (plan.start, plan.line)
        file.seek(0 if plan.source.kind in (Kind.JSON, Kind.XML) else place)
        found = adjacent(_fitted(rows(file, plan.source, place, line), plan), shape)
    for group in found:
        yield shape, group


def _fitted(found: Iterable[Row], plan: Plan) -> Iterator[Row]:
    """Rows under the plan's header."""
    return _narrow(found, len(plan.header)) if plan.source.kind is Kind.CSV else _aligned(found, plan)


def _gathered(choice: Choice, values: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """The options among a record's own names, as two cells of the same length."""
    chosen: dict[str, str] = {}
    for name, value in values:
        prefix = next((one for one in choice.each if name.startswith(one) and name != one), None)
        if prefix is not None and value:
            chosen[name.removeprefix(prefix).replace("\n", " ")] = value.replace("\n", " ")
    names, contents = choice.columns
    yield normal(names), choice.between.join(chosen)
    yield normal(contents), choice.between.join(chosen.values())


def _aligned(found: Iterable[Row], plan: Plan) -> Iterator[Row]:
    """Rows of documents, which bring their own names."""
    wanted = [normal(name) for name in plan.header]
    several = [choice for choice in plan.form.options if choice.each]
    for row in found:
        if row.header is None:
            yield row
            continue
        cells = dict(zip((normal(name) for name in row.header), row.cells, strict=True))
        for choice in several:
            cells.update(_gathered(choice, zip(row.header, row.cells, strict=True)))
        yield Row(row.line, row.end, tuple(cells.get(name, "") for name in wanted), row.problem)


def _narrow(found: Iterable[Row], width: int) -> Iterator[Row]:
    """Rows with what stands behind the last column refused: a comma inside of a cell has moved the others."""
    for row in found:
        if len(row.cells) > width and any(row.cells[width:]):
            problem = f"the row has {len(row.cells)} cells and the header {width}: put cells with separators in quotes"
            yield Row(row.line, row.end, (), problem)
        else:
            yield row
