"""A wake-up that names another tenant's object does nothing to it, whichever job it is for (security.md TN-02)."""

import asyncio

import asyncpg
import pytest_asyncio
from tests.house_database import Copy
from tests.journeys.deployment import Deployment, Merchant
from tests.journeys.routes import belongings

from isthmus.app import FEATURES
from isthmus.kit.errors import Problem

JOBS = {job: (feature.name, function) for feature in FEATURES for job, function in feature.jobs.items()}
#: What moves while nobody does anything: the log is sealed, and how often a shop was called is written down later.
_MOVES = ("audit_", "queue.", "connection_hours")
_TABLES = """
select n.nspname || '.' || quote_ident(c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace
join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id'
where c.relkind in ('r', 'p') and not c.relispartition and n.nspname !~ '^(pg_|information_schema)' order by 1
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hers(running: Deployment) -> dict[str, str]:
    """What a merchant has, by noun."""
    amy, connection = await running.owner("tiki")
    run = await amy.sync(connection)
    found = await belongings(running, amy, connection, run["id"])
    await running.rest()
    return found


async def _digests(copied: Copy, tenant_id: str) -> dict[str, str]:
    """A digest of all that each table holds of a tenant."""
    connection = await asyncpg.connect(copied.admin_url)
    try:
        places = [row[0] for row in await connection.fetch(_TABLES)]
        found = {}
        for place in places:
            rows = f"select md5(t::text) as one from {place} t where tenant_id = $1"  # noqa: S608 - names of tables
            found[place] = await connection.fetchval(
                f"select count(*) || ' ' || coalesce(md5(string_agg(one, '' order by one)), '') from ({rows}) r",  # noqa: S608
                tenant_id,
            )
        return {place: one for place, one in found.items() if not any(part in place for part in _MOVES)}
    finally:
        await connection.close()


async def _at_rest(copied: Copy, tenant_id: str) -> dict[str, str]:
    """The digests once they do not move any more."""
    before = await _digests(copied, tenant_id)
    async with asyncio.timeout(60):
        while True:
            await asyncio.sleep(0.2)
            now = await _digests(copied, tenant_id)
            if now == before:
                return now
            before = now


async def _forged(running: Deployment, bob: Merchant, job: str, key: str) -> str:
    """What became of a wake-up of Bob's for somebody else's object; empty when it ended as if there were none."""
    room, function = JOBS[job]
    scope = running.platform.system.scope(bob.tenant_id, room)
    try:
        async with asyncio.timeout(30):
            await function(scope, key)
    except Problem as problem:
        return "" if problem.status in {404, 400, 409} else f"{job} {key}: {problem.status} {problem.message}"
    except Exception as failure:  # noqa: BLE001 - what a job makes of it is what is looked at here
        return f"{job} {key}: {failure!r}"
    return ""


async def test_TN_02_no_job_touches_what_another_tenants_wake_up_names(
    running: Deployment, hers: dict[str, str], copied: Copy
) -> None:
    amy, _ = await running.owner("tiki")
    bob = await running.merchant("Bob")
    keys = sorted({one for noun, one in hers.items() if noun != "ticket"})
    before, his = await _at_rest(copied, amy.tenant_id), await _at_rest(copied, bob.tenant_id)
    asked = [await _forged(running, bob, job, key) for job in JOBS for key in keys]
    assert [one for one in asked if one] == []
    after = await _at_rest(copied, amy.tenant_id)
    assert {place for place in before if before[place] != after[place]} == set()
    now = await _digests(copied, bob.tenant_id)
    assert {place for place in his if his[place] != now[place]} == set(), "and nothing of hers became his"
    renamed = await amy.call("PATCH", f"/api/tenant/integrations/{hers['int']}", {"name": "Another name"})
    assert renamed.status == 200, renamed.body
    assert await _digests(copied, amy.tenant_id) != after, "what she does herself is seen"
