"""One line to a connection in a process, and news of what it writes, which are read behind what still waits."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest_asyncio
from tests.given import records as given_records
from tests.given.pushes import Given, given_pushes
from tests.house_database import Copy

from isthmus.connect.abilities import EditField
from isthmus.connect.edits import Edit, Outcome
from isthmus.engine.db import Database
from isthmus.features import pushes
from isthmus.features.pushes.service import sending
from isthmus.features.pushes.settings import Settings
from isthmus.scope import Scope

STOCK, TITLE = EditField.STOCK, EditField.TITLE
_NOTHING: tuple[frozenset[str], timedelta] = (frozenset(), timedelta(0))


@pytest_asyncio.fixture
async def at(database: Database, copied: Copy) -> AsyncIterator[Given]:
    yield given_pushes(database)
    await given_records.clear(copied)
    async with database.system() as tx:
        await tx.execute_sql("delete from pushes")


def _process(at: Given, settings: Settings) -> Scope:
    """The same merchant in a process of its own."""
    parts: Mapping[type, object] = {**at.scope.engine.parts, pushes.Lines: pushes.Lines(), Settings: settings}
    return replace(at.scope, engine=replace(at.scope.engine, parts=parts))


async def _many(at: Given, count: int) -> dict[str, str]:
    ids = await at.stock(*(given_records.listing(f"p{number:03}") for number in range(count)))
    await pushes.want(at.scope, [pushes.Want(id_, STOCK, 50) for id_ in ids.values()])
    return ids


async def test_a_process_writes_to_a_connection_by_one_line_however_often_it_is_woken(at: Given) -> None:
    await _many(at, 40)
    scope = _process(at, Settings(at_once=2))
    plain, under_way, most = at.far.write, 0, 0

    async def slow(batch: Sequence[Edit]) -> Sequence[Outcome]:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1
        return await plain(batch)

    at.far.write = slow  # type: ignore[method-assign]
    await asyncio.gather(*(sending.work(scope, "con_one") for _ in range(4)))
    assert (most, await at.edits(), len(at.far.effects)) == (2, [], 40)
    await at.want((await at.read())["p000"], STOCK, 60)
    await sending.work(scope, "con_one")
    assert at.far.value("p000", STOCK) == 60


async def test_news_of_what_is_written_wait_while_much_is_to_be_sent_and_all_other_news_do_not(at: Given) -> None:
    ids = await _many(at, 150)
    scope = _process(at, Settings(taken=10))
    at.clock.advance(1)
    await at.want(ids["p001"], TITLE, "Waits still")
    plain, told, heard = at.far.write, list[tuple[frozenset[str], timedelta]](), asyncio.Event()

    async def listening(batch: Sequence[Edit]) -> Sequence[Outcome]:
        names = [edit.listing.external_id for edit in batch]
        if "p000" not in names and "p001" not in names:
            await heard.wait()  # so that what is last is not yet taken when the first are written
        else:
            asked = ["p000", "p001", "p149", "elsewhere"]
            told.append(await pushes.echoes(scope, "con_one", "orders", asked))
            told.extend([await pushes.echoes(scope, "con_one", "products", asked) for _ in range(2)])
            heard.set()
        return await plain(batch)

    at.far.write = listening  # type: ignore[method-assign]
    at.far.batch = 10
    async with at.scope.tx() as tx:
        moved = "update edits set due_at = due_at + $1::interval where field = 'stock' and listing_id = any($2::text[])"
        await tx.execute_sql(moved, timedelta(seconds=-1), [ids["p000"], ids["p001"]])
        await tx.execute_sql(moved, timedelta(seconds=0.5), [ids["p149"]])
    await sending.work(scope, "con_one")
    orders, (late, wait), again = told[:3]
    assert (orders, late, again) == (_NOTHING, frozenset({"p000"}), _NOTHING)
    assert timedelta(seconds=2) < wait < timedelta(seconds=4)
    assert await pushes.echoes(scope, "con_one", "products", list(ids)) == _NOTHING
    assert await at.edits() == []


async def test_news_of_a_small_push_are_read_at_once(at: Given) -> None:
    ids = await _many(at, 20)
    scope = _process(at, Settings(taken=10))
    plain, told = at.far.write, set[tuple[frozenset[str], timedelta]]()

    async def listening(batch: Sequence[Edit]) -> Sequence[Outcome]:
        told.add(await pushes.echoes(scope, "con_one", "products", list(ids)))
        return await plain(batch)

    at.far.write = listening  # type: ignore[method-assign]
    await sending.work(scope, "con_one")
    assert told == {_NOTHING}
