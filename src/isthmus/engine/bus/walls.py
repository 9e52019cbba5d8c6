"""Which events of the log are shown to nobody any more: what they tell of may not be read, though it might be then."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from isthmus.engine.db import Tx

#: Whether an event of the log is hidden.
Hides = Callable[[Mapping[str, Any]], bool]


@dataclass(frozen=True, slots=True)
class Walls:
    """A part: how to ask what is hidden of the events of some tenants; whoever keeps the records knows."""

    ask: Callable[[Tx, Collection[str]], Awaitable[Mapping[str, Hides]]]


async def hides(parts: Mapping[type, object], tx: Tx) -> Hides:
    """What is hidden from the people of the transaction's tenant just now."""
    own = tx.tenant_id or ""
    return (await hides_of(parts, tx, [own]))[own]


async def hides_of(parts: Mapping[type, object], tx: Tx, tenants: Collection[str]) -> Mapping[str, Hides]:
    """The same for several tenants, each of which has an answer; as the system."""
    walls = parts.get(Walls)
    found = await walls.ask(tx, tenants) if isinstance(walls, Walls) and tenants else {}
    return {tenant_id: found.get(tenant_id, _nothing) for tenant_id in tenants}


def _nothing(event: Mapping[str, Any]) -> bool:  # noqa: ARG001 - a part's form
    return False
