"""Connectors that fail over what they meet, platforms that are slow, and connections that are taken away."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import msgspec
import pytest
import pytest_asyncio
from tests.given import records as given_records
from tests.given.pushes import Given, given_pushes
from tests.house_database import Copy

from isthmus.connect.abilities import EditField
from isthmus.connect.edits import Edit, Outcome
from isthmus.connect.faults import DATA_FAULTS
from isthmus.connect.shapes import Listing
from isthmus.connect.spi import RawRecord
from isthmus.engine.db import Database
from isthmus.features import pushes, records
from isthmus.features.connections import IntegrationDisabled, ShardTypeForbidden
from isthmus.features.pushes.model.conflicts import ConflictFilter
from isthmus.features.pushes.service import calling, reading, resolving, sending, settling, waking
from isthmus.kit.errors import Problem
from isthmus.kit.paging import Ask
from isthmus.scope import System

STOCK, TITLE = EditField.STOCK, EditField.TITLE
POISON = 13


@pytest_asyncio.fixture
async def at(database: Database, copied: Copy) -> AsyncIterator[Given]:
    yield given_pushes(database)
    await given_records.clear(copied)
    async with database.system() as tx:
        await tx.execute_sql("delete from pushes")
        await tx.execute_sql("delete from conflicts")


async def _states(at: Given, push_id: str) -> list[tuple[str, str | None]]:
    page = await reading.items(at.scope, push_id, None, Ask(100))
    return [(row["state"], row["code"]) for row in page.items]


async def _several(at: Given, *stock: int) -> str:
    """One push: each value for the stock of another listing."""
    ids = await at.stock(*(given_records.listing(f"p{number}") for number in range(len(stock))))
    return await pushes.want(
        at.scope, [pushes.Want(ids[f"p{number}"], STOCK, value) for number, value in enumerate(stock)]
    )


async def _finished(at: Given) -> list[str]:
    return [one["body"]["pushId"] for one in await given_records.events(at.scope, "push.finished")]


async def test_PR_11_what_an_answer_leaves_out_counts_as_sent_and_is_looked_at(at: Given) -> None:
    push = await _several(at, 7, 8, 9)
    plain = at.far.write

    async def silent(batch: Sequence[Edit]) -> Sequence[Outcome]:
        return [one for one in await plain(batch) if len(at.far.keys) > 1 or one.key == batch[0].key]

    at.far.write = silent  # type: ignore[method-assign]
    await at.work()
    assert sorted(str(one["state"]) for one in await at.edits()) == ["unsure", "unsure"]
    assert (at.far.calls, at.far.looks) == (1, 0)
    at.clock.advance(60)
    await at.work()
    assert (at.far.calls, at.far.looks) == (1, 2)
    assert await _states(at, push) == [("done", None)] * 3


async def test_an_answer_about_edits_that_were_not_asked_for_ends_none_of_them(at: Given) -> None:
    push = await _several(at, 7, 8)
    at.far.batch = 1
    others = {edit["id"]: f"{edit['id']}-1" for edit in await at.edits()}
    plain = at.far.write

    async def confused(batch: Sequence[Edit]) -> Sequence[Outcome]:
        await plain(batch)
        return [Outcome(key) for key in others.values() if key != batch[0].key]

    at.far.write = confused  # type: ignore[method-assign]
    await at.work()
    assert await _states(at, push) == [("waiting", "MALFORMED_BODY")] * 2


@pytest.mark.parametrize("fault", [KeyError, TypeError, RecursionError])
async def test_one_edit_over_which_the_connector_fails_holds_up_no_other_for_ever(
    at: Given, fault: type[Exception]
) -> None:
    push = await _several(at, 7, POISON, 9)
    plain = at.far.write

    async def failing(batch: Sequence[Edit]) -> Sequence[Outcome]:
        if any(edit.value == POISON for edit in batch):
            raise fault("unexpected")
        return await plain(batch)

    at.far.write = failing  # type: ignore[method-assign]
    await at.work()
    assert await _states(at, push) == [("waiting", "CONNECTOR_FAULT")] * 3
    await at.settle(20)
    assert await _states(at, push) == [("done", None), ("refused", "CONNECTOR_FAULT"), ("done", None)]
    assert (await at.edits(), sorted(str(one[2]) for one in at.far.effects)) == ([], ["7", "9"])


async def test_an_edit_that_cannot_be_put_into_a_batch_leaves_the_others_theirs(at: Given) -> None:
    push = await _several(at, 7, POISON, 9, 10)
    plain = at.far.batches

    def failing(edits: Sequence[Edit]) -> Sequence[Sequence[Edit]]:
        if any(edit.value == POISON for edit in edits):
            raise AttributeError("unexpected")
        return plain(edits)

    at.far.batches = failing  # type: ignore[method-assign]
    await at.work()
    [left] = await at.edits()
    assert (left["state"], left["code"], left["attempts"]) == ("waiting", "CONNECTOR_FAULT", 1)
    assert sorted(await _states(at, push)) == [("done", None)] * 3 + [("waiting", "CONNECTOR_FAULT")]


async def test_PL_04_an_edit_over_whose_batch_the_connector_computes_for_ever_leaves_the_others_theirs(
    at: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calling, "_SECONDS", 0.05)
    push = await _several(at, 7, POISON, 9)
    plain = at.far.batches

    def endless(edits: Sequence[Edit]) -> Sequence[Sequence[Edit]]:
        while any(edit.value == POISON for edit in edits):
            pass
        return plain(edits)

    at.far.batches = endless  # type: ignore[method-assign]
    await at.work()
    assert sorted(await _states(at, push)) == [("done", None)] * 2 + [("waiting", "CONNECTOR_FAULT")]


async def test_PL_04_a_record_over_which_the_connector_computes_for_ever_blocks_its_own_edits_alone(at: Given) -> None:
    push = await _several(at, 7, 8)
    at.far.days = ["lost"]
    await at.work()
    plain = at.far.map

    def endless(record: RawRecord) -> Listing:
        while record.external_id == "p0":
            pass
        return plain(record)

    at.far.map = endless  # type: ignore[method-assign]
    at.clock.advance(60)
    await at.work()
    assert await _states(at, push) == [("waiting", "CONNECTOR_FAULT"), ("done", None)]


async def test_a_record_over_which_the_connector_fails_blocks_its_own_edits_alone(at: Given) -> None:
    push = await _several(at, 7, 8)
    at.far.days = ["lost"]
    await at.work()
    plain = at.far.map

    def failing(record: RawRecord) -> Listing:
        if record.external_id == "p0":
            raise KeyError("unexpected")
        return plain(record)

    at.far.map = failing  # type: ignore[method-assign]
    at.clock.advance(60)
    await at.work()
    assert await _states(at, push) == [("waiting", "CONNECTOR_FAULT"), ("done", None)]


async def test_where_looking_takes_long_what_was_looked_at_is_sent_and_the_rest_is_looked_at_next(at: Given) -> None:
    push = await _several(at, *range(20, 40))
    at.far.days = ["lost"] * 7
    await at.work()
    plain = at.far.fetch

    async def slow(external_id: str) -> RawRecord | None:
        at.clock.advance(10)
        return await plain(external_id)

    at.far.fetch = slow  # type: ignore[method-assign]
    at.clock.advance(60)
    async with asyncio.timeout(60):
        await at.work()
    assert await _states(at, push) == [("done", None)] * 20
    assert at.far.looks == 20


async def test_what_cannot_be_stored_as_it_was_written_holds_up_no_other(at: Given) -> None:
    push = await _several(at, 7, 8)
    ids = await at.read()
    async with at.scope.tx() as tx:
        gone = {ids["p0"]: lambda one: msgspec.structs.replace(one, title="x" * 20_000)}
        kept = {ids["p1"]: lambda one: msgspec.structs.replace(one, title="New")}
        await records.rewrite(tx, at.scope, given_records.Origin(), {**gone, **kept})
    assert (await at.shown(ids["p0"], TITLE), await at.shown(ids["p1"], TITLE)) == ("Áo thun", "New")
    await at.work()
    assert await _states(at, push) == [("done", None)] * 2


def _refusing(at: Given, problem: Problem) -> None:
    async def admit(tx: object, connection_id: str) -> None:
        raise problem

    part = at.scope.part(pushes.Shops)
    at.scope.engine.parts[pushes.Shops] = pushes.Shops(part.about, part.open, admit)  # type: ignore[index]


async def test_types_that_were_forbidden_end_what_was_wanted_instead_of_trying_for_ever(at: Given) -> None:
    push = await _several(at, 7)
    _refusing(at, ShardTypeForbidden())
    await at.work()
    assert (at.far.calls, await at.edits()) == (0, [])
    assert await _states(at, push) == [("refused", "SHARD_TYPE_FORBIDDEN")]
    assert await _finished(at) == [push]


async def test_an_integration_that_is_switched_off_is_left_alone_until_it_is_switched_on(
    at: Given, database: Database
) -> None:
    push = await _several(at, 7)
    allowed = at.scope.part(pushes.Shops)
    _refusing(at, IntegrationDisabled())
    await at.work()
    await at.expire()
    at.clock.advance(60)
    event = {"tenant_id": "ten_one", "body": {"connectionIds": ["con_one"]}}
    async with database.system() as tx:
        await waking.deactivated(tx, {**event, "at": at.clock.now()})
    assert await _states(at, push) == [("waiting", "INTEGRATION_DISABLED")]
    assert [one["due_at"] for one in await at.edits()] == [at.clock.now() + sending.OFF]
    at.scope.engine.parts[pushes.Shops] = allowed  # type: ignore[index]
    await at.work()
    assert at.far.calls == 0
    async with database.system() as tx:
        await waking.activated(tx, {**event, "at": at.clock.now()})
    await at.work()
    assert await _states(at, push) == [("done", None)]


@pytest.mark.parametrize("code", ["DISCONNECTED", "SHARD_TYPE_FORBIDDEN"])
async def test_what_is_wanted_of_a_shop_that_goes_ends_and_tells_so_whoever_hears_of_it_first(
    at: Given, database: Database, code: str
) -> None:
    push = await _several(at, 7, 8)
    event = {"tenant_id": "ten_one", "subject": "con_one", "at": at.clock.now()}
    body = {"connectionIds": ["con_one"], "forbidden": ["product"]}
    async with database.system() as tx:
        # the store may hear of it before: then the edits went with their listings
        await tx.execute_sql("delete from edits where listing_id = (select min(listing_id) from edits)")
        await (
            waking.disconnected(tx, event) if code == "DISCONNECTED" else waking.forbidden(tx, {**event, "body": body})
        )
    assert await at.edits() == []
    assert await _woken(at) == ["con_one"]
    await settling.close_orphans(at.scope, "con_one")
    assert await _states(at, push) == [("cancelled" if code == "DISCONNECTED" else "refused", code)] * 2
    assert (await _finished(at), await _woken(at)) == ([push], [])


async def test_types_other_than_products_may_be_forbidden_and_pushes_go_on(at: Given, database: Database) -> None:
    push = await _several(at, 7)
    body = {"connectionIds": ["con_one"], "forbidden": ["order"]}
    async with database.system() as tx:
        await waking.forbidden(tx, {"tenant_id": "ten_one", "subject": "int_one", "at": at.clock.now(), "body": body})
    await at.work()
    assert await _states(at, push) == [("done", None)]


async def test_listings_that_are_removed_take_their_questions_with_them(at: Given, database: Database) -> None:
    ids = await at.stock(given_records.listing("p1"))
    push = await at.want(ids["p1"], TITLE, "Ours")
    at.far.edit("p1", TITLE, "Theirs")
    await at.read()
    await at.work()
    async with database.system() as tx:
        await tx.execute_sql("delete from edits")
    await settling.close_orphans(at.scope, "con_one")
    assert await _states(at, push) == [("refused", "LISTING_GONE")]
    found = await resolving.conflicts(at.scope, ConflictFilter(), Ask(10))
    assert [one.state for one in found.items] == ["undone"]


async def _woken(at: Given) -> list[str]:
    """The connections at which the sweep has found something to close."""
    system = System(at.scope.engine, at.clock)
    async with system.tx() as tx:
        await tx.execute_sql("delete from queue.pgqueuer where entrypoint = $1", waking.CLOSE)
    await waking.sweep(system)
    async with system.tx() as tx:
        rows = await tx.fetch_sql(
            "select convert_from(payload, 'UTF8')::jsonb ->> 1 as key from queue.pgqueuer where entrypoint = $1",
            waking.CLOSE,
        )
    return [row["key"] for row in rows]


def test_what_a_connector_may_fail_of_is_said_in_one_place() -> None:
    assert {ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError} < set(DATA_FAULTS)


async def test_what_the_platform_sent_is_not_read_for_a_decision_and_stays_as_it_was_after_a_write(at: Given) -> None:
    push = await _several(at, 7)
    [listing] = (await at.read()).values()
    before = await records.listing(at.scope, listing, with_raw=True)
    async with at.scope.tx() as tx:
        whole = (await records.wholes(tx, [listing]))[listing]
    assert "raw" not in whole.__struct_fields__
    await at.work()
    after = await records.listing(at.scope, listing, with_raw=True)
    assert (after.raw, await _states(at, push)) == (before.raw, [("done", None)])
    assert (after.row["version"], after.row["stock"], after.variants[0]["stock"]) == (2, 7, 7)
    product = await records.product(at.scope, after.row["product_id"])
    assert product.row["stock"] == 7
    # what is sent next is read, though its bytes were known, and brings no news: only the time of the change is later
    await at.read()
    again = await records.listing(at.scope, listing, with_raw=True)
    assert (again.row["version"], again.raw != before.raw) == (2, True)


async def test_two_rounds_that_write_one_listing_lose_nothing_of_each_other(at: Given) -> None:
    two = given_records.listing("p1", given_records.variant("a", "A"), given_records.variant("b", "B"))
    ids = await at.stock(two)
    async with at.scope.tx() as tx:
        known = await records.wholes(tx, list(ids.values()))
    for number, stock in ((0, 70), (1, 80)):

        def change(one: Listing, number: int = number, stock: int = stock) -> Listing:
            place = msgspec.structs.replace(one.variants[number].inventory[0], available=stock)
            changed = msgspec.structs.replace(one.variants[number], inventory=(place,))
            variants = tuple(changed if at == number else kept for at, kept in enumerate(one.variants))
            return msgspec.structs.replace(one, variants=variants)

        async with at.scope.tx() as tx:
            # both of them know the listing as it was before either
            await records.rewrite(tx, at.scope, given_records.Origin(), {ids["p1"]: change}, known)
    after = await records.listing(at.scope, ids["p1"])
    assert {row["external_id"]: row["stock"] for row in after.variants} == {"a": 70, "b": 80}
    assert (after.row["version"], after.row["stock"]) == (3, 150)
