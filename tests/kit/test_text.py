"""Texts from outside are storable and inert (security.md PA-03, LO-05)."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.kit import text


@given(st.text(alphabet=st.characters(codec=None)))
def test_PA_03_a_storable_text_has_no_nul_and_no_lone_surrogate(value: str) -> None:
    for made in (text.storable(value), text.shown(value)):
        assert "\x00" not in made
        made.encode("utf-8")


@given(st.text())
def test_LO_05_a_terminal_text_is_one_line_without_controls(value: str) -> None:
    made = text.terminal(value)
    assert len(made.splitlines()) <= 1
    assert "\x1b" not in made
    assert "\u202e" not in made


def test_markup_becomes_readable_text() -> None:
    assert text.from_html("<p>Áo thun &amp; qu&#7847;n</p><p>Size <b>M</b></p>") == "Áo thun & quần\nSize M"
    assert text.from_html("plain") == "plain"


_MARKS = st.sampled_from(
    ["", "'", "''", "=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20", "a", " "]
)


@given(_MARKS, _MARKS, st.text(max_size=20))
def test_CS_02_what_is_written_into_a_cell_is_read_back(first: str, second: str, rest: str) -> None:
    value = first + second + rest
    assert text.unguarded(text.guarded(value)) == value


@pytest.mark.parametrize("cell", ["'", "'abc", "'1", "''"[:1], "abc", ""])
def test_CS_02_an_apostrophe_of_its_own_stays(cell: str) -> None:
    assert text.unguarded(cell) == cell


@given(st.text(max_size=40))
def test_PA_11_a_name_has_one_way_of_being_written(value: str) -> None:
    ways = {text.shown(unicodedata.normalize(form, value)) for form in ("NFC", "NFD")}
    assert len(ways) == 1
    (kept,) = ways
    assert text.shown(kept) == kept
