"""Handlers: by pattern and priority, each with its own schedule, order and dead letters; forwarding."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from tests.given import caps
from tests.given import webhooks_in as given
from tests.given.webhooks_in import World

from isthmus.engine.db import Database
from isthmus.features.webhooks_in.errors import HandlerNotFound, NotRetryable, TooManyHandlers
from isthmus.features.webhooks_in.model.handling import OrderedBy
from isthmus.features.webhooks_in.service import looking, managing, replaying, routing, rules, simulating
from isthmus.features.webhooks_in.service.handlers import Handler, Handlers, Told
from isthmus.features.webhooks_in.service.managing import Seen
from isthmus.features.webhooks_in.store import tasks
from isthmus.features.webhooks_in.store.log import Filters
from isthmus.kit import ids
from isthmus.kit.clock import ManualClock
from isthmus.kit.errors import Invalid
from isthmus.kit.paging import Ask
from isthmus.kit.secret import Secret
from isthmus.scope import Scope

TEN = "ten_one"
RULE = {
    "name": "", "source_id": None, "pattern": "*", "priority": 100, "filter": None, "transform": None,
    "retries": None, "ordered_by": None, "paused": False,
}  # fmt: skip


class Calls:
    """What the registered functions were told, in order; those named here fail."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Told]] = []
        self.failing: set[str] = set()
        self.slow: set[str] = set()
        self.cancelled: set[str] = set()

    def named(self, name: str) -> Any:
        async def function(_: Scope, told: Told) -> dict[str, Any]:
            self.told.append((name, told))
            if name in self.slow:
                await asyncio.sleep(30)
            if name in self.cancelled:
                raise asyncio.CancelledError
            if name in self.failing:
                raise KeyError(name)
            return {"seen": told.payload}

        return function

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.told]


CALLS = Calls()
EVERY = [
    Handler("second", "github.push", CALLS.named("second"), priority=20, retries=(1.0,), tenant_id="ten_one"),
    Handler("first", "github.push", CALLS.named("first"), priority=10, seconds=0.05, tenant_id="ten_one"),
    Handler("ordered", "github.ordered", CALLS.named("ordered"), ordered_by=OrderedBy.SOURCE, tenant_id="ten_one"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(database: Database) -> AsyncIterator[World]:
    yield given.world(database, ManualClock(), {Handlers: Handlers(EVERY)}, handlers=3)


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def emptied(world: World) -> None:
    CALLS.__init__()  # type: ignore[misc] # as new
    async with world.system.tx() as tx:
        for table in ("inbox", "seen", "mail", "steps", "tasks", "handlers", "sources"):
            await tx.execute_sql(f"delete from webhook_{table}")  # noqa: S608 - names of ours


def later(world: World, seconds: float) -> None:
    world.system.clock.advance(seconds)  # type: ignore[attr-defined] # the clock of this world is moved by hand


async def push(
    world: World, *bodies: Any, event: str = "push", tenant: str = TEN, at: tuple[Seen, str] | None = None
) -> Seen:
    seen, token = at or await world.source(tenant)
    for body in bodies:
        later(world, 0.01)
        headers = {"x_github_event": event, "x_github_delivery": ids.new("dlv")}
        assert (await world.push(tenant, seen, token, json.dumps(body).encode(), **headers)).status == 200
    await routing.route(world.scope(tenant), seen.source.id)
    return seen


async def only(world: World, tenant: str = TEN) -> looking.Whole:
    rows = await world.rows("select tenant_id, id from webhook_inbox order by id desc")
    return await looking.delivery(world.scope(tenant), next(row["id"] for row in rows if row["tenant_id"] == tenant))


def states(whole: looking.Whole) -> dict[str, str]:
    return {row["handler"]: row["state"] for row in whole.tasks}


async def published(world: World, kind: str = "webhook.received") -> list[dict[str, Any]]:
    rows = await world.rows("select tenant_id, type, body from events order by 1")
    return [row["body"] for row in rows if row["type"] == kind]


async def test_the_lower_priority_number_begins_earlier_and_its_failure_holds_nobody_up(world: World) -> None:
    CALLS.failing = {"first"}
    await push(world, {"n": 1})
    await world.work(TEN)
    assert CALLS.names == ["first", "second"]
    whole = await only(world)
    assert (states(whole), whole.delivery.state) == ({"first": "waiting", "second": "done"}, "waiting")
    assert next(row["result"] for row in whole.tasks if row["handler"] == "second") == {"seen": {"n": 1}}
    CALLS.failing = set()
    later(world, 10)
    await world.work(TEN)
    whole = await only(world)
    assert (CALLS.names, whole.delivery.state) == (["first", "second", "first"], "done")
    told = [(step["what"], step["outcome"]) for step in whole.steps]
    assert (sorted(told[:2]), told[2]) == ([("first", "failed"), ("second", "done")], ("first", "done"))


async def test_PA_03_a_text_that_the_log_cannot_hold_is_forwarded_and_delays_no_other_delivery(world: World) -> None:
    await rules.add(world.scope(TEN), RULE | {"pattern": "github.push"})
    await push(world, {"by": "\x00", "to\x00": 1}, {"n": 2})
    await world.work(TEN)
    bodies = [body["payload"] for body in await published(world)][-2:]
    assert sorted(bodies, key=str) == [{"by": "\ufffd", "to\ufffd": 1}, {"n": 2}]
    assert set(states(await only(world)).values()) == {"done"}
    assert CALLS.told[0][1].payload == {"by": "\x00", "to\x00": 1}


async def test_each_handler_has_its_own_schedule_and_dead_letter_and_is_retried_alone(world: World) -> None:
    CALLS.failing = {"second"}
    await push(world, {"n": 1})
    for _ in range(3):
        await world.work(TEN)
        later(world, 5)
    whole = await only(world)
    assert (states(whole), whole.delivery.state) == ({"first": "done", "second": "dead"}, "dead")
    dead = await world.rows("select body from events where type = 'webhook.dead'")
    assert dead[-1]["body"]["handler"] == "second"
    CALLS.told.clear()
    CALLS.failing = set()
    with pytest.raises(NotRetryable):
        await looking.retry(world.scope(TEN), whole.delivery.id, "first")
    await looking.retry(world.scope(TEN), whole.delivery.id, "second")
    await world.work(TEN)
    assert (CALLS.names, (await only(world)).delivery.state) == (["second"], "done")
    await looking.retry(world.scope(TEN), whole.delivery.id)
    await world.work(TEN)
    assert CALLS.names == ["second", "first", "second"]


async def test_a_function_that_was_cancelled_from_within_failed_and_ends_no_worker(world: World) -> None:
    CALLS.cancelled = {"first"}
    await push(world, {"n": 1}, {"n": 2})
    await world.work(TEN)
    assert sorted(CALLS.names) == ["first", "first", "second", "second"]
    whole = await only(world)
    assert states(whole) == {"first": "waiting", "second": "done"}
    assert "cancelled" in next(row["reason"] for row in whole.tasks if row["handler"] == "first")


async def test_a_slow_function_is_ended_and_holds_no_other_handler_up(world: World) -> None:
    CALLS.slow = {"first"}
    await push(world, {"n": 1})
    await world.work(TEN)
    whole = await only(world)
    assert states(whole) == {"first": "waiting", "second": "done"}
    assert "longer than 0.05 s" in str(whole.tasks[0]["reason"])


async def test_what_ends_its_worker_is_taken_up_alone_and_the_others_survive_it(world: World) -> None:
    await push(world, {"n": 1}, {"n": 2}, {"n": 3}, event="ordered")
    scope, key = world.scope(TEN), f"{(await only(world)).delivery.source_id}/ordered"
    async with world.system.tx() as tx:
        await tx.execute_sql("update webhook_tasks set lane = null")
    lease = timedelta(seconds=60)
    async with scope.tx() as tx:
        held = await tasks.claim(tx, (TEN, key), (scope.now, lease), limit=10, dropped=False)
    assert len(held) == 3
    later(world, 61)
    async with scope.tx() as tx:
        span = (scope.now, lease)
        assert await tasks.claim(tx, (TEN, key), span, limit=10, dropped=False) == []
        alone = await tasks.claim(tx, (TEN, key), span, limit=1, dropped=True)
    assert [row["attempts"] for row in alone] == [2]
    # the first worker wakes up: what is not its own any more it cannot end
    ended = [
        tasks.Ended(row["delivery_id"], "ordered", row["attempts"], "done", 0, None, None, None, None, scope.now)
        for row in held
    ]
    async with scope.tx() as tx:
        theirs, _ = await tasks.finish(tx, TEN, ended, scope.now)
    assert {id_ for id_, _ in theirs} == {row["delivery_id"] for row in held} - {alone[0]["delivery_id"]}
    later(world, 61)
    await world.work(TEN)
    assert {row["state"] for row in await world.rows("select state from webhook_inbox")} == {"done"}


async def test_in_order_within_a_lane_even_over_failures(world: World) -> None:
    CALLS.failing = {"ordered"}
    await push(world, *({"n": n} for n in range(4)), event="ordered")
    await world.work(TEN)
    assert [told.payload["n"] for _, told in CALLS.told] == [0]
    CALLS.failing = set()
    later(world, 10)
    await world.work(TEN)
    assert [told.payload["n"] for _, told in CALLS.told] == [0, 0, 1, 2, 3]
    assert [told.attempt for _, told in CALLS.told] == [1, 2, 1, 1, 1]


async def test_a_replay_stands_behind_what_comes_in_meanwhile_within_a_lane_too(world: World) -> None:
    scope, place = world.scope(TEN), await world.source(TEN)
    await push(world, *({"n": n} for n in range(3)), event="ordered", at=place)
    await world.work(TEN)
    CALLS.told.clear()
    now = world.system.now
    begun = await replaying.begin(scope, Filters(since=now - timedelta(days=1), until=now + timedelta(days=1)))
    await replaying.carry_on(scope, begun["id"])
    # one of the replayed ones is under way when the next one comes in: in a lane nothing is worked off beside another
    (row,) = await world.rows("select distinct key from webhook_tasks where state = 'waiting'")
    async with scope.tx() as tx:
        span = (scope.now, timedelta(minutes=1))
        first = await tasks.claim(tx, (TEN, row["key"]), span, limit=1, dropped=False)
    assert len(first) == 1
    await push(world, {"n": 3}, {"n": 4}, event="ordered", at=place)
    await world.work(TEN)
    assert CALLS.told == []
    later(world, 61)
    await world.work(TEN)
    assert [(told.payload["n"], told.replayed) for _, told in CALLS.told] == [
        (0, True), (3, False), (4, False), (1, True), (2, True)
    ]  # fmt: skip


async def test_forwarding_publishes_what_the_filters_let_through_as_the_transformations_shape_it(world: World) -> None:
    scope = world.scope(TEN)
    shape = {"filter": "amount > `10`", "transform": "{total: amount, buyer: buyer.name}", "pattern": "github.sale"}
    await rules.add(scope, {**RULE, **shape})
    seen = await push(world, {"amount": 5}, {"amount": 50, "buyer": {"name": "An", "phone": "1"}}, event="sale")
    await world.work(TEN)
    rows = await world.rows("select state, reason from webhook_inbox order by id")
    assert [row["state"] for row in rows] == ["ignored", "done"]
    assert rows[0]["reason"] == "The handlers' filters leave it out."
    sent = (await published(world))[-1]
    assert (sent["payload"], sent["event"], sent["hops"]) == ({"total": 50, "buyer": "An"}, "github.sale", 1)
    assert sent["sourceId"] == seen.source.id


async def test_WH_13_a_simulated_delivery_reaches_the_handlers_only_when_that_is_asked_for(world: World) -> None:
    scope = world.scope(TEN)
    await rules.add(scope, RULE)
    seen, _ = await world.source()
    for handlers in (False, True):
        before = len(await published(world))
        other = {"x-github-delivery": f"simulated-{handlers}"}
        wish = simulating.Wish("push", json.dumps({"asked": handlers}), other, handlers=handlers)
        taken = await simulating.simulate(scope, seen.source.id, wish)
        await routing.route(scope, seen.source.id)
        await world.work(TEN)
        whole = await looking.delivery(scope, taken.id or "")
        assert (whole.delivery.simulated, whole.delivery.state) == (True, "done" if handlers else "ignored")
        assert [body["simulated"] for body in (await published(world))[before:]] == [True] * handlers
        later(world, 1)
    assert CALLS.names == ["first", "second"]


async def test_a_sources_own_filter_and_transformation_are_for_every_handler(world: World) -> None:
    seen, token = await world.source(filter="ref == 'main'", transform="{only: n}")
    for number, ref in enumerate(("main", "other")):
        body = json.dumps({"ref": ref, "n": number}).encode()
        await world.push(TEN, seen, token, body, x_github_event="push", x_github_delivery=str(number))
        later(world, 0.01)
    await routing.route(world.scope(TEN), seen.source.id)
    await world.work(TEN)
    assert [told.payload for _, told in CALLS.told] == [{"only": 0}, {"only": 0}]
    rows = await world.rows("select reason from webhook_inbox where state = 'ignored'")
    assert [row["reason"] for row in rows] == ["The source's filter leaves it out."]
    cleared = await managing.change(world.scope(TEN), seen.source.id, {"filter": None})
    assert (cleared.source.filter, cleared.source.transform) == (None, "{only: n}")


async def test_a_transformation_that_does_not_fit_fails_by_schedule_and_is_forwarded_once_it_is_mended(
    world: World,
) -> None:
    scope = world.scope(TEN)
    made = await rules.add(scope, {**RULE, "transform": "sum(lines)", "pattern": "github.sale"})
    await push(world, {"lines": "none"}, event="sale")
    before = len(await published(world))
    await world.work(TEN)
    whole = await only(world)
    assert (whole.delivery.state, "does not fit this body" in str(whole.delivery.reason)) == ("waiting", True)
    await rules.change(scope, made["id"], {"transform": None})
    later(world, 10)
    await world.work(TEN)
    assert ((await only(world)).delivery.state, len(await published(world))) == ("done", before + 1)


async def test_a_removed_handler_drops_what_it_had_to_do(world: World) -> None:
    scope = world.scope(TEN)
    made = await rules.add(scope, {**RULE, "pattern": "github.sale"})
    await push(world, {"n": 1}, event="sale")
    await rules.remove(scope, made["id"])
    await world.work(TEN)
    assert (await only(world)).delivery.reason == "The handler was removed."
    with pytest.raises(HandlerNotFound):
        await rules.remove(scope, made["id"])
    with pytest.raises(HandlerNotFound):
        await rules.handler(world.scope("ten_two"), made["id"])


async def test_WH_14_two_tenants_that_forward_to_each_other_are_stopped_at_the_fifth_pass(world: World) -> None:
    names = ("ten_one", "ten_two")
    key = Secret("whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    sources = {}
    for name in names:
        await rules.add(world.scope(name), {**RULE})
        sources[name] = await world.source(name, provider="standard_webhooks", secret=key)
    message: dict[str, Any] = {"type": "order.paid", "data": {"id": 1}}
    passes = 0
    for turn in range(10):
        name = names[turn % 2]
        seen, token = sources[name]
        later(world, 0.01)
        answer = await world.push(name, seen, token, json.dumps({**message, "turn": turn}).encode())
        assert answer.status < 300
        before = len(await published(world))
        await routing.route(world.scope(name), seen.source.id)
        await world.work(name)
        sent = (await world.rows("select body from events where type = 'webhook.received' order by id"))[before:]
        if not sent:
            break
        passes += 1
        message = {"type": "webhook.received", "data": sent[-1]["body"]}
    assert passes == 5
    assert len(await published(world, "webhook.loop_stopped")) == 1


async def test_MA_04_of_two_changes_at_once_to_a_handler_or_a_source_none_is_lost(world: World) -> None:
    scope = world.scope(TEN)
    rule = str((await rules.add(scope, RULE))["id"])
    seen, _ = await world.source(TEN)
    for number in range(4):
        fields: list[dict[str, Any]] = [{"name": f"Name {number}"}, {"paused": number % 2 == 0}]
        await asyncio.gather(*(rules.change(scope, rule, one) for one in fields))
        await asyncio.gather(*(managing.change(scope, seen.source.id, one) for one in fields))
        kept = await rules.handler(scope, rule)
        source = (await managing.source(scope, seen.source.id)).source
        assert {"name": kept["name"], "paused": kept["paused"]} == fields[0] | fields[1]
        assert {"name": source.name, "paused": source.paused} == fields[0] | fields[1]
    assert kept["version"] == 9
    told = await world.rows("select before from events where type = 'webhook_handler.changed'")
    assert {"name": "Name 2"} in [row["before"] for row in told]


async def test_RL_05_handlers_are_counted_checked_and_listed(world: World) -> None:
    scope = world.scope(TEN)
    for wrong in (
        {"filter": "a["},
        {"transform": "x" * 3000},
        {"pattern": ""},
        {"retries": [0]},
        {"retries": [1] * 99},
    ):
        with pytest.raises(Invalid):
            await rules.add(scope, {**RULE, **wrong})
    made = await asyncio.gather(*(rules.add(scope, RULE) for _ in range(8)), return_exceptions=True)
    assert sum(isinstance(one, TooManyHandlers) for one in made) == 5
    with pytest.raises(TooManyHandlers) as refused:
        await rules.add(scope, RULE)
    assert refused.value.details == {"limit": 3}
    assert await caps.shown(scope, "webhooks_in.handlers") == (3, 3)
    assert len((await rules.handlers(scope, Ask())).items) == 3
    assert (await rules.handlers(world.scope("ten_two"), Ask())).items == []
