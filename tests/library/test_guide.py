"""The guide of the library runs as it is printed."""

from collections.abc import AsyncIterator

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
    await execute(ROOT / "docs/guides/library.md", **known)
