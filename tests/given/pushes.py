"""A far side of tests that takes edits, with bad days on demand, and a scope whose pushes go there."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

import msgspec
from tests.given import records as given

from isthmus.client import (
    CallerMistake,
    ClientError,
    ConnectFailed,
    Disconnected,
    ReauthorizationRequired,
    Throttled,
    TokenRejected,
)
from isthmus.connect.abilities import EditField, Writing
from isthmus.connect.edits import Edit, EditValue, Outcome, Result, edited, value_of
from isthmus.connect.shapes import Listing
from isthmus.connect.spi import RawRecord
from isthmus.engine.db import Database
from isthmus.features import pushes, records
from isthmus.features.pushes.service import sending
from isthmus.features.pushes.settings import Settings
from isthmus.kit.clock import ManualClock
from isthmus.scope import Scope

_DECODER = msgspec.json.Decoder(Listing)
Day = Literal[
    "good", "refused", "locked", "stale", "lost", "dropped", "unreachable", "throttled", "expired", "rejected", "died"
]


class Died(BaseException):
    """The worker ends here, as a killed process does."""


@dataclass
class Far:
    """A marketplace of one connection: its listings, and every write that took effect, by the edit's key.

    `days` are the moods of the next writing calls, a good one when they have run out: `lost` never arrives, `dropped`
    takes effect and is not answered, and with `died` our own process ends before the answer. `picky` values are refused
    and take the whole call with them.
    """

    clock: ManualClock
    listings: dict[str, Listing] = field(default_factory=dict)
    effects: list[tuple[str, EditField, EditValue]] = field(default_factory=list)
    #: The same by listing and field, with the changes that somebody made over there, whose key is empty.
    story: dict[tuple[str, EditField], list[str]] = field(default_factory=dict)
    #: The keys of every call, those that never arrived too.
    keys: list[list[str]] = field(default_factory=list)
    days: list[Day] = field(default_factory=list)
    picky: set[EditValue] = field(default_factory=set)
    calls: int = 0
    looks: int = 0
    batch: int = 3
    blind: bool = False
    #: Whether a look at the connection takes a transaction of its own, as in the house.
    about_asks: bool = False
    about: pushes.About = field(default_factory=lambda: pushes.About("con_one", "shelf", Writing(tuple(EditField))))
    reading: bytes = given.READING

    def now(self) -> datetime:
        """The far side's clock."""
        return self.clock.now()

    def batches(self, edits: Sequence[Edit]) -> Sequence[Sequence[Edit]]:
        """A few at a time."""
        return [edits[at : at + self.batch] for at in range(0, len(edits), self.batch)]

    async def write(self, batch: Sequence[Edit]) -> Sequence[Outcome]:
        """One call, by the mood of the day."""
        self.calls += 1
        self.keys.append([edit.key for edit in batch])
        day = self.days.pop(0) if self.days else "good"
        if (failure := _failure(day)) is not None:
            raise failure
        if any(edit.value in self.picky for edit in batch):
            raise CallerMistake("the call is refused as a whole", code="picky")
        told = [self._take(edit, day) for edit in batch]
        if day == "died":
            raise Died
        if day == "dropped":
            raise Disconnected(sent=True)
        return told

    def _take(self, edit: Edit, day: Day) -> Outcome:
        if day == "refused":
            return Outcome(edit.key, Result.REFUSED, "no_way", "This value is not taken.")
        if day == "locked":
            return Outcome(edit.key, Result.LOCKED, "campaign", "A campaign runs.")
        if day == "stale":
            return Outcome(edit.key, Result.STALE)
        known = self.listings[edit.listing.external_id]
        self._put(edited(known, replace(edit, listing=known), "list"))
        self.effects.append((edit.key, edit.field, edit.value))
        self.story.setdefault((edit.listing.external_id, edit.field), []).append(edit.key)
        return Outcome(edit.key)

    def _put(self, listing: Listing) -> None:
        self.clock.advance(1)
        self.listings[listing.external_id] = msgspec.structs.replace(listing, platform_updated_at=self.clock.now())

    def edit(self, external_id: str, field_: EditField, value: EditValue) -> None:
        """Somebody changes a listing over there."""
        self.story.setdefault((external_id, field_), []).append("")
        listing = self.listings[external_id]
        variant = (
            None if field_ in (EditField.TITLE, EditField.DESCRIPTION, EditField.PUBLISHED) else listing.variants[0]
        )
        self._put(edited(listing, Edit("there", field_, value, listing, variant), "list"))

    def value(self, external_id: str, field_: EditField) -> EditValue:
        """What buyers see."""
        return value_of(
            self.listings[external_id], self.listings[external_id].variants[0].external_id, field_, "", "list"
        )

    async def fetch(self, external_id: str) -> RawRecord | None:
        """One listing as it stands."""
        self.looks += 1
        if self.blind:
            raise ConnectFailed
        known = self.listings.get(external_id)
        return None if known is None else RawRecord(external_id, msgspec.json.encode(known))

    def map(self, record: RawRecord) -> Listing:
        """What `fetch` wrote."""
        return _DECODER.decode(record.payload)


def _failure(day: Day) -> ClientError | None:
    made: Mapping[str, ClientError] = {
        "lost": Disconnected(sent=True),
        "unreachable": ConnectFailed(),
        "throttled": Throttled("slow down", code="busy"),
        "expired": ReauthorizationRequired("no such token"),
        "rejected": TokenRejected("a fresh token is refused", code="dead"),
    }
    return made.get(day)


@dataclass
class Given:
    """A merchant's scope, the far side of their connection, and the clock of both."""

    scope: Scope
    far: Far
    clock: ManualClock

    async def stock(self, *listings: Listing) -> dict[str, str]:
        """Put listings at the far side and into the store; our ids by the external ones."""
        for one in listings:
            self.far.listings[one.external_id] = msgspec.structs.replace(one, platform_updated_at=self.clock.now())
        return await self.read()

    async def read(self) -> dict[str, str]:
        """Take what the far side shows into the store, as a run does."""
        raws = [(msgspec.json.encode(one), one) for one in self.far.listings.values()]
        async with self.scope.tx() as tx:
            items = [records.item(one, raw, records.raw_hash(raw, given.READING)) for raw, one in raws]
            await records.write_listings(tx, self.scope, given.Origin(), items)
            rows = await tx.fetch_sql("select external_id, id from listings where tenant_id = $1", self.scope.tenant_id)
        return {row["external_id"]: row["id"] for row in rows}

    async def want(self, listing_id: str, field_: EditField, value: object, **more: object) -> str:
        """Want one value; the push's id."""
        return await pushes.want(self.scope, [pushes.Want(listing_id, field_, value, **more)])  # type: ignore[arg-type]

    async def work(self) -> bool:
        """One worker at work; whether it lived to the end."""
        try:
            await sending.work(self.scope, "con_one")
        except Died:
            await self.expire()
            return False
        return True

    def on(self, database: Database) -> Scope:
        """The same scope on another pool."""
        return replace(self.scope, engine=replace(self.scope.engine, database=database))

    async def expire(self) -> None:
        """The leases of the dead have run out."""
        async with self.scope.tx() as tx:
            await tx.execute_sql("update edits set lease_until = null where tenant_id = $1", self.scope.tenant_id)

    async def settle(self, rounds: int = 20) -> None:
        """Work and wait until nothing is left that only takes time."""
        for _ in range(rounds):
            await self.work()
            self.clock.advance(timedelta(hours=9).total_seconds())

    async def edits(self) -> list[dict[str, object]]:
        """What lives."""
        async with self.scope.tx() as tx:
            rows = await tx.fetch_sql("select * from edits where tenant_id = $1 order by id", self.scope.tenant_id)
        return [dict(row) for row in rows]

    async def shown(self, listing_id: str, field_: EditField) -> EditValue:
        """What our store shows."""
        async with self.scope.tx() as tx:
            whole = (await records.wholes(tx, [listing_id]))[listing_id]
        return value_of(whole.listing, whole.listing.variants[0].external_id, field_, "", "list")


def given_pushes(database: Database, tenant_id: str = "ten_one") -> Given:
    """A merchant whose only connection is a far side of tests."""
    clock = ManualClock(datetime(2026, 11, 5, 12, tzinfo=UTC))
    far = Far(clock)

    async def about(asking: Scope, connection_id: str) -> pushes.About:
        if far.about_asks:
            async with asking.tx() as tx:
                await tx.fetch_sql("select 1")
        return far.about

    @asynccontextmanager
    async def opened(asking: Scope, connection_id: str) -> AsyncIterator[Far]:
        yield far

    async def admit(tx: object, connection_id: str) -> None:
        """Products may pass."""

    parts = {pushes.Shops: pushes.Shops(about, opened, admit), Settings: Settings()}
    return Given(given.scope(given.engine(database, parts), tenant_id, clock), far, clock)
