"""`--forks` runs every test once, says how each ended, and loses none whose process dies."""

import os
import re
import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_CONFTEST = """
import pathlib, pytest
@pytest.fixture(scope="session", autouse=True)
def held():
    yield
    with pathlib.Path("ended").open("a") as file:
        file.write("x")
"""
_FILES = {
    "test_good.py": "import pytest\n@pytest.mark.parametrize('n', range(40))\ndef test_it(n, tmp_path): pass",
    "test_bad.py": "def test_it(): print('seen there'); assert 1 == 2",
    "test_dead.py": "import os\ndef test_last_words(): os.kill(os.getpid(), 9)\ndef test_behind(): pass",
    "test_warned.py": "import warnings\ndef test_it(): warnings.warn('mind this')",
}


def _run(place: Path, *files: str) -> tuple[int, str]:
    (place / "conftest.py").write_text(_CONFTEST)
    (place / "pytest.ini").write_text("[pytest]")
    for name in files:
        (place / name).write_text(_FILES[name])
    command = [sys.executable, "-m", "pytest", "-p", "tests.forked", "--forks", "2", "-p", "no:cacheprovider"]
    env = {**os.environ, "PYTHONPATH": str(_ROOT)}
    ended = subprocess.run(command, cwd=place, env=env, capture_output=True, text=True, timeout=60, check=False)
    return ended.returncode, ended.stdout


def test_files_are_shared_and_each_process_ends_what_it_has_opened(tmp_path: Path) -> None:
    code, said = _run(tmp_path, "test_good.py", "test_warned.py")
    assert code == 0, said
    assert "41 passed, 1 warning" in said
    assert "mind this" in said
    assert (tmp_path / "ended").read_text() == "xx"


def test_what_fails_and_what_dies_is_named_and_the_rest_is_run(tmp_path: Path) -> None:
    code, said = _run(tmp_path, *_FILES)
    assert code == 1
    assert set(re.findall(r"^FAILED (\S+)", said, re.MULTILINE)) == {
        "test_bad.py::test_it",
        "test_dead.py::test_last_words",
    }
    assert "seen there" in said
    assert "the process ended with -9" in said
    assert "2 failed, 41 passed" in said
