"""Keys that everybody may read: embed routes, their own pages, a budget (security.md AK-08); keys found (AK-09)."""

import aiohttp
import pytest
import pytest_asyncio
from tests.journeys.deployment import Answer, Deployment, Merchant, sent
from tests.journeys.routes import SIGNED, Asked, Case, unknown

from isthmus.features.access.model import keys as model

PAGE = "https://shop.example.com"
EMBEDDED = [case for case in SIGNED if case.route.declaration and case.route.declaration.embed]
OTHERS = [case for case in SIGNED if case not in EMBEDDED]


class Shop:
    """A merchant with a publishable key."""

    def __init__(self, running: Deployment, amy: Merchant, integration: str, key: str) -> None:
        self.running, self.amy, self.integration, self.key = running, amy, integration, key

    async def call(self, asked: Asked, key: str = "", **headers: str) -> Answer:
        """A call by a page that knows the key."""
        said = {"x-api-key": key or self.key, "origin": PAGE, **headers}
        url = self.running.address + asked.address
        async with (
            aiohttp.ClientSession() as client,
            client.request(
                asked.method, url, **sent(asked.body), headers={n: v for n, v in said.items() if v}
            ) as answer,
        ):
            raw = await answer.read()
            return Answer(answer.status, answer.headers, await answer.json() if raw else None)

    async def make(self, **changed: object) -> Answer:
        """Another key of the merchant."""
        body = {"name": "Page", "mode": "publishable", "permissions": ["widgets:read"], "origins": [PAGE], **changed}
        return await self.amy.call("POST", f"/api/merchants/{self.amy.tenant_id}/api-keys", body)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop(running: Deployment) -> Shop:
    amy, connection = await running.owner("tiki")
    integration = (await amy.call("GET", f"/api/connections/{connection}")).body["integrationId"]
    made = Shop(running, amy, integration, "")
    shown = (await made.make(perMinute=100)).body["data"]
    assert (shown["mode"], shown["origins"], shown["perMinute"]) == ("publishable", [PAGE], 100)
    made.key = shown["key"]
    return made


def test_AK_08_the_key_is_told_by_its_beginning(shop: Shop) -> None:
    assert shop.key.startswith("ipk_")
    assert model.is_key(shop.key)
    assert not model.is_key(shop.key[:-1] + ("a" if shop.key[-1] != "a" else "b"))


@pytest.mark.parametrize("case", OTHERS, ids=str)
async def test_AK_08_it_opens_nothing_but_what_is_for_pages(shop: Shop, case: Case) -> None:
    answer = await shop.call(case.call(unknown()))
    assert (answer.status, answer.body["error"]["code"]) == (401, "UNAUTHORIZED")
    assert not [name for name in answer.headers if name.lower().startswith("access-control-")]


@pytest.mark.parametrize("case", EMBEDDED, ids=str)
async def test_AK_08_it_opens_what_is_for_pages_on_its_own_pages_only(shop: Shop, case: Case) -> None:
    asked = case.call({**unknown(), "int": shop.integration})
    own = await shop.call(asked)
    assert own.status == 200, own.body
    assert own.headers["access-control-allow-origin"] == PAGE
    assert "access-control-allow-credentials" not in {name.lower() for name in own.headers}
    for origin in ("", "null", "https://evil.example", PAGE + ":8443", PAGE.upper(), "http://shop.example.com"):
        foreign = await shop.call(asked, origin=origin)
        assert foreign.status == 401, origin
        assert "access-control-allow-origin" not in foreign.headers


async def test_AK_08_a_page_may_ask_beforehand_what_is_for_pages(shop: Shop) -> None:
    path = f"/api/tenant/integrations/{shop.integration}/widgets/status"
    ask = {"access-control-request-method": "GET", "access-control-request-headers": "x-api-key"}
    async with aiohttp.ClientSession() as client:
        for address, origin, told in (
            (path, PAGE, PAGE),
            (path, "null", None),
            ("/api/products", PAGE, None),
        ):
            async with client.options(shop.running.address + address, headers={**ask, "origin": origin}) as answer:
                assert answer.headers.get("access-control-allow-origin") == told


async def test_AK_08_it_has_a_budget_of_its_own(shop: Shop) -> None:
    small = (await shop.make(perMinute=2)).body["data"]["key"]
    asked = Asked("GET", f"/api/tenant/integrations/{shop.integration}/widgets/status")
    answers = [await shop.call(asked, small) for _ in range(3)]
    assert [one.status for one in answers] == [200, 200, 429]
    assert {one.headers["x-ratelimit-limit"] for one in answers} == {"2"}
    assert (await shop.call(asked)).status == 200


@pytest.mark.parametrize(
    "wrong",
    [
        {"permissions": ["products:read"]},
        {"permissions": ["widgets:read", "orders:read"]},
        {"origins": []},
        {"origins": ["*"]},
        {"origins": ["https://*.example.com"]},
        {"origins": ["https://shop.example.com/"]},
        {"origins": ["null"]},
        {"perMinute": 0},
        {"perMinute": 101},
        {"mode": "live"},
        {"mode": "live", "origins": [], "perMinute": 5},
    ],
    ids=str,
)
async def test_AK_08_a_key_for_pages_names_them_and_holds_nothing_else(shop: Shop, wrong: dict[str, object]) -> None:
    answer = await shop.make(**wrong)
    assert (answer.status, answer.body["error"]["code"]) == (400, "VALIDATION_ERROR")


async def test_AK_09_whoever_finds_a_key_tells_and_its_owner_knows_at_once(shop: Shop) -> None:
    keys = f"/api/merchants/{shop.amy.tenant_id}/api-keys"
    rights = {"mode": "live", "origins": [], "permissions": ["products:read"]}
    kept, careful = [(await shop.make(**rights, revokeWhenFound=revoked)).body["data"] for revoked in (False, True)]
    answers = []
    for text in (kept["key"], careful["key"], kept["key"], "isk_live_" + "A" * 38, "no key at all"):
        async with (
            aiohttp.ClientSession() as client,
            client.post(shop.running.address + "/api/keys/found", json={"key": text}) as answer,
        ):
            answers.append((answer.status, await answer.text()))
    assert set(answers) == {(202, "")}
    found = [(await shop.amy.call("GET", f"{keys}/{one['id']}")).body["data"] for one in (kept, careful)]
    assert [one["status"] for one in found] == ["active", "revoked"]
    assert all(one["foundAt"] for one in found)
    told = (await shop.amy.call("GET", "/api/audit?type=api_key.found")).body["items"]
    assert [(one["subject"], one["details"]["revoked"]) for one in told] == [
        (careful["id"], True),
        (kept["id"], False),
    ]
