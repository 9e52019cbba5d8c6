"""What is about records that may not be read any more does not leave, however long ago it was queued."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from tests.given import vault as given_vault
from tests.given import webhooks_out as given
from tests.house_database import Copy

from isthmus.engine.bus import Hides, Walls
from isthmus.engine.db import Database, Tx
from isthmus.features.webhooks_out import Sender
from isthmus.features.webhooks_out.model import Draft
from isthmus.features.webhooks_out.service import deliveries, endpoints, fanning
from isthmus.features.webhooks_out.service.deliveries import DeliveryFilters
from isthmus.kit.paging import Ask
from isthmus.scope import Scope

TENANT = "ten_a"


class Wall:
    """Hides the shelves of some numbers from everybody, from the moment on that they are added."""

    def __init__(self) -> None:
        self.numbers: set[int] = set()
        self.part = Walls(self._ask)

    async def _ask(self, tx: Tx, tenants: Collection[str]) -> Mapping[str, Hides]:  # noqa: ARG002 - the part's form
        return dict.fromkeys(tenants, self._hides)

    def _hides(self, event: Mapping[str, Any]) -> bool:
        return event["body"].get("n") in self.numbers


@pytest_asyncio.fixture(autouse=True)
async def clean(copied: Copy) -> AsyncIterator[None]:
    yield
    await given.clear(copied)


async def endpoint(scope: Scope, url: str, **more: Any) -> str:
    made = await endpoints.create(scope, Draft(url=url, types=["shelf.filled"], **more), verify=False)
    return made.endpoint.id


async def states(scope: Scope) -> list[tuple[str, str | None]]:
    """How each delivery stands, the oldest first."""
    page = await deliveries.listing(scope, Ask(100), DeliveryFilters())
    return [(row["state"], row["last_error"]) for row in page.items][::-1]


async def until(scope: Scope, wanted: Callable[[list[tuple[str, str | None]]], bool]) -> list[tuple[str, str | None]]:
    async with asyncio.timeout(60):
        while True:
            found = await states(scope)
            if wanted(found):
                return found
            await asyncio.sleep(0.03)


async def ended(scope: Scope) -> list[tuple[str, str | None]]:
    """How each stands, once nothing waits any more."""
    return await until(scope, lambda found: all(state != "pending" for state, _ in found))


@pytest.mark.parametrize("ordered", [False, True])
async def test_what_was_queued_before_the_wall_ends_with_the_reason_and_does_not_leave(
    database: Database, ordered: bool
) -> None:
    wall = Wall()
    async with given.sink() as sink, given.process(database, walls=wall.part) as system:
        scope = given_vault.scope(system, TENANT)
        await endpoint(scope, sink.url, ordered=ordered)
        await given.emit(scope, 1, 2, 3)
        await fanning.fan_out_once(system)
        system.engine.part(Sender).handed.clear()
        wall.numbers = {1, 2}
        async with given.working(system):
            assert await ended(scope) == [("dead", "records_forbidden")] * 2 + [("delivered", None)]
    assert [b'"n":3' in one for one in sink.bodies] == [True]


async def test_what_is_behind_the_wall_when_it_is_fanned_out_is_not_even_queued(database: Database) -> None:
    wall = Wall()
    async with given.sink() as sink, given.process(database, walls=wall.part) as system:
        scope = given_vault.scope(system, TENANT)
        await endpoint(scope, sink.url)
        await given.emit(scope, 1, 2)
        wall.numbers = {1}
        async with given.working(system):
            await sink.wait_for(1)
            assert await ended(scope) == [("delivered", None)]
    assert b'"n":2' in sink.bodies[0]


async def test_what_waits_in_memory_for_its_turn_does_not_leave_either(database: Database) -> None:
    wall, opened = Wall(), asyncio.Event()

    async def slow(_: web.Request) -> web.StreamResponse:
        await opened.wait()
        return web.Response(status=204)

    async with given.sink(answer=slow) as sink, given.process(database, walls=wall.part) as system:
        scope = given_vault.scope(system, TENANT)
        await endpoint(scope, sink.url, concurrency=1)
        async with given.working(system):
            await given.emit(scope, 1, 2, 3)
            await sink.wait_for(1)
            wall.numbers = {2}
            await until(scope, lambda found: ("dead", "records_forbidden") in found)
            opened.set()
            assert sorted(await ended(scope)) == [("dead", "records_forbidden"), *[("delivered", None)] * 2]
    assert not any(b'"n":2' in one for one in sink.bodies)


async def test_what_is_sent_anew_by_hand_meets_the_wall_as_well(database: Database) -> None:
    wall = Wall()
    async with given.sink() as sink, given.process(database, walls=wall.part) as system:
        scope = given_vault.scope(system, TENANT)
        await endpoint(scope, sink.url)
        async with given.working(system):
            await given.emit(scope, 1)
            await sink.wait_for(1)
            assert await ended(scope) == [("delivered", None)]
            wall.numbers = {1}
            (row,) = (await deliveries.listing(scope, Ask(1), DeliveryFilters())).items
            await deliveries.retry(scope, row["id"])
            assert await ended(scope) == [("dead", "records_forbidden")]
    assert len(sink.bodies) == 1
