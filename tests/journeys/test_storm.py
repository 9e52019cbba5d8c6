"""Three platforms under faults, and their workers killed: afterwards all is as if nothing had happened (PR-08)."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from tests.house_database import Copy
from tests.journeys.sea import SKIES, Sea, open_sea, tell

from isthmus.sandbox import KINDS

#: As many go in the file beside, so that two processes share them.
HALF = 100


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sea(copied: Copy, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sea]:
    async with open_sea(copied, tmp_path_factory.mktemp("home")) as made:
        yield made


@pytest.mark.timeout(900)
async def test_PR_08_products_orders_and_writes_survive_faults_and_kill_9(sea: Sea) -> None:
    assert len(SKIES) < 2 * HALF, "each fault, and any two, come once"
    assert await tell(sea, range(HALF)) > 75
    assert {kind for kind in KINDS if not sea.tally[f"met {kind}"]} == set()


@pytest.mark.proof
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("first", range(0, 2_000, 200))
async def test_PR_08_products_orders_and_writes_survive_two_thousand_storms(sea: Sea, first: int) -> None:
    assert await tell(sea, range(first, first + 200)) > 150
