"""OAuth2 over a token store: once at a time, ahead of expiry, on through an outage, honest about the end."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from isthmus.client import (
    ApiClient,
    MemoryTokenStore,
    OAuth2,
    ReauthorizationRequired,
    RefreshFailed,
    RefreshRefused,
    RefreshUnavailable,
    TokenRejected,
    Tokens,
)
from isthmus.kit.clock import ManualClock
from isthmus.kit.secret import Secret

Replies = Callable[..., bytes]
START = datetime(2026, 1, 1, tzinfo=UTC)


def tokens(name: str = "old", *, minutes: float = 60, version: int = 1) -> Tokens:
    return Tokens(Secret(name), Secret("refresh-" + name), START + timedelta(minutes=minutes), version=version)


class Exchange:
    """A token endpoint: counts, and does what it is told."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.calls = 0
        self.seen: list[str] = []
        self.error: Exception | None = None
        self.hold: asyncio.Event | None = None
        self.begun = asyncio.Event()

    async def __call__(self, present: Tokens) -> Tokens:
        self.calls += 1
        self.begun.set()
        self.seen.append(present.refresh_token.reveal() if present.refresh_token else "")
        if self.hold is not None:
            await self.hold.wait()
        if self.error is not None:
            raise self.error
        expires = self.clock.now() + timedelta(hours=1)
        return Tokens(Secret(f"new-{self.calls}"), Secret(f"refresh-{self.calls}"), expires)


def policy(store: MemoryTokenStore, exchange: Exchange, clock: ManualClock) -> OAuth2:
    return OAuth2(store, exchange, clock=clock, draw=lambda: 0.5)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def exchange(clock: ManualClock) -> Exchange:
    return Exchange(clock)


async def test_a_valid_token_is_used_as_it_is(clock: ManualClock, exchange: Exchange) -> None:
    auth = policy(MemoryTokenStore(tokens(), clock=clock), exchange, clock)
    assert (await auth.current()).access_token.reveal() == "old"
    assert exchange.calls == 0


async def test_many_callers_of_an_expired_token_cost_one_refresh(clock: ManualClock, exchange: Exchange) -> None:
    store = MemoryTokenStore(tokens(minutes=-1), clock=clock)
    policies = [policy(store, exchange, clock) for _ in range(3)]
    found = await asyncio.gather(*(auth.current() for auth in policies * 100))
    assert {one.access_token.reveal() for one in found} == {"new-1"}
    assert exchange.calls == 1
    assert store.tokens.version == 2


async def test_the_refresh_begins_ahead_of_expiry_and_nobody_waits_for_it(
    clock: ManualClock, exchange: Exchange
) -> None:
    store = MemoryTokenStore(tokens(), clock=clock)
    auth = policy(store, exchange, clock)
    await auth.current()
    exchange.hold = asyncio.Event()
    clock.advance(57 * 60)
    assert (await auth.current()).access_token.reveal() == "old"
    assert (await auth.current()).access_token.reveal() == "old"
    exchange.hold.set()
    await auth.aclose()
    assert exchange.calls == 1
    assert (await auth.current()).access_token.reveal() == "new-1"


async def test_PR_07_a_valid_token_goes_on_while_the_endpoint_is_down(clock: ManualClock, exchange: Exchange) -> None:
    auth = policy(MemoryTokenStore(tokens(), clock=clock), exchange, clock)
    await auth.current()
    exchange.error = RefreshFailed("503")
    clock.advance(57 * 60)
    for _ in range(100):
        assert (await auth.current()).access_token.reveal() == "old"
        await auth.aclose()
        clock.advance(1)
    assert 2 <= exchange.calls <= 10
    clock.advance(600)
    with pytest.raises(RefreshUnavailable) as caught:
        await auth.current()
    assert caught.value.retry_safe
    assert caught.value.retry_after
    exchange.error = None
    clock.advance(600)
    assert (await auth.current()).access_token.reveal().startswith("new")


async def test_a_valid_token_needs_no_store_that_is_there(clock: ManualClock, exchange: Exchange) -> None:
    class Gone(MemoryTokenStore):
        away = False
        asked = 0

        async def load(self) -> Tokens:
            found: Tokens = await self._unless_away(super().load())
            return found

        async def lease(self, seconds: float) -> Any:
            return await self._unless_away(super().lease(seconds))

        async def _unless_away(self, work: Any) -> Any:
            self.asked += 1
            if self.away:
                work.close()
                raise ConnectionError("the database is gone")
            return await work

    store = Gone(tokens(), clock=clock)
    auth = policy(store, exchange, clock)
    await auth.current()
    store.away = True
    clock.advance(57 * 60)
    asked = store.asked
    for _ in range(50):
        assert (await auth.current()).access_token.reveal() == "old"
        await auth.aclose()
        clock.advance(0.1)
    assert store.asked - asked <= 6
    store.away = False
    clock.advance(2)
    await auth.current()
    await auth.aclose()
    assert (await auth.current()).access_token.reveal() == "new-1"


async def test_a_definitive_refusal_ends_at_once_and_is_not_repeated(clock: ManualClock, exchange: Exchange) -> None:
    store = MemoryTokenStore(tokens(minutes=-1), clock=clock)
    auth = policy(store, exchange, clock)
    exchange.error = RefreshRefused("invalid_grant")
    for _ in range(3):
        with pytest.raises(ReauthorizationRequired, match="invalid_grant"):
            await auth.current()
    assert exchange.calls == 1
    assert store.refusal == "invalid_grant"


async def test_PR_06_an_interrupted_refresh_is_tried_once_and_told(clock: ManualClock, exchange: Exchange) -> None:
    store = MemoryTokenStore(tokens(minutes=-1), clock=clock)
    lease = await store.lease(30)
    assert lease is not None
    await store.sending(lease)
    clock.advance(31)
    exchange.error = RefreshRefused("invalid_grant")
    with pytest.raises(ReauthorizationRequired, match="uncertain"):
        await policy(store, exchange, clock).current()
    assert exchange.calls == 1
    assert store.refusal is not None
    assert store.refusal.startswith("uncertain")


async def test_the_new_pair_is_stored_before_it_is_used(clock: ManualClock, exchange: Exchange) -> None:
    order: list[str] = []

    class Watched(MemoryTokenStore):
        async def sending(self, lease: Any) -> None:
            order.append("sending")
            await super().sending(lease)

        async def swap(self, lease: Any, tokens: Tokens) -> bool:
            order.append("swap")
            return await super().swap(lease, tokens)

    auth = policy(Watched(tokens(minutes=-1), clock=clock), exchange, clock)
    used = await auth.current()
    order.append("used " + used.access_token.reveal())
    assert order == ["sending", "swap", "used new-1"]


async def test_a_cancelled_caller_does_not_break_the_refresh(clock: ManualClock, exchange: Exchange) -> None:
    store = MemoryTokenStore(tokens(minutes=-1), clock=clock)
    auth = policy(store, exchange, clock)
    exchange.hold = asyncio.Event()
    task = asyncio.create_task(auth.current())
    await exchange.begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    exchange.hold.set()
    await auth.aclose()
    assert store.tokens.access_token.reveal() == "new-1"


async def test_a_token_the_far_side_calls_dead_costs_one_refresh_and_one_replay(
    far_side: Any, respond: Replies, clock: ManualClock, exchange: Exchange
) -> None:
    far_side.answer("/orders", respond(401), respond())
    auth = policy(MemoryTokenStore(tokens(), clock=clock), exchange, clock)
    async with ApiClient(far_side.url, auth=auth, clock=clock) as api:
        response = await api.post("/orders", {})
    assert [one.headers["authorization"] for one in far_side.seen] == ["Bearer old", "Bearer new-1"]
    assert (response.attempts, exchange.calls) == (2, 1)


async def test_a_far_side_that_rejects_every_token_causes_no_storm(
    far_side: Any, respond: Replies, clock: ManualClock, exchange: Exchange
) -> None:
    far_side.answer("/x", respond(401))
    auth = policy(MemoryTokenStore(tokens(), clock=clock), exchange, clock)
    async with ApiClient(far_side.url, auth=auth, clock=clock) as api:
        for _ in range(10):
            with pytest.raises(TokenRejected):
                await api.get("/x")
    assert exchange.calls == 1


async def test_fresh_tokens_that_ended_before_they_were_used_are_replaced_a_minute_later(
    far_side: Any, respond: Replies, clock: ManualClock, exchange: Exchange
) -> None:
    far_side.answer("/x", respond(401), respond(401), respond(401), respond())
    auth = policy(MemoryTokenStore(tokens(), clock=clock), exchange, clock)
    async with ApiClient(far_side.url, auth=auth, clock=clock) as api:
        with pytest.raises(TokenRejected):
            await api.get("/x")
        clock.advance(61)
        assert (await api.get("/x")).ok
    assert exchange.calls == 2


async def test_another_process_s_refresh_is_taken_over_without_an_exchange(
    clock: ManualClock, exchange: Exchange
) -> None:
    store = MemoryTokenStore(tokens(), clock=clock)
    mine, theirs = policy(store, exchange, clock), policy(store, exchange, clock)
    old = await mine.current()
    await theirs.force(await theirs.current())
    assert (await mine.force(old)).access_token.reveal() == "new-1"
    assert exchange.calls == 1


async def test_the_old_refresh_token_stays_if_the_platform_sends_no_new_one(
    clock: ManualClock, exchange: Exchange
) -> None:
    store = MemoryTokenStore(tokens(minutes=-1), clock=clock)

    async def answer(present: Tokens) -> Tokens:
        return Tokens(Secret("access only"), extra={"shop": "1"})

    found = await OAuth2(store, answer, clock=clock).current()
    assert found.refresh_token == Secret("refresh-old")
    assert found.extra == {"shop": "1"}


async def test_OA_13_a_token_born_expired_is_not_refreshed_for_ever(clock: ManualClock) -> None:
    calls = 0

    async def born_expired(present: Tokens) -> Tokens:
        nonlocal calls
        calls += 1
        return Tokens(Secret("x"), Secret("y"), clock.now())

    auth = OAuth2(MemoryTokenStore(tokens(minutes=-1), clock=clock), born_expired, clock=clock)
    for _ in range(20):
        await auth.current()
    assert calls == 1
