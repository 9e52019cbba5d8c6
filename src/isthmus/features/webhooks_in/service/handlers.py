"""Who is told of a delivery besides the built-in reader: functions registered by the program that runs this house."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from isthmus.features.webhooks_in.model.handling import BUILT_IN, RESERVED, Action, OrderedBy, Rule
from isthmus.scope import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a handler is told of a delivery: a hint, whose truth stands at the platform (WH-07).

    `payload` is the body's JSON, or what the source's transformation made of it; `body` is what was sent.
    """

    id: str
    event: str
    provider: str
    topic: str
    connection_id: str | None
    entity: str
    object: str
    account: str
    received_at: datetime
    occurred_at: datetime | None
    attempt: int
    #: Somebody asked to have it worked off once more (security.md WH-13).
    replayed: bool
    payload: Any
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Handler:
    """A function for the events whose name fits a pattern such as `product.*`; called at least once for each.

    priority: lower begins earlier. retries: seconds between attempts, None for those of the settings. ordered_by: one
    delivery after the other within this. seconds: how long one call may take. What the function answers, if it is a
    mapping, is kept as its result.
    """

    name: str
    pattern: str
    function: Callable[[Scope, Told], Awaitable[Mapping[str, Any] | None]]
    priority: int = 100
    retries: tuple[float, ...] | None = None
    ordered_by: OrderedBy | None = None
    seconds: float = 30.0
    #: For the deliveries of one tenant only; None: of all.
    tenant_id: str | None = None

    @property
    def rule(self) -> Rule:
        """As the planner sees it."""
        return Rule(
            name=self.name, action=Action.CALL, pattern=self.pattern, priority=self.priority, retries=self.retries,
            ordered_by=self.ordered_by,
        )  # fmt: skip


class Handlers:
    """All of them, in one process; a part that the composition root provides."""

    def __init__(self, every: Iterable[Handler] = ()) -> None:
        self._every: dict[tuple[str | None, str], Handler] = {}
        for one in every:
            self.add(one)

    def add(self, one: Handler) -> None:
        """Register a function. Raises ValueError for a name that is taken or reserved."""
        if not one.name or one.name in BUILT_IN or one.name.startswith(RESERVED):
            raise ValueError(f"A handler cannot be named {one.name!r}.")
        if (one.tenant_id, one.name) in self._every:
            raise ValueError(f"There is a handler named {one.name!r} already.")
        self._every[one.tenant_id, one.name] = one

    def remove(self, tenant_id: str | None, name: str) -> bool:
        """Forget a function; whether there was one of this name."""
        return self._every.pop((tenant_id, name), None) is not None

    def of(self, tenant_id: str) -> list[Handler]:
        """Those for a tenant's deliveries."""
        return [one for one in self._every.values() if one.tenant_id in (None, tenant_id)]


def handlers(scope: Scope, tenant_id: str) -> Sequence[Handler]:
    """Those of this process for a tenant's deliveries."""
    given = scope.engine.parts.get(Handlers)
    return given.of(tenant_id) if isinstance(given, Handlers) else ()
