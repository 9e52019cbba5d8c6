"""A wake-up that names another tenant's object does nothing to it, whichever job it is for (security.md TN-02)."""

import asyncio
from collections.abc import Mapping
from typing import Any

import asyncpg
import pytest_asyncio
from tests.house_database import Copy
from tests.journeys.deployment import Deployment, Merchant
from tests.journeys.routes import belongings

from isthmus.app import FEATURES
from isthmus.engine.db import Tx as SystemTx
from isthmus.feature import BatchListener, Listener
from isthmus.kit import ids
from isthmus.kit.clock import SYSTEM
from isthmus.kit.errors import Problem


def _of_many(act: BatchListener) -> Listener:
    async def one(tx: SystemTx, event: Mapping[str, Any]) -> None:
        await act(tx, [event])

    return one


JOBS = {job: (feature.name, function) for feature in FEATURES for job, function in feature.jobs.items()}
LISTENERS = {
    **{name: one for feature in FEATURES for name, one in feature.listens.items()},
    **{name: (kinds, _of_many(act)) for one in FEATURES for name, (kinds, act) in one.listens_at_once.items()},
}
_STATES = {"before": {"status": "active"}, "after": {"status": "suspended"}}
_OF_AN_EVENT = {**_STATES, "actor": "user:bob", "request_id": "", "at": SYSTEM.now(), "version": 1}
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


def _bodies(hers: dict[str, str]) -> dict[str, object]:
    """What a body may name, all of it hers, under every name that an event has for it."""
    ones = {"con": "connectionId", "int": "integrationId", "prd": "productId", "lst": "listingId", "run": "runId"}
    ones |= {"ord": "orderId", "cus": "customerId", "whe": "endpointId", "src": "sourceId", "psh": "pushId"}
    named: dict[str, object] = {name: hers[noun] for noun, name in ones.items()}
    named |= {f"{name}s": [hers[noun]] for noun, name in ones.items()}
    return named | {"forbidden": ["product"], "allowedAgain": ["order"], "provider": "tiki", "entity": "products"}


async def _heard(running: Deployment, bob: Merchant, listener: str, event: dict[str, object]) -> str:
    """What became of an event in Bob's name that names somebody else's objects; empty where it was passed over."""
    act = LISTENERS[listener][1]
    try:
        async with asyncio.timeout(30), running.platform.system.tx() as tx:
            await act(tx, event)
    except (KeyError, Problem):
        return ""  # what it lacks no event of this type lacks
    except Exception as failure:  # noqa: BLE001 - what a listener makes of it is what is looked at here
        return f"{listener}: {failure!r}"
    return ""


async def test_TN_02_no_listener_touches_what_another_tenants_event_names(
    running: Deployment, hers: dict[str, str], copied: Copy
) -> None:
    amy, _ = await running.owner("tiki")
    bob = await running.merchant("Bob, who tells lies")
    before = await _at_rest(copied, amy.tenant_id)
    body = _bodies(hers)
    forged = [
        (name, {"tenant_id": bob.tenant_id, "type": kind, "subject": key, "body": body, **_OF_AN_EVENT})
        for name, (kinds, _) in LISTENERS.items()
        for kind in kinds
        for key in sorted({one for noun, one in hers.items() if noun != "ticket"})
    ]
    assert len({name for name, _ in forged}) > 10
    told = [await _heard(running, bob, name, {**event, "id": ids.new("evt")}) for name, event in forged]
    assert [one for one in told if one] == []
    after = await _at_rest(copied, amy.tenant_id)
    assert {place for place in before if before[place] != after[place]} == set()


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
