"""Connections are read by themselves: at their times, once, parked while nobody can sign in."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from tests.journeys.deployment import Deployment, Merchant

from isthmus.engine.db import Tx
from isthmus.features import connections
from isthmus.features.schedules import service
from isthmus.kit.permissions import system


async def _settings(running: Deployment, amy: Merchant, connection: str) -> dict[str, str]:
    """What the connector of a connection is told of its merchant's choices."""
    scope = running.platform.scope(amy.tenant_id, system(amy.tenant_id, "journeys"))
    async with connections.session(scope, connection) as opened:
        return dict(opened.account.settings)


async def _config(amy: Merchant, connection: str) -> list[dict[str, Any]]:
    answer = await amy.call("GET", f"/api/config/{connection}")
    assert answer.status == 200, answer.body
    return list(answer.body["schedules"])


async def _until(
    amy: Merchant, connection: str, wanted: Callable[[list[dict[str, Any]]], bool]
) -> list[dict[str, Any]]:
    async with asyncio.timeout(60):
        while True:
            found = await _config(amy, connection)
            if wanted(found):
                return found
            await asyncio.sleep(0.1)


async def _due(running: Deployment, connection: str, entity: str) -> None:
    """The clock reaches a schedule's time."""
    async with running.platform.system.tx() as tx:
        await tx.execute_sql(
            "update schedules set next_at = $3 where connection_id = $1 and entity = $2 and mode = 'incremental'",
            *(connection, entity, running.platform.system.now - timedelta(days=3)),
        )


async def test_a_new_connection_is_read_by_itself_and_missed_turns_are_one_run(running: Deployment) -> None:
    amy, connection = await running.owner("tiki")
    found = await _until(amy, connection, bool)
    assert {(one["entity"], one["mode"]) for one in found} >= {("products", "incremental"), ("products", "full")}
    body = {"schedules": [{"entity": "products", "everySeconds": 3600, "timeZone": "Asia/Ho_Chi_Minh"}]}
    (set_,) = (await amy.call("PUT", f"/api/config/{connection}", body)).body["schedules"]
    assert (set_["everySeconds"], set_["state"]) == (3600, "active")
    await _due(running, connection, "products")
    await asyncio.gather(*(service.tick(running.platform.system) for _ in range(3)))
    (going,) = await _until(amy, connection, lambda known: known[0]["lastRunId"] is not None)
    ended = await amy.finished(going["lastRunId"])
    assert ended["state"] == "succeeded"
    runs = (await amy.call("GET", f"/api/sync/runs?connectionId={connection}")).body["items"]
    assert [run["requestedBy"].split(":")[0] for run in runs].count("system") == 1
    assert going["nextAt"] > going["lastAt"]


async def test_pausing_stops_and_resuming_starts_what_came_due_once(running: Deployment) -> None:
    amy, connection = await running.owner("lazada")
    body = {
        "schedules": [{"entity": "products", "cron": "0 3 * * *", "blackout": [{"start": "22:00", "end": "02:00"}]}]
    }
    assert (await amy.call("PUT", f"/api/config/{connection}", body)).status == 200
    (paused,) = (await amy.call("POST", f"/api/config/{connection}/pause", {})).body["schedules"]
    assert (paused["state"], paused["nextAt"]) == ("paused", None)
    await service.tick(running.platform.system)
    (going,) = (await amy.call("POST", f"/api/config/{connection}/resume", {"entity": "products"})).body["schedules"]
    assert going["state"] == "active"
    wrong = await amy.call("PUT", f"/api/config/{connection}", {"schedules": [{"entity": "ships", "everySeconds": 60}]})
    assert (wrong.status, wrong.body["error"]["details"]["fields"][0]["path"]) == (400, "entity")
    none = await amy.call("POST", f"/api/config/{connection}/pause", {"entity": "orders"})
    assert none.body["error"]["code"] == "SCHEDULE_NOT_FOUND"


async def test_schedules_of_several_connections_are_set_at_once_or_not_at_all(running: Deployment) -> None:
    amy, connection = await running.owner("lazada")
    one = {"connectionId": connection, "entity": "products", "everySeconds": 7200}
    answer = await amy.call("PUT", "/api/config", {"schedules": [one]})
    assert (answer.status, [row["everySeconds"] for row in answer.body["schedules"]]) == (200, [7200])
    other = one | {"connectionId": "con_nobodys"}
    refused = await amy.call("PUT", "/api/config", {"schedules": [one | {"everySeconds": 60}, other]})
    assert refused.status == 404
    (kept,) = (await amy.call("GET", "/api/config")).body["schedules"]
    assert kept["everySeconds"] == 7200


async def test_a_dead_sign_in_parks_a_schedule_once_and_a_new_one_lets_it_go_on(running: Deployment) -> None:
    amy, connection = await running.owner("shopee")
    body = {"schedules": [{"entity": "products", "everySeconds": 3600}]}
    assert (await amy.call("PUT", f"/api/config/{connection}", body)).status == 200

    async def expire(tx: Tx, status: str) -> None:
        await tx.execute_sql("update connections set status = $2 where id = $1", connection, status)

    async with running.platform.system.tx() as tx:
        await expire(tx, "expired")
    for _ in range(2):
        await _due(running, connection, "products")
        await service.tick(running.platform.system)
    (parked,) = await _until(amy, connection, lambda known: known[0]["state"] == "parked")
    assert parked["reason"] == "CONNECTION_EXPIRED"
    async with running.platform.system.tx() as tx:
        late = {"tenant_id": amy.tenant_id, "subject": connection, "at": running.platform.system.now}
        await service.connected(tx, late)
    assert (await _config(amy, connection))[0]["state"] == "parked", "what is heard late of an earlier sign-in"
    async with running.platform.system.tx() as tx:
        await expire(tx, "connected")
        event = {"tenant_id": amy.tenant_id, "subject": connection, "at": running.platform.system.now}
        await service.connected(tx, event)
    assert (await _config(amy, connection))[0]["state"] == "active"
    events = (await amy.call("GET", "/api/events?types=schedule.parked")).body["items"]
    assert len(events) == 1


async def test_marketplace_options_and_the_address_for_pushes_belong_to_a_connections_configuration(
    running: Deployment,
) -> None:
    amy, connection = await running.owner("shopee")
    root = f"/api/config/{connection}"
    known = (await amy.call("GET", f"{root}/options")).body
    assert ([one["name"] for one in known["fields"]], known["options"]) == (["hand_over", "stock_location"], {})
    assert all(one["label"] and one["help"] and not one["required"] for one in known["fields"])
    chosen = await amy.call("PUT", f"{root}/options", {"options": {"hand_over": "dropoff"}})
    assert (chosen.status, chosen.body["options"]) == (200, {"hand_over": "dropoff"})
    assert await _settings(running, amy, connection) == {"hand_over": "dropoff"}
    for wrong in ({"colour": "red"}, {"hand_over": "catapult"}):
        refused = await amy.call("PUT", f"{root}/options", {"options": wrong})
        assert (refused.status, refused.body["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert (await amy.call("PUT", f"{root}/options", {"options": {}})).body["options"] == {}
    assert await _settings(running, amy, connection) == {}
    before = (await amy.call("GET", f"{root}/webhook")).body["items"]
    made = await amy.call("POST", f"{root}/webhook", {})
    assert (made.status, made.body["connectionId"], "/hooks/" in made.body["url"]) == (201, connection, True)
    after = (await amy.call("GET", f"{root}/webhook")).body["items"]
    assert (len(after) - len(before), after[-1]["id"], "url" in after[-1]) == (1, made.body["id"], False)
    other = await running.merchant("Other")
    assert (await other.call("GET", f"{root}/webhook")).status == 404
    assert (await other.call("PUT", f"{root}/options", {"options": {}})).status == 404
