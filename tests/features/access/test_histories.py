"""What a process has answered, every process shows from then on: histories of one operator at two doors (PR-19)."""

import random
from typing import Any

import httpx2
import pytest
from tests.given import vault as house
from tests.given.edge import Edge

from isthmus.engine.db import Database
from isthmus.features.access.feature import FEATURE
from isthmus.kit.permissions import PLATFORM_TENANT, SUPER_ADMIN

PATH = "/api/admin/tenants"
_STEPS = 60


class Client:
    """One operator, who comes in at any of two processes and remembers what was answered."""

    def __init__(self, database: Database, seed: int) -> None:
        self.doors = [Edge(house.process(database), *FEATURE.routes) for _ in range(2)]
        self.chance = random.Random(seed)
        self.seed = seed
        self.known: dict[str, dict[str, Any]] = {}

    async def call(self, method: str, rest: str = "", **more: Any) -> httpx2.Response:
        """At either door."""
        door = self.chance.choice(self.doors)
        return await door.call(method, PATH + rest, tenant=PLATFORM_TENANT, role=SUPER_ADMIN, **more)

    async def write(self, number: int) -> str:
        """Something is made or changed; the id of what."""
        if not self.known or self.chance.random() < 0.3:
            made = await self.call("POST", json={"name": f"Shop {number}", "slug": f"h{self.seed}-{number}"})
            assert made.status_code == 201, made.text
            self.known[made.json()["id"]] = made.json()
            return str(made.json()["id"])
        id_ = self.chance.choice(list(self.known))
        if self.chance.random() < 0.5:
            changed = await self.call("PATCH", f"/{id_}", json={"name": f"Renamed {number}", "plan": f"p{number}"})
        else:
            verb = "suspend" if self.known[id_]["status"] == "active" else "activate"
            changed = await self.call("POST", f"/{id_}/{verb}")
        assert changed.status_code == 200, changed.text
        self.known[id_] = changed.json()
        return id_

    async def everything(self) -> dict[str, dict[str, Any]]:
        """All that the lists show, page by page, at doors in turn."""
        found: dict[str, dict[str, Any]] = {}
        query: dict[str, Any] = {"limit": 40}
        while True:
            page = (await self.call("GET", params=query)).json()
            found |= {one["id"]: one for one in page["items"]}
            if not page["hasMore"]:
                return found
            query["cursor"] = page["nextCursor"]


@pytest.mark.parametrize("seed", [1, 2])
async def test_PR_19_what_was_answered_is_what_the_next_call_sees(database: Database, seed: int) -> None:
    client = Client(database, seed)
    for number in range(_STEPS):
        id_ = await client.write(number)
        assert (await client.call("GET", f"/{id_}")).json() == client.known[id_]
        if number % 10 == 0:
            shown = await client.everything()
            assert {one: shown.get(one) for one in client.known} == client.known
