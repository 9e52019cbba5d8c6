"""Conflicts that need nobody: sides that come to agree by themselves, and rules that are set later."""

from collections.abc import AsyncIterator

import msgspec
import pytest
import pytest_asyncio
from tests.given import records as given_records
from tests.given.pushes import Given, given_pushes
from tests.house_database import Copy

from isthmus.connect.abilities import EditField
from isthmus.connect.shapes import ListingStatus
from isthmus.engine.db import Database
from isthmus.features import pushes
from isthmus.features.pushes.errors import ConflictUndecided
from isthmus.features.pushes.events import RulesSet
from isthmus.features.pushes.model.conflicts import ConflictFilter, FieldConflict
from isthmus.features.pushes.service import comparing, reading, resolving, waking
from isthmus.features.pushes.store import conflicts as store
from isthmus.kit.paging import Ask
from isthmus.scope import System

TITLE = EditField.TITLE


@pytest_asyncio.fixture
async def at(database: Database, copied: Copy) -> AsyncIterator[Given]:
    yield given_pushes(database)
    await given_records.clear(copied)
    async with database.system() as tx:
        for table in ("pushes", "conflicts", "conflict_rules"):
            await tx.execute_sql(f"delete from {table}")  # noqa: S608 - names of our own


async def _asked(at: Given) -> tuple[str, str]:
    """A field in conflict: the listing's id and the push's."""
    ids = await at.stock(given_records.listing("p1"))
    push = await at.want(ids["p1"], TITLE, "Ours")
    at.far.edit("p1", TITLE, "Theirs")
    await at.read()
    await at.work()
    assert [one.state for one in await _conflicts(at)] == ["open"]
    return ids["p1"], push


async def _conflicts(at: Given) -> list[FieldConflict]:
    return (await resolving.conflicts(at.scope, ConflictFilter(), Ask(100))).items


async def _news(at: Given, value: str) -> None:
    """Somebody over there changes it again, we read it, and the sweep and a worker come by."""
    at.far.edit("p1", TITLE, value)
    await at.read()
    await waking.sweep(System(at.scope.engine, at.clock))
    await at.work()


async def _told(at: Given) -> list[tuple[str, object]]:
    events = await given_records.events(at.scope, "conflict.resolved")
    return [(one["body"]["winner"], one["body"]["value"]) for one in events]


async def test_a_conflict_whose_sides_become_equal_closes_by_itself_and_says_so(at: Given) -> None:
    _, push = await _asked(at)
    await _news(at, "Ours")
    [found] = await _conflicts(at)
    assert (found.state, found.winner, found.value, found.automatic) == ("resolved", "agreed", "Ours", True)
    assert (await at.edits(), (await reading.push(at.scope, push)).counts) == ([], {"agreed": 1})
    assert (await _told(at), at.far.calls, at.far.looks) == ([("agreed", "Ours")], 0, 0)
    with pytest.raises(ConflictUndecided):
        await resolving.undo(at.scope, found.id)


async def test_a_question_about_a_listing_that_the_platform_removed_leaves_the_list(at: Given) -> None:
    _, push = await _asked(at)
    at.far.listings["p1"] = msgspec.structs.replace(at.far.listings["p1"], status=ListingStatus.DELETED)
    await at.read()
    await waking.sweep(System(at.scope.engine, at.clock))
    await at.work()
    assert [one.state for one in await _conflicts(at)] == ["undone"]
    assert (await at.edits(), (await reading.push(at.scope, push)).counts) == ([], {"refused": 1})


async def test_a_question_whose_edit_is_gone_leaves_the_list_by_itself(at: Given) -> None:
    await _asked(at)
    async with at.scope.tx() as tx:
        await tx.execute_sql("delete from edits where tenant_id = $1", at.scope.tenant_id)
    await waking.prune(System(at.scope.engine, at.clock))
    assert [one.state for one in await _conflicts(at)] == ["undone"]


async def test_every_question_of_every_merchant_is_found_in_pages_and_only_where_there_are_news(
    at: Given, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waking, "_PAGE", 2)
    other = given_pushes(database, "ten_two")
    for one in (at, other):
        ids = await one.stock(*(given_records.listing(f"p{number}") for number in range(3)))
        await pushes.want(one.scope, [pushes.Want(id_, TITLE, "Ours") for id_ in ids.values()])
        for name in ids:
            one.far.edit(name, TITLE, "Theirs")
        await one.read()
        await one.work()
    at.clock.advance(600)
    system = System(at.scope.engine, at.clock)
    await waking.sweep(system)
    assert [one["due_at"] for one in (*await at.edits(), *await other.edits())] == [None] * 6
    at.far.edit("p2", TITLE, "Theirs anew")
    await at.read()
    other.clock.advance(600)
    for name in ("p0", "p2"):
        other.far.edit(name, TITLE, "Theirs anew")
    await other.read()
    await waking.sweep(system)
    due = [sum(one["due_at"] is not None for one in await given.edits()) for given in (at, other)]
    assert due == [1, 2]


async def test_a_newer_wish_for_what_the_far_side_has_closes_the_question(at: Given) -> None:
    listing, _ = await _asked(at)
    await at.want(listing, TITLE, "Theirs")
    await at.work()
    assert [(one.state, one.winner) for one in await _conflicts(at)] == [("resolved", "agreed")]
    assert (await at.edits(), at.far.calls) == ([], 0)


async def test_a_far_side_that_takes_its_change_back_leaves_ours_alone(at: Given) -> None:
    _, push = await _asked(at)
    await _news(at, "Áo thun")
    assert [(one.state, one.winner, one.automatic) for one in await _conflicts(at)] == [("resolved", "ours", True)]
    assert (at.far.value("p1", TITLE), (await reading.push(at.scope, push)).counts) == ("Ours", {"done": 1})


async def test_a_question_shows_what_the_far_side_has_by_now_and_is_asked_once(at: Given) -> None:
    await _asked(at)
    await _news(at, "Theirs anew")
    [found] = await _conflicts(at)
    assert (found.state, found.ours, found.theirs) == ("open", "Ours", "Theirs anew")
    assert len(await given_records.events(at.scope, "conflict.opened")) == 1
    assert [(one["state"], one["due_at"]) for one in await at.edits()] == [("conflict", None)]


async def test_a_rule_that_was_set_meanwhile_decides_the_open_question(at: Given) -> None:
    await _asked(at)
    async with at.scope.tx() as tx:
        await store.set_rules(tx, "con_one", {TITLE: "marketplace"})
        tx.emit(RulesSet(subject="con_one"))
    await _news(at, "Theirs anew")
    [found] = await _conflicts(at)
    assert (found.state, found.winner, found.rule, found.theirs) == ("resolved", "theirs", "marketplace", "Theirs anew")
    assert await at.edits() == []


async def test_a_decision_of_a_person_stands_while_the_question_is_compared_anew(at: Given) -> None:
    await _asked(at)
    at.far.edit("p1", TITLE, "Theirs anew")
    await at.read()
    await waking.sweep(System(at.scope.engine, at.clock))
    [found] = await _conflicts(at)
    async with at.scope.tx() as tx:
        await tx.execute_sql(
            "update edits set claim = 'clm_other', lease_until = clock_timestamp() + interval '1 minute'"
        )
    await resolving.resolve(at.scope, found.id, "ours")
    await at.work()
    assert at.far.value("p1", TITLE) == "Ours"


async def test_RL_12_a_decision_asks_for_its_connection_before_it_opens_a_transaction(at: Given) -> None:
    await _asked(at)
    [found] = await _conflicts(at)
    at.far.about_asks = True
    pool = await Database.connect(at.scope.engine.database.url, size=1, acquire_timeout=0.5)
    try:
        narrow = at.on(pool)
        await resolving.resolve(narrow, found.id, "ours")
        await at.work()
        await resolving.undo(narrow, found.id)
        await at.work()
    finally:
        await pool.close()
    assert at.far.value("p1", TITLE) == "Theirs"


async def _held_up(at: Given) -> str:
    """A value that a campaign holds up for a quarter of an hour; our id of the listing."""
    ids = await at.stock(given_records.listing("p1"))
    at.far.days = ["locked"]
    await at.want(ids["p1"], TITLE, "Ours")
    await at.work()
    return ids["p1"]


async def test_a_conflict_over_a_value_that_is_held_up_is_asked_at_once_and_not_at_the_next_try(at: Given) -> None:
    await _held_up(at)
    at.far.edit("p1", TITLE, "Theirs")
    await at.read()
    system = System(at.scope.engine, at.clock)
    await waking.sweep(system)
    async with system.tx() as tx:
        woken = await tx.fetch_sql("select entrypoint from queue.pgqueuer where entrypoint = $1", comparing.JOB)
    await comparing.compare(at.scope, "con_one")
    assert [(one.state, one.ours, one.theirs) for one in await _conflicts(at)] == [("open", "Ours", "Theirs")]
    assert (len(woken), at.far.calls, at.far.looks) == (1, 1, 0)
    assert [(one["state"], one["due_at"], one["claim"]) for one in await at.edits()] == [("conflict", None, None)]


async def test_a_value_that_is_held_up_stays_so_where_something_else_of_its_listing_changed(at: Given) -> None:
    await _held_up(at)
    [before] = await at.edits()
    at.far.edit("p1", EditField.STOCK, 3)
    await at.read()
    await comparing.compare(at.scope, "con_one")
    assert (await at.edits(), await _conflicts(at)) == ([before], [])


async def test_a_value_that_is_held_up_ends_where_the_far_side_has_it_by_now(at: Given) -> None:
    await _held_up(at)
    at.far.edit("p1", TITLE, "Ours")
    await at.read()
    await comparing.compare(at.scope, "con_one")
    assert (await at.edits(), await _conflicts(at), at.far.calls) == ([], [], 1)
