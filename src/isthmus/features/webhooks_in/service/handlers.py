"""Who is told of a delivery besides the built-in reader: functions registered by the program that runs this house."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from isthmus.features.webhooks_in.model.handling import BUILT_IN, RESERVED, Action, OrderedBy, Rule
from isthmus.kit import text
from isthmus.scope import Scope

_LONGEST = 200
_MOST = 200


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
    """A function for a tenant's events whose name fits a pattern such as `product.*`; called at least once for each.

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
    tenant_id: str = field(kw_only=True)

    @property
    def rule(self) -> Rule:
        """As the planner sees it."""
        return Rule(
            name=self.name, action=Action.CALL, pattern=self.pattern, priority=self.priority, retries=self.retries,
            ordered_by=self.ordered_by,
        )  # fmt: skip


class Handlers:
    """All of them, in one process; a part that the composition root provides.

    Each is written down once, so that every process plans for it, and `changed` is set when there is something to
    write. What was retired meanwhile is called no more until it is registered anew.
    """

    def __init__(self, every: Iterable[Handler] = ()) -> None:
        self._every: dict[tuple[str, str], Handler] = {}
        self._written: dict[tuple[str, str], bool] = {}
        self.changed, self.any = asyncio.Event(), asyncio.Event()
        #: The addresses whose wake-ups this process takes.
        self.taken: set[str] = set()
        for one in every:
            self.add(one)

    def add(self, one: Handler) -> None:
        """Register a function. Raises ValueError for a name that is taken or reserved, and for too many."""
        sound = one.name == text.storable(one.name) and len(one.name) <= _LONGEST
        if not one.name or not sound or one.name in BUILT_IN or one.name.startswith(RESERVED):
            raise ValueError(f"A handler cannot be named {one.name!r}.")
        if not one.pattern or one.pattern != text.storable(one.pattern) or len(one.pattern) > _LONGEST:
            raise ValueError(f"{one.pattern!r} is no pattern such as order.* or *.")
        if (one.tenant_id, one.name) in self._every:
            raise ValueError(f"There is a handler named {one.name!r} already.")
        if len(self._every) >= _MOST:
            raise ValueError(f"There are {_MOST} handlers already: widen the pattern of one of them.")
        self._every[one.tenant_id, one.name] = one
        self.changed.set()
        self.any.set()

    def remove(self, tenant_id: str, name: str) -> bool:
        """Forget a function; whether there was one of this name."""
        self._written.pop((tenant_id, name), None)
        self.changed.set()
        return self._every.pop((tenant_id, name), None) is not None

    def of(self, tenant_id: str) -> list[Handler]:
        """Those for a tenant's deliveries, but what was retired."""
        return [one for key, one in self._every.items() if one.tenant_id == tenant_id and self._written.get(key, True)]

    @property
    def unwritten(self) -> dict[str, list[Handler]]:
        """What is not written down yet, by the tenant."""
        return self._by_tenant(lambda key: key not in self._written)

    @property
    def written(self) -> dict[str, list[Handler]]:
        """What is written down and was not retired, by the tenant."""
        return self._by_tenant(lambda key: self._written.get(key, False))

    def note(self, several: Sequence[Handler], *, retired: bool = False) -> None:
        """These are written down, or were retired by somebody."""
        for one in several:
            if self._every.get((one.tenant_id, one.name)) is one:
                self._written[one.tenant_id, one.name] = not retired

    def _by_tenant(self, wanted: Callable[[tuple[str, str]], bool]) -> dict[str, list[Handler]]:
        found: dict[str, list[Handler]] = {}
        for key, one in self._every.items():
            if wanted(key):
                found.setdefault(one.tenant_id, []).append(one)
        return found


def handlers(scope: Scope, tenant_id: str) -> Sequence[Handler]:
    """Those of this process for a tenant's deliveries."""
    given = scope.engine.parts.get(Handlers)
    return given.of(tenant_id) if isinstance(given, Handlers) else ()
