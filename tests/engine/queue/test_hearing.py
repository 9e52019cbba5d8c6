"""A worker of bulk work hears of everything, and looks for its own once for many."""

import asyncio

from isthmus.engine.queue.hearing import Bunched

_CHANGED = '{"channel": "ch_pgqueuer", "type": "table_changed_event", "operation": "insert"}'


async def test_what_is_said_of_the_table_is_passed_on_once_for_all_that_came_meanwhile() -> None:
    heard: list[object] = []
    bunched = Bunched(heard.append, 0.02)
    for _ in range(50):
        bunched(_CHANGED)
    assert heard == []  # none before its time
    await asyncio.sleep(0.05)
    assert heard == [_CHANGED]
    bunched(_CHANGED.encode())
    await asyncio.sleep(0.05)
    assert heard == [_CHANGED, _CHANGED.encode()]  # nothing that comes later is lost


async def test_what_is_said_of_a_single_job_is_passed_on_at_once() -> None:
    heard: list[object] = []
    bunched = Bunched(heard.append, 3600.0)
    for payload in ('{"type": "cancellation_event", "ids": [1]}', b'{"type": "health_check_event"}'):
        bunched(payload)
    assert heard == ['{"type": "cancellation_event", "ids": [1]}', b'{"type": "health_check_event"}']
