"""A tenant that is suspended while its values are on their way: the rest waits until it is let in again."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest_asyncio
from tests.given import records as given_records
from tests.given.pushes import Given, given_pushes
from tests.house_database import Copy

from isthmus.connect.abilities import EditField
from isthmus.connect.edits import Edit, Outcome
from isthmus.engine.db import Database
from isthmus.features.pushes.settings import Settings
from isthmus.scope import System

MANY = 40


@pytest_asyncio.fixture
async def at(database: Database, copied: Copy) -> AsyncIterator[Given]:
    made = given_pushes(database)
    parts = {**made.scope.engine.parts, Settings: Settings(taken=2)}
    made.scope = replace(made.scope, engine=replace(made.scope.engine, parts=parts))
    async with database.system() as tx:
        await tx.execute_sql(
            "insert into tenants (id, name, slug, status, created_at)"
            " values ('ten_one', 'One', 'one', 'active', now()) on conflict do nothing"
        )
    yield made
    await given_records.clear(copied)
    async with database.system() as tx:
        await tx.execute_sql("delete from pushes")
        await tx.execute_sql("delete from tenants where id = 'ten_one'")


async def _set(at: Given, status: str) -> None:
    async with System(at.scope.engine, at.clock).tx() as tx:
        await tx.execute_sql("update tenants set status = $1 where id = 'ten_one'", status)


async def test_what_is_left_of_a_push_waits_while_its_tenant_is_suspended(at: Given) -> None:
    ids = await at.stock(*(given_records.listing(f"p{number}") for number in range(MANY)))
    for id_ in ids.values():
        await at.want(id_, EditField.PRICE, "12.50")
    write, at.far.batch = at.far.write, 1

    async def suspended(batch: list[Edit]) -> list[Outcome]:
        await _set(at, "suspended")
        return list(await write(batch))

    at.far.write = suspended  # type: ignore[method-assign, assignment]  # what happens during the first call
    await at.work()
    begun = len(at.far.effects)
    assert 0 < begun < MANY
    await at.work()
    assert len(at.far.effects) == begun
    at.far.write = write  # type: ignore[method-assign]
    await _set(at, "active")
    await at.work()
    assert len(at.far.effects) == MANY
