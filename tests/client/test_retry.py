"""The retry decision over generated situations, and every form in which a far side asks for time."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.client import Retry
from isthmus.client.retry import (
    Again,
    GiveUp,
    Outcome,
    RetryBudget,
    Situation,
    decide,
    remaining,
    reset_after,
    retry_after,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
EPOCH = int(NOW.timestamp())


@settings(deadline=None)
@given(
    outcome=st.builds(Outcome, st.booleans(), st.booleans(), st.one_of(st.none(), st.floats(0, 500, allow_nan=False))),
    at=st.builds(
        Situation,
        attempt=st.integers(1, 9),
        idempotent=st.booleans(),
        remaining=st.floats(0, 100),
        budget=st.booleans(),
        draw=st.floats(0, 1, exclude_max=True),
    ),
    retry=st.builds(
        Retry,
        max_attempts=st.integers(1, 6),
        backoff=st.sampled_from(["exponential", "linear", "fixed", (0.1, 1.0, 5.0)]),
        initial_delay=st.floats(0, 5),
        max_delay=st.floats(0, 20),
    ),
)
def test_no_retry_is_unsafe_late_or_one_too_many(outcome: Outcome, at: Situation, retry: Retry) -> None:
    decision = decide(retry, outcome, at)
    if isinstance(decision, Again):
        assert outcome.transient
        assert outcome.untouched or at.idempotent
        assert at.attempt < retry.max_attempts
        assert 0 <= decision.delay < at.remaining
        assert at.budget
        assert outcome.retry_after is None or outcome.retry_after <= decision.delay
        assert outcome.retry_after is not None or decision.delay <= retry.max_delay
    else:
        assert isinstance(decision, GiveUp)


@pytest.mark.parametrize(
    ("backoff", "delays"),
    [
        ("exponential", [1, 2, 4, 8, 10, 10]),
        ("linear", [1, 2, 3, 4, 5, 6]),
        ("fixed", [1, 1, 1, 1, 1, 1]),
        ((0.5, 3, 20), [0.5, 3, 10, 10, 10, 10]),
    ],
)
def test_backoff_grows_as_named(backoff: str, delays: list[float]) -> None:
    retry = Retry(backoff=backoff, initial_delay=1, max_delay=10, jitter=False)  # type: ignore[arg-type] # parametrised
    assert [retry.delay(attempt, 0.3) for attempt in range(1, 7)] == delays


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "12"}, 12),
        ({"Retry-After": "1.5"}, 1.5),
        ({"Retry-After": "Thu, 01 Jan 2026 00:00:08 GMT"}, 8),
        ({"Retry-After": "Wed, 31 Dec 2025 23:59:00 GMT"}, 0),
        ({"Retry-After-Ms": "250"}, 0.25),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(EPOCH + 30)}, 30),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str((EPOCH + 30) * 1000)}, 30),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "45"}, 45),
        ({"X-RateLimit-Reset-After": "0.5"}, 0.5),
        ({"X-RateLimit-Reset-Requests": "1m30s"}, 90),
        ({"X-RateLimit-Reset-Requests": "120ms"}, 0.12),
        ({"RateLimit-Reset": "7", "RateLimit-Remaining": "0"}, 7),
        ({"RateLimit": "limit=100, remaining=0, reset=9"}, 9),
        ({"RateLimit": '"default";r=0;t=11'}, 11),
        ({"X-RateLimit-Reset": "2026-01-01T00:00:20Z"}, 20),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "9" * 19}, 86_400 * 31),
        ({"X-RateLimit-Remaining": "5", "X-RateLimit-Reset": "45"}, None),
        ({}, None),
    ],
)
def test_every_common_way_to_ask_for_time_is_read(headers: dict[str, str], seconds: float | None) -> None:
    found = retry_after(headers, NOW)
    assert found == (None if seconds is None else pytest.approx(seconds))


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["Retry-After", "X-RateLimit-Reset", "RateLimit", "Retry-After-Ms"]), st.text()))
def test_no_header_breaks_the_readers(headers: dict[str, str]) -> None:
    for found in (retry_after(headers, NOW), reset_after(headers, NOW)):
        assert found is None or found >= 0
    left = remaining(headers)
    assert left is None or left >= 0


def test_a_budget_allows_a_share_of_the_calls() -> None:
    budget = RetryBudget(ratio=0.1, burst=5)
    spent = 0
    for _ in range(1000):
        budget.called()
        if budget.has_one():
            budget.spend()
            spent += 1
    assert 100 <= spent <= 106
