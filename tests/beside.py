"""What lies beside the checkout: without the data or Node, tests are left out and named; never in CI."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

SHARED = (Path(__file__).parents[1] / os.environ.get("ISTHMUS_SHARED", "../shared")).resolve()
_left_out: set[str] = set()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what cannot run; in CI the absence is a failure, so nothing is left out there."""
    if os.environ.get("CI"):
        return
    there = {"shared": SHARED.is_dir(), "node": shutil.which("node") is not None}
    missing = [name for name, found in there.items() if not found]
    without = [item for item in items if any(item.get_closest_marker(name) for name in missing)]
    if not without:
        return
    _left_out.update(item.nodeid for item in without)
    config.hook.pytest_deselected(items=without)
    items[:] = [item for item in items if item not in without]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker process tells the one that prints."""
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["left_out"] = sorted(_left_out)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """What a worker process left out."""
    _left_out.update(getattr(node, "workeroutput", {}).get("left_out", ()))


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name them last."""
    if _left_out:
        names = ", ".join(sorted(_left_out))
        terminalreporter.write_line(f"left out, there is no {SHARED.name} beside the checkout or no node: {names}")
