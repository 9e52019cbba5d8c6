"""Shopee's writes: prices and stock model by model, texts, what is shown; and what the platform refuses."""

from collections.abc import AsyncIterator
from decimal import Decimal

import msgspec
import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from tests.given.marketplaces import ShopeeUser, fetch
from tests.given.writing import Desk, edit, writing

from isthmus.client import ClientError, Disconnected, MalformedBody, PlatformFailed, Refused
from isthmus.connect.shapes import Inventory, Listing, ListingStatus, Price, Variant
from isthmus.connect.writing import EditField, Result, value_of
from isthmus.connectors.shopee.connector import writing as written
from isthmus.connectors.shopee.sandbox import Shopee
from isthmus.kit.clock import ManualClock
from isthmus.sandbox import ShiftedClock, World

FREE = ("A title of our own", "Another title of ours")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened() -> AsyncIterator[Desk]:
    async with writing("shopee", 40) as desk:
        yield desk


@pytest.fixture
def desk(opened: Desk) -> Desk:
    opened.shop.faults.clear()
    opened.shop.locked.clear()
    opened.shop.effects.clear()
    opened.shop.recording.clear()
    return opened


async def plain(desk: Desk, models: int = 0) -> Listing:
    """An active item without a promotion; with at least so many models."""
    return next(
        one
        for one in await desk.listings()
        if one.status is ListingStatus.ACTIVE
        and len(one.variants) >= max(models, 1)
        and bool(one.options) == bool(models)
        and all(variant.price is not None and variant.price.editable for variant in one.variants)
    )


async def test_prices_leave_as_whole_numbers_and_are_shown(desk: Desk) -> None:
    listing = await plain(desk, 2)
    first, second = listing.variants[:2]
    assert first.price is not None
    price = first.price.list_price + 1_000
    edits = [edit(listing, EditField.PRICE, price, first), edit(listing, EditField.PRICE, price + 500, second)]
    await desk.done(*edits)
    assert desk.calls("/update_price") == 1
    assert [await desk.shows(one) for one in edits] == [price, price + 500]
    assert desk.shop.effects.values(first.external_id, "price") == [price]
    assert not desk.shop.effects.repeated()


async def test_stock_is_what_can_be_sold_and_what_is_reserved_at_a_location(desk: Desk) -> None:
    listing = next(
        one for one in await desk.listings()
        if one.variants[0].inventory[0].reserved and one.status is ListingStatus.ACTIVE
    )  # fmt: skip
    variant = listing.variants[0]
    near, far = (place.location_external_id or "" for place in variant.inventory)
    edits = [
        edit(listing, EditField.STOCK, 11, variant, near),
        edit(listing, EditField.STOCK, 0, variant, far),
    ]
    await desk.done(*edits)
    assert desk.calls("/update_stock") == 1
    assert [await desk.shows(one) for one in edits] == [11, 0]
    assert desk.shop.effects.values(variant.external_id, "stock", place=near) == [11]


async def test_an_item_without_models_is_its_own_model(desk: Desk) -> None:
    listing = await plain(desk)
    variant = listing.variants[0]
    assert variant.external_id.endswith(":0")
    one = edit(listing, EditField.PRICE, Decimal(77_000), variant)
    await desk.done(one)
    assert await desk.shows(one) == 77_000


async def test_a_shop_with_one_location_names_none() -> None:
    async with writing(
        "shopee", 6, Shopee(World(1, 6, ShiftedClock(ManualClock()))).sellers[3].extra["account"]
    ) as desk:
        listing = next(one for one in await desk.listings() if one.status is ListingStatus.ACTIVE)
        variant = listing.variants[0]
        assert [place.location_external_id for place in variant.inventory] == [None]
        one = edit(listing, EditField.STOCK, 8, variant)
        await desk.done(one)
        assert await desk.shows(one) == 8
        named = await desk.one(edit(listing, EditField.STOCK, 9, variant, "VN10SGN"))
        assert named.result is Result.REFUSED
        assert "location_id" in named.reason


async def test_texts_of_an_item_leave_in_one_call_and_markup_becomes_text(desk: Desk) -> None:
    listing = await plain(desk)
    title = edit(listing, EditField.TITLE, FREE[0])
    words = edit(listing, EditField.DESCRIPTION, "First &amp; last<br>\nline")
    await desk.done(title, words)
    assert desk.calls("/update_item") == 1
    assert await desk.shows(title) == FREE[0]
    assert await desk.shows(words) == "First &amp; last<br>\nline"
    assert (await desk.again(listing)).description_text == "First & last\nline"


async def test_a_description_of_texts_and_pictures_becomes_plain(desk: Desk) -> None:
    listing = next(one for one in await desk.listings() if "<p>" in one.description_html)
    one = edit(listing, EditField.DESCRIPTION, "Plain words")
    await desk.done(one)
    assert await desk.shows(one) == "Plain words"


async def test_fifty_items_are_shown_or_hidden_by_one_call(desk: Desk) -> None:
    active = [one for one in await desk.listings() if one.status is ListingStatus.ACTIVE][:3]
    banned = next(one for one in await desk.listings() if one.status in {ListingStatus.BANNED, ListingStatus.PENDING})
    edits = [edit(one, EditField.PUBLISHED, False) for one in [*active, banned]]
    outcomes = await desk.write(*edits)
    assert desk.calls("/unlist_item") == 1
    assert [outcomes[one.key].result for one in edits] == [Result.DONE] * 3 + [Result.REFUSED]
    assert (await desk.again(active[0])).status is ListingStatus.INACTIVE
    back = edit(active[0], EditField.PUBLISHED, True)
    await desk.done(back)
    assert await desk.shows(back) is True


async def test_a_promotion_holds_the_price_of_its_models_and_the_others_are_written(desk: Desk) -> None:
    listing = await plain(desk, 2)
    held, free = listing.variants[:2]
    desk.shop.locked.add(held.external_id)
    assert free.price is not None
    edits = [
        edit(listing, EditField.PRICE, free.price.list_price, held),
        edit(listing, EditField.PRICE, free.price.list_price + 7, free),
        edit(listing, EditField.STOCK, 3, held, "VN10SGN"),
    ]
    outcomes = await desk.write(*edits)
    assert [outcomes[one.key].result for one in edits] == [Result.LOCKED, Result.DONE, Result.LOCKED]
    assert "promotion" in outcomes[edits[0].key].reason
    assert [one.object for one in desk.shop.effects.of()] == [free.external_id]


async def test_a_sale_is_a_promotion(desk: Desk) -> None:
    listing = next(one for one in await desk.listings() if one.variants[0].price and one.variants[0].price.sale_price)
    assert (await desk.one(edit(listing, EditField.PRICE, Decimal(9_000), listing.variants[0]))).result is Result.LOCKED


async def test_less_than_buyers_hold_is_a_stale_idea_of_the_stock(desk: Desk) -> None:
    listing = next(one for one in await desk.listings() if one.variants[0].inventory[0].reserved)
    known = listing.variants[0]
    place = msgspec.structs.replace(known.inventory[0], reserved=0)
    old = msgspec.structs.replace(known, inventory=(place, *known.inventory[1:]))
    outcome = await desk.one(edit(listing, EditField.STOCK, 0, old, place.location_external_id or ""))
    assert outcome.result is Result.STALE
    assert "reserved" in outcome.reason
    assert not desk.shop.effects.of()


async def test_stock_without_one_of_several_locations_is_not_sent(desk: Desk) -> None:
    listing = await plain(desk)
    outcome = await desk.one(edit(listing, EditField.STOCK, 5, listing.variants[0]))
    assert (outcome.result, outcome.code) == (Result.REFUSED, "location")
    assert desk.calls("/update_stock") == 0


async def test_prices_too_far_apart_are_refused_together(desk: Desk) -> None:
    listing = await plain(desk, 2)
    first, second = listing.variants[:2]
    assert first.price is not None
    far = first.price.list_price * 6
    outcomes = await desk.write(
        edit(listing, EditField.PRICE, far, first), edit(listing, EditField.PRICE, far + 1, second)
    )
    if len(listing.variants) == 2:
        assert {one.result for one in outcomes.values()} == {Result.DONE}
    lone = await desk.one(edit(listing, EditField.PRICE, Decimal(1), first))
    assert lone.result is Result.REFUSED
    assert lone.code == "error_param"


async def test_an_unknown_item_is_refused_and_an_unknown_model_alone(desk: Desk) -> None:
    listing = await plain(desk, 2)
    gone = msgspec.structs.replace(listing, external_id="999")
    outcome = await desk.one(edit(gone, EditField.TITLE, FREE[1]))
    assert (outcome.result, outcome.code) == (Result.REFUSED, "error_item_not_found")
    model = msgspec.structs.replace(listing.variants[0], external_id="12")
    assert listing.variants[1].price is not None
    price = listing.variants[1].price.list_price
    one, two = edit(listing, EditField.PRICE, price, model), edit(listing, EditField.PRICE, price, listing.variants[1])
    outcomes = await desk.write(one, two)
    assert [outcomes[each.key].result for each in (one, two)] == [Result.REFUSED, Result.DONE]


async def test_a_fraction_is_refused_where_prices_are_whole(desk: Desk) -> None:
    listing = await plain(desk)
    outcome = await desk.one(edit(listing, EditField.PRICE, Decimal("5000.5"), listing.variants[0]))
    assert outcome.result is Result.REFUSED
    assert "whole" in outcome.reason


async def test_a_lost_answer_is_an_error_and_one_effect(desk: Desk) -> None:
    listing = await plain(desk)
    one = edit(listing, EditField.TITLE, "Named once and for all")
    for kind in ("drop_reply", "cut", "truncate"):
        desk.shop.faults.add("*/update_item", kind, 1)
        desk.shop.effects.clear()
        with pytest.raises((Disconnected, MalformedBody, PlatformFailed)):
            await desk.one(one)
        assert len(desk.shop.effects.of(listing.external_id, "title")) == 1


async def test_what_was_not_done_is_sent_again_and_what_may_have_been_is_not(desk: Desk) -> None:
    listing = await plain(desk)
    for number, kind in enumerate(("throttle", "expired_token")):
        desk.shop.faults.add("*/update_item", kind, 1)
        await desk.done(edit(listing, EditField.TITLE, f"Title after {kind} {number}"))
    before = desk.calls("/update_item")
    for kind in ("server_error", "html", "reset"):
        desk.shop.faults.add("*/update_item", kind, 1)
        with pytest.raises(ClientError):
            await desk.one(edit(listing, EditField.TITLE, f"Title under {kind}"))
    assert desk.calls("/update_item") == before + 3
    assert not desk.shop.effects.repeated()


async def test_no_permission_is_an_error_of_the_call(desk: Desk) -> None:
    listing = await plain(desk)
    body = {"error": "error_permission", "message": "No.", "request_id": "r"}
    desk.shop.faults.add("*/update_item", "replace", 1, body=body)
    with pytest.raises(Refused):
        await desk.one(edit(listing, EditField.TITLE, FREE[1]))


async def test_a_lock_of_the_whole_shop_is_a_lock(desk: Desk) -> None:
    listing = await plain(desk)
    body = {"error": "product.error_holiday_mode_change_stock", "message": "On holiday.", "request_id": "r"}
    desk.shop.faults.add("*/update_stock", "replace", 1, body=body)
    outcome = await desk.one(edit(listing, EditField.STOCK, 4, listing.variants[0], "VN10SGN"))
    assert (outcome.result, outcome.code) == (Result.LOCKED, "error_holiday_mode_change_stock")


async def test_an_answer_that_passes_a_row_over_is_no_answer(desk: Desk) -> None:
    listing = await plain(desk)
    body = {"error": "", "message": "", "request_id": "r", "response": {"success_list": [], "failure_list": []}}
    desk.shop.faults.add("*/unlist_item", "replace", 1, body=body)
    with pytest.raises(MalformedBody):
        await desk.one(edit(listing, EditField.PUBLISHED, False))


async def test_an_edit_without_a_value_is_not_sent(desk: Desk) -> None:
    listing = await plain(desk)
    outcomes = await desk.write(
        edit(listing, EditField.PRICE, None, listing.variants[0]),
        edit(listing, EditField.STOCK, -1, listing.variants[0], "VN10SGN"),
        edit(listing, EditField.SALE_PRICE, Decimal(1), listing.variants[0]),
    )
    assert {one.result for one in outcomes.values()} == {Result.REFUSED}
    assert not desk.shop.effects.of()
    assert desk.calls("/update_price") + desk.calls("/update_stock") == 0


FIELDS = st.sampled_from([one for one in EditField if one is not EditField.SALE_PRICE])


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 70), FIELDS), max_size=150))
def test_batches_are_a_partition_within_fifty(given: list[tuple[int, int, EditField]]) -> None:
    edits = []
    for item, model, field in given:
        variant = Variant(str(model), price=Price("VND", Decimal(1), Decimal(1)), inventory=(Inventory(1),))
        listing = Listing(str(item), "T", ListingStatus.ACTIVE, "NORMAL", (variant,))
        of_model = field in {EditField.PRICE, EditField.STOCK}
        edits.append(edit(listing, field, 1, variant if of_model else None))
    batches = written.batches(edits)
    assert sorted(one.key for batch in batches for one in batch) == sorted(one.key for one in edits)
    for batch in batches:
        assert len({written._call(one) for one in batch}) == 1
        assert len({written._row(one) for one in batch}) <= 50


async def test_the_sandbox_refuses_fifty_one_rows_and_wrong_locations(desk: Desk) -> None:
    user = ShopeeUser(desk.shop)
    user.app = desk.shop.apps[1]
    await user.connect()

    async def post(path: str, body: dict[str, object]) -> dict[str, object]:
        full = f"/api/v2/product/{path}"
        bound = {"access_token": user.access, "shop_id": user.entity}
        query = {**user.signed(full, *bound.values()), **bound}
        return (await fetch("POST", f"{desk.shop.base_url}{full}", params=query, json=body)).json

    listing = await plain(desk)
    item = int(listing.external_id)
    rows = [{"model_id": 0, "original_price": 5_000}] * 51
    assert (await post("update_price", {"item_id": item, "price_list": rows}))["error"] == "product.error_param"
    items = [{"item_id": item, "unlist": True}] * 51
    assert (await post("unlist_item", {"item_list": items}))["error"] == "product.error_param"
    bare: dict[str, object] = {"item_id": item, "stock_list": [{"model_id": 0, "seller_stock": [{"stock": 5}]}]}
    said = await post("update_stock", bare)
    assert "location_id" in str(said["response"])
    assert (await post("update_item", {"item_id": item, "item_name": "abc"}))["error"] == "product.error_param"
    assert not desk.shop.effects.of()


async def test_a_write_moves_the_time_of_change_and_shows_in_the_next_pull(desk: Desk) -> None:
    listing = await plain(desk)
    desk.shop.clock.advance(3_600)
    one = edit(listing, EditField.PRICE, Decimal(61_000), listing.variants[0])
    await desk.done(one)
    after = next(each for each in await desk.listings() if each.external_id == listing.external_id)
    assert value_of(after, listing.variants[0].external_id, EditField.PRICE, "", "list") == 61_000
    assert after.platform_updated_at is not None
    assert listing.platform_updated_at is not None
    assert after.platform_updated_at > listing.platform_updated_at


async def test_no_answer_upsets_the_writer() -> None:
    async with writing("shopee", 20) as desk:
        listing = await plain(desk)
        row = {"item_id": int(listing.external_id), "model_id": 0, "failed_reason": "words"}
        lists = {"success_list": [{"item_id": int(listing.external_id)}], "failure_list": [row]}
        answer = {"error": "", "message": "", "warning": "", "request_id": "r", "response": lists}
        await desk.survives("/unlist_item", answer, edit(listing, EditField.PUBLISHED, False))
        price = edit(listing, EditField.PRICE, Decimal(5_000), listing.variants[0])
        await desk.survives("/update_price", answer, price)
