"""`/api/merchants/{merchantId}/api-keys` over HTTP."""

from typing import Any

import pytest
from tests.given import access as given
from tests.given.edge import Edge

from isthmus.engine.db import Database
from isthmus.features import access
from isthmus.features.access.feature import FEATURE
from isthmus.kit.clock import ManualClock
from isthmus.kit.permissions import SUPER_ADMIN, USER
from isthmus.scope import Scope, System

WANTED = {"name": "Till", "permissions": ["products:read"]}


@pytest.fixture(scope="module")
def system(database: Database) -> System:
    return given.process(database, ManualClock())


@pytest.fixture(scope="module")
async def amy(system: System) -> Scope:
    return await given.tenant(system)


@pytest.fixture(scope="module")
def edge(system: System) -> Edge:
    return Edge(system, *FEATURE.routes)


def _keys(scope: Scope, rest: str = "") -> str:
    return f"/api/merchants/{scope.tenant_id}/api-keys{rest}"


async def test_AK_02_a_key_is_shown_when_it_is_made_and_never_again(edge: Edge, amy: Scope) -> None:
    made = await edge.call("POST", _keys(amy), tenant=amy.tenant_id, json=WANTED)
    body = made.json()
    assert (made.status_code, body["success"], set(body)) == (201, True, {"success", "data", "timestamp", "requestId"})
    key, shown = body["data"]["key"], body["data"]
    assert made.headers["location"] == _keys(amy, f"/{shown['id']}")
    assert key.startswith(shown["prefix"])
    assert key.endswith(shown["last4"])
    one = await edge.get(_keys(amy, f"/{shown['id']}"), tenant=amy.tenant_id)
    every = await edge.get(_keys(amy), tenant=amy.tenant_id)
    assert one.json()["data"] == {name: value for name, value in shown.items() if name != "key"}
    assert one.json()["data"] in every.json()["data"]["items"]
    assert key not in one.text + every.text


async def test_ID_05_a_repeated_request_makes_no_second_key_and_shows_none(edge: Edge, amy: Scope) -> None:
    ask: dict[str, Any] = {"tenant": amy.tenant_id, "json": WANTED, "headers": {"idempotency-key": "again"}}
    first, second = [await edge.call("POST", _keys(amy), **ask) for _ in range(2)]
    shown, again = first.json()["data"], second.json()["data"]
    assert second.status_code == 201
    assert second.headers["idempotency-replayed"] == "true"
    assert again == {**{name: value for name, value in shown.items() if name != "key"}, "secretShown": True}
    assert second.headers["location"] == first.headers["location"]
    rotate: dict[str, Any] = {"tenant": amy.tenant_id, "json": {}, "headers": {"idempotency-key": "rotated"}}
    path = _keys(amy, f"/{shown['id']}/rotate")
    new, old = [(await edge.call("POST", path, **rotate)).json()["data"] for _ in range(2)]
    assert (new["id"], "key" in new, "key" in old) == (old["id"], True, False)
    async with amy.tx() as tx:
        rows = await tx.fetch_sql("select row_to_json(k)::text as row from idempotency_keys k")
    assert all(shown["key"] not in row["row"] and new["key"] not in row["row"] for row in rows)


async def test_a_key_that_cannot_be_is_refused_with_its_field(edge: Edge, amy: Scope) -> None:
    for changed, field in (
        ({"name": ""}, "name"),
        ({"permissions": []}, "permissions"),
        ({"permissions": ["tenants:manage"]}, "permissions"),
        ({"permissions": ["keys:manage"]}, "permissions"),
        ({"expiresAt": "2020-01-01T00:00:00Z"}, "expiresAt"),
        ({"mode": "other"}, "mode"),
        ({"id": "key_mine"}, "id"),
        ({"createdBy": "user:x"}, "createdBy"),
        ({"apiKey": "isk"}, "apiKey"),
    ):
        answer = await edge.call("POST", _keys(amy), tenant=amy.tenant_id, json={**WANTED, **changed})
        assert answer.status_code == 400, changed
        assert answer.json()["error"]["details"]["fields"][0]["path"] == field


@pytest.mark.parametrize("role", [USER, SUPER_ADMIN, ""])
async def test_SA_01_only_an_admin_of_the_tenant_handles_its_keys(edge: Edge, amy: Scope, role: str) -> None:
    answer = await edge.get(_keys(amy), tenant=amy.tenant_id, role=role)
    assert (answer.status_code, answer.json()["error"]["details"]) == (403, {"permission": "keys:manage"})


async def test_TN_01_another_merchants_keys_are_not_there(edge: Edge, system: System, amy: Scope) -> None:
    bob = await given.tenant(system, "Bob")
    key = (await edge.call("POST", _keys(amy), tenant=amy.tenant_id, json=WANTED)).json()["data"]["id"]
    for method, path in (
        ("GET", _keys(amy)),
        ("POST", _keys(amy)),
        ("GET", _keys(amy, f"/{key}")),
        ("DELETE", _keys(amy, f"/{key}")),
        ("POST", _keys(amy, f"/{key}/rotate")),
    ):
        answer = await edge.call(method, path, tenant=bob.tenant_id, json=WANTED if path.endswith("keys") else {})
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "MERCHANT_NOT_FOUND")
    answer = await edge.get(_keys(bob, f"/{key}"), tenant=bob.tenant_id)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "API_KEY_NOT_FOUND")


async def test_AK_07_a_revoked_key_stays_in_the_list(edge: Edge, amy: Scope) -> None:
    key = (await edge.call("POST", _keys(amy), tenant=amy.tenant_id, json=WANTED)).json()["data"]["id"]
    for _ in range(2):
        answer = await edge.call("DELETE", _keys(amy, f"/{key}"), tenant=amy.tenant_id)
        assert (answer.status_code, answer.content) == (204, b"")
    shown = (await edge.get(_keys(amy, f"/{key}"), tenant=amy.tenant_id)).json()["data"]
    assert (shown["status"], bool(shown["revokedAt"])) == ("revoked", True)
    again = await edge.call("POST", _keys(amy, f"/{key}/rotate"), tenant=amy.tenant_id, json={})
    assert (again.status_code, again.json()["error"]["code"]) == (409, "API_KEY_NOT_ACTIVE")


async def test_AK_06_the_overlap_is_the_callers_within_bounds(edge: Edge, amy: Scope) -> None:
    key = (await edge.call("POST", _keys(amy), tenant=amy.tenant_id, json=WANTED)).json()["data"]["id"]
    path = _keys(amy, f"/{key}/rotate")
    for wrong in (-1, 7 * 86400 + 1, 10**30):
        answer = await edge.call("POST", path, tenant=amy.tenant_id, json={"overlapSeconds": wrong})
        assert answer.json()["error"]["details"]["fields"][0]["path"] == "overlapSeconds"
    new = (await edge.call("POST", path, tenant=amy.tenant_id, json={"overlapSeconds": 0})).json()["data"]
    old = (await edge.get(_keys(amy, f"/{key}"), tenant=amy.tenant_id)).json()["data"]
    assert (old["status"], old["replacedBy"]) == ("expired", new["id"])


async def test_AK_10_a_key_in_the_query_is_refused_with_a_hint(edge: Edge, system: System, amy: Scope) -> None:
    made = await access.create_key(amy, access.Wanted(name="Till", permissions=["products:read"]))
    for name in ("api_key", "apiKey", "x-api-key"):
        query = {name: made.shown.reveal()}
        answer = await edge.get(_keys(amy), tenant=amy.tenant_id, query=query)
        assert answer.status_code == 401
        assert "X-API-Key" in answer.json()["error"]["message"]
