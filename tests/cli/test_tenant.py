"""`isthmus tenant suspend` and `activate`."""

from typing import cast

import pytest
from tests.given import vault as house

from isthmus.app import Platform
from isthmus.cli import tenant
from isthmus.engine.db import Database
from isthmus.features import access
from isthmus.features.access import TenantStatus
from isthmus.kit.permissions import Principal
from isthmus.scope import Scope, System


class Open:
    """The part of an open platform that these commands use."""

    def __init__(self, system: System) -> None:
        self.system = system

    def scope(self, tenant_id: str, principal: Principal) -> Scope:
        return Scope(tenant_id, principal, self.system.engine, self.system.clock)


@pytest.fixture(scope="module")
def platform(database: Database) -> Platform:
    return cast("Platform", Open(house.process(database)))


async def test_SA_05_a_tenant_is_suspended_by_its_slug_and_the_log_names_the_operator(platform: Platform) -> None:
    made = await access.create_tenant(house.platform(platform.system), "Shop", "shop")
    for status in (TenantStatus.SUSPENDED, TenantStatus.ACTIVE):
        assert (await tenant._changed(platform, "shop", status)).status is status
        live = await access.live_tenants(platform.system, [made.id])
        assert bool(live) is (status is TenantStatus.ACTIVE)
    async with platform.system.tx() as tx:
        rows = await tx.fetch_sql("select actor from events where subject = $1 and type like '%status%'", made.id)
    assert len(rows) == 2
    assert all(row["actor"].startswith("operator:") for row in rows)


async def test_an_unknown_tenant_is_named(platform: Platform) -> None:
    with pytest.raises(access.TenantNotFound, match="nobody"):
        await tenant._changed(platform, "nobody", TenantStatus.ACTIVE)


async def test_the_deployments_own_tenant_is_not_suspended_from_here_either(platform: Platform) -> None:
    with pytest.raises(access.DeploymentTenant):
        await tenant._changed(platform, "platform", TenantStatus.SUSPENDED)
