"""What else moves in the stream of runs; whoever has such a thing says so."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from isthmus.scope import Scope, Tx


@dataclass(frozen=True, slots=True)
class Moved:
    """Something beside runs that has moved: its event's name, and how it is shown."""

    id: str
    changed_at: datetime
    kind: str
    shown: object


@dataclass(frozen=True, slots=True)
class Besides:
    """A part: how to ask what has moved since a moment of the database's clock, in its order, at most so many."""

    ask: Callable[[Scope, Tx, datetime, int], Awaitable[Sequence[Moved]]]


async def moved(scope: Scope, tx: Tx, since: datetime, limit: int) -> Sequence[Moved]:
    """What has moved beside runs; nothing where nobody has such a thing."""
    besides = scope.engine.parts.get(Besides)
    return await besides.ask(scope, tx, since, limit) if isinstance(besides, Besides) else ()
