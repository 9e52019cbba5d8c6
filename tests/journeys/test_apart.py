"""A third party's connector in a process of its own, in a whole deployment (PL-05)."""

import contextlib
import importlib
import os
import signal
import sys
from pathlib import Path

import pytest
from tests.given import apart
from tests.journeys.deployment import deployment, register

from isthmus.sandbox import SandboxServer

NAME = "harbour_bazaar"
PRODUCTS = 12


def _child() -> int:
    """The one process that this one has started for a connector."""
    own = os.getpid()
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # one that has just ended
            words = (place / "cmdline").read_bytes()
            if b"isthmus.connect.apart.inside" in words and f"\nPPid:\t{own}\n" in (place / "status").read_text():
                return int(place.name)
    raise AssertionError("no process of a connector")


async def test_PL_05_a_shop_is_connected_and_read_through_a_process_that_may_die(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apart.installed(NAME, tmp_path, monkeypatch)
    kind = importlib.import_module(f"{NAME}.sandbox").PLATFORM
    label = "harbour-bazaar==1.2"
    async with (
        SandboxServer([NAME], products=PRODUCTS, kinds={NAME: kind}) as far,
        deployment(database_url, tmp_path / "home", ALLOWED_CONNECTORS=label, APART__CONNECTORS=label) as running,
    ):
        await register(running.platform, far)
        assert "kernel" in running.platform.walls[NAME]
        amy = await running.merchant("Apart")
        connection = await amy.connect(NAME)
        for _ in range(2):
            run = await amy.sync(connection)
            assert run["state"] == "succeeded", run
            listings = await amy.everything("/api/listings?", "items")
            assert len(listings) == far.shops[NAME].sellers[0].shelf.size
            os.kill(_child(), signal.SIGKILL)
    assert f"{NAME}.connector" not in sys.modules
    with pytest.raises(AssertionError, match="no process"):
        _child()
