"""The audit log as lines of a file: JSON, or CSV that no spreadsheet takes for a formula (pure)."""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any

from isthmus.features.audit.model.entries import Entry, masked

COLUMNS = (
    *("id", "type", "at", "actor", "onBehalfOf", "address", "requestId", "route", "subject"),
    *("details", "before", "after"),
)
#: What spreadsheets begin a formula with (OWASP, CSV Injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")  # noqa: RUF001 - the full-width ones count too


class Form(StrEnum):
    """The form of an export."""

    NDJSON = "ndjson"
    CSV = "csv"


MEDIA = {Form.NDJSON: "application/x-ndjson", Form.CSV: "text/csv; charset=utf-8; header=present"}


def head(form: Form) -> str:
    """What stands above the lines."""
    return _row(COLUMNS) if form is Form.CSV else ""


def lines(form: Form, entries: Iterable[Entry]) -> str:
    """One line for each entry."""
    if form is Form.CSV:
        return "".join(_row([_cell(value) for value in _fields(one).values()]) for one in entries)
    return "".join(json.dumps(_fields(one), ensure_ascii=False, separators=(",", ":")) + "\n" for one in entries)


def _fields(one: Entry) -> dict[str, Any]:
    when = one.at.isoformat().replace("+00:00", "Z")
    who = (one.actor, one.on_behalf_of, one.address, one.request_id, one.route)
    shown = (one.id, one.type, when, *who, one.subject, masked(one.body), masked(one.before), masked(one.after))
    return dict(zip(COLUMNS, shown, strict=True))


def _cell(value: object) -> str:
    """A cell's text; an apostrophe before what could be a formula, and before one that was there: it can be undone."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return f"'{text}" if text.startswith((*_FORMULA, "'")) else text


def _row(cells: Sequence[str]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow(cells)
    return out.getvalue()
