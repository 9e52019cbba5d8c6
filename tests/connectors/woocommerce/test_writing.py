"""WooCommerce is written in batches: what one call carries, what comes back row by row, and what never goes twice."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from tests.given.connectors import found
from tests.given.scenes import Scene, edit, scene

from isthmus.client import ClientError, Disconnected, MalformedBody
from isthmus.connect.shapes import Listing, ListingStatus
from isthmus.connect.spi import Account
from isthmus.connect.writing import EditField, EditValue, Result, value_of


def simple(known: Sequence[Listing]) -> list[Listing]:
    return [one for one in known if len(one.variants) == 1 and one.status is ListingStatus.ACTIVE]


def variable(known: Sequence[Listing]) -> Listing:
    return next(one for one in known if len(one.variants) > 2)


def sent(here: Scene) -> list[str]:
    """The paths of everything that was written, behind the address of the products."""
    asked = [record for record in here.shop.recording.requests if record.method in {"POST", "PUT"}]
    return sorted(record.path.rpartition("/products")[2] for record in asked)


async def test_every_field_of_a_product_goes_in_one_row_and_is_read_back() -> None:
    wanted: dict[EditField, EditValue] = {
        EditField.PRICE: Decimal(250_000),
        EditField.SALE_PRICE: Decimal(199_000),
        EditField.STOCK: 17,
        EditField.TITLE: "Áo mới",
        EditField.DESCRIPTION: "<p>Mới</p>",
        EditField.PUBLISHED: False,
    }
    async with scene("woocommerce") as here:
        one = simple(here.listings)[0]
        edits = [edit(one, field, value) for field, value in wanted.items()]
        assert [len(batch) for batch in here.connector.batches(edits, here.session.account)] == [6]
        told = await here.write(*edits)
        assert {answer.result for answer in told.values()} == {Result.DONE}
        again = await here.read(one)
        assert {effect.field for effect in here.shop.effects.of(one.external_id)} == {field.value for field in wanted}
    shown = {field: value_of(again, again.variants[0].external_id, field, "", "list") for field in wanted}
    assert shown == wanted


async def test_variations_of_one_product_are_a_batch_of_their_own() -> None:
    async with scene("woocommerce") as here:
        one, other = variable(here.listings), simple(here.listings)[0]
        edits = [
            *(edit(one, EditField.STOCK, 100 + at, at) for at in range(3)),
            edit(one, EditField.PRICE, Decimal(300_000)),
            edit(one, EditField.TITLE, "Tên khác"),
            edit(other, EditField.STOCK, 5),
        ]
        assert sorted(len(batch) for batch in here.connector.batches(edits, here.session.account)) == [2, 4]
        told = await here.write(*edits)
        assert {answer.result for answer in told.values()} == {Result.DONE}
        assert sent(here) == [f"/{one.external_id}/variations/batch", "/batch"]
        assert here.shop.effects.values(one.variants[2].external_id, "stock") == [102]


def test_a_batch_holds_a_hundred_objects_and_every_edit_is_in_exactly_one() -> None:
    connector: Any = found("woocommerce").connector
    blank = Listing("1", "x", ListingStatus.ACTIVE, "publish", ())
    many = [msgspec.structs.replace(blank, external_id=str(number)) for number in range(230)]
    edits = [edit(one, field, "x") for one in many for field in (EditField.TITLE, EditField.DESCRIPTION)]
    parts = connector.batches(edits, Account("shop"))
    assert [len(part) for part in parts] == [200, 200, 60]
    assert sorted(one.key for part in parts for one in part) == sorted(one.key for one in edits)


async def test_more_than_a_hundred_rows_are_refused_by_the_shop() -> None:
    async with scene("woocommerce", 3) as here:
        rows = [{"id": number} for number in range(101)]
        path = f"{here.session.app_hosts['api']}/wp-json/wc/v3/products/batch"
        with pytest.raises(ClientError) as caught:
            await here.session.client.post(path, {"update": rows})
    assert caught.value.code == "woocommerce_rest_request_entity_too_large"


async def test_a_row_that_is_refused_says_why_and_harms_no_other() -> None:
    async with scene("woocommerce") as here:
        first, second = simple(here.listings)[:2]
        here.shop.notes.refusing.add(first.external_id)
        bad, good = edit(first, EditField.STOCK, 3), edit(second, EditField.STOCK, 4)
        told = await here.write(bad, good)
        assert [effect.object for effect in here.shop.effects.of()] == [second.external_id]
    assert (told[bad.key].result, told[bad.key].code) == (Result.REFUSED, "woocommerce_rest_cannot_edit")
    assert told[good.key].result is Result.DONE


async def test_a_product_that_is_gone_is_refused_in_its_row() -> None:
    async with scene("woocommerce", 3) as here:
        wanted = edit(msgspec.structs.replace(here.listings[0], external_id="5"), EditField.TITLE, "x")
        told = (await here.write(wanted))[wanted.key]
    assert (told.result, told.code) == (Result.REFUSED, "woocommerce_rest_product_invalid_id")


async def test_a_value_that_the_shop_does_not_show_afterwards_is_refused_with_what_it_shows() -> None:
    async with scene("woocommerce") as here:
        one = simple(here.listings)[0]
        price = one.variants[0].price
        assert price is not None
        wanted = edit(one, EditField.SALE_PRICE, price.list_price + 1)
        told = (await here.write(wanted))[wanted.key]
    assert (told.result, told.code, told.reason) == (Result.REFUSED, "not_taken", "The shop shows nothing instead.")


async def test_a_sale_ends_by_an_empty_text() -> None:
    async with scene("woocommerce") as here:
        one = simple(here.listings)[0]
        for value in (Decimal(1), None):
            wanted = edit(one, EditField.SALE_PRICE, value)
            assert (await here.write(wanted))[wanted.key].result is Result.DONE
            assert await here.shown(wanted) == value
        assert here.shop.effects.values(one.external_id, "salePrice") == [1, None]


async def test_counting_is_switched_on_only_where_nothing_was_counted() -> None:
    async with scene("woocommerce") as here:
        one = simple(here.listings)[0]
        uncounted = msgspec.structs.replace(one.variants[0], inventory=())
        bare = msgspec.structs.replace(one, variants=(uncounted,))
        told = await here.write(edit(one, EditField.STOCK, 3), edit(bare, EditField.STOCK, 4))
        assert {answer.result for answer in told.values()} == {Result.DONE}
        assert here.shop.effects.values(one.external_id, "stock") == [3, 4]


@pytest.mark.parametrize("kind", ["drop_reply", "truncate", "html", "server_error"])
async def test_a_write_whose_answer_is_lost_is_not_sent_again_by_itself(kind: str) -> None:
    async with scene("woocommerce", 6) as here:
        wanted = edit(simple(here.listings)[0], EditField.STOCK, 9)
        here.shop.faults.add("POST *", kind)
        with pytest.raises(ClientError) as caught:
            await here.write(wanted)
        assert len(sent(here)) == 1
        assert not caught.value.retry_safe
        if kind == "drop_reply":
            assert isinstance(caught.value, Disconnected)
            assert await here.shown(wanted) == 9


async def test_an_answer_that_leaves_rows_out_tells_nothing() -> None:
    async with scene("woocommerce", 6) as here:
        here.shop.faults.add("POST *", "replace", body={"update": []})
        with pytest.raises(MalformedBody):
            await here.write(edit(simple(here.listings)[0], EditField.STOCK, 9))


async def test_equal_values_move_the_date_all_the_same() -> None:
    async with scene("woocommerce", 6) as here:
        one = here.listings[0]
        here.shop.clock.advance(60)
        await here.write(edit(one, EditField.TITLE, one.title))
        again = await here.read(one)
        assert [effect.changed for effect in here.shop.effects.of()] == [False]
    assert one.platform_updated_at is not None
    assert again.platform_updated_at is not None
    assert (again.platform_updated_at - one.platform_updated_at).total_seconds() >= 60


async def test_what_was_written_is_told_to_the_webhooks_as_every_other_change() -> None:
    async with scene("woocommerce", 6) as here:
        path = f"{here.session.app_hosts['api']}/wp-json/wc/v3/webhooks"
        hook = {"topic": "product.updated", "delivery_url": "http://127.0.0.1:9/hook", "secret": "s"}
        await here.session.client.post(path, hook)
        here.shop.hooks.take()
        await here.write(edit(simple(here.listings)[0], EditField.STOCK, 9))
        [told] = here.shop.hooks.take()
    assert told.headers["x-wc-webhook-topic"] == "product.updated"
