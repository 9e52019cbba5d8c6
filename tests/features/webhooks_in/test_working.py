"""Deliveries are hints: routed by the platform's own ids to whoever holds the account, worked off by reading anew."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from tests.given import caps
from tests.given import sync as shops
from tests.given import webhooks_in as given
from tests.given.statements import written_down
from tests.given.webhooks_in import World

from isthmus.engine.db import Database
from isthmus.features import sync
from isthmus.features.sync.settings import Settings as SyncSettings
from isthmus.features.webhooks_in import jobs
from isthmus.features.webhooks_in.errors import DeliveryNotFound, ReplayNotFound, TooManyReplays
from isthmus.features.webhooks_in.model import signing
from isthmus.features.webhooks_in.service import (
    finding,
    looking,
    managing,
    replaying,
    retaining,
    routing,
    rules,
    simulating,
    subscribing,
    working,
)
from isthmus.features.webhooks_in.service.handlers import Handler, Handlers, Told
from isthmus.features.webhooks_in.service.intake import ROUTE
from isthmus.features.webhooks_in.service.looking import Filters
from isthmus.features.webhooks_in.service.simulating import Wish
from isthmus.features.webhooks_in.service.waking import HANDLE, job
from isthmus.features.webhooks_in.settings import Settings
from isthmus.kit.clock import ManualClock
from isthmus.kit.errors import NotFound
from isthmus.kit.paging import Ask
from isthmus.kit.secret import Secret
from isthmus.scope import Scope

KEY = Secret("partner-key")
OWN = job("ten_one", "any/own")
_CONNECTION = """
insert into connections (tenant_id, id, integration_id, provider, auth, registration_id, external_account_id, status,
                         created_at, updated_at)
values ($1, $2, $3, 'shopee', 'oauth2', 'reg_own', $4, 'connected', now(), now())
"""
_INTEGRATION = """
insert into integrations (tenant_id, id, provider, name, settings, status, created_at, updated_at)
values ($1, $2, 'shopee', 'Shop', '{}', 'connected', now(), now())
"""
_CLAIM = """
insert into account_claims (tenant_id, provider, external_account_id, connection_id, created_at)
values ($1, 'shopee', $3, $2, now())
"""


class Calls:
    """What a registered handler was told; it fails for events about these ids."""

    def __init__(self) -> None:
        self.told: list[Told] = []
        self.broken = False

    async def __call__(self, _: Scope, told: Told) -> None:
        self.told.append(told)
        if self.broken:
            raise KeyError("a mistake of the handler")


CALLS = Calls()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(database: Database) -> AsyncIterator[World]:
    async def shop(asking: Scope, connection_id: str, entity: str) -> sync.Shop:
        await asyncio.sleep(0)
        if connection_id == "con_gone":
            raise NotFound
        return sync.Shop(connection_id, "shopee", timedelta(minutes=10))

    parts: dict[type, object] = {
        sync.Sources: sync.Sources(shop, _never),
        SyncSettings: shops.QUICK,
        Handlers: Handlers([Handler("own", "order.*", CALLS, tenant_id="ten_one")]),
    }
    made = given.world(database, ManualClock(), parts)
    async with made.system.tx() as tx:
        for tenant, name, account in (("ten_one", "one", "111"), ("ten_two", "two", "222"), ("ten_one", "gone", "333")):
            await tx.execute_sql(_INTEGRATION, tenant, f"int_{name}")
            await tx.execute_sql(_CONNECTION, tenant, f"con_{name}", f"int_{name}", account)
            await tx.execute_sql(_CLAIM, tenant, f"con_{name}", account)
    yield made


def _never(*_: object) -> Any:
    raise AssertionError("nothing is read here")


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def emptied(world: World) -> None:
    CALLS.told.clear()
    CALLS.broken = False
    async with world.system.tx() as tx:
        for table in (
            "webhook_inbox",
            "webhook_seen",
            "webhook_mail",
            "webhook_steps",
            "webhook_tasks",
            "webhook_sources",
            "sync_runs",
        ):
            await (await tx.connection()).execute(f"delete from {table}")  # noqa: S608 - names of ours


def news(account: int, code: int = 8, number: int = 0) -> bytes:
    """About a shop, not about one item; so it is read as a run."""
    return json.dumps({"data": {"n": number}, "shop_id": account, "code": code, "timestamp": 1767225600}).encode()


async def pushed(world: World, *bodies: bytes, tenant: str = "ten_one") -> str:
    """These deliveries, routed; the id of the source."""
    seen, token = await world.source(tenant, provider="shopee", secret=KEY)
    for body in bodies:
        world.system.clock.advance(0.01)  # type: ignore[attr-defined] # the clock of this world is moved by hand
        assert (await world.push(tenant, seen, token, body)).status == 200
    await routing.route(world.scope(tenant), seen.source.id)
    return seen.source.id


async def log(world: World) -> list[dict[str, Any]]:
    return await world.rows(
        "select id, source_id, tenant_id, connection_id, state, reason, attempts, run_id, next_at from webhook_inbox "
        "order by id"
    )


async def test_a_burst_about_one_shop_shares_one_run(world: World) -> None:
    await pushed(world, *(news(111, number=n) for n in range(30)))
    await world.work("ten_one")
    rows = await log(world)
    assert {row["state"] for row in rows} == {"done"}
    runs = await world.rows("select id, tenant_id, connection_id, mode from sync_runs")
    assert [(row["connection_id"], row["mode"]) for row in runs] == [
        ("con_one", "full")
    ]  # the first one reads everything
    assert {row["run_id"] for row in rows} == {runs[0]["id"]}
    whole = await looking.delivery(world.scope("ten_one"), rows[0]["id"])
    assert [(step["what"], step["outcome"], step["run_id"]) for step in whole.steps] == [
        ("sync", "done", runs[0]["id"])
    ]


async def test_a_hint_during_a_run_waits_for_the_next_one_without_counting(world: World) -> None:
    await pushed(world, news(111, number=1))
    await world.work("ten_one")
    await pushed(world, news(111, number=2))
    await world.work("ten_one")
    waiting = (await log(world))[1]
    assert (waiting["state"], waiting["attempts"]) == ("waiting", 0)
    async with world.system.tx() as tx:
        await tx.execute_sql("update sync_runs set state = 'succeeded'")
        world.system.clock.advance(5)  # type: ignore[attr-defined] # the clock of this world is moved by hand
        assert {wake.key for wake in await working.missing(world.system, tx)} == {"con_one/sync"}
    await world.work("ten_one")
    assert {row["state"] for row in await log(world)} == {"done"}


async def test_what_comes_in_for_a_suspended_tenant_is_kept_and_worked_off_when_it_is_let_in_again(
    world: World,
) -> None:
    async def status(name: str) -> None:
        async with world.system.tx() as tx:
            told = {
                "tenant_id": "ten_platform",
                "subject": "ten_one",
                "at": world.system.now,
                "after": {"status": name},
            }
            await jobs.tenant_changed(tx, told)

    await status("suspended")
    await pushed(world, news(111), news(222), tenant="ten_platform")
    async with world.system.tx() as tx:
        assert {wake.tenant_id for wake in await working.missing(world.system, tx)} <= {"ten_two"}
    await world.work("ten_two")
    # woken all the same, its worker takes nothing
    await working.work(world.scope("ten_one"), "con_one/sync")
    assert [(row["tenant_id"], row["state"]) for row in await log(world)] == [
        ("ten_one", "waiting"),
        ("ten_two", "done"),
    ]
    await status("active")
    await world.work("ten_one")
    assert {row["state"] for row in await log(world)} == {"done"}


async def test_a_worker_that_took_all_that_was_due_looks_only_for_what_another_one_dropped(world: World) -> None:
    await pushed(world, *(news(111, number=number) for number in range(3)))
    with written_down() as told:
        await working.work(world.scope("ten_one"), "con_one/sync")
    assert len([one for one in told if "with near as materialized" in one]) == 2
    assert [row["state"] for row in await log(world)] == ["done"] * 3


async def test_WH_04_one_address_of_an_app_serves_every_shop(world: World) -> None:
    await pushed(world, news(111), news(222), news(999), tenant="ten_platform")
    rows = {(row["tenant_id"], row["connection_id"], row["state"]) for row in await log(world)}
    assert rows == {
        ("ten_one", "con_one", "waiting"),
        ("ten_two", "con_two", "waiting"),
        ("ten_platform", None, "unrouted"),
    }
    mine = await looking.deliveries(world.scope("ten_two"), every(world), Ask())
    assert [one.connection_id for one in mine.items] == ["con_two"]


async def test_news_of_many_shops_are_routed_by_as_many_statements_as_those_of_two(world: World) -> None:
    async with world.system.tx() as tx:
        for number in range(501, 511):
            tenant, name, account = f"ten_{number % 3}", f"many_{number}", str(number)
            await tx.execute_sql(_INTEGRATION, tenant, f"int_{name}")
            await tx.execute_sql(_CONNECTION, tenant, f"con_{name}", f"int_{name}", account)
            await tx.execute_sql(_CLAIM, tenant, f"con_{name}", account)

    async def asked(accounts: range) -> int:
        seen, token = await world.source("ten_platform", provider="shopee", secret=KEY)
        for account in accounts:
            world.system.clock.advance(0.01)  # type: ignore[attr-defined] # as above
            assert (await world.push("ten_platform", seen, token, news(account))).status == 200
        with written_down() as told:
            await routing.route(world.scope("ten_platform"), seen.source.id)
        return len(told)

    assert await asked(range(503, 511)) == await asked(range(501, 503))
    rows = {(row["tenant_id"], row["connection_id"], row["state"]) for row in await log(world)}
    assert rows == {(f"ten_{number % 3}", f"con_many_{number}", "waiting") for number in range(501, 511)}
    woken = await world.rows(f"select tenant_id from queue.pgqueuer where entrypoint = '{HANDLE}'")  # noqa: S608
    assert {row["tenant_id"] for row in woken} >= {"ten_0", "ten_1", "ten_2"}


async def test_WH_04_news_of_another_tenants_shop_at_ones_own_address_go_nowhere(world: World) -> None:
    await pushed(world, news(222))
    row = (await log(world))[0]
    assert (row["tenant_id"], row["connection_id"], row["state"]) == ("ten_one", None, "unrouted")
    await looking.retry(world.scope("ten_one"), row["id"])
    await routing.route(world.scope("ten_one"), row["source_id"])
    assert [(one["tenant_id"], one["state"]) for one in await log(world)] == [("ten_one", "unrouted")]
    await world.work("ten_two")
    assert await world.rows("select id from sync_runs") == []


async def test_what_a_secret_of_ones_own_has_signed_reaches_ones_handlers_without_a_connection(world: World) -> None:
    await pushed(world, news(999, code=3), news(999, code=8))
    wanted, unwanted = await log(world)
    assert (wanted["tenant_id"], wanted["connection_id"], wanted["state"]) == ("ten_one", None, "waiting")
    assert (unwanted["connection_id"], unwanted["state"]) == (None, "unrouted")
    assert unwanted["reason"].startswith("No connection of yours")
    await world.work("ten_one")
    assert [(told.event, told.connection_id) for told in CALLS.told] == [("order.updated", None)]
    assert await world.rows("select id from sync_runs") == []
    # the deployment's own address is nobody's: there such news stay where they are
    await pushed(world, news(998, code=3), tenant="ten_platform")
    assert (await log(world))[-1]["state"] == "unrouted"


async def test_news_that_name_no_account_are_for_the_handlers_of_the_source(world: World) -> None:
    seen, token = await world.source(provider="stripe", secret=Secret("whsec_of_ours"))
    assert (await world.push("ten_one", seen, token, b'{"id":"evt_1","type":"charge.succeeded"}')).status == 200
    await routing.route(world.scope("ten_one"), seen.source.id)
    (row,) = await log(world)
    assert (row["state"], row["reason"]) == ("ignored", "No handler wants this event.")


async def test_WH_07_nothing_in_a_body_but_its_ids_takes_effect(world: World) -> None:
    forged = [json.loads(news(111, number=n)) | {"data": {"item_id": 5, "price": n, "stock": 9}} for n in range(3)]
    await pushed(world, *(json.dumps(one).encode() for one in forged))
    await world.work("ten_one")
    assert await world.rows("select id from listings") == []
    assert await world.rows("select id from sync_runs") == []
    asked = await world.rows("select connection_id, entity, external_id, seen from sync_refreshes")
    assert [(row["connection_id"], row["entity"], row["external_id"]) for row in asked] == [
        ("con_one", "products", "5")
    ]  # three deliveries about one object are one reading of it
    assert asked[0]["seen"].timestamp() == 1767225600
    assert {row["state"] for row in await log(world)} == {"done"}


def every(world: World, **more: Any) -> Filters:
    now = world.system.now
    return Filters(since=now - timedelta(days=9), until=now + timedelta(days=9), **more)


async def test_a_failing_handler_follows_its_schedule_into_the_dead_letters_and_harms_no_other(world: World) -> None:
    CALLS.broken = True
    await pushed(world, news(111, code=3, number=1), news(111, code=8, number=2))
    for _ in range(12):
        await world.work("ten_one")
        world.system.clock.advance(30_000)  # type: ignore[attr-defined] # as above
    dead, fine = await log(world)
    assert (dead["state"], fine["state"]) == ("dead", "done")
    assert "KeyError" in dead["reason"]
    assert "a mistake" not in dead["reason"]
    assert len(CALLS.told) == 8
    events = await world.rows("select subject from events where type = 'webhook.dead'")
    assert [row["subject"] for row in events] == [dead["id"]]
    CALLS.broken = False
    await looking.retry(world.scope("ten_one"), dead["id"])
    await world.work("ten_one")
    assert (await log(world))[0]["state"] == "done"


async def test_what_fails_wakes_its_worker_in_time_and_what_has_long_to_wait_does_not(world: World) -> None:
    CALLS.broken = True
    await pushed(world, news(111, code=3))
    pauses = []
    for _ in range(2):
        async with world.system.tx() as tx:
            await (await tx.connection()).execute("delete from queue.pgqueuer")
        await world.work("ten_one")
        later = "select entrypoint, execute_after - created as pause from queue.pgqueuer where execute_after > created"
        pauses.append([(row["entrypoint"], round(row["pause"].total_seconds())) for row in await world.rows(later)])
        world.system.clock.advance(6)  # type: ignore[attr-defined] # as above
    # five seconds, then thirty: those the reconciler finds
    assert pauses == [[(OWN, 5)], []]


async def test_what_ends_its_worker_again_and_again_becomes_a_dead_letter(world: World) -> None:
    await pushed(world, news(111, code=3))
    async with world.system.tx() as tx:
        await tx.execute_sql("update webhook_tasks set attempts = 40, state = 'handling'")
    await world.work("ten_one")
    row = (await log(world))[0]
    assert (row["state"], CALLS.told) == ("dead", [])


async def test_what_comes_in_while_its_source_is_removed_does_not_wait_for_ever(
    world: World, database: Database
) -> None:
    slow = given.world(database, world.system.clock, world.system.engine.parts, source_cache=timedelta(minutes=1))
    seen, token = await slow.source(provider="shopee", secret=KEY)
    source = await finding.live(slow.scope("ten_one"), seen.source.id)
    assert source is not None
    body = news(111, code=3)
    assert (await slow.push("ten_one", seen, token, news(111, code=8))).status == 200
    unsigned = signing.request("POST", finding.address(slow.system, token), {}, body)
    sent = signing.sign(unsigned, source.scheme, KEY, slow.system.now, app={}, message_id="msg_1")
    await managing.remove(slow.scope("ten_one"), seen.source.id)
    assert (await slow.send(token, body, sent.headers)).status == 200
    await routing.route(slow.scope("ten_one"), seen.source.id)
    assert [(row["state"], row["reason"]) for row in await log(world)] == [("ignored", "The source was removed.")] * 2


async def test_what_nobody_wants_is_kept_and_said(world: World) -> None:
    await pushed(world, news(111, code=10))
    row = (await log(world))[0]
    assert (row["state"], row["reason"]) == ("ignored", "No handler wants this event.")


async def test_a_connection_that_is_gone_is_tried_again_later(world: World) -> None:
    await pushed(world, news(333))
    await world.work("ten_one")
    row = (await log(world))[0]
    assert (row["state"], row["attempts"]) == ("waiting", 1)
    assert row["next_at"] == world.system.now + timedelta(seconds=5)


async def test_PR_01_a_lost_wake_up_is_made_again(world: World) -> None:
    seen, token = await world.source(provider="shopee", secret=KEY)
    await world.push("ten_one", seen, token, news(111))
    world.system.clock.advance(10)  # type: ignore[attr-defined] # as above
    async with world.system.tx() as tx:
        found = [(wake.job, wake.key) for wake in await working.missing(world.system, tx)]
    assert found == [(ROUTE, seen.source.id)]


async def test_what_a_platform_is_to_be_told_is_looked_for_soon_after_something_happened(world: World) -> None:
    stop = asyncio.Event()
    asked = "select id from queue.pgqueuer where entrypoint = 'webhooks_in.enrol'"
    async with asyncio.TaskGroup() as group:
        group.create_task(world.system.engine.bus.run(stop, {}))
        group.create_task(subscribing.keep_asking(world.system, stop))
        async with world.system.tx() as tx:
            event = {"tenant_id": "ten_one", "subject": "con_one", "at": world.system.now}
            await subscribing.heard(tx, event, ended=False)
        # anything that is written to the log has it looked for
        await world.source(provider="shopee", secret=KEY)
        async with asyncio.timeout(60):
            while not await world.rows(asked):  # noqa: ASYNC110 - nothing tells of a wake-up
                await asyncio.sleep(0.02)
        stop.set()


async def test_WH_13_a_simulated_delivery_reaches_no_handler(world: World) -> None:
    seen, _ = await world.source(provider="shopee", secret=KEY)
    body = news(111, code=3).decode()
    taken = await simulating.simulate(world.scope("ten_one"), seen.source.id, Wish(body=body))
    assert taken.id is not None
    await routing.route(world.scope("ten_one"), seen.source.id)
    await world.work("ten_one")
    row = (await log(world))[0]
    assert (row["state"], CALLS.told) == ("ignored", [])


async def test_a_replay_is_counted_first_then_handed_out_and_can_be_stopped(world: World) -> None:
    await pushed(world, *(news(111, code=3, number=n) for n in range(25)))
    await world.work("ten_one")
    assert not any(one.replayed for one in CALLS.told)
    scope = world.scope("ten_one")
    assert await replaying.plan(scope, every(world, state="done")) == (25, True)
    assert await replaying.plan(scope, every(world, provider="lazada")) == (0, True)
    assert await replaying.plan(world.scope("ten_two"), every(world)) == (0, True)
    begun = await replaying.begin(scope, every(world))
    assert (begun["state"], begun["total"]) == ("running", 25)
    async with world.system.tx() as tx:
        assert [wake.key for wake in await replaying.missing(world.system, tx)] == [begun["id"]]
    for _ in range(2):
        await replaying.carry_on(scope, begun["id"])
    ended = await replaying.replay(scope, begun["id"])
    assert (ended["state"], ended["done"]) == ("done", 25)
    CALLS.told.clear()
    await world.work("ten_one")
    assert [one.replayed for one in CALLS.told] == [True] * 25
    stopped = await replaying.begin(scope, every(world))
    assert (await replaying.cancel(scope, stopped["id"]))["state"] == "cancelled"
    await replaying.carry_on(scope, stopped["id"])
    assert (await replaying.replay(scope, stopped["id"]))["done"] == 0
    with pytest.raises(ReplayNotFound):
        await replaying.replay(world.scope("ten_two"), stopped["id"])


async def test_what_would_take_too_long_to_count_is_at_least_so_many_and_replayed_to_the_end(
    world: World, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replaying, "_LOOKED", 10)
    await pushed(world, *(news(111, code=3, number=n) for n in range(25)))
    await world.work("ten_one")
    hasty = given.world(database, world.system.clock, replay_count=timedelta(0)).scope("ten_one")
    third = replace(every(world), body_path="data.n", body_value="3")
    assert await replaying.plan(hasty, every(world)) == (10, False)
    assert await replaying.plan(hasty, third) == (1, False)
    assert await replaying.plan(world.scope("ten_one"), every(world)) == (25, True)
    # what fits lies far behind: each step looks at so many and no more
    late = await replaying.begin(hasty, replace(third, body_value="24"))
    found = []
    for _ in range(3):
        await replaying.carry_on(world.scope("ten_one"), late["id"])
        found.append((await replaying.replay(world.scope("ten_one"), late["id"]))["done"])
    assert found == [0, 0, 1]
    begun = await replaying.begin(hasty, every(world))
    assert (begun["state"], begun["total"], begun["exact"]) == ("running", 10, False)
    # the one that fits is under way again
    for at_least in (10, 20, 24):
        await replaying.carry_on(world.scope("ten_one"), begun["id"])
        now = await replaying.replay(world.scope("ten_one"), begun["id"])
        assert (now["done"], now["total"]) == (at_least, at_least)
    assert (now["state"], now["exact"]) == ("done", True)


async def test_RL_08_a_replay_goes_behind_live_traffic_and_hands_out_no_more_than_is_worked_off(
    world: World, database: Database
) -> None:
    parts = {kind: one for kind, one in world.system.engine.parts.items() if kind is not Settings}
    narrow = given.world(database, world.system.clock, parts, replays_per_second=5).scope("ten_one")
    await pushed(world, *(news(111, code=3, number=n) for n in range(12)))
    await world.work("ten_one")
    id_ = (await replaying.begin(narrow, every(world)))["id"]
    done = []
    for works in (False, False, True, False, True):
        await replaying.carry_on(narrow, id_)
        done.append((await replaying.replay(narrow, id_))["done"])
        if works:
            await world.work("ten_one")
    assert done == [5, 5, 5, 10, 10]
    lanes = await world.rows(
        "select distinct priority, entrypoint from queue.pgqueuer where priority <> 0 order by entrypoint"
    )
    assert [(row["priority"], row["entrypoint"]) for row in lanes] == [(-1, OWN), (-1, HANDLE), (-1, replaying.REPLAY)]
    assert (await replaying.cancel(narrow, id_))["state"] == "cancelled"
    await replaying.carry_on(narrow, id_)
    assert (await replaying.replay(narrow, id_))["done"] == 10


async def test_RL_05_a_tenant_has_so_many_replays_at_once_and_the_next_may_begin_when_one_is_over(
    world: World, database: Database
) -> None:
    parts = {kind: one for kind, one in world.system.engine.parts.items() if kind is not Settings}
    few = given.world(database, world.system.clock, parts, replays=2)
    await pushed(world, news(111, code=3, number=1))
    await world.work("ten_one")
    scope, wanted = few.scope("ten_one"), every(world)
    begun = await asyncio.gather(*(replaying.begin(scope, wanted) for _ in range(5)), return_exceptions=True)
    refused = [one for one in begun if isinstance(one, TooManyReplays)]
    assert [(one.status, one.details) for one in refused] == [(429, {"limit": 2})] * 3
    running = [one["id"] for one in (await replaying.replays(scope, Ask())).items if one["state"] == "running"]
    assert len(running) == 2
    assert await caps.shown(scope, "webhooks_in.replays") == (2, 2)
    assert (await replaying.begin(few.scope("ten_two"), wanted))["state"] == "running"
    await replaying.cancel(scope, running[0])
    assert (await replaying.begin(scope, wanted))["state"] == "running"
    with pytest.raises(TooManyReplays):
        await replaying.begin(scope, wanted)


class _Paused(ManualClock):
    """A clock that notes how long is slept, and does something at the second sleep."""

    def __init__(self, start: datetime, then: Callable[[], Awaitable[object]]) -> None:
        super().__init__(start)
        self.slept: list[float] = []
        self._then = then

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await super().sleep(seconds)
        if len(self.slept) == 2:
            await self._then()


async def test_RL_08_a_replay_hands_out_a_second_s_worth_in_pieces_and_none_more_once_it_is_stopped(
    world: World, database: Database
) -> None:
    async def stop() -> None:
        if len(ids) == 1:
            await replaying.cancel(narrow, ids[0])

    clock, ids = _Paused(world.system.now, stop), list[str]()
    parts = {kind: one for kind, one in world.system.engine.parts.items() if kind is not Settings}
    narrow = given.world(database, clock, parts, replays_per_second=10).scope("ten_one")
    await pushed(world, *(news(111, code=3, number=n) for n in range(12)))
    await world.work("ten_one")
    for handed_out, pauses in ((4, 2), (8, 4)):
        clock.slept.clear()
        ids.append(str((await replaying.begin(narrow, every(world)))["id"]))
        await replaying.carry_on(narrow, ids[-1])
        assert (await replaying.replay(narrow, ids[-1]))["done"] == handed_out
        assert clock.slept == [0.2] * pauses


async def test_what_had_nowhere_to_go_is_counted_and_routed_anew_in_one_call_once_its_account_is_connected(
    world: World,
) -> None:
    source_id = await pushed(world, *(news(444, number=n) for n in range(12)), news(111, number=99))
    other = await pushed(world, news(445), news(444, number=50))
    await world.work("ten_one")
    assert Counter(row["state"] for row in await log(world)) == {"unrouted": 14, "done": 1}
    scope = world.scope("ten_one")
    # a replay of everything leaves them where they are
    assert await replaying.plan(scope, every(world)) == (1, True)
    lost = every(world, state="unrouted")
    assert await replaying.plan(scope, lost) == (14, True)
    assert await replaying.plan(world.scope("ten_two"), lost) == (0, True)
    async with world.system.tx() as tx:
        await tx.execute_sql(_INTEGRATION, "ten_one", "int_late")
        await tx.execute_sql(_CONNECTION, "ten_one", "con_late", "int_late", "444")
        await tx.execute_sql(_CLAIM, "ten_one", "con_late", "444")
        await tx.execute_sql("delete from queue.pgqueuer")
    begun = await replaying.begin(scope, lost)
    await replaying.carry_on(scope, begun["id"])
    ended = await replaying.replay(scope, begun["id"])
    assert (ended["state"], ended["done"], ended["total"]) == ("done", 14, 14)
    woken = await world.rows("select convert_from(payload, 'UTF8')::jsonb ->> 1 as key, entrypoint from queue.pgqueuer")
    assert {row["key"] for row in woken if row["entrypoint"] == ROUTE} == {source_id, other}
    for one in (source_id, other):
        await routing.route(scope, one)
    await world.work("ten_one")
    rows = await log(world)
    assert Counter((row["connection_id"], row["state"]) for row in rows) == {
        ("con_late", "done"): 13, ("con_one", "done"): 1, (None, "unrouted"): 1,
    }  # fmt: skip
    # what nobody holds even now stands where it stood, with its reason
    assert [row["reason"] is not None for row in rows if row["state"] == "unrouted"] == [True]


async def test_another_tenant_sees_nothing(world: World) -> None:
    await pushed(world, news(111))
    row = (await log(world))[0]
    with pytest.raises(DeliveryNotFound):
        await looking.delivery(world.scope("ten_two"), row["id"])
    with pytest.raises(DeliveryNotFound):
        await looking.retry(world.scope("ten_two"), row["id"])


async def test_what_is_old_is_forgotten(world: World) -> None:
    await pushed(world, news(111, code=10), news(111, code=3))
    world.system.clock.advance(40 * 86_400)  # type: ignore[attr-defined] # as above
    await retaining.sweep(world.system)
    assert [row["state"] for row in await log(world)] == ["waiting"]
    assert await world.rows("select digest from webhook_seen") == []


async def test_what_came_in_at_the_deployments_own_source_is_forwarded_as_that_source_reshapes_it(world: World) -> None:
    """Its expressions are the deployment's; the delivery is the tenant's."""
    seen, token = await world.source("ten_platform", provider="shopee", secret=KEY)
    await managing.change(world.scope("ten_platform"), seen.source.id, {"transform": "{shop: shop_id}"})
    scope = world.scope("ten_one")
    fields: dict[str, Any] = dict.fromkeys(("source_id", "filter", "transform", "retries", "ordered_by"))
    await rules.add(scope, {**fields, "name": "on", "pattern": "*", "priority": 100, "paused": False})
    try:
        await world.push("ten_platform", seen, token, news(111))
        await routing.route(world.scope("ten_platform"), seen.source.id)
        await world.work("ten_one")
        sql = "select body from events where type = 'webhook.received' order by xid desc, id desc limit 1"
        body = (await world.rows(sql))[0]["body"]
        assert (body["payload"], body["shardType"]) == ({"shop": 111}, "product"), "by its type a wall hides it later"
        # and its filter counts when the delivery is worked off once more
        await managing.change(world.scope("ten_platform"), seen.source.id, {"filter": "shop_id == `1`"})
        (row,) = await log(world)
        assert (await looking.retry(scope, row["id"])).delivery.state == "ignored"
    finally:
        async with world.system.tx() as tx:
            await tx.execute_sql("delete from webhook_handlers")
