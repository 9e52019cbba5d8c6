"""When schedules fall due: zones, clock changes, rest, jitter; and rules that name no time."""

from datetime import UTC, datetime, time, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.features.schedules import model
from isthmus.features.schedules.errors import WrongSchedule
from isthmus.features.schedules.model import Rest, Rule

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
NIGHT = Rest(time(22), time(6))


def _next(rule: Rule, after: datetime = NOON) -> datetime:
    return model.following(rule, after, "con_one")


def test_an_interval_counts_from_now_so_that_downtime_is_caught_up_once() -> None:
    assert _next(Rule(every=timedelta(minutes=30))) == NOON + timedelta(minutes=30)


def test_cron_is_read_on_the_clock_of_its_zone() -> None:
    found = _next(Rule(cron="30 6 * * *", zone="Asia/Ho_Chi_Minh"))
    assert found == datetime(2026, 11, 21, 23, 30, tzinfo=UTC)


def test_a_time_that_a_clock_change_skips_or_repeats_is_taken_once() -> None:
    rule = Rule(cron="30 2 * * *", zone="America/New_York")
    spring = _next(rule, datetime(2026, 3, 8, 5, 0, tzinfo=UTC))
    assert spring == datetime(2026, 3, 8, 7, 30, tzinfo=UTC)
    assert _next(rule, spring) == datetime(2026, 3, 9, 6, 30, tzinfo=UTC)
    twice = Rule(cron="30 1 * * *", zone="America/New_York")
    autumn = _next(twice, datetime(2026, 11, 1, 4, 0, tzinfo=UTC))
    assert autumn == datetime(2026, 11, 1, 5, 30, tzinfo=UTC)
    assert _next(twice, autumn) == datetime(2026, 11, 2, 6, 30, tzinfo=UTC)


def test_hours_of_rest_are_waited_out_also_over_midnight_and_one_behind_the_other() -> None:
    zone = "Asia/Ho_Chi_Minh"
    rule = Rule(every=timedelta(hours=4), zone=zone, rests=(NIGHT,))
    assert _next(rule) == datetime(2026, 11, 21, 23, 0, tzinfo=UTC)
    both = Rule(every=timedelta(hours=4), zone=zone, rests=(NIGHT, Rest(time(6), time(8))))
    assert _next(both) == datetime(2026, 11, 22, 1, 0, tzinfo=UTC)


def test_jitter_is_the_same_for_the_same_turn_and_differs_between_connections() -> None:
    rule = Rule(every=timedelta(minutes=30), jitter=timedelta(minutes=10))
    found = {model.following(rule, NOON, f"con_{number}") for number in range(50)}
    assert len(found) > 20
    assert model.following(rule, NOON, "con_1") == model.following(rule, NOON, "con_1")


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        (Rule(), "everySeconds"),
        (Rule(every=timedelta(hours=1), cron="* * * * *"), "everySeconds"),
        (Rule(every=timedelta(seconds=59)), "everySeconds"),
        (Rule(cron="often"), "cron"),
        (Rule(cron="* * * * * *"), "cron"),
        (Rule(cron="0 0 31 2 *"), "cron"),
        (Rule(cron="* * * * *", zone="Mars/Olympus"), "timeZone"),
        (Rule(cron="* * * * *", zone="../etc/passwd"), "timeZone"),
        (Rule(every=timedelta(hours=1), rests=(Rest(time(1), time(1)),)), "blackout"),
        (Rule(every=timedelta(hours=1), rests=(Rest(time(0), time(12)), Rest(time(12), time(0)))), "blackout"),
        (Rule(every=timedelta(hours=1), jitter=timedelta(hours=7)), "jitterSeconds"),
        (Rule(every=timedelta(minutes=1), jitter=timedelta(minutes=2)), "jitterSeconds"),
    ],
)
def test_RL_05_a_rule_that_names_no_time_or_comes_too_often_is_refused_by_field(rule: Rule, field: str) -> None:
    with pytest.raises(WrongSchedule) as caught:
        model.check(rule)
    assert caught.value.details["fields"][0]["path"] == field


_HOURS = st.integers(0, 23).map(time)


@given(
    st.one_of(
        st.integers(60, 100_000).map(lambda seconds: Rule(every=timedelta(seconds=seconds))),
        st.sampled_from(["*/5 * * * *", "0 */6 * * *", "15 3 * * 1", "59 23 28 2 *"]).map(lambda text: Rule(cron=text)),
    ),
    st.sampled_from(["UTC", "Asia/Ho_Chi_Minh", "America/New_York", "Australia/Lord_Howe"]),
    st.integers(0, 3 * 365 * 86_400).map(lambda seconds: datetime(2025, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)),
    _HOURS,
    st.integers(1, 20),
)
def test_the_next_start_lies_ahead_and_never_in_hours_of_rest(
    rule: Rule, zone: str, after: datetime, begin: time, hours: int
) -> None:
    rest = Rest(begin, time((begin.hour + hours) % 24))
    full = Rule(rule.every, rule.cron, zone, min(rule.every or timedelta.max, timedelta(minutes=5)), (rest,))
    model.check(full)
    found = model.following(full, after, "seed")
    assert found > after
    assert not rest.holds(found.astimezone(model._zone(zone)).time())
    assert model.read(model.written(full)) == full


_CHANGES = (
    ("Europe/Berlin", datetime(2026, 10, 25, 1, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2027, 3, 28, 1, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 11, 1, 6, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2027, 4, 3, 15, tzinfo=UTC)),
    ("Asia/Ho_Chi_Minh", NOON),
)


@given(
    st.sampled_from(_CHANGES), st.sampled_from([5, 10, 15, 30]), st.integers(-400, 400), st.sampled_from(["*", "*/1"])
)
def test_a_rule_for_every_hour_goes_on_through_the_hour_that_comes_twice(
    change: tuple[str, datetime], minutes: int, offset: int, hours: str
) -> None:
    zone, moment = change
    rule = Rule(cron=f"*/{minutes} {hours} * * *", zone=zone)
    at = _next(rule, moment + timedelta(minutes=offset))
    for _ in range(12):
        following = _next(rule, at)
        assert following - at == timedelta(minutes=minutes)
        at = following


@given(st.sampled_from(_CHANGES), st.integers(0, 23), st.integers(0, 59))
def test_a_rule_for_one_time_of_the_day_is_taken_once_a_day_whatever_the_clock_does(
    change: tuple[str, datetime], hour: int, minute: int
) -> None:
    zone, moment = change
    rule = Rule(cron=f"{minute} {hour} * * *", zone=zone)
    at, found = moment - timedelta(days=2), []
    while at < moment + timedelta(days=3):
        at = _next(rule, at)
        found.append(at)
    assert all(timedelta(hours=22) < later - one < timedelta(hours=26) for one, later in pairwise(found))
