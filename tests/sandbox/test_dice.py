"""Draws repeat for the same key, differ for others and stay within their bounds."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from isthmus.sandbox.dice import Dice


@given(st.lists(st.integers(1, 1 << 40), max_size=60), st.text(max_size=10))
def test_draws_repeat_and_keep_their_bounds(bounds: list[int], key: str) -> None:
    first, second = Dice(key, 1), Dice(key, 1)
    drawn = [first.below(bound) for bound in bounds]
    assert drawn == [second.below(bound) for bound in bounds]
    assert all(0 <= value < bound for value, bound in zip(drawn, bounds, strict=True))


def test_draws_are_spread_evenly() -> None:
    dice = Dice("spread")
    counts = Counter([dice.below(10) for _ in range(10_000)])
    assert all(850 < count < 1150 for count in counts.values())


def test_keys_do_not_run_into_each_other() -> None:
    assert Dice("a", "b").digits(20) != Dice("ab").digits(20)
    assert Dice("a", 1).text(20) != Dice("a", 2).text(20)


def test_texts_and_digits_have_their_length() -> None:
    dice = Dice("x")
    assert len(dice.text(33)) == 33
    assert all(len(dice.digits(6)) == 6 for _ in range(50))
