"""Listings of several shops as one product: linked, shared, sold, parted."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import msgspec
import pytest
import pytest_asyncio
from tests.given import records as given_records
from tests.given.pushes import Far
from tests.given.waiting import waiting
from tests.house_database import Copy

from isthmus.connect.abilities import EditField, Writing
from isthmus.connect.shapes import Inventory, Listing, Variant
from isthmus.engine.db import Database
from isthmus.features import pushes, records
from isthmus.features.links.errors import NotLinkable, NotLinked, WrongInventory
from isthmus.features.links.service import balancing, linking
from isthmus.features.links.service.balancing import Given
from isthmus.features.links.store import items as store
from isthmus.features.pushes.service import sending
from isthmus.features.pushes.settings import Settings
from isthmus.kit.clock import ManualClock
from isthmus.kit.errors import NotFound
from isthmus.scope import Scope, System

STOCK = EditField.STOCK


@dataclass
class Shops:
    """A merchant with two shops of tests."""

    scope: Scope
    clock: ManualClock
    fars: dict[str, Far] = field(default_factory=dict)

    async def put(self, connection: str, *listings: Listing) -> None:
        """Sell these in a shop, and read it."""
        for one in listings:
            self.fars[connection].listings[one.external_id] = one
        await self.read(connection)

    async def read(self, connection: str) -> None:
        """Read a shop, and let the listeners hear of it."""
        origin = given_records.Origin(connection)
        await given_records.write(self.scope, *self.fars[connection].listings.values(), origin=origin)
        await self.hear()

    async def hear(self) -> None:
        """What changed is compared, as the listener of events has it."""
        found = await given_records.events(self.scope, "listing.updated")
        told = [{"tenant_id": self.scope.tenant_id, "subject": one["subject"], "at": self.clock.now()} for one in found]
        if told:
            async with System(self.scope.engine, self.clock).tx() as tx:
                await balancing.changed(tx, told)

    async def ids(self) -> dict[tuple[str, str], tuple[str, str]]:
        """Listing and product by connection and external id."""
        async with self.scope.tx() as tx:
            rows = await tx.fetch_sql(
                "select connection_id, external_id, id, product_id from listings where tenant_id = $1",
                self.scope.tenant_id,
            )
        return {(row[0], row[1]): (row[2], row[3]) for row in map(tuple, rows)}

    async def work(self, rounds: int = 3) -> None:
        """Balance and send until all is quiet."""
        system = System(self.scope.engine, self.clock)
        for _ in range(rounds):
            self.clock.advance(10)
            async with system.tx() as tx:
                due = await store.due(tx, self.clock.now(), 100)
            for _, item in due:
                await balancing.balance(self.scope, item)
            for connection in self.fars:
                await sending.work(self.scope, connection)
            await self.hear()

    def stock(self, connection: str, external_id: str) -> object:
        """What buyers see."""
        return self.fars[connection].value(external_id, STOCK)


@pytest_asyncio.fixture
async def shops(database: Database, copied: Copy) -> AsyncIterator[Shops]:
    clock = ManualClock(datetime(2026, 11, 5, 12, tzinfo=UTC))
    fars = {
        name: Far(clock, about=pushes.About(name, "shelf", Writing((EditField.STOCK, EditField.PRICE))))
        for name in ("con_one", "con_two")
    }

    async def about(asking: Scope, connection_id: str) -> pushes.About:
        return fars[connection_id].about

    @asynccontextmanager
    async def opened(asking: Scope, connection_id: str) -> AsyncIterator[Far]:
        yield fars[connection_id]

    async def admit(tx: object, connection_id: str) -> None:
        """Products may pass."""

    parts = {pushes.Shops: pushes.Shops(about, opened, admit), Settings: Settings()}
    yield Shops(given_records.scope(given_records.engine(database, parts), clock=clock), clock, fars)
    await given_records.clear(copied)
    async with database.system() as tx:
        await tx.execute_sql("delete from pushes")
        await tx.execute_sql("delete from stock_buffers")


def _tee(external_id: str, *skus: str, stock: int = 5) -> Listing:
    variants = [given_records.variant(f"{external_id}-{sku}", sku, stock=stock) for sku in skus]
    return given_records.listing(external_id, *variants)


async def _linked(shops: Shops, skus: Sequence[str] = ("TEE",)) -> str:
    await shops.put("con_one", _tee("a", *skus))
    await shops.put("con_two", _tee("b", *skus, stock=3))
    ids = await shops.ids()
    return await linking.link(shops.scope, [id_ for id_, _ in ids.values()])


async def test_what_several_connections_sell_under_one_sku_is_suggested_with_its_reason(shops: Shops) -> None:
    await shops.put("con_one", _tee("a", "TEE"), _tee("c", "CAP"), _tee("d", "TWIN"), _tee("e", "TWIN"))
    await shops.put("con_two", _tee("b", " TEE"), _tee("f", "TWIN"))
    found = await linking.suggestions(shops.scope, "sku", "", 10)
    assert [(one.value, len(one.members), one.ambiguous) for one in found] == [("TEE", 2, False), ("TWIN", 3, True)]
    assert [one.value for one in await linking.suggestions(shops.scope, "sku", "TEE", 10)] == ["TWIN"]
    accepted = await linking.accept(shops.scope, "sku")
    assert (len(accepted.products), set(accepted.left)) == (1, {"TWIN"})
    assert [one.value for one in await linking.suggestions(shops.scope, "sku", "", 10)] == ["TWIN"]


async def test_of_a_shop_whose_products_may_not_be_read_any_more_nothing_is_suggested_or_shown(shops: Shops) -> None:
    product = await _linked(shops)
    await shops.put("con_one", _tee("c", "CAP"), given_records.listing("d", given_records.variant("d1", barcode="893")))
    await shops.put("con_two", _tee("e", "CAP"), given_records.listing("f", given_records.variant("f1", barcode="893")))
    before = [len(await linking.suggestions(shops.scope, by, "", 10)) for by in ("sku", "barcode")]
    assert before == [1, 1]
    async with shops.scope.tx() as tx:
        await records.set_hidden(tx, ["con_two"], ["product"])
    assert [await linking.suggestions(shops.scope, by, "", 10) for by in ("sku", "barcode")] == [[], []]
    [item] = await balancing.inventory(shops.scope, product)
    assert {one["connection_id"] for one in item.links} == {"con_one"}
    async with shops.scope.tx() as tx:
        await records.set_hidden(tx, ["con_two"], [])
    [item] = await balancing.inventory(shops.scope, product)
    assert {one["connection_id"] for one in item.links} == {"con_one", "con_two"}


async def test_listings_that_have_several_skus_in_common_are_linked_once(shops: Shops) -> None:
    await shops.put("con_one", _tee("a", "S", "M", "L"))
    await shops.put("con_two", _tee("b", "S", "M", "L"))
    accepted = await linking.accept(shops.scope, "sku")
    assert (len(accepted.products), accepted.left) == (1, {})
    assert len(await given_records.events(shops.scope, "product.linked")) == 1


async def test_linked_listings_are_one_product_that_none_of_them_overwrites(shops: Shops) -> None:
    product = await _linked(shops)
    detail = await records.product(shops.scope, product)
    assert sorted(row["external_id"] for row in detail.listings) == ["a", "b"]
    title = detail.row["title"]
    shops.fars["con_two"].listings["b"] = given_records.listing(
        "b", given_records.variant("b-TEE", "TEE", stock=3), title="Another title"
    )
    await shops.read("con_two")
    assert (await records.product(shops.scope, product)).row["title"] == title
    assert len({product_id for _, product_id in (await shops.ids()).values()}) == 1


async def test_linking_changes_no_stock_until_somebody_says_what_there_is(shops: Shops) -> None:
    product = await _linked(shops)
    await shops.work()
    assert (shops.stock("con_one", "a"), shops.stock("con_two", "b")) == (5, 3)
    [item] = await balancing.inventory(shops.scope, product)
    assert (item.row["sku"], item.row["stock"], [one["how"] for one in item.links]) == ("TEE", None, ["sku", "sku"])


async def test_every_shop_shows_the_common_stock_less_what_is_kept_back(shops: Shops) -> None:
    product = await _linked(shops)
    async with shops.scope.tx() as tx:
        await store.set_buffer(tx, "con_two", 2)
    await balancing.set_inventory(shops.scope, product, [Given(10, sku="TEE")])
    await shops.work()
    assert (shops.stock("con_one", "a"), shops.stock("con_two", "b")) == (10, 8)
    assert (await records.product(shops.scope, product)).row["stock"] == 10


async def test_what_one_shop_sells_the_other_does_not_offer_any_more(shops: Shops) -> None:
    product = await _linked(shops)
    await balancing.set_inventory(shops.scope, product, [Given(10, sku="TEE")])
    await shops.work()
    shops.fars["con_one"].edit("a", STOCK, 9)
    shops.fars["con_two"].edit("b", STOCK, 7)
    await shops.read("con_one")
    await shops.read("con_two")
    await shops.work()
    assert (shops.stock("con_one", "a"), shops.stock("con_two", "b")) == (6, 6)
    [item] = await balancing.inventory(shops.scope, product)
    assert item.row["stock"] == 6
    told = [one["body"]["stock"] for one in await given_records.events(shops.scope, "inventory.changed")]
    assert told[-1] == 6


async def test_a_sale_beside_a_value_whose_fate_nobody_knows_never_leads_to_offering_more_than_there_is(
    shops: Shops,
) -> None:
    product = await _linked(shops)
    await balancing.set_inventory(shops.scope, product, [Given(10, sku="TEE")])
    await shops.work()
    shops.fars["con_two"].days = ["dropped"]
    shops.fars["con_one"].edit("a", STOCK, 8)
    await shops.read("con_one")
    await shops.work(1)
    shops.fars["con_two"].edit("b", STOCK, 7)
    await shops.read("con_two")
    await shops.work(6)
    # eight were left and one was sold; whether ours had arrived before that sale can no longer be told
    assert shops.stock("con_one", "a") == shops.stock("con_two", "b")
    assert shops.stock("con_one", "a") in (5, 7)


async def test_duplicates_in_one_connection_are_refused_and_named(shops: Shops) -> None:
    await shops.put("con_one", _tee("a", "TEE"), _tee("c", "TEE"))
    ids = await shops.ids()
    with pytest.raises(NotLinkable) as refused:
        await linking.link(shops.scope, [id_ for id_, _ in ids.values()])
    assert refused.value.details == {"reason": "duplicate_sku", "skus": ["TEE"]}
    assert len({product for _, product in (await shops.ids()).values()}) == 2


async def test_variants_have_a_stock_each(shops: Shops) -> None:
    product = await _linked(shops, ("S", "M"))
    await balancing.set_inventory(shops.scope, product, [Given(1, sku="S"), Given(2, sku="M")])
    await shops.work()
    shown = [
        [one.available for one in shops.fars[name].listings[external].variants]
        for name, external in (("con_one", "a"), ("con_two", "b"))
    ]
    assert shown == [[1, 2], [1, 2]]
    assert (await records.product(shops.scope, product)).row["stock"] == 3


async def test_a_listing_can_be_parted_again_and_keeps_what_it_shows(shops: Shops) -> None:
    product = await _linked(shops)
    await balancing.set_inventory(shops.scope, product, [Given(10, sku="TEE")])
    await shops.work()
    listing = (await shops.ids())["con_two", "b"][0]
    fresh = await linking.unlink(shops.scope, listing)
    assert (await shops.ids())["con_two", "b"] == (listing, fresh)
    assert await balancing.inventory(shops.scope, product) == []
    shops.fars["con_one"].edit("a", STOCK, 1)
    await shops.read("con_one")
    await shops.work()
    assert shops.stock("con_two", "b") == 10
    with pytest.raises(NotLinked):
        await linking.unlink(shops.scope, listing)


async def test_what_cannot_be_is_refused(shops: Shops) -> None:
    product = await _linked(shops)
    with pytest.raises(WrongInventory):
        await balancing.set_inventory(shops.scope, product, [Given(1, sku="CAP")])
    with pytest.raises(NotFound):
        await linking.link(shops.scope, ["lst_nobodys"])
    with pytest.raises(NotFound):
        await linking.link(shops.scope, [next(iter((await shops.ids()).values()))[0]], "prd_nobodys")


async def test_a_change_that_comes_while_its_item_is_compared_is_compared_again(shops: Shops) -> None:
    product = await _linked(shops)
    system = System(shops.scope.engine, shops.clock)
    (listing, _), *_ = (await shops.ids()).values()
    async with shops.scope.tx() as tx:
        (row,) = await store.items(tx, product)
        await store.item(tx, row["id"])
        news = {"tenant_id": shops.scope.tenant_id, "subject": listing, "at": shops.clock.now()}

        async def told() -> None:
            async with system.tx() as other:
                await balancing.changed(other, [news])

        hearing = asyncio.create_task(told())
        done, _ = await asyncio.wait({hearing}, timeout=0.2)
        assert not done, "the change waits until the item has been compared"
        await store.set_stock(tx, row["id"], 5, None, shops.clock.now())
    await hearing
    async with system.tx() as after:
        assert [id_ for _, id_ in await store.due(after, shops.clock.now(), 100)] == [row["id"]]


def _spread(external_id: str, **places: int) -> Listing:
    """A listing whose only variant lies at several locations."""
    shown = tuple(Inventory(available, location_external_id=name) for name, available in places.items())
    return given_records.listing(external_id, given_records.variant(f"{external_id}-TEE", "TEE", inventory=shown))


def _lies(shops: Shops, connection: str, external_id: str) -> dict[str | None, int]:
    [variant] = shops.fars[connection].listings[external_id].variants
    return {one.location_external_id: one.available for one in variant.inventory}


async def _linked_with_a_shop_of_two_locations(shops: Shops) -> str:
    await shops.put("con_one", _spread("a", north=6, south=4))
    await shops.put("con_two", _tee("b", "TEE", stock=3))
    return await linking.link(shops.scope, [id_ for id_, _ in (await shops.ids()).values()])


@pytest.mark.parametrize(("home", "wanted"), [("", {"north": 16, "south": 4}), ("south", {"north": 6, "south": 14})])
async def test_a_shop_with_several_locations_gets_the_rest_at_its_main_one(
    shops: Shops, home: str, wanted: dict[str, int]
) -> None:
    shops.fars["con_one"].about = replace(shops.fars["con_one"].about, home=home)
    product = await _linked_with_a_shop_of_two_locations(shops)
    await balancing.set_inventory(shops.scope, product, [Given(20, sku="TEE")])
    await shops.work()
    assert (_lies(shops, "con_one", "a"), shops.stock("con_two", "b")) == (wanted, 20)
    [item] = await balancing.inventory(shops.scope, product)
    assert item.row["stock"] == 20


async def test_what_a_location_sells_is_less_everywhere_and_what_is_sold_elsewhere_is_less_there(shops: Shops) -> None:
    product = await _linked_with_a_shop_of_two_locations(shops)
    await balancing.set_inventory(shops.scope, product, [Given(10, sku="TEE")])
    await shops.work()
    shops.fars["con_one"].listings["a"] = msgspec.structs.replace(
        _spread("a", north=6, south=1), platform_updated_at=shops.clock.now()
    )
    await shops.read("con_one")
    await shops.work()
    assert (_lies(shops, "con_one", "a"), shops.stock("con_two", "b")) == ({"north": 6, "south": 1}, 7)
    shops.fars["con_two"].edit("b", STOCK, 1)
    await shops.read("con_two")
    await shops.work(5)
    assert _lies(shops, "con_one", "a") == {"north": 0, "south": 1}
    shops.fars["con_two"].edit("b", STOCK, 0)
    await shops.read("con_two")
    await shops.work(5)
    assert _lies(shops, "con_one", "a") == {"north": 0, "south": 0}
    [item] = await balancing.inventory(shops.scope, product)
    assert item.row["stock"] == 0


async def test_a_value_that_waits_for_another_location_is_not_joined_by_a_second_one(shops: Shops) -> None:
    product = await _linked_with_a_shop_of_two_locations(shops)
    far = shops.fars["con_one"]
    far.listings["a"] = msgspec.structs.replace(_spread("a", north=0, south=4), platform_updated_at=shops.clock.now())
    await shops.read("con_one")
    far.about = replace(far.about, home="north")
    await balancing.set_inventory(shops.scope, product, [Given(2, sku="TEE")])
    far.days = ["unreachable"] * 3
    await shops.work(1)
    await balancing.set_inventory(shops.scope, product, [Given(9, sku="TEE")])
    await shops.work(1)
    async with shops.scope.tx() as tx:
        rows = await tx.fetch_sql("select location from edits where connection_id = 'con_one'")
    assert [row["location"] for row in rows] == ["south"]
    far.days = []
    shops.clock.advance(3_600)
    await shops.work(8)
    assert (sum(_lies(shops, "con_one", "a").values()), shops.stock("con_two", "b")) == (9, 9)
    [item] = await balancing.inventory(shops.scope, product)
    assert item.row["stock"] == 9


@pytest.mark.parametrize(("home", "place"), [("", "north"), ("south", "south")])
async def test_what_was_sold_out_at_every_location_is_filled_again_where_the_shop_keeps_its_stock(
    shops: Shops, home: str, place: str
) -> None:
    far = shops.fars["con_one"]
    far.about = replace(far.about, home=home)
    other = given_records.variant(
        "x", "X", inventory=(Inventory(3, location_external_id="north"), Inventory(9, location_external_id="south"))
    )
    north = given_records.variant("y", "Y", inventory=(Inventory(3, location_external_id="north"),))
    await shops.put("con_one", given_records.listing("x", other), given_records.listing("y", north))
    sold_out = given_records.variant("a-TEE", "TEE", inventory=(Inventory(0),))  # empty locations are not shown
    await shops.put("con_one", given_records.listing("a", sold_out))
    await shops.put("con_two", _tee("b", "TEE", stock=3))
    ids = await shops.ids()
    product = await linking.link(shops.scope, [ids["con_one", "a"][0], ids["con_two", "b"][0]])
    await balancing.set_inventory(shops.scope, product, [Given(20, sku="TEE")])
    await shops.work()
    assert (_lies(shops, "con_one", "a"), shops.stock("con_two", "b")) == ({place: 20}, 20)


async def test_a_shop_that_refuses_the_shared_stock_is_asked_again_after_a_while_or_when_something_changes(
    shops: Shops,
) -> None:
    async def work_and_hear(rounds: int) -> None:
        """What ended is compared, as the listener of pushes has it."""
        for _ in range(rounds):
            await shops.work(1)
            async with System(shops.scope.engine, shops.clock).tx() as tx:
                rows = await tx.fetch_sql("select id from pushes where tenant_id = $1", shops.scope.tenant_id)
                for row in rows:
                    news = {"tenant_id": shops.scope.tenant_id, "subject": row["id"], "at": shops.clock.now()}
                    await balancing.pushed(tx, news)

    product = await _linked(shops)
    far = shops.fars["con_one"]
    far.days = ["refused"] * 50
    await balancing.set_inventory(shops.scope, product, [Given(20, sku="TEE")])
    await work_and_hear(8)
    assert (far.calls, shops.stock("con_one", "a"), shops.stock("con_two", "b")) == (1, 5, 20)
    shops.fars["con_two"].edit("b", STOCK, 19)
    await shops.read("con_two")
    await work_and_hear(4)
    assert far.calls == 2, "another amount may be taken"
    shops.clock.advance(900)
    await work_and_hear(4)
    assert far.calls == 3, "and so may the same one later"
    far.days = []
    shops.clock.advance(900)
    await work_and_hear(4)
    assert (shops.stock("con_one", "a"), shops.stock("con_two", "b")) == (19, 19)
    [item] = await balancing.inventory(shops.scope, product)
    assert item.row["stock"] == 19


async def test_what_we_wrote_comes_back_as_no_sale_however_often_it_is_read(shops: Shops) -> None:
    product = await _linked(shops)
    await balancing.set_inventory(shops.scope, product, [Given(10, sku="TEE")])
    await shops.work()
    calls = [far.calls for far in shops.fars.values()]
    for _ in range(3):
        for connection in shops.fars:
            await shops.read(connection)
        await shops.work()
    [item] = await balancing.inventory(shops.scope, product)
    assert item.row["stock"] == 10
    assert [far.calls for far in shops.fars.values()] == calls
    assert await given_records.events(shops.scope, "inventory.changed") == []


async def test_what_was_read_before_our_write_and_stored_after_it_is_no_sale_either(shops: Shops) -> None:
    product = await _linked(shops)
    shops.fars["con_one"].edit("a", STOCK, 4)
    await shops.read("con_one")
    before = dict(shops.fars["con_one"].listings)
    shops.clock.advance(60)
    await balancing.set_inventory(shops.scope, product, [Given(10, sku="TEE")])
    await shops.work()
    now, shops.fars["con_one"].listings = shops.fars["con_one"].listings, before
    await shops.read("con_one")
    shops.fars["con_one"].listings = now
    await shops.work()
    [item] = await balancing.inventory(shops.scope, product)
    assert (item.row["stock"], shops.stock("con_one", "a"), shops.stock("con_two", "b")) == (10, 10, 10)


async def test_a_sale_that_comes_back_with_our_own_value_is_counted_alone(shops: Shops) -> None:
    product = await _linked(shops)
    await balancing.set_inventory(shops.scope, product, [Given(10, sku="TEE")])
    await shops.work(1)
    shops.fars["con_one"].edit("a", STOCK, 9)
    await shops.read("con_one")
    await shops.work()
    [item] = await balancing.inventory(shops.scope, product)
    assert (item.row["stock"], shops.stock("con_two", "b")) == (9, 9)


async def test_a_value_that_is_on_its_way_while_somebody_counts_is_no_sale_once_it_has_arrived(shops: Shops) -> None:
    product = await _linked(shops)
    await balancing.set_inventory(shops.scope, product, [Given(10, sku="TEE")])
    shops.fars["con_one"].days = ["dropped"]
    await shops.work(1)
    await balancing.set_inventory(shops.scope, product, [Given(20, sku="TEE")])
    await shops.work(8)
    [item] = await balancing.inventory(shops.scope, product)
    assert (item.row["stock"], shops.stock("con_one", "a"), shops.stock("con_two", "b")) == (20, 20, 20)


async def test_a_new_variant_of_a_linked_listing_joins_what_it_is_elsewhere_and_shares_its_stock(shops: Shops) -> None:
    product = await _linked(shops)
    await balancing.set_inventory(shops.scope, product, [Given(10, sku="TEE")])
    await shops.work()
    await shops.put("con_one", _tee("a", "TEE", "CAP", stock=10))
    await shops.work()
    await shops.put("con_two", _tee("b", "TEE", " CAP", stock=10))
    await shops.work()
    items = {one.row["sku"]: one for one in await balancing.inventory(shops.scope, product)}
    assert {sku: sorted((one["variant"], one["how"]) for one in item.links) for sku, item in items.items()} == {
        "TEE": [("a-TEE", "sku"), ("b-TEE", "sku")],
        "CAP": [("a-CAP", "sku"), ("b- CAP", "sku")],
    }
    assert await linking.suggestions(shops.scope, "sku", "", 10) == []
    told = await given_records.events(shops.scope, "product.variants_linked")
    assert [[one["variant"] for one in event["body"]["variants"]] for event in told] == [["a-CAP"], ["b- CAP"]]
    await balancing.set_inventory(shops.scope, product, [Given(4, sku="CAP")])
    await shops.work()
    shown = [one["stock"] for item in await balancing.inventory(shops.scope, product) for one in item.links]
    assert sorted(shown) == [4, 4, 10, 10]


async def test_a_new_variant_that_may_be_two_things_is_suggested_with_the_reason_until_it_is_clear(
    shops: Shops,
) -> None:
    product = await _linked(shops)
    await shops.put("con_one", given_records.listing("a", _sold("a-TEE", "TEE"), _sold("a-NEW", "TEE")))
    await shops.work()
    [found] = await linking.suggestions(shops.scope, "sku", "", 10)
    assert (found.value, found.ambiguous, len(found.members)) == ("TEE", True, 3)
    assert found.reason.endswith("one connection sells the SKU TEE more than once.")
    assert await linking.suggestions(shops.scope, "sku", "TEE", 10) == []
    assert await linking.suggestions(shops.scope, "barcode", "", 10) == []
    accepted = await linking.accept(shops.scope, "sku")
    assert (accepted.products, list(accepted.left)) == ([], ["TEE"])
    assert [len(one.links) for one in await balancing.inventory(shops.scope, product)] == [2]
    await shops.put("con_one", given_records.listing("a", _sold("a-TEE", "TEE"), _sold("a-NEW", "NEW")))
    await shops.work()
    assert await linking.suggestions(shops.scope, "sku", "", 10) == []
    items = {one.row["sku"]: len(one.links) for one in await balancing.inventory(shops.scope, product)}
    assert items == {"TEE": 2, "NEW": 1}


def _sold(external_id: str, sku: str) -> Variant:
    return given_records.variant(external_id, sku)


async def test_a_listing_that_is_linked_while_another_one_is_parted_keeps_its_item(
    shops: Shops, database: Database
) -> None:
    product = await _linked(shops)
    await given_records.write(shops.scope, _tee("c", "TEE"), origin=given_records.Origin("con_three"))
    ids = {name: listing for (_, name), (listing, _) in (await shops.ids()).items()}
    async with database.system() as tx:
        await tx.fetch_sql("select id from inventory_items for update")
        # of products made in the same millisecond the older one is a matter of chance
        link = asyncio.create_task(linking.link(shops.scope, [ids["a"], ids["c"]], product))
        await waiting(database, 1)
        unlink = asyncio.create_task(linking.unlink(shops.scope, ids["b"]))
        await waiting(database, 2)
    await asyncio.gather(link, unlink)
    [item] = await balancing.inventory(shops.scope, product)
    assert sorted(one["listing_id"] for one in item.links) == sorted([ids["a"], ids["c"]])
