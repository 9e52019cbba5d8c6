"""Writing and reading the canonical store."""

from collections.abc import AsyncIterator
from decimal import Decimal

import asyncpg
import pytest
import pytest_asyncio
from tests.given import records as given
from tests.house_database import Copy

from isthmus.connect.shapes import ListingStatus
from isthmus.engine.db import Database
from isthmus.features import records
from isthmus.features.records import ListingFilter
from isthmus.features.records.service import duplicate_skus
from isthmus.features.records.store.read import _listings
from isthmus.features.records.store.write import _RAW_HASHES, _STORED
from isthmus.kit.errors import NotFound
from isthmus.kit.paging import Ask
from isthmus.scope import Scope

ALL = ListingFilter()


@pytest_asyncio.fixture
async def scope(database: Database, copied: Copy) -> AsyncIterator[Scope]:
    yield given.scope(given.engine(database))
    await given.clear(copied)


async def _all(scope: Scope, wanted: ListingFilter = ALL) -> dict[str, dict[str, object]]:
    page = await records.listings(scope, wanted, Ask(100))
    return {row["external_id"]: dict(row) for row in page.items}


async def test_a_listing_makes_its_product_its_variants_and_one_event(scope: Scope) -> None:
    two = given.listing("a", given.variant("a1", "S1", price="12.50", stock=2), given.variant("a2", "S2", stock=-1))
    written = await given.write(scope, two, given.listing("b"))
    assert (written.created, written.updated, written.unchanged, written.parts) == (2, 0, 0, 3)
    found = (await _all(scope))["a"]
    assert (found["price"], found["stock"], found["currency"], found["variant_count"]) == ("10.00", 1, "VND", 2)
    detail = await records.product(scope, str(found["product_id"]))
    assert [row["external_id"] for row in detail.listings] == ["a"]
    assert detail.row["title"] == "Áo thun"
    told = await given.events(scope)
    assert sorted((event["type"], event["body"]["externalId"]) for event in told) == [
        ("listing.created", "a"),
        ("listing.created", "b"),
    ]
    assert all(event["public"] and not event["audited"] for event in told)


async def test_the_same_content_again_writes_nothing_and_says_nothing(scope: Scope) -> None:
    await given.write(scope, given.listing("a"), given.listing("b"))
    before = await _all(scope)
    written = await given.write(scope, given.listing("a"), given.listing("b"), raw=b'{"views": 7}')
    assert (written.created, written.updated, written.unchanged) == (0, 0, 2)
    assert await _all(scope) == before
    assert len(await given.events(scope)) == 2


async def test_a_change_is_written_once_and_keeps_ids(scope: Scope) -> None:
    await given.write(scope, given.listing("a", given.variant("v1"), given.variant("v2")))
    before = (await _all(scope))["a"]
    variants = {row["external_id"]: row["id"] for row in (await records.listing(scope, str(before["id"]))).variants}
    changed = given.listing("a", given.variant("v2", price="99"), given.variant("v3"), title="Áo khoác")
    assert (await given.write(scope, changed)).updated == 1
    after = await records.listing(scope, str(before["id"]), with_raw=True)
    assert {row["external_id"] for row in after.variants} == {"v2", "v3"}
    assert next(row["id"] for row in after.variants if row["external_id"] == "v2") == variants["v2"]
    assert (after.row["title"], after.row["version"], after.raw) == ("Áo khoác", 2, b"{}")
    assert (await records.product(scope, str(before["product_id"]))).row["title"] == "Áo khoác"
    assert [event["type"] for event in await given.events(scope)] == ["listing.created", "listing.updated"]


async def test_a_deletion_is_told_once_and_the_listing_stays_readable(scope: Scope) -> None:
    gone = given.listing("a", status=ListingStatus.DELETED)
    await given.write(scope, given.listing("a"))
    await given.write(scope, gone)
    await given.write(scope, given.listing("a", status=ListingStatus.DELETED, title="Áo"))
    kinds = [event["type"] for event in await given.events(scope)]
    assert kinds == ["listing.created", "listing.deleted", "listing.updated"]
    assert (await _all(scope))["a"]["status"] == "deleted"


async def test_fragments_of_one_listing_meet_and_do_not_look_changed_on_the_next_read(scope: Scope) -> None:
    def fragment(variant: str, title: str) -> records.ListingItem:
        return given.item(given.listing("s", given.variant(variant), title=title, variants_complete=False))

    async def read(*items: records.ListingItem) -> records.Written:
        async with scope.tx() as tx:
            return await records.write_listings(tx, scope, given.Origin(), items)

    assert (await read(fragment("12", "Đỏ"), fragment("9", "Xanh"))).created == 1
    assert (await read(fragment("100", "Vàng"))).updated == 1
    for again in (fragment("100", "Vàng"), fragment("9", "Xanh"), fragment("12", "Đỏ")):
        assert (await read(again)).unchanged == 1
    row = (await _all(scope))["s"]
    assert (row["title"], row["variant_count"]) == ("Xanh", 3)
    assert len((await records.listing(scope, str(row["id"]))).variants) == 3


async def test_one_external_id_in_two_connections_is_two_listings(scope: Scope) -> None:
    await given.write(scope, given.listing("a"))
    await given.write(scope, given.listing("a"), origin=given.Origin("con_two"))
    page = await records.listings(scope, ALL, Ask(10))
    assert {row["connection_id"] for row in page.items} == {"con_one", "con_two"}
    assert [row["connection_id"] for row in (await records.listings(scope, ListingFilter("con_two"), Ask())).items] == [
        "con_two"
    ]


async def test_duplicate_skus_are_reported_and_never_merged(scope: Scope) -> None:
    await given.write(scope, given.listing("a", given.variant("1", "X")), given.listing("b", given.variant("2", "X")))
    await given.write(scope, given.listing("c", given.variant("3", "Y")))
    await given.write(scope, given.listing("d", given.variant("4", "Y")), origin=given.Origin("con_two"))
    found = await duplicate_skus(scope, "con_one", Ask())
    assert [(row["sku"], row["variants"]) for row in found.items] == [("X", 2)]
    rows = await _all(scope)
    assert (await records.listing(scope, str(rows["a"]["id"]))).twins == {"X"}
    assert not (await records.listing(scope, str(rows["c"]["id"]))).twins
    async with scope.tx() as tx:
        await records.set_hidden(tx, ["con_one"], ["product"])
    assert (await duplicate_skus(scope, "con_one", Ask())).items == []
    async with scope.tx() as tx:
        await records.set_hidden(tx, ["con_one"], [])


async def test_filters_and_cursor_reach_every_row_once(scope: Scope) -> None:
    for number in range(7):
        one = given.variant(f"v{number}", f"K{number}", price=str(number), stock=number)
        await given.write(scope, given.listing(str(number), one, title=f"Giày 100% {number}"))
    seen, after = [], None
    while True:
        page = await records.listings(scope, ALL, Ask(3, after=after))
        seen += [row["external_id"] for row in page.items]
        after = page.next_after
        if after is None:
            break
    assert sorted(seen) == [str(number) for number in range(7)]
    assert set(await _all(scope, ListingFilter(min_stock=2, max_price=Decimal(4)))) == {"2", "3", "4"}
    assert set(await _all(scope, ListingFilter(sku="K5"))) == {"5"}
    assert set(await _all(scope, ListingFilter(search="100% 3"))) == {"3"}
    assert not await _all(scope, ListingFilter(search="100_ 3"))
    products = await records.products(scope, ListingFilter(sku="K6", connection_id="con_one"), Ask())
    assert [one.listings[0]["external_id"] for one in products.items] == ["6"]
    assert len((await records.products(scope, ALL, Ask(5, offset=4))).items) == 3


async def test_TN_02_another_tenant_sees_and_touches_nothing(scope: Scope, database: Database) -> None:
    await given.write(scope, given.listing("a"))
    row = (await _all(scope))["a"]
    stranger = given.scope(given.engine(database), "ten_two")
    assert not await _all(stranger)
    assert not (await records.products(stranger, ALL, Ask())).items
    with pytest.raises(NotFound):
        await records.listing(stranger, str(row["id"]))
    with pytest.raises(NotFound):
        await records.product(stranger, str(row["product_id"]))
    assert (await given.write(stranger, given.listing("a"))).created == 1
    assert await records.known_raw(stranger, "con_one", ["b"]) == {}


async def test_PR_03_a_write_that_is_rolled_back_leaves_no_row_and_no_event(scope: Scope) -> None:
    class Abandoned(Exception):
        pass

    with pytest.raises(Abandoned):
        async with scope.tx() as tx:
            await records.write_listings(tx, scope, given.Origin(), [given.item(given.listing("a"))])
            raise Abandoned
    assert not await _all(scope)
    assert not await given.events(scope)


async def test_more_listings_than_one_statement_takes_are_all_written(scope: Scope) -> None:
    many = [given.listing(str(number)) for number in range(1_501)]
    assert (await given.write(scope, *many)).created == 1_501
    assert (await given.write(scope, *many)).unchanged == 1_501
    again = [given.listing(str(number), title="Áo mới") for number in range(0, 1_501, 500)]
    assert (await given.write(scope, *again)).updated == 4


async def test_looking_up_known_listings_needs_no_statistics(copied: Copy) -> None:
    admin = await asyncpg.connect(copied.admin_url)
    await admin.execute("set role isthmus_tenant; set isthmus.tenant = 'ten_one'")
    await admin.execute("set plan_cache_mode = 'force_generic_plan'")
    for name, sql in (("stored", _STORED), ("hashes", _RAW_HASHES)):
        await admin.execute(f"prepare {name}(text, text, text[]) as {sql}")
        plan = "\n".join(row[0] for row in await admin.fetch(f"explain execute {name}('ten_one', 'con_one', '{{a}}')"))
        assert "using listings_external" in plan, plan
        assert "external_id = w.external_id" in plan.split("Index Cond:")[1], plan
    await admin.close()


async def test_a_page_of_the_one_shop_that_a_tenant_has_is_walked_and_not_sorted(scope: Scope, copied: Copy) -> None:
    await given.write(scope, *[given.listing(str(number)) for number in range(600)])
    read = _listings(frozenset())
    admin = await asyncpg.connect(copied.admin_url)
    await admin.execute("analyze listings")
    await admin.execute("set role isthmus_tenant; set isthmus.tenant = 'ten_one'")
    await admin.execute("set plan_cache_mode = 'force_generic_plan'; set random_page_cost = 1.1")
    values = read.bind({"tenant_id": "ten_one", "limit": 51, "offset": 0})
    plan = "\n".join(row[0] for row in await admin.fetch(f"explain {read.sql}", *values))
    assert "Index Scan Backward using listings_pkey" in plan, plan
    assert "Sort" not in plan, plan
    await admin.close()
