"""Apps that may not use GraphQL write and act by REST: one thing a call, compared before, paid back by amount."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from tests.given.connectors import found, played
from tests.given.scenes import Scene, action, edit, listings, scene

from isthmus.client import CallerMistake, Disconnected, PlatformError, Tokens
from isthmus.connect.acting import ActionKind
from isthmus.connect.shapes import FulfilmentStatus, Listing, ListingStatus, OrderStatus, Variant
from isthmus.connect.spi import Account, Granted, Session
from isthmus.connect.writing import EditField, EditValue, Outcome, Result, value_of
from isthmus.connectors.shopify import ways
from isthmus.kit.secret import Secret

PRICE, SALE, STOCK, TITLE = EditField.PRICE, EditField.SALE_PRICE, EditField.STOCK, EditField.TITLE
PUBLISHED = EditField.PUBLISHED
TRACK, CANCEL = ActionKind.TRACK, ActionKind.CANCEL
TRACKED = {"carrier": "GHN", "trackingNumber": "GHN42", "trackingUrl": "https://ghn.example/GHN42"}
REST = Account("shop", extra={"reading": "rest"})


@asynccontextmanager
async def rest(
    products: int = 8, *, seller: int = 0, settings: Mapping[str, str] | None = None
) -> AsyncIterator[Scene]:
    """A shop whose app may use REST alone; the fourth one has its stock at two places."""
    async with played("shopify", products) as (play, shop):
        made: Any = shop
        made.rest_only = True
        owner = shop.sellers[seller]
        play.keys = {name: Secret(value) for name, value in shop.keys(owner.id).items()}
        async with play.session(Granted(Account(""), Tokens(Secret("unused")))) as opened:
            account = replace(await play.connector.test(opened), settings=settings or {})
            told = Session(opened.client, opened.app_hosts, account, opened.clock)
            yield Scene(play.connector, shop, told, await listings(play.connector, told))


def active(here: Scene) -> list[Listing]:
    return [one for one in here.listings if one.status is ListingStatus.ACTIVE]


def sold(here: Scene, *, on_sale: bool) -> tuple[Listing, int]:
    rows = [(one, at) for one in active(here) for at in range(len(one.variants))]
    return next((one, at) for one, at in rows if (price_of(one.variants[at])[1] is not None) == on_sale)


def price_of(variant: Variant) -> tuple[Decimal, Decimal | None]:
    assert variant.price is not None
    return variant.price.list_price, variant.price.sale_price


def sent(here: Scene) -> list[str]:
    """What was written, as method and path without its ids."""
    rows = [one for one in here.shop.recording.requests if one.method != "GET" and "graphql" not in one.path]
    return [
        f"{one.method} {'/'.join(part for part in one.path.split('/')[4:] if not part[:1].isdigit())}" for one in rows
    ]


async def test_every_field_is_written_by_the_call_that_rest_has_for_it() -> None:
    wanted: dict[EditField, EditValue] = {
        PRICE: Decimal(250_000),
        SALE: Decimal(199_000),
        STOCK: 17,
        TITLE: "Áo mới",
        EditField.DESCRIPTION: "<p>Mới</p>",
        PUBLISHED: False,
    }
    async with rest() as here:
        one = active(here)[0]
        told = await here.write(*(edit(one, field, value) for field, value in wanted.items()))
        assert {answer.result for answer in told.values()} == {Result.DONE}
        assert sorted(sent(here)) == ["POST inventory_levels/set.json", "PUT products", "PUT variants"]
        again = await here.read(one)
    assert {field: value_of(again, again.variants[0].external_id, field, "", "list") for field in wanted} == wanted


@pytest.mark.parametrize("on_sale", [True, False])
@pytest.mark.parametrize("fields", [(PRICE,), (SALE,), (PRICE, SALE)])
async def test_list_price_and_sale_price_move_each_for_itself(on_sale: bool, fields: tuple[EditField, ...]) -> None:
    async with rest() as here:
        one, at = sold(here, on_sale=on_sale)
        regular, sale = price_of(one.variants[at])
        values = {PRICE: regular + 50_000, SALE: regular - 1_000}
        told = await here.write(*(edit(one, field, values[field], at) for field in fields))
        assert {answer.result for answer in told.values()} == {Result.DONE}
        again = await here.read(one)
    wanted = values[PRICE] if PRICE in fields else regular, values[SALE] if SALE in fields else sale
    assert price_of(again.variants[at]) == wanted


async def test_a_sale_that_is_none_is_refused_before_a_call_and_its_end_brings_the_regular_price_back() -> None:
    async with rest() as here:
        one, at = sold(here, on_sale=True)
        regular, _ = price_of(one.variants[at])
        senseless = edit(one, SALE, regular, at)
        told = (await here.write(senseless))[senseless.key]
        assert (told.result, told.code, sent(here)) == (Result.REFUSED, "sale_not_below", [])
        over = edit(one, SALE, None, at)
        assert (await here.write(over))[over.key].result is Result.DONE
        assert price_of((await here.read(one)).variants[at]) == (regular, None)


async def test_stock_whose_base_has_moved_is_stale_and_what_is_there_already_is_done() -> None:
    async with rest() as here:
        one = active(here)[0]
        before = one.variants[0].available or 0
        here.shop.edit_product(one.external_id, variant=0, stock=77)
        stale, there = edit(one, STOCK, 5, based_on=before), edit(one, STOCK, 77, based_on=before)
        told = await here.write(stale, there)
        assert [each.result for each in told.values()] == [Result.STALE, Result.DONE]
        assert len(here.shop.effects) == 0
        right = edit(one, STOCK, 5, based_on=77)
        assert (await here.write(right))[right.key] == Outcome(right.key)
        assert await here.shown(right) == 5


async def test_stock_at_several_places_is_read_and_written_place_by_place() -> None:
    async with rest(12, seller=3) as here:
        assert here.session.account.extra["locations"] == "several"
        one = next(each for each in active(here) if (each.variants[0].available or 0) > 2)
        before = {place.location_external_id: place.available for place in one.variants[0].inventory}
        assert set(before) == {"655441491", "655441492"}
        named = edit(one, STOCK, 900, location="655441492", based_on=before["655441492"])
        nowhere, unclear = edit(one, STOCK, 1, location="1"), edit(one, STOCK, 1)
        told = await here.write(named, nowhere, unclear)
        assert [(each.result, each.code) for each in told.values()] == [
            (Result.DONE, ""),
            (Result.REFUSED, "location_unclear"),
            (Result.REFUSED, "location_unclear"),
        ]
        again = await here.read(one)
        assert [(each.place, each.value) for each in here.shop.effects.of()] == [("655441492", 900)]
    after = {place.location_external_id: place.available for place in again.variants[0].inventory}
    assert after == before | {"655441492": 900}


async def test_texts_that_are_refused_together_are_told_apart_by_being_sent_alone() -> None:
    async with rest() as here:
        one = active(here)[0]
        title, state = edit(one, TITLE, ""), edit(one, PUBLISHED, False)
        with pytest.raises(CallerMistake, match="blank"):
            await here.write(title, state)
        assert (await here.write(title))[title.key].result is Result.REFUSED
        assert (await here.write(state))[state.key].result is Result.DONE
        assert [effect.field for effect in here.shop.effects.of()] == ["published"]


async def test_what_another_app_guards_is_refused_in_its_words() -> None:
    async with rest() as here:
        one = active(here)[0]
        here.shop.writes.refusing.add(one.variants[0].external_id)
        for wanted in (edit(one, PRICE, Decimal(910_000)), edit(one, STOCK, 9_999)):
            told = (await here.write(wanted))[wanted.key]
            assert told.result is Result.REFUSED
            assert "changed" in told.reason or "managed by another app" in told.reason


@pytest.mark.parametrize("field", [PRICE, STOCK, TITLE])
async def test_a_write_whose_answer_is_lost_is_not_sent_again_by_itself(field: EditField) -> None:
    async with rest() as here:
        values: dict[EditField, EditValue] = {PRICE: Decimal(910_000), STOCK: 9_999, TITLE: "x"}
        wanted = edit(active(here)[0], field, values[field])
        here.shop.faults.add("*", "drop_reply", times=1, after=2 if field is STOCK else 0)
        with pytest.raises(Disconnected) as caught:
            await here.write(wanted)
        assert (len(here.shop.effects), caught.value.retry_safe) == (1, False)
        assert await here.shown(wanted) == wanted.value


def test_batches_of_rest_are_one_call_each() -> None:
    connector: Any = found("shopify").connector
    blank = Listing("1", "x", ListingStatus.ACTIVE, "active", tuple(Variant(f"v{at}") for at in range(3)))
    edits = [edit(blank, field, Decimal(at), at) for at in range(3) for field in (PRICE, SALE)]
    edits += [edit(blank, field, "x") for field in (TITLE, EditField.DESCRIPTION)]
    edits += [edit(blank, STOCK, at, at) for at in range(3)]
    assert sorted(len(part) for part in connector.batches(edits, REST)) == [1, 1, 1, 2, 2, 2, 2]


async def test_a_parcel_of_a_part_and_of_the_rest_is_told_once_each() -> None:
    async with rest(12) as here:
        order = await here.bought()
        while len(order.lines) < 2:
            order = await here.bought()
        first, *others = order.lines
        wanted = action(TRACK, order, TRACKED, lines=(first.external_id,))
        for _ in range(2):
            assert await here.act(wanted) == [Outcome(wanted.key)]
        partly = await here.order(order.external_id)
        assert partly.status is OrderStatus.PROCESSING
        assert here.connector.shows(wanted, partly) is True
        await here.act(action(TRACK, partly, {"trackingNumber": "GHN43"}))
        whole = await here.order(order.external_id)
        assert here.shop.effects.values(order.external_id, "track") == ["GHN42", "GHN43"]
    assert [set(one.quantities) for one in whole.shipments] == [
        {first.external_id},
        {line.external_id for line in others},
    ]
    assert whole.fulfilment_status is FulfilmentStatus.FULFILLED
    assert whole.shipments[0].tracking_url == TRACKED["trackingUrl"]


async def test_what_has_been_sent_meanwhile_is_refused_in_words() -> None:
    async with rest() as here:
        order = await here.bought()
        here.shop.move_order(order.external_id, "shipped")
        [told] = await here.act(action(TRACK, order, TRACKED))
        assert (told.result, told.code) == (Result.REFUSED, "nothing_left")
        [told] = await here.act(action(CANCEL, order, reason="staff"))
        assert told.result is Result.REFUSED
        gone = msgspec.structs.replace(order, external_id="1")
        [told] = await here.act(action(CANCEL, gone, reason="staff"))
        assert (told.result, told.code) == (Result.REFUSED, "not_found")
        assert len(here.shop.effects) == 0


@pytest.mark.parametrize("refund", ["", "true", "false"])
async def test_a_cancellation_pays_back_what_was_paid_and_is_seen_in_the_order(refund: str) -> None:
    async with rest() as here:
        order = await here.bought()
        wanted = action(CANCEL, order, {"refund": refund} if refund else {}, reason="inventory")
        assert await here.act(wanted) == [Outcome(wanted.key)]
        again = await here.order(order.external_id)
        assert here.connector.shows(wanted, again) is True
    assert again.cancellation is not None
    assert again.cancellation.reason_code == "inventory"


async def test_the_interface_that_a_merchant_chose_is_used_and_the_other_one_is_not() -> None:
    async with scene("shopify", 3) as here:
        chosen = replace(here.session.account, settings={"api": "rest"})
        session = Session(here.session.client, here.session.app_hosts, chosen, here.session.clock)
        assert (await here.connector.test(session)).extra == {"currency": "VND"}
        before = here.shop.points.left(here.shop.sellers[0].id)
        assert await listings(here.connector, session) == here.listings
        assert here.shop.points.left(here.shop.sellers[0].id) >= before
        here.shop.rest_only = True
        other = replace(here.session.account, settings={"api": "graphql"})
        with pytest.raises(PlatformError):
            await here.connector.test(Session(session.client, session.app_hosts, other, session.clock))


@pytest.mark.parametrize("hidden", ["draft", "archived"])
@pytest.mark.parametrize("way", ["graphql", "rest"])
async def test_what_is_unpublished_gets_the_state_that_the_merchant_chose(way: str, hidden: str) -> None:
    async with scene("shopify", 3) as here:
        settings = {"api": way, "unpublished_as": hidden}
        here.session = Session(
            here.session.client,
            here.session.app_hosts,
            replace(here.session.account, settings=settings),
            here.session.clock,
        )
        one = active(here)[0]
        wanted = edit(one, PUBLISHED, False)
        assert (await here.write(wanted))[wanted.key].result is Result.DONE
        assert (await here.read(one)).platform_status == hidden


async def test_an_app_that_may_use_graphql_by_now_does() -> None:
    async with rest(3) as here:
        here.shop.rest_only = False
        account = await here.connector.test(here.session)
        assert account.extra == {"currency": "VND", "reading": "graphql"}
        assert not ways.by_rest(account)
