"""`isthmus search`."""

from typing import cast

from tests.given import vault as house

from isthmus.app import Platform
from isthmus.cli import search
from isthmus.engine.db import Database
from isthmus.features.search.service import indexing
from isthmus.scope import System


class Open:
    """The part of an open platform that these commands use."""

    def __init__(self, system: System) -> None:
        self.system, self.engine = system, system.engine


async def test_a_rebuild_begins_every_build_anew(database: Database) -> None:
    platform = cast("Platform", Open(house.process(database)))
    while await indexing.build_once(platform.system):
        continue
    assert await indexing.build_once(platform.system) == 0
    await search._rebuild(platform)
    assert await indexing.build_once(platform.system) == 1
