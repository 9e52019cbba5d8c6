"""A master key that is gone for good is given up by its name only, and what it sealed stays refused."""

import pytest
from tests.given import keys
from tests.given import vault as given

from isthmus.engine import keys as engine_keys
from isthmus.engine.db import Database
from isthmus.features import vault
from isthmus.kit.secret import Secret
from isthmus.scope import Scope


async def _seal(scope: Scope) -> bytes:
    async with scope.tx() as tx:
        return await vault.seal(scope, tx, Secret("s3cret"), owner="con_1", field="token")


async def _open(scope: Scope, sealed: bytes) -> str:
    async with scope.tx() as tx:
        return (await vault.open(scope, tx, sealed, owner="con_1", field="token")).reveal()


async def test_VA_11_after_a_new_start_old_values_are_refused_and_new_ones_open(database: Database) -> None:
    before = given.process(database, ring=keys.ring("lost"))
    await vault.check_canary(before)
    sealed = await _seal(given.scope(before, "ten_a"))
    after = given.process(database, ring=keys.ring("fresh"))
    with pytest.raises(vault.WrongMasterKey):
        await vault.check_canary(after)
    for system, named in ((before, "lost"), (after, "fresh"), (after, "other")):
        with pytest.raises(vault.NotLost):
            await vault.start_over(system, named, given.platform(system))
    assert await _open(given.scope(before, "ten_a"), sealed) == "s3cret"
    assert await vault.start_over(after, "lost", given.platform(after)) >= 1
    await vault.check_canary(after)
    scope = given.scope(after, "ten_a")
    with pytest.raises(vault.Unreadable):
        await _open(scope, sealed)
    assert await _open(scope, await _seal(scope)) == "s3cret"
    with pytest.raises(vault.WrongMasterKey):
        await vault.check_canary(before)
    async with after.tx() as tx:
        rows = await tx.fetch_sql("select subject, actor from events where type = 'vault.master_key_lost'")
    assert [(row["subject"], row["actor"].split(":")[0]) for row in rows] == [("lost", "operator")]


async def test_VA_11_an_export_is_read_again_as_it_is_and_is_told_without_the_key(database: Database) -> None:
    system = given.process(database, ring=keys.ring("fresh", "older"))
    text = await vault.export_key(system, given.platform(system))
    assert "Secret(***)" in repr(text) or text.reveal() not in repr(text)
    ring = engine_keys.load(text=text)
    assert ring is not None
    held = keys.ring("fresh", "older")
    assert [ring.get(one) is not None for one in ring.ids] == [True, True]
    assert ring.primary.material == held.primary.material
    async with system.tx() as tx:
        rows = await tx.fetch_sql("select body::text as body from events where type = 'vault.master_key_exported'")
    (told,) = [row["body"] for row in rows]
    assert "fresh" in told
    assert not any(line in told for line in text.reveal().split())
