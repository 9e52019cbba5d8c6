"""What connectors share when they write: batches within a platform's limits, and outcomes (marketplaces.md 9.4)."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from decimal import Decimal

import msgspec

from isthmus.client import PlatformError
from isthmus.client.errors import CallerMistake, Missing
from isthmus.connect.writing import Edit, Outcome, Result
from isthmus.kit import money


class Unwritable(Exception):
    """An edit that no call of the platform can carry; `code` and `reason` are for the merchant."""

    def __init__(self, code: str, reason: str) -> None:
        self.code = code
        self.reason = reason
        super().__init__(reason)


def parted(
    edits: Sequence[Edit],
    call: Callable[[Edit], Hashable],
    row: Callable[[Edit], Hashable],
    most: Callable[[Edit], int],
) -> list[list[Edit]]:
    """Batches in the order of their first edits; every edit is in exactly one (pure).

    `call` names the call that can carry an edit: edits of one name may share a batch. `row` names what counts towards
    the call's limit, such as a SKU, and `most` is that limit; all edits of a row that one call can carry are in one
    batch. A second value for the same field of the same thing goes into a later batch, so that no call says two things.
    """
    times: dict[Hashable, int] = {}
    calls: dict[Hashable, dict[Hashable, list[Edit]]] = {}
    for edit in edits:
        field = _field(edit)
        turn = times[field] = times.get(field, -1) + 1
        rows = calls.setdefault((call(edit), turn), {})
        rows.setdefault(row(edit), []).append(edit)
    return [batch for rows in calls.values() for batch in _chunked(list(rows.values()), most)]


def _field(edit: Edit) -> Hashable:
    variant = edit.variant.external_id if edit.variant is not None else ""
    return edit.listing.external_id, variant, edit.field, edit.location


def _chunked(rows: list[list[Edit]], most: Callable[[Edit], int]) -> list[list[Edit]]:
    size = max(1, most(rows[0][0]))
    return [[edit for row in rows[start : start + size] for edit in row] for start in range(0, len(rows), size)]


def rows_of(batch: Iterable[Edit]) -> dict[str, list[Edit]]:
    """The edits of variants by the variant's id, in order."""
    rows: dict[str, list[Edit]] = {}
    for edit in batch:
        if edit.variant is not None:
            rows.setdefault(edit.variant.external_id, []).append(edit)
    return rows


def for_all(batch: Iterable[Edit], result: Result, code: str, reason: str) -> list[Outcome]:
    """The same outcome for every edit: the platform has judged the call as a whole."""
    return [Outcome(edit.key, result, code, reason) for edit in batch]


def refused(batch: Iterable[Edit], error: PlatformError, locked: frozenset[str]) -> list[Outcome]:
    """What a refusal of a whole call means for its edits: a lock where its code is one, else a no for good.

    The error is raised again where it says nothing about the values: no permission, a wrong app, an outage.
    """
    if not isinstance(error, CallerMistake | Missing):
        raise error
    result = Result.LOCKED if error.code in locked else Result.REFUSED
    return for_all(batch, result, error.code, error.message)


def amount(edit: Edit) -> Decimal:
    """The price that an edit wants. Raises Unwritable where it wants none."""
    if isinstance(edit.value, Decimal):
        return edit.value
    raise Unwritable("no_value", "A price is needed here.")


def exact(number: Decimal) -> msgspec.Raw:
    """A number in JSON with all its digits and no others: 199000, 19.9."""
    return msgspec.Raw(money.plain(number).encode())


def number(ident: str) -> int | str:
    """An id as the number that a platform of numeric ids wants; one that is none stays a text, for it to refuse."""
    return int(ident) if ident.isascii() and ident.isdecimal() else ident


def count(edit: Edit) -> int:
    """The stock that an edit wants, at least 0. Raises Unwritable."""
    if isinstance(edit.value, int) and not isinstance(edit.value, bool) and edit.value >= 0:
        return edit.value
    raise Unwritable("no_value", "A stock of at least 0 is needed here.")
