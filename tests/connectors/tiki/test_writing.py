"""Tiki's writes: all of one product by one call, siblings together, whole VND, stock by warehouse."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from tests.given.marketplaces import Answer, TikiUser, fetch
from tests.given.writing import Desk, edit, writing

from isthmus.client import ClientError, Disconnected, MalformedBody, PlatformFailed, Refused
from isthmus.connect.shapes import Inventory, Listing, ListingStatus, Price, Variant
from isthmus.connect.writing import EditField, EditValue, Result
from isthmus.connectors.tiki import writing as written
from isthmus.connectors.tiki.sandbox import Tiki
from isthmus.kit.clock import ManualClock
from isthmus.sandbox import ShiftedClock, World

HANOI, SAIGON = "1034", "1015"
#: Seconds after which the client's breaker has forgotten the failures of a test.
_CALM = 120.0
PRODUCT = "/integration/v2/products/updateSku"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened() -> AsyncIterator[Desk]:
    async with writing("tiki", 40) as desk:
        yield desk


@pytest.fixture
def desk(opened: Desk) -> Desk:
    opened.shop.faults.clear()
    opened.shop.locked.clear()
    opened.shop.effects.clear()
    opened.shop.recording.clear()
    opened.shop.clock.advance(_CALM)
    return opened


async def products(desk: Desk) -> list[Listing]:
    """Products of the shop, each as the listing that its record alone becomes."""
    return [one for one in await desk.listings() if one.status is ListingStatus.ACTIVE]


async def siblings(desk: Desk) -> Listing:
    """A whole listing of several products."""
    found = await products(desk)
    groups: dict[str, list[Listing]] = {}
    for one in found:
        groups.setdefault(one.external_id, []).append(one)
    group = next(one for one in groups.values() if len(one) > 1)
    return msgspec.structs.replace(group[0], variants=tuple(one.variants[0] for one in group), variants_complete=True)


def name(listing: Listing) -> str:
    return listing.variants[0].external_id


async def test_all_of_one_product_leaves_in_one_call(desk: Desk) -> None:
    listing = (await products(desk))[0]
    variant = listing.variants[0]
    assert variant.price is not None
    edits = [
        edit(listing, EditField.PRICE, variant.price.list_price - 1_000, variant),
        edit(listing, EditField.STOCK, 17, variant, HANOI),
        edit(listing, EditField.STOCK, 3, variant, SAIGON),
        edit(listing, EditField.PUBLISHED, False),
    ]
    await desk.done(*edits)
    assert desk.calls("/updateSku") == 1
    assert [await desk.shows(one, name(listing)) for one in edits] == [one.value for one in edits]
    assert {one.object for one in desk.shop.effects.of()} == {variant.external_id}
    assert [one.value for one in desk.shop.effects.of(field="stock")] == [17, 3]
    await desk.done(edit(listing, EditField.PUBLISHED, True))


async def test_siblings_are_hidden_and_shown_together(desk: Desk) -> None:
    listing = await siblings(desk)
    hide = edit(listing, EditField.PUBLISHED, False)
    await desk.done(hide)
    assert desk.calls("/updateSkus") == 1
    for variant in listing.variants:
        assert (await desk.again(listing, variant.external_id)).status is ListingStatus.INACTIVE
    await desk.done(edit(listing, EditField.PUBLISHED, True))
    assert len(desk.shop.effects.of(field="published")) == 2 * len(listing.variants)
    assert not desk.shop.effects.repeated()


async def test_a_sibling_that_is_refused_is_told(desk: Desk) -> None:
    listing = await siblings(desk)
    gone = msgspec.structs.replace(listing.variants[0], external_id="12")
    outcome = await desk.one(
        edit(msgspec.structs.replace(listing, variants=(gone, *listing.variants[1:])), EditField.PUBLISHED, True)
    )
    assert outcome.result is Result.REFUSED
    assert "not found" in outcome.reason


async def test_a_price_below_a_tenth_or_with_a_fraction_is_refused(desk: Desk) -> None:
    listing = (await products(desk))[1]
    variant = listing.variants[0]
    low = await desk.one(edit(listing, EditField.PRICE, Decimal(1), variant))
    assert (low.result, "10%" in low.reason) == (Result.REFUSED, True)
    part = await desk.one(edit(listing, EditField.PRICE, Decimal("100000.5"), variant))
    assert (part.result, part.code) == (Result.REFUSED, "price")
    whole = await desk.one(edit(listing, EditField.PRICE, Decimal("1.9E+6"), variant))
    assert whole.result is Result.DONE
    assert desk.shop.effects.values(variant.external_id, "price") == [1_900_000]


async def test_what_cannot_be_sent_does_not_hold_up_the_rest(desk: Desk) -> None:
    listing = (await products(desk))[1]
    variant = listing.variants[0]
    edits = [
        edit(listing, EditField.PRICE, None, variant),
        edit(listing, EditField.STOCK, 5, variant),
        edit(listing, EditField.STOCK, 6, variant, HANOI),
        edit(listing, EditField.SALE_PRICE, Decimal(5), variant),
    ]
    outcomes = await desk.write(*edits)
    assert [outcomes[one.key].result for one in edits] == [
        Result.REFUSED, Result.REFUSED, Result.DONE, Result.REFUSED
    ]  # fmt: skip
    assert outcomes[edits[1].key].code == "location"
    assert (await desk.one(edits[0])).result is Result.REFUSED


async def test_the_only_warehouse_need_not_be_named() -> None:
    account = Tiki(World(1, 6, ShiftedClock(ManualClock()))).sellers[3].id
    async with writing("tiki", 6, account) as desk:
        listing = (await products(desk))[0]
        one = edit(listing, EditField.STOCK, 8, listing.variants[0])
        await desk.done(one)
        assert await desk.shows(one, name(listing)) == 8


async def test_refusals_locks_and_errors(desk: Desk) -> None:
    listing = (await products(desk))[2]
    variant = listing.variants[0]
    assert variant.price is not None
    one = edit(listing, EditField.PRICE, variant.price.list_price, variant)
    desk.shop.locked.add(variant.external_id)
    assert (await desk.one(one)).result is Result.LOCKED
    gone = msgspec.structs.replace(variant, external_id="12")
    missing = await desk.one(edit(listing, EditField.PRICE, Decimal(5_000), gone))
    assert (missing.result, missing.code) == (Result.REFUSED, "http_404")
    nowhere = await desk.one(edit(listing, EditField.STOCK, 1, variant, "77"))
    assert nowhere.result is Result.REFUSED
    assert not desk.shop.effects.of()
    desk.shop.faults.add(PRODUCT, "replace", 1, status=403, body={"errors": ["Seller is inactive"]})
    with pytest.raises(Refused):
        await desk.one(one)


async def test_an_answer_without_a_verdict_is_no_answer(desk: Desk) -> None:
    listing = (await products(desk))[2]
    one = edit(listing, EditField.STOCK, 4, listing.variants[0], HANOI)
    for body in ({"state": "queuing"}, {}, {"state": None}):
        desk.shop.faults.add(PRODUCT, "replace", 1, body=body)
        with pytest.raises(MalformedBody):
            await desk.one(one)
    whole = await siblings(desk)
    answers: tuple[dict[str, object], ...] = ({"data": []}, {"data": [{"product_id": name(whole)}]}, {})
    for answer in answers:
        desk.shop.faults.add("*/updateSkus", "replace", 1, body=answer)
        with pytest.raises(MalformedBody):
            await desk.one(edit(whole, EditField.PUBLISHED, True))
    assert not desk.shop.effects.of()


async def test_a_put_is_not_repeated_when_its_answer_is_lost(desk: Desk) -> None:
    listing = (await products(desk))[3]
    variant = listing.variants[0]
    for number, kind in enumerate(("drop_reply", "cut", "truncate")):
        desk.shop.effects.clear()
        desk.shop.faults.add(PRODUCT, kind, 1)
        with pytest.raises((Disconnected, MalformedBody, PlatformFailed)):
            await desk.one(edit(listing, EditField.STOCK, 40 + number, variant, HANOI))
        assert desk.shop.effects.values(variant.external_id, "stock") == [40 + number]
        desk.shop.clock.advance(_CALM)
    sent = desk.calls("/updateSku")
    for kind in ("server_error", "reset", "html"):
        desk.shop.faults.add(PRODUCT, kind, 1)
        with pytest.raises(ClientError):
            await desk.one(edit(listing, EditField.STOCK, 60, variant, HANOI))
        desk.shop.clock.advance(_CALM)
    assert desk.calls("/updateSku") == sent + 3
    for kind in ("throttle", "expired_token"):
        desk.shop.faults.add(PRODUCT, kind, 1)
    await desk.done(edit(listing, EditField.STOCK, 61, variant, HANOI))


async def test_a_write_shows_in_the_next_pull_and_in_the_queue(desk: Desk) -> None:
    listing = (await products(desk))[4]
    desk.shop.clock.advance(3_600)
    assert isinstance(desk.shop, Tiki)
    queue = desk.shop.queues.open(desk.shop.apps[0], "q", "code")
    queue.joined.update(
        {(desk.session.account.id, kind) for kind in ("PRODUCT_PRICE_UPDATED", "PRODUCT_INVENTORY_UPDATED")}
    )
    variant = listing.variants[0]
    assert variant.price is not None
    await desk.done(
        edit(listing, EditField.STOCK, 33, variant, SAIGON),
        edit(listing, EditField.PRICE, variant.price.current_price + 1_000, variant),
    )
    after = next(one for one in await desk.listings() if name(one) == name(listing))
    assert after.platform_updated_at is not None
    assert listing.platform_updated_at is not None
    assert after.platform_updated_at > listing.platform_updated_at
    assert [one["type"] for one in queue.events] == ["PRODUCT_PRICE_UPDATED", "PRODUCT_INVENTORY_UPDATED"]


FIELDS = st.sampled_from([EditField.PRICE, EditField.STOCK, EditField.PUBLISHED])


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), FIELDS), max_size=60))
def test_a_batch_is_of_one_product_or_one_listing(given: list[tuple[int, int, EditField]]) -> None:
    edits = []
    for item, sku, field in given:
        price = Price("VND", Decimal(1), Decimal(1))
        both = tuple(Variant(f"{item}-{one}", price=price, inventory=(Inventory(1),)) for one in range(item + 1))
        listing = Listing(str(item), "T", ListingStatus.ACTIVE, "active=1", both)
        value: EditValue = 1
        edits.append(edit(listing, field, value, None if field is EditField.PUBLISHED else both[sku % len(both)]))
    batches = written.batches(edits)
    assert sorted(one.key for batch in batches for one in batch) == sorted(one.key for one in edits)
    assert all(len({written._call(one) for one in batch}) == 1 for batch in batches)
    assert all(len({(one.field, one.location) for one in batch}) == len(batch) for batch in batches)


async def test_the_sandbox_keeps_the_rules_of_a_product(desk: Desk) -> None:
    user = TikiUser(desk.shop)
    user.app = desk.shop.apps[1]
    await user.connect()

    async def put(path: str, version: str = "v2", **body: Any) -> Answer:
        headers = {"Authorization": f"Bearer {user.access}"}
        return await fetch("PUT", f"{desk.shop.base_url}/integration/{version}{path}", json=body, headers=headers)

    listing = next(one for one in await products(desk) if one.variants[0].sku)
    key = int(name(listing))
    assert (await put("/products/updateSku", product_id=key, active=2)).status == 422
    assert (await put("/products/updateSku", product_id=key, price="5")).status == 422
    assert (await put("/products/updateSku", original_sku=listing.variants[0].sku, active=1)).json == {
        "state": "approved"
    }
    assert (await put("/products/updateSkus", product_id=key)).status in {404, 405}
    assert (await put("/products/updateSkus", "v2.1", data=[])).status == 422
    rows = (await put("/products/updateSkus", "v2.1", data=[{"product_id": key, "status": 1}, {"product_id": 5}])).json
    assert [sorted(row) for row in rows["data"]] == [["product_id", "state"], ["errors", "product_id"]]
    desk.shop.edit_product(str(key), status="banned")
    assert (await put("/products/updateSku", product_id=key, active=1)).status == 422
    desk.shop.edit_product(str(key), status="active")
    await put("/products/updateSku", product_id=key, seller_warehouse=SAIGON)
    places = (await desk.again(listing, str(key))).variants[0].inventory
    assert next(one for one in places if one.location_external_id == HANOI).available == 0


async def test_no_answer_upsets_the_writer() -> None:
    async with writing("tiki", 20) as desk:
        listing, whole = (await products(desk))[0], await siblings(desk)
        one = edit(listing, EditField.STOCK, 4, listing.variants[0], HANOI)
        await desk.survives("/updateSku", {"state": "approved"}, one)
        await desk.survives("/updateSku", {"errors": ["words"]}, one, status=422)
        rows = [{"product_id": int(one.external_id), "state": "approved", "errors": []} for one in whole.variants[:1]]
        await desk.survives("/updateSkus", {"data": rows}, edit(whole, EditField.PUBLISHED, True))
