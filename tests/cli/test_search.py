"""`isthmus search`."""

from typing import cast

from tests.given import vault as house

from isthmus.app import Platform
from isthmus.cli import search
from isthmus.cli.operator import operator
from isthmus.engine.db import Database
from isthmus.features.search.service import indexing
from isthmus.kit.permissions import Principal
from isthmus.scope import Scope, System


class Open:
    """The part of an open platform that these commands use."""

    def __init__(self, system: System) -> None:
        self.system, self.engine = system, system.engine

    def scope(self, tenant_id: str, principal: Principal) -> Scope:
        return Scope(tenant_id, principal, self.engine, self.system.clock)


async def test_SA_05_a_rebuild_begins_every_build_anew_and_names_who_asked(database: Database) -> None:
    platform = cast("Platform", Open(house.process(database)))
    while await indexing.build_once(platform.system):
        continue
    assert await indexing.build_once(platform.system) == 0
    await search._rebuild(platform)
    async with platform.system.tx() as tx:
        (row,) = await tx.fetch_sql("select subject, actor from events where type = 'operator.command_run'")
    assert (row["subject"], row["actor"]) == ("search rebuild", operator().id)
    assert await indexing.build_once(platform.system) == 1
