"""`isthmus connector`: a new folder passes its suite at once, and a broken promise is an exit code."""

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from tests.given import apart
from typer.testing import CliRunner

from isthmus.cli.connector import connector
from isthmus.connect import registry
from isthmus.kit.errors import Conflict, Invalid, NotFound

run = CliRunner()


def test_a_new_folder_passes_its_suite_at_once(tmp_path: Path) -> None:
    written = run.invoke(connector, ["new", "harbour_market", "--to", str(tmp_path)])
    assert written.exit_code == 0, written.output
    assert (tmp_path / "harbour_market" / "connector.py").is_file()
    verified = run.invoke(connector, ["verify", str(tmp_path / "harbour_market")], env={"COLUMNS": "200"})
    assert verified.exit_code == 0, verified.output
    assert "emulated" in verified.output
    assert "BROKEN" not in verified.output


def test_a_broken_promise_is_named_and_ends_in_1(tmp_path: Path) -> None:
    run.invoke(connector, ["new", "broken_market", "--to", str(tmp_path)])
    folder = tmp_path / "broken_market"
    (folder / "guide.md").unlink()
    (folder / "sandbox.py").unlink()
    verified = run.invoke(connector, ["verify", str(folder)], env={"COLUMNS": "200"})
    assert verified.exit_code == 1
    assert "BROKEN guide.md is missing" in verified.output


def test_the_list_shows_what_is_there() -> None:
    listed = run.invoke(connector, ["list"], env={"COLUMNS": "200"})
    assert listed.exit_code == 0
    assert "products" in listed.output
    assert "price, stock, published" in listed.output


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["verify", "nowhere"], NotFound),
        (["new", "No Such Name"], Invalid),
        (["verify", "{folder}", "--live"], Invalid),
        (["new", "twice", "--to", "{home}"], Conflict),
    ],
)
def test_what_cannot_be_done_is_said(tmp_path: Path, arguments: list[str], problem: type[Exception]) -> None:
    run.invoke(connector, ["new", "twice", "--to", str(tmp_path)])
    (tmp_path / "twice" / "sandbox.py").unlink()
    filled = [one.format(folder=tmp_path / "twice", home=tmp_path) for one in arguments]
    ended = run.invoke(connector, filled, env={"ISTHMUS_LIVE_APP": "no json"})
    assert isinstance(ended.exception, problem)


def test_a_live_run_names_everything_that_is_missing_before_it_runs_anything() -> None:
    ended = run.invoke(connector, ["verify", "lazada", "--live"])
    assert isinstance(ended.exception, Invalid)
    for name in ("ISTHMUS_LIVE_ACCOUNT", "ISTHMUS_LIVE_ACCESS_TOKEN", "ISTHMUS_LIVE_APP with app_key"):
        assert name in ended.exception.message
    assert ended.output == ""


@pytest.fixture
def offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EntryPoint:
    """A connector of another distribution, installed."""
    run.invoke(connector, ["new", "far_market", "--to", str(tmp_path)])
    (tmp_path / "far_market" / "__init__.py").touch()
    info = tmp_path / "far_market-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: far-market\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text("[isthmus.connectors]\nfar_market = far_market\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    (point,) = [point for point in registry.offered() if point.name == "far_market"]
    return point


def test_PL_01_the_list_imports_what_is_allowed_and_names_what_is_not(offered: EntryPoint) -> None:
    shut = run.invoke(connector, ["list"], env={"COLUMNS": "200"})
    assert f"offered, not allowed: {registry.label(offered)} (far_market)" in shut.output
    assert "far_market" not in sys.modules
    allowed = run.invoke(
        connector, ["list"], env={"COLUMNS": "200", "ISTHMUS_ALLOWED_CONNECTORS": registry.label(offered)}
    )
    assert allowed.exit_code == 0, allowed.output
    assert "not allowed" not in allowed.output
    assert "far_market" in allowed.output


#: Each has a name of its own: the process of the tests keeps what it imported under one.
@pytest.mark.parametrize(
    ("name", "words", "plays"),
    [
        ("far_bazaar", ["--apart"], False),
        pytest.param("farther_bazaar", ["--apart"], True, marks=pytest.mark.proof),
        pytest.param("near_bazaar", [], True, marks=pytest.mark.proof),
    ],
)
def test_PL_05_the_same_suite_passes_in_a_process_of_its_own(
    tmp_path: Path, name: str, words: list[str], plays: bool
) -> None:
    folder = apart.written(name, tmp_path)
    if not plays:
        (folder / "sandbox.py").unlink()
    verified = run.invoke(connector, ["verify", str(folder), *words], env={"COLUMNS": "200"})
    assert verified.exit_code == 0, verified.output
    assert ("It ran in a process of its own, behind walls of kernel" in verified.output) == bool(words)
    assert ("emulated" in verified.output) == plays
