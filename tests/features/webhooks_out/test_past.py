"""What a delivery costs does not depend on how many came before it: the pages that its statements touch stay the same.

Pages and not seconds, so that it holds on any machine; `bench/webhooks.py` has the seconds.
"""

import json
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from bench.hooks import past
from tests.given import vault as given_vault
from tests.given import webhooks_out as given
from tests.house_database import Copy

from isthmus.engine.bus import log
from isthmus.engine.db import Database, Tx, connect
from isthmus.features.webhooks_out.store import deliveries, dispatch, settling
from isthmus.kit import ids
from isthmus.kit.clock import SYSTEM
from isthmus.scope import System

TEN, POINT, OWNER = "ten_a", "whe_one", "own_here"
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
SHARDS = list(range(16))


@pytest_asyncio.fixture(autouse=True)
async def clean(copied: Copy) -> AsyncIterator[None]:
    yield
    await given.clear(copied)


class _Undone(Exception):
    """Nothing that was tried out stays."""


async def pages(system: System, plans: str) -> dict[str, int]:
    """The pages that each statement on a delivery's way touches, once the caches are warm."""
    found: dict[str, int] = {}
    await given.emit(given_vault.scope(system, TEN), 1)
    with suppress(_Undone):
        async with system.tx() as tx:
            await tx.fetch_sql(f"set local plan_cache_mode = {plans}")
            await _followed(tx, found)
            raise _Undone
    return found


async def _followed(tx: Tx, found: dict[str, int]) -> None:
    now = SYSTEM.now()
    # the event's own place: others, such as the database's own cleaning, take numbers too
    newest = "select xid::text::bigint as xid from events where tenant_id = $1 order by xid desc limit 1"
    place = int((await tx.fetch_sql(newest, TEN))[0]["xid"])
    events = log._of(log._READ_ALL, now.date())
    (event,) = await tx.fetch_sql(events, place, "", place + 1, [given.Filled.type], 1)
    await tx.execute_sql(
        "update webhook_shards set owner = $1, until = now() + interval '1 hour', epoch = epoch + 1", OWNER
    )

    async def touched(name: str, statement: str, *values: object) -> None:
        explain = f"explain (analyze, buffers, timing off, format json) {statement}"
        row = (await tx.fetch_sql(explain, *values))[0][0]
        plan: Any = (row if isinstance(row, list) else json.loads(row))[0]["Plan"]
        found[name] = int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])

    # each twice: the first looks up what the second knows
    for _ in range(2):
        id_ = ids.new("dlv")
        await touched("what has happened", events, place, "", place + 1, [given.Filled.type], 500)
        values = [TEN, id_, POINT, event["id"], event["type"], "pending", [True], [3], now]
        await touched("what is planned", deliveries._FAN_OUT, *values)
        await touched("what is due", dispatch._DUE, SHARDS, LONG_AGO, now, [], 500, [])
        await touched("what is due next", dispatch._NEXT, SHARDS, now)
        await touched("what stands behind it", dispatch._LOAD, [TEN], [id_])
        await touched("what it says", log._of(log._NAMED, now.date(), now.date()), [TEN], [event["id"]])
        (due,) = [one for one in await dispatch.due(tx, SHARDS, _window(now)) if one.delivery_id == id_]
        await touched("who may end it", settling._FENCE, OWNER, [3])
        fared = [[TEN], [POINT], [1], [0], [0], [3.0], [None]]
        await touched("how it fares", settling._FARE, *fared, now, OWNER, [3], [1])
        await touched("what became of it", settling._FRESH[settling._SETTLE], *_settled(due, now))
        await touched("what ended alike", settling._FRESH[settling._SETTLE_ALIKE], *_alike(due, now))


def _window(now: datetime) -> dispatch.Window:
    return dispatch.Window(LONG_AGO, now, [], [], 500)


def _settled(due: dispatch.Due, now: datetime) -> list[object]:
    null = "\x1e"
    return [
        due.tenant_id, due.delivery_id, due.endpoint_id, "delivered", [1], [None], [204], null, [due.shard],
        [due.number], ids.new("att"), [now], "https://one.test/", null, [1], "v1,", null, null, [None], [3],
        [now.date()], [due.place], now, "schedule",
    ]  # fmt: skip


def _alike(due: dispatch.Due, now: datetime) -> list[object]:
    return [
        due.tenant_id, due.delivery_id, ids.new("att"), [now], "https://one.test/", "\x1e", [1], "v1,", [3],
        [due.place], [due.number], "delivered", 1, now, 204, None, None, {}, b"", now.date(), "schedule",
    ]  # fmt: skip


#: So many that the statistics say something.
_SOME = 5_000
_CLEAN = "vacuum analyze events, webhook_deliveries, webhook_attempts, webhook_due"


@pytest.mark.parametrize("plans", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize("size", [15_000, pytest.param(1_000_000, marks=pytest.mark.proof)])
async def test_a_past_makes_no_delivery_dearer(database: Database, copied: Copy, size: int, plans: str) -> None:
    admin = await connect(copied.admin_url)
    async with given.process(database) as system:
        async with system.tx() as tx:
            await dispatch.keep_days(tx, SYSTEM.now().date(), SYSTEM.now().date() + timedelta(days=30))
        await past.fill_out(system, _SOME)
        await admin.execute(_CLEAN)
        alone = await pages(system, plans)
        await past.fill_out(system, size, behind=_SOME)
        await admin.execute(_CLEAN, timeout=900)
        beside = await pages(system, plans)
    await admin.close()
    # an index grows by a level now and then, and what is due is looked for in each shard
    room = {name: len(SHARDS) if name.startswith("what is due") else 6 for name in alone}
    dearer = {name: count for name, count in beside.items() if count > alone[name] + room[name]}
    assert dearer == {}, (alone, beside)
