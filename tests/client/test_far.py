"""The far side's time is ours until its answers contradict it, and never later than they allow."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.client.far import FarTime
from isthmus.kit.clock import ManualClock

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def _answered(skew: float, trip: float, begun: float = 0.0) -> tuple[FarTime, ManualClock]:
    """An answer that the far side made in the middle of its trip; its clock is ahead of ours by `skew`."""
    clock = ManualClock(NOON + timedelta(seconds=begun))
    far, sent = FarTime(clock), clock.now()
    date = sent + timedelta(seconds=trip / 2 + skew)
    clock.advance(trip)
    far.heard(format_datetime(date.replace(microsecond=0), usegmt=True), sent)
    return far, clock


@given(st.floats(-86_400, 86_400), st.floats(0, 30), st.floats(0, 1))
def test_it_is_never_later_than_the_far_sides_own_by_more_than_the_trip(skew: float, trip: float, begun: float) -> None:
    far, clock = _answered(skew, trip, begun)
    true = clock.now() + timedelta(seconds=skew)
    assert -1.001 - trip <= (far.now() - true).total_seconds() <= trip + 1.001
    if abs(skew) > trip + 1:
        assert far.now() <= true + timedelta(milliseconds=1)


def test_a_clock_that_can_be_right_is_trusted() -> None:
    far, clock = _answered(0.2, 0.6)
    assert far.now() == clock.now()


@pytest.mark.parametrize("date", [None, "", "yesterday", "Sat, 99 Nov 2026 12:00:00 GMT"])
def test_what_is_no_date_tells_nothing(date: str | None) -> None:
    clock = ManualClock(NOON)
    far = FarTime(clock)
    far.heard(date, clock.now())
    assert far.now() == NOON
