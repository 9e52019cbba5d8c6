"""Limits that hold over every schedule, wait fairly, leave no debt, and are shared between processes."""

import asyncio
import copy
import math
import tracemalloc
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.client import BudgetRule, Grant, InvalidRequest, Limiter, RateLimit, RateLimited
from isthmus.client.limits import Narrowing, Strategy
from isthmus.engine.budget import model
from isthmus.kit.clock import ManualClock

STEPS = st.lists(st.tuples(st.floats(0, 3), st.integers(1, 3)), min_size=1, max_size=120)


@settings(max_examples=150, deadline=None)
@given(steps=STEPS, limit=st.integers(3, 12), window=st.sampled_from([0.5, 1.0, 60.0]))
def test_no_sliding_window_ever_holds_more_than_the_limit(
    steps: list[tuple[float, int]], limit: int, window: float
) -> None:
    counter = RateLimit(max_requests=limit, window=window, strategy="sliding").new()
    now, taken = 1000.0, list[tuple[float, int]]()
    for gap, weight in steps:
        now += gap * window / 3
        if counter.admit(now, weight, 1.0) == 0.0:
            taken.append((now, weight))
    for start, _ in taken:
        assert sum(weight for at, weight in taken if start <= at < start + window) <= limit


@settings(max_examples=100, deadline=None)
@given(steps=STEPS, limit=st.integers(3, 12))
def test_a_token_bucket_keeps_its_rate_in_the_long_run(steps: list[tuple[float, int]], limit: int) -> None:
    bucket = RateLimit(max_requests=limit, window=1.0, strategy="token_bucket").new()
    now, total = 5.0, 0
    for gap, weight in steps:
        now += gap / 3
        total += weight if bucket.admit(now, weight, 1.0) == 0.0 else 0
    assert total <= limit + limit * (now - 5.0) + 1e-6


@settings(max_examples=100, deadline=None)
@given(
    steps=st.lists(st.tuples(st.floats(0, 3), st.integers(1, 3), st.booleans()), min_size=1, max_size=80),
    limit=st.integers(5, 12),
    kept=st.integers(1, 2),
    factor=st.sampled_from([1.0, 0.5, 1 / 16]),
    strategy=st.sampled_from(["sliding", "fixed", "token_bucket"]),
)
def test_RL_07_what_ordinary_calls_leave_is_there_for_urgent_ones_and_together_they_keep_the_limit(
    steps: list[tuple[float, int, bool]], limit: int, kept: int, factor: float, strategy: Strategy
) -> None:
    """One count for both, so no order of calls brings them beyond what calls of one kind would get."""
    counter = RateLimit(max_requests=limit, window=2.0, strategy=strategy).new()
    now, taken = 1000.0, list[tuple[float, int]]()
    for gap, weight, urgent in steps:
        now += gap
        wait = counter.admit(now, weight, factor, 0 if urgent else kept)
        if wait:
            later, asked = copy.deepcopy(counter), now
            for _ in range(limit + 2):
                asked += wait
                wait = later.admit(asked, weight, factor, 0 if urgent else kept)
                if not wait:
                    break
            assert not wait, "waiting helps, whatever is kept"
            continue
        taken.append((now, weight))
        if not urgent and factor == 1.0:
            assert copy.deepcopy(counter).admit(now, kept, factor) == 0.0, "it is there for the urgent"
    room = limit if strategy == "sliding" else 2 * limit
    for start, _ in taken:
        assert sum(weight for at, weight in taken if start <= at < start + 2.0) <= room


@settings(max_examples=100, deadline=None)
@given(
    steps=STEPS,
    limit=st.integers(3, 12),
    strategy=st.sampled_from(["sliding", "fixed", "token_bucket"]),
)
def test_waiting_as_long_as_asked_is_enough(steps: list[tuple[float, int]], limit: int, strategy: Strategy) -> None:
    counter = RateLimit(max_requests=limit, window=2.0, strategy=strategy).new()
    now = 1000.0
    for gap, weight in steps:
        now += gap / 10
        for _ in range(limit + 2):
            wait = counter.admit(now, weight, 1.0)
            if wait == 0.0:
                break
            now += wait
        assert wait == 0.0


@pytest.mark.parametrize("strategy", ["sliding", "fixed", "token_bucket"])
def test_a_permit_given_back_can_be_taken_again(strategy: Strategy) -> None:
    counter = RateLimit(max_requests=2, window=10, strategy=strategy).new()
    assert counter.admit(1000.0, 2, 1.0) == 0.0
    counter.give_back(2)
    assert counter.admit(1000.0, 2, 1.0) == 0.0
    assert counter.admit(1000.0, 1, 1.0) > 0


async def test_calls_wait_for_their_turn_and_see_how_long(virtual: ManualClock) -> None:
    limiter = Limiter(RateLimit(max_requests=2, window=1.0), clock=virtual)
    waits = await asyncio.gather(*(limiter.acquire() for _ in range(6)))
    assert waits[:2] == [0.0, 0.0]
    assert all(1.0 <= wait < 1.1 for wait in waits[2:4])
    assert all(2.0 <= wait < 2.2 for wait in waits[4:])
    assert limiter.waiting == 0


async def test_RL_07_shares_take_turns(virtual: ManualClock) -> None:
    limiter = Limiter(RateLimit(max_requests=1, window=1.0, strategy="token_bucket"), clock=virtual)
    served: list[str] = []

    async def call(share: str) -> None:
        await limiter.acquire(share=share)
        served.append(share)

    await limiter.acquire()
    tasks = [asyncio.create_task(call("greedy")) for _ in range(200)]
    await asyncio.sleep(0)
    tasks += [asyncio.create_task(call("modest")) for _ in range(50)]
    await asyncio.gather(*tasks)
    assert abs(Counter(served[:100])["modest"] - 50) <= 1, "half of the quota, as long as it has something to ask"
    assert Counter(served) == {"greedy": 200, "modest": 50}


@pytest.mark.parametrize("strategy", ["sliding", "token_bucket"])
async def test_RL_07_an_urgent_call_passes_those_that_wait_and_takes_the_reserve(
    virtual: ManualClock, strategy: Strategy
) -> None:
    limiter = Limiter(RateLimit(max_requests=20, window=1.0, strategy=strategy, reserve=2), clock=virtual)
    served: list[str] = []

    async def call(share: str, *, urgent: bool = False) -> float:
        waited = await limiter.acquire(share=share, urgent=urgent)
        served.append(share)
        return waited

    greedy = [asyncio.create_task(call("greedy")) for _ in range(200)]
    await virtual.sleep(2.01)
    assert await call("refresh", urgent=True) == 0.0, "the greedy one has left the reserve alone"
    assert await call("refresh", urgent=True) == 0.0
    began, before = virtual.monotonic(), len(served)
    urgent = [asyncio.create_task(call(one, urgent=True)) for one in ["much"] * 30 + ["little"] * 10]
    await asyncio.gather(*urgent)
    assert virtual.monotonic() - began <= 40 / 20 + 0.1, "all that there is"
    pushed = served[before:]
    assert pushed.count("greedy") <= 20, "and what nobody urgent needs goes to the others"
    first = [one for one in pushed if one != "greedy"][:20]
    assert abs(first.count("little") - 10) <= 1, "urgent ones take turns"
    await asyncio.gather(*greedy)
    assert len(served) == 242
    with pytest.raises(InvalidRequest, match="limit of 18"):
        await limiter.acquire(weight=19)
    assert limiter.waiting == 0


async def test_RL_07_a_pause_holds_urgent_calls_too_and_a_full_queue_of_others_does_not(virtual: ManualClock) -> None:
    limiter = Limiter(RateLimit(max_requests=10, window=10.0, max_queue=1, reserve=1), clock=virtual)
    for _ in range(9):
        await limiter.acquire()
    waits = asyncio.create_task(limiter.acquire())
    await asyncio.sleep(0)
    with pytest.raises(RateLimited):
        await limiter.acquire()
    limiter.narrow(retry_after=5.0)
    assert 5.0 <= await limiter.acquire(urgent=True) < 5.1
    assert await waits > 4.0


async def test_a_full_queue_and_a_wait_too_long_refuse_at_once() -> None:
    limiter = Limiter(RateLimit(max_requests=1, window=10.0, max_queue=1), clock=ManualClock())
    await limiter.acquire()
    with pytest.raises(RateLimited) as caught:
        await limiter.acquire(patience=3)
    assert caught.value.retry_after
    assert caught.value.retry_safe
    with pytest.raises(InvalidRequest):
        await limiter.acquire(weight=2)
    refuse = Limiter(RateLimit(max_requests=1, window=10.0, max_queue=0))
    await refuse.acquire()
    with pytest.raises(RateLimited):
        await refuse.acquire()


async def test_a_call_that_gives_up_while_permits_are_drawn_leaves_the_way_free_for_the_next() -> None:
    asked = asyncio.Event()

    class Slow:
        """Answers only the second question."""

        async def lease(self, key: str, wanted: int, rule: BudgetRule) -> Grant:  # noqa: ARG002 - the port
            if not asked.is_set():
                asked.set()
                await asyncio.Event().wait()
            return Grant(wanted)

    limiter = Limiter(RateLimit(max_requests=100, window=1.0), budget=Slow())
    first = asyncio.create_task(limiter.acquire("shop"))
    await asked.wait()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    async with asyncio.timeout(2):
        await limiter.acquire("shop")
    assert limiter.waiting == 0


async def test_cancelling_leaves_no_debt_and_no_task() -> None:
    limiter = Limiter(RateLimit(max_requests=1, window=0.05))
    await limiter.acquire()
    tasks = [asyncio.create_task(limiter.acquire()) for _ in range(50)]
    await asyncio.sleep(0)
    for task in tasks[:49]:
        task.cancel()
    await asyncio.gather(*tasks[:49], return_exceptions=True)
    assert await tasks[49] < 2.0
    assert limiter.waiting == 0
    await asyncio.sleep(0)
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "isthmus-limiter"]


async def test_keys_do_not_wait_for_each_other(virtual: ManualClock) -> None:
    clock = virtual
    limiter = Limiter(RateLimit(max_requests=1, window=100.0), clock=clock)
    await limiter.acquire("a")
    assert await limiter.acquire("b") == 0.0
    first, second = await asyncio.gather(limiter.acquire("a"), limiter.acquire("b"))
    assert first >= 100
    assert second >= 99


async def test_feedback_narrows_and_heals() -> None:
    clock = ManualClock()
    limiter = Limiter(RateLimit(max_requests=10, window=1.0, strategy="token_bucket"), clock=clock)
    limiter.narrow(retry_after=5)
    assert limiter.try_acquire() == pytest.approx(5)
    clock.advance(5)
    limiter.narrow(remaining=1)
    assert limiter.try_acquire() == 0.0
    assert limiter.try_acquire() > 0
    limiter.narrow(throttled=True)
    clock.advance(0.5)
    passed = sum(limiter.try_acquire() == 0.0 for _ in range(10))
    assert 1 <= passed <= 3
    clock.advance(60)
    assert sum(limiter.try_acquire() == 0.0 for _ in range(20)) == 10


def test_narrowing_halves_to_a_floor_and_recovers() -> None:
    narrowing = Narrowing(recovery=10)
    for _ in range(20):
        narrowing.throttled(100.0)
    assert narrowing.now(100.0) == 1 / 16
    assert narrowing.now(200.0) == 1.0


async def test_idle_keys_are_forgotten() -> None:
    clock = ManualClock()
    limiter = Limiter(RateLimit(max_requests=5, window=1.0), clock=clock, max_keys=100)
    for number in range(1000):
        limiter.try_acquire(str(number))
        clock.advance(0.1)
    assert len(limiter._windows) <= 200


class OneTable:
    """The shared quota as one process would keep it: a fixed window."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.used: Counter[int] = Counter()
        self.asked = 0

    async def lease(self, key: str, wanted: int, rule: BudgetRule) -> Grant:
        assert key == "app"
        self.asked += 1
        await asyncio.sleep(0)
        now = self.clock.monotonic()
        window = int(now // rule.window)
        left = (window + 1) * rule.window - now
        free = min(wanted, rule.max_requests - self.used[window])
        if free <= 0:
            return Grant(0, left)
        self.used[window] += free
        return Grant(free, 0.0, left)


async def test_RL_03_ten_processes_never_exceed_the_shared_quota(virtual: ManualClock) -> None:
    clock = virtual
    table = OneTable(clock)
    left: Counter[int] = Counter()
    rule = RateLimit(max_requests=20, window=1.0)
    workers = [Limiter(rule, budget=table, block=3, clock=clock) for _ in range(10)]

    async def call(limiter: Limiter) -> None:
        await limiter.acquire("app")
        left[int(clock.monotonic() // 1.0)] += 1

    await asyncio.gather(*(call(limiter) for limiter in workers for _ in range(12)))
    assert sum(left.values()) == 120
    assert max(left.values()) <= 20
    assert table.asked < 120 + 10 * len(left)


async def test_a_throttle_narrows_under_a_shared_quota_too_and_it_heals(virtual: ManualClock) -> None:
    clock = virtual
    rule = RateLimit(max_requests=16, window=1.0, strategy="token_bucket", burst=32)
    limiter = Limiter(rule, budget=OneTable(clock), clock=clock)
    for _ in range(4):
        limiter.narrow("app", throttled=True)
    began = clock.monotonic()
    for _ in range(5):
        await limiter.acquire("app")
    assert clock.monotonic() - began > 1.5
    clock.advance(60)
    began = clock.monotonic()
    await asyncio.gather(*(limiter.acquire("app") for _ in range(16)))
    assert clock.monotonic() - began <= 2


class OneBucket:
    """The shared quota as one process would keep it: a bucket that is refilled all the time."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.left: float | None = None
        self.then = clock.monotonic()
        self.asked = 0
        self.refused = 0

    async def lease(self, key: str, wanted: int, rule: BudgetRule) -> Grant:  # noqa: ARG002 - the port
        self.asked += 1
        await asyncio.sleep(0)
        rate, now = rule.max_requests / rule.window, self.clock.monotonic()
        self.left = min(20.0, 20.0 if self.left is None else self.left + (now - self.then) * rate)
        self.then = now
        permits = min(wanted, int(self.left + 1e-6))
        self.left -= permits
        self.refused += not permits
        return Grant(permits, expires_in=0.05) if permits else Grant(0, (1 - self.left) / rate)


async def test_a_shared_bucket_that_gave_all_it_had_is_asked_again_when_it_holds_more(virtual: ManualClock) -> None:
    """A lease costs the database a transaction, so one brings what eight calls need; no permit is lost by that."""
    bucket = OneBucket(virtual)
    limiter = Limiter(
        RateLimit(max_requests=200, window=1.0, strategy="token_bucket", burst=20), budget=bucket, clock=virtual
    )
    began = virtual.monotonic()

    async def calls() -> None:
        for _ in range(20):
            await limiter.acquire("app")

    await asyncio.gather(*(calls() for _ in range(32)))
    took = virtual.monotonic() - began
    assert (640 - 20) / 200 <= took <= 1.03 * (640 - 20) / 200
    assert bucket.asked <= 640 / 7
    assert bucket.refused <= 3


class Exact:
    """The shared quota as the engine counts it, without its storage."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.state: model.State = []
        self.asked = 0

    async def lease(self, key: str, wanted: int, rule: BudgetRule) -> Grant:  # noqa: ARG002 - the port
        self.asked += 1
        await asyncio.sleep(0)
        step = model.lease(self.state, self.clock.monotonic(), wanted, rule)
        self.state = step.state
        return step.grant


@pytest.mark.parametrize(("strategy", "burst"), [("sliding", None), ("token_bucket", 20)])
async def test_RL_07_a_reserve_holds_over_processes_and_urgent_calls_keep_their_pace(
    virtual: ManualClock, strategy: Strategy, burst: int | None
) -> None:
    shared = Exact(virtual)
    rule = RateLimit(max_requests=100, window=1.0, strategy=strategy, burst=burst, reserve=5)
    reading, pushing = (Limiter(rule, budget=shared, clock=virtual) for _ in range(2))
    left: list[float] = []
    stop = asyncio.Event()

    async def read() -> None:
        while not stop.is_set():
            await reading.acquire("app", share="greedy")
            left.append(virtual.monotonic())
            await asyncio.sleep(0)

    async def urgent() -> float:
        waited = await pushing.acquire("app", share="other", urgent=True)
        left.append(virtual.monotonic())
        return waited

    readers = [asyncio.create_task(read()) for _ in range(40)]
    await virtual.sleep(3.0)
    for _ in range(5):
        assert await urgent() <= 0.02, "a refresh leaves at once"
        await virtual.sleep(0.5)
    began, asked, before = virtual.monotonic(), shared.asked, len(left)

    async def push() -> None:
        for _ in range(40):
            await urgent()

    await asyncio.gather(*(push() for _ in range(10)))
    took = virtual.monotonic() - began
    assert took <= 1.05 * 400 / 100 + 0.1, "a push has the whole quota, as long as it needs it"
    assert shared.asked - asked <= (len(left) - before) / 2
    stop.set()
    await asyncio.gather(*readers)
    room = 100 if burst is None else 100 + 20 * 1.25
    for start in left[::7]:
        assert sum(start <= at < start + 1.0 for at in left) <= room


async def test_a_key_that_waits_long_for_its_quota_holds_up_no_other(virtual: ManualClock) -> None:
    class Uneven:
        async def lease(self, key: str, wanted: int, rule: BudgetRule) -> Grant:
            assert rule.block <= wanted
            return Grant(0, 500.0) if key == "spent" else Grant(wanted)

    limiter = Limiter(RateLimit(max_requests=50), budget=Uneven(), clock=virtual)
    spent = asyncio.create_task(limiter.acquire("spent"))
    await virtual.sleep(0.01)
    began = virtual.monotonic()
    await limiter.acquire("other")
    assert virtual.monotonic() - began < 1
    spent.cancel()
    await asyncio.gather(spent, return_exceptions=True)


async def test_a_budget_that_fails_fails_the_calls_that_wait_for_it() -> None:
    class Broken:
        async def lease(self, key: str, wanted: int, rule: BudgetRule) -> Grant:
            raise ConnectionError(f"the database is gone: {key} {wanted} {rule}")

    limiter = Limiter(RateLimit(max_requests=5), budget=Broken())
    for _ in range(2):
        results = await asyncio.gather(*(limiter.acquire() for _ in range(3)), return_exceptions=True)
        assert all(isinstance(one, ConnectionError) for one in results)


async def test_ten_thousand_waiting_calls_cost_little_and_one_task() -> None:
    limiter = Limiter(RateLimit(max_requests=1, window=3600.0))
    await limiter.acquire()
    before = len(asyncio.all_tasks())
    tracemalloc.start()
    tasks = [asyncio.create_task(limiter.acquire(patience=math.inf)) for _ in range(10_000)]
    await asyncio.sleep(0)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert limiter.waiting == 10_000
    assert len(asyncio.all_tasks()) == before + 10_001
    assert held < 60e6
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert limiter.waiting == 0


@pytest.mark.parametrize("strategy", ["sliding", "fixed", "token_bucket"])
async def test_who_queues_again_in_the_moment_the_queue_empties_is_woken(strategy: Strategy) -> None:
    limiter = Limiter(RateLimit(max_requests=10, window=0.2, strategy=strategy))
    passed = 0

    async def caller() -> None:
        nonlocal passed
        while passed < 40:
            passed += 1
            await limiter.acquire("shop")
            if passed in (5, 6):
                limiter.narrow("shop", throttled=True)

    async with asyncio.timeout(60):
        await asyncio.gather(*(caller() for _ in range(5)))
    assert limiter.waiting == 0
