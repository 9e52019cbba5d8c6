"""Thousands of values at once: a round costs what it sends, whatever waits beside it."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Final

import asyncpg
import msgspec
import pytest
import pytest_asyncio
from tests.given import records as given_records
from tests.given.pushes import Given, given_pushes
from tests.given.statements import written_down
from tests.house_database import Copy

from isthmus.connect.abilities import EditField
from isthmus.connect.shapes import Listing
from isthmus.engine.db import Database
from isthmus.features import pushes, records
from isthmus.features.pushes.model.edits import Later, State
from isthmus.features.pushes.store import edits
from isthmus.features.pushes.store.edits import Taken, Wish
from isthmus.scope import Tx

STOCK: Final = EditField.STOCK
_LEASE: Final = timedelta(minutes=3)
#: Rows of a table that this session has looked at, by any way, of which nobody else has been told yet.
_READ: Final = """
select seq_tup_read + coalesce(idx_tup_fetch, 0) as n from pg_stat_xact_user_tables where relname = $1
"""


@pytest_asyncio.fixture
async def at(database: Database, copied: Copy) -> AsyncIterator[Given]:
    yield given_pushes(database)
    await given_records.clear(copied)
    async with database.system() as tx:
        await tx.execute_sql("delete from pushes")


async def _counted(copied: Copy, table: str) -> None:
    """The planner learns how long the table is just now."""
    admin = await asyncpg.connect(copied.admin_url)
    await admin.execute(f"analyze {table}")
    await admin.close()


@asynccontextmanager
async def _looked(tx: Tx, *tables: str) -> AsyncIterator[dict[str, int]]:
    """How many rows of these tables are looked at meanwhile."""
    found: dict[str, int] = {}
    before = {table: (await tx.fetch_sql(_READ, table))[0]["n"] for table in tables}
    yield found
    found.update({table: (await tx.fetch_sql(_READ, table))[0]["n"] - before[table] for table in tables})


async def _waiting(at: Given, count: int) -> None:
    """So many values of one listing, each for a place of its own."""
    ids = await at.stock(given_records.listing("p1"))
    wishes = [
        Wish(f"edt_{number:05}", "con_one", pushes.Place(ids["p1"], "p1", STOCK, f"place {number}"), number, (0,))
        for number in range(count)
    ]
    async with at.scope.tx() as tx:
        await edits.wish(tx, wishes, at.clock.now(), "somebody")


async def _taken(at: Given, tx: Tx, name: str, count: int) -> Sequence[Taken]:
    found = await edits.take(tx, "con_one", at.clock.now(), count)
    await edits.claim(tx, name, _LEASE, found, {one.edit.id: (one.edit, 0) for one in found[: count // 2]})
    return found


@pytest.mark.parametrize("known", ["nothing", "empty"])
async def test_a_round_looks_at_no_more_edits_than_it_takes(at: Given, copied: Copy, known: str) -> None:
    """Whatever the planner knows: nothing of a young table, or that it was empty when it was counted, as often."""
    if known == "empty":
        await _counted(copied, "edits")
    await _waiting(at, 1_500)
    async with at.scope.tx() as tx, _looked(tx, "edits") as looked:
        found = await _taken(at, tx, "clm_one", 40)
    assert looked["edits"] <= 4 * 40
    lives = [one.edit for one in found]
    async with at.scope.tx() as tx, _looked(tx, "edits") as looked:
        assert await edits.mark(tx, "clm_one", [(one, 0) for one in lives[20:]]) == {one.id for one in lives[20:]}
        ended = await edits.end(tx, "clm_one", {one: (one.value,) for one in lives[:30]}, at.clock.now())
        later = Later(State.UNSURE, at.clock.now(), 1, "LOST", "No answer came.")
        await edits.later(tx, "clm_one", {one.id: later for one in lives[30:]})
    assert ended == {one.id for one in lives[:30]}
    assert looked["edits"] <= 8 * 40
    rest = {row["id"]: row for row in await at.edits()}
    assert len(rest) == 1_470
    assert {(rest[one.id]["state"], rest[one.id]["code"], rest[one.id]["claim"]) for one in lives[30:]} == {
        ("unsure", "LOST", None)
    }
    assert {row["state"] for id_, row in rest.items() if id_ not in {one.id for one in lives}} == {"waiting"}


async def test_what_is_taken_is_noted_as_sent_in_the_same_transaction_and_only_what_is_sent(at: Given) -> None:
    await _waiting(at, 4)
    async with at.scope.tx() as tx:
        found = await _taken(at, tx, "clm_one", 4)
    rows = {row["id"]: row for row in await at.edits()}
    noted = [(rows[one.edit.id]["state"], rows[one.edit.id]["sent"], rows[one.edit.id]["base"]) for one in found]
    assert noted == [("sending", [0], [0]), ("sending", [1], [0]), ("waiting", None, [0]), ("waiting", None, [0])]
    assert {row["claim"] for row in rows.values()} == {"clm_one"}
    async with at.scope.tx() as tx:
        assert await edits.take(tx, "con_one", at.clock.now(), 4) == []


async def test_two_that_take_at_the_same_moment_take_different_edits_and_neither_waits(at: Given) -> None:
    await _waiting(at, 6)
    async with at.scope.tx() as one:
        first = await _taken(at, one, "clm_one", 4)
        async with at.scope.tx() as other:
            second = await _taken(at, other, "clm_two", 4)
    assert [len(first), len(second)] == [4, 2]
    assert not {one.edit.id for one in first} & {one.edit.id for one in second}


async def test_a_wish_that_comes_while_an_edit_is_sent_outlives_its_end(at: Given) -> None:
    await _waiting(at, 2)
    async with at.scope.tx() as tx:
        found = await _taken(at, tx, "clm_one", 2)
    listing = found[0].edit.place
    async with at.scope.tx() as tx:
        await edits.wish(tx, [Wish("edt_new", "con_one", listing, 77, (0,))], at.clock.now(), "somebody")
    async with at.scope.tx() as tx:
        await edits.end(tx, "clm_one", {one.edit: (one.edit.value,) for one in found}, at.clock.now())
    [left] = await at.edits()
    assert (left["value"], left["base"], left["sent"], left["state"], left["claim"]) == (
        [77],
        [0],
        None,
        "waiting",
        None,
    )


async def _statements(at: Given, ids: Mapping[str, str], value: int) -> int:
    wants = [pushes.Want(id_, STOCK, value) for id_ in ids.values()]
    await pushes.want(at.scope, wants)
    with written_down() as asked:
        await at.work()
    return len(asked)


async def test_a_round_asks_the_database_as_often_for_many_edits_as_for_few(at: Given) -> None:
    at.far.batch = 1_000
    few = await at.stock(*(given_records.listing(f"few{number}") for number in range(3)))
    asked = await _statements(at, few, 7)
    every = await at.stock(*(given_records.listing(f"many{number}") for number in range(120)))
    many = {name: id_ for name, id_ in every.items() if name not in few}
    assert await _statements(at, many, 8) == asked
    assert await at.edits() == []


async def test_listings_are_rewritten_without_a_look_at_the_others(at: Given, copied: Copy) -> None:
    ids = await at.stock(*(given_records.listing(f"p{number}") for number in range(400)))
    for table in ("listings", "variants", "products"):
        await _counted(copied, table)

    def restocked(listing: Listing) -> Listing:
        [variant] = listing.variants
        [place] = variant.inventory
        sold = msgspec.structs.replace(variant, inventory=(msgspec.structs.replace(place, available=99),))
        return msgspec.structs.replace(listing, variants=(sold,))

    some = [ids[f"p{number}"] for number in range(4)]
    async with at.scope.tx() as tx:
        # As in a far longer table: what can be found by its key is cheaper than a walk.
        await tx.execute_sql("set local cpu_tuple_cost = 2")
        async with _looked(tx, "listings", "variants", "products") as looked:
            await records.rewrite(tx, at.scope, given_records.Origin(), dict.fromkeys(some, restocked))
    assert all(rows <= 5 * len(some) for rows in looked.values()), looked
    async with at.scope.tx() as tx:
        assert {one.listing.variants[0].available for one in (await records.wholes(tx, some)).values()} == {99}


async def test_listings_of_another_connection_stay_as_they_are(at: Given) -> None:
    ids = await at.stock(given_records.listing("p1"))

    def renamed(listing: Listing) -> Listing:
        return msgspec.structs.replace(listing, title="Renamed")

    async with at.scope.tx() as tx:
        await records.rewrite(tx, at.scope, replace(given_records.Origin(), id="con_two"), {ids["p1"]: renamed})
    assert await at.shown(ids["p1"], EditField.TITLE) == "Áo thun"
