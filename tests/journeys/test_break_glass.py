"""An operator inside a tenant: for a reason, for an hour, in its sight, and without its secrets (security.md SA-01)."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.given.browsers import Browser
from tests.journeys.deployment import Deployment, Merchant, deployment
from tests.journeys.routes import SIGNED, Case, belongings, unknown

from isthmus.kit.clock import SYSTEM
from isthmus.kit.permissions import PLATFORM_TENANT, SUPER_ADMIN, USER
from isthmus.sandbox.clock import ShiftedClock

WHY = {"reason": "Orders stand still since noon", "ticket": "SUP-12", "minutes": 30}
DANGEROUS = [case for case in SIGNED if case.for_tenants and case.route.declaration and case.route.declaration.step_up]


class House:
    """A deployment, its operator, and a tenant with things of its own."""

    def __init__(self, running: Deployment, clock: ShiftedClock, amy: Merchant, hers: dict[str, str]) -> None:
        self.running, self.clock, self.amy, self.hers = running, clock, amy, hers
        self.operator = running.person(PLATFORM_TENANT, [SUPER_ADMIN], "operator")

    async def enter(self, **changed: Any) -> tuple[str, Merchant]:
        """The operator inside."""
        path = f"/api/admin/tenants/{self.amy.tenant_id}/break-glass"
        broken = await self.operator.call("POST", path, {**WHY, **changed})
        assert broken.status == 201, broken.body
        inside = Merchant(self.running, self.amy.tenant_id, broken.body["token"], self.operator.browser)
        return broken.body["id"], inside


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    clock, home = ShiftedClock(SYSTEM), Path(tmp_path_factory.mktemp("home"))
    async with deployment(database_url, home, clock=clock) as running:
        amy, connection = await running.owner("tiki")
        run = await amy.sync(connection)
        yield House(running, clock, amy, await belongings(running, amy, connection, run["id"]))


OTHERS = [case for case in SIGNED if case.for_tenants and not case.streams]
#: What a super admin may do too is done in the deployment's own tenant, where nothing of another tenant is there.
SHARED = [case for case in OTHERS if case.permission and SUPER_ADMIN in case.permission.roles]


@pytest.mark.parametrize("case", [one for one in OTHERS if one not in SHARED], ids=str)
async def test_SA_01_a_route_of_tenants_is_closed_to_a_super_admin_outside(house: House, case: Case) -> None:
    asked = case.call(house.hers)
    answer = await house.operator.call(case.method, asked.address, asked.body)
    assert (answer.status, answer.body["error"]["code"]) == (403, "PERMISSION_DENIED")


@pytest.mark.parametrize("case", [one for one in SHARED if one.nouns()], ids=str)
async def test_SA_01_a_super_admin_outside_reaches_nothing_of_a_tenant(house: House, case: Case) -> None:
    asked = case.call(house.hers)
    answer = await house.operator.call(case.method, asked.address, asked.body)
    if case.narrows:
        assert answer.status in {200, 403}, answer.body
        assert not [value for value in house.hers.values() if value in str(answer.body)]
    else:
        assert answer.status in {403, 404}, answer.body


async def test_SA_01_inside_an_operator_sees_what_is_there_and_every_answer_says_so(house: House) -> None:
    glass, inside = await house.enter()
    for path in ("/api/products", f"/api/products/{house.hers['prd']}", f"/api/connections/{house.hers['con']}"):
        answer = await inside.call("GET", path)
        assert (answer.status, answer.headers["x-break-glass"]) == (200, glass)
    me = (await inside.call("GET", "/api/auth/me")).body
    assert (me["kind"], me["id"], me["roles"]) == ("break_glass", f"break_glass:isthmus:{glass}", [])
    await inside.call("PUT", "/api/connections/return-origins", {"origins": ["https://inside.example.com"]})
    log = (await house.amy.call("GET", f"/api/audit?actor=break_glass:isthmus:{glass}")).body["items"]
    said = {(one["onBehalfOf"], one["route"]) for one in log}
    assert said == {("user:isthmus:operator", "PUT /api/connections/return-origins")}
    assert "x-break-glass" not in (await house.amy.call("GET", "/api/products")).headers


async def test_SA_01_keys_members_exports_and_one_time_secrets_stay_closed(house: House) -> None:
    _, inside = await house.enter()
    for case in DANGEROUS:
        asked = case.call({**house.hers, "key": unknown()["key"], "usr": unknown()["usr"]})
        answer = await inside.call(case.method, asked.address, asked.body)
        assert answer.status == 403, (case, answer.body)
        assert answer.body["error"]["code"] == "PERMISSION_DENIED", (
            "a fresh proof is nothing that an operator could give"
        )
    proof = await inside.call("POST", "/api/auth/step-up", {"password": "x"})
    assert proof.status == 409


async def test_SA_01_the_tenant_reads_why_and_sends_the_operator_out(house: House) -> None:
    glass, inside = await house.enter()
    listed = (await house.amy.call("GET", "/api/tenant/break-glass")).body["items"][0]
    assert (listed["id"], listed["reason"], listed["ticket"], listed["open"]) == (
        *(glass, WHY["reason"], WHY["ticket"], True),
    )
    assert listed["operator"] == "user:isthmus:operator"
    told = (await house.amy.call("GET", "/api/audit?type=operator.entered")).body["items"][0]
    assert (told["subject"], told["after"]["reason"]) == (glass, WHY["reason"])
    own = (await house.operator.call("GET", "/api/audit?type=tenant.glass_broken")).body["items"][0]
    assert (own["subject"], own["after"]["ticket"]) == (house.amy.tenant_id, "SUP-12")
    clerk = house.running.person(house.amy.tenant_id, [USER], "clerk")
    assert (await clerk.call("DELETE", f"/api/tenant/break-glass/{glass}")).status == 403
    for _ in range(2):
        assert (await house.amy.call("DELETE", f"/api/tenant/break-glass/{glass}")).status == 204
    house.clock.advance(4.9)
    assert (await inside.call("GET", "/api/products")).status == 401
    ended = (await house.amy.call("GET", "/api/tenant/break-glass")).body["items"][0]
    assert (ended["open"], ended["endedBy"]) == (False, "user:isthmus:amy")


async def test_SA_01_the_time_inside_ends_by_itself_and_by_the_operator(house: House) -> None:
    glass, inside = await house.enter()
    assert (await inside.call("GET", "/api/products")).status == 200
    house.clock.advance(30 * 60)
    assert (await inside.call("GET", "/api/products")).status == 401
    glass, inside = await house.enter(minutes=None)
    for seconds, status in ((3_590, 200), (10, 401)):
        house.clock.advance(seconds)
        assert (await inside.call("GET", "/api/products")).status == status, "sixty minutes where nothing is said"
    glass, inside = await house.enter(minutes=None)
    path = f"/api/admin/tenants/{house.amy.tenant_id}/break-glass/{glass}"
    assert (await house.operator.call("DELETE", path)).status == 204
    house.clock.advance(4.9)
    assert (await inside.call("GET", "/api/products")).status == 401


@pytest.mark.parametrize(
    "wrong",
    [{"reason": "look"}, {"reason": " " * 20}, {"ticket": ""}, {"minutes": 0}, {"minutes": 61}, {"minutes": 10**30}],
    ids=str,
)
async def test_SA_01_without_a_reason_a_ticket_and_an_end_nobody_goes_in(house: House, wrong: dict[str, Any]) -> None:
    path = f"/api/admin/tenants/{house.amy.tenant_id}/break-glass"
    answer = await house.operator.call("POST", path, {**WHY, **wrong})
    assert (answer.status, answer.body["error"]["code"]) == (400, "VALIDATION_ERROR")


async def test_SA_01_nobody_leaves_what_can_be_no_tenant(house: House) -> None:
    glass, _ = await house.enter()
    for tenant in ("ten_nobodys", "%F2%8C%83%90", "-"):
        answer = await house.operator.call("DELETE", f"/api/admin/tenants/{tenant}/break-glass/{glass}")
        assert (answer.status, answer.body["error"]["code"]) == (404, "BREAK_GLASS_NOT_FOUND")


async def test_SA_01_nobody_goes_into_the_deployment_or_past_a_suspension(house: House) -> None:
    for tenant, status, code in (
        (PLATFORM_TENANT, 409, "DEPLOYMENT_TENANT"),
        ("ten_nowhere", 404, "TENANT_NOT_FOUND"),
    ):
        answer = await house.operator.call("POST", f"/api/admin/tenants/{tenant}/break-glass", WHY)
        assert (answer.status, answer.body["error"]["code"]) == (status, code)
    bob = await house.running.merchant("Bob")
    await house.operator.call("POST", f"/api/admin/tenants/{bob.tenant_id}/suspend")
    answer = await house.operator.call("POST", f"/api/admin/tenants/{bob.tenant_id}/break-glass", WHY)
    assert (answer.status, answer.body["error"]["code"]) == (409, "TENANT_NOT_LET_IN")


async def test_SA_01_the_token_of_an_operator_inside_is_no_cookie(house: House) -> None:
    _, inside = await house.enter()
    assert (await Browser(house.running, inside.token).call("GET", "/api/products")).status == 401
