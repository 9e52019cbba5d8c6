"""The guide of the library runs as it is printed."""

import hmac
from collections.abc import AsyncIterator

import httpx2
import pytest
import pytest_asyncio
from tests.docs.test_guides import ROOT, execute
from tests.house_database import Copy
from tests.library.test_integrations import MASTER, Stripe, serving


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api() -> AsyncIterator[str]:
    async with serving(Stripe()) as url:
        yield url


async def test_the_guide_of_the_library_runs_as_it_is_printed(
    copied: Copy, api: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {
        "ISTHMUS_DATABASE_DIRECT_URL": copied.owner_url,
        "ISTHMUS_HOME": str(tmp_path_factory.mktemp("guide")),
        "ISTHMUS_DATABASE_CONNECTIONS": "8",
        "ISTHMUS_PROVIDERS__STRIPE__HOSTS__API": api,
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    known = {"DATABASE": copied.url, "MASTER_KEY": MASTER, "API_KEY": "sk_test_ok"}
    made = await execute(ROOT / "docs/guides/library.md", **known)
    app = made["app"]
    async with app.router.lifespan_context(app):
        address = await app.state.hooks.add_source("github", secret="hush")
        body = b'{"zen": "Keep it"}'
        headers = {"X-GitHub-Event": "ping", "X-GitHub-Delivery": "2"}
        headers["X-Hub-Signature-256"] = "sha256=" + hmac.digest(b"hush", body, "sha256").hex()
        at = "/hooks/" + address.rpartition("/")[2]
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://service") as client:
            assert (await client.get("/integrations")).json() == []
            assert (await client.post(at, content=body, headers=headers)).status_code == 200
            assert (await client.post(at, content=b"{}", headers=headers)).status_code == 401
