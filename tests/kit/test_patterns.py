"""Patterns of strangers: what could take long is refused, and what is taken never does (security.md IN-05)."""

import re
import time
from collections.abc import Callable
from contextlib import suppress
from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.given.connectors import shipped

from isthmus.kit import patterns

#: Seconds of work that the requirement allows.
_MOST = 0.005
#: The first three are the classic ones.
CATASTROPHES = [
    "^(a+)+$",
    "^(a|aa)+$",
    "^" + "a?" * 30 + "a" * 30 + "$",
    "(.*)(.*)(.*)x",
    "a*a*a*b",
    "(?:a|a)" * 40 + "b",
    "a{0,999}a{0,999}a{0,999}b",
    "(a{1,9}){1,9}b",
    r"(a)\1",
    "(?P<x>a*)(?P=x)",
    "(?<=a+)b",
    "(" * 200 + ")" * 200,
]
TAKEN = [
    "^sha256=(?P<value>[0-9a-f]{64})$",
    "(?:^| )v1,(?P<value>[A-Za-z0-9+/]+={0,2})(?= |$)",
    r"sk_[a-z]{4}-[A-Za-z0-9]+",
    r"[A-Z]{2,4}-?\d{1,3}",
    r"^\{(?P<value>[^{}]*)\}$",
    "a{}b{x}",
]


def _worked(act: Callable[[], object]) -> float:
    """Seconds of processor time of this thread that it takes, the median of five; a refusal is an end like any."""
    taken = []
    for _ in range(5):
        began = time.thread_time()
        with suppress(ValueError):
            act()
        taken.append(time.thread_time() - began)
    return median(taken)


@pytest.mark.parametrize("pattern", CATASTROPHES)
def test_IN_05_a_pattern_that_could_take_long_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        patterns.check(pattern)
    assert _worked(lambda: patterns.check(pattern)) < _MOST


@pytest.mark.parametrize("pattern", ["[z-a]", "a{5,2}", "[a", "(a", "a)", "*a", "a**", "\\", "[[a]", "[a--b]"])
def test_what_is_no_pattern_is_refused_too(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        patterns.check(pattern)


@pytest.mark.parametrize("pattern", TAKEN)
def test_ordinary_patterns_are_taken(pattern: str) -> None:
    patterns.check(pattern)


def test_IN_05_every_pattern_that_comes_with_us_keeps_to_it() -> None:
    for found in shipped().values():
        scheme = found.manifest.webhooks
        fields = (*found.manifest.app_fields, *found.manifest.credential_fields, *found.manifest.settings_fields)
        forms = [one.pattern for one in fields if one.pattern]
        signed = [one.pattern for one in scheme.signatures] if scheme is not None else []
        for pattern in (*forms, *signed):
            patterns.check(pattern)


#: What patterns are made of, so that most of them are taken and overlap in what they match.
_PART = st.sampled_from(["a", "[ab]", ".", r"\w", "(?:a|ab)", "(?P<value>a*)", "b"])
_HOW_OFTEN = st.sampled_from(["", "", "?", "+", "*", "{2}", "{0,3}", "{1,}", "{0,16}", "{0,17}"])
_PATTERN = st.lists(st.tuples(_PART, _HOW_OFTEN), min_size=1, max_size=12).map(
    lambda parts: "".join(a + b for a, b in parts)
)


@given(_PATTERN, st.sampled_from(["a", "ab", "aab"]))
@settings(max_examples=150)
def test_IN_05_what_is_taken_is_matched_in_no_time(pattern: str, letters: str) -> None:
    try:
        patterns.check(pattern + "!")
    except ValueError:
        return
    text, read = (letters * 2_000)[:2_000], re.compile(pattern + "!")
    assert _worked(lambda: read.fullmatch(text)) < _MOST
