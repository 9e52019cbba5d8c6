"""The breaker against the failures that measured libraries let through."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.client import ApiClient, Breaker, BreakerOpen, BreakerRule, PlatformFailed, Retry
from isthmus.client.breaker import Changed
from isthmus.kit.clock import ManualClock

Replies = Callable[..., bytes]
RULE = BreakerRule(consecutive=5, open_for=10, probes=1)


def fail(breaker: Breaker, now: float, *, ok: bool = False) -> None:
    permit = breaker.admit("h", now)
    permit.answered(ok=ok)
    permit.close(now)


def opened(rule: BreakerRule = RULE) -> Breaker:
    breaker = Breaker(rule)
    for _ in range(rule.consecutive):
        fail(breaker, 100.0)
    assert breaker.state("h") == "open"
    return breaker


def test_a_run_of_failures_opens_and_says_when_to_come_back() -> None:
    breaker = opened()
    with pytest.raises(BreakerOpen) as caught:
        breaker.admit("h", 104.0)
    assert caught.value.retry_after == pytest.approx(6)
    assert breaker.state("other") == "closed"


def test_half_the_calls_failing_opens_even_in_turns() -> None:
    breaker = Breaker(BreakerRule(minimum=20, ratio=0.5))
    for number in range(20):
        if breaker.state("h") == "closed":
            fail(breaker, 100.0 + number / 10, ok=number % 2 == 0)
    assert breaker.state("h") == "open"


@pytest.mark.parametrize("probes", [1, 3])
def test_half_open_lets_exactly_n_of_fifty_through(probes: int) -> None:
    breaker = opened(BreakerRule(consecutive=5, open_for=10, probes=probes))
    through = []
    for _ in range(50):
        try:
            through.append(breaker.admit("h", 111.0))
        except BreakerOpen:
            continue
    assert len(through) == probes
    for permit in through:
        permit.answered(ok=True)
        permit.close(112.0)
    assert breaker.state("h") == "closed"


def test_a_cancelled_probe_gives_its_place_back_and_counts_as_nothing() -> None:
    breaker = opened()
    breaker.admit("h", 111.0).close(111.5)
    assert breaker.state("h") == "half_open"
    fail(breaker, 112.0, ok=True)
    assert breaker.state("h") == "closed"


def test_cancelled_calls_neither_open_nor_reset() -> None:
    breaker = Breaker(RULE)
    for _ in range(6):
        breaker.admit("h", 100.0).close(100.0)
    assert breaker.state("h") == "closed"
    for _ in range(4):
        fail(breaker, 100.0)
    breaker.admit("h", 100.0).close(100.0)
    fail(breaker, 100.0)
    assert breaker.state("h") == "open"


def test_a_failed_probe_opens_for_twice_as_long() -> None:
    breaker = opened()
    fail(breaker, 111.0)
    with pytest.raises(BreakerOpen) as caught:
        breaker.admit("h", 111.0)
    assert caught.value.retry_after == pytest.approx(20)


def test_an_old_call_that_ends_late_does_not_count() -> None:
    breaker = Breaker(RULE)
    old = breaker.admit("h", 99.0)
    for _ in range(5):
        fail(breaker, 100.0)
    probe = breaker.admit("h", 111.0)
    old.answered(ok=False)
    old.close(111.1)
    probe.answered(ok=True)
    probe.close(111.2)
    assert breaker.state("h") == "closed"


def test_it_opens_and_closes_by_hand_and_tells_its_listeners() -> None:
    told: list[Changed] = []
    breaker = Breaker(RULE, listeners=(told.append,))
    breaker.open("h", 100.0, 60)
    with pytest.raises(BreakerOpen):
        breaker.admit("h", 150.0)
    breaker.close("h")
    fail(breaker, 150.0, ok=True)
    assert [(one.before, one.after) for one in told] == [("closed", "open"), ("open", "closed")]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 5), st.sampled_from(["ok", "fail", "cancel", "end"])), max_size=80))
def test_probes_in_flight_never_exceed_the_rule(steps: list[tuple[float, str]]) -> None:
    breaker = Breaker(BreakerRule(consecutive=2, open_for=3, probes=2))
    now, flying = 100.0, list[Any]()
    for gap, what in steps:
        now += gap
        if what == "end" or len(flying) > 5:
            for permit in flying:
                permit.close(now)
            flying.clear()
            continue
        try:
            permit = breaker.admit("h", now)
        except BreakerOpen:
            continue
        if what != "cancel":
            permit.answered(ok=what == "ok")
        flying.append(permit)
        circuit = breaker._circuits["h"]
        assert 0 <= circuit.in_flight <= 2


async def test_a_failing_host_is_left_alone(far_side: Any, respond: Replies) -> None:
    far_side.answer("/x", respond(500))
    clock = ManualClock()
    rule = BreakerRule(consecutive=3, open_for=10)
    async with ApiClient(far_side.url, breaker=rule, clock=clock, retry=Retry(max_attempts=1)) as api:
        for _ in range(3):
            with pytest.raises(PlatformFailed):
                await api.get("/x")
        with pytest.raises(BreakerOpen):
            await api.get("/x")
        assert len(far_side.seen) == 3
        far_side.answer("/x", respond())
        clock.advance(11)
        assert (await api.get("/x")).ok
