"""Filters, headers, the schedule and health: pure rules."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.features.webhooks_out.errors import WrongEndpoint
from isthmus.features.webhooks_out.model import (
    SCHEDULE,
    Board,
    Condition,
    Draft,
    Fare,
    Lane,
    Outcome,
    Rules,
    Slots,
    check_draft,
    check_headers,
    ends_at,
    judged,
    matches,
    wait_after,
)
from isthmus.kit.secret import Secret

NOW = datetime(2026, 1, 10, tzinfo=UTC)
RULES = Rules(slow_after=5, park_after=20, disable_after=timedelta(days=5), notice=timedelta(days=1))
MESSAGE = {"type": "listing.updated", "data": {"provider": "shelf", "price": 12.5, "sold": True, "title": "Áo thun"}}


@pytest.mark.parametrize(
    ("field", "operator", "value", "holds"),
    [
        ("data.provider", "eq", "shelf", True),
        ("data.provider", "ne", "shelf", False),
        ("data.provider", "in", ["a", "shelf"], True),
        ("data.title", "prefix", "Áo", True),
        ("data.price", "gt", 12, True),
        ("data.price", "lte", 12, False),
        ("data.price", "gte", "12", False),
        ("data.sold", "eq", 1, False),
        ("data.sold", "eq", True, True),
        ("data.missing", "eq", None, False),
        ("data.missing", "exists", False, True),
        ("data.price", "exists", True, True),
        ("data.provider.deeper", "eq", "x", False),
    ],
)
def test_a_condition_compares_one_field(field: str, operator: str, value: Any, holds: bool) -> None:
    assert matches((), [Condition(field, operator, value)], "listing.updated", MESSAGE) is holds


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists, max_leaves=5), st.data())
def test_no_value_of_a_condition_raises(value: Any, data: st.DataObject) -> None:
    operator = data.draw(st.sampled_from(["eq", "ne", "exists", "prefix", "gt", "gte", "lt", "lte"]))
    assert matches((), [Condition("data.price", operator, value)], "x.y", MESSAGE) in {True, False}


def test_types_are_names_groups_or_everything() -> None:
    assert matches(["listing.updated"], (), "listing.updated", {})
    assert matches(["listing.*"], (), "listing.updated", {})
    assert matches(["*"], (), "listing.updated", {})
    assert matches([], (), "listing.updated", {})
    assert not matches(["listing"], (), "listing.updated", {})
    assert not matches(["list.*"], (), "listing.updated", {})


@pytest.mark.parametrize(
    "name", ["Host", "content-length", "Transfer-Encoding", "webhook-id", "Webhook-Signature", "Cookie", "a b", "", "é"]
)
def test_WH_12_headers_that_frame_or_sign_cannot_be_set(name: str) -> None:
    with pytest.raises(WrongEndpoint):
        check_headers({name: Secret("x")})


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\nb", "\x00", " outer", "é"])
def test_SS_11_a_header_value_cannot_break_out(value: str) -> None:
    with pytest.raises(WrongEndpoint):
        check_headers({"x-shop": Secret(value)})


@pytest.mark.parametrize(
    "wrong",
    [
        *({"types": ["Listing"]}, {"types": ["a..b"]}, {"rate": -1}, {"concurrency": 0}, {"description": "x" * 501}),
        *({"conditions": [Condition("a b", "eq", 1)]}, {"conditions": [Condition("a", "like", 1)]}),
    ],
)
def test_a_draft_that_cannot_be_meant_names_its_field(wrong: dict[str, Any]) -> None:
    with pytest.raises(WrongEndpoint) as refused:
        check_draft(Draft(url="https://a.example", **wrong))
    assert refused.value.details["fields"]


def test_PR_04_the_schedule_reaches_over_three_days_and_ends() -> None:
    waits = [wait_after(attempt, Outcome(500), 0.5) for attempt in range(1, len(SCHEDULE) + 2)]
    total = sum((wait for wait in waits if wait is not None), timedelta())
    assert timedelta(hours=75) < total < timedelta(hours=76)
    assert waits[-1] is None
    assert waits[0] == timedelta(seconds=5)


def test_PR_04_overload_waits_a_minute_and_a_wish_is_clamped() -> None:
    assert wait_after(1, Outcome(429), 0.5) == timedelta(seconds=60)
    assert wait_after(1, Outcome(None, "timeout"), 0.5) == timedelta(seconds=60)
    assert wait_after(2, Outcome(503, retry_after=400), 0.5) == timedelta(seconds=400)
    assert wait_after(2, Outcome(503, retry_after=1e9), 0.5) == timedelta(seconds=600)
    assert wait_after(2, Outcome(503, retry_after=1), 0.5) == timedelta(seconds=300)
    assert wait_after(9, Outcome(503, retry_after=1e9), 1.0) == timedelta(hours=28.8)


@given(st.integers(1, 9), st.floats(0, 1, exclude_max=True))
def test_PR_04_jitter_stays_within_a_fifth(attempts: int, draw: float) -> None:
    wait = wait_after(attempts, Outcome(500), draw)
    assert wait is not None
    assert 0.8 * SCHEDULE[attempts - 1] <= wait.total_seconds() <= 1.2 * SCHEDULE[attempts - 1]


def test_a_redirect_is_a_failure_and_410_is_the_end() -> None:
    assert not Outcome(302).delivered
    assert Outcome(204).delivered
    assert not Outcome(200, "timeout").delivered
    assert wait_after(1, Outcome(410), 0.5) is None


def _fare(
    health: str, failures: int, days: float = 0.0, last: float | None = None, parked: float | None = None
) -> Fare:
    """`days`: since the first failure; `last`: since the last one; `parked`: since the notice."""
    start = NOW - timedelta(days=days)
    last_at = NOW if last is None else NOW - timedelta(days=last)
    parked_at = None if parked is None else NOW - timedelta(days=parked)
    return Fare(health, failures, start if failures else None, last_at, parked_at)


def test_an_endpoint_is_slowed_parked_and_disabled_in_that_order() -> None:
    assert judged(_fare("healthy", 0), RULES, NOW) == "healthy"
    assert judged(_fare("healthy", 4), RULES, NOW) == "healthy"
    assert judged(_fare("healthy", 5), RULES, NOW) == "slow"
    assert judged(_fare("slow", 20), RULES, NOW) == "parked"
    assert judged(_fare("parked", 21, days=4.9, parked=4), RULES, NOW) == "parked"
    assert judged(_fare("parked", 21, days=5, parked=4), RULES, NOW) == "disabled"
    assert judged(_fare("parked", 0), RULES, NOW) == "healthy"


def test_one_bad_hour_before_a_quiet_week_disables_nobody() -> None:
    assert judged(_fare("parked", 40, days=7, last=6.9, parked=6), RULES, NOW) == "parked"
    assert judged(_fare("slow", 6, days=7), RULES, NOW) == "slow"


def test_none_is_disabled_without_a_notice_a_day_before() -> None:
    # It is asked little: twelve failures in six days. It is parked first, which is when its owner is told.
    assert judged(_fare("slow", 12, days=6), RULES, NOW) == "parked"
    assert judged(_fare("parked", 13, days=6, parked=0.9), RULES, NOW) == "parked"
    assert judged(_fare("parked", 13, days=6, parked=1), RULES, NOW) == "disabled"


@given(
    st.sampled_from(["healthy", "slow", "parked"]),
    st.integers(0, 60),
    st.floats(0, 20),
    st.floats(0, 20),
    st.none() | st.floats(0, 20),
)
def test_what_the_notice_says_of_the_end_is_never_too_late(
    health: str, failures: int, days: float, last: float, parked: float | None
) -> None:
    fare = _fare(health, failures, days, min(last, days), parked)
    if judged(fare, RULES, NOW) == "disabled":
        assert fare.health == "parked"
        assert ends_at(fare, RULES, NOW) <= NOW
        assert fare.parked_at is None or NOW - fare.parked_at >= RULES.notice


def test_PR_05_retries_take_at_most_their_share_of_slots() -> None:
    slots = Slots(all=8, retries=2)
    assert [slots.take(retry=True) for _ in range(3)] == [True, True, False]
    assert [slots.take(retry=False) for _ in range(7)] == [True] * 6 + [False]
    slots.give_back(retry=True)
    assert slots.take(retry=True)


def test_a_lane_holds_its_rate_and_its_concurrency() -> None:
    lane = Lane(concurrency=2, rate=0)
    for _ in range(2):
        assert lane.may_start(0.0) == 0.0
        lane.start()
    assert lane.may_start(0.0) == float("inf")
    limited = Lane(concurrency=100, rate=5)
    started, now = 0, 0.0
    for _ in range(200):
        if limited.may_start(now) == 0.0:
            limited.start()
            limited.end()
            started += 1
        now += 0.01
    assert 9 <= started <= 11


@dataclass
class _Job:
    endpoint_id: str
    attempts: int = 0
    doubtful: bool = False


def test_a_line_takes_a_third_of_what_is_left_so_that_none_keeps_others_out() -> None:
    board: Board[_Job] = Board(slots=8, most=90)
    taken = {name: sum(board.add(_Job(name), 1, 0, 5.0) for _ in range(90)) for name in "abcdefghij"}
    assert taken["a"] > taken["b"] > taken["c"] >= 4
    assert min(taken.values()) >= 4
    assert board.full == dict.fromkeys("abcdefghij", 5.0)
    for _ in range(taken["a"]):
        for job in list(board.take(6.0)):
            board.end(job)
    assert "a" not in board.full


def test_what_failed_before_and_who_failed_last_get_a_quarter_of_the_slots() -> None:
    board: Board[_Job] = Board(slots=8, most=900)
    for number in range(20):
        board.add(_Job(f"dead{number}", doubtful=True), 10, 0, 0.0)
        board.add(_Job(f"again{number}", attempts=1), 10, 0, 0.0)
    held_back = list(board.take(0.0))
    assert len(held_back) == 2
    for number in range(20):
        board.add(_Job(f"good{number}"), 10, 0, 0.0)
    assert len(list(board.take(0.0))) == 6
    assert (board.slots.used, board.slots.used_by_retries) == (8, 2)
    for job in held_back:
        board.end(job)
    assert {job.endpoint_id[:4] for job in board.take(0.0)} == {"good"}


def test_what_finds_its_line_full_is_put_off_to_when_there_will_be_room() -> None:
    board: Board[_Job] = Board(slots=100, most=600)
    while board.add(_Job("slow"), 1_000, 0, 0.0):
        pass
    for job in list(board.take(0.0)):
        board.end(job)
    # A hundred began within ten seconds and fifty wait: ten a second, and so on for those behind.
    waits = [board.put_off("slow", 10.0) for _ in range(2_000)]
    assert waits == sorted(waits)
    assert (round(waits[0]), round(waits[-1])) == (5, 205)
    assert board.put_off("slow", 10_000.0) == 300.0
    assert board.put_off("unknown", 10.0) == 2.0
