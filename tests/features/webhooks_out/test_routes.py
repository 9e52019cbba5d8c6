"""Endpoints, event types and the event log over HTTP."""

import asyncio
import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import asyncpg
import httpx2
import pytest
import pytest_asyncio
from tests.given import caps
from tests.given import vault as given_vault
from tests.given import webhooks_out as given
from tests.given.edge import Edge
from tests.house_database import Copy

from isthmus.engine.db import Database
from isthmus.features import vault
from isthmus.features.webhooks_out.errors import TooManyEndpoints, TooManyRecoveries, TooManyTypes
from isthmus.features.webhooks_out.model.endpoint import Draft
from isthmus.features.webhooks_out.routes import ROUTES
from isthmus.features.webhooks_out.service import endpoints, fanning, publishing, recovering
from isthmus.features.webhooks_out.store import recoveries as store
from isthmus.kit import ids, webhooks
from isthmus.kit.clock import SYSTEM
from isthmus.kit.permissions import USER
from isthmus.kit.secret import Secret
from isthmus.scope import Scope, System

TENANT = "ten_a"
ENDPOINTS = "/api/webhooks/endpoints"


@pytest_asyncio.fixture
async def system(database: Database, copied: Copy) -> AsyncIterator[System]:
    async with given.process(database) as made:
        yield made
    await given.clear(copied)


@pytest_asyncio.fixture
async def edge(system: System) -> Edge:
    return Edge(system, *ROUTES)


@pytest_asyncio.fixture
async def scope(system: System) -> Scope:
    return given_vault.scope(system, TENANT)


async def test_WH_10_an_endpoint_gets_messages_once_it_answered_a_signed_ping(edge: Edge, scope: Scope) -> None:
    async with given.sink(status=500) as sink:
        made = (await edge.call("POST", ENDPOINTS, json={"url": sink.url})).json()
        endpoint, secret = made["endpoint"], Secret(made["secret"])
        assert endpoint["state"] == "unverified"
        assert webhooks.verify(sink.heads[0], sink.bodies[0], [secret], SYSTEM.now()).startswith("evt_")
        await given.emit(scope, 1)
        await fanning.fan_out_once(System(scope.engine))
        assert (await edge.get("/api/webhooks/deliveries")).json()["items"] == []
        sink.status = 204
        tested = (await edge.call("POST", f"{ENDPOINTS}/{endpoint['id']}/test")).json()
        assert (tested["delivered"], tested["status"], tested["state"]) == (True, 204, "active")
    shown = (await edge.get(f"{ENDPOINTS}/{endpoint['id']}")).text
    assert secret.reveal() not in shown


async def test_RL_05_a_tenant_has_so_many_endpoints_and_no_more_also_when_they_are_made_at_once(
    database: Database, copied: Copy
) -> None:
    async with given.process(database, max_endpoints=3) as few:
        draft = Draft(url="https://hooks.example.com/in")
        makings = (endpoints.create(given_vault.scope(few, "ten_few"), draft, verify=False) for _ in range(8))
        made = await asyncio.gather(*makings, return_exceptions=True)
        assert sum(isinstance(one, endpoints.Made) for one in made) == 3
        refused = [one for one in made if isinstance(one, Exception)]
        assert [type(one) for one in refused] == [TooManyEndpoints] * 5
        assert await caps.shown(given_vault.scope(few, "ten_few"), "webhooks_out.max_endpoints") == (3, 3)
        other = await endpoints.create(given_vault.scope(few, "ten_other"), draft, verify=False)
        assert other.endpoint.id
    await given.clear(copied)


async def test_MA_04_of_changes_at_once_to_an_endpoint_none_is_lost(scope: Scope) -> None:
    made = await endpoints.create(scope, Draft(url="https://hooks.example.com/in"), verify=False)
    for number in range(5):
        wishes = ({"description": f"text {number}"}, {"types": [f"custom.kind_{number}"]}, {"rate": number + 1})
        await asyncio.gather(*(endpoints.change(scope, made.endpoint.id, wish) for wish in wishes))
        kept = await endpoints.get(scope, made.endpoint.id)
        assert {name: getattr(kept, name) for wish in wishes for name in wish} == wishes[0] | wishes[1] | wishes[2]


async def test_RL_05_recoveries_and_event_types_of_a_tenant_keep_to_their_bounds_also_at_once(
    database: Database, copied: Copy
) -> None:
    async with given.process(database, recoveries=2, event_types=2) as few:
        scope = given_vault.scope(few, "ten_few")
        made = await endpoints.create(scope, Draft(url="https://hooks.example.com/in"), verify=False)
        since = scope.now - timedelta(hours=1)
        begun = await asyncio.gather(
            *(recovering.recover(scope, made.endpoint.id, since, None) for _ in range(6)), return_exceptions=True
        )
        refused = [one for one in begun if isinstance(one, TooManyRecoveries)]
        assert [(one.status, one.details) for one in refused] == [(429, {"limit": 2})] * 4
        assert await caps.shown(scope, "webhooks_out.recoveries") == (2, 2)
        running = next(one for one in begun if not isinstance(one, BaseException))
        await recovering.cancel(scope, running["id"])
        await recovering.recover(scope, made.endpoint.id, since, None)
        names = [f"custom.kind_{number}" for number in range(6)]
        kinds = await asyncio.gather(
            *(publishing.register(scope, name, "", {}) for name in names), return_exceptions=True
        )
        assert [type(one) for one in kinds if isinstance(one, BaseException)] == [TooManyTypes] * 4
        assert await caps.shown(scope, "webhooks_out.event_types") == (2, 2)
        known = next(name for name, one in zip(names, kinds, strict=True) if isinstance(one, dict))
        assert (await publishing.register(scope, known, "changed", {}))["description"] == "changed"
    await given.clear(copied)


async def test_WH_10_no_way_leads_past_the_ping(edge: Edge, scope: Scope) -> None:
    async with given.sink(status=500) as sink:
        made = (await edge.call("POST", ENDPOINTS, json={"url": sink.url})).json()["endpoint"]
        path = f"{ENDPOINTS}/{made['id']}"
        maker = (await endpoints.get(scope, made["id"])).maker
        async with scope.engine.database.system() as tx:
            await endpoints.stop_of(tx, TENANT, maker)
        for state in ("paused", "active"):
            assert (await edge.call("PATCH", path, json={"state": state})).status_code == 400
        assert (await edge.get(path)).json()["state"] == "unverified"
        assert (await endpoints.get(scope, made["id"])).maker == ""
        sink.status = 204
        assert (await edge.call("POST", f"{path}/test")).json()["state"] == "active"
        # whoever verifies it takes it over
        assert (await endpoints.get(scope, made["id"])).maker == maker
        assert (await edge.call("PATCH", path, json={"state": "paused"})).json()["state"] == "paused"
        sink.status = 500
        moved = await edge.call("PATCH", path, json={"url": f"{sink.url}/elsewhere"})
        assert moved.json()["state"] == "unverified"
        assert (await edge.call("PATCH", path, json={"state": "active"})).status_code == 400


async def test_WH_12_custom_headers_are_sent_and_never_shown(edge: Edge) -> None:
    async with given.sink() as sink:
        body = {"url": sink.url, "headers": {"X-Shop": "very-secret"}}
        made = await edge.call("POST", ENDPOINTS, json=body)
        assert sink.heads[0]["x-shop"] == "very-secret"
        assert made.json()["endpoint"]["headerNames"] == ["X-Shop"]
        assert "very-secret" not in made.text
        refused = await edge.call("POST", ENDPOINTS, json={"url": sink.url, "headers": {"Host": "a"}})
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "WEBHOOK_ENDPOINT_INVALID")


async def test_SS_01_internal_addresses_are_refused_in_every_spelling(edge: Edge) -> None:
    for url in (
        "https://169.254.169.254/x",
        "https://10.0.0.1/x",
        "https://[64:ff9b::a9fe:a9fe]/",
        "https://2130706433/",
    ):
        answer = await edge.call("POST", ENDPOINTS, json={"url": url})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "WEBHOOK_ENDPOINT_INVALID"), url
    for url in ("http://u:p@a.example/", "ftp://a.example/", "https://", "https://a.example:22/"):
        assert (await edge.call("POST", ENDPOINTS, json={"url": url})).status_code == 400, url


async def test_WH_09_a_rotated_secret_signs_beside_the_old_one_until_the_overlap_ends(edge: Edge) -> None:
    async with given.sink() as sink:
        made = (await edge.call("POST", ENDPOINTS, json={"url": sink.url})).json()
        path = f"{ENDPOINTS}/{made['endpoint']['id']}"
        new = (await edge.call("POST", f"{path}/rotate-secret", json={})).json()["secret"]
        await edge.call("POST", f"{path}/test")
        for secret in (made["secret"], new):
            webhooks.verify(sink.heads[-1], sink.bodies[-1], [Secret(secret)], SYSTEM.now())
        newest = (await edge.call("POST", f"{path}/rotate-secret", json={"overlapSeconds": 0})).json()["secret"]
        await edge.call("POST", f"{path}/test")
        assert len(sink.heads[-1]["webhook-signature"].split(" ")) == 1
        webhooks.verify(sink.heads[-1], sink.bodies[-1], [Secret(newest)], SYSTEM.now())


async def test_WH_09_the_private_key_of_an_asymmetric_endpoint_never_leaves(edge: Edge) -> None:
    async with given.sink() as sink:
        answer = await edge.call("POST", ENDPOINTS, json={"url": sink.url, "scheme": "v1a"})
        made = answer.json()
        assert made["secret"] is None
        assert "whsk_" not in answer.text
        webhooks.verify(sink.heads[0], sink.bodies[0], [Secret(made["endpoint"]["publicKey"])], SYSTEM.now())


async def test_VA_09_secrets_are_sealed_anew_and_still_sign(edge: Edge, scope: Scope) -> None:
    async with given.sink() as sink:
        made = (await edge.call("POST", ENDPOINTS, json={"url": sink.url, "headers": {"X-A": "b"}})).json()
        async with scope.engine.database.system() as tx:
            await tx.execute_sql("update data_keys set retired_at = now() where tenant_id = $1", TENANT)
        vault.forget(scope, TENANT)
        assert await endpoints.reseal(scope, None, 100) is None
        await edge.call("POST", f"{ENDPOINTS}/{made['endpoint']['id']}/test")
        webhooks.verify(sink.heads[-1], sink.bodies[-1], [Secret(made["secret"])], SYSTEM.now())
        assert sink.heads[-1]["x-a"] == "b"


async def test_an_endpoint_is_listed_changed_paused_and_deleted(edge: Edge) -> None:
    async with given.sink() as sink:
        made = (await edge.call("POST", ENDPOINTS, json={"url": sink.url, "types": ["shelf.*"]})).json()["endpoint"]
        path = f"{ENDPOINTS}/{made['id']}"
        body = {"state": "paused", "rate": 5, "conditions": [{"field": "data.n", "operator": "gt", "value": 3}]}
        changed = (await edge.call("PATCH", path, json=body)).json()
        assert (changed["state"], changed["rate"], changed["types"]) == ("paused", 5, ["shelf.*"])
        assert changed["conditions"] == [{"field": "data.n", "operator": "gt", "value": 3}]
        assert [one["id"] for one in (await edge.get(ENDPOINTS)).json()["items"]] == [made["id"]]
        assert (await edge.get(ENDPOINTS, tenant="ten_b")).json()["items"] == []
        assert (await edge.get(ENDPOINTS, role=USER)).status_code == 403
        assert (await edge.call("DELETE", path)).status_code == 204
        assert (await edge.get(path)).json()["error"]["code"] == "WEBHOOK_ENDPOINT_NOT_FOUND"


async def test_a_type_that_no_event_has_is_refused_because_nothing_would_ever_come(edge: Edge) -> None:
    async with given.sink() as sink:
        for wrong in ("shelf.fild", "shelv.*", "shelf", "webhook.event_published", "webhook.endpoint_created"):
            body = {"url": sink.url, "types": ["shelf.filled", wrong], "verify": False}
            answer = await edge.call("POST", ENDPOINTS, json=body)
            assert (answer.status_code, answer.json()["error"]["code"]) == (400, "WEBHOOK_ENDPOINT_INVALID"), wrong
            assert wrong in answer.json()["error"]["details"]["fields"][0]["message"]
        fine = {
            "url": sink.url,
            "types": ["*", "shelf.*", "webhook.endpoint_failing", "custom.not_yet"],
            "verify": False,
        }
        made = (await edge.call("POST", ENDPOINTS, json=fine)).json()["endpoint"]
        path = f"{ENDPOINTS}/{made['id']}"
        assert (await edge.call("PATCH", path, json={"types": ["shelf.fild"]})).status_code == 400
        assert (await edge.call("PATCH", path, json={"rate": 3})).json()["types"] == fine["types"]


async def test_an_event_fans_out_once_to_those_who_want_it_with_its_public_body_only(edge: Edge, scope: Scope) -> None:
    async with given.sink() as sink:
        wanted = (await edge.call("POST", ENDPOINTS, json={"url": sink.url, "types": ["shelf.filled"]})).json()
        await edge.call("POST", ENDPOINTS, json={"url": sink.url, "types": ["custom.*"]})
        await given.emit(scope, 1, 2)
        await given.emit(scope, 3, kind=given.Dusted)
        system = System(scope.engine)
        assert await fanning.fan_out_once(system) >= 2
        assert await fanning.fan_out_once(system) == 0
    items = (await edge.get("/api/webhooks/deliveries")).json()["items"]
    assert [(one["endpointId"], one["state"], one["type"]) for one in items] == [
        (wanted["endpoint"]["id"], "pending", "shelf.filled")
    ] * 2
    found = (await edge.get(f"/api/webhooks/deliveries/{items[0]['id']}")).json()
    assert found["message"]["data"] == {"n": 2}
    assert found["message"].keys() == {"id", "type", "timestamp", "subject", "data"}
    assert found["attempts"] == []


async def test_what_a_disabled_endpoint_missed_is_recovered_by_one_call(edge: Edge, scope: Scope) -> None:
    async with given.sink() as sink:
        made = (await edge.call("POST", ENDPOINTS, json={"url": sink.url, "types": ["shelf.filled"]})).json()
    async with scope.tx() as tx:
        await tx.execute_sql("update webhook_endpoints set state = 'disabled' where tenant_id = $1", TENANT)
    await given.emit(scope, *range(7))
    await fanning.fan_out_once(System(scope.engine))
    path = f"{ENDPOINTS}/{made['endpoint']['id']}"
    assert {one["state"] for one in (await edge.get("/api/webhooks/deliveries")).json()["items"]} == {"missed"}
    assert (await edge.call("PATCH", path, json={"state": "active"})).json()["state"] == "active"
    recovery = (await edge.call("POST", f"{path}/recover", json={"since": "2026-01-01T00:00:00Z"})).json()
    await recovering.carry_on(scope, recovery["id"])
    done = (await edge.get(f"/api/webhooks/recoveries/{recovery['id']}")).json()
    assert (done["state"], done["found"]) == ("done", 7)
    items = (await edge.get("/api/webhooks/deliveries", query={"state": "pending"})).json()["items"]
    assert len([one for one in items if one["nextAt"]]) == 7


async def test_recoveries_are_listed_and_a_stopped_one_brings_no_more_than_it_had_found(
    edge: Edge, scope: Scope
) -> None:
    async with given.sink() as sink:
        made = [
            (await edge.call("POST", ENDPOINTS, json={"url": sink.url, "types": ["shelf.filled"]})).json()["endpoint"]
            for _ in range(2)
        ]
    async with scope.tx() as tx:
        await tx.execute_sql("update webhook_endpoints set state = 'disabled' where tenant_id = $1", TENANT)
    await given.emit(scope, *range(7))
    await fanning.fan_out_once(System(scope.engine))
    window = {"since": "2026-01-01T00:00:00Z"}
    begun = [
        (await edge.call("POST", f"{ENDPOINTS}/{made[which]['id']}/recover", json=window)).json()["id"]
        for which in (0, 1, 0)
    ]
    path = "/api/webhooks/recoveries"
    # one step is done when somebody stops it
    async with scope.tx() as tx:
        row = await store.recovery(tx, begun[0], locked=True)
        assert row is not None
        step = await store.recover(tx, row, 3)
        await store.move(tx, begun[0], step["last"], step["lost"])
    ended = (await edge.call("POST", f"{path}/{begun[0]}/cancel")).json()
    assert (ended["state"], ended["found"], ended["doneAt"] is None) == ("cancelled", 3, False)
    await recovering.carry_on(scope, begun[0])
    assert (await edge.get(f"{path}/{begun[0]}")).json() == ended
    # once more changes nothing, and neither does it what is done
    assert (await edge.call("POST", f"{path}/{begun[0]}/cancel")).json() == ended
    await recovering.carry_on(scope, begun[1])
    assert (await edge.call("POST", f"{path}/{begun[1]}/cancel")).json()["state"] == "done"
    async with scope.tx() as tx:
        told = await tx.fetch_sql("select body from events where type = 'webhook.recovery_cancelled'")
    assert [row["body"]["recoveryId"] for row in told] == [begun[0]]
    page = (await edge.get(path, query={"limit": 2})).json()
    rest = (await edge.get(path, query={"limit": 2, "cursor": page["nextCursor"]})).json()
    assert [one["id"] for one in page["items"] + rest["items"]] == begun[::-1]
    assert [one["state"] for one in page["items"] + rest["items"]] == ["running", "done", "cancelled"]
    of_one = (await edge.get(path, query={"endpointId": made[1]["id"]})).json()["items"]
    assert [one["id"] for one in of_one] == [begun[1]]
    missing = await edge.call("POST", f"{path}/{ids.new('rcv')}/cancel")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "WEBHOOK_RECOVERY_NOT_FOUND")


async def test_event_types_have_schemas_and_a_tenant_may_add_its_own(edge: Edge) -> None:
    path = "/api/webhooks/event-types"
    own = {"description": "Paid.", "dataSchema": {"type": "object", "required": ["amount"]}}
    assert (await edge.call("PUT", f"{path}/custom.order.paid", json=own)).status_code == 200
    assert (await edge.call("PUT", f"{path}/listing.updated", json=own)).status_code == 400
    found = {one["type"]: one for one in (await edge.get(path)).json()["items"]}
    assert found["shelf.filled"]["schema"]["properties"]["data"]["properties"] == {"n": {"type": "integer"}}
    assert found["custom.order.paid"]["schema"]["properties"]["data"]["required"] == ["amount"]
    assert "shelf.dusted" not in found
    assert "custom.order.paid" not in (await edge.get(path, tenant="ten_b")).text
    assert (await edge.call("DELETE", f"{path}/custom.order.paid")).status_code == 204


async def test_the_log_is_polled_in_commit_order_without_gaps(edge: Edge, scope: Scope) -> None:
    await edge.call("PUT", "/api/webhooks/event-types/custom.paid", json={})
    assert (await edge.call("POST", "/api/events", json={"type": "custom.unknown"})).status_code == 404
    told: list[str] = []
    for number in range(5):
        await given.emit(scope, number)
        body = {"type": "custom.paid", "subject": f"ord_{number}", "data": {"n": number}}
        answer = await edge.call("POST", "/api/events", json=body)
        assert answer.status_code == 202
        told.append(answer.json()["id"])
    seen, after = [], None
    while True:
        query = {"limit": 3, **({"after": after} if after else {})}
        page = (await edge.get("/api/events", query=query)).json()
        seen += [(one["type"], one["data"]["n"]) for one in page["items"]]
        after = page["next"]
        if not page["hasMore"]:
            break
    assert seen == [(kind, number) for number in range(5) for kind in ("shelf.filled", "custom.paid")]
    assert (await edge.get("/api/events", query={"after": after})).json()["items"] == []
    only = (await edge.get("/api/events", query={"types": "custom.*"})).json()["items"]
    assert [one["id"] for one in only] == told
    assert (await edge.get("/api/events", query={"after": "nonsense"})).status_code == 400
    assert (await edge.get("/api/events", tenant="ten_b")).json()["items"] == []


async def test_what_is_published_keeps_to_its_schema_and_another_schema_is_another_version(edge: Edge) -> None:
    path = "/api/webhooks/event-types/custom.order.paid"
    schema = {"type": "object", "required": ["amount"], "properties": {"amount": {"type": "number"}}}
    first = (await edge.call("PUT", path, json={"dataSchema": schema})).json()
    same = (await edge.call("PUT", path, json={"dataSchema": schema, "description": "Paid."})).json()
    other = (await edge.call("PUT", path, json={"dataSchema": {**schema, "required": []}})).json()
    assert (first["version"], same["version"], other["version"]) == (1, 1, 2)
    await edge.call("PUT", path, json={"dataSchema": schema})
    event = {"type": "custom.order.paid", "data": {"amount": "much"}}
    refused = await edge.call("POST", "/api/events", json=event)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "WEBHOOK_EVENT_INVALID")
    assert refused.json()["error"]["details"]["fields"][0]["path"] == "data.amount"
    assert (await edge.call("POST", "/api/events", json={**event, "data": {"amount": 3}})).status_code == 202
    costly = await edge.call("PUT", path, json={"dataSchema": {"properties": {"a": {"pattern": "(a+)+$"}}}})
    assert (costly.status_code, costly.json()["error"]["code"]) == (400, "WEBHOOK_SCHEMA_INVALID")
    assert (await edge.call("DELETE", path)).status_code == 204


async def test_a_tenant_chooses_for_how_long_its_deliveries_and_events_are_kept(edge: Edge) -> None:
    path = "/api/webhooks/settings/retention"

    def days(answer: httpx2.Response) -> tuple[int, int | None]:
        return answer.json()["days"], answer.json()["eventDays"]

    assert days(await edge.get(path)) == (30, 100)
    assert days(await edge.call("PUT", path, json={"days": 7})) == (7, 100)
    assert days(await edge.call("PUT", path, json={"days": 7, "eventDays": 3})) == (7, 3)
    assert days(await edge.get(path)) == (7, 3)
    assert days(await edge.get(path, tenant="ten_b")) == (30, 100)
    assert (await edge.get(path, role=USER)).status_code == 403
    for wrong in ({"days": 400}, {"days": 7, "eventDays": 101}):
        refused = await edge.call("PUT", path, json=wrong)
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "WEBHOOK_RETENTION_INVALID")
    assert days(await edge.call("PUT", path, json={"days": 30})) == (30, 100)


@pytest.mark.parametrize("of_endpoint", [True, False], ids=["of an endpoint", "of all"])
async def test_deliveries_are_paged_newest_first(edge: Edge, scope: Scope, of_endpoint: bool) -> None:
    async with given.sink() as sink:
        made = (await edge.call("POST", ENDPOINTS, json={"url": sink.url, "types": ["shelf.filled"]})).json()
    await given.emit(scope, *range(7))
    await fanning.fan_out_once(System(scope.engine))
    query = {"limit": 3, **({"endpointId": made["endpoint"]["id"]} if of_endpoint else {})}
    seen, cursor = [], None
    while True:
        page = (
            await edge.get("/api/webhooks/deliveries", query={**query, **({"cursor": cursor} if cursor else {})})
        ).json()
        seen += [one["id"] for one in page["items"]]
        cursor = page.get("nextCursor")
        if not page["hasMore"]:
            break
    assert len(seen) == 7
    assert seen == sorted(seen, reverse=True)


async def test_SC_01_deliveries_do_not_tell_how_many_the_deployment_has_made(
    edge: Edge, scope: Scope, copied: Copy
) -> None:
    """The number that orders them counts those of all tenants; nothing that a tenant reads shows it."""
    admin = await asyncpg.connect(copied.admin_url)
    try:
        await admin.execute("select setval('webhook_numbers', 876543210)")
        body = {"url": "https://hooks.example.com/in", "types": ["shelf.filled"], "verify": False}
        made = (await edge.call("POST", ENDPOINTS, json=body)).json()["endpoint"]
        await given.emit(scope, *range(4))
        await fanning.fan_out_once(System(scope.engine))
        rows = await admin.fetch("select number, id from webhook_deliveries where tenant_id = $1", TENANT)
    finally:
        await admin.close()
    assert {row["number"] // 100 for row in rows} == {8765432}
    pages = [
        await edge.get("/api/webhooks/deliveries", query={"limit": 2, **more})
        for more in ({}, {"endpointId": made["id"]})
    ]
    cursors = [page.json()["nextCursor"] for page in pages]
    read = [base64.urlsafe_b64decode(one + "=" * (-len(one) % 4)) for one in cursors]
    singles = [await edge.get(f"/api/webhooks/deliveries/{row['id']}") for row in rows]
    assert [answer.status_code for answer in (*pages, *singles)] == [200] * 6
    told = [*(answer.content for answer in (*pages, *singles)), *read]
    assert not [one for one in told if b"8765432" in one]


@pytest.mark.parametrize("of_endpoint", [True, False], ids=["of an endpoint", "of all"])
async def test_deliveries_are_found_by_their_time(edge: Edge, scope: Scope, of_endpoint: bool) -> None:
    async with given.sink() as sink:
        made = (await edge.call("POST", ENDPOINTS, json={"url": sink.url, "types": ["shelf.filled"]})).json()
    await given.emit(scope, *range(7))
    await fanning.fan_out_once(System(scope.engine))
    # one an hour, as their ids say too
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    async with scope.tx() as tx:
        rows = await tx.fetch_sql("select id from webhook_deliveries order by number")
        times = [noon + timedelta(hours=hour) for hour in range(7)]
        named = [ids.made("dlv", at) for at in times]
        await tx.execute_sql(
            "update webhook_deliveries d set id = g.fresh, created_at = g.at "
            "from unnest($1::text[], $2::text[], $3::timestamptz[]) as g (id, fresh, at) where d.id = g.id",
            [row["id"] for row in rows],
            named,
            times,
        )
    query = {"limit": 2, "from": times[1].isoformat(), "to": times[5].isoformat()}
    if of_endpoint:
        query["endpointId"] = made["endpoint"]["id"]
    seen, cursor = [], None
    while True:
        given_query = {**query, **({"cursor": cursor} if cursor else {})}
        page = (await edge.get("/api/webhooks/deliveries", query=given_query)).json()
        seen += [one["id"] for one in page["items"]]
        cursor = page.get("nextCursor")
        if not page["hasMore"]:
            break
    assert seen == named[4:0:-1]
    only = (await edge.get("/api/webhooks/deliveries", query={"from": times[6].isoformat()})).json()["items"]
    assert [one["id"] for one in only] == named[6:]
    wrong = await edge.get("/api/webhooks/deliveries", query={"from": "2026-03-01T12:00:00"})
    assert wrong.status_code == 400
