"""Scheduled tests of connections: when they are due, what two failures do, and how they heal."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from tests.given.connections import World, world

from isthmus.engine.db import Database
from isthmus.features.connections import session as connections_session
from isthmus.features.connections.feature import FEATURE
from isthmus.features.connections.model import trying as model
from isthmus.features.connections.model.connection import Status
from isthmus.features.connections.service import trying
from isthmus.features.connections.settings import Settings
from isthmus.features.connections.store import connections
from isthmus.features.connections.store import tests as store
from isthmus.kit.clock import SYSTEM


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened(database: Database) -> AsyncIterator[World]:
    async with world(database, test_every=timedelta(hours=6), tests_at_once=3) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def here(opened: World) -> World:
    await opened.clear()
    opened.far.keys = {f"key-{number}": f"acc_{number}" for number in range(6)}
    return opened


async def connect(here: World, number: int = 0, tenant: str = "ten_a") -> str:
    body = {"provider": "keys", "apiKey": f"key-{number}"}
    answer = await here.side(tenant)("POST", "/api/connections", body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def state(here: World, connection: str) -> dict[str, Any]:
    found: dict[str, Any] = (await here.side("ten_a")("GET", f"/api/connections/{connection}")).json()
    return found


async def due(here: World) -> list[tuple[str, str]]:
    async with here.system.tx() as tx:
        return [(wake.job, wake.key) for wake in await trying.missing(here.system, tx)]


async def test_a_connection_is_tried_within_its_hours_and_not_before(here: World) -> None:
    connection = await connect(here)
    job = FEATURE.jobs[trying.JOB]
    scope = here.system.scope("ten_a", "connections")
    counted = here.far.counts["me"]
    assert await due(here) == []
    await job(scope, connection)
    assert here.far.counts["me"] == counted
    here.clock.advance(timedelta(hours=6).total_seconds())
    assert await due(here) == [(trying.JOB, connection)]
    await job(scope, connection)
    await job(scope, connection)
    assert here.far.counts["me"] == counted + 1
    assert await due(here) == []
    assert await here.events("ten_a", "connection.tested") == []


async def test_what_the_far_side_adds_to_an_account_is_kept_by_a_test_that_works(here: World) -> None:
    connection = await connect(here)
    scope = here.system.scope("ten_a", "connections")
    async with scope.tx() as tx:
        held = await connections.by_id(tx, connection)
    assert held is not None
    for extra, works in (({"places": "2"}, True), ({"places": "3"}, False), ({"colour": "red"}, True)):
        async with scope.tx() as tx:
            held = await connections.by_id(tx, connection, lock=True)
            assert held is not None
            await trying._keep(tx, held, trying._Found(works, extra=extra))
    async with connections_session(scope, connection) as opened:
        assert {**opened.account.extra, "places": "2", "colour": "red"} == opened.account.extra


async def test_two_failures_in_a_row_change_the_state_and_one_success_heals(here: World) -> None:
    connection = await connect(here)
    scope = here.system.scope("ten_a", "connections")
    integration = (await state(here, connection))["integrationId"]
    here.far.keys.clear()
    seen = []
    for _ in range(3):
        here.clock.advance(timedelta(hours=7).total_seconds())
        await trying.try_when_due(scope, connection)
        seen.append((await state(here, connection))["status"])
    assert seen == ["connected", "error", "error"]
    shown = (await here.side("ten_a")("GET", f"/api/tenant/integrations/{integration}")).json()
    assert (shown["status"], shown["connectionStatus"]) == ("error", "error")
    assert (await state(here, connection))["statusReason"] == "credentials_refused"
    failing = await here.events("ten_a", "connection.failing")
    assert [one["body"]["error"] for one in failing] == ["credentials_refused"]
    here.far.keys["key-0"] = "acc_0"
    here.clock.advance(timedelta(hours=7).total_seconds())
    await trying.try_when_due(scope, connection)
    assert (await state(here, connection))["status"] == "connected"
    assert len(await here.events("ten_a", "connection.recovered")) == 1


async def test_a_far_side_that_wants_to_be_left_alone_says_nothing_about_the_credentials(here: World) -> None:
    connection = await connect(here)
    scope = here.system.scope("ten_a", "connections")
    for _ in range(2):
        here.clock.advance(timedelta(hours=7).total_seconds())
        here.far.statuses = [429] * 8
        await trying.try_when_due(scope, connection)
    here.far.statuses = []
    assert (await state(here, connection))["status"] == "connected"


async def test_after_a_long_stop_a_few_tests_begin_at_a_time(here: World) -> None:
    made = [await connect(here, number) for number in range(5)]
    here.clock.advance(timedelta(days=3).total_seconds())
    first = await due(here)
    assert len(first) == 3
    assert await due(here) == first
    scope = here.system.scope("ten_a", "connections")
    for _, connection in first:
        await trying.try_when_due(scope, connection)
    assert sorted(await due(here)) == sorted((trying.JOB, one) for one in set(made) - {key for _, key in first})


async def test_a_worker_that_died_with_a_test_leaves_it_due_again_soon(here: World) -> None:
    connection = await connect(here)
    here.clock.advance(timedelta(hours=7).total_seconds())
    scope = here.system.scope("ten_a", "connections")
    async with scope.tx() as tx:
        assert await store.update_claimed(tx, connection, scope.now, scope.now + model.CLAIM)
    assert await due(here) == []
    here.clock.advance(model.CLAIM.total_seconds())
    assert await due(here) == [(trying.JOB, connection)]


async def test_what_is_switched_off_is_not_tried(here: World) -> None:
    connection = await connect(here)
    integration = (await state(here, connection))["integrationId"]
    await here.side("ten_a")("POST", f"/api/tenant/integrations/{integration}/deactivate")
    here.clock.advance(timedelta(hours=7).total_seconds())
    counted = here.far.counts["me"]
    await trying.try_when_due(here.system.scope("ten_a", "connections"), connection)
    assert (here.far.counts["me"], await due(here)) == (counted, [])


async def test_a_far_side_that_hangs_is_told_as_such_before_the_request_of_whoever_asks_ends(here: World) -> None:
    connection = await connect(here)
    parts: Any = here.system.engine.parts
    settings = here.system.engine.part(Settings)
    here.far.silence = asyncio.Event()
    try:
        parts[Settings] = replace(settings, exchange_deadline=timedelta(milliseconds=20))
        asked = (await here.side("ten_a")("POST", f"/api/connections/{connection}/test")).json()
        here.clock.advance(timedelta(hours=7).total_seconds())
        await trying.try_when_due(here.system.scope("ten_a", "connections"), connection)
    finally:
        parts[Settings] = settings
        here.far.silence.set()
        here.far.silence = None
    assert (asked["success"], asked["error"]) == (False, "deadline_exceeded")
    assert [one["body"]["error"] for one in await here.events("ten_a", "connection.tested")] == ["deadline_exceeded"]
    assert (await state(here, connection))["status"] == "error"


@given(st.lists(st.sampled_from([True, False, None])), st.sampled_from([Status.CONNECTED, Status.ERROR]))
def test_only_two_failures_in_a_row_change_a_state(results: list[bool | None], status: Status) -> None:
    failures, row = 0, 0
    for works in results:
        before = status
        step = model.after(status, failures, works=works)
        status, failures = step.status, step.failures
        row = 0 if works else row + (works is False)
        if works:
            assert (status, failures) == (Status.CONNECTED, 0)
        if status is not before:
            assert row >= model.FAILURES or works
        assert failures == row


@given(st.floats(0, 1, exclude_max=True))
def test_the_times_of_tests_spread(chance: float) -> None:
    now, every = SYSTEM.now(), timedelta(hours=6)
    assert timedelta(hours=5.3) < model.next_at(now, every, chance) - now < timedelta(hours=6.7)
    assert timedelta(hours=3) <= model.first_at(now, every, chance) - now <= timedelta(hours=6)


async def test_a_far_side_that_names_no_account_is_told_so_and_is_no_failure_of_ours(here: World) -> None:
    here.far.keys["key-0"] = ""
    refused = await here.side("ten_a")("POST", "/api/connections", {"provider": "keys", "apiKey": "key-0"})
    error = refused.json()["error"]
    assert (refused.status_code, error["code"]) == (502, "CONNECTION_FAILED"), refused.text
    assert (error["details"]["reason"], "whose account" in error["message"]) == ("account_unnamed", True)
    here.far.keys["key-0"] = "acc_0"
    connection = await connect(here)
    here.far.keys["key-0"] = "a\nb"
    asked = (await here.side("ten_a")("POST", f"/api/connections/{connection}/test")).json()
    assert (asked["success"], asked["error"]) == (False, "account_unnamed")
    here.clock.advance(timedelta(hours=7).total_seconds())
    await trying.try_when_due(here.system.scope("ten_a", "connections"), connection)
    assert (await state(here, connection))["status"] == "error"


@pytest.mark.parametrize(
    ("status", "reason", "said"), [(429, "throttled", "slow down"), (500, "transient", "it failed itself")]
)
async def test_whoever_connects_is_told_why_there_was_no_usable_answer(
    here: World, status: int, reason: str, said: str
) -> None:
    here.far.statuses = [status] * 12
    refused = await here.side("ten_a")("POST", "/api/connections", {"provider": "keys", "apiKey": "key-0"})
    here.far.statuses = []
    error = refused.json()["error"]
    assert (refused.status_code, error["code"], error["details"]["reason"]) == (502, "CONNECTION_FAILED", reason)
    assert said in error["message"]


async def test_a_key_that_no_call_can_carry_is_refused_in_plain_words(here: World) -> None:
    refused = await here.side("ten_a")("POST", "/api/connections", {"provider": "keys", "apiKey": "a\nb"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "INVALID_CREDENTIALS")
    assert "line break" in refused.json()["error"]["message"]


async def test_LO_03_a_far_side_that_repeats_a_refused_key_does_not_make_us_show_it(here: World) -> None:
    connection = await connect(here)
    here.far.keys.clear()
    asked = await here.side("ten_a")("POST", f"/api/connections/{connection}/test")
    assert asked.json()["details"]["platformMessage"] == "unauthorized: ***"
    assert "key-0" not in asked.text
