"""How many connections a tenant has to one host, and who has the next one (security.md RL-05)."""

import asyncio

import pytest

from isthmus.features.connections.service import hosts
from isthmus.features.connections.service.hosts import HostFull, Hosts

A, B = ("ten_a", "api.example"), ("ten_b", "api.example")


async def _settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_RL_05_a_call_beyond_the_bound_waits_and_those_that_wait_have_their_turns_in_order() -> None:
    made = Hosts(2, int)
    order: list[int] = []

    async def call(number: int) -> None:
        await made.enter(A)
        order.append(number)

    for number in range(5):
        asyncio.create_task(call(number)).add_done_callback(lambda _: None)
    await _settled()
    assert (order, made.counts()) == ([0, 1], {"ten_a": 2})
    await made.enter(B)
    await made.enter(("ten_a", "other.example"))
    assert made.counts() == {"ten_a": 2, "ten_b": 1}
    made.leave(A)
    await _settled()
    assert order == [0, 1, 2]
    for _ in range(4):
        made.leave(A)
        await _settled()
    assert order == [0, 1, 2, 3, 4]
    made.leave(B)
    made.leave(("ten_a", "other.example"))
    assert made.counts() == {}


async def test_whoever_waits_too_long_is_refused_and_whoever_leaves_the_line_keeps_nobody_else_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hosts, "_PATIENCE", 0.02)
    made = Hosts(1, int)
    await made.enter(A)
    with pytest.raises(HostFull) as refused:
        await made.enter(A)
    assert (refused.value.kind, refused.value.sent, refused.value.retry_after) == ("host_full", False, 1.0)
    monkeypatch.setattr(hosts, "_PATIENCE", 60.0)
    gone, next_ = asyncio.create_task(made.enter(A)), asyncio.create_task(made.enter(A))
    await _settled()
    made.leave(A)
    gone.cancel()  # in the moment in which it has been let in
    await asyncio.wait({gone})
    async with asyncio.timeout(5):
        await next_
    made.leave(A)
    assert made.counts() == {}


async def test_RL_05_a_share_that_shrinks_counts_for_the_next_calls_and_none_is_no_bound() -> None:
    share = [4]
    made = Hosts(8, lambda _: share[0])
    for _ in range(4):
        await made.enter(A)
    share[0] = 2
    waiting = asyncio.create_task(made.enter(A))
    for _ in range(2):
        made.leave(A)
        await _settled()
        assert not waiting.done(), "two are under way still"
    made.leave(A)
    await waiting
    free = Hosts(0, int)
    for _ in range(200):
        await free.enter(A)
    assert free.counts() == {"ten_a": 200}
