"""kill -9 after verification, in the flush, after the commit before the answer: nothing acknowledged is lost, and what
the platform sends again takes no second effect (PR-01, PR-02)."""

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

import pytest
import pytest_asyncio
from tests.given import dying
from tests.given import webhooks_in as given
from tests.given import webhooks_in_runs_killed as runs
from tests.given.dying import KILLED
from tests.given.webhooks_in import GITHUB, World
from tests.house_database import Copy

from isthmus.engine.db import Database, connect
from isthmus.features import vault
from isthmus.features.webhooks_in.service import routing, working
from isthmus.features.webhooks_in.service.handlers import Handler, Handlers, Told
from isthmus.features.webhooks_in.service.managing import Seen
from isthmus.kit.clock import ManualClock
from isthmus.kit.errors import Unavailable
from isthmus.scope import Scope


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(database: Database) -> World:
    made = given.world(database, source_cache=timedelta(minutes=1))
    await vault.check_canary(made.system)
    return made


#: A delivery that was not committed in its platform's time is answered 503; on a machine that stands still for seconds
#: that happens, and as a platform does one sends again.
_TIMES = 5


async def _boundaries(world: World, url: str, boundaries: Sequence[int]) -> int:
    """Have intakes die at each of these: the first six are those of the days, two flushes have at least six each."""
    _, token = await world.source()
    waiting = {f"{token[:6]}-{number}" for number in range(12)}
    everything = set(waiting)
    died = 0
    async with dying.zygote("tests.given.webhooks_in_killed", url) as intakes:

        async def round_(boundary: int) -> bool:
            known = (*sorted(waiting), *sorted(everything - waiting))
            batch = known if boundary == 0 else known[:6]
            order = {"token": token, "secret": GITHUB.reveal(), "ids": batch, "boundary": boundary}
            status, told = await intakes.heard(order)
            assert set(told) <= set(await _kept(world)), "acknowledged and lost"
            waiting.difference_update(told)
            return status == KILLED

        for boundary in boundaries:
            for _ in range(_TIMES):
                if await round_(boundary):
                    died += 1
                    break
        for _ in range(_TIMES):
            assert not await round_(0)
            if not waiting:
                break
    kept = await _kept(world)
    assert waiting == set()
    assert {id_: kept[id_] for id_ in everything} == dict.fromkeys(everything, 1)
    return died


async def _kept(world: World) -> Counter[str]:
    rows = await world.rows("select convert_from(body, 'utf8')::json ->> 'id' as id from webhook_inbox")
    return Counter(row["id"] for row in rows)


async def test_PR_01_killed_around_every_statement_of_a_flush(world: World, copied: Copy) -> None:
    boundaries = (1, 5, 7, 9, 11, *range(12, 17))
    assert await _boundaries(world, copied.url, boundaries) == len(boundaries)


@pytest.mark.proof
@pytest.mark.timeout(3000)
async def test_PR_01_killed_around_every_statement_of_many_flushes(world: World, copied: Copy) -> None:
    for _ in range(6):
        assert await _boundaries(world, copied.url, range(1, 19)) == 18


async def _runs(copied: Copy, database: Database, boundaries: Sequence[int]) -> int:
    """Have workers of a lane die at each of these, while more comes in for it; how many died."""
    clock = ManualClock()
    world = given.world(database, clock, {Handlers: Handlers([runs.HANDLER])})
    seen, token = await world.source()
    mine = f"from webhook_tasks where handler = 'killed' and key like '{seen.source.id}%'"
    order = {"tenant": "ten_one", "key": f"{seen.source.id}/killed"}
    pushed = died = 0
    calls: Counter[int] = Counter()
    async with dying.zygote("tests.given.webhooks_in_runs_killed", copied.url) as workers:
        for boundary in (*boundaries, 0):
            for _ in range(4):
                clock.advance(0.01)
                body = json.dumps({"n": pushed, "id": f"{token}-{pushed}"}).encode()
                headers = {"x_github_event": "push", "x_github_delivery": f"{token}-{pushed}"}
                assert (await world.push("ten_one", seen, token, body, **headers)).status == 200
                pushed += 1
            await routing.route(world.scope("ten_one"), seen.source.id)
            # those that died before are believed dead
            clock.advance(61)
            ended = (await world.rows(f"select count(*) filter (where state = 'done') as n {mine}"))[0]["n"]
            later = (clock.now() - ManualClock().now()).total_seconds()
            status, told = await workers.heard({**order, "later": later, "boundary": boundary})
            numbers = [int(number) for number in told]
            # in order, without a gap, from the first that had not ended: nothing that had ended is done twice
            assert numbers == list(range(ended, ended + len(numbers)))
            calls.update(numbers)
            died += status == KILLED
    states = Counter(row["state"] for row in await world.rows(f"select state {mine}"))
    assert (states, set(calls)) == ({"done": pushed}, set(range(pushed)))
    return died


async def test_PR_01_killed_around_every_statement_and_call_of_a_lane_its_order_stays_and_nothing_is_lost(
    database: Database, copied: Copy
) -> None:
    boundaries = range(2, 60, 7)
    assert await _runs(copied, database, boundaries) == len(boundaries)


@pytest.mark.proof
async def test_PR_01_killed_anywhere_in_a_lane_its_order_stays_and_nothing_is_lost(
    database: Database, copied: Copy
) -> None:
    boundaries = range(1, 120)
    assert await _runs(copied, database, boundaries) == len(boundaries)


async def test_PR_01_a_database_that_goes_away_in_the_flush_is_no_acknowledgement(
    database: Database, copied: Copy
) -> None:
    world = given.world(database, source_cache=timedelta(minutes=1), linger=timedelta(milliseconds=150))
    seen, token = await world.source()
    admin = await connect(copied.admin_url)
    try:
        async with admin.transaction():
            await admin.execute("lock table webhook_seen in access exclusive mode")
            sending = [
                asyncio.create_task(
                    world.push("ten_one", seen, token, b'{"id":"cut-%d"}' % n, x_github_delivery=f"cut-{n}")
                )
                for n in range(5)
            ]
            waiting = "select count(*) from pg_locks where not granted"
            while not await admin.fetchval(waiting):  # noqa: ASYNC110 - the database tells nobody who waits
                await asyncio.sleep(0.01)
            await admin.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where datname = current_database() and pid <> pg_backend_pid()"
            )
            ended = await asyncio.gather(*sending, return_exceptions=True)
    finally:
        await admin.close()
    assert all(isinstance(one, Exception) for one in ended)
    assert not [id_ for id_ in await _kept_after_cuts(world) if id_.startswith("cut-")]
    for number in range(5):
        assert await _until_taken(world, seen, token, number) == 200
    assert {id_: n for id_, n in (await _kept(world)).items() if id_.startswith("cut-")} == {
        f"cut-{number}": 1 for number in range(5)
    }


async def _kept_after_cuts(world: World) -> dict[str, int]:
    """What was kept, asked again while the pool still holds connections that were cut."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await _kept(world)
            except Unavailable:
                await asyncio.sleep(0.02)


async def _until_taken(world: World, seen: Seen, token: str, number: int) -> int:
    """Send it again and again, as platforms do, while the pool still holds connections that were cut."""
    body = b'{"id":"cut-%d"}' % number
    for _ in range(40):
        try:
            return (await world.push("ten_one", seen, token, body, x_github_delivery=f"cut-{number}")).status
        except Unavailable:
            continue
    return 503


@pytest.mark.parametrize("step", [600.0, -600.0])
async def test_a_clock_that_is_stepped_loses_and_doubles_nothing(database: Database, step: float) -> None:
    told: list[str] = []

    async def handler(_: Scope, one: Told) -> None:
        told.append(one.id)

    clock = ManualClock()
    world = given.world(
        database, clock, {Handlers: Handlers([Handler("count", "github.*", handler, tenant_id="ten_one")])}
    )
    seen, token = await world.source()
    for number in range(6):
        answer = await world.push("ten_one", seen, token, b"%d" % number, x_github_delivery=f"{step}-{number}")
        assert answer.status == 200
        if number == 2:
            clock.step(step)
    again = await world.push("ten_one", seen, token, b"1", x_github_delivery=f"{step}-1")
    assert again.status == 200
    await routing.route(world.scope("ten_one"), seen.source.id)
    clock.advance(1)
    for _ in range(3):
        async with world.system.tx() as tx:
            keys = {wake.key for wake in await working.missing(world.system, tx) if wake.key.endswith("/count")}
        for key in keys:
            await working.work(world.scope("ten_one"), key)
        clock.advance(700)
    rows = await world.rows("select id, source_id, state from webhook_inbox")
    mine = {row["id"]: row["state"] for row in rows if row["source_id"] == seen.source.id}
    assert (len(mine), set(mine.values())) == (6, {"done"})
    assert sorted(told) == sorted(mine)


async def test_a_snapshot_that_is_held_for_long_holds_nothing_up(world: World, copied: Copy) -> None:
    seen, token = await world.source("ten_two")
    holder = await connect(copied.admin_url)
    try:
        async with holder.transaction(isolation="repeatable_read"):
            await holder.fetchval("select count(*) from webhook_inbox")
            for number in range(40):
                sent = world.push("ten_two", seen, token, b"%d" % number, x_github_delivery=f"held-{number}")
                assert (await sent).status == 200
            await routing.route(world.scope("ten_two"), seen.source.id)
            await world.work("ten_two")
    finally:
        await holder.close()
    rows = await world.rows("select state, source_id from webhook_inbox")
    assert Counter(row["state"] for row in rows if row["source_id"] == seen.source.id) == {"ignored": 40}
