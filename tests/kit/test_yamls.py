"""YAML that costs nothing and makes nothing but the data that was meant."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.kit import yamls

#: Ten lists of ten lists and so on: 10^9 leaves in some hundred bytes.
_LEVELS = "abcdefghi"
BOMB = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 10)}]\n" for before, name in pairwise(_LEVELS)
)
#: The emitter writes three ends of a line as they are, and they come back as spaces; names never hold them. NUL is
#: refused, as in JSON that comes in.
_TEXTS = st.text(st.characters(exclude_characters="\x00\x85\u2028\u2029", exclude_categories=["Cs"]), max_size=20)
_SCALARS = (
    st.none() | st.booleans() | st.integers(-(10**18) + 1, 10**18 - 1)
    | st.floats(allow_nan=False, allow_infinity=False, min_value=-1e17, max_value=1e17) | _TEXTS
    | st.sampled_from(["no", "yes", "on", "1.10", "010", "12:30:45", "1e+16", "1e3", "0x1F", "1_000", "~", "=", "<<"])
)  # fmt: skip
_DATA = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXTS, inner, max_size=4), max_leaves=12
)  # fmt: skip


def test_plain_data_is_read() -> None:
    assert yamls.read("a: 1\nb: [x, {c: null}]\n", 100) == {"a": 1, "b": ["x", {"c": None}]}
    assert yamls.read("{a: true, b: -2.5, c: , d: 10000.0}", 100) == {"a": True, "b": -2.5, "c": None, "d": 10000.0}


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
        ('a: "x\\0"', "U\\+0000"),
        ('{"a\\u0000": 1}', "U\\+0000"),
        ("a" * 100_001, "more than"),
    ],
)
def test_PA_01_what_is_more_than_data_is_refused_before_it_costs(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        yamls.read(text, 100_000)


def test_PA_06_a_bomb_of_aliases_is_refused() -> None:
    assert len(BOMB) < 600
    with pytest.raises(ValueError, match="aliases"):
        yamls.read(BOMB, 100_000)


@pytest.mark.parametrize(
    "text", ["no", "yes", "off", "1.10", "010", "12:30:45", "0x1F", "1_000", "2026-01-02", "9" * 30]
)
def test_PA_06_what_only_looks_like_something_else_is_a_text(text: str) -> None:
    assert yamls.read(f"version: {text}", 100) == {"version": text}


@given(_DATA)
def test_PA_06_what_was_written_comes_back_as_it_was(data: object) -> None:
    assert yamls.read(yamls.written(data), 100_000) == data


@pytest.mark.parametrize("text", ["a: 1\na: 2", "{roles: [], b: {x: 1, x: 2}}", '{"a": 1, "\\u0061": 2}', "? [a]\n: 1"])
def test_PA_02_a_name_that_stands_twice_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="name"):
        yamls.read(text, 100)


@given(st.text(max_size=200))
def test_PA_13_no_text_does_more_than_be_refused(text: str) -> None:
    try:
        yamls.read(text, 1_000)
    except ValueError as refused:
        assert str(refused)  # noqa: PT017 - either way is fine, in words


def test_PA_01_a_file_of_too_many_parts_is_refused_before_anything_is_made_of_it() -> None:
    assert yamls.read("x: [" + ",".join(["{}"] * 10_000) + "]", 200_000) == {"x": [{}] * 10_000}
    with pytest.raises(ValueError, match="parts"):
        yamls.read("x: [" + ",".join(["{}"] * 60_000) + "]", 200_000)
