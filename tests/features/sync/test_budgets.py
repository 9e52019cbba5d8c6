"""Connectors have budgets: one that computes or answers without measure ends its run, and nothing else (PL-04)."""

import asyncio
from collections.abc import AsyncIterator

import pytest_asyncio
from tests.given import records as given_records
from tests.given import sync as given
from tests.house_database import Copy

from isthmus.connect.shapes import Listing
from isthmus.connect.spi import RawRecord
from isthmus.engine.db import Database
from isthmus.features import sync
from isthmus.features.sync import Run, service
from isthmus.features.sync.service.refreshing import key_of
from isthmus.scope import Scope


@pytest_asyncio.fixture
async def base(database: Database, copied: Copy) -> AsyncIterator[Database]:
    yield database
    await given_records.clear(copied)


class Endless(given.Shelf):
    """One of its records is computed for ever, and no exception is let through."""

    def map(self, record: RawRecord) -> Listing:
        while record.external_id == "p0001":
            try:
                sum(range(1_000))
            except Exception:  # noqa: S112, BLE001 - what a careless connector does
                continue
        return super().map(record)


async def _read(scope: Scope, connection_id: str) -> Run:
    run = await sync.start(scope, connection_id)
    await sync.work(scope, run.id)
    return await sync.run(scope, run.id)


async def test_PL_04_an_endless_mapping_ends_its_run_and_no_other(base: Database) -> None:
    shops = {"con_one": Endless(given.shelf(4).titles, page_size=2), "con_two": given.shelf(4)}
    scope = given.scope(base, shops, mapping_seconds=0.05)
    stuck, fine = await asyncio.gather(_read(scope, "con_one"), _read(scope, "con_two"))
    assert (stuck.state, stuck.error_code, stuck.pages) == ("failed", "MAPPING_OVERRUN", 0)
    assert "p0001" in str(stuck.error_message)
    assert (fine.state, fine.created) == ("succeeded", 4)


async def test_PL_04_an_endless_mapping_ends_the_reading_of_its_record_and_of_no_other(base: Database) -> None:
    shop = Endless(given.shelf(4).titles)
    scope = given.scope(base, {"con_one": shop}, mapping_seconds=0.05)
    await sync.refresh_many(scope, "con_one", "products", {"p0001": None, "p0002": None})
    await service.read(scope, key_of("con_one", "products"))
    (told,) = await given_records.events(scope, "sync.refresh_failed")
    assert (told["body"]["externalId"], told["body"]["error"]["code"]) == ("p0001", "RECORD_UNREADABLE")
    assert "0.05 s of processor time" in told["body"]["error"]["message"]
    assert [one["type"] for one in await given_records.events(scope, "listing.")] == ["listing.created"]


async def test_PL_04_a_page_has_so_many_records_and_no_more(base: Database) -> None:
    scope = given.scope(base, {"con_one": given.shelf(4, page_size=4)}, page_records=3)
    run = await _read(scope, "con_one")
    assert (run.state, run.error_code, run.records) == ("failed", "PAGE_TOO_LARGE", 0)
