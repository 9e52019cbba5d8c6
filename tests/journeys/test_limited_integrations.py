"""An integration that is limited to some people or roles is nobody else's, whichever route names it."""

import pytest
import pytest_asyncio
from tests.journeys.deployment import Deployment, Merchant
from tests.journeys.routes import SIGNED, Case, belongings

from isthmus.kit.permissions import USER
from isthmus.sandbox import walk

#: What everybody of the tenant may ask of an integration or of its connection.
NAMING = [
    case
    for case in SIGNED
    if case.permission
    and USER in case.permission.roles
    and not case.streams
    and {"int", "con"} & case.nouns()
    and not case.narrows
]


class Limited:
    """Amy has limited her integration to ann; bob is of the same tenant, and so is a clerk with a role."""

    def __init__(self, running: Deployment, amy: Merchant, hers: dict[str, str]) -> None:
        self.amy, self.hers = amy, hers
        self.ann = running.person(amy.tenant_id, [USER], "ann")
        self.bob = running.person(amy.tenant_id, [USER], "bob")

    async def to(self, users: list[str], roles: list[str]) -> None:
        """Limit it anew."""
        path = f"/api/tenant/integrations/{self.hers['int']}"
        answer = await self.amy.call("PATCH", path, {"allowedUsers": users, "allowedRoles": roles})
        assert answer.status == 200, answer.body


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def limited(running: Deployment) -> Limited:
    amy, connection = await running.owner("tiki")
    run = await amy.sync(connection)
    made = Limited(running, amy, await belongings(running, amy, connection, run["id"]))
    await made.to(["ann"], [])
    return made


def test_there_are_routes_that_name_an_integration() -> None:
    assert len(NAMING) > 5


@pytest.mark.parametrize("case", NAMING, ids=str)
async def test_whoever_it_is_not_for_is_refused_by_every_route_that_names_it(limited: Limited, case: Case) -> None:
    asked = case.call(limited.hers)
    answer = await limited.bob.call(case.method, asked.address, asked.body)
    assert answer.status in {403, 404}, answer.body
    assert answer.body["error"]["code"] in case.codes
    assert not [value for value in limited.hers.values() if value in str(answer.body)]


async def test_the_lists_leave_it_out_for_others_and_show_it_to_whom_it_is_for(limited: Limited) -> None:
    for path, key in (("/api/tenant/integrations", "integrations"), ("/api/connections", "items")):
        shown = []
        for who in (limited.amy, limited.ann, limited.bob):
            answer = await who.call("GET", path)
            shown.append(answer.status == 200 and any(limited.hers["int"] in str(one) for one in answer.body[key]))
        assert shown[0] is True, path
        assert shown[2] is False, path
    assert (await limited.bob.call("POST", "/api/integrations/search", {"query": "a"})).body["results"] == []


async def test_a_role_lets_in_everybody_who_has_it(limited: Limited) -> None:
    path = f"/api/tenant/integrations/{limited.hers['int']}/widgets/status"
    assert [(await who.call("GET", path)).status for who in (limited.ann, limited.bob)] == [200, 403]
    await limited.to([], ["user"])
    assert [(await who.call("GET", path)).status for who in (limited.ann, limited.bob)] == [200, 200]
    await limited.to(["ann"], [])


async def test_AK_08_a_key_for_pages_is_nobody_that_it_could_be_for(limited: Limited) -> None:
    page = "https://shop.example.com"
    body = {"name": "Page", "mode": "publishable", "permissions": ["widgets:read"], "origins": [page]}
    made = await limited.amy.call("POST", f"/api/merchants/{limited.amy.tenant_id}/api-keys", body)
    url = f"{limited.amy.deployment.address}/api/tenant/integrations/{limited.hers['int']}/widgets/status"
    headers = {"x-api-key": made.body["data"]["key"], "origin": page}
    async with limited.amy.browser.get(url, headers=headers) as answer:
        assert answer.status == 403
    await limited.to([], [])
    async with limited.amy.browser.get(url, headers=headers) as answer:
        assert answer.status == 200
    await limited.to(["ann"], [])


async def test_what_a_person_connected_alone_is_no_place_for_the_tenants_work_though_they_are_an_admin(
    running: Deployment,
) -> None:
    boss = await running.merchant("Boss of her own")
    body = {"integrationId": "shopee", "name": "Each their own", "userScoped": True}
    made = (await boss.call("POST", "/api/tenant/integrations", body)).body["id"]
    at = f"/api/user/integrations/{made}"
    begun = await boss.call("POST", f"{at}/connect/oauth", {"returnUrl": running.address + "/"})
    async with boss.browser.get(begun.body["authorizationUrl"], allow_redirects=False) as answer:
        consent = answer.headers["location"]
    async with boss.browser.get(await walk(consent), allow_redirects=False) as answer:
        assert answer.status == 302, await answer.text()
    own = (await boss.call("GET", f"{at}/connection")).body["connectionId"]
    feed = f"/api/merchants/{boss.tenant_id}/product-sync/config"
    for method, path, given in (
        ("POST", "/api/sync", {"connectionId": own}),
        ("POST", "/api/sync/products", {"connectionId": own}),
        ("POST", "/api/sync/refresh", {"connectionId": own, "entity": "products", "externalId": "1"}),
        ("PUT", f"/api/config/{own}", {"schedules": [{"entity": "products", "everySeconds": 300}]}),
        ("PUT", "/api/config", {"schedules": [{"connectionId": own, "entity": "products", "everySeconds": 300}]}),
        ("POST", feed, {"source": "connection", "connectionId": own}),
    ):
        refused = await boss.call(method, path, given)
        assert (refused.status, refused.body["error"]["code"]) == (409, "SYNC_NOT_SUPPORTED"), path
    for path in ("/api/webhooks/sources", f"/api/config/{own}/webhook"):
        given = {"provider": "shopee", "connectionId": own} if path.endswith("sources") else {}
        refused = await boss.call("POST", path, given)
        fields = refused.body["error"]["details"]["fields"]
        assert (refused.status, [one["path"] for one in fields]) == (400, ["connectionId"]), path
    assert (await boss.call("GET", "/api/config")).body["schedules"] == []
    assert (await boss.call("GET", "/api/webhooks/sources")).body["items"] == []
