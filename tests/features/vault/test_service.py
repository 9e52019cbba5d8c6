"""Secrets open in their place and nowhere else, under keys that take care of themselves."""

import asyncio
from datetime import timedelta

import pytest
from tests.given import vault as given

from isthmus.engine.db import Database
from isthmus.features import vault
from isthmus.kit.clock import ManualClock
from isthmus.kit.secret import Secret
from isthmus.scope import Scope, System

SECRET = Secret("canary-4711-token")


@pytest.fixture(scope="module")
async def system(database: Database) -> System:
    made = given.process(database)
    await vault.check_canary(made)
    return made


async def sealed_for(scope: Scope, *, owner: str = "con_1", field: str = "access_token") -> bytes:
    async with scope.tx() as tx:
        return await vault.seal(scope, tx, SECRET, owner=owner, field=field)


async def opened(scope: Scope, sealed: bytes, *, owner: str = "con_1", field: str = "access_token") -> str:
    async with scope.tx() as tx:
        return (await vault.open(scope, tx, sealed, owner=owner, field=field)).reveal()


async def test_a_secret_opens_in_its_place_and_does_not_show_on_the_way(system: System) -> None:
    scope = given.scope(system, "ten_a")
    sealed = await sealed_for(scope)
    assert SECRET.reveal().encode() not in sealed
    assert await opened(scope, sealed) == SECRET.reveal()


async def test_several_are_sealed_and_opened_together(system: System) -> None:
    scope = given.scope(system, "ten_many")
    names = [f"con_{number}" for number in range(5)]
    async with scope.tx() as tx:
        values = await vault.seal_many(scope, tx, [vault.ToSeal(Secret(name), name, "f") for name in names])
    async with scope.tx() as tx:
        found = await vault.open_many(
            scope, tx, [vault.Sealed(value, name, "f") for value, name in zip(values, names, strict=True)]
        )
    assert [secret.reveal() for secret in found] == names


@pytest.mark.parametrize(
    ("tenant", "owner", "field"),
    [("ten_b", "con_1", "access_token"), ("ten_a", "con_2", "access_token"), ("ten_a", "con_1", "refresh_token")],
)
async def test_VA_04_a_sealed_value_moved_elsewhere_does_not_open(
    system: System, tenant: str, owner: str, field: str
) -> None:
    await sealed_for(given.scope(system, "ten_b"))
    sealed = await sealed_for(given.scope(system, "ten_a"))
    with pytest.raises(vault.Unreadable):
        await opened(given.scope(system, tenant), sealed, owner=owner, field=field)


async def test_VA_05_a_flipped_bit_anywhere_is_refused_with_one_class_of_error(system: System) -> None:
    scope = given.scope(system, "ten_a")
    sealed = await sealed_for(scope)
    async with scope.tx() as tx:
        for place in range(len(sealed)):
            damaged = bytearray(sealed)
            damaged[place] ^= 1 << (place % 8)
            with pytest.raises(vault.Unreadable):
                await vault.open(scope, tx, bytes(damaged), owner="con_1", field="access_token")
        for length in range(0, len(sealed), 7):
            with pytest.raises(vault.Unreadable):
                await vault.open(scope, tx, sealed[:length], owner="con_1", field="access_token")


async def test_a_key_whose_making_was_rolled_back_is_never_used_again(database: Database, system: System) -> None:
    scope = given.scope(system, "ten_rolled_back")
    with pytest.raises(RuntimeError, match="on the way"):
        async with scope.tx() as tx:
            await vault.seal(scope, tx, SECRET, owner="con_1", field="access_token")
            await vault.seal(scope, tx, SECRET, owner="con_1", field="access_token")
            raise RuntimeError("on the way")
    sealed = await sealed_for(scope)
    assert await opened(given.scope(given.process(database), "ten_rolled_back"), sealed) == SECRET.reveal()


async def test_twenty_first_seals_at_once_make_one_key(database: Database) -> None:
    processes = [given.process(database) for _ in range(4)]
    scopes = [given.scope(processes[number % 4], "ten_busy") for number in range(20)]
    values = await asyncio.gather(*[sealed_for(scope) for scope in scopes])
    async with scopes[0].tx() as tx:
        rows = await tx.fetch_sql("select id from data_keys where tenant_id = 'ten_busy'")
    assert len(rows) == 1
    assert {await opened(scopes[1], value) for value in values} == {SECRET.reveal()}


async def test_with_the_key_in_memory_neither_sealing_nor_opening_asks_the_database(system: System) -> None:
    scope = given.scope(system, "ten_quick")
    await sealed_for(scope)
    sealed = await sealed_for(scope)
    asked: list[str] = []
    async with scope.tx() as tx:
        (await tx.connection()).add_query_logger(lambda record: asked.append(record.query))
        for _ in range(100):
            await vault.open(scope, tx, sealed, owner="con_1", field="access_token")
            await vault.seal(scope, tx, SECRET, owner="con_1", field="access_token")
    assert [query for query in asked if "data_keys" in query] == []


async def test_a_transaction_of_another_tenant_is_refused(system: System) -> None:
    scope, other = given.scope(system, "ten_a"), given.scope(system, "ten_b")
    async with other.tx() as tx:
        with pytest.raises(ValueError, match="another tenant"):
            await vault.seal(scope, tx, SECRET, owner="con_1", field="access_token")


async def test_VA_07_after_so_many_seals_a_new_key_takes_over_and_the_old_one_still_opens(database: Database) -> None:
    scope = given.scope(given.process(database, settings=vault.Settings(seal_limit=20, seal_block=5)), "ten_sealing")
    values = [await sealed_for(scope) for _ in range(60)]
    async with scope.tx() as tx:
        rows = await tx.fetch_sql("select seals, retired_at from data_keys where tenant_id = 'ten_sealing'")
    assert len(rows) >= 3
    assert sum(row["retired_at"] is None for row in rows) == 1
    assert max(row["seals"] for row in rows) <= 20
    assert {await opened(scope, value) for value in values} == {SECRET.reveal()}


async def test_VA_07_after_a_year_a_new_key_takes_over(database: Database) -> None:
    clock = ManualClock()
    scope = given.scope(given.process(database, clock=clock), "ten_old")
    first = await sealed_for(scope)
    clock.advance(timedelta(days=366).total_seconds())
    second = await sealed_for(scope)
    async with scope.tx() as tx:
        rows = await tx.fetch_sql("select id from data_keys where tenant_id = 'ten_old' and retired_at is null")
    assert rows[0]["id"].encode() in second
    assert rows[0]["id"].encode() not in first
    assert await opened(scope, first) == await opened(scope, second)


async def test_VA_13_a_data_key_leaves_memory_after_five_minutes(database: Database) -> None:
    clock = ManualClock()
    system = given.process(database, clock=clock)
    scope = given.scope(system, "ten_idle")
    await sealed_for(scope)
    await sealed_for(scope)
    held = system.engine.part(vault.Vault).cache
    assert len(held) == 1
    clock.advance(301)
    held.purge(clock.monotonic())
    assert len(held) == 0
