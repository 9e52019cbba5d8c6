"""A provider made at run time works end to end whichever way it is signed in to: from the definition to a widget."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.given import catalog as given
from tests.given.crm import KEY, Crm, crm
from tests.journeys.deployment import Deployment, Merchant, deployment

from isthmus.kit.permissions import PLATFORM_TENANT, SUPER_ADMIN

VERIFY = given.document("any")["service"]["verify"]
CUSTOM = {
    "authType": "custom",
    "credentialFields": [{"name": "office"}, {"name": "office_key", "secret": True}],
    "service": {
        "attach": [
            {"place": "header", "name": "X-Key", "value": "{office_key}"},
            {"place": "header", "name": "X-Site", "value": "{office}"},
        ],
        "verify": VERIFY,
    },
}
QUERY = {"service": {"attach": [{"place": "query", "name": "key", "value": "{api_key}"}], "verify": VERIFY}}
BASIC = {
    "authType": "basic",
    "service": {"attach": [{"place": "basic", "value": "{username}:{password}"}], "verify": VERIFY},
}
TRADED = {
    "authType": "custom",
    "oauthConfig": {"grantType": "client_credentials", "scopes": ["read"]},
    "service": {
        "attach": [{"place": "header", "name": "Authorization", "value": "Bearer {access_token}"}],
        "verify": VERIFY,
    },
}
NONE = {"authType": "none", "service": {"verify": VERIFY}}
KINDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "queried": (QUERY, {"apiKey": KEY}),
    "basic": (BASIC, {"credentials": {"username": "ann", "password": "canary-pw"}}),
    "custom": (CUSTOM, {"credentials": {"office": "north", "office_key": KEY}}),
    "traded": (TRADED, {"credentials": {"client_id": "app", "client_secret": "canary-app-secret"}}),
    "open": (NONE, {}),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def far() -> AsyncIterator[Crm]:
    async with crm() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Deployment]:
    home = Path(tmp_path_factory.mktemp("home"))
    async with deployment(database_url, home, CONNECTIONS__ALLOW_NETWORKS="127.0.0.0/8") as made:
        yield made


@pytest.mark.parametrize("kind", KINDS)
async def test_each_way_of_signing_in_goes_from_the_definition_to_a_widget(
    running: Deployment, far: Crm, kind: str
) -> None:
    told, credentials = KINDS[kind]
    operator, amy = running.person(PLATFORM_TENANT, [SUPER_ADMIN], "root"), await running.merchant(f"Amy {kind}")
    far.public = kind == "open"
    document = given.document(f"acme_{kind}") | told | {"hosts": {"api": far.url}}
    if "oauthConfig" in document:
        document["oauthConfig"] |= {"tokenUrl": f"{far.url}/token"}
    made = await operator.call("POST", "/api/admin/integrations", document)
    assert (made.status, made.body.get("connectable")) == (201, True), made.body
    if credentials:
        await refused(amy, f"acme_{kind}", credentials)

    opened = await amy.call("POST", "/api/connections", {"provider": f"acme_{kind}", **credentials})
    assert opened.status == 201, opened.body
    connection = opened.body["id"]
    assert (await amy.call("POST", f"/api/connections/{connection}/test")).body["success"] is True
    started = await amy.call("POST", "/api/sync", {"connectionId": connection})
    assert (await amy.finished(started.body["items"][0]["id"]))["state"] == "succeeded"
    rows = await amy.everything("/api/records?entity=people&", "items")
    assert [row["title"] for row in rows if row["provider"] == f"acme_{kind}"].count("dan") == 1
    found = (await amy.call("POST", "/api/integrations/search", {"query": "dan"})).body["results"]
    assert [(one["title"], one["source"]) for one in found] == [("dan", "live")]
    integration = (await amy.call("GET", f"/api/connections/{connection}")).body["integrationId"]
    shown = await amy.call("GET", f"/api/tenant/integrations/{integration}/widgets/data?entity=people&limit=2")
    assert (shown.status, len(shown.body["data"])) == (200, 2), shown.body


async def refused(amy: Merchant, provider: str, credentials: dict[str, Any]) -> None:
    """What is not right is not kept."""
    wrong = {
        name: dict.fromkeys(told, "wrong") if isinstance(told, dict) else "wrong" for name, told in credentials.items()
    }
    answer = await amy.call("POST", "/api/connections", {"provider": provider, **wrong})
    assert (answer.status, answer.body["error"]["code"]) == (400, "INVALID_CREDENTIALS"), answer.body


async def test_a_part_of_an_address_that_cannot_be_one_is_named(running: Deployment) -> None:
    operator, amy = running.person(PLATFORM_TENANT, [SUPER_ADMIN], "root"), await running.merchant("Amy of a site")
    document = given.document("sited") | {
        "hosts": {"api": "https://{site}.crm.example"},
        "variables": [{"name": "site"}],
    }
    assert (await operator.call("POST", "/api/admin/integrations", document)).status == 201
    for site in ("north/..", "north.evil.example/", "a b", "https://evil.example"):
        told = {"provider": "sited", "apiKey": KEY, "credentials": {"site": site}}
        answer = await amy.call("POST", "/api/connections", told)
        assert (answer.status, answer.body["error"]["code"]) == (400, "VALIDATION_ERROR")
        assert answer.body["error"]["details"]["fields"] == [
            {
                "path": "site",
                "message": "site becomes a part of an address: only letters, digits, dots and hyphens can be taken.",
            }
        ]
        assert site not in str(answer.body)
