"""Limits that processes keep together: never more than the limit, whatever the number of processes (RL-03)."""

import asyncio

import pytest

from isthmus.client import BudgetRule, Grant
from isthmus.engine.budget import PostgresBudget
from isthmus.engine.db import Database
from isthmus.http import HttpSettings
from isthmus.http.limits import Limiter, Refused, Windows
from isthmus.http.settings import LimitClass
from isthmus.http.shares import Shares
from isthmus.kit.clock import SYSTEM, ManualClock


class Counted:
    """A budget with a fixed stock that notes what was asked for."""

    def __init__(self, stock: int, lives: float | None = 3.0) -> None:
        self.stock = stock
        self.lives = lives
        self.asked: list[int] = []

    async def lease(self, key: str, wanted: int, rule: BudgetRule) -> Grant:
        assert (key, rule.window) != ("", 0)
        self.asked.append(wanted)
        await asyncio.sleep(0)
        permits = min(wanted, self.stock)
        self.stock -= permits
        return Grant(permits, 0.0 if permits else 7.0, self.lives)


async def test_blocks_grow_under_load_and_shrink_when_idle() -> None:
    clock, budget = ManualClock(), Counted(1000)
    shares = Shares(budget, clock)
    for _ in range(30):
        assert await shares.take("k", 100) is None
    assert budget.asked == [1, 2, 4, 8, 10, 10]
    for _ in range(3):
        clock.advance(10)
        assert await shares.take("k", 100) is None
    assert budget.asked[-1] == 1


async def test_an_empty_budget_says_how_long_to_wait() -> None:
    shares = Shares(Counted(1), ManualClock())
    assert await shares.take("k", 10) is None
    assert await shares.take("k", 10) == 7.0


async def test_many_at_once_ask_one_after_the_other() -> None:
    budget = Counted(1000)
    shares = Shares(budget, ManualClock())
    await asyncio.gather(*(shares.take("k", 1000) for _ in range(100)))
    assert len(budget.asked) < 10


async def test_RL_03_processes_together_admit_the_limit_and_never_more(database: Database) -> None:
    settings = HttpSettings(limits={"search": 20})
    processes = [Limiter(settings, SYSTEM, PostgresBudget(database)) for _ in range(4)]
    admitted = 0

    async def call(limiter: Limiter) -> None:
        nonlocal admitted
        try:
            await limiter.admit("search", "ten_a", "me")
        except Refused:
            return
        admitted += 1

    for _ in range(10):
        await asyncio.gather(*(call(limiter) for limiter in processes))
    assert 12 <= admitted <= 20
    restarted = Limiter(settings, SYSTEM, PostgresBudget(database))
    while admitted < 20:
        try:
            await restarted.admit("search", "ten_a", "me")
        except Refused:
            return
        admitted += 1
    with pytest.raises(Refused):
        await restarted.admit("search", "ten_a", "me")


async def test_RL_03_what_is_left_counts_the_calls_of_all_processes_but_for_a_leased_block(database: Database) -> None:
    settings = HttpSettings(limits={"search": 40, "widget": 10}, tenant_factor=2)
    one, other = (Limiter(settings, SYSTEM, PostgresBudget(database)) for _ in range(2))
    for _ in range(30):
        standing = await one.admit("search", "ten_left", "me")
    assert 10 - 4 <= standing.remaining <= 10
    elsewhere = await other.admit("search", "ten_left", "me")
    assert 9 - 4 <= elsewhere.remaining <= 9
    last = [(await other.admit("search", "ten_left", "me")).remaining for _ in range(elsewhere.remaining)]
    assert last == sorted(last, reverse=True)
    assert last[-1] == 0
    # nine of the tenant's twenty, of two persons each, leave two for the third
    for number in range(18):
        await one.admit("widget", "ten_left", f"usr_{number % 2}")
    assert (await other.admit("widget", "ten_left", "usr_third")).remaining <= 1


async def test_RL_03_a_restart_of_the_only_process_gives_nobody_more(database: Database) -> None:
    settings = HttpSettings(limits={"search": 100, "widget": 50})

    async def until_refused(name: LimitClass, most: int = 200) -> int:
        limiter = Limiter(settings, SYSTEM, PostgresBudget(database), alone=True)
        for number in range(most):
            try:
                await limiter.admit(name, "ten_alone", "me")
            except Refused:
                return number
        return most

    assert await until_refused("search") == 100
    assert [await until_refused("search") for _ in range(5)] == [0] * 5
    # a process that is killed has told of all but what it had in hand, less than a tenth
    before = await until_refused("widget", 33)
    after = await until_refused("widget")
    assert 50 - 2 * 5 <= before + after <= 50 + 5
    assert await until_refused("widget") == 0


async def test_who_comes_now_and_then_costs_the_only_process_no_statement() -> None:
    clock, budget = ManualClock(), Counted(1000)
    shares, windows = Shares(budget, clock, alone=True), Windows()
    for _ in range(100):
        window = windows.get("k", int(clock.monotonic()))
        assert await shares.take("k", 100, window.used) is None
        window.add(int(clock.monotonic()))
        clock.advance(10)
    assert budget.asked == [1]
    for _ in range(30):
        window = windows.get("k", int(clock.monotonic()))
        assert await shares.take("k", 100, window.used) is None
        window.add(int(clock.monotonic()))
    # six of the last minute and four of now, which had not been told, with the first of what comes
    assert (budget.asked[1], sum(budget.asked) >= 36) == (10 + 1, True)


async def test_the_only_process_tells_what_is_left_by_what_it_counted_itself_once_the_last_lease_is_old() -> None:
    clock = ManualClock()
    limiter = Limiter(HttpSettings(limits={"search": 100}), clock, Counted(100_000), alone=True)
    for number in range(95):
        assert (await limiter.admit("search", "ten_a", "me")).remaining <= 99 - number
    clock.advance(62)
    assert (await limiter.admit("search", "ten_a", "me")).remaining == 99


async def test_open_routes_need_no_database() -> None:
    limiter = Limiter(HttpSettings(), ManualClock(), Counted(0))
    assert (await limiter.admit("open", "", "203.0.113.9")).remaining == 599
    with pytest.raises(Refused):
        await limiter.admit("search", "ten_a", "me")
