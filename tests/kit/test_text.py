"""Texts from outside are storable and inert (security.md PA-03, LO-05)."""

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
