"""`isthmus connector`: a new folder passes its suite at once, and a broken promise is an exit code."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from isthmus.cli.connector import connector
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
