"""Each slot of a schedule is started once, whichever process finds it due and whatever its clock says (PR-14)."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta

import pytest
import pytest_asyncio
from tests.given import records as given_records
from tests.given import sync as given
from tests.given.signed_in import signed_in
from tests.house_database import Copy

from isthmus.engine.db import Database
from isthmus.features import sync
from isthmus.features.connections import ConnectionExpired, IntegrationDisabled
from isthmus.features.schedules import model, service, store
from isthmus.features.schedules.model import Rest, Rule
from isthmus.kit.clock import ManualClock
from isthmus.scope import Scope, System

_STEP = 600.0
#: Minutes between two looks of one process.
_LOOK = 5
_HALF_HOURS = "*/30 * * * *"
#: The nights in which these zones change their clocks, both ways, one of them by half an hour.
_NIGHTS = [
    ("Europe/Berlin", _HALF_HOURS, datetime(2026, 10, 24, 22, 5, tzinfo=UTC)),
    ("Europe/Berlin", "30 2 * * *", datetime(2027, 3, 27, 22, 5, tzinfo=UTC)),
    ("Australia/Lord_Howe", _HALF_HOURS, datetime(2027, 4, 3, 12, 5, tzinfo=UTC)),
    ("America/New_York", "30 1 * * *", datetime(2026, 11, 1, 3, 5, tzinfo=UTC)),
]


@dataclass
class Hand:
    """One process: its own pool and its own clock, and how far that one is off."""

    scope: Scope
    clock: ManualClock
    off: float = 0.0

    @property
    def system(self) -> System:
        return System(self.scope.engine, self.clock)

    async def look(self) -> None:
        """What a process does every few seconds: take what is due, and begin what was taken."""
        await service.tick(self.system)
        async with self.system.tx() as tx:
            wanted = await store.wanted(tx, timedelta(0), self.clock.now() + timedelta(days=1), 10)
        await asyncio.gather(*(service.start(self.scope, id_) for _, id_ in wanted))

    def step(self, off: float) -> None:
        """Its clock is set."""
        self.clock.step(off - self.off)
        self.off = off


@asynccontextmanager
async def _hands(url: str, count: int, now: datetime) -> AsyncIterator[list[Hand]]:
    async with AsyncExitStack() as stack:
        made = []
        for _ in range(count):
            database = await Database.connect(url, size=2)
            stack.push_async_callback(database.close)
            clock = ManualClock(now)
            made.append(Hand(replace(given.scope(database, {"con_one": given.shelf(2)}), clock=clock), clock))
        yield made


@pytest_asyncio.fixture(autouse=True)
async def cleared(database: Database, copied: Copy) -> AsyncIterator[None]:
    yield
    await given_records.clear(copied)
    async with database.system() as tx:
        await tx.execute_sql("delete from schedules")


async def _put(scope: Scope, rule: Rule) -> datetime:
    """A schedule; when it is due first."""
    first = model.following(rule, scope.now, "con_one")
    async with scope.tx() as tx:
        await store.put(tx, "sch_one", ("con_one", "products", "incremental"), rule, first)
    return first


async def _ended(scope: Scope) -> int:
    """Whatever runs has ended; how many had been begun."""
    async with scope.tx() as tx:
        rows = await tx.fetch_sql("update sync_runs set state = 'succeeded' where state = 'queued' returning id")
    return len(rows)


async def _night(url: str, night: tuple[str, str, datetime], hours: int, seed: int) -> list[datetime]:
    """Three processes work through a night while their clocks are stepped; the slots that were started, each time."""
    zone, cron, begin = night
    dice, found = random.Random(seed), []
    async with _hands(url, 3, begin) as hands:
        async with hands[0].system.tx() as tx:
            await tx.execute_sql("delete from schedules")
        due = await _put(hands[0].scope, Rule(cron=cron, zone=zone))
        for _ in range(hours * 60 // _LOOK):
            for hand in hands:
                hand.clock.advance(_LOOK * 60)
                if dice.random() < 0.3:
                    hand.step(dice.choice((-_STEP, 0.0, _STEP)))
            await asyncio.gather(*(hand.look() for hand in hands))
            found += [due] * await _ended(hands[0].scope)
            async with hands[0].scope.tx() as tx:
                (known,) = await store.schedules(tx)
            assert known.next_at is not None
            due = known.next_at
    return found


def _slots(night: tuple[str, str, datetime], hours: int) -> list[datetime]:
    zone, cron, at = night
    found, end = [], at + timedelta(hours=hours)
    while (at := model.following(Rule(cron=cron, zone=zone), at, "con_one")) < end:
        found.append(at)
    return found


@pytest.mark.parametrize("night", _NIGHTS)
async def test_PR_14_three_processes_whose_clocks_are_stepped_start_each_slot_once(
    copied: Copy, night: tuple[str, str, datetime]
) -> None:
    slots = _slots(night, 8)
    assert len(slots) >= 1
    assert await _night(copied.url, night, 8, seed=1) == slots


@pytest.mark.proof
@pytest.mark.parametrize("night", _NIGHTS)
async def test_PR_14_three_processes_start_each_slot_of_many_nights_once(
    copied: Copy, night: tuple[str, str, datetime]
) -> None:
    for seed in range(20):
        assert await _night(copied.url, night, 26, seed) == _slots(night, 26), seed


async def test_PR_14_what_came_due_while_nobody_ran_is_started_once(copied: Copy) -> None:
    begin = datetime(2026, 10, 24, 22, 5, tzinfo=UTC)
    async with _hands(copied.url, 3, begin) as hands:
        await _put(hands[0].scope, Rule(cron=_HALF_HOURS, zone="Europe/Berlin"))
        for hand in hands:
            hand.clock.advance(5 * 3600)
        for _ in range(3):
            await asyncio.gather(*(hand.look() for hand in hands))
        assert await _ended(hands[0].scope) == 1
        await asyncio.gather(*(hand.look() for hand in hands))
        assert await _ended(hands[0].scope) == 0


async def test_PR_14_a_start_that_two_processes_make_is_one_though_the_run_ended_in_between(copied: Copy) -> None:
    begin = datetime(2026, 11, 21, 12, 5, tzinfo=UTC)
    async with _hands(copied.url, 2, begin) as (first, second):
        due = await _put(first.scope, Rule(cron=_HALF_HOURS))
        first.clock.advance((due - begin).total_seconds())
        second.clock.advance((due - begin).total_seconds())
        await service.tick(first.system)
        begun: list[int] = []

        async def overtaken(scope: Scope, connection_id: str, entity: str) -> sync.Shop:
            if not begun:
                begun.append(0)
                await service.start(first.scope, "sch_one")
                begun[0] = await _ended(first.scope)
            return sync.Shop(connection_id, "shelf", timedelta(minutes=10))

        sources = replace(second.scope.part(sync.Sources), shop=overtaken)
        parts = {**second.scope.engine.parts, sync.Sources: sources}
        slow = replace(second.scope, engine=replace(second.scope.engine, parts=parts))
        await service.start(slow, "sch_one")
        assert (begun, await _ended(first.scope)) == ([1], 0)


async def test_what_came_due_while_nobody_ran_waits_for_the_end_of_the_hours_of_rest(copied: Copy) -> None:
    begin = datetime(2026, 11, 21, 21, 50, tzinfo=UTC)
    night = Rest(time(22), time(6))
    async with _hands(copied.url, 1, begin) as (hand,):
        await _put(hand.scope, Rule(every=timedelta(minutes=5), rests=(night,)))
        hand.clock.advance(40 * 60)
        await hand.look()
        assert await _ended(hand.scope) == 0
        (waiting,) = await service.schedules(hand.scope)
        assert waiting.next_at == datetime(2026, 11, 22, 6, tzinfo=UTC)
        hand.clock.advance(7.5 * 3600)
        await hand.look()
        assert await _ended(hand.scope) == 1


async def test_a_start_that_is_refused_for_a_lasting_reason_is_tried_again_at_its_next_time(copied: Copy) -> None:
    begin = datetime(2026, 11, 21, 12, 5, tzinfo=UTC)
    async with _hands(copied.url, 1, begin) as (hand,):
        due = await _put(hand.scope, Rule(cron=_HALF_HOURS))
        asked: list[str] = []

        async def disabled(scope: Scope, connection_id: str, entity: str) -> sync.Shop:
            asked.append(entity)
            raise IntegrationDisabled

        parts = {**hand.scope.engine.parts, sync.Sources: replace(hand.scope.part(sync.Sources), shop=disabled)}
        refused = replace(hand.scope, engine=replace(hand.scope.engine, parts=parts))
        hand.clock.advance((due - begin).total_seconds())
        await service.tick(hand.system)
        for _ in range(3):
            await service.start(refused, "sch_one")
        assert asked == ["products"]
        hand.clock.advance(1800)
        await hand.look()
        assert await _ended(hand.scope) == 1


async def test_a_start_that_an_old_sign_in_refuses_while_there_is_a_new_one_is_made_by_the_new_one(
    copied: Copy, database: Database
) -> None:
    """The new sign-in was told before the schedule was set aside: nobody would wake it."""
    begin = datetime(2026, 11, 21, 12, 5, tzinfo=UTC)
    async with _hands(copied.url, 1, begin) as (hand,), signed_in(database):
        due = await _put(hand.scope, Rule(cron=_HALF_HOURS))

        async def expired(scope: Scope, connection_id: str, entity: str) -> sync.Shop:
            raise ConnectionExpired

        parts = {**hand.scope.engine.parts, sync.Sources: replace(hand.scope.part(sync.Sources), shop=expired)}
        hand.clock.advance((due - begin).total_seconds())
        await service.tick(hand.system)
        await service.start(replace(hand.scope, engine=replace(hand.scope.engine, parts=parts)), "sch_one")
        (known,) = await service.schedules(hand.scope)
        assert known.state == "active"
        await hand.look()
        assert await _ended(hand.scope) == 1


async def test_a_full_read_waits_for_the_end_of_a_read_of_changes_and_is_not_left_out_for_it(copied: Copy) -> None:
    begin = datetime(2026, 11, 21, 12, 5, tzinfo=UTC)
    async with _hands(copied.url, 1, begin) as (hand,):
        full = model.following(Rule(cron=_HALF_HOURS), hand.scope.now, "con_one")
        async with hand.scope.tx() as tx:
            await store.put(tx, "sch_all", ("con_one", "products", "full"), Rule(cron=_HALF_HOURS), full)
        await sync.start(hand.scope, "con_one", since=begin - timedelta(days=1))
        hand.clock.advance((full - begin).total_seconds())
        for _ in range(2):
            await hand.look()
        assert await _ended(hand.scope) == 1, "the read of changes alone was begun"
        await hand.look()
        await hand.look()
        assert await _ended(hand.scope) == 1
        async with hand.scope.tx() as tx:
            rows = await tx.fetch_sql("select mode from sync_runs order by id")
        assert [row["mode"] for row in rows] == ["since", "full"]


async def test_a_slot_that_comes_while_the_same_is_read_is_let_go(copied: Copy) -> None:
    begin = datetime(2026, 11, 21, 12, 5, tzinfo=UTC)
    async with _hands(copied.url, 1, begin) as (hand,):
        due = await _put(hand.scope, Rule(cron=_HALF_HOURS))
        await sync.start(hand.scope, "con_one")
        hand.clock.advance((due - begin).total_seconds())
        await hand.look()
        assert await _ended(hand.scope) == 1
        await hand.look()
        assert await _ended(hand.scope) == 0


async def test_a_start_that_waits_is_let_go_when_somebody_pauses_its_schedule(copied: Copy) -> None:
    begin = datetime(2026, 11, 21, 12, 5, tzinfo=UTC)
    async with _hands(copied.url, 1, begin) as (hand,):
        due = await _put(hand.scope, Rule(cron=_HALF_HOURS))
        hand.clock.advance((due - begin).total_seconds())
        await service.tick(hand.system)
        async with hand.scope.tx() as tx:
            await store.set_state(tx, ("con_one", None), model.State.PAUSED, None)
        await hand.look()
        assert await _ended(hand.scope) == 0
