"""Lazada's writes: prices and free stock by SKU, texts and states by item; SKUs that fail alone."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import msgspec
import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from tests.given.marketplaces import LazadaUser
from tests.given.writing import Desk, edit, writing

from isthmus.client import ClientError, Disconnected, MalformedBody, PlatformFailed, Refused
from isthmus.connect.shapes import Inventory, Listing, ListingStatus, Price, Variant
from isthmus.connect.writing import EditField, EditValue, Result
from isthmus.connectors.lazada.connector import writing as written
from isthmus.connectors.lazada.sandbox import Lazada, payload
from isthmus.kit.clock import ManualClock
from isthmus.sandbox import ShiftedClock, World

MAIN, SECOND = "dropshipping", "VN-SGN-02"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened() -> AsyncIterator[Desk]:
    async with writing("lazada", 60) as desk:
        yield desk


@pytest.fixture
def desk(opened: Desk) -> Desk:
    opened.shop.faults.clear()
    opened.shop.locked.clear()
    opened.shop.effects.clear()
    opened.shop.recording.clear()
    return opened


async def items(desk: Desk) -> list[Listing]:
    return [one for one in await desk.listings() if one.status is ListingStatus.ACTIVE]


def regular(variant: Variant) -> Decimal:
    assert variant.price is not None
    return variant.price.list_price


async def test_prices_and_sale_prices_of_many_items_leave_in_one_call(desk: Desk) -> None:
    first, second = (await items(desk))[:2]
    price = regular(first.variants[0]) + 1_000
    edits = [
        edit(first, EditField.PRICE, price, first.variants[0]),
        edit(first, EditField.SALE_PRICE, price - 600, first.variants[0]),
        edit(second, EditField.PRICE, regular(second.variants[0]) + 5, second.variants[0]),
    ]
    await desk.done(*edits)
    assert desk.calls("/price_quantity/update") == 1
    assert [await desk.shows(one) for one in edits] == [one.value for one in edits]
    shown = (await desk.again(first)).variants[0].price
    assert shown is not None
    assert shown.current_price == price - 600


async def test_a_sale_keeps_its_dates_and_a_new_one_lasts(desk: Desk) -> None:
    now = desk.session.clock.now()
    old = next(
        one for one in await items(desk) if (price := one.variants[0].price) and price.current_price == price.sale_price
    )
    before = old.variants[0].price
    assert before is not None
    assert before.sale_price is not None
    await desk.done(edit(old, EditField.SALE_PRICE, before.sale_price - 100, old.variants[0]))
    after = (await desk.again(old)).variants[0].price
    assert after is not None
    assert (after.sale_starts_at, after.sale_ends_at) == (before.sale_starts_at, before.sale_ends_at)
    none = next(one for one in await items(desk) if one.variants[0].price and not one.variants[0].price.sale_price)
    await desk.done(edit(none, EditField.SALE_PRICE, regular(none.variants[0]) - 100, none.variants[0]))
    fresh = (await desk.again(none)).variants[0].price
    assert fresh is not None
    assert fresh.sale_starts_at is not None
    assert fresh.sale_ends_at is not None
    assert fresh.sale_starts_at <= now < fresh.sale_ends_at - timedelta(days=3_000)


async def test_a_sale_is_taken_away(desk: Desk) -> None:
    old = next(one for one in await items(desk) if one.variants[0].price and one.variants[0].price.sale_price)
    one = edit(old, EditField.SALE_PRICE, None, old.variants[0])
    await desk.done(one)
    assert await desk.shows(one) is None
    after = (await desk.again(old)).variants[0].price
    assert after is not None
    assert after.current_price == after.list_price


async def test_stock_is_what_can_be_sold_at_each_warehouse(desk: Desk) -> None:
    listing = next(one for one in await items(desk) if len(one.variants[0].inventory) == 2)
    variant = listing.variants[0]
    edits = [edit(listing, EditField.STOCK, 21, variant, MAIN), edit(listing, EditField.STOCK, 4, variant, SECOND)]
    await desk.done(*edits)
    assert desk.calls("/stock/sellable/update") == 1
    assert [await desk.shows(one) for one in edits] == [21, 4]
    assert desk.shop.effects.values(variant.external_id, "stock", place=SECOND) == [4]
    lone = await desk.one(edit(listing, EditField.STOCK, 5, variant))
    assert (lone.result, lone.code) == (Result.REFUSED, "location")


async def test_a_seller_with_one_warehouse_does_not_name_it() -> None:
    account = Lazada(World(1, 6, ShiftedClock(ManualClock()))).sellers[3].id
    async with writing("lazada", 6, account) as desk:
        listing = next(one for one in await items(desk) if one.variants[0].inventory)
        variant = listing.variants[0]
        assert variant.price is not None
        assert variant.price.currency == "MYR"
        one = edit(listing, EditField.STOCK, 6, variant)
        await desk.done(one)
        assert await desk.shows(one) == 6
        named = await desk.one(edit(listing, EditField.STOCK, 8, variant, MAIN))
        assert (named.result, named.reason) == (Result.REFUSED, "The seller has one warehouse")
        cents = edit(listing, EditField.PRICE, regular(variant) + Decimal("0.35"), variant)
        await desk.done(cents)
        assert await desk.shows(cents) == cents.value
        finer = await desk.one(edit(listing, EditField.PRICE, Decimal("9.999"), variant))
        assert finer.result is Result.REFUSED


async def test_a_warehouse_that_is_emptied_is_not_shown_and_can_be_filled_again(desk: Desk) -> None:
    listing = next(one for one in await items(desk) if len(one.variants) == 1 and len(one.variants[0].inventory) == 2)
    variant = listing.variants[0]
    empty = [edit(listing, EditField.STOCK, 0, variant, place) for place in (MAIN, SECOND)]
    await desk.done(*empty)
    assert [await desk.shows(one) for one in empty] == [0, 0]
    sold_out = await desk.again(listing)
    fill = edit(sold_out, EditField.STOCK, 12, sold_out.variants[0], SECOND)
    await desk.done(fill)
    assert await desk.shows(fill) == 12


async def test_the_only_warehouse_that_is_left_is_emptied_without_being_named(desk: Desk) -> None:
    listing = next(one for one in await items(desk) if len(one.variants) == 1 and len(one.variants[0].inventory) == 2)
    await desk.done(edit(listing, EditField.STOCK, 0, listing.variants[0], SECOND))
    left = await desk.again(listing)
    assert [one.location_external_id for one in left.variants[0].inventory] == [MAIN]
    last = edit(left, EditField.STOCK, 0, left.variants[0])
    await desk.done(last)
    assert await desk.shows(last) == 0
    assert desk.shop.effects.values(left.variants[0].external_id, "stock", place=MAIN) == [0]


async def test_the_only_place_of_a_variant_is_meant_where_the_item_has_several(desk: Desk) -> None:
    listing = next(one for one in await items(desk) if len(one.variants) > 1 and len(one.variants[1].inventory) == 2)
    first = msgspec.structs.replace(listing.variants[0], inventory=(Inventory(3, location_external_id=SECOND),))
    known = msgspec.structs.replace(listing, variants=(first, *listing.variants[1:]))
    await desk.done(edit(known, EditField.STOCK, 9, first))
    assert desk.shop.effects.values(first.external_id, "stock", place=SECOND) == [9]


async def test_texts_and_the_state_of_an_item_leave_in_one_call(desk: Desk) -> None:
    listing = next(one for one in await desk.listings() if one.status is ListingStatus.INACTIVE)
    edits = [
        edit(listing, EditField.TITLE, "A title & more"),
        edit(listing, EditField.DESCRIPTION, "<p>Soft &amp; <b>warm</b></p>"),
        edit(listing, EditField.PUBLISHED, True),
    ]
    await desk.done(*edits)
    assert desk.calls("/product/update") == 1
    assert [await desk.shows(one) for one in edits] == [one.value for one in edits]


async def test_a_new_title_does_not_show_an_item_that_was_hidden(desk: Desk) -> None:
    listing = (await items(desk))[-1]
    await desk.done(edit(listing, EditField.PUBLISHED, False))
    assert desk.calls("/product/deactivate") == 1
    hidden = await desk.again(listing)
    assert hidden.status is ListingStatus.INACTIVE
    await desk.done(edit(hidden, EditField.TITLE, "Still out of sight"))
    assert (await desk.again(listing)).status is ListingStatus.INACTIVE


async def test_skus_fail_alone_and_the_others_are_taken(desk: Desk) -> None:
    found = [one for one in await items(desk) if len(one.variants[0].inventory) == 2][:3]
    gone = msgspec.structs.replace(found[2].variants[0], external_id="12", sku="NOWHERE")
    desk.shop.locked.add(found[1].variants[0].external_id)
    edits = [
        edit(found[0], EditField.STOCK, 31, found[0].variants[0], SECOND),
        edit(found[1], EditField.STOCK, 32, found[1].variants[0], SECOND),
        edit(found[2], EditField.STOCK, 33, gone, SECOND),
    ]
    outcomes = await desk.write(*edits)
    assert [outcomes[one.key].result for one in edits] == [Result.DONE, Result.LOCKED, Result.REFUSED]
    assert outcomes[edits[2].key].reason == "SKU not exist"
    assert [one.object for one in desk.shop.effects.of()] == [found[0].variants[0].external_id]


async def test_a_sale_above_the_price_is_refused_with_the_price_beside_it(desk: Desk) -> None:
    listing = (await items(desk))[0]
    price = regular(listing.variants[0])
    edits = [
        edit(listing, EditField.PRICE, price, listing.variants[0]),
        edit(listing, EditField.SALE_PRICE, price + 1, listing.variants[0]),
    ]
    outcomes = await desk.write(*edits)
    assert {one.result for one in outcomes.values()} == {Result.REFUSED}
    assert not desk.shop.effects.of()


async def test_an_answer_that_names_no_sku_is_no_outcome(desk: Desk) -> None:
    first, second = (await items(desk))[:2]
    edits = [edit(one, EditField.PRICE, regular(one.variants[0]), one.variants[0]) for one in (first, second)]
    for detail in ([], [{"seller_sku": "OTHER", "message": "?"}], [{"message": "?"}], "nonsense"):
        body = {"type": "ISV", "code": "501", "message": "E501", "request_id": "r", "detail": detail}
        desk.shop.faults.add("*/price_quantity/update", "replace", 1, body=body)
        with pytest.raises(MalformedBody):
            await desk.write(*edits)
    desk.shop.faults.add("*/price_quantity/update", "replace", 1, body={"type": "ISV", "code": "501", "message": "No"})
    alone = await desk.one(edits[0])
    assert (alone.result, alone.code, alone.reason) == (Result.REFUSED, "501", "No")


async def test_locks_and_refusals_of_a_whole_call(desk: Desk) -> None:
    listing = (await items(desk))[0]
    one = edit(listing, EditField.PRICE, regular(listing.variants[0]), listing.variants[0])

    async def said(code: str, kind: str = "ISV") -> Result:
        body = {"type": kind, "code": code, "message": "words", "request_id": "r"}
        desk.shop.faults.add("*/price_quantity/update", "replace", 1, body=body)
        return (await desk.one(one)).result

    assert await said("4225") is Result.LOCKED
    assert await said("4170") is Result.LOCKED
    assert await said("E212") is Result.REFUSED
    assert await said("208") is Result.REFUSED
    with pytest.raises(Refused):
        await said("SellerNotVerified")
    with pytest.raises(PlatformFailed):
        await said("500", "SYSTEM")


async def test_pictures_of_other_sites_and_unknown_items_are_refused(desk: Desk) -> None:
    listing = (await items(desk))[0]
    outer = await desk.one(edit(listing, EditField.DESCRIPTION, '<img src="https://img.example/1.jpg">'))
    assert (outer.result, outer.code) == (Result.REFUSED, "BIZ_CHECK_EXIST_OUTER_IMAGE")
    gone = msgspec.structs.replace(listing, external_id="12")
    assert (await desk.one(edit(gone, EditField.PUBLISHED, False))).code == "208"
    empty = await desk.one(edit(listing, EditField.TITLE, ""))
    assert empty.result is Result.REFUSED


async def test_a_lost_answer_is_an_error_and_one_effect(desk: Desk) -> None:
    listing = (await items(desk))[0]
    for number, kind in enumerate(("drop_reply", "cut", "truncate")):
        desk.shop.effects.clear()
        desk.shop.faults.add("*/product/update", kind, 1)
        with pytest.raises((Disconnected, MalformedBody, PlatformFailed)):
            await desk.one(edit(listing, EditField.TITLE, f"Once {number}"))
        assert len(desk.shop.effects.of(listing.external_id)) == 1


async def test_the_ban_is_waited_for_and_an_outage_is_not_repeated(desk: Desk) -> None:
    listing = (await items(desk))[0]
    desk.shop.faults.add("*/product/update", "throttle", 1)
    desk.shop.faults.add("*/product/update", "expired_token", 1)
    await desk.done(edit(listing, EditField.TITLE, "After a while"))
    sent = desk.calls("/product/update")
    desk.shop.faults.add("*/product/update", "server_error", 1)
    with pytest.raises(ClientError):
        await desk.one(edit(listing, EditField.TITLE, "Never"))
    assert desk.calls("/product/update") == sent + 1
    assert desk.shop.effects.values(listing.external_id, "title") == ["After a while"]


FIELDS = st.sampled_from(list(EditField))


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 40), FIELDS, st.booleans()), max_size=150))
def test_batches_are_a_partition_within_twenty(given: list[tuple[int, int, EditField, bool]]) -> None:
    edits = []
    for item, sku, field, on in given:
        variant = Variant(f"{item}-{sku}", price=Price("VND", Decimal(1), Decimal(1)), inventory=(Inventory(1),))
        listing = Listing(str(item), "T", ListingStatus.ACTIVE, "Active", (variant,))
        of_sku = field in {EditField.PRICE, EditField.SALE_PRICE, EditField.STOCK}
        value: EditValue = on if field is EditField.PUBLISHED else 1
        edits.append(edit(listing, field, value, variant if of_sku else None))
    batches = written.batches(edits)
    assert sorted(one.key for batch in batches for one in batch) == sorted(one.key for one in edits)
    for batch in batches:
        assert len({written._call(one) for one in batch}) == 1
        assert len({written._row(one) for one in batch}) <= (20 if batch[0].field in written._OF_SKUS else 1)


async def test_the_sandbox_knows_its_limits_and_both_forms_of_a_payload(desk: Desk) -> None:
    user = LazadaUser(desk.shop)
    user.app = desk.shop.apps[1]
    await user.connect()

    async def call(path: str, **values: str) -> Mapping[str, object]:
        return (await user.call(path, "api.vn", "POST", **values)).json

    def tree(count: int) -> str:
        skus = [{"ItemId": "1", "SkuId": str(number), "SellableQuantity": "1"} for number in range(count)]
        return msgspec.json.encode({"Request": {"Product": {"Skus": {"Sku": skus}}}}).decode()

    path = "/product/stock/sellable/update"
    assert (await call(path, payload=tree(51)))["code"] == "ServiceTimeout"
    assert (await call(path, payload=tree(0)))["code"] == "30"
    assert (await call(path, payload="<Request>"))["code"] == "5"
    assert (await call(path))["code"] == "MissingParameter"
    listing = next(one for one in await items(desk) if len(one.variants[0].inventory) == 2)
    sku = listing.variants[0].external_id
    place = f"<WarehouseCode>{MAIN}</WarehouseCode><SellableQuantity>9</SellableQuantity>"
    one = f"<ItemId>{listing.external_id}</ItemId><SkuId>{sku}</SkuId><MultiWarehouseInventories>"
    one += f"<MultiWarehouseInventory>{place}</MultiWarehouseInventory></MultiWarehouseInventories>"
    xml = f"<?xml version='1.0'?><Request><Product><Skus><Sku>{one}</Sku></Skus></Product></Request>"
    assert (await call(path, payload=xml))["code"] == "0"
    assert desk.shop.effects.values(sku, "stock") == [9]


async def test_a_total_below_what_buyers_have_is_refused(desk: Desk) -> None:
    user = LazadaUser(desk.shop)
    user.app = desk.shop.apps[1]
    await user.connect()
    listing = next(
        one for one in await items(desk)
        if len(one.variants[0].inventory) == 2 and one.variants[0].inventory[0].reserved
    )  # fmt: skip
    sku = {"ItemId": listing.external_id, "SkuId": listing.variants[0].external_id}
    for total, code in ((0, "501"), (50, "0")):
        place = {"WarehouseCode": MAIN, "Quantity": str(total)}
        rows = {**sku, "MultiWarehouseInventories": {"MultiWarehouseInventory": [place]}}
        body = msgspec.json.encode({"Request": {"Product": {"Skus": {"Sku": rows}}}}).decode()
        answer = await user.call("/product/price_quantity/update", "api.vn", "POST", payload=body)
        assert answer.json["code"] == code
    held = listing.variants[0].inventory[0].reserved or 0
    assert (await desk.again(listing)).variants[0].inventory[0].available == 50 - held


@given(st.text(max_size=60))
def test_any_payload_is_read_or_not(text: str) -> None:
    for one in (text, f"<Request><Product>{text}</Product></Request>", f'{{"Request":{text}}}'):
        found = payload.product(one)
        assert found is None or isinstance(payload.skus(found), list)


async def test_an_edit_without_a_value_is_not_sent(desk: Desk) -> None:
    listing = (await items(desk))[0]
    none = replace(edit(listing, EditField.PRICE, Decimal(1), listing.variants[0]), value=None)
    less = edit(listing, EditField.STOCK, -1, listing.variants[0], MAIN)
    assert {one.result for one in (await desk.write(none, less)).values()} == {Result.REFUSED}
    assert desk.calls("/update") == 0


async def test_no_answer_upsets_the_writer() -> None:
    async with writing("lazada", 20) as desk:
        first, second = (await items(desk))[:2]
        edits = [edit(one, EditField.PRICE, regular(one.variants[0]), one.variants[0]) for one in (first, second)]
        fault = {"seller_sku": first.variants[0].sku, "field": "Price", "message": "words", "SkuId": 5}
        answer = {"type": "ISV", "code": "501", "message": "E501", "detail": [fault], "request_id": "r"}
        await desk.survives("/price_quantity/update", answer, *edits)
        await desk.survives("/price_quantity/update", {"code": "0", "data": {}}, *edits)
