"""A connector that writes at its emulator's main shop: edits and actions with keys of their own, and their outcomes."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from tests.given.connectors import played, session

from isthmus.connect.acting import Action, ActionKind, ActsOnOrders
from isthmus.connect.shapes import Listing, Order
from isthmus.connect.spi import Connector, Session, Window
from isthmus.connect.writing import OF_VARIANT, Edit, EditField, EditValue, Outcome, Writes, value_of

_NUMBERS = count(1)


def edit(listing: Listing, wanted: EditField, value: EditValue, variant: int = 0, **more: Any) -> Edit:
    """An edit of a listing, or of one of its variants, under a key of its own."""
    sold = listing.variants[variant] if wanted in OF_VARIANT else None
    return Edit(f"edit-{next(_NUMBERS)}", wanted, value, listing, sold, **more)


def action(kind: ActionKind, order: Order, details: Mapping[str, str] | None = None, **more: Any) -> Action:
    """An action on an order under a key of its own."""
    return Action(f"action-{next(_NUMBERS)}", kind, order, details=details or {}, **more)


async def listings(connector: Connector, opened: Session) -> list[Listing]:
    """Everything on the shelf, as the connector reads it."""
    window, cursor, found = Window(None, opened.clock.now()), None, []
    while True:
        page = await connector.pull_listings(opened, window, cursor)
        found += [connector.map_listing(record, opened.account) for record in page.records]
        cursor = page.cursor
        if cursor is None:
            return found


@dataclass
class Scene:
    """A connector at work, with what it read of the shop first."""

    connector: Any
    shop: Any
    session: Session
    listings: Sequence[Listing] = field(default_factory=list)

    async def write(self, *edits: Edit) -> dict[str, Outcome]:
        """Write in the connector's own batches; one outcome for each edit."""
        assert isinstance(self.connector, Writes)
        batches = self.connector.batches(edits, self.session.account)
        told = [one for batch in batches for one in await self.connector.write(self.session, batch)]
        assert sorted(one.key for one in told) == sorted(one.key for one in edits)
        return {one.key: one for one in told}

    async def read(self, listing: Listing) -> Listing:
        """The listing as it is now."""
        record = await self.connector.fetch(self.session, "products", listing.external_id)
        found: Listing = self.connector.map_listing(record, self.session.account)
        return found

    async def shown(self, one: Edit, price: str = "list") -> EditValue:
        """What the far side shows in the field of an edit."""
        variant = one.variant.external_id if one.variant else ""
        return value_of(await self.read(one.listing), variant, one.field, one.location, price)

    async def order(self, key: str) -> Order:
        """One order as it is now."""
        record = await self.connector.fetch(self.session, "orders", key)
        found: Order = self.connector.map_order(record, self.session.account)
        return found

    async def bought(self, state: str = "paid") -> Order:
        """An order of now, brought into a state."""
        key = self.shop.place_order()
        self.shop.move_order(key, state)
        return await self.order(key)

    async def act(self, one: Action) -> list[Outcome]:
        """Do it, once the connector has allowed it."""
        assert isinstance(self.connector, ActsOnOrders)
        assert self.connector.check(one) == ""
        return list(await self.connector.act(self.session, one))


@asynccontextmanager
async def scene(name: str, products: int = 12) -> AsyncIterator[Scene]:
    """The main shop of one platform."""
    async with played(name, products) as (play, shop), session(play) as (opened, granted):
        told = Session(opened.client, opened.app_hosts, granted.account, opened.clock)
        yield Scene(play.connector, shop, told, await listings(play.connector, told))
