"""The log of deliveries: what it is filtered by, and that no filter makes a page look at everything."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio
from tests.given import webhooks_in as given
from tests.given.webhooks_in import World

from isthmus.engine.db import Database
from isthmus.features.webhooks_in.service import looking, replaying
from isthmus.features.webhooks_in.service.looking import Filters
from isthmus.features.webhooks_in.store import log as store
from isthmus.kit.clock import ManualClock
from isthmus.kit.paging import Ask

TEN, COUNT = "ten_one", 25


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(database: Database) -> AsyncIterator[World]:
    """A tenant with deliveries over three days; each says its number, and every fifth is about something else."""
    made = given.world(database, ManualClock())
    seen, token = await made.source(TEN)
    for number in range(COUNT):
        made.system.clock.advance(3 * 86_400 / COUNT)  # type: ignore[attr-defined] # moved by hand
        event = "ping" if number % 5 == 0 else "push"
        headers = {"x_github_event": event, "x_github_delivery": f"d-{number}"}
        await made.push(TEN, seen, token, json.dumps({"data": {"n": f"n{number}"}}).encode(), **headers)
    yield made


async def pages(world: World, size: int = 4, **wanted: str) -> tuple[list[str], int]:
    """The topics of all deliveries that fit, newest first, and how many pages it took."""
    now = world.system.now
    filters = Filters(since=now - timedelta(days=30), until=now + timedelta(days=1), **wanted)
    topics: list[str] = []
    after: str | None = None
    for number in range(1, 40):
        page = await looking.deliveries(world.scope(TEN), filters, Ask(limit=size, after=after))
        topics += [one.topic for one in page.items]
        assert page.has_more == (page.next_after is not None)
        if not page.has_more:
            return topics, number
        after = page.next_after
    raise AssertionError("it does not end")


@pytest.mark.parametrize("looked", [3, 10, 1_000])
async def test_a_page_looks_at_so_many_and_the_next_goes_on_behind_them(
    world: World, monkeypatch: pytest.MonkeyPatch, looked: int
) -> None:
    monkeypatch.setattr(store, "LOOKED_AT", looked)
    assert (await pages(world))[0].count("push") == COUNT - COUNT // 5
    assert (await pages(world, topic="ping"))[0] == ["ping"] * (COUNT // 5)
    found, needed = await pages(world, body_path="data.n", body_value="n0")
    assert found == ["ping"]
    # the oldest: every page before it looked at no more than it may
    assert needed >= COUNT / looked
    assert (await pages(world, event="nothing"))[0] == []


async def test_times_are_held_exactly_though_ids_choose_the_days(world: World) -> None:
    scope, now = world.scope(TEN), world.system.now
    everything = Filters(since=now - timedelta(days=30), until=now + timedelta(days=1))
    rows = (await looking.deliveries(scope, everything, Ask(limit=100))).items
    middle = rows[10].received_at
    after = await looking.deliveries(scope, Filters(since=middle, until=everything.until), Ask(limit=100))
    before = await looking.deliveries(scope, Filters(since=everything.since, until=middle), Ask(limit=100))
    assert [one.id for one in (*after.items, *before.items)] == [one.id for one in rows]
    assert len(after.items) == 11


@pytest.mark.parametrize(
    ("event", "count"),
    [("github.push", COUNT - COUNT // 5), ("github.*", COUNT), ("git.*", 0), ("github.p*", 0), ("*", 0), ("%.*", 0)],
)
async def test_events_are_named_one_by_one_or_as_a_group(world: World, event: str, count: int) -> None:
    assert len((await pages(world, size=30, event=event))[0]) == count
    async with world.scope(TEN).tx() as tx:
        assert len(await store.feed(tx, TEN, "", (None, event), 100)) == count
        await tx.execute_sql("update webhook_inbox set state = 'done' where tenant_id = $1", TEN)
    now = world.system.now
    filters = Filters(since=now - timedelta(days=30), until=now + timedelta(days=1), event=event)
    assert await replaying.plan(world.scope(TEN), filters) == (count, True)
