"""The data beside the checkout (`ISTHMUS_SHARED`): what needs it is left out without it, and named; never in CI."""

import os
from pathlib import Path
from typing import Any

import pytest

SHARED = (Path(__file__).parents[1] / os.environ.get("ISTHMUS_SHARED", "../shared")).resolve()
_left_out: set[str] = set()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what cannot run; in CI the absence is a failure, so nothing is left out there."""
    if SHARED.is_dir() or os.environ.get("CI"):
        return
    without = [item for item in items if item.get_closest_marker("shared")]
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
        terminalreporter.write_line(f"left out, there is no {SHARED.name} beside the checkout: {names}")
