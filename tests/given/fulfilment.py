"""A platform of tests that outlives killed workers: what it did stands in a file, one line for each effect."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.given import keys
from tests.given import orders as given_orders
from tests.given import records as given_records
from tests.given import sync as given_sync

from isthmus.client import CallerMistake
from isthmus.connect.abilities import Acting
from isthmus.connect.acting import Action, ActionKind, WrongDetail
from isthmus.connect.shapes import Order, OrderStatus
from isthmus.connect.spi import Session
from isthmus.connect.writing import Outcome
from isthmus.engine.db import Database
from isthmus.features import fulfilment, orders, sync
from isthmus.features.connections import ConnectionNotFound
from isthmus.features.fulfilment import Asked
from isthmus.features.fulfilment.settings import Settings
from isthmus.features.vault import Vault
from isthmus.kit.paging import Ask
from isthmus.scope import Scope, Tx

QUICK = Settings(
    lease=timedelta(milliseconds=30),
    heartbeat=timedelta(hours=1),
    settle=timedelta(0),
    backoff=timedelta(milliseconds=1),
    max_backoff=timedelta(milliseconds=2),
    max_deaths=1_000,
)
PACK = ActionKind.PACK
ALL = Ask(limit=100)
READY, SENT = OrderStatus.READY_TO_FULFIL, OrderStatus.READY_TO_SHIP


async def _nothing() -> None:
    """What happens before an effect, or behind it: nothing."""


@dataclass
class Platform:
    """Orders that can be packed once: a second request is refused and does no harm, unless it is `careless`."""

    place: Path
    before: Callable[[], Awaitable[None]] = _nothing
    behind: Callable[[], Awaitable[None]] = _nothing
    careless: bool = False
    blind: bool = False
    asked: list[str] = field(default_factory=list)

    def begin(self) -> None:
        """Forget what was done."""
        self.place.unlink(missing_ok=True)

    def effects(self) -> list[str]:
        """The orders that something was done with, in turn."""
        return self.place.read_text().split() if self.place.exists() else []

    def check(self, action: Action) -> str:
        if action.details.get("trackingNumber") == "wrong":
            raise WrongDetail("details.trackingNumber", "That is no number.")
        return "" if action.order.status is READY else f"The order is {action.order.status}."

    async def act(self, session: Session | None, action: Action) -> Sequence[Outcome]:  # noqa: ARG002 - the protocol's
        self.asked.append(action.order.external_id)
        await self.before()
        if action.order.external_id in self.effects() and not self.careless:
            raise _Refused
        with self.place.open("a") as effects:
            effects.write(f"{action.order.external_id}\n")
        await self.behind()
        return [Outcome(action.key)]

    def shows(self, action: Action, order: Order) -> bool | None:  # noqa: ARG002 - as above
        return None if self.blind else order.status is SENT


class _Refused(CallerMistake):
    """The platform's own no."""


@dataclass
class _Far:
    platform: Platform

    async def look(self, external_id: str) -> Order | None:
        done = external_id in self.platform.effects()
        return given_orders.order(external_id, status=SENT if done else READY)

    async def act(self, action: Action) -> Sequence[Outcome]:
        return await self.platform.act(None, action)


def scope(database: Database, platform: Platform, **knobs: Any) -> Scope:
    """A merchant's scope whose one connection is this platform."""

    async def facts(asking: Scope, connection_id: str) -> fulfilment.Facts:
        if asking.tenant_id != "ten_one" or connection_id != given_orders.ORIGIN.id:
            raise ConnectionNotFound
        return fulfilment.Facts("shelf", Acting((PACK, ActionKind.TRACK)), platform)

    @asynccontextmanager
    async def opened(asking: Scope, connection_id: str) -> AsyncIterator[fulfilment.Far]:
        yield _Far(platform)

    async def admit(tx: Tx, connection_id: str, facts: fulfilment.Facts) -> None:
        """Nothing is walled here."""

    async def offered(asking: Scope, connection_id: str) -> Sequence[str]:
        return ("orders",)

    made = given_sync.scope(database, {given_orders.ORIGIN.id: given_sync.Till()})
    read: dict[type, object] = {sync.Sources: replace(made.part(sync.Sources), offered=offered)}
    own = {fulfilment.Actors: fulfilment.Actors(facts, opened, admit), Settings: replace(QUICK, **knobs)}
    ours = {Vault: Vault(keys.ring("first")), orders.Settings: orders.Settings()}
    return given_records.scope(given_records.engine(database, {**made.engine.parts, **read, **own, **ours}))


async def ordered(in_scope: Scope, external_id: str = "o1") -> str:
    """An order that waits; our id."""
    await given_orders.write(in_scope, given_orders.order(external_id))
    page = await orders.orders(in_scope, orders.OrderFilter(number=external_id), Ask(limit=1))
    return str(page.items[0]["id"])


async def begun(in_scope: Scope, external_id: str = "o1", **more: Any) -> fulfilment.OrderAction:
    """An action on a new order."""
    return await fulfilment.push(in_scope, await ordered(in_scope, external_id), Asked(PACK, **more))


async def carried(in_scope: Scope, action_id: str, tries: int = 40) -> fulfilment.OrderAction:
    """The action, after workers came until it had ended or was in doubt."""
    for _ in range(tries):
        await fulfilment.work(in_scope, action_id)
        found, _ = await fulfilment.action(in_scope, action_id)
        if found.state not in {"waiting", "sending"} or found.parked:
            return found
        await in_scope.clock.sleep(0.01)
    raise AssertionError(f"it never ended: {found}")
