"""YAML that costs nothing and makes nothing but data."""

import pytest
from hypothesis import given, strategies

from isthmus.kit import yamls


def test_plain_data_is_read() -> None:
    assert yamls.read("a: 1\nb: [x, {c: null}]\n", 100) == {"a": 1, "b": ["x", {"c": None}]}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: &x 1\nb: *x", "aliases"),
        ("!!python/object/apply:os.system [ls]", "tags"),
        ("!mine {}", "tags"),
        ("{" * 90_000, "nested"),
        ("- " * 40_000, "nested"),
        ("a: [", "not YAML"),
        ("a: 1\n---\nb: 2", "not YAML"),
        ("a: \x00", "not YAML"),
        ("a" * 100_001, "more than"),
    ],
)
def test_PA_01_what_is_more_than_data_is_refused_before_it_costs(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        yamls.read(text, 100_000)


@given(strategies.text(max_size=200))
def test_no_text_does_more_than_be_refused(text: str) -> None:
    try:
        yamls.read(text, 1_000)
    except ValueError as refused:
        assert str(refused)  # noqa: PT017 - either way is fine, in words
