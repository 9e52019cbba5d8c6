"""Every requirement of the security reference has a test that carries its id, or stands on a list with a reason."""

import pytest
from tools.house import requirements
from tools.house.requirements import LATER


@pytest.mark.shared
def test_every_requirement_has_a_test_that_carries_its_id() -> None:
    carried = requirements.carried()
    assert len(carried) > 200
    assert [one for one, count in carried.items() if not count and one not in LATER] == []


@pytest.mark.shared
def test_what_is_left_for_later_is_named_as_long_as_it_is_and_no_longer() -> None:
    carried = requirements.carried()
    assert [one for one in LATER if one not in carried] == []
    assert [one for one in LATER if carried[one]] == [], "has a test by now: take it from the list"
    assert all(len(reason) > 20 for reason in LATER.values())


@pytest.mark.shared
def test_no_test_carries_the_id_of_a_requirement_that_there_is_not() -> None:
    there = set(requirements.wanted())
    assert sorted(set(requirements.carried()) - there) == []
