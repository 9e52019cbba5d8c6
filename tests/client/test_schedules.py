"""Limiter and token refresh under generated schedules: many tasks, cancellations, failing far sides, no sleeping."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.client import ClientError, Limiter, MemoryTokenStore, OAuth2, RateLimit, RefreshFailed, Tokens
from isthmus.kit.clock import ManualClock
from isthmus.kit.secret import Secret


def in_a_loop(work: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await work()

    asyncio.run(main())


@settings(max_examples=60, deadline=None)
@given(
    calls=st.lists(
        st.tuples(st.floats(0, 2), st.integers(1, 2), st.sampled_from("ab"), st.one_of(st.none(), st.floats(0, 3))),
        min_size=1,
        max_size=40,
    ),
    limit=st.integers(2, 5),
)
def test_no_schedule_exceeds_the_limit_loses_a_call_or_leaves_a_debt(
    calls: list[tuple[float, int, str, float | None]], limit: int, virtual_clock: Callable[[], ManualClock]
) -> None:
    async def work() -> None:
        clock = virtual_clock()
        limiter = Limiter(RateLimit(max_requests=limit, window=1.0), clock=clock)
        passed: list[tuple[float, int]] = []

        async def call(start: float, weight: int, share: str, cancel_after: float | None) -> None:
            await clock.sleep(start)
            waiting = asyncio.create_task(limiter.acquire(weight=weight, share=share))
            if cancel_after is not None:
                killer = asyncio.create_task(clock.sleep(cancel_after))
                killer.add_done_callback(lambda _: waiting.cancel())
            try:
                await waiting
                passed.append((clock.monotonic(), weight))
            except asyncio.CancelledError:
                assert cancel_after is not None

        await asyncio.gather(*(call(*one) for one in calls))
        for start, _ in passed:
            assert sum(weight for at, weight in passed if start <= at < start + 1.0) <= limit
        assert len(passed) >= sum(one[3] is None for one in calls)
        assert limiter.waiting == 0
        clock.advance(10)
        assert limiter.try_acquire(weight=limit) == 0.0

    in_a_loop(work)


class Platform:
    """Rotates refresh tokens and revokes the chain when an old one comes back, as strict servers do."""

    def __init__(self, clock: ManualClock, chance: random.Random) -> None:
        self.clock, self.chance = clock, chance
        self.valid = 0
        self.revoked = False
        self.exchanges = 0

    async def exchange(self, present: Tokens) -> Tokens:
        assert present.refresh_token is not None
        sent = int(present.refresh_token.reveal())
        await self.clock.sleep(self.chance.random() * 5)
        if self.chance.random() < 0.3:
            raise RefreshFailed("503", sent=False)
        self.exchanges += 1
        if sent != self.valid:
            self.revoked = True
        self.valid += 1
        await self.clock.sleep(self.chance.random() * 5)
        expires = self.clock.now() + timedelta(seconds=60)
        return Tokens(Secret(f"access {self.valid}"), Secret(str(self.valid)), expires)


@pytest.mark.parametrize("seed", range(25))
async def test_PR_06_no_schedule_of_callers_and_processes_revokes_the_chain(
    seed: int, virtual_clock: Callable[[], Any]
) -> None:
    clock, chance = virtual_clock(), random.Random(seed)
    platform = Platform(clock, chance)
    store = MemoryTokenStore(Tokens(Secret("old"), Secret("0"), clock.now()), clock=clock)
    processes = [
        OAuth2(store, platform.exchange, margin=timedelta(seconds=20), clock=clock, draw=chance.random)
        for _ in range(3)
    ]
    used: set[str] = set()

    async def caller() -> None:
        for _ in range(8):
            await clock.sleep(chance.random() * 30)
            auth = chance.choice(processes)
            asking = asyncio.create_task(auth.current())
            if chance.random() < 0.3:
                await clock.sleep(chance.random())
                asking.cancel()
            try:
                tokens = await asking
                if chance.random() < 0.05:
                    tokens = await auth.force(tokens)
                used.add(tokens.access_token.reveal())
            except (ClientError, asyncio.CancelledError):
                continue

    async with asyncio.TaskGroup() as group:
        for _ in range(12):
            group.create_task(caller())
    await asyncio.gather(*(auth.aclose() for auth in processes))
    assert not platform.revoked
    assert platform.exchanges == store.tokens.version == platform.valid
    assert len(used) >= 2
    assert store.refusal is None
