"""Who is told of a delivery besides the built-in reader: functions registered by the program that runs this house."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from isthmus.scope import Scope


@dataclass(frozen=True, slots=True)
class Told:
    """What a handler is told; the rest it reads from the log, and the truth from the platform (WH-07)."""

    id: str
    event: str
    connection_id: str | None
    entity: str


@dataclass(frozen=True, slots=True)
class Handler:
    """A function for the events whose name fits a pattern such as `product.*`; called at least once for each."""

    name: str
    pattern: str
    function: Callable[[Scope, Told], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Handlers:
    """All of them; a part that the composition root may provide."""

    every: Sequence[Handler] = ()


def handlers(scope: Scope) -> Sequence[Handler]:
    """Those of this process."""
    given = scope.engine.parts.get(Handlers)
    return given.every if isinstance(given, Handlers) else ()
