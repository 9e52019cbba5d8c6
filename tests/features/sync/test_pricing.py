"""What a buyer pays is right on both sides of every boundary of a sale, without a word from the platform."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest_asyncio
from tests.given import records as given
from tests.house_database import Copy

from isthmus.connect.edits import Edit, EditField, edited
from isthmus.connect.shapes import Listing, ListingStatus, Price, Variant
from isthmus.engine.db import Database
from isthmus.features import records
from isthmus.features.records import ListingFilter
from isthmus.features.sync import service
from isthmus.features.uploads.service.exporting import exported
from isthmus.kit.clock import SYSTEM, ManualClock
from isthmus.kit.paging import Ask
from isthmus.scope import Engine, Scope, System

_HOUR, _TICK = timedelta(hours=1), timedelta(microseconds=1)


@dataclass
class Till:
    """A merchant whose clock stands still until it is moved."""

    engine: Engine
    clock: ManualClock
    scope: Scope
    noon: datetime

    async def at(self, moment: datetime) -> list[str]:
        """The clock says so: what is due is done, and for which connections it was."""
        self.clock.step((moment - self.clock.now()).total_seconds())
        system = System(self.engine, self.clock)
        async with system.tx() as tx:
            due = [one for one in await service.missing(system, tx) if one.job == service.PRICES]
        for wake in due:
            await service.reprice(self.scope, wake.key)
        return [wake.key for wake in due]

    async def shown(self) -> tuple[Any, ...]:
        """What lists, details, products and files say that a buyer pays."""
        (row,) = (await records.listings(self.scope, ListingFilter(), Ask(5))).items
        detail = await records.listing(self.scope, row["id"])
        product = await records.product(self.scope, row["product_id"])
        body = detail.row["body"]["variants"][0]["price"]["current_price"]
        file = b"".join([piece async for piece in exported(self.scope, "ndjson", None)])
        written = msgspec.json.decode(file.splitlines()[0])["variants"][0]["price"]
        return row["price"], str(detail.variants[0]["price"]), str(product.row["price"]), body, written

    async def below(self, price: str) -> int:
        """How many listings a filter by price finds."""
        wanted = ListingFilter(max_price=Decimal(price))
        return len((await records.listings(self.scope, wanted, Ask(5))).items)

    async def told(self) -> int:
        """How many changes of listings were told."""
        return len(await given.events(self.scope, "listing.updated"))


@pytest_asyncio.fixture
async def till(database: Database, copied: Copy) -> AsyncIterator[Till]:
    noon = SYSTEM.now().replace(microsecond=0)
    engine, clock = given.engine(database), ManualClock(noon - _HOUR)
    yield Till(engine, clock, given.scope(engine, clock=clock), noon)
    await given.clear(copied)


def _sold(till: Till, *, current: str = "10.00", ends: datetime | None = None, **more: Any) -> Listing:
    """On sale from noon to one."""
    price = Price("VND", Decimal("10.00"), Decimal(current), Decimal("8.00"), till.noon, ends or till.noon + _HOUR)
    return given.listing("a", Variant("a1", price=price), **more)


def _five(price: str) -> tuple[str, ...]:
    return (price,) * 5


async def test_a_sale_begins_and_ends_by_the_clock_alone(till: Till) -> None:
    await given.write(till.scope, _sold(till))
    assert await till.at(till.noon - _TICK) == []
    assert (await till.shown(), await till.below("9"), await till.told()) == (_five("10.00"), 0, 0)
    assert await till.at(till.noon) == ["con_one"]
    assert (await till.shown(), await till.below("9"), await till.told()) == (_five("8.00"), 1, 1)
    assert await till.at(till.noon + _HOUR) == []
    assert (await till.shown(), await till.told()) == (_five("8.00"), 1)
    assert await till.at(till.noon + _HOUR + _TICK) == ["con_one"]
    assert (await till.shown(), await till.below("9"), await till.told()) == (_five("10.00"), 0, 2)
    assert await till.at(till.noon + 24 * _HOUR) == []


async def test_a_read_behind_the_boundary_finds_nothing_new(till: Till) -> None:
    await given.write(till.scope, _sold(till))
    await till.at(till.noon)
    written = await given.write(till.scope, _sold(till, current="8.00"))
    assert (written.unchanged, written.updated) == (1, 0)
    assert await till.told() == 1


async def test_what_was_read_before_the_boundary_and_written_behind_it_is_put_right(till: Till) -> None:
    await till.at(till.noon + timedelta(seconds=20))
    await given.write(till.scope, _sold(till))
    assert await till.shown() == _five("10.00")
    assert await till.at(till.clock.now()) == ["con_one"]
    assert await till.shown() == _five("8.00")
    assert await till.at(till.clock.now()) == []


async def test_a_sale_that_was_over_when_it_was_missed_changes_nothing(till: Till) -> None:
    await given.write(till.scope, _sold(till))
    assert await till.at(till.noon + 48 * _HOUR) == ["con_one"]
    assert (await till.shown(), await till.told()) == (_five("10.00"), 0)


async def test_what_is_deleted_has_no_sales(till: Till) -> None:
    await given.write(till.scope, _sold(till, status=ListingStatus.DELETED))
    assert await till.at(till.noon) == ["con_one"]
    assert await till.told() == 0
    assert await till.at(till.noon) == []


async def test_a_sale_price_written_ahead_of_its_dates_is_not_paid_yet(till: Till) -> None:
    made = _sold(till)
    await given.write(till.scope, made)
    (row,) = (await records.listings(till.scope, ListingFilter(), Ask(5))).items
    edit = Edit("edt_1", EditField.SALE_PRICE, Decimal("7.00"), made, made.variants[0])
    async with till.scope.tx() as tx:
        change = {row["id"]: lambda listing: edited(listing, edit, "list")}
        await records.rewrite(tx, till.scope, given.Origin(), change)
    assert await till.shown() == _five("10.00")
    await till.at(till.noon)
    assert await till.shown() == _five("7.00")


async def test_more_sales_than_one_batch_are_all_moved(till: Till) -> None:
    many = [
        given.listing(f"p{number}", Variant(f"v{number}", price=_sold(till).variants[0].price)) for number in range(501)
    ]
    await given.write(till.scope, *many)
    assert await till.at(till.noon) == ["con_one"]
    assert await till.told() == 501
    assert await till.at(till.noon) == []
