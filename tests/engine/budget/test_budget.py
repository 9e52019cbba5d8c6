"""A shared quota: never more in any window than the rule allows, however many processes lease from it."""

import asyncio
import subprocess
import sys
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
    for rule in (BudgetRule(0, 1.0), BudgetRule(1, 0.0), BudgetRule(1, 1.0, "none")):
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
    async def ask():
        return [(await budget.lease("app:con", 7, BudgetRule(500, 3600.0))).permits for _ in range(25)]
    print(sum(sum(taken) for taken in await asyncio.gather(*(ask() for _ in range(3)))))
    await database.close()

asyncio.run(main())
"""


async def test_three_processes_together_get_exactly_the_quota(copied: Copy) -> None:
    workers = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", _PROCESS, copied.url, stdout=subprocess.PIPE)
        for _ in range(3)
    ]
    outputs = await asyncio.gather(*(worker.communicate() for worker in workers))
    taken = [int(out) for out, _ in outputs]
    assert sum(taken) == 500


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
