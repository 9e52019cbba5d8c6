"""Which events of the log are shown to nobody any more: what they tell of may not be read, though it might be then."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from isthmus.engine.db import Tx

#: Whether an event of the log is hidden.
Hides = Callable[[Mapping[str, Any]], bool]


@dataclass(frozen=True, slots=True)
class Walls:
    """A part: how to ask what is hidden of the events of a transaction's tenant; whoever keeps the records knows."""

    ask: Callable[[Tx], Awaitable[Hides]]


async def hides(parts: Mapping[type, object], tx: Tx) -> Hides:
    """What is hidden from this tenant's people just now."""
    walls = parts.get(Walls)
    return await walls.ask(tx) if isinstance(walls, Walls) else _nothing


def _nothing(event: Mapping[str, Any]) -> bool:  # noqa: ARG001 - a part's form
    return False
