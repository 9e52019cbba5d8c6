"""What was missed comes again: recoveries that outlive their worker, dead letters, and those who read instead."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime, timedelta

import asyncpg
import pytest
import pytest_asyncio
from tests.given import vault as given_vault
from tests.given import webhooks_out as given
from tests.given.edge import Edge
from tests.house_database import Copy

from isthmus.engine import bus
from isthmus.engine.bus import Bus, Place
from isthmus.engine.db import Database, DatabaseUnavailable, Tx
from isthmus.features.webhooks_out import jobs
from isthmus.features.webhooks_out.model import Draft, Endpoint
from isthmus.features.webhooks_out.routes import ROUTES
from isthmus.features.webhooks_out.service import deliveries, endpoints, fanning, planning, publishing, recovering
from isthmus.features.webhooks_out.service.deliveries import DeliveryFilters
from isthmus.kit.paging import Ask
from isthmus.scope import Scope, System

TENANT = "ten_a"


@pytest_asyncio.fixture
async def system(database: Database, copied: Copy) -> AsyncIterator[System]:
    async with given.process(database) as made:
        yield made
    await given.clear(copied)


@pytest_asyncio.fixture
async def scope(system: System) -> Scope:
    return given_vault.scope(system, TENANT)


async def _endpoint(scope: Scope, url: str) -> Endpoint:
    return (await endpoints.create(scope, Draft(url=url, types=["shelf.filled"]), verify=False)).endpoint


async def _in_state(scope: Scope, state: str) -> list[str]:
    return [row["id"] for row in (await deliveries.listing(scope, Ask(100), DeliveryFilters(state=state))).items]


async def _settled(scope: Scope, state: str, count: int) -> None:
    async with asyncio.timeout(60):
        while True:
            if len(await _in_state(scope, state)) == count:
                return
            await asyncio.sleep(0.03)


async def test_a_recovery_whose_worker_dies_goes_on_from_its_place_and_brings_each_once(
    system: System, scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with given.sink() as sink:
        endpoint = await _endpoint(scope, sink.url)
        async with system.tx() as tx:
            await tx.execute_sql("update webhook_endpoints set state = 'disabled'")
        await given.emit(scope, *range(9))
        await fanning.fan_out_once(system)
        await endpoints.change(scope, endpoint.id, {"state": "active"})
        begun = await recovering.recover(scope, endpoint.id, scope.now - timedelta(hours=1), None)
        monkeypatch.setattr(recovering, "_STEP", 4)
        steps = 0

        async def dies(tx: Tx, tenant_id: str, endpoint_id: str, now: datetime) -> bool:
            nonlocal steps
            steps += 1
            if steps == 2:
                raise DatabaseUnavailable
            return await advance(tx, tenant_id, endpoint_id, now)

        advance = planning.advance
        monkeypatch.setattr(planning, "advance", dies)
        with pytest.raises(DatabaseUnavailable):
            await jobs.recover(scope, begun["id"])
        half = await recovering.recovery(scope, begun["id"])
        assert (half["state"], half["found"]) == ("running", 4)
        async with system.tx() as tx:
            wakes = await jobs.missing(system, tx)
        assert [(wake.job, wake.key, wake.tenant_id) for wake in wakes] == [(recovering.RECOVER, begun["id"], TENANT)]
        await jobs.recover(scope, wakes[0].key)
        await jobs.recover(scope, wakes[0].key)
        done = await recovering.recovery(scope, begun["id"])
        assert (done["state"], done["found"]) == ("done", 9)
        async with system.tx() as tx:
            assert await jobs.missing(system, tx) == []
        async with given.working(system):
            await _settled(scope, "delivered", 9)
    assert len({head["webhook-id"] for head in sink.heads}) == len(sink.heads) == 9
    assert {head["isthmus-replay"] for head in sink.heads} == {"true"}


async def test_RL_08_a_recovery_goes_no_further_in_a_process_that_stops_and_asks_to_be_taken_up_elsewhere(
    system: System, scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with given.sink() as sink:
        endpoint = await _endpoint(scope, sink.url)
        async with system.tx() as tx:
            await tx.execute_sql("update webhook_endpoints set state = 'disabled'")
        await given.emit(scope, *range(9))
        await fanning.fan_out_once(system)
        begun = await recovering.recover(scope, endpoint.id, scope.now - timedelta(hours=1), None)
        monkeypatch.setattr(recovering, "_STEP", 4)
        async with system.tx() as tx:
            await tx.execute_sql("delete from queue.pgqueuer")
        system.engine.queue.stopping.set()
        await jobs.recover(scope, begun["id"])
        half = await recovering.recovery(scope, begun["id"])
        assert (half["state"], half["found"]) == ("running", 4)
        async with system.tx() as tx:
            waiting = await tx.fetch_sql("select entrypoint, convert_from(payload, 'UTF8') as told from queue.pgqueuer")
        assert [(row["entrypoint"], begun["id"] in row["told"]) for row in waiting] == [(recovering.RECOVER, True)]


async def test_a_recovery_takes_what_was_missed_in_its_window_and_nothing_else(system: System, scope: Scope) -> None:
    async with given.sink() as sink:
        endpoint = await _endpoint(scope, sink.url)
        await given.emit(scope, *range(6))
        await fanning.fan_out_once(system)
        async with system.tx() as tx:
            await tx.execute_sql(
                "update webhook_deliveries set state = case number % 3 when 0 then 'dead' when 1 then 'missed'"
                " else 'delivered' end, next_at = null,"
                " created_at = created_at - (case when number % 2 = 0 then interval '2 hours' else '0' end)"
            )
            rows = await tx.fetch_sql("select id, number from webhook_deliveries")
        wanted = {row["id"] for row in rows if row["number"] % 3 != 2 and row["number"] % 2}
        begun = await recovering.recover(scope, endpoint.id, scope.now - timedelta(hours=1), None)
        await jobs.recover(scope, begun["id"])
        assert set(await _in_state(scope, "pending")) == wanted


async def test_a_dead_letter_is_looked_at_and_sent_again(system: System, scope: Scope) -> None:
    async with given.sink(status=410) as sink, given.working(system):
        endpoint = await _endpoint(scope, sink.url)
        await given.emit(scope, 7)
        await _settled(scope, "dead", 1)
        (dead,) = await _in_state(scope, "dead")
        found = await deliveries.inspect(scope, dead)
        assert (found.message or {})["data"] == {"n": 7}
        assert [(one["status"], one["error"]) for one in found.attempts] == [(410, None)]
        sink.status = 200
        await endpoints.change(scope, endpoint.id, {"state": "active"})
        await deliveries.retry(scope, dead)
        await _settled(scope, "delivered", 1)
        assert len((await deliveries.inspect(scope, dead)).attempts) == 2
    assert sink.bodies[0] == sink.bodies[1]


async def test_the_stream_tells_what_polling_tells_from_any_place_on(
    system: System, scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isthmus.engine.bus.bus._POLL", 0.1)
    await given.emit(scope, 1, 2, 3)
    await given.emit(scope, 4, kind=given.Dusted)
    polled = await publishing.poll(scope, None, ["shelf.*"], 10)
    told: list[tuple[str, str]] = []

    async def read(after: str | None, count: int) -> None:
        told.clear()
        async with aclosing(publishing.follow(scope, after, ["shelf.*"])) as news:
            async for place, message in news:
                told.append((place, message.id))
                if len(told) == count:
                    return

    await asyncio.wait_for(read("0-", 3), 10)
    assert [id_ for _, id_ in told] == [message.id for message in polled.messages]
    resumed = told[0][0]
    await asyncio.wait_for(read(resumed, 2), 10)
    assert [id_ for _, id_ in told] == [message.id for message in polled.messages[1:]]
    waiting = asyncio.create_task(read(None, 1))
    await asyncio.sleep(0.1)
    await given.emit(scope, 5)
    await asyncio.wait_for(waiting, 10)
    (last,) = (await publishing.poll(scope, polled.next, ["shelf.*"], 10)).messages
    assert [id_ for _, id_ in told] == [last.id]


async def test_a_repeated_request_with_its_key_publishes_once(system: System) -> None:
    edge = Edge(system, *ROUTES)
    path = "/api/webhooks/event-types/custom.order"
    assert (await edge.call("PUT", path, json={"data_schema": {}})).status_code == 200
    event = {"type": "custom.order", "subject": "ord_1", "data": {"n": 1}}
    for key in ("one", "one", "other"):
        answer = await edge.call("POST", "/api/events", json=event, headers={"idempotency-key": key})
        assert answer.status_code == 202
    other = await edge.call("POST", "/api/events", json={**event, "data": {}}, headers={"idempotency-key": "one"})
    assert other.status_code in (409, 422)
    items = (await edge.get("/api/events", query={"types": "custom.*"})).json()["items"]
    assert [one["data"] for one in items] == [{"n": 1}, {"n": 1}]


async def test_whoever_asks_now_and_then_keeps_up_and_who_was_away_too_long_is_told(
    system: System, scope: Scope, copied: Copy
) -> None:
    await given.emit(scope, 1)
    first = await publishing.poll(scope, None, [], 10)
    await given.emit(given_vault.scope(system, "ten_b"), 2)
    assert (await publishing.poll(scope, first.next, [], 10)).next == first.next
    admin = await asyncpg.connect(copied.admin_url)
    later = Place.of((await publishing.poll(given_vault.scope(system, "ten_b"), None, [], 10)).next)
    await admin.execute(
        "truncate bus_days; insert into bus_days (day, xid) values (current_date - 40, '1'),"  # noqa: S608 - a number
        f" (current_date, '{later.xid}')"
    )
    fresh = Edge(System(replace(system.engine, bus=Bus(system.engine.database))), *ROUTES)
    # What happened to this tenant is forty days ago: it is given a place of today.
    moved = (await fresh.get("/api/events", query={"after": first.next})).json()
    assert (moved["items"], Place.of(moved["next"]) >= later) == ([], True)
    old = {"after": first.next}
    async with scope.tx() as tx:
        await bus.keep(tx, 30)
    answer = await fresh.get("/api/events", query=old)
    assert (answer.status_code, answer.json()["error"]["code"]) == (410, "WEBHOOK_EVENTS_FORGOTTEN")
    for kept in ({"after": moved["next"]}, {}):
        assert (await fresh.get("/api/events", query=kept)).status_code == 200
    assert (await fresh.get("/api/events", query=old, tenant="ten_b")).status_code == 200
    await admin.execute("truncate bus_days, event_retention")
    await admin.close()
