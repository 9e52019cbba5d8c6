"""A new folder has everything a connector needs, and no name can put it elsewhere."""

import subprocess
import sys
from pathlib import Path

import pytest

from isthmus.connect import scaffold
from isthmus.kit.errors import Conflict, Invalid


def test_the_folder_is_whole(tmp_path: Path) -> None:
    written = {
        path.relative_to(tmp_path / "corner_shop").as_posix() for path in scaffold.write("corner_shop", tmp_path)
    }
    assert {"manifest.toml", "connector.py", "mapping.py", "sandbox.py", "guide.md", "icon.svg"} <= written
    assert any(name.startswith("samples/") for name in written)
    for path in (tmp_path / "corner_shop").rglob("*.*"):
        assert "{{" not in path.read_text()


def test_the_code_is_formatted_and_linted(tmp_path: Path) -> None:
    scaffold.write("corner_shop", tmp_path)
    config = Path(__file__).parents[2] / "pyproject.toml"
    ruff = [sys.executable, "-m", "ruff"]
    for command in (["check", "--ignore", "I001", "--no-cache"], ["format", "--check", "--no-cache"]):
        run = subprocess.run(
            [*ruff, *command, "--config", config, tmp_path], capture_output=True, text=True, check=False
        )
        assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize(
    "name", ["", "a", "A", "../up", "a b", "1st", "class", "oauth", "search", "x" * 41, "a-b", "a.b", "é1"]
)
def test_a_name_that_cannot_be_one_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(Invalid):
        scaffold.write(name, tmp_path)
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    scaffold.write("corner_shop", tmp_path)
    with pytest.raises(Conflict):
        scaffold.write("corner_shop", tmp_path)
