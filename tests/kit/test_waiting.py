"""Whatever comes first ends the wait, and nothing of it stays behind."""

import asyncio

import pytest

from isthmus.kit.waiting import first_of


@pytest.mark.parametrize("which", [0, 1])
async def test_one_of_several_events_is_enough(which: int) -> None:
    events = [asyncio.Event(), asyncio.Event()]
    before = asyncio.all_tasks()
    waiting = asyncio.create_task(first_of(*events, None))
    await asyncio.sleep(0)
    assert not waiting.done()
    events[which].set()
    await asyncio.wait_for(waiting, 10)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


async def test_the_time_is_enough_too() -> None:
    never = asyncio.Event()
    await asyncio.wait_for(first_of(never, seconds=0.001), 10)
    assert not never.is_set()
