"""Shopify is written by mutations: prices that hang together, stock with its base, complaints with HTTP 200."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from tests.given.connectors import found, played
from tests.given.scenes import Scene, edit, listings, scene

from isthmus.client import ClientError, Disconnected, Tokens
from isthmus.connect.shapes import Listing, ListingStatus, Variant
from isthmus.connect.spi import Account, Granted, Session
from isthmus.connect.writing import Edit, EditField, EditValue, Outcome, Result, value_of
from isthmus.kit.secret import Secret
from isthmus.sandbox import CatalogueProduct, CatalogueVariant

PRICE, SALE, STOCK, TITLE = EditField.PRICE, EditField.SALE_PRICE, EditField.STOCK, EditField.TITLE


def active(known: Sequence[Listing]) -> list[Listing]:
    return [one for one in known if one.status is ListingStatus.ACTIVE]


def sold(known: Sequence[Listing], *, on_sale: bool) -> tuple[Listing, int]:
    """A variant with a sale price or without one."""
    rows = [(one, at) for one in active(known) for at in range(len(one.variants))]
    return next((one, at) for one, at in rows if (price_of(one.variants[at])[1] is not None) == on_sale)


def price_of(variant: Variant) -> tuple[Decimal, Decimal | None]:
    assert variant.price is not None
    return variant.price.list_price, variant.price.sale_price


def stock(one: Listing, value: int, base: EditValue = None, at: int = 0) -> Edit:
    return edit(one, STOCK, value, at, based_on=base)


def mutations(here: Scene) -> list[str]:
    """The operations that were asked for, in their order."""
    return [record.page for record in here.shop.recording.requests if record.page in {"Prices", "Texts", "Stock"}]


async def test_every_field_is_written_and_read_back() -> None:
    wanted: dict[EditField, EditValue] = {
        PRICE: Decimal(250_000),
        SALE: Decimal(199_000),
        STOCK: 17,
        TITLE: "Áo mới",
        EditField.DESCRIPTION: "<p>Mới</p>",
        EditField.PUBLISHED: False,
    }
    async with scene("shopify") as here:
        one = active(here.listings)[0]
        told = await here.write(*(edit(one, field, value) for field, value in wanted.items()))
        assert {answer.result for answer in told.values()} == {Result.DONE}
        again = await here.read(one)
        assert sorted(mutations(here)) == ["Prices", "Stock", "Texts"]
    assert {field: value_of(again, again.variants[0].external_id, field, "", "list") for field in wanted} == wanted


@pytest.mark.parametrize("on_sale", [True, False])
@pytest.mark.parametrize("fields", [(PRICE,), (SALE,), (PRICE, SALE)])
async def test_list_price_and_sale_price_move_each_for_itself(on_sale: bool, fields: tuple[EditField, ...]) -> None:
    async with scene("shopify") as here:
        one, at = sold(here.listings, on_sale=on_sale)
        regular, sale = price_of(one.variants[at])
        values = {PRICE: regular + 50_000, SALE: regular - 1_000}
        told = await here.write(*(edit(one, field, values[field], at) for field in fields))
        assert {answer.result for answer in told.values()} == {Result.DONE}
        again = await here.read(one)
    wanted = values[PRICE] if PRICE in fields else regular, values[SALE] if SALE in fields else sale
    assert price_of(again.variants[at]) == wanted


async def test_the_end_of_a_sale_brings_the_regular_price_back() -> None:
    async with scene("shopify") as here:
        one, at = sold(here.listings, on_sale=True)
        wanted = edit(one, SALE, None, at)
        assert (await here.write(wanted))[wanted.key].result is Result.DONE
        assert price_of((await here.read(one)).variants[at]) == (price_of(one.variants[at])[0], None)


@pytest.mark.parametrize("field", [PRICE, SALE])
async def test_a_sale_price_that_is_not_below_the_regular_one_is_refused_before_a_call(field: EditField) -> None:
    async with scene("shopify") as here:
        one, at = sold(here.listings, on_sale=True)
        regular, sale = price_of(one.variants[at])
        wanted = edit(one, field, sale if field is PRICE else regular, at)
        told = (await here.write(wanted))[wanted.key]
        assert (told.result, told.code, mutations(here)) == (Result.REFUSED, "sale_not_below", [])


async def test_a_variant_that_is_refused_harms_no_other_of_its_product() -> None:
    async with scene("shopify") as here:
        one = next(each for each in active(here.listings) if len(each.variants) > 2)
        here.shop.writes.refusing.add(one.variants[1].external_id)
        edits = [edit(one, PRICE, Decimal(900_000 + at), at) for at in range(3)]
        told = await here.write(*edits)
    assert [told[each.key].result for each in edits] == [Result.DONE, Result.REFUSED, Result.DONE]
    assert told[edits[1].key].reason == "This variant is managed by another app"


async def test_a_title_that_is_refused_does_not_hold_up_the_state() -> None:
    async with scene("shopify") as here:
        one = active(here.listings)[0]
        title, state = edit(one, TITLE, ""), edit(one, EditField.PUBLISHED, False)
        told = await here.write(title, state)
        assert (told[title.key].result, told[state.key].result) == (Result.REFUSED, Result.DONE)
        assert [effect.field for effect in here.shop.effects.of()] == ["published"]


async def test_stock_of_many_products_goes_in_one_call_with_what_it_was_based_on() -> None:
    async with scene("shopify") as here:
        chosen = active(here.listings)[:5]
        edits = [stock(one, 500 + at, one.variants[0].available) for at, one in enumerate(chosen)]
        told = await here.write(*edits)
        assert {answer.result for answer in told.values()} == {Result.DONE}
        assert mutations(here) == ["Stock"]
        assert [await here.shown(one) for one in edits] == [500, 501, 502, 503, 504]


async def test_a_stale_base_is_said_and_the_other_rows_are_written_all_the_same() -> None:
    async with scene("shopify") as here:
        first, second = active(here.listings)[:2]
        here.shop.edit_product(first.external_id, variant=0, stock=77)
        stale = stock(first, 5, first.variants[0].available)
        good = stock(second, 6, second.variants[0].available)
        told = await here.write(stale, good)
        assert (told[stale.key].result, told[stale.key].code) == (Result.STALE, "CHANGE_FROM_QUANTITY_STALE")
        assert told[good.key] == Outcome(good.key)
        assert await here.shown(stale) == 77
        assert [effect.value for effect in here.shop.effects.of(field="stock")] == [6]


async def test_a_request_that_is_still_being_worked_off_is_for_later_and_no_refusal() -> None:
    async with scene("shopify", 6) as here:
        wanted = stock(active(here.listings)[0], 5)
        error = {"message": "Still running", "code": "IDEMPOTENCY_CONCURRENT_REQUEST"}
        body = {"data": {"inventorySetQuantities": {"userErrors": [error]}}}
        here.shop.faults.add("*/graphql.json", "replace", times=1, after=1, body=body)
        assert (await here.write(wanted))[wanted.key].result is Result.LOCKED


async def test_without_a_base_nothing_is_compared() -> None:
    async with scene("shopify") as here:
        wanted = stock(active(here.listings)[0], 5)
        assert (await here.write(wanted))[wanted.key].result is Result.DONE


async def test_the_same_request_again_takes_effect_once_and_a_new_base_is_a_new_request() -> None:
    async with scene("shopify") as here:
        one = active(here.listings)[0]
        first = stock(one, 5, one.variants[0].available)
        for _ in range(2):
            assert (await here.write(first))[first.key].result is Result.DONE
        assert len(here.shop.effects) == 1
        assert (await here.write(_based_on(first, 5)))[first.key].result is Result.DONE
        assert len(here.shop.effects) == 2


def _based_on(one: Edit, base: int) -> Edit:
    """The same edit, decided anew on another value."""
    return Edit(one.key, one.field, one.value, one.listing, one.variant, based_on=base)


async def test_stock_is_set_at_the_location_that_is_named() -> None:
    async with scene("shopify") as here:
        one = active(here.listings)[0]
        right, wrong = edit(one, STOCK, 3, location="655441491"), edit(one, STOCK, 4, 0, location="1")
        assert (await here.write(right))[right.key].result is Result.DONE
        told = (await here.write(wrong))[wrong.key]
    assert (told.result, told.code) == (Result.REFUSED, "INVALID_LOCATION")


@asynccontextmanager
async def several_places() -> AsyncIterator[Scene]:
    """A shop whose stock lies at two places."""
    async with played("shopify", 12) as (play, shop):
        owner = shop.sellers[3]
        play.keys = {name: Secret(value) for name, value in shop.keys(owner.id).items()}
        trial = Granted(Account(""), Tokens(Secret("unused")))
        async with play.session(trial) as opened:
            account = await play.connector.test(opened)
            told = Session(opened.client, opened.app_hosts, account, opened.clock)
            yield Scene(play.connector, shop, told, await listings(play.connector, told))


async def test_stock_at_several_places_is_read_and_written_place_by_place() -> None:
    async with several_places() as here:
        assert here.session.account.extra["locations"] == "several"
        one = next(each for each in active(here.listings) if (each.variants[0].available or 0) > 2)
        before = {place.location_external_id: place.available for place in one.variants[0].inventory}
        assert set(before) == {"655441491", "655441492"}
        wanted = edit(one, STOCK, 900, location="655441492", based_on=before["655441492"])
        told = await here.write(wanted, edit(one, STOCK, 1, location="655441491", based_on=-1))
        assert [each.result for each in told.values()] == [Result.STALE, Result.DONE]
        again = await here.read(one)
        assert [(each.place, each.value) for each in here.shop.effects.of()] == [("655441492", 900)]
    after = {place.location_external_id: place.available for place in again.variants[0].inventory}
    assert after == before | {"655441492": 900}


async def test_stock_at_several_places_needs_one_that_is_named() -> None:
    async with several_places() as here:
        wanted = stock(active(here.listings)[0], 3)
        told = (await here.write(wanted))[wanted.key]
        assert (told.result, told.code, len(here.shop.effects)) == (Result.REFUSED, "location_unclear", 0)


ITEM = {"id": "gid://shopify/InventoryItem/1", "tracked": True}
HERE = [{"id": "gid://shopify/Location/1"}]


@pytest.mark.parametrize(
    ("item", "places", "code"),
    [
        (None, HERE, "not_found"),
        ({**ITEM, "tracked": False}, HERE, "not_tracked"),
        (ITEM, [], "location_unclear"),
        (ITEM, HERE * 2, "location_unclear"),
    ],
)
async def test_stock_that_has_no_place_is_refused_in_words(
    item: dict[str, Any] | None, places: list[dict[str, str]], code: str
) -> None:
    async with scene("shopify", 6) as here:
        wanted = stock(active(here.listings)[0], 5)
        assert wanted.variant is not None
        node = {"id": f"gid://shopify/ProductVariant/{wanted.variant.external_id}", "inventoryItem": item}
        body = {"data": {"nodes": [item and node], "locations": {"nodes": places}}}
        here.shop.faults.add("*/graphql.json", "replace", times=1, body=body)
        told = (await here.write(wanted))[wanted.key]
        assert (told.result, told.code, mutations(here)) == (Result.REFUSED, code, [])
        assert told.reason.endswith(".")


async def test_a_whole_batch_of_stock_costs_one_reading_within_the_points_of_one_query() -> None:
    many = tuple(CatalogueVariant(f"S{at}", Decimal(1_000), stock=at, options=(f"{at}",)) for at in range(250))
    async with scene("shopify", 3) as here:
        [added] = here.shop.add_product(CatalogueProduct("Bộ lớn", many, option_names=("Số",)))
        record = await here.connector.fetch(here.session, "products", added)
        one = here.connector.map_listing(record, here.session.account)
        before = here.shop.recording.counts["requests"]
        told = await here.write(*(stock(one, 7_000 + at, at, at) for at in range(250)))
        assert {answer.result for answer in told.values()} == {Result.DONE}
        assert here.shop.recording.counts["requests"] - before == 2
        assert len(here.shop.effects) == 250


@pytest.mark.parametrize("field", [PRICE, STOCK, TITLE])
async def test_a_write_whose_answer_is_lost_is_not_sent_again_by_itself(field: EditField) -> None:
    async with scene("shopify", 6) as here:
        values: dict[EditField, EditValue] = {PRICE: Decimal(910_000), STOCK: 9, TITLE: "x"}
        wanted = edit(active(here.listings)[0], field, values[field])
        here.shop.faults.add("*/graphql.json", "drop_reply", times=1, after=1 if field is STOCK else 0)
        with pytest.raises(Disconnected) as caught:
            await here.write(wanted)
        assert (len(here.shop.effects), caught.value.retry_safe) == (1, False)
        assert await here.shown(wanted) == wanted.value


async def test_too_few_points_are_waited_for_and_the_write_is_taken() -> None:
    async with scene("shopify", 6) as here:
        wanted = edit(active(here.listings)[0], TITLE, "x")
        here.shop.points.spend(here.shop.sellers[0].id, here.shop.points.left(here.shop.sellers[0].id))
        before = here.session.clock.monotonic()
        assert (await here.write(wanted))[wanted.key].result is Result.DONE
        assert here.session.clock.monotonic() - before >= 0.1
        assert (here.shop.recording.counts["throttled"], len(here.shop.effects)) == (1, 1)


async def test_an_unknown_answer_of_the_platform_is_an_error_and_no_outcome() -> None:
    async with scene("shopify", 6) as here:
        here.shop.faults.add("*/graphql.json", "replace", body={"errors": [{"message": "Internal error."}]})
        with pytest.raises(ClientError):
            await here.write(edit(active(here.listings)[0], TITLE, "x"))


def test_batches_are_a_product_for_prices_and_texts_and_250_items_for_stock() -> None:
    connector: Any = found("shopify").connector
    blank = Listing("1", "x", ListingStatus.ACTIVE, "active", tuple(Variant(f"v{at}") for at in range(300)))
    other = msgspec.structs.replace(blank, external_id="2")
    edits = [edit(blank, PRICE, Decimal(at), at) for at in range(300)]
    edits += [edit(one, field, "x") for one in (blank, other) for field in (TITLE, EditField.DESCRIPTION)]
    edits += [edit(blank, STOCK, at, at) for at in range(300)]
    parts = connector.batches(edits, Account("shop"))
    assert sorted(len(part) for part in parts) == [2, 2, 50, 50, 250, 250]
    assert sorted(one.key for part in parts for one in part) == sorted(one.key for one in edits)
