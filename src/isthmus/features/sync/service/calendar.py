"""When connections are read next; whoever keeps schedules says so."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from isthmus.scope import Scope

#: The next time by connection and entity.
Times = Mapping[tuple[str, str], datetime]


@dataclass(frozen=True, slots=True)
class Calendar:
    """A part: how to ask for the next times of a tenant's connections."""

    ask: Callable[[Scope], Awaitable[Times]]


async def next_times(scope: Scope) -> Times:
    """The next time of each connection and entity; empty where nobody keeps schedules."""
    calendar = scope.engine.parts.get(Calendar)
    return await calendar.ask(scope) if isinstance(calendar, Calendar) else {}
