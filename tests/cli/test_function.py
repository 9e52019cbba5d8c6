"""`isthmus function list` and `retire`."""

from dataclasses import replace
from typing import cast

import pytest
from tests.given import vault as house

from isthmus.app import Platform
from isthmus.cli import function
from isthmus.engine.db import Database
from isthmus.features import access, webhooks_in
from isthmus.kit.permissions import Principal
from isthmus.scope import Scope, System


class Open:
    """The part of an open platform that these commands use."""

    def __init__(self, system: System) -> None:
        self.system = system

    def scope(self, tenant_id: str, principal: Principal) -> Scope:
        return Scope(tenant_id, principal, self.system.engine, self.system.clock)


async def _nothing(_scope: Scope, _told: webhooks_in.Told) -> None:
    """A function of a service."""


async def test_SA_05_a_function_is_listed_and_retired_by_the_operator(database: Database) -> None:
    system = house.process(database, parts={access.Settings: access.Settings(), access.Hasher: access.Hasher()})
    platform = cast("Platform", Open(system))
    made = await access.create_tenant(house.platform(system), "Shop", "shop")
    assert await function._list(platform, "shop") == []
    several = webhooks_in.Handlers(
        webhooks_in.Handler(f"on_{number:03}", "order.*", _nothing, tenant_id=made.id) for number in range(101)
    )
    parts = {**system.engine.parts, webhooks_in.Handlers: several}
    await webhooks_in.settle(replace(system, engine=replace(system.engine, parts=parts)))
    assert len(await function._list(platform, made.id)) == 101
    with pytest.raises(access.TenantNotFound):
        await function._list(platform, "nobody")
    await function._retired(platform, "shop", "on_007")
    (one,) = [row for row in await function._list(platform, "shop") if row["retired_at"] is not None]
    assert one["name"] == "on_007"
    async with system.tx() as tx:
        (event,) = await tx.fetch_sql("select actor from events where type = 'webhook_function.retired'")
    assert event["actor"].startswith("operator:")
