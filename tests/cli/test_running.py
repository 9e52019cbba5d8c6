"""How every command runs: no core files, no values in tracebacks, and nothing meant for trials in public."""

import os
import re
import subprocess
import sys

import psutil
import pytest
from tests.cli.test_sandbox import running as sandbox
from typer.testing import CliRunner

from isthmus.app import FEATURES
from isthmus.cli import build
from isthmus.http.routes import DeclaredRoute
from isthmus.sandbox import discover

_CORE = """
import asyncio, resource, subprocess, sys
from isthmus.cli.running import run
most = resource.getrlimit(resource.RLIMIT_CORE)[1]
resource.setrlimit(resource.RLIMIT_CORE, (most, most))
async def main():
    child = await asyncio.create_subprocess_exec("/bin/sh", "-c", "ulimit -c; ulimit -Hc", env={})
    await child.wait()
run(main())
"""
_CRASH = """
import isthmus.__main__ as command
def broken():
    held = "-".join(["can", "ary"])
    raise RuntimeError("a bug")
command.build = lambda: broken
command.main()
"""


def _python(code: str, *words: str, **given: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "200", **given}
    command = [sys.executable, "-c", code, *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_LO_07_neither_a_command_nor_what_it_starts_leaves_a_core_file() -> None:
    ended = _python(_CORE)
    assert ended.stdout.split() == ["0", "0"], ended.stderr


def test_LO_07_a_traceback_of_a_command_shows_no_values() -> None:
    ended = _python(_CRASH, FORCE_COLOR="1")
    assert ended.returncode == 1
    assert "RuntimeError: a bug" in ended.stderr
    assert "can-ary" not in ended.stderr + ended.stdout
    assert build().pretty_exceptions_enable is False


def _listening(process: psutil.Process) -> set[str]:
    """The addresses that a process and its children listen on."""
    found = set()
    for one in [process, *process.children(recursive=True)]:
        try:
            found |= {row.laddr.ip for row in one.net_connections("inet") if row.status == psutil.CONN_LISTEN}
        except psutil.Error:
            continue
    return found


def test_SU_08_a_sandbox_listens_on_loopback_only_whatever_the_host_setting_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ISTHMUS_HOST", "0.0.0.0")
    with sandbox("--products", "1") as (process, shown):
        assert _listening(psutil.Process(process.pid)) == {"127.0.0.1"}
        assert len(set(re.findall(r"http://127\.0\.0\.1:\d+", shown))) >= len(discover())


@pytest.mark.parametrize("command", ["sandbox", "demo"])
def test_SU_08_what_is_for_trials_takes_no_address(command: str) -> None:
    refused = CliRunner().invoke(build(), [command, "--host", "0.0.0.0"])
    assert refused.exit_code == 2
    assert "No such option" in refused.output


def test_SU_08_no_route_of_the_product_is_for_trials() -> None:
    every = [route for feature in FEATURES for routes in feature.routes for route in routes.router.routes]
    paths = [route.path for route in every if isinstance(route, DeclaredRoute)]
    assert len(paths) == len(every)
    assert paths
    assert not [path for path in paths if re.search(r"sandbox|demo|debug|_test|seed", path)]
