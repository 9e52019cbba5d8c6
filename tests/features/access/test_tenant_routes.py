"""`/api/admin/tenants` over HTTP."""

import asyncio
from typing import Any

import httpx2
import pytest
from tests.given import vault as house
from tests.given.edge import Edge

from isthmus.engine.db import Database
from isthmus.features.access.feature import FEATURE
from isthmus.kit.clock import ManualClock
from isthmus.kit.permissions import PLATFORM_TENANT, SUPER_ADMIN, TENANT_ADMIN, USER

PATH = "/api/admin/tenants"


@pytest.fixture(scope="module")
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(scope="module")
def edge(database: Database, clock: ManualClock) -> Edge:
    return Edge(house.process(database, clock=clock), *FEATURE.routes)


async def _do(edge: Edge, method: str, rest: str = "", **options: Any) -> httpx2.Response:
    return await edge.call(method, PATH + rest, tenant=PLATFORM_TENANT, role=SUPER_ADMIN, **options)


async def test_SA_01_a_tenant_is_shown_by_its_metadata_only(edge: Edge) -> None:
    made = await _do(edge, "POST", json={"name": "Cửa hàng Đồ Gỗ"})
    shown = made.json()
    assert (made.status_code, made.headers["location"]) == (201, f"{PATH}/{shown['id']}")
    assert set(shown) == {"id", "name", "slug", "status", "createdAt", "plan", "etag"}
    assert (shown["slug"], shown["status"]) == ("cua-hang-do-go", "active")
    for name in (shown["id"], shown["slug"]):
        assert (await _do(edge, "GET", f"/{name}")).json() == shown
    assert shown in (await _do(edge, "GET")).json()["items"]


async def test_a_tenant_is_given_a_plan_and_another_name_and_the_log_keeps_both(edge: Edge) -> None:
    made = (await _do(edge, "POST", json={"name": "Planned", "plan": "starter"})).json()
    assert made["plan"] == "starter"
    changed = await _do(edge, "PATCH", f"/{made['id']}", json={"plan": "pro"})
    assert (changed.json()["plan"], changed.json()["name"]) == ("pro", "Planned")
    renamed = await _do(edge, "PATCH", f"/{made['id']}", json={"name": "Renamed", "plan": None})
    assert (renamed.json()["plan"], renamed.json()["name"]) == (None, "Renamed")
    for body in ({"plan": "No Plan"}, {"name": ""}, {"name": None}, {"slug": "x"}):
        assert (await _do(edge, "PATCH", f"/{made['id']}", json=body)).status_code == 400
    assert (await _do(edge, "PATCH", "/ten_nowhere", json={"plan": "pro"})).status_code == 404
    assert (await _do(edge, "PATCH", f"/{PLATFORM_TENANT}", json={"plan": "pro"})).status_code == 409


async def test_a_slug_is_given_once(edge: Edge) -> None:
    body = {"name": "One", "slug": "taken"}
    assert (await _do(edge, "POST", json=body)).status_code == 201
    again = await _do(edge, "POST", json=body)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "TENANT_SLUG_TAKEN")


@pytest.mark.parametrize("body", [{"name": ""}, {"name": "x", "slug": "A b"}, {"name": "x", "status": "suspended"}, {}])
async def test_MA_01_a_tenant_that_cannot_be_is_refused(edge: Edge, body: dict[str, str]) -> None:
    assert (await _do(edge, "POST", json=body)).status_code == 400


async def test_a_tenant_is_suspended_and_let_in_again_and_the_log_says_so_once_each(edge: Edge) -> None:
    made = (await _do(edge, "POST", json={"name": "Suspended"})).json()["id"]
    for verb, status in (("suspend", "suspended"), ("suspend", "suspended"), ("activate", "active")):
        answer = await _do(edge, "POST", f"/{made}/{verb}")
        assert (answer.status_code, answer.json()["status"]) == (200, status)
    system = edge.app.system
    assert system is not None
    async with system.tx() as tx:
        rows = await tx.fetch_sql(
            "select after, actor, tenant_id from events where subject = $1 and type = 'tenant.status_changed'", made
        )
    assert sorted(row["after"]["status"] for row in rows) == ["active", "suspended"]
    assert {(row["actor"], row["tenant_id"]) for row in rows} == {("user:isthmus:usr_1", PLATFORM_TENANT)}


async def test_the_deployments_own_tenant_cannot_be_suspended(edge: Edge) -> None:
    answer = await _do(edge, "POST", f"/{PLATFORM_TENANT}/suspend")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "DEPLOYMENT_TENANT")


async def test_a_tenant_that_never_was_is_not_found(edge: Edge) -> None:
    for method, rest in (("GET", "/ten_x"), ("POST", "/ten_x/suspend"), ("POST", "/ten_x/activate")):
        answer = await _do(edge, method, rest)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "TENANT_NOT_FOUND")


@pytest.mark.parametrize("role", [TENANT_ADMIN, USER, ""])
async def test_nobody_but_a_super_admin_handles_tenants(edge: Edge, role: str) -> None:
    for method, rest in (("GET", ""), ("POST", ""), ("GET", "/ten_x"), ("POST", "/ten_x/suspend")):
        answer = await edge.call(method, PATH + rest, role=role, json={"name": "x"} if method == "POST" else None)
        assert (answer.status_code, answer.json()["error"]["details"]) == (403, {"permission": "tenants:manage"})


async def test_pages_lead_through_all_tenants(edge: Edge, clock: ManualClock) -> None:
    for number in range(3):
        clock.advance(1)
        await _do(edge, "POST", json={"name": f"Paged {number}"})
    every = (await _do(edge, "GET", params={"limit": 100})).json()["items"]
    seen: list[dict[str, Any]] = []
    query: dict[str, Any] = {"limit": 2}
    while query:
        page = (await _do(edge, "GET", params=query)).json()
        seen += page["items"]
        query = {"limit": 2, "cursor": page["nextCursor"]} if page["hasMore"] else {}
    assert seen == every
    assert (await _do(edge, "GET", params={"limit": 2, "offset": 1})).json()["items"] == every[1:3]


async def test_MA_04_of_two_changes_at_once_none_is_lost(edge: Edge) -> None:
    made = (await _do(edge, "POST", json={"name": "At once", "plan": "starter"})).json()
    for number in range(5):
        bodies = ({"name": f"Name {number}"}, {"plan": f"plan-{number}"})
        answers = await asyncio.gather(*(_do(edge, "PATCH", f"/{made['id']}", json=body) for body in bodies))
        assert [one.status_code for one in answers] == [200, 200]
        shown = (await _do(edge, "GET", f"/{made['id']}")).json()
        assert (shown["name"], shown["plan"]) == (f"Name {number}", f"plan-{number}")


async def test_IN_07_PA_11_a_tenants_name_is_one_line_and_turns_no_text_around(edge: Edge) -> None:
    said = "Ca\u0301\r\nBcc: all@example.com\u2028\u202eevil\u200b"
    made = (await _do(edge, "POST", json={"name": said, "slug": "one-line"})).json()
    assert made["name"] == "C\u00e1\ufffd\ufffdBcc: all@example.com\ufffd\ufffdevil\ufffd"
    renamed = await _do(edge, "PATCH", f"/{made['id']}", json={"name": "A\nB"})
    assert renamed.json()["name"] == "A\ufffdB"
    for answer in (renamed, await _do(edge, "GET", f"/{made['id']}")):
        assert all(value.isprintable() for value in answer.headers.values())
