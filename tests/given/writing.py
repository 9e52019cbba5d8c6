"""A shop to write to: its listings as they are read, edits of them, and what the sandbox then holds."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

import msgspec
from tests.given.connectors import played

from isthmus.client import ClientError
from isthmus.connect.conformance.stage import REDIRECT, Play
from isthmus.connect.shapes import Listing, Variant
from isthmus.connect.spi import Granted, ReadsOne, Session, Window
from isthmus.connect.writing import Edit, EditField, EditValue, Outcome, Result, Writes, value_of
from isthmus.sandbox import Effect, Shop

_keys = count(1)


def edit(
    listing: Listing, field: EditField, value: EditValue, variant: Variant | None = None, location: str = ""
) -> Edit:
    """An edit with a key of its own."""
    return Edit(f"k{next(_keys)}", field, value, listing, variant, location)


#: What stands in the place of any field of an answer.
HOSTILE: tuple[object, ...] = (
    None,
    True,
    -1,
    1.5,
    "",
    "x",
    "\x00",
    [],
    {},
    [None],
    [[]],
    [{"a": 1}],
    {"a": {"b": []}},
    "9" * 400,
)


def spoiled(answer: object) -> Iterator[dict[str, object]]:
    """The answer with each of its places holding something else in turn."""
    tree = msgspec.json.decode(msgspec.json.encode(answer))
    for holder, key in list(_places(tree)):
        before = holder[key]
        for value in HOSTILE:
            holder[key] = value
            yield msgspec.json.decode(msgspec.json.encode(tree))
        holder[key] = before


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    pairs = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in list(pairs):
        yield tree, key
        yield from _places(value)


@dataclass
class Desk:
    """A connector in a session of a shop on its sandbox."""

    play: Play
    shop: Shop
    session: Session

    @property
    def writer(self) -> Writes:
        assert isinstance(self.play.connector, Writes)
        return self.play.connector

    async def listings(self) -> list[Listing]:
        """Every listing of the shop, read anew."""
        found: list[Listing] = []
        cursor: str | None = None
        while True:
            page = await self.play.connector.pull_listings(self.session, Window(None, self.session.clock.now()), cursor)
            found += [self.play.connector.map_listing(one, self.session.account) for one in page.records]
            cursor = page.cursor
            if cursor is None:
                return found

    async def again(self, listing: Listing, record: str | None = None) -> Listing:
        """One listing, read anew by the id of its record."""
        assert isinstance(self.play.connector, ReadsOne)
        raw = await self.play.connector.fetch(self.session, "products", record or listing.external_id)
        assert raw is not None
        return self.play.connector.map_listing(raw, self.session.account)

    async def shows(self, one: Edit, record: str | None = None) -> EditValue:
        """What the shop shows now where the edit is."""
        writing = self.play.manifest.writing
        assert writing is not None
        listing = await self.again(one.listing, record)
        variant = one.variant.external_id if one.variant is not None else ""
        return value_of(listing, variant, one.field, one.location, writing.price)

    async def write(self, *edits: Edit) -> dict[str, Outcome]:
        """Send edits in the connector's batches; the outcomes by the edits' keys."""
        found: dict[str, Outcome] = {}
        for batch in self.writer.batches(edits, self.session.account):
            outcomes = await self.writer.write(self.session, batch)
            assert sorted(one.key for one in outcomes) == sorted(one.key for one in batch)
            found |= {one.key: one for one in outcomes}
        return found

    async def done(self, *edits: Edit) -> None:
        """The same, and the platform takes them all."""
        refused = [one for one in (await self.write(*edits)).values() if one.result is not Result.DONE]
        assert not refused, refused

    async def one(self, edit: Edit) -> Outcome:
        """Send one edit."""
        return (await self.write(edit))[edit.key]

    async def survives(self, path: str, answer: object, *edits: Edit, status: int = 200) -> None:
        """Whatever an answer holds, there is an outcome for each edit or a client error."""
        for body in spoiled(answer):
            self.shop.faults.add(f"*{path}", "replace", 1, status=status, body=body)
            try:
                await self.write(*edits)
            except ClientError:
                self.shop.clock.advance(600)
            finally:
                self.shop.faults.clear()

    def calls(self, path: str) -> int:
        """How many requests a path has seen."""
        return sum(record.path.endswith(path) for record in self.shop.recording.requests)

    def effects(self, path: str = "") -> Sequence[Effect]:
        """What took effect by calls of a path."""
        return [one for one in self.shop.effects.of() if one.route.endswith(path)]


@asynccontextmanager
async def writing(name: str, products: int = 60, account: str | None = None) -> AsyncIterator[Desk]:
    """A connector at work on the main shop, or on the first shop that signing in as `account` gives."""
    async with played(name, products) as (play, shop):
        granted = (await play.connect())[0] if account is None else (await _as(play, account))[0]
        async with play.session(granted) as opened:
            yield Desk(play, shop, opened)


async def _as(play: Play, account: str) -> Sequence[Granted]:
    callback = play.connector.read_callback(await play.callback(account), REDIRECT)
    async with play.plain() as client:
        return await play.connector.exchange(play.stage.app, callback, client, play.stage.clock)
