"""A tenant is deleted: nothing of it is left anywhere, nothing of another is touched, and the log proves it (ER-01)."""

import asyncio
from typing import Any

import asyncpg
import pytest_asyncio
from tests.house_database import Copy
from tests.journeys.deployment import Deployment, Merchant
from tests.journeys.routes import endpoint_of, key_of, member_of, source_of

from isthmus.features import audit
from isthmus.kit.permissions import PLATFORM_TENANT, SUPER_ADMIN

_TABLES = """
select quote_ident(c.relname) as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and n.nspname = 'public' order by 1
"""
#: Where a deleted tenant's id stays: hashes of its log, the deployment's own part of that log,
#: and counts of requests, which are forgotten within minutes.
_KEPT = {"audit_checkpoints", "events", "budget_windows"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stories(running: Deployment) -> tuple[Merchant, Merchant]:
    """Two merchants who have everything that a merchant may have."""
    people = []
    for provider in ("tiki", "lazada"):
        merchant, connection = await running.owner(provider)
        await merchant.sync(connection)
        for make in (key_of, member_of, endpoint_of, source_of):
            assert await make(merchant)
        people.append(merchant)
    return people[0], people[1]


async def _mentions(copied: Copy, tenant_id: str) -> dict[str, int]:
    """How many rows of each table name the tenant."""
    connection = await asyncpg.connect(copied.admin_url)
    try:
        names = [row["name"] for row in await connection.fetch(_TABLES)]
        text = "select count(*) from {} t where to_jsonb(t)::text like '%' || $1 || '%'"
        found = {name: await connection.fetchval(text.format(name), tenant_id) for name in names}
        return {name: count for name, count in found.items() if count}
    finally:
        await connection.close()


async def _proof(operator: Merchant, tenant_id: str) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while True:
            found = await operator.call("GET", f"/api/audit?type=tenant.deleted&subject={tenant_id}")
            if found.body["items"]:
                return dict(found.body["items"][0])
            await asyncio.sleep(0.1)


async def _gone(operator: Merchant, tenant_id: str) -> None:
    async with asyncio.timeout(60):
        while True:
            if (await operator.call("GET", f"/api/admin/tenants/{tenant_id}")).status == 404:
                return
            await asyncio.sleep(0.05)


async def test_ER_01_a_deleted_tenant_leaves_nothing_and_nothing_of_another_is_touched(
    running: Deployment, stories: tuple[Merchant, Merchant], copied: Copy
) -> None:
    amy, bob = stories
    operator = running.person(PLATFORM_TENANT, [SUPER_ADMIN], "operator")
    before = await _mentions(copied, amy.tenant_id)
    assert {"connections", "listings", "data_keys", "events", "api_keys", "users", "webhook_sources"} <= before.keys()
    await audit.seal(running.platform.system)
    answer = await operator.call("DELETE", f"/api/admin/tenants/{amy.tenant_id}")
    assert (answer.status, answer.body["status"]) == (202, "deleting")
    for verb in ("suspend", "activate"):
        refused = await operator.call("POST", f"/api/admin/tenants/{amy.tenant_id}/{verb}")
        assert refused.status in (404, 409), refused.body
    renamed = await operator.call("PATCH", f"/api/admin/tenants/{amy.tenant_id}", {"name": "Too late", "plan": "pro"})
    assert renamed.status in (404, 409), renamed.body

    proof = await _proof(operator, amy.tenant_id)
    # connections were ended before, at the far side too, and their records with them
    assert proof["details"]["erased"].keys() >= {"data_keys", "events", "api_keys", "users"}
    await _gone(operator, amy.tenant_id)
    assert (await amy.call("GET", "/api/products")).status == 401
    left = await _mentions(copied, amy.tenant_id)
    assert set(left) <= _KEPT, left
    async with running.platform.system.tx() as tx:
        kept = await tx.fetch_sql("select distinct tenant_id from events where subject = $1", amy.tenant_id)
    assert [row["tenant_id"] for row in kept] == [PLATFORM_TENANT]
    assert (await bob.call("GET", "/api/products?limit=1")).body["items"]
    assert (await bob.call("GET", "/api/connections")).body["items"][0]["status"] == "connected"
    assert (await operator.call("DELETE", f"/api/admin/tenants/{amy.tenant_id}")).status == 404


async def test_ER_05_the_sealed_log_still_stands_and_says_what_was_erased(
    running: Deployment, stories: tuple[Merchant, Merchant]
) -> None:
    await audit.seal(running.platform.system)
    found = await audit.verify(running.platform.system)
    assert found.faults == ()
    assert found.erased > 0


async def test_the_deployments_own_tenant_is_never_deleted(running: Deployment) -> None:
    operator = running.person(PLATFORM_TENANT, [SUPER_ADMIN], "operator")
    answer = await operator.call("DELETE", f"/api/admin/tenants/{PLATFORM_TENANT}")
    assert (answer.status, answer.body["error"]["code"]) == (409, "DEPLOYMENT_TENANT")
