"""What to read, what a failure means, and when pages lead nowhere."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st
from tests.given.sync import QUICK

from isthmus.features.sync.errors import Endless
from isthmus.features.sync.model import (
    Fault,
    Mode,
    PageCount,
    PageGuard,
    Run,
    State,
    Watermark,
    after_fault,
    is_poison,
    pace,
    plan,
    worth_looking,
)
from isthmus.features.sync.settings import Settings

NOW = datetime(2026, 3, 1, tzinfo=UTC)
OVERLAP = timedelta(minutes=10)


def test_a_full_read_covers_everything_up_to_now() -> None:
    planned = plan(Mode.FULL, Watermark(NOW), now=NOW, overlap=OVERLAP, read_before=True)
    assert (planned.mode, planned.since, planned.until, planned.lost) == (Mode.FULL, None, NOW, False)


def test_an_incremental_read_begins_an_overlap_before_the_watermark() -> None:
    planned = plan(Mode.INCREMENTAL, Watermark(NOW - OVERLAP), now=NOW, overlap=OVERLAP, read_before=True)
    assert (planned.mode, planned.since, planned.lost) == (Mode.INCREMENTAL, NOW - 2 * OVERLAP, False)


@pytest.mark.parametrize(
    ("known", "read_before", "lost"),
    [
        (None, False, False),
        (None, True, True),
        (Watermark(None), True, True),
        (Watermark(NOW + timedelta(days=1)), True, True),
    ],
)
def test_without_a_usable_watermark_everything_is_read_and_a_loss_is_told(
    known: Watermark | None, read_before: bool, lost: bool
) -> None:
    planned = plan(Mode.INCREMENTAL, known, now=NOW, overlap=OVERLAP, read_before=read_before)
    assert (planned.mode, planned.since, planned.lost) == (Mode.FULL, None, lost)


@for_all(st.integers(0, 40), st.floats(0, 0.999), st.floats(0, 1e6))
def test_waits_grow_stay_bounded_and_heed_the_platform(attempts: int, draw: float, asked: float) -> None:
    settings = Settings(max_attempts=50)
    again = after_fault(Fault("X", "", passing=True, retry_after=asked), attempts, draw, settings)
    assert again is not None
    assert settings.backoff / 2 <= again.after <= settings.max_backoff
    assert again.after >= min(timedelta(seconds=asked), settings.max_backoff)


def test_what_does_not_pass_and_what_does_not_end_is_given_up() -> None:
    assert after_fault(Fault("X", "", passing=False), 1, 0, QUICK) is None
    assert after_fault(Fault("X", "", passing=True), QUICK.max_attempts, 0, QUICK) is None
    assert not is_poison(2, QUICK)
    assert is_poison(3, QUICK)


def test_SS_14_a_cursor_that_comes_again_is_a_circle() -> None:
    guard = PageGuard(QUICK, 0)
    guard.admit(["1"], "a")
    guard.admit(["2"], "b")
    with pytest.raises(Endless) as caught:
        guard.admit(["3"], "a")
    assert caught.value.code == "PAGES_IN_A_CIRCLE"


def test_SS_14_pages_read_again_on_purpose_are_let_through_and_endless_ones_are_not() -> None:
    guard = PageGuard(replace(QUICK, max_repeats=5), 0)
    for number in range(20):
        guard.admit([str(number // 2)], f"c{number}")
    with pytest.raises(Endless) as caught:
        for number in range(6):
            guard.admit(["0"], f"d{number}")
    assert caught.value.code == "PAGES_REPEAT"


def test_SS_14_pages_count_from_the_beginning_of_the_run() -> None:
    guard = PageGuard(replace(QUICK, max_pages=10), 8)
    guard.admit(["1"], "a")
    guard.admit(["2"], None)
    with pytest.raises(Endless):
        guard.admit(["3"], None)
    with pytest.raises(Endless):
        PageGuard(replace(QUICK, max_pages=10), 10).admit(["1"], "a")


def test_raw_bytes_are_compared_first_while_that_saves_work() -> None:
    assert worth_looking(None)
    assert worth_looking(PageCount(records=100, unchanged=25))
    assert not worth_looking(PageCount(records=100, unchanged=24, created=76))


def _run(**changes: object) -> Run:
    empty: dict[str, object] = dict.fromkeys(Run.__slots__)
    counters = dict.fromkeys(("pages", "records", "fence", "attempts"), 0)
    return Run(**(empty | counters | changes))  # type: ignore[arg-type] # one mapping for fields of many types


def test_pace_tells_rate_and_rest() -> None:
    started = NOW - timedelta(seconds=10)
    running = pace(_run(started_at=started, records=50, total=200), NOW)
    assert (running.per_second, running.eta_seconds) == (5.0, 30.0)
    done = pace(_run(started_at=started, finished_at=NOW, records=50, total=50), NOW + timedelta(days=1))
    assert (done.per_second, done.eta_seconds) == (5.0, None)
    assert pace(_run(records=0), NOW).per_second is None
    assert pace(_run(started_at=started, records=300, total=200), NOW).eta_seconds == 0


def test_only_live_states_are_live() -> None:
    assert {state for state in State if state.live} == {State.QUEUED, State.RUNNING, State.CANCELLING}
