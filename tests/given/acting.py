"""A shop whose orders are acted on: orders as they are read, actions on them, and what took effect in the sandbox."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count

from tests.given.connectors import played

from isthmus.connect.acting import Action, ActionKind, ActsOnOrders
from isthmus.connect.conformance.stage import Play
from isthmus.connect.shapes import Order
from isthmus.connect.spi import ReadsOne, ReadsOrders, Session
from isthmus.connect.writing import Outcome
from isthmus.sandbox import Shop

_keys = count(1)


@dataclass
class Counter:
    """A connector in a session of a shop on its sandbox."""

    play: Play
    shop: Shop
    session: Session

    @property
    def acts(self) -> ActsOnOrders:
        assert isinstance(self.play.connector, ActsOnOrders)
        return self.play.connector

    async def order(self, key: str) -> Order:
        """An order, read anew."""
        connector = self.play.connector
        assert isinstance(connector, ReadsOne)
        raw = await connector.fetch(self.session, "orders", key)
        assert raw is not None
        assert isinstance(connector, ReadsOrders)
        return connector.map_order(raw, self.session.account)

    async def placed(self, state: str = "paid", **facts: str) -> Order:
        """A new order that was brought into a state."""
        key = self.shop.place_order()
        if facts:
            self.shop.book().act(key, self.shop.clock.unix(), None, **facts)
        if state != "paid":
            self.shop.move_order(key, state)
        return await self.order(key)

    def action(self, kind: ActionKind, order: Order, *lines: str, reason: str = "", **details: str) -> Action:
        """An action with a key of its own."""
        return Action(f"act_{next(_keys)}", kind, order, lines, reason, details)

    async def done(self, action: Action) -> Sequence[Outcome]:
        """Do what is allowed, and see that the order read anew shows it and that it could not be seen before."""
        assert self.acts.check(action) == ""
        assert self.acts.shows(action, action.order) is False
        outcomes = await self.acts.act(self.session, action)
        assert self.acts.shows(action, await self.order(action.order.external_id)) is True
        return outcomes

    def effects(self, field: str) -> list[str]:
        """The objects that something was done with, in turn."""
        return [one.object for one in self.shop.effects.of(None, field)]

    def calls(self, path: str) -> int:
        """How many requests a path has seen."""
        return sum(record.path.endswith(path) for record in self.shop.recording.requests)


@asynccontextmanager
async def acting(name: str) -> AsyncIterator[Counter]:
    """A connector at work on the main shop."""
    async with played(name, 20) as (play, shop):
        granted = (await play.connect())[0]
        async with play.session(granted) as opened:
            yield Counter(play, shop, opened)
