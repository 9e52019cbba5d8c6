"""A restore begins an epoch of the log, chained to all before it (security.md AU-05)."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

import asyncpg
import pytest_asyncio
from tests.given import vault as given
from tests.house_database import Copy

from isthmus.engine.db import Database, connect
from isthmus.features import audit, vault
from isthmus.features.audit.model import checkpoints as model
from isthmus.features.audit.service import signing
from isthmus.features.audit.store import checkpoints as store
from isthmus.kit.clock import ManualClock
from isthmus.kit.events import Event
from isthmus.kit.paging import Ask
from isthmus.kit.permissions import PLATFORM_TENANT
from isthmus.scope import System

#: What the other database's transactions were numbered by.
FAR = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Renamed(Event):
    type: ClassVar[str] = "thing.renamed"


CLOCK = ManualClock()


async def _write(system: System, *subjects: str) -> None:
    for subject in subjects:
        CLOCK.advance(1)
        async with given.scope(system, "ten_a").tx() as tx:
            tx.emit(Renamed(subject=subject))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def owner(copied: Copy) -> AsyncIterator[asyncpg.Connection]:
    connection = await connect(copied.admin_url)
    yield connection
    await connection.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def restored(database: Database, owner: asyncpg.Connection) -> System:
    """A database that came from elsewhere: five entries with that one's numbers, of which three are sealed."""
    reseals = vault.Reseals({"audit.signing_keys": signing.reseal})
    parts: dict[type, object] = {audit.Settings: audit.Settings(batch=2)}
    system = given.process(database, clock=CLOCK, parts=parts, reseals=reseals)
    await vault.check_canary(system)
    platform = system.scope(PLATFORM_TENANT, "audit")
    key = await signing.current_key(platform)
    await _write(system, *(f"thg_{number}" for number in range(5)))
    await owner.execute("update events set xid = ((xid::text::bigint + $1)::text)::xid8", FAR)
    async with system.tx() as tx:
        rows = await store.sealed_rows(tx, model.Stretch(), (2 * FAR, "z"))
        sealed = rows[:-2]
        one = model.signed(model.sealed(sealed, None, system.now, key.id, model.Stretch()), key.private)
        await store.insert_checkpoint(tx, one)
    return system


async def test_AU_05_behind_a_restore_an_epoch_begins_and_nothing_is_left_out(
    restored: System, owner: asyncpg.Connection
) -> None:
    await _write(restored, "thg_here", "thg_there", "thg_everywhere")
    CLOCK.advance(5)
    assert await audit.lag(restored) > timedelta()
    made = await audit.seal(restored)
    assert [one.epoch for one in made] == [0, 1, 1]
    assert made[1].previous == made[0].digest
    assert await audit.lag(restored) == timedelta()
    verdict = await audit.verify(restored)
    assert (verdict.faults, verdict.unsealed) == ((), 0)
    assert verdict.entries == await owner.fetchval("select count(*) from events where audited")
    scope = given.scope(restored, "ten_a")
    for subject in ("thg_1", "thg_4", "thg_there"):
        (entry,) = (await audit.entries(scope, Ask(), audit.Filters(subject=subject))).items
        assert audit.fault_of(await audit.prove(scope, entry.id)) is None
    await _write(restored, "thg_later")
    assert [one.epoch for one in await audit.seal(restored)] == [1]
    assert (await audit.verify(restored)).faults == ()


async def test_AU_05_what_is_done_to_either_epoch_is_found(restored: System, owner: asyncpg.Connection) -> None:
    for subject in ("thg_1", "thg_here"):
        for actor, kinds in (("x", [audit.Kind.CHANGED]), ("user:test:usr_1", [])):
            await owner.execute("update events set actor = $1 where subject = $2", actor, subject)
            assert [one.kind for one in (await audit.verify(restored)).faults] == kinds
    floor = await owner.fetchval("select max(floor_id) from audit_checkpoints")
    for change in ("set floor_id = 'evt_0'", "set epoch = 2", "set epoch = 0, floor_id = ''"):
        await owner.execute(f"update audit_checkpoints {change} where number = 4")
        assert audit.Kind.FORGED in {one.kind for one in (await audit.verify(restored)).faults}
        await owner.execute("update audit_checkpoints set floor_id = $1, epoch = 1 where number = 4", floor)
    assert (await audit.verify(restored)).faults == ()
