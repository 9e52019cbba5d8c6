"""Times that callers give: in UTC, and never one from which nothing can be reckoned."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from isthmus.http.moments import EARLIEST, LATEST, Moment

TIMES: TypeAdapter[datetime] = TypeAdapter(Moment)
ZONES = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-31T12:00:00Z", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ("2026-01-31T12:00:00.000001+07:00", datetime(2026, 1, 31, 5, 0, 0, 1, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", EARLIEST),
        ("0001-01-01T00:00:00+14:00", EARLIEST),
        ("9999-12-31T23:59:59.999999Z", LATEST),
        ("9999-12-31T23:59:59-14:00", LATEST),
    ],
)
def test_a_time_is_told_in_utc_and_the_ends_of_the_calendar_count_as_the_nearest_time(
    text: str, expected: datetime
) -> None:
    found = TIMES.validate_python(text)
    assert (found, found.tzinfo) == (expected, UTC)


@given(st.datetimes(timezones=ZONES))
def test_any_time_can_be_reckoned_with_in_any_zone(time: datetime) -> None:
    found = TIMES.validate_python(time)
    year = timedelta(days=366)
    assert {(found + step).astimezone(timezone(shift)).tzinfo for step in (year, -year) for shift in (year / 1000,)}
    assert EARLIEST <= found <= LATEST
    assert found == time or not EARLIEST <= time <= LATEST


@pytest.mark.parametrize("text", ["2026-01-31T12:00:00", "2026-01-31", "yesterday"])
def test_a_time_without_its_zone_is_none(text: str) -> None:
    with pytest.raises(ValidationError):
        TIMES.validate_python(text)
