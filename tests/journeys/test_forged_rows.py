"""Rows that somebody wrote into the queue itself are refused before any job sees them, and recorded (TN-02)."""

import asyncio
import logging
from contextlib import nullcontext
from itertools import count

import pytest
from tests.journeys.deployment import Deployment
from tests.journeys.routes import belongings

from isthmus.app import FEATURES
from isthmus.app.work import OBJECTS
from isthmus.engine.db import Database, Owners
from isthmus.engine.queue import Wake
from isthmus.kit import ids

JOBS = [job for feature in FEATURES for job in feature.jobs]


async def _worked_off(running: Deployment) -> None:
    async with asyncio.timeout(120):
        while True:
            async with running.platform.system.tx() as tx:
                stats = await running.platform.engine.queue.stats(tx)
            if not any(one.queued or one.running for one in stats):
                return
            await asyncio.sleep(0.1)


async def _objects(database: Database, tenant_id: str) -> dict[str, str]:
    """One object of a tenant's of each kind that wake-ups name and it has."""
    found: dict[str, str] = {}
    async with database.system() as tx:
        for noun, table in OBJECTS.items():
            rows = await tx.fetch_sql(f"select id from {table} where tenant_id = $1 limit 1", tenant_id)  # noqa: S608
            found.update((noun, row["id"]) for row in rows)
    return found


async def test_TN_02_a_row_that_names_another_tenants_object_is_refused_and_recorded(
    running: Deployment, caplog: pytest.LogCaptureFixture
) -> None:
    amy, connection = await running.owner("tiki")
    run = await amy.sync(connection)
    await belongings(running, amy, connection, run["id"])
    bob = await running.merchant("Bob, who writes rows")
    database, queue = running.platform.engine.database, running.platform.engine.queue
    hers = await _objects(database, amy.tenant_id)
    assert {"con", "int", "run", "upl", "sch", "src", "usr"} <= hers.keys()
    assert all(id_.startswith(f"{noun}_") for noun, id_ in hers.items()), "ids say what they are of"
    keys = (*hers.values(), f"listings {hers['con']}", f"{hers['con']}/mail")
    forged = [Wake(job, key, bob.tenant_id) for job in JOBS for key in keys]
    let_in = [Wake("sync.prices", hers["con"], amy.tenant_id), Wake("sync.prices", ids.new("con"), bob.tenant_id)]
    with caplog.at_level(logging.ERROR, "isthmus.security"):
        async with running.platform.system.tx() as tx:
            await queue.enqueue_all(tx, [*forged, *let_in])
        await _worked_off(running)
    told = [vars(one) for one in caplog.records if "foreign" in vars(one)]
    refused = sorted((one["job"], one["tenant"], one["key"]) for one in told)
    assert refused == sorted((one.job, one.tenant_id, one.key) for one in forged), "her own and nobody's are let in"
    assert {one["foreign"] for one in told} == set(hers.values())


async def test_TN_02_whose_an_object_is_can_be_asked_of_every_kind_that_wake_ups_name(running: Deployment) -> None:
    owners, bob = Owners(running.platform.engine.database, OBJECTS), await running.merchant("Bob")
    assert len(OBJECTS) == sum(len(one.objects) for one in FEATURES)
    for noun in OBJECTS:
        assert await owners.foreign(bob.tenant_id, f"orders {ids.new(noun)}/x") is None, "what is nobody's"
    assert await owners.foreign(bob.tenant_id, "a name, and no id") is None


async def test_TN_02_whose_an_object_is_is_asked_once(running: Deployment, database_url: str) -> None:
    amy, _ = await running.owner("tiki")
    bob = await running.merchant("Bob")
    opened = count()
    database = await Database.connect(database_url, size=1, on_open=lambda: nullcontext(next(opened)))
    try:
        hers = await _objects(database, amy.tenant_id)
        owners, before = Owners(database, OBJECTS), next(opened)
        for _ in range(3):
            assert await owners.foreign(amy.tenant_id, hers["con"]) is None
            assert await owners.foreign(bob.tenant_id, f"listings {hers['con']}") == hers["con"]
        assert next(opened) - before == 2, "one transaction between the two"
    finally:
        await database.close()
