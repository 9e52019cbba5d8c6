"""Workers of handlers in order, and of those with a mark: many at one look, and nothing is left lying."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import given as drawn
from hypothesis import strategies as st
from tests.given import webhooks_in as given
from tests.given.statements import written_down
from tests.given.webhooks_in import World

from isthmus.engine.db import Database, Tx
from isthmus.features.webhooks_in.model.handling import OrderedBy
from isthmus.features.webhooks_in.service import replaying, routing, working
from isthmus.features.webhooks_in.service.handlers import Handler, Handlers, Told
from isthmus.features.webhooks_in.service.managing import Seen
from isthmus.features.webhooks_in.service.marks import Marks
from isthmus.features.webhooks_in.service.waking import job
from isthmus.features.webhooks_in.store import tasks
from isthmus.features.webhooks_in.store import working as store
from isthmus.features.webhooks_in.store.log import Filters
from isthmus.kit import ids
from isthmus.kit.clock import ManualClock
from isthmus.scope import Scope

TEN = "ten_one"
LEASE = timedelta(seconds=60)


class Calls:
    """What the function was told, in order; what happens then is said by each test."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        self.told: list[Any] = []
        self.failing: set[Any] = set()
        self.seconds = 0.0
        self.then: dict[Any, Any] = {}
        self.at_once = self.most = 0

    async def __call__(self, scope: Scope, told: Told) -> None:
        number = told.payload["n"]
        self.told.append(number)
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        scope.clock.advance(self.seconds)  # type: ignore[attr-defined] # the clock of this world is moved by hand
        if number in self.then:
            await self.then[number]()
        if number in self.failing:
            raise KeyError(number)


CALLS = Calls()
EVERY = [
    Handler("ordered", "github.ordered", CALLS, ordered_by=OrderedBy.SOURCE, retries=(5.0, 5.0), tenant_id="ten_one"),
    Handler("free", "github.free", CALLS, retries=(20.0,), tenant_id="ten_one"),
    Handler("slow", "github.slow", CALLS, ordered_by=OrderedBy.SOURCE, seconds=120.0, tenant_id="ten_one"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(database: Database) -> AsyncIterator[World]:
    yield given.world(database, ManualClock(), {Handlers: Handlers(EVERY), Marks: Marks()})


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def emptied(world: World) -> None:
    CALLS.renew()
    async with world.system.tx() as tx:
        for table in ("inbox", "seen", "mail", "steps", "tasks", "sources"):
            await tx.execute_sql(f"delete from webhook_{table}")  # noqa: S608 - names of ours
        await tx.execute_sql("delete from queue.pgqueuer")


def later(world: World, seconds: float) -> None:
    world.system.clock.advance(seconds)  # type: ignore[attr-defined] # the clock of this world is moved by hand


async def come(world: World, *numbers: int, at: tuple[Seen, str], event: str = "ordered") -> None:
    """These come in, and nobody has routed them."""
    seen, token = at
    for number in numbers:
        later(world, 0.01)
        headers = {"x_github_event": event, "x_github_delivery": ids.new("dlv")}
        body = json.dumps({"n": number}).encode()
        assert (await world.push(TEN, seen, token, body, **headers)).status == 200


async def push(
    world: World, *numbers: int, event: str = "ordered", at: tuple[Seen, str] | None = None
) -> tuple[Seen, str]:
    seen, token = at or await world.source(TEN)
    await come(world, *numbers, event=event, at=(seen, token))
    await routing.route(world.scope(TEN), seen.source.id)
    return seen, token


async def states(world: World) -> list[str]:
    return [row["state"] for row in await world.rows("select state from webhook_tasks order by delivery_id")]


async def wakes(world: World, key: str) -> int:
    """The wake-ups of this worker that wait, which it then takes."""
    async with world.system.tx() as tx:
        taken = await tx.fetch_sql(
            "delete from queue.pgqueuer where entrypoint = $1 and convert_from(payload, 'UTF8')::jsonb ->> 1 = $2 "
            "returning id",
            job(TEN, key),
            key,
        )
    return len(taken)


async def test_many_of_a_lane_are_worked_off_at_one_look_in_their_order_and_never_side_by_side(world: World) -> None:
    seen, _ = await push(world, *range(60))
    with written_down() as told:
        await working.work(world.scope(TEN), f"{seen.source.id}/ordered")
    assert (CALLS.told, CALLS.most) == (list(range(60)), 1)
    assert len([one for one in told if "with near as materialized" in one]) <= 4
    assert await states(world) == ["done"] * 60


async def test_a_failure_stops_its_lane_where_it_stands_and_counts_for_nobody_behind_it(world: World) -> None:
    seen, _ = await push(world, *range(5))
    CALLS.failing = {2}
    key = f"{seen.source.id}/ordered"
    await working.work(world.scope(TEN), key)
    assert CALLS.told == [0, 1, 2]
    rows = await world.rows("select state, attempts, reason is null as fine from webhook_tasks order by delivery_id")
    assert [tuple(row.values()) for row in rows] == [
        ("done", 1, True), ("done", 1, True), ("waiting", 1, False), ("waiting", 0, True), ("waiting", 0, True),
    ]  # fmt: skip
    # those behind wait although they are due; nobody begins them beside the failed one
    await working.work(world.scope(TEN), key)
    assert CALLS.told == [0, 1, 2]
    CALLS.failing = set()
    later(world, 5)
    await working.work(world.scope(TEN), key)
    assert CALLS.told == [0, 1, 2, 2, 3, 4]
    assert await states(world) == ["done"] * 5


async def test_behind_a_dead_letter_its_lane_goes_on(world: World) -> None:
    seen, _ = await push(world, *range(3))
    CALLS.failing = {0}
    for _ in range(3):
        await working.work(world.scope(TEN), f"{seen.source.id}/ordered")
        later(world, 5)
    assert (CALLS.told, await states(world)) == ([0, 0, 0, 1, 2], ["dead", "done", "done"])


async def test_slow_calls_are_written_down_as_they_end_and_the_rest_is_handed_back_in_good_time(world: World) -> None:
    seen, _ = await push(world, *range(30))
    # three quarters of a second each: in a quarter of a minute twenty are begun
    CALLS.seconds = 0.75
    ended: list[list[str]] = []

    async def look() -> None:
        ended.append(await states(world))

    CALLS.then = {10: look, 22: look}
    await working.work(world.scope(TEN), f"{seen.source.id}/ordered")
    assert ended[0].count("done") >= 8
    assert ended[0].count("handling") == 30 - ended[0].count("done")
    # by then the first look is over, and the second has begun with what was left
    assert ended[1][:20] == ["done"] * 20
    assert (CALLS.told, await states(world)) == (list(range(30)), ["done"] * 30)
    rows = await world.rows("select distinct attempts from webhook_tasks")
    assert [row["attempts"] for row in rows] == [1]


async def test_a_worker_that_was_believed_dead_ends_nothing_and_no_order_is_lost(world: World) -> None:
    seen, _ = await push(world, *range(4))
    scope, key = world.scope(TEN), f"{seen.source.id}/ordered"
    async with scope.tx() as tx:
        held = await tasks.claim(tx, (TEN, key), (scope.now, LEASE), limit=3, dropped=False)
    assert len(held) == 3
    await working.work(scope, key)
    assert CALLS.told == []
    later(world, 61)
    await working.work(scope, key)
    # twice at most what was under way
    assert CALLS.told == [0, 1, 2, 3]
    ended = [
        tasks.Ended(row["delivery_id"], "ordered", 1, "dead", 0, None, "late", None, None, scope.now) for row in held
    ]
    async with scope.tx() as tx:
        theirs, _ = await tasks.finish(tx, TEN, ended, scope.now)
    assert (theirs, await states(world)) == (set(), ["done"] * 4)


async def test_a_call_that_may_take_longer_than_the_lease_is_not_made_by_another_worker_meanwhile(world: World) -> None:
    seen, _ = await push(world, 0, 1, event="slow")
    scope, key = world.scope(TEN), f"{seen.source.id}/slow"

    async def another() -> None:
        later(world, 119)
        await working.work(scope, key)

    CALLS.then = {0: another}
    await working.work(scope, key)
    assert (CALLS.told, CALLS.most, await states(world)) == ([0, 1], 1, ["done", "done"])


async def test_what_comes_in_beside_a_run_of_replayed_ones_goes_before_the_rest_of_them(world: World) -> None:
    place = await push(world, *range(6))
    scope, key = world.scope(TEN), f"{place[0].source.id}/ordered"
    await working.work(scope, key)
    CALLS.renew()
    now = world.system.now
    begun = await replaying.begin(scope, Filters(since=now - timedelta(days=1), until=now + timedelta(days=1)))
    await replaying.carry_on(scope, begun["id"])
    CALLS.seconds = 0.6

    async def came() -> None:
        await push(world, 100, 101, at=place)

    CALLS.then = {1: came}
    await working.work(scope, key)
    assert CALLS.told == [0, 1, 100, 101, 2, 3, 4, 5]


async def test_a_process_that_stops_hands_back_what_it_has_not_begun_and_says_so(world: World) -> None:
    seen, _ = await push(world, *range(6))
    scope, key = world.scope(TEN), f"{seen.source.id}/ordered"
    await wakes(world, key)
    CALLS.seconds = 0.6

    async def stop() -> None:
        scope.engine.queue.stopping.set()

    CALLS.then = {1: stop}
    try:
        await working.work(scope, key)
    finally:
        scope.engine.queue.stopping.clear()
    assert (CALLS.told, await wakes(world, key)) == ([0, 1], 1)
    assert await states(world) == ["done", "done", *["waiting"] * 4]
    await working.work(scope, key)
    assert CALLS.told == list(range(6))


async def again(world: World, number: int) -> None:
    """Have what came in as this one worked off once more, without a word to anybody."""
    async with world.system.tx() as tx:
        await tx.execute_sql(
            "update webhook_tasks set state = 'waiting', next_at = $2 where delivery_id in "
            "(select delivery_id from webhook_tasks order by 1 offset $1 limit 1)",
            number,
            world.system.now,
        )


async def test_what_lies_behind_the_mark_is_found_by_the_next_look_at_everything_and_that_is_asked_for(
    world: World,
) -> None:
    place = await push(world, 0, event="free")
    scope, key = world.scope(TEN), f"{place[0].source.id}/free"
    later(world, 5)
    await push(world, 1, event="free", at=place)
    await working.work(scope, key)
    assert (CALLS.told, await wakes(world, key)) == ([0, 1], 2)
    # a moment later what comes in is looked for from the mark on
    await again(world, 0)
    await push(world, 2, event="free", at=place)
    assert await wakes(world, key) == 1
    await working.work(scope, key)
    await working.work(scope, key)
    # for what may lie behind it one wake-up was asked for, and not two
    assert (CALLS.told, await wakes(world, key)) == ([0, 1, 2], 1)
    later(world, 1)
    await working.work(scope, key)
    assert (CALLS.told, await states(world)) == ([0, 1, 2, 0], ["done"] * 3)
    # that look has found something behind the mark, so the next one is at everything too, however soon
    await again(world, 1)
    await working.work(scope, key)
    assert (CALLS.told, await wakes(world, key)) == ([0, 1, 2, 0, 1], 0)


async def test_a_retry_is_tried_in_its_time_whatever_came_in_since(world: World) -> None:
    place = await push(world, 0, event="free")
    scope, key = world.scope(TEN), f"{place[0].source.id}/free"
    CALLS.failing = {0}
    await working.work(scope, key)
    CALLS.failing = set()
    for number in range(1, 11):
        later(world, 2)
        await push(world, number, event="free", at=place)
        await working.work(scope, key)
    assert CALLS.told[:10] == list(range(10))
    assert sorted(CALLS.told[10:]) == [0, 10]
    assert await states(world) == ["done"] * 11


async def test_what_was_due_and_not_to_be_had_stays_before_the_mark(world: World) -> None:
    place = await push(world, 0, 1, 2, event="free")
    scope, key = world.scope(TEN), f"{place[0].source.id}/free"
    async with world.system.tx() as held:
        # somebody holds the second one for a moment
        await held.fetch_sql(
            "select from webhook_tasks where delivery_id = "
            "(select delivery_id from webhook_tasks order by 1 offset 1 limit 1) for update"
        )
        await working.work(scope, key)
    later(world, 0.3)
    await push(world, 3, event="free", at=place)
    await working.work(scope, key)
    assert sorted(CALLS.told) == [0, 1, 2, 3]


async def test_a_router_that_never_comes_to_an_end_walks_only_over_what_is_new(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = await world.source(TEN)
    scope, seen = world.scope(TEN), place[0]
    looked: list[tuple[str, str]] = []
    routable = store.routable

    async def meanwhile(tx: Tx, tenant_id: str, source_id: str, since: str, limit: int) -> list[Any]:
        found = await routable(tx, tenant_id, source_id, since, limit)
        if found:
            looked.append((since, found[0]["id"]))
        elif len(looked) < 5:
            await come(world, len(looked), at=place)
        return found

    monkeypatch.setattr(store, "routable", meanwhile)
    await come(world, 99, at=place)
    await routing.route(scope, seen.source.id)
    # each look began at the first that was not routed, and at the end nothing is left to be looked at
    assert len(looked) == 5
    assert [since for since, _ in looked] == [first for _, first in looked]
    assert await states(world) == ["waiting"] * 5
    mail = await world.rows("select since, wanted = seen as whole from webhook_mail")
    assert [(row["since"], row["whole"]) for row in mail] == [(None, True)]


@drawn(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40), st.booleans()), max_size=30))
def test_a_mark_never_passes_what_was_due_and_not_to_be_had(steps: list[tuple[int, int, bool]]) -> None:
    marks, clock = Marks(), ManualClock()
    known = []
    for _ in range(41):
        clock.advance(0.1)
        known.append(ids.new("inb", clock))
    for number, (last, passed, whole) in enumerate(steps):
        left = known[passed] if passed < last else None
        marks.took(("ten_one", "key"), known[last], left)
        if whole:
            marks.looked(("ten_one", "key"), float(number), 0.0, fruitful=False)
            since = marks.since(("ten_one", "key"), number + 0.5)
            assert since is not None
            assert left is None or since <= left
        assert marks.since(("ten_one", "key"), number + 9.0) is None


async def test_RL_08_what_is_replayed_is_worked_off_over_sessions_that_step_back(database_url: str) -> None:
    made = await Database.connect(database_url, direct=True)
    made.have_lower(2, 0)
    used = made.lower
    assert used is not None
    try:
        here = given.world(made, ManualClock(), {Handlers: Handlers(EVERY), Marks: Marks()})
        await push(here, 1, 2, event="free")
        await here.work(TEN)
        assert CALLS.told == [1, 2]
        assert used.use == (0, 0, 0)  # what is live goes with all others

        now, day = here.system.now, timedelta(days=1)
        begun = await replaying.begin(here.scope(TEN), Filters(since=now - day, until=now + day))
        await replaying.carry_on(here.scope(TEN), begun["id"])
        await here.work(TEN)
        assert CALLS.told == [1, 2, 1, 2]
        assert used.use[1] == 1
    finally:
        await made.close()
