"""How much a tenant stores, counted as it is written and set right by the periodic count (security.md RL-05)."""

from datetime import timedelta

from tests.given import records as given
from tests.house_database import Copy

from isthmus.connect.record import Record
from isthmus.engine import holdings
from isthmus.engine.db import Database
from isthmus.features import records
from isthmus.features.records.service import keeping, room
from isthmus.kit.clock import SYSTEM, ManualClock
from isthmus.scope import Scope, System

_SIZES = """
select coalesce((select sum(pg_column_size(raw) + pg_column_size(body)) from listings), 0)
  + coalesce((select sum(pg_column_size(body)) from shards), 0) as bytes
"""


async def _held(scope: Scope) -> int:
    async with scope.tx() as tx:
        return await holdings.total(tx)


async def _stored(scope: Scope) -> int:
    async with scope.tx() as tx:
        return int((await tx.fetch_sql(_SIZES))[0]["bytes"])


async def test_RL_05_bytes_are_counted_as_they_are_written_and_set_right_later(
    database: Database, copied: Copy
) -> None:
    scope, other = given.scope(given.engine(database)), given.scope(given.engine(database), "ten_other")
    raw, made = b"x" * 500, [given.listing("1"), given.listing("2")]
    await given.write(scope, *made, raw=raw)
    written = sum(len(raw) + len(given.item(one, raw).body) for one in made)
    assert (await _held(scope), await _held(other)) == (written, 0)
    await given.write(scope, *made, raw=raw)
    assert await _held(scope) == written, "what is known already counts once"
    record = records.record_item(Record("7", "Ann", body={"name": "Ann"}, entity="contacts", shard_type="contact"))
    async with scope.tx() as tx:
        await records.write_any(tx, scope, given.Origin(), [record])
    assert await _held(scope) == written + len(record.body)

    now = SYSTEM.now()
    await room.count(System(scope.engine, ManualClock(now)))
    assert await _held(scope) == await _stored(scope) > 1_000
    await given.write(scope, given.listing("3"))
    grown = await _held(scope)
    await room.count(System(scope.engine, ManualClock(now)))
    assert await _held(scope) == grown, "not before the hour is over"
    await room.count(System(scope.engine, ManualClock(now + timedelta(hours=2))))
    assert await _held(scope) == await _stored(scope)

    async with System(scope.engine).tx() as tx:
        await keeping.forget(tx, "ten_one", "con_one")
    assert await _held(scope) == 0
    await given.clear(copied)
