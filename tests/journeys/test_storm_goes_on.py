"""The second half of the stories of `test_storm`: other faults in pairs, other moments to be killed at (PR-08)."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from tests.house_database import Copy
from tests.journeys.sea import Sea, open_sea, tell
from tests.journeys.test_storm import HALF


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sea(copied: Copy, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sea]:
    async with open_sea(copied, tmp_path_factory.mktemp("home")) as made:
        yield made


@pytest.mark.timeout(900)
async def test_PR_08_products_orders_and_writes_survive_more_faults_and_kill_9(sea: Sea) -> None:
    assert await tell(sea, range(HALF, 2 * HALF)) > 75
