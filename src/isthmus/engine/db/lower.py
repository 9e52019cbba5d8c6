"""The lower lane: what is heavy goes over connections of its own, and lets others by (security.md RL-08, RL-12)."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Gate = Callable[[], Awaitable[None]]


async def _at_once() -> None:
    """Nobody has to be let by."""


_GATE = ContextVar[Gate | None]("gate", default=None)


@contextmanager
def lower_lane(gate: Gate = _at_once) -> Iterator[None]:
    """What is opened within goes over the connections that step back for others, where there are such.

    gate: waits until others have gone by; asked when rows have come and before anything is made of them.
    """
    before = _GATE.set(gate)
    try:
        yield
    finally:
        _GATE.reset(before)


def gate() -> Gate | None:
    """What waits until others have gone by; None where this is no lower lane."""
    return _GATE.get()
