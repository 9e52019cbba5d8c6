"""The buckets let through what the limit says, per application and seller, on the platform's clock."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.kit.clock import ManualClock
from isthmus.sandbox.throttle import Throttle


@given(st.lists(st.floats(0, 0.5), min_size=1, max_size=80), st.floats(0.5, 20))
@settings(max_examples=60, deadline=None)
def test_no_more_calls_pass_than_bucket_and_rate_allow(pauses: list[float], rate: float) -> None:
    clock = ManualClock()
    throttle = Throttle(clock, rate)
    passed = 0
    for pause in pauses:
        clock.advance(pause)
        passed += throttle.take("app", "seller") == 0
    assert passed <= max(1.0, rate) + sum(pauses) * rate + 1e-6


def test_waiting_as_told_is_enough() -> None:
    clock = ManualClock()
    throttle = Throttle(clock, 2)
    assert [throttle.take("a", "s") for _ in range(3)] == [0, 0, pytest.approx(0.5)]
    clock.advance(0.5)
    assert throttle.take("a", "s") == 0


def test_sellers_and_applications_have_their_own_buckets() -> None:
    throttle = Throttle(ManualClock(), 1)
    assert [throttle.take(*who) for who in (("a", "s"), ("a", "t"), ("b", "s"))] == [0, 0, 0]
    assert throttle.take("a", "s") > 0


def test_a_ban_keeps_even_a_full_bucket_out() -> None:
    clock = ManualClock()
    throttle = Throttle(clock, 100, burst=1, ban=5)
    throttle.take("a", "s")
    assert throttle.take("a", "s") == 5
    clock.advance(4)
    assert throttle.take("a", "s") == pytest.approx(1)
    clock.advance(1)
    assert throttle.take("a", "s") == 0


def test_the_limit_changes_at_once_and_comes_back() -> None:
    throttle = Throttle(ManualClock(), 50)
    throttle.set_rate(1)
    assert [throttle.take("a", "s") > 0 for _ in range(2)] == [False, True]
    throttle.reset()
    assert throttle.rate == 50
    with pytest.raises(ValueError, match="above 0"):
        throttle.set_rate(0)
