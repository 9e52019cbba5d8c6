"""Platforms are answered in the time that they give, whatever the database does: Lazada within half a second."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
import pytest_asyncio
from tests.given import webhooks_in as given
from tests.given.webhooks_in import World
from tests.house_database import Copy

from isthmus.connect import registry
from isthmus.connect.webhooks import Webhooks
from isthmus.engine.db import Database, connect
from isthmus.features.webhooks_in.model import deliveries, signing
from isthmus.features.webhooks_in.service import finding
from isthmus.features.webhooks_in.service.finding import Finder, within
from isthmus.features.webhooks_in.service.intake import Intake
from isthmus.features.webhooks_in.settings import Settings
from isthmus.kit.secret import Secret

#: Seconds until Lazada takes a delivery for failed.
LAZADA = 0.5
KEY = Secret("app secret")
APP = {"app_key": "100001"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(database: Database) -> World:
    return given.world(database)


@asynccontextmanager
async def stalled(copied: Copy, table: str) -> AsyncIterator[None]:
    """Nobody gets at the table meanwhile."""
    admin = await connect(copied.admin_url)
    holding = admin.transaction()
    await holding.start()
    await admin.execute(f"lock table {table} in access exclusive mode")
    try:
        yield
    finally:
        await holding.rollback()
        await admin.close()


async def took(answer: "asyncio.Task[object]") -> float:
    """Seconds until a task has ended, by the clock of the loop."""
    begun = asyncio.get_running_loop().time()
    await asyncio.wait([answer])
    return asyncio.get_running_loop().time() - begun


def news(number: int) -> bytes:
    """Of one order."""
    return json.dumps({"message_type": 0, "site": "lazada_vn", "seller_id": "1", "data": {"n": number}}).encode()


async def test_every_platform_with_a_deadline_is_answered_within_it() -> None:
    known = {one.manifest.id: one.manifest.webhooks for one in registry.discover().values() if one.manifest.webhooks}
    assert known["lazada"] is not None
    assert known["lazada"].deadline_ms == 500
    for name, scheme in known.items():
        assert scheme is not None
        # what is looked at every 50 ms may be told that much later
        assert within(scheme) + 0.05 < scheme.deadline_ms / 1000 * 0.75, name


async def test_a_stalled_database_is_answered_503_in_time_and_what_comes_again_is_kept_once(
    world: World, copied: Copy
) -> None:
    seen, token = await world.source(provider="lazada", secret=KEY, app=APP)
    assert (await world.push("ten_one", seen, token, news(0))).status == 200
    quickest = 10.0
    # a machine that is busy with something else may be late by itself: one of three in time shows the design
    for _ in range(3):
        async with stalled(copied, "webhook_seen"):
            first = asyncio.create_task(world.push("ten_one", seen, token, news(1)))
            # one that waits behind the commit that is stuck
            second = asyncio.create_task(world.push("ten_one", seen, token, news(2)))
            quickest = min(quickest, max(await took(first), await took(second)))
            assert (first.result().status, second.result().status) == (503, 503)
        if quickest < LAZADA:
            break
    assert quickest < LAZADA
    for number in (1, 2):
        assert (await world.push("ten_one", seen, token, news(number))).status == 200
    rows = await world.rows("select count(id) as n from webhook_inbox")
    assert rows[0]["n"] == 3


async def test_a_source_that_cannot_be_looked_up_in_time_is_asked_to_come_again(world: World, copied: Copy) -> None:
    """Known ones in the time of their platform, although what is known has grown old; others in a common time."""
    seen, token = await world.source(provider="lazada", secret=KEY, app=APP)
    assert (await world.push("ten_one", seen, token, news(6))).status == 200
    settings = Settings(first_look=timedelta(seconds=0.1))
    fresh = World(world.system, Intake(world.system, settings, Finder(world.system, settings)))
    async with stalled(copied, "webhook_tokens"):
        asked = [asyncio.create_task(one.send(token, news(7), {})) for one in (world, world, fresh)]
        await asyncio.wait(asked)
        assert [one.result().status for one in asked] == [503, 503, 503]
    assert (await fresh.push("ten_one", seen, token, news(7))).status == 200


async def test_the_first_delivery_after_a_start_is_answered_in_its_platforms_time_and_kept_once_the_database_answers(
    world: World, copied: Copy
) -> None:
    seen, token = await world.source(provider="lazada", secret=KEY, app=APP)
    source = await finding.live(world.scope("ten_one"), seen.source.id)
    assert source is not None
    quickest, count = 10.0, 0
    for count in (1, 2, 3):
        started = World(world.system, Intake(world.system, Settings(), Finder(world.system, Settings())))
        await started.intake.finder.expected.prepare()
        unsigned = signing.request("POST", finding.address(world.system, token), {}, news(100 + count))
        signed = signing.sign(unsigned, source.scheme, KEY, world.system.now, app=source.app, message_id="")
        async with stalled(copied, "webhook_tokens"):
            answer = asyncio.create_task(started.send(token, news(100 + count), signed.headers))
            quickest = min(quickest, await took(answer))
            assert answer.result().status == 503
        await started.intake.settle()
        if quickest < LAZADA:
            break
    assert quickest < LAZADA
    kept = await world.rows("select source_id from webhook_inbox")
    assert [row["source_id"] for row in kept].count(seen.source.id) == count


async def test_an_address_that_was_made_elsewhere_is_known_before_anything_comes_in_at_it(world: World) -> None:
    settings = Settings(expected=2)
    finder = Finder(world.system, settings)
    await finder.expected.read()
    made = [(await world.source(provider="lazada", secret=KEY, app=APP))[1] for _ in range(3)]
    assert not any(finder.expects(token) for token in made)
    await finder.expected.read()
    # of too many the youngest
    assert [finder.expects(token) for token in made] == [False, True, True]
    assert finder.expected.seconds(deliveries.token_hash(made[2])) == pytest.approx(0.3)
    # what is expected is looked for even where an address is refused too often to spend anything on others
    assert await finder.by_token(made[1], known_only=True) is not None
    assert await Finder(world.system, settings).by_token(made[1], known_only=True) is None


async def test_new_addresses_are_read_soon_after_something_has_happened(world: World) -> None:
    expected, stop = Finder(world.system, Settings()).expected, asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(world.system.engine.bus.run(stop, {}))
        group.create_task(expected.follow(stop))
        _, token = await world.source(provider="lazada", secret=KEY, app=APP)
        async with asyncio.timeout(60):
            while expected.seconds(deliveries.token_hash(token)) is None:  # noqa: ASYNC110 - nothing tells of a reading
                await asyncio.sleep(0.02)
        stop.set()


@pytest.mark.parametrize(("given_ms", "seconds"), [(500, 0.3), (5_000, 3.0), (60_000, 25.0)])
def test_a_part_of_the_platforms_time_is_left_for_the_way(given_ms: int, seconds: float) -> None:
    assert within(Webhooks(deadline_ms=given_ms)) == pytest.approx(seconds)
