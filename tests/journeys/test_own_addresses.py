"""A provider whose customers have addresses of their own: consent, tokens and calls go to the one that was named."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
import pytest_asyncio
from tests.given import catalog as given
from tests.given.crm import Crm, crm
from tests.journeys.deployment import Answer, Deployment, Merchant, deployment

from isthmus.kit.permissions import PLATFORM_TENANT, SUPER_ADMIN

AT = "/api/admin/integrations"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def far() -> AsyncIterator[Crm]:
    async with crm() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(database_url: str, tmp_path_factory: pytest.TempPathFactory, far: Crm) -> AsyncIterator[Deployment]:
    home: Path = tmp_path_factory.mktemp("home")
    async with deployment(database_url, home, CONNECTIONS__ALLOW_NETWORKS="127.0.0.0/8") as made:
        operator = made.person(PLATFORM_TENANT, [SUPER_ADMIN], "root")
        answer = await operator.call("POST", AT, _told(far))
        assert answer.status == 201, answer.body
        app = {"credentials": {"client_id": "app", "client_secret": "canary-app-secret"}}
        assert (await operator.call("PUT", f"{AT}/crm/sited/app", app)).status == 200
        yield made


def _told(far: Crm) -> dict[str, Any]:
    at = far.url + "/{site}"
    oauth = {"authorizeUrl": f"{at}/authorize", "tokenUrl": f"{at}/token", "revokeUrl": f"{at}/revoke"}
    return given.document("sited") | {
        "hosts": {"api": at},
        "authType": "oauth2",
        "oauthConfig": oauth,
        "variables": [{"name": "site"}],
        "credentialFields": [{"name": "site", "label": "Site", "pattern": "[a-z]+", "help": "As in the address."}],
        "service": {
            "attach": [{"place": "header", "name": "Authorization", "value": "Bearer {access_token}"}],
            "verify": {"path": "/me", "name": "account.name"},
        },
    }


async def _agreed(amy: Merchant, opened: Answer) -> str:
    """The person agrees; the address of the consent page."""
    assert opened.status in {200, 201}, opened.body
    async with amy.browser.get(opened.body["authorizationUrl"], allow_redirects=False) as answer:
        consent = answer.headers["location"]
    link = dict(parse_qsl(urlsplit(consent).query))
    back = f"{link['redirect_uri']}?{urlencode({'code': 'x', 'state': link['state']})}"
    async with amy.browser.get(back, allow_redirects=False) as answer:
        assert answer.status == 200, await answer.text()
    return consent


async def test_everything_goes_to_the_address_that_was_named_and_reconnecting_asks_for_it_no_more(
    running: Deployment, far: Crm
) -> None:
    amy = await running.merchant("Amy")
    told = (await amy.call("GET", "/api/integrations/sited")).body
    assert [(one["name"], one["secret"]) for one in told["credentialFields"]] == [("site", False)]
    opened = await amy.call("POST", "/api/connections", {"provider": "sited", "credentials": {"site": "north"}})
    assert (await _agreed(amy, opened)).startswith(f"{far.url}/north/authorize?")
    assert far.asked["/northauthorization_code"] == 1
    connection = f"/api/connections/{opened.body['id']}"
    found = (await amy.call("GET", connection)).body
    place = far.url.removeprefix("http://")
    assert (found["status"], found["account"]["id"], found["account"]["name"]) == (
        "connected", f"{place}/north", "North office",
    )  # fmt: skip
    assert (await amy.call("POST", f"{connection}/test")).body["success"] is True
    again = await amy.call("POST", f"{connection}/reconnect", {})
    assert (await _agreed(amy, again)).startswith(f"{far.url}/north/authorize?")
    assert (await amy.call("GET", connection)).body["status"] == "connected"
    assert (await amy.call("DELETE", connection)).status == 204
    assert [name for name in far.asked if name.startswith("/northrevoked")]


async def test_another_customer_is_another_account(running: Deployment, far: Crm) -> None:
    bob = await running.merchant("Bob")
    made = await bob.call("POST", "/api/tenant/integrations", {"integrationId": "sited", "name": "South"})
    await bob.call("PUT", "/api/connections/return-origins", {"origins": ["https://app.example.com"]})
    body = {"returnUrl": "https://app.example.com/x", "credentials": {"site": "south"}}
    path = f"/api/tenant/integrations/{made.body['id']}/connect/oauth"
    begun = await bob.call("POST", path, body)
    async with bob.browser.get(begun.body["authorizationUrl"], allow_redirects=False) as answer:
        assert answer.headers["location"].startswith(f"{far.url}/south/authorize?")


@pytest.mark.parametrize(
    "site", ["evil.example.com/", "..", "north/../..", "north?x=", "north@evil.example.com", "UP", "a b", "x\r\ny"]
)
async def test_SS_01_a_part_that_does_not_fit_never_makes_an_address(running: Deployment, site: str) -> None:
    amy = await running.merchant("Amy")
    answer = await amy.call("POST", "/api/connections", {"provider": "sited", "credentials": {"site": site}})
    assert (answer.status, answer.body["error"]["code"]) == (400, "WRONG_CREDENTIAL_KIND")
    assert answer.body["error"]["details"]["fields"][0]["path"] == "site"
    assert site not in str(answer.body)


async def test_without_its_address_no_consent_begins(running: Deployment) -> None:
    amy = await running.merchant("Amy")
    for credentials in (None, {}, {"site": "north", "more": "x"}):
        body = {"provider": "sited", **({} if credentials is None else {"credentials": credentials})}
        answer = await amy.call("POST", "/api/connections", body)
        assert (answer.status, answer.body["error"]["code"]) == (400, "WRONG_CREDENTIAL_KIND"), answer.body
