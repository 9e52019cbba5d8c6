"""Lines of an export: nothing in them is taken for a formula, and everything can be had back."""

import csv
import io
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.features.audit.model import exports
from isthmus.features.audit.model.entries import Entry
from isthmus.features.audit.model.exports import Form

_FIRST = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")  # noqa: RUF001 - the full-width ones count too


def _entry(text: str) -> Entry:
    return Entry(
        id="evt_1",
        type="thing.renamed",
        at=datetime(2026, 1, 1, tzinfo=UTC),
        actor=text,
        on_behalf_of=text,
        address="",
        request_id="",
        route="POST /api/things/{id}",
        subject=text,
        body={"text": text},
        before=None,
        after={"name": text, "token": text},
    )


def _rows(text: str) -> list[dict[str, str]]:
    written = exports.head(Form.CSV) + exports.lines(Form.CSV, [_entry(text)] * 2)
    return list(csv.DictReader(io.StringIO(written, newline="")))


def _plain(cell: str) -> str:
    return cell.removeprefix("'") if cell.startswith(tuple(f"'{one}" for one in (*_FIRST, "'"))) else cell


@given(st.text(st.characters(exclude_characters="\x00"), max_size=20) | st.sampled_from([f"{one}x" for one in _FIRST]))
def test_no_cell_is_a_formula_and_every_value_can_be_had_back(text: str) -> None:
    rows = _rows(text)
    assert len(rows) == 2
    for row in rows:
        assert not [cell for cell in row.values() if cell.startswith(_FIRST)]
        assert (_plain(row["actor"]), _plain(row["subject"]), _plain(row["onBehalfOf"])) == (text, text, text)
        assert row["route"] == "POST /api/things/{id}"
        assert json.loads(row["details"]) == {"text": text}
        assert json.loads(row["after"]) == {"name": text, "token": "***"}


@pytest.mark.parametrize("text", ["one\ntwo", '"quoted", with a comma', "\u2028", "'=1+1"])
def test_a_line_of_json_is_one_line(text: str) -> None:
    lines = exports.lines(Form.NDJSON, [_entry(text)] * 2).split("\n")
    assert [json.loads(line)["subject"] for line in lines[:-1]] == [text, text]
    assert lines[-1] == ""
