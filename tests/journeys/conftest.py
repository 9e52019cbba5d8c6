"""One deployment for each story's module."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.journeys.deployment import Deployment, deployment


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Deployment]:
    home: Path = tmp_path_factory.mktemp("home")
    async with deployment(database_url, home) as made:
        yield made
