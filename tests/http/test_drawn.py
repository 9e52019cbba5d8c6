"""Who sits at a browser, as its `Accept` says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.http.drawn import is_for_a_person


@pytest.mark.parametrize(
    ("accept", "person"),
    [
        ("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", True),
        ("TEXT/HTML", True), ("application/json;q=0.5,text/html", True), ("text/html;level=1;q=0.4", True),
        ("", False), ("*/*", False), ("text/*", False), ("application/json", False), ("text/html;q=0", False),
        ("application/json,text/html;q=0.9", False), ("text/html;q=0.2,application/json;q=0.3", False),
        ("a" * 600 + ",text/html", False),
    ],
)  # fmt: skip
def test_whoever_names_html_and_json_no_more_than_that_is_a_person(accept: str, person: bool) -> None:
    assert is_for_a_person(accept) is person


@given(st.text(max_size=600))
def test_any_header_can_be_read(accept: str) -> None:
    assert is_for_a_person(accept) in {True, False}
