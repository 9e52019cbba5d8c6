"""Files of orders, as the export of orders writes them: CSV with a row for each line, or one document a line."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final

import msgspec

from isthmus.connect.keeping import Unstorable
from isthmus.connect.shapes import Order
from isthmus.features import orders, records
from isthmus.features.orders import OrderItem
from isthmus.features.uploads.errors import UnreadableFile
from isthmus.features.uploads.model.grouping import Group, adjacent
from isthmus.features.uploads.model.rows import Lines, Row, rows
from isthmus.features.uploads.model.shaping import BOTH, RowError
from isthmus.features.uploads.model.source import Kind
from isthmus.features.uploads.model.upload import Step
from isthmus.features.uploads.service.reading import Plan
from isthmus.scope import Scope

_DECODER: Final = msgspec.json.Decoder(Order)


@dataclass(frozen=True, slots=True)
class _ById:
    """Rows of one order have its id in common."""

    place: int
    uniform: bool = True

    def key(self, row: Row) -> str:
        """The order's id."""
        return row.cells[self.place].strip() if self.place < len(row.cells) else ""

    def role(self, row: Row) -> str:  # noqa: ARG002 - the form of what parts rows
        """Every row is a line."""
        return BOTH


@dataclass(frozen=True, slots=True)
class Ready:
    """Orders of one page: those that may be news, what was refused, and how far the page goes."""

    items: Sequence[OrderItem]
    errors: Sequence[RowError]
    step: Step
    known: frozenset[str]


def groups(file: BinaryIO, plan: Plan, at: tuple[int, int]) -> Generator[Group, None, None]:
    """The orders behind a place and line (zeros: the beginning). Raises UnreadableFile for a JSON list."""
    place, line = at if at[0] else (plan.start, plan.line)
    file.seek(place)
    if plan.source.kind is Kind.CSV:
        by_id = _ById([name.strip().casefold() for name in plan.header].index("order_id"))
        yield from adjacent(rows(file, plan.source, place, line), by_id)
        return
    if plan.source.kind is not Kind.NDJSON:
        raise UnreadableFile("Orders come as CSV, or as one JSON document a line.")
    lines = Lines(file, place, line)
    for text in lines:
        problem = lines.taken()
        if text.strip():
            row = Row(lines.line, lines.offset, (text,), problem)
            yield Group("" if problem else _id_of(text), (row,), lines.line, lines.offset, problem)


class _Named(msgspec.Struct):
    external_id: str


def _id_of(text: str) -> str:
    try:
        return msgspec.json.decode(text, type=_Named).external_id
    except msgspec.MsgspecError:
        return ""


async def prepared(scope: Scope, plan: Plan, page: Sequence[Group], origin_id: str, reading: bytes) -> Ready:
    """Orders of a page as they are stored; what stands in the store with the same bytes is not read again."""
    keys = [group.key for group in page if group.problem is None and group.key]
    known = await orders.known_raw(scope, origin_id, keys)
    items: list[OrderItem] = []
    errors: list[RowError] = []
    unchanged = failed = 0
    for group in page:
        raw = msgspec.json.encode([row.cells for row in group.rows])
        digest = records.raw_hash(raw, reading)
        before = known.get(group.key)
        if before is not None and before.raw_hash == digest:
            unchanged += 1
            continue
        try:
            items.append(orders.item(_order(plan, group), raw, digest))
        except (ValueError, Unstorable) as failure:
            reason = failure.reason if isinstance(failure, Unstorable) else str(failure)
            errors.append(RowError(group.rows[0].line, "", group.key[:200], reason))
            failed += len(group.rows)
    count, last = sum(len(group.rows) for group in page), page[-1]
    step = Step(last.end, last.line, count, len(page), unchanged=unchanged, failed=failed)
    return Ready(items, errors, step, frozenset(known))


def _order(plan: Plan, group: Group) -> Order:
    """The order of these rows. Raises ValueError."""
    if group.problem is not None:
        raise ValueError(group.problem)
    if plan.source.kind is not Kind.CSV:
        try:
            return _DECODER.decode(group.rows[0].cells[0])
        except (msgspec.MsgspecError, RecursionError) as error:
            raise ValueError(f"this is no order: {error}") from None
    header = [name.strip().casefold() for name in plan.header]
    return orders.order_of([dict(zip(header, row.cells, strict=False)) for row in group.rows])
