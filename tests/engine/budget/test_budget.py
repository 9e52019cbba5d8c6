"""A shared quota: never more in any window than the rule allows, however many processes lease from it."""

import asyncio
import subprocess
import sys
from dataclasses import replace
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.house_database import Copy

from isthmus.client.budget import BudgetRule, Grant, rule_of
from isthmus.client.limits import RateLimit
from isthmus.engine.budget import PostgresBudget, sweep
from isthmus.engine.budget.model import State, lease, received
from isthmus.engine.db import Database

Strategy = Literal["sliding", "fixed", "token_bucket"]


def _spend(rule: BudgetRule, gaps: list[float], wanted: list[int]) -> list[tuple[float, float, int]]:
    """Grants as (made, last moment of use, permits) of a caller that asks at these times."""
    state: State = []
    now, grants = 1_000.0, []
    for gap, want in zip(gaps, wanted, strict=False):
        now += gap
        step = lease(state, now, want, rule)
        state = step.state
        assert 0 <= step.grant.permits <= want
        assert step.grant.left == lease(state, now, 1_000_000, rule).grant.permits  # a second caller gets just that
        assert step.grant.permits or step.grant.wait_seconds > 0 or want == 0
        if step.grant.permits:
            grants.append((now, now + (step.grant.expires_in or 0), step.grant.permits))
    return grants


@settings(max_examples=150)
@given(
    limit=st.integers(1, 50),
    window=st.sampled_from([0.5, 1.0, 7.3, 60.0]),
    gaps=st.lists(st.floats(0, 30), min_size=1, max_size=60),
    wanted=st.lists(st.integers(0, 60), min_size=60, max_size=60),
)
def test_sliding_never_lets_more_than_the_limit_into_any_window(
    limit: int, window: float, gaps: list[float], wanted: list[int]
) -> None:
    """Every permit may leave at the worst moment of its time: the last of one grant, the first of the next."""
    grants = _spend(BudgetRule(limit, window), gaps, wanted)
    for start in [last for _, last, _ in grants]:
        inside = sum(permits for made, last, permits in grants if made < start + window and last >= start)
        assert inside <= limit


@settings(max_examples=100)
@given(gaps=st.lists(st.floats(0, 3), min_size=1, max_size=60), wanted=st.lists(st.integers(0, 20), min_size=60))
def test_fixed_counts_per_aligned_window_and_permits_end_with_it(gaps: list[float], wanted: list[int]) -> None:
    per_window: dict[int, int] = {}
    for made, last, permits in _spend(BudgetRule(10, 2.0, "fixed"), gaps, wanted):
        assert last <= (made // 2 + 1) * 2 + 1e-6
        per_window[int(made // 2)] = per_window.get(int(made // 2), 0) + permits
    assert all(count <= 10 for count in per_window.values())


@settings(max_examples=100)
@given(
    burst=st.sampled_from([None, 1, 3, 10, 40]),
    gaps=st.lists(st.floats(0, 3), min_size=1, max_size=60),
    wanted=st.lists(st.integers(0, 50), min_size=60),
)
def test_a_bucket_never_gives_more_than_its_burst_and_what_flowed_in(
    burst: int | None, gaps: list[float], wanted: list[int]
) -> None:
    grants = _spend(BudgetRule(10, 2.0, "token_bucket", burst=burst), gaps, wanted)
    for first, (start, _, _) in enumerate(grants):
        total = 0
        for made, last, permits in grants[first:]:
            total += permits
            assert total <= (burst or 10) + (made - start) * 5 + 1e-6
            assert (last - made) * 5 <= (burst or 10) / 4 + 1e-6, "and little flows in while a grant is good"


def _inside(grants: list[tuple[float, float, int]], rule: BudgetRule) -> None:
    """No window, wherever it begins, holds more than the rule allows."""
    flow = rule.max_requests / rule.window
    for first, (start, last_start, _) in enumerate(grants):
        if rule.strategy == "token_bucket":
            total = 0
            for made, _, permits in grants[first:]:
                total += permits
                assert total <= rule.holds + (made - start) * flow + 1e-6
        elif rule.strategy == "fixed":
            assert sum(n for made, _, n in grants if made // rule.window == start // rule.window) <= rule.max_requests
        else:
            ends = last_start + rule.window
            assert sum(n for made, last, n in grants if made < ends and last >= last_start) <= rule.max_requests


@settings(max_examples=200)
@given(
    strategy=st.sampled_from(["sliding", "fixed", "token_bucket"]),
    limit=st.integers(4, 40),
    reserve=st.integers(1, 3),
    steps=st.lists(st.tuples(st.floats(0, 1.5), st.integers(0, 50), st.booleans()), min_size=1, max_size=60),
)
def test_RL_07_no_order_of_urgent_and_ordinary_leases_gets_more_than_the_quota_or_touches_the_reserve(
    strategy: Strategy, limit: int, reserve: int, steps: list[tuple[float, int, bool]]
) -> None:
    rule = BudgetRule(limit, 2.0, strategy, reserve=reserve)
    urgent = replace(rule, urgent=True)
    state: State = []
    now, grants = 1_000.0, list[tuple[float, float, int]]()
    for gap, wanted, first in steps:
        now += gap
        step = lease(state, now, wanted, urgent if first else rule)
        state = step.state
        assert 0 <= step.grant.permits <= wanted
        if step.grant.permits:
            grants.append((now, now + (step.grant.expires_in or 0), step.grant.permits))
        if not first and step.grant.permits:
            assert lease(state, now, reserve, urgent).grant.permits == reserve, "it is there for the urgent"
        if first and step.grant.permits < wanted:
            assert lease(state, now, 1, rule).grant.permits == 0, "and what becomes free is theirs first"
    _inside(grants, rule)
    for _ in range(limit + reserve + 3):
        step = lease(state, now, 1, rule)
        state, now = step.state, now + step.grant.wait_seconds + 1e-3
        if step.grant.permits:
            break
    assert step.grant.permits == 1, "nobody urgent asks any more: it goes on"


def test_RL_07_an_urgent_lease_that_was_short_is_served_before_the_others_and_no_longer_than_it_needs() -> None:
    rule = BudgetRule(100, 1.0, "token_bucket", burst=20, reserve=2)
    urgent = replace(rule, urgent=True)
    state = lease([], 50.0, 18, rule).state
    step = lease(state, 50.0, 5, urgent)
    assert step.grant.permits == 2
    assert step.claims
    assert lease(step.state, 50.1, 5, rule).grant.permits == 0
    step = lease(step.state, 50.1, 5, urgent)
    assert step.grant.permits == 5
    assert lease(step.state, 50.2, 5, rule).grant.permits == 0, "it still uses up what there is"
    assert lease(step.state, 50.36, 5, rule).grant.permits == 5, "it has stopped asking"


@pytest.mark.parametrize("burst", [20, 400])
def test_processes_keep_to_the_burst_that_a_limit_has(burst: int) -> None:
    shared = rule_of(RateLimit(max_requests=200, window=1.0, strategy="token_bucket", burst=burst))
    step = lease([], 50.0, 1_000, shared)
    assert step.grant.permits == burst
    later = lease(step.state, 60.0, 1_000, shared)
    assert later.grant.permits == burst, "a rest gathers no more"


@pytest.mark.parametrize("strategy", ["sliding", "fixed", "token_bucket"])
def test_after_the_wait_it_asked_for_a_permit_is_free(strategy: Strategy) -> None:
    rule = BudgetRule(3, 1.0, strategy)
    step = lease([], 50.0, 3, rule)
    assert step.grant.permits == 3
    refused = lease(step.state, 50.0, 1, rule)
    assert refused.grant.permits == 0
    assert lease(refused.state, 50.0 + refused.grant.wait_seconds + 1e-3, 1, rule).grant.permits == 1


@pytest.mark.parametrize("strategy", ["sliding", "fixed", "token_bucket"])
def test_a_clock_that_steps_back_gives_nothing_twice(strategy: Strategy) -> None:
    rule = BudgetRule(5, 10.0, strategy)
    step = lease([], 1_000.0, 5, rule)
    assert lease(step.state, 900.0, 5, rule).grant.permits == 0


def test_permits_that_spent_their_time_on_the_way_are_void() -> None:
    assert received(Grant(5, expires_in=0.5), 0.2).expires_in == pytest.approx(0.3)
    assert received(Grant(5, expires_in=0.5), 0.6).permits == 0
    assert received(Grant(0, wait_seconds=3), 9).wait_seconds == 3


def test_a_rule_that_makes_no_sense_is_refused() -> None:
    for rule in (BudgetRule(0, 1.0), BudgetRule(1, 0.0), BudgetRule(1, 1.0, "none"), BudgetRule(9, 1.0, reserve=9)):
        with pytest.raises(ValueError, match=r"quota|strategy"):
            lease([], 1.0, 1, rule)


_PROCESS = """
import asyncio, sys
from isthmus.client.budget import BudgetRule
from isthmus.engine.budget import PostgresBudget
from isthmus.engine.db import Database

async def main():
    database = await Database.connect(sys.argv[1])
    budget = PostgresBudget(database)
    rule = BudgetRule(500, 3600.0, reserve=25, urgent=sys.argv[2] == "urgent")
    async def ask():
        return [(await budget.lease("app:con", 7, rule)).permits for _ in range(25)]
    print(sum(sum(taken) for taken in await asyncio.gather(*(ask() for _ in range(3)))))
    await database.close()

asyncio.run(main())
"""


async def test_RL_07_three_processes_together_get_exactly_the_quota(copied: Copy) -> None:
    workers = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", _PROCESS, copied.url, kind, stdout=subprocess.PIPE)
        for kind in ("ordinary", "ordinary", "urgent")
    ]
    outputs = await asyncio.gather(*(worker.communicate() for worker in workers))
    taken = [int(out) for out, _ in outputs]
    assert sum(taken) == 500
    assert taken[2] >= 25, "the reserve is not for the others"


async def test_keys_do_not_share_and_old_ones_are_swept(database: Database) -> None:
    budget = PostgresBudget(database)
    rule = BudgetRule(5, 60.0)
    assert (await budget.lease("a", 9, rule)).permits == 5
    assert (await budget.lease("a", 1, rule)).wait_seconds > 0
    assert (await budget.lease("b", 2, rule)).permits == 2
    async with database.system() as tx:
        assert await sweep(tx) == 0
        await tx.execute_sql("update budget_windows set used_at = now() - interval '2 days' where key = 'a'")
        assert await sweep(tx) == 1
