"""The one handle below HTTP: who acts, for which tenant, when, and the door to a transaction.

A scope is not a transaction. `async with scope.tx() as tx` opens one; events and wake-ups exist only on it, so that a
fact and its cause are one commit (security.md PR-03, AU-01).
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import TracebackType
from typing import TypeVar

from isthmus.engine import db
from isthmus.engine.bus import Bus, Envelope
from isthmus.engine.queue import Queue
from isthmus.kit import ids
from isthmus.kit.clock import SYSTEM, Clock
from isthmus.kit.errors import Conflict
from isthmus.kit.etags import Seen
from isthmus.kit.events import Event
from isthmus.kit.permissions import PLATFORM_TENANT, Principal, system

T = TypeVar("T")
#: Rows that are removed in one transaction, and how many of these follow one another.
_BATCH, _BATCHES = 1_000, 100


@dataclass(frozen=True, slots=True)
class Engine:
    """The engines that a scope reaches, and the parts that `app.py` put together, by their type."""

    database: db.Database
    bus: Bus
    queue: Queue
    parts: Mapping[type, object] = field(default_factory=dict)

    def part(self, kind: type[T]) -> T:
        """The part of this type, such as a room's settings or the provider registry. Raises KeyError."""
        found = self.parts[kind]
        assert isinstance(found, kind)  # noqa: S101 - app.py keys each part by its own type
        return found


class Tx(db.Tx):
    """An open transaction of one scope: statements, facts through `emit`, wake-ups through `enqueue`."""

    __slots__ = ("_events", "_scope")

    def __init__(self, opening: db.Opening, scope: "Scope") -> None:
        super().__init__(opening)
        self._scope = scope
        self._events: list[Event] = []

    def emit(self, *events: Event) -> None:
        """Write these facts to the event log with this transaction's commit, in one statement."""
        self._events.extend(events)

    async def enqueue(self, job: str, key: str, *, after: timedelta | None = None) -> None:
        """Wake `job` for `key` once this transaction has committed. A wake-up carries no data."""
        await self._scope.engine.queue.enqueue(self, job, key, tenant_id=self._scope.tenant_id, after=after)

    @property
    def has_emitted(self) -> bool:
        """Whether facts wait to be written."""
        return bool(self._events)

    async def flush(self) -> list[str]:
        """Write what was emitted so far, and answer its ids; the scope calls it before the commit."""
        events, self._events = self._events, []
        return await self._scope.engine.bus.append(self, events, self._scope.envelope) if events else []


class _ScopeTx(AbstractAsyncContextManager[Tx]):
    """A scope's transaction; a class, because a generator costs each small read more than its commit."""

    __slots__ = ("_opening", "_scope", "_tx")

    def __init__(self, scope: "Scope") -> None:
        self._opening = scope.engine.database.tenant(scope.tenant_id)
        self._scope = scope
        self._tx: Tx | None = None

    async def __aenter__(self) -> Tx:
        await self._opening.__aenter__()
        self._tx = Tx(self._opening, self._scope)
        return self._tx

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None and self._tx is not None and self._tx.has_emitted:
            try:
                await self._tx.flush()
            except BaseException as failure:
                await self._opening.__aexit__(type(failure), failure, failure.__traceback__)
                raise
        await self._opening.__aexit__(kind, error, trace)


@dataclass(frozen=True, slots=True)
class Scope:
    """One tenant, one principal, one moment of work."""

    tenant_id: str
    principal: Principal
    engine: Engine
    clock: Clock = SYSTEM
    request_id: str = ""
    address: str = ""
    route: str = ""
    #: What a change that this request asks for may be made to; None: whatever there is.
    seen: Seen | None = None

    @property
    def now(self) -> datetime:
        """The time, aware, UTC."""
        return self.clock.now()

    @property
    def envelope(self) -> Envelope:
        """Who and where from, as the audit log keeps it."""
        who = self.principal
        return Envelope(who.id, self.address, self.request_id, self.route, who.on_behalf_of)

    def part(self, kind: type[T]) -> T:
        """A part that the composition root provides: settings, registry, key ring."""
        return self.engine.part(kind)

    def platform(self) -> "Scope":
        """The same work for the deployment's own tenant, which holds app registrations; callers are listed by name."""
        return replace(self, tenant_id=PLATFORM_TENANT)

    def id(self, prefix: str) -> str:
        """A fresh id with this prefix."""
        return ids.new(prefix, self.clock)

    def having_seen(self, tag: str) -> "Scope":
        """The same work, for what has this tag and no other: a request may name it in its body too."""
        return replace(self, seen=(self.seen or Seen(anything=True)).narrowed(tag))

    def check_seen(self, present: str | None, conflict: type[Conflict]) -> None:
        """Stop a change of what the caller has read otherwise (MA-04). Raises `conflict` with the `present` tag.

        To be called in the transaction that makes the change, with the tag of what it holds locked; None where nothing
        is there.
        """
        if self.seen is not None and not self.seen.fits(present):
            raise conflict(details={"etag": present})

    def tx(self) -> AbstractAsyncContextManager[Tx]:
        """A transaction as the tenant, behind row-level security; commits on a clean exit only."""
        return _ScopeTx(self)


@dataclass(frozen=True, slots=True)
class System:
    """The platform's own hand, for statements that span tenants by nature; the house check lists who uses it."""

    engine: Engine
    clock: Clock = SYSTEM

    @property
    def now(self) -> datetime:
        """The time, aware, UTC."""
        return self.clock.now()

    def tx(self) -> AbstractAsyncContextManager[db.Tx]:
        """A transaction that sees every tenant."""
        return self.engine.database.system()

    async def forget(self, some: Callable[[db.Tx, datetime, int], Awaitable[int]], before: datetime) -> None:
        """Remove what is older in short transactions; `some` removes so many at most and tells how many there were.

        What is left after a hundred of them goes next time.
        """
        for _ in range(_BATCHES):
            async with self.tx() as tx:
                gone = await some(tx, before, _BATCH)
            if gone < _BATCH:
                return

    def scope(self, tenant_id: str, part: str) -> Scope:
        """A scope for work that no person started; `part` names the room that does it."""
        return Scope(tenant_id, system(tenant_id, part), self.engine, self.clock)

    def scopes(self, tenant_ids: Iterable[str], part: str) -> list[Scope]:
        """One scope for each tenant."""
        return [self.scope(tenant_id, part) for tenant_id in tenant_ids]
