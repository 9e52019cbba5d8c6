"""How much a tenant stores, counted as it is written and set right by the periodic count (security.md RL-05)."""

import asyncio
import json
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from tests.given import records as given
from tests.house_database import Copy

from isthmus.connect.record import Record
from isthmus.engine import holdings
from isthmus.engine.db import Database
from isthmus.engine.holdings import holdings as counters
from isthmus.features import records
from isthmus.features.records.service import keeping, room
from isthmus.features.records.store import SIZES
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


async def _counted(scope: Scope, now: datetime) -> int:
    """Count what is due by then; how many counters that are."""
    clock = ManualClock(now)
    await room.wake_counts(System(scope.engine, clock))
    async with System(scope.engine).tx() as tx:
        rows = await tx.fetch_sql("delete from queue.pgqueuer where entrypoint = $1 returning payload", room.COUNT)
    for row in rows:
        await room.count(replace(scope, clock=clock), json.loads(row["payload"])[1])
    return len(rows)


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
    assert await _counted(scope, now) == 2
    assert await _held(scope) == await _stored(scope) > 1_000
    await given.write(scope, given.listing("3"))
    grown = await _held(scope)
    assert await _counted(scope, now) == 0, "not before the hour is over"
    assert await _held(scope) == grown
    assert await _counted(scope, now + timedelta(hours=2)) == 1
    assert await _held(scope) == await _stored(scope)

    async with System(scope.engine).tx() as tx:
        await keeping.forget(tx, "ten_one", "con_one")
    assert await _held(scope) == 0
    await given.clear(copied)


async def test_RL_05_a_large_shop_is_counted_page_by_page_and_by_two_at_once_only_once(
    database: Database, copied: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counters, "_PAGE", 2)
    scope = given.scope(given.engine(database))
    await given.write(scope, *(given.listing(str(number)) for number in range(5)))
    contacts = [Record(str(number), "Ann", body={}, entity="contacts", shard_type="contact") for number in range(3)]
    leads = [Record(str(number), "Bo", body={}, entity="leads", shard_type="contact") for number in range(2)]
    async with scope.tx() as tx:
        await records.write_any(tx, scope, given.Origin(), [records.record_item(one) for one in (*contacts, *leads)])
        await tx.execute_sql("update holdings set bytes = bytes + 1000000")
    keys = [f"{kind} con_one" for kind in SIZES]
    await asyncio.gather(*(room.count(scope, key) for key in keys * 2))
    assert await _held(scope) == await _stored(scope)
    await given.clear(copied)
