"""What a full read does not find: asked for by id, approved where it is much, and deleted only then."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from tests.given import records as given_records
from tests.given import sync as given
from tests.house_database import Copy

from isthmus.client import Disconnected
from isthmus.connect.shapes import Listing
from isthmus.connect.spi import RawRecord
from isthmus.engine.db import Database
from isthmus.engine.queue import Postponed
from isthmus.features import records, sync
from isthmus.features.records import ListingFilter
from isthmus.features.sync import Mode, Run, service
from isthmus.features.sync.errors import RunNotFound
from isthmus.features.sync.service.waking import missing
from isthmus.kit.paging import Ask
from isthmus.scope import Scope, System


@pytest_asyncio.fixture
async def base(database: Database, copied: Copy) -> AsyncIterator[Database]:
    yield database
    await given_records.clear(copied)
    async with database.system() as tx:
        await tx.execute_sql("delete from sync_suspects")


async def _full(scope: Scope) -> Run:
    run = await sync.start(scope, "con_one", mode=Mode.FULL)
    await sync.work(scope, run.id)
    await service.compare(scope, run.id)
    return await sync.run(scope, run.id)


async def _deleted(scope: Scope) -> set[str]:
    page = await records.listings(scope, ListingFilter(status="deleted"), Ask(1000))
    return {row["external_id"] for row in page.items}


async def _suspects(scope: Scope) -> dict[str, str]:
    page = await service.suspects(scope, Ask(), connection_id="con_one", state=None, run_id=None)
    return {row["external_id"]: row["state"] for row in page.items}


def _hides(shop: given.Shelf, *ids: str) -> dict[str, str]:
    """The platform leaves these out of its list and still shows them by id."""
    return {id_: shop.titles.pop(id_) for id_ in ids}


async def test_PR_10_what_is_missing_and_gone_by_id_is_deleted_once_and_comes_back(base: Database) -> None:
    shop = given.shelf(10)
    scope = given.scope(base, {"con_one": shop})
    await _full(scope)
    assert await _suspects(scope) == {}
    title = shop.titles.pop("p0003")
    await _full(scope)
    assert (await _deleted(scope), await _suspects(scope)) == ({"p0003"}, {"p0003": "deleted"})
    await _full(scope)
    assert [one["body"]["externalId"] for one in await given_records.events(scope, "listing.deleted")] == ["p0003"]
    shop.titles["p0003"] = title
    assert (await _full(scope)).updated == 1
    assert await _deleted(scope) == set()


async def test_PR_10_what_the_list_leaves_out_and_the_platform_still_shows_stays(base: Database) -> None:
    shop = given.shelf(10)
    scope = given.scope(base, {"con_one": shop})
    await _full(scope)
    hidden = _hides(shop, "p0003", "p0004")

    async def fetch(external_id: str) -> RawRecord | None:
        return RawRecord(external_id, b"{}") if external_id in hidden else None

    shop.fetch = fetch  # type: ignore[method-assign]
    await _full(scope)
    assert await _deleted(scope) == set()
    assert await _suspects(scope) == {"p0003": "found", "p0004": "found"}
    async with scope.tx() as tx:
        asked = await tx.fetch_sql("select external_id from sync_refreshes order by 1")
    assert [row["external_id"] for row in asked] == ["p0003", "p0004"], "what they are now is read by their ids"


async def test_PR_10_much_at_once_waits_for_a_person(base: Database) -> None:
    shop = given.shelf(40)
    scope = given.scope(base, {"con_one": shop})
    await _full(scope)
    for number in range(10):
        del shop.titles[f"p{number:04d}"]
    run = await _full(scope)
    assert set((await _suspects(scope)).values()) == {"waiting"}
    assert (await _deleted(scope), shop.fetched) == (set(), [])
    (told,) = await given_records.events(scope, "sync.deletions_wait")
    assert (told["body"]["suspects"], told["public"]) == (10, True)
    page = await service.suspects(scope, Ask(2), connection_id=None, state="waiting", run_id=run.id)
    chosen = [row["id"] for row in page.items]
    assert page.has_more
    assert await service.decide(scope, run.id, chosen, approve=False) == 2
    assert await service.decide(scope, run.id, None, approve=True) == 8
    assert await service.decide(scope, run.id, None, approve=True) == 0
    await service.compare(scope, run.id)
    assert len(await _deleted(scope)) == 8
    assert sorted((await _suspects(scope)).values()) == ["deleted"] * 8 + ["rejected"] * 2
    with pytest.raises(RunNotFound):
        await service.decide(given.scope(base, {"con_one": shop}, "ten_two"), run.id, None, approve=True)


async def test_where_the_platform_cannot_be_asked_a_person_decides(base: Database) -> None:
    shop = given.shelf(10)
    scope = given.scope(base, {"con_one": shop})
    await _full(scope)
    del shop.titles["p0003"]

    async def fetch(external_id: str) -> RawRecord | None:
        raise LookupError(external_id)

    shop.fetch = fetch  # type: ignore[method-assign]
    run = await _full(scope)
    assert (await _deleted(scope), await _suspects(scope)) == (set(), {"p0003": "waiting"})
    await service.decide(scope, run.id, None, approve=True)
    await service.compare(scope, run.id)
    assert await _deleted(scope) == {"p0003"}


async def test_a_waiting_record_that_is_met_again_is_cleared(base: Database) -> None:
    shop = given.shelf(40)
    scope = given.scope(base, {"con_one": shop})
    await _full(scope)
    gone = _hides(shop, *(f"p{number:04d}" for number in range(10)))
    await _full(scope)
    shop.titles |= gone
    await _full(scope)
    assert set((await _suspects(scope)).values()) == {"found"}


async def test_an_outage_while_asking_is_waited_out(base: Database) -> None:
    shop = given.shelf(10)
    scope = given.scope(base, {"con_one": shop})
    await _full(scope)
    del shop.titles["p0003"]
    run = await sync.start(scope, "con_one", mode=Mode.FULL)
    await sync.work(scope, run.id)

    async def down(_: str | None) -> None:
        raise Disconnected("gone")

    shop.before = down
    with pytest.raises(Postponed):
        await service.compare(scope, run.id)
    assert await _deleted(scope) == set()
    shop.before = given._nothing
    await service.compare(scope, run.id)
    assert await _deleted(scope) == {"p0003"}


async def test_only_full_reads_suspect_and_a_lost_wake_up_is_healed(base: Database) -> None:
    shop = given.shelf(10)
    scope = given.scope(base, {"con_one": shop})
    await _full(scope)
    del shop.titles["p0003"]
    changed = await sync.start(scope, "con_one")
    await sync.work(scope, changed.id)
    await service.compare(scope, changed.id)
    assert await _suspects(scope) == {}
    run = await sync.start(scope, "con_one", mode=Mode.FULL)
    await sync.work(scope, run.id)
    async with System(scope.engine).tx() as across:
        await across.execute_sql("update sync_runs set changed_at = now() - interval '1 minute' where id = $1", run.id)
        wakes = await missing(System(scope.engine), across)
    assert [(wake.job, wake.key) for wake in wakes] == [(service.ABSENT, run.id)]
    await service.compare(scope, run.id)
    assert await _deleted(scope) == {"p0003"}


async def test_a_listing_of_siblings_is_asked_for_by_its_variants(base: Database) -> None:
    shop = given.shelf(3)
    plain = shop.map
    asked: list[str] = []

    def grouped(record: RawRecord) -> Listing:
        one: Any = plain(record)
        variant = given_records.variant(one.external_id)
        return given_records.listing("group", variant, variants_complete=False)

    async def fetch(external_id: str) -> RawRecord | None:
        asked.append(external_id)
        return None

    shop.map = grouped  # type: ignore[method-assign]
    shop.fetch = fetch  # type: ignore[method-assign]
    scope = given.scope(base, {"con_one": shop})
    await _full(scope)
    shop.titles = {"other": "x"}
    shop.map = plain  # type: ignore[method-assign]
    await _full(scope)
    assert sorted(asked) == ["p0000", "p0001", "p0002"]
    assert await _deleted(scope) == {"group"}
