"""Every connector's folder passes the suite: from its samples, and against its emulator over loopback."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from isthmus.connect.conformance import PLAYS, broken, check_folder, play
from isthmus.connect.conformance.playing import Act
from isthmus.connect.registry import Found, discover
from isthmus.kit.clock import ManualClock
from isthmus.sandbox import SandboxServer
from isthmus.sandbox.stage import SandboxStage

FOUND = discover()
WITH_BEHAVIOUR = [name for name, found in FOUND.items() if found.connector is not None and not found.declared]
PRODUCTS = 130


@pytest.mark.parametrize("name", WITH_BEHAVIOUR)
def test_the_folder_keeps_its_promises(name: str) -> None:
    findings = check_folder(FOUND[name])
    assert len(findings) > 5
    assert not [str(finding) for finding in broken(findings)]


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=WITH_BEHAVIOUR)
async def stage(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Found, SandboxStage]]:
    name: str = request.param
    async with SandboxServer([name], products=PRODUCTS, clock=ManualClock()) as server:
        yield FOUND[name], SandboxStage(server.shops[name])


@pytest.mark.parametrize("act", PLAYS, ids=lambda act: act.__name__)
async def test_the_connector_plays(stage: tuple[Found, SandboxStage], act: Act) -> None:
    finding = await play(act, *stage)
    assert finding.ok, str(finding)
    assert finding.evidence == "emulated"
