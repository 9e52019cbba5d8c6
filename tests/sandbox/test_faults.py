"""Faults strike the routes they name, as often as they say."""

import pytest

from isthmus.kit.errors import Invalid
from isthmus.sandbox.faults import KINDS, Faults


def test_a_fault_counts_its_hits_and_lets_the_first_ones_pass() -> None:
    faults = Faults()
    fault = faults.add("/a/*", "reset", 2, after=1)
    hits = [faults.match("GET", "/a/b") for _ in range(4)]
    assert hits == [None, fault, fault, None]
    assert faults.active == []


def test_a_pattern_may_name_the_method() -> None:
    faults = Faults()
    fault = faults.add("POST */token", "html")
    assert faults.match("GET", "/x/token") is None
    assert faults.match("POST", "/x/token") is fault
    assert faults.match("POST", "/x/token/y") is None


def test_faults_are_cleared_one_by_one_or_all() -> None:
    faults = Faults()
    first, second = faults.add("*", "html"), faults.add("*", "reset")
    faults.clear(first.id)
    assert faults.active == [second]
    faults.clear()
    assert faults.active == []


def test_an_unknown_kind_is_refused_with_the_known_ones() -> None:
    with pytest.raises(Invalid, match="truncate"):
        Faults().add("*", "explode")
    assert all(KINDS.values())
