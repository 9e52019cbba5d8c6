"""Values on their way: once, whatever breaks, and never an old one over a newer one."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import msgspec
import pytest
import pytest_asyncio
from tests.given import records as given_records
from tests.given.pushes import Given, given_pushes
from tests.given.signed_in import signed_in
from tests.house_database import Copy

from isthmus.connect.abilities import EditField, Writing
from isthmus.connect.edits import Edit, Outcome
from isthmus.connect.shapes import Inventory
from isthmus.engine.db import Database
from isthmus.features import pushes
from isthmus.features.connections import ConnectionExpired
from isthmus.features.pushes import Shop, Shops
from isthmus.features.pushes.errors import NothingToPush, NotWritable, WrongEdit
from isthmus.features.pushes.model.edits import ItemState
from isthmus.features.pushes.service import reading, retrying, sending, settling, waking, wanting
from isthmus.features.pushes.settings import Settings
from isthmus.kit.errors import NotFound
from isthmus.kit.paging import Ask
from isthmus.scope import Scope, System

PRICE, STOCK, TITLE = EditField.PRICE, EditField.STOCK, EditField.TITLE


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


async def test_a_value_is_written_once_and_the_store_shows_it_before_the_platform_is_read_again(at: Given) -> None:
    ids = await at.stock(given_records.listing("p1"))
    push = await at.want(ids["p1"], PRICE, "12.50")
    assert await _states(at, push) == [("waiting", None)]
    await at.work()
    assert [effect[1:] for effect in at.far.effects] == [(PRICE, Decimal("12.50"))]
    assert await at.shown(ids["p1"], PRICE) == Decimal("12.50")
    assert (await at.edits(), await _states(at, push)) == ([], [("done", None)])
    finished = [one["body"] for one in await given_records.events(at.scope, "push.finished")]
    assert [(one["pushId"], one["done"]) for one in finished] == [(push, 1)]


async def test_an_echo_of_our_own_write_makes_no_new_change(at: Given) -> None:
    ids = await at.stock(given_records.listing("p1"))
    await at.want(ids["p1"], STOCK, 3)
    await at.work()
    before = await given_records.events(at.scope, "listing.")
    await at.read()
    assert await given_records.events(at.scope, "listing.") == before
    assert at.far.calls == 1


async def test_what_the_far_side_shows_already_is_not_written(at: Given) -> None:
    ids = await at.stock(given_records.listing("p1"))
    push = await at.want(ids["p1"], TITLE, "Áo thun")
    await at.work()
    assert (at.far.calls, await _states(at, push)) == (0, [("agreed", None)])


@pytest.mark.parametrize("day", ["lost", "dropped", "died"])
async def test_PR_11_after_a_call_without_an_answer_the_far_side_is_looked_at_and_nothing_happens_twice(
    at: Given, day: str
) -> None:
    ids = await at.stock(given_records.listing("p1"))
    at.far.days = [day]  # type: ignore[list-item]
    push = await at.want(ids["p1"], STOCK, 9)
    assert await at.work() == (day != "died")
    at.clock.advance(60)
    await at.work()
    assert at.far.looks == 1
    assert [effect[1:] for effect in at.far.effects] == [(STOCK, 9)]
    assert (await at.edits(), await _states(at, push)) == ([], [("done", None)])


async def test_ID_07_a_value_that_is_pushed_again_after_a_crash_bears_its_key(at: Given) -> None:
    ids = await at.stock(given_records.listing("p1"))
    at.far.days = ["unreachable", "died", "died"]
    await at.want(ids["p1"], STOCK, 9)
    for _ in range(4):
        await at.work()
        at.clock.advance(60)
    assert len(at.far.keys) >= 2, "it was sent again"
    assert len({tuple(one) for one in at.far.keys}) == 1
    assert [effect[1:] for effect in at.far.effects] == [(STOCK, 9)]


async def test_ID_07_a_value_that_is_sent_again_bears_its_key_and_no_other_value_or_tenant_has_it(
    at: Given, database: Database
) -> None:
    ids = await at.stock(given_records.listing("p1"))
    at.far.days = ["lost", "unreachable"]
    await at.want(ids["p1"], STOCK, 9)
    await at.settle(3)
    first, again, third = at.far.keys
    assert first == again == third
    await at.want(ids["p1"], STOCK, 8)
    await at.settle(1)
    other = given_pushes(database, "ten_two")
    theirs = await other.stock(given_records.listing("p1"))
    await other.want(theirs["p1"], STOCK, 9)
    await other.work()
    assert len({at.far.keys[0][0], at.far.keys[-1][0], other.far.keys[0][0]}) == 3


async def test_PR_12_a_repeat_never_brings_stock_back_that_was_sold_meanwhile(at: Given) -> None:
    ids = await at.stock(given_records.listing("p1"))
    at.far.days = ["dropped"]
    await at.want(ids["p1"], STOCK, 9)
    await at.work()
    at.far.edit("p1", STOCK, 8)
    at.clock.advance(60)
    await at.work()
    assert at.far.value("p1", STOCK) == 8
    assert await at.edits() == []


@pytest.mark.parametrize("seed", range(6))
async def test_PR_12_whatever_fails_and_dies_the_far_side_sees_stock_go_from_older_to_newer_wishes(
    at: Given, seed: int
) -> None:
    dice, wished = random.Random(seed), 0
    ids = await at.stock(given_records.listing("p1"))
    for _ in range(30):
        what = dice.choice(("wish", "work", "work", "bad", "time"))
        if what == "wish":
            wished += 1
            await at.want(ids["p1"], STOCK, 100 + wished)
        elif what == "work":
            await at.work()
        elif what == "bad":
            at.far.days.append(dice.choice(("lost", "dropped", "died", "unreachable", "throttled", "stale", "locked")))
        else:
            at.clock.advance(dice.choice((1, 200, 40_000)))
    at.far.days.clear()
    await at.settle(4)
    written = [effect[2] for effect in at.far.effects]
    assert written == sorted(set(written))  # type: ignore[type-var] # numbers
    assert at.far.value("p1", STOCK) == 100 + wished


async def test_PR_12_a_worker_that_slept_over_its_lease_sends_no_older_value(at: Given) -> None:
    ids = await at.stock(given_records.listing("p1"), given_records.listing("p2"))
    at.far.batch = 1
    plain, asleep, awake = at.far.write, asyncio.Event(), asyncio.Event()

    async def slow(batch: Sequence[Edit]) -> Sequence[Outcome]:
        asleep.set()
        await awake.wait()
        return await plain(batch)

    at.far.write = slow  # type: ignore[method-assign]
    for id_ in ("p1", "p2"):
        await at.want(ids[id_], STOCK, 7)
        at.clock.advance(1)
    parts = {**at.scope.engine.parts, Settings: Settings(at_once=1)}
    first = replace(at.scope, engine=replace(at.scope.engine, parts=parts))
    sleeper = asyncio.create_task(sending.work(first, "con_one"))
    await asleep.wait()
    at.clock.advance(Settings().lease.total_seconds())
    await at.expire()
    at.far.write = plain  # type: ignore[method-assign]
    await at.want(ids["p2"], STOCK, 9)
    await at.settle(1)
    awake.set()
    await sleeper
    await at.settle(2)
    written = [value for key, _, value in at.far.effects if key in at.far.story["p2", STOCK]]
    assert written == [9]
    assert (at.far.value("p2", STOCK), await at.edits()) == (9, [])


async def test_a_newer_wish_takes_the_place_of_an_older_one_that_never_arrives(at: Given) -> None:
    ids = await at.stock(given_records.listing("p1"))
    older = await at.want(ids["p1"], PRICE, "11")
    newer = await at.want(ids["p1"], PRICE, "12")
    await at.work()
    assert [effect[2] for effect in at.far.effects] == [Decimal(12)]
    assert await _states(at, older) == [("superseded", None)]
    assert await _states(at, newer) == [("done", None)]


async def test_a_wish_that_comes_while_an_older_value_is_under_way_goes_on_from_there(at: Given) -> None:
    ids = await at.stock(given_records.listing("p1"))
    at.far.days = ["dropped"]
    await at.want(ids["p1"], PRICE, "11")
    await at.work()
    await at.want(ids["p1"], PRICE, "12")
    at.clock.advance(60)
    await at.settle(2)
    assert [effect[2] for effect in at.far.effects] == [Decimal(11), Decimal(12)]
    assert (await at.edits(), at.far.value("p1", PRICE)) == ([], Decimal(12))


async def test_each_item_fails_alone_and_a_call_that_is_refused_as_a_whole_is_parted(at: Given) -> None:
    ids = await at.stock(*(given_records.listing(f"p{one}") for one in range(3)))
    at.far.picky = {7}
    push = await pushes.want(at.scope, [pushes.Want(ids[f"p{one}"], STOCK, 6 + one) for one in range(3)])
    await at.work()
    assert await _states(at, push) == [("done", None), ("refused", "CALLER"), ("done", None)]
    assert sorted(str(effect[2]) for effect in at.far.effects) == ["6", "8"]
    again = await retrying.retry(at.scope, push)
    at.far.picky = set()
    await at.work()
    assert await _states(at, again) == [("done", None)]
    with pytest.raises(NothingToPush):
        await retrying.retry(at.scope, again)


async def test_what_cannot_be_wanted_any_more_is_refused_alone_when_a_push_is_tried_once_more(at: Given) -> None:
    two = given_records.listing("p2", given_records.variant("p2-a"), given_records.variant("p2-b"))
    ids = await at.stock(given_records.listing("p0"), given_records.listing("p1"), two)
    at.far.picky = {6, 7, 8}
    wants = [pushes.Want(ids["p0"], STOCK, 6), pushes.Want(ids["p1"], STOCK, 7)]
    push = await pushes.want(at.scope, [*wants, pushes.Want(ids["p2"], STOCK, 8, "p2-b")])
    await at.work()
    at.far.picky = set()
    at.far.listings["p2"] = msgspec.structs.replace(two, variants=two.variants[:1])
    await at.read()
    async with at.scope.tx() as tx:
        await tx.execute_sql("delete from listings where id = $1", ids["p0"])
    again = await retrying.retry(at.scope, push)
    await at.work()
    assert await _states(at, again) == [("done", None), ("refused", "LISTING_GONE"), ("refused", "VARIANT_GONE")]
    assert at.far.value("p1", STOCK) == 7
    last = await retrying.retry(at.scope, again)
    assert (await reading.push(at.scope, last)).counts == {"refused": 2}
    assert (await reading.push(at.scope, last)).row["finished_at"] is not None


async def test_a_locked_value_waits_and_arrives_when_the_lock_has_gone(at: Given) -> None:
    ids = await at.stock(given_records.listing("p1"))
    at.far.days = ["locked", "stale", "throttled", "unreachable"]
    push = await at.want(ids["p1"], PRICE, "12")
    await at.work()
    assert await _states(at, push) == [("waiting", "campaign")]
    await at.settle(6)
    assert (await _states(at, push), at.far.value("p1", PRICE)) == ([("done", None)], Decimal(12))


async def test_an_edit_that_can_never_be_sent_is_given_up_with_its_reason(at: Given) -> None:
    ids = await at.stock(given_records.listing("p1"))
    at.far.days = ["unreachable"] * 40
    push = await at.want(ids["p1"], PRICE, "12")
    await at.settle(30)
    assert (await _states(at, push), await at.edits()) == ([("refused", "PUSH_GAVE_UP")], [])


async def test_a_dead_sign_in_parks_what_is_wanted_until_it_works_again(at: Given, database: Database) -> None:
    ids = await at.stock(given_records.listing("p1"))
    at.far.days = ["expired"]
    push = await at.want(ids["p1"], PRICE, "12")
    await at.settle(2)
    assert [one["state"] for one in await at.edits()] == ["parked"]
    assert at.far.calls == 1
    async with database.system() as tx:
        event = {"tenant_id": "ten_one", "subject": "con_one", "at": at.clock.now()}
        await waking.connected(tx, event)
    at.clock.advance(10**6)
    await at.work()
    assert await _states(at, push) == [("done", None)]


async def test_what_an_old_sign_in_refuses_while_there_is_a_new_one_goes_on_by_itself(
    at: Given, database: Database
) -> None:
    """The new sign-in was told while the calls were still under way: nobody would wake what is set aside after it."""
    ids = await at.stock(given_records.listing("p1"))
    at.far.days = ["expired"]
    push = await at.want(ids["p1"], PRICE, "12")
    async with signed_in(database):
        await at.work()
        assert [one["state"] for one in await at.edits()] == ["parked"]
        at.clock.advance(10)
        await at.work()
    assert await _states(at, push) == [("done", None)]


async def test_a_connection_that_was_signed_in_to_while_it_was_opened_is_not_waited_for(
    at: Given, database: Database
) -> None:
    ids = await at.stock(given_records.listing("p1"))
    push = await at.want(ids["p1"], PRICE, "12")

    @asynccontextmanager
    async def expired(scope: Scope, connection_id: str) -> AsyncIterator[Shop]:
        if connection_id == at.far.about.id:
            raise ConnectionExpired
        yield at.far

    known = at.scope.part(Shops)
    parts = {**at.scope.engine.parts, Shops: replace(known, open=expired)}
    async with signed_in(database):
        await sending.work(replace(at.scope, engine=replace(at.scope.engine, parts=parts)), "con_one")
        at.clock.advance(10)
        await at.work()
    assert await _states(at, push) == [("done", None)]


async def test_fresh_tokens_that_are_refused_are_tried_again_though_nobody_signs_in(at: Given) -> None:
    ids = await at.stock(given_records.listing("p1"))
    at.far.days = ["rejected"]
    push = await at.want(ids["p1"], PRICE, "12")
    await at.work()
    assert [one["state"] for one in await at.edits()] == ["parked"]
    at.clock.advance(601)
    await at.work()
    assert await _states(at, push) == [("done", None)]


async def test_a_connection_that_ends_takes_what_was_wanted_with_it(at: Given, database: Database) -> None:
    ids = await at.stock(given_records.listing("p1"))
    push = await at.want(ids["p1"], PRICE, "12")
    async with database.system() as tx:
        event = {"tenant_id": "ten_one", "subject": "con_one", "at": at.clock.now()}
        await waking.disconnected(tx, event)
    await at.work()
    await settling.close_orphans(at.scope, "con_one")
    assert (at.far.calls, await _states(at, push)) == (0, [("cancelled", "DISCONNECTED")])


async def test_what_was_not_sent_can_be_taken_back_and_what_may_have_been_cannot(at: Given) -> None:
    ids = await at.stock(given_records.listing("p1"), given_records.listing("p2"))
    at.far.days = ["dropped"]
    sent = await at.want(ids["p1"], PRICE, "12")
    await at.work()
    waiting = await at.want(ids["p2"], PRICE, "12")
    await reading.cancel(at.scope, waiting)
    await reading.cancel(at.scope, sent)
    assert await _states(at, waiting) == [("cancelled", None)]
    assert (await _states(at, sent))[0][0] == "waiting"
    at.clock.advance(60)
    await at.work()
    assert await _states(at, sent) == [("done", None)]


async def test_a_listing_that_has_gone_refuses_what_is_wanted_of_it(at: Given) -> None:
    ids = await at.stock(given_records.listing("p1"))
    at.far.days = ["lost"]
    push = await at.want(ids["p1"], PRICE, "12")
    await at.work()
    del at.far.listings["p1"]
    at.clock.advance(60)
    await at.work()
    assert await _states(at, push) == [("refused", "LISTING_GONE")]


async def test_while_the_far_side_cannot_be_looked_at_nothing_doubtful_is_sent(at: Given) -> None:
    ids = await at.stock(given_records.listing("p1"))
    at.far.days = ["lost"]
    push = await at.want(ids["p1"], PRICE, "12")
    await at.work()
    at.far.blind = True
    await at.settle(3)
    assert at.far.calls == 1
    at.far.blind = False
    await at.settle(3)
    assert (await _states(at, push))[0][0] == ItemState.DONE


async def test_wishes_that_cannot_be_are_refused_before_anything_is_noted(at: Given) -> None:
    spread = (Inventory(3, location_external_id="north"), Inventory(1, location_external_id="south"))
    several = (given_records.variant("b", "B"), given_records.variant("s", "S", inventory=spread))
    ids = await at.stock(given_records.listing("p1", given_records.variant("a", "A"), *several))
    with pytest.raises(WrongEdit, match=rf"variant s of the listing {ids['p1']} .*: name one of north, south"):
        await at.want(ids["p1"], STOCK, 1, variant="s")
    with pytest.raises(WrongEdit, match="several variants"):
        await at.want(ids["p1"], STOCK, 1)
    with pytest.raises(WrongEdit, match="no such variant"):
        await at.want(ids["p1"], STOCK, 1, variant="c")
    with pytest.raises(WrongEdit, match="priced in VND"):
        await at.want(ids["p1"], PRICE, 1, variant="a", currency="USD")
    with pytest.raises(WrongEdit, match="location"):
        await at.want(ids["p1"], STOCK, 1, variant="a", location="nowhere")
    with pytest.raises(NotFound):
        await at.want("lst_nobodys", STOCK, 1)
    at.far.about = pushes.About("con_one", "shelf", Writing((EditField.STOCK,)))
    with pytest.raises(NotWritable):
        await at.want(ids["p1"], TITLE, "New")
    assert await at.edits() == []


async def test_pushes_beside_a_value_that_waits_for_long_leave_no_wake_ups_behind(at: Given) -> None:
    ids = await at.stock(given_records.listing("p1"))
    system = System(at.scope.engine, at.clock)
    at.far.days = ["locked"]
    await at.want(ids["p1"], PRICE, "12")
    await at.work()
    async with system.tx() as tx:
        await tx.execute_sql("delete from queue.pgqueuer")
    for amount in range(20, 25):
        await at.want(ids["p1"], STOCK, amount)
        await at.work()
    async with system.tx() as tx:
        left = await tx.fetch_sql("select 1 from queue.pgqueuer where execute_after > now() + interval '1 minute'")
    assert left == []
    at.clock.advance(timedelta(hours=1).total_seconds())
    async with system.tx() as tx:
        assert [wake.key for wake in await waking.missing(system, tx)] == ["con_one"]


async def test_what_a_dead_worker_held_is_found_while_a_locked_value_waits_for_later(at: Given) -> None:
    ids = await at.stock(given_records.listing("p1"))
    system = System(at.scope.engine, at.clock)
    async with at.scope.tx() as tx:
        # what a line leaves behind that met a campaign: the connection's next look, far away
        await tx.enqueue(wanting.JOB, "con_one", after=timedelta(minutes=15))
    await at.want(ids["p1"], PRICE, "12")
    async with system.tx() as tx:
        await tx.execute_sql("delete from queue.pgqueuer where execute_after <= now()")
    at.clock.advance(10)
    await waking.wake(system)
    async with system.tx() as tx:
        due = await tx.fetch_sql("select entrypoint from queue.pgqueuer where execute_after <= now()")
    assert [row["entrypoint"] for row in due] == [wanting.JOB]


async def test_lost_wake_ups_are_found_and_what_ended_long_ago_is_forgotten(at: Given) -> None:
    ids = await at.stock(given_records.listing("p1"))
    await at.want(ids["p1"], PRICE, "12")
    system = System(at.scope.engine, at.clock)
    at.clock.advance(10)
    async with system.tx() as tx:
        assert [(wake.job, wake.key) for wake in await waking.missing(system, tx)] == [("pushes.send", "con_one")]
    await at.work()
    async with system.tx() as tx:
        assert await waking.missing(system, tx) == []
    at.clock.advance(timedelta(days=91).total_seconds())
    await waking.prune(system)
    assert (await reading.pushes(at.scope, Ask())).items == []
