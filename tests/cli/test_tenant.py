"""`isthmus tenant suspend`, `activate` and `invite`."""

from typing import cast

import pytest
from tests.given import vault as house

from isthmus.app import Platform
from isthmus.cli import tenant
from isthmus.engine.db import Database
from isthmus.features import access
from isthmus.features.access import TenantStatus
from isthmus.features.access.feature import FEATURE
from isthmus.http import RequestFacts
from isthmus.kit.errors import Invalid
from isthmus.kit.permissions import PLATFORM_TENANT, TENANT_ADMIN, Principal
from isthmus.kit.secret import Secret
from isthmus.scope import Scope, System


class Open:
    """The part of an open platform that these commands use."""

    def __init__(self, system: System) -> None:
        self.system = system

    def scope(self, tenant_id: str, principal: Principal) -> Scope:
        return Scope(tenant_id, principal, self.system.engine, self.system.clock)


@pytest.fixture(scope="module")
def platform(database: Database) -> Platform:
    parts: dict[type, object] = {access.Settings: access.Settings(), access.Hasher: access.Hasher()}
    parts[access.Usage] = access.Usage(FEATURE.caps)
    return cast("Platform", Open(house.process(database, parts=parts)))


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


async def test_RL_05_what_a_tenant_uses_is_shown_by_its_slug(platform: Platform) -> None:
    await access.create_tenant(house.platform(platform.system), "Used", "used")
    (keys,) = await tenant._used(platform, "used")
    assert (keys.cap.name, keys.used, keys.limit, keys.share) == ("access.keys_per_tenant", 0, 100, 0.0)
    with pytest.raises(access.TenantNotFound):
        await tenant._used(platform, "nobody")


async def test_an_unknown_tenant_is_named(platform: Platform) -> None:
    with pytest.raises(access.TenantNotFound, match="nobody"):
        await tenant._changed(platform, "nobody", TenantStatus.ACTIVE)


async def test_the_deployments_own_tenant_is_not_suspended_from_here_either(platform: Platform) -> None:
    with pytest.raises(access.DeploymentTenant):
        await tenant._changed(platform, "platform", TenantStatus.SUSPENDED)


async def test_the_first_admin_of_a_tenant_is_invited_from_the_machine(platform: Platform) -> None:
    made = await access.create_tenant(house.platform(platform.system), "First", "first")
    invited = await tenant._invited(platform, "first", "amy@example.com", [TENANT_ADMIN])
    here, words = RequestFacts("req_1", "203.0.113.9"), Secret("plenty of dew on the meadow")
    await access.accept(platform.system, here, invited.shown, words)
    begun = await access.sign_in(platform.system, here, access.SignIn("first", "amy@example.com", words))
    assert (begun.user.id, begun.user.roles) == (invited.user.id, (TENANT_ADMIN,))
    async with platform.system.tx() as tx:
        rows = await tx.fetch_sql("select tenant_id, actor from events where type = 'member.invited'")
    assert [(row["tenant_id"], row["actor"].split(":")[0]) for row in rows] == [(made.id, "operator")]


async def test_SA_02_only_super_admins_are_invited_into_the_deployments_own_tenant(platform: Platform) -> None:
    with pytest.raises(Invalid, match="super_admin"):
        await tenant._invited(platform, PLATFORM_TENANT, "amy@example.com", [TENANT_ADMIN])
