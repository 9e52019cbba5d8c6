"""What is installed: pinned by hash, wheels only, old enough; and a light install without a server (security.md SU)."""

import base64
import hashlib
import os
import re
import shlex
import subprocess
import sys
import tomllib
import zipfile
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path

import pytest
from tools.house.tree import ROOT

LOCKS = sorted((ROOT / "requirements").glob("*.lock"))
_PIN = re.compile(r"^[a-z0-9.-]+(\[[a-z0-9,-]+\])?==[^ ]+( ; [^\\]+)?$")
_HASH = re.compile(r"^--hash=sha256:[0-9a-f]{64}$")


def _requirements(lock: str) -> list[list[str]]:
    """Each logical line of a lock as the words between its continuations."""
    whole = "\n".join(line for line in lock.splitlines() if line.strip() and not line.startswith("#"))
    return [[part.strip() for part in one.split("\\\n")] for one in re.split(r"(?<!\\)\n", whole)]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: str(lock.name))
def test_SU_01_every_requirement_is_one_version_with_hashes_and_no_lock_names_an_index(lock: Path) -> None:
    found = _requirements(lock.read_text("utf-8"))
    assert len(found) > 30
    for pin, *hashes in found:
        assert _PIN.match(pin), pin
        assert hashes, pin
        assert all(_HASH.match(one) for one in hashes), pin


def _install_flags() -> list[list[str]]:
    """The options of each `pip install -r` of the Makefile."""
    lines = (ROOT / "Makefile").read_text("utf-8").splitlines()
    commands = [line.partition(" install ")[2] for line in lines if "pip install" in line and " -r " in line]
    return [shlex.split(command.partition(" -r ")[0]) for command in commands]


def test_SU_01_every_install_of_a_lock_wants_hashes_and_wheels() -> None:
    assert len(_install_flags()) == len(LOCKS)
    for flags in _install_flags():
        assert "--require-hashes" in flags
        assert flags[flags.index("--only-binary") + 1] == ":all:"
        assert not {"--index-url", "-i", "--extra-index-url", "--find-links", "-f", "--trusted-host"} & set(flags)


def _wheel(folder: Path, text: str) -> tuple[Path, str]:
    """A wheel of the package `tiny`, and its hash."""
    made = folder / "tiny-1.0-py3-none-any.whl"
    files = {
        "tiny.py": text,
        "tiny-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n",
        "tiny-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = [f"{name},sha256={_urlsafe(body)},{len(body)}" for name, body in files.items()]
    files["tiny-1.0.dist-info/RECORD"] = "\n".join([*rows, "tiny-1.0.dist-info/RECORD,,"]) + "\n"
    with zipfile.ZipFile(made, "w") as archive:
        for name, body in files.items():
            archive.writestr(name, body)
    return made, hashlib.sha256(made.read_bytes()).hexdigest()


def _urlsafe(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def _install(folder: Path, lock: str) -> subprocess.CompletedProcess[str]:
    """The Makefile's install of a lock, with a folder as the only index."""
    (folder / "given.lock").write_text(lock + "\n")
    local = ["--no-index", "--find-links", str(folder), "--target", str(folder / "there")]
    command = [sys.executable, "-m", "pip", "install", *_install_flags()[0], *local, "-r", str(folder / "given.lock")]
    environment = {"PATH": os.defpath, "HOME": str(folder), "PIP_CONFIG_FILE": os.devnull, "PIP_NO_CACHE_DIR": "1"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_SU_01_a_wheel_is_installed_as_locked_and_a_tampered_one_is_refused(tmp_path: Path) -> None:
    _, digest = _wheel(tmp_path, "X = 1\n")
    lock = f"tiny==1.0 --hash=sha256:{digest}"
    unpinned = _install(tmp_path, "tiny==1.0")
    assert "hash" in unpinned.stderr.lower()
    assert unpinned.returncode
    good = _install(tmp_path, lock)
    assert good.returncode == 0, good.stderr
    assert (tmp_path / "there" / "tiny.py").read_text() == "X = 1\n"
    _wheel(tmp_path, "X = 2  # tampered\n")
    bad = _install(tmp_path, lock)
    assert bad.returncode
    assert "DO NOT MATCH THE HASHES" in bad.stderr
    assert (tmp_path / "there" / "tiny.py").read_text() == "X = 1\n"


def test_SU_01_a_source_archive_is_refused_with_the_right_hash_too(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    made = tmp_path / "tiny-1.0.zip"
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("tiny-1.0/setup.py", f"open({str(marker)!r}, 'w')\nimport setuptools\nsetuptools.setup()\n")
        archive.writestr("tiny-1.0/PKG-INFO", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
    ended = _install(tmp_path, f"tiny==1.0 --hash=sha256:{hashlib.sha256(made.read_bytes()).hexdigest()}")
    assert ended.returncode
    assert not marker.exists()
    assert not (tmp_path / "there").exists()


_UV = """#!/bin/sh
echo "$@" >> "$CALLS"
while [ $# -gt 1 ]; do [ "$1" = -o ] && echo "tiny==1.0" > "$2"; shift; done
"""


def _locked(root: Path, *words: str) -> tuple[list[list[str]], list[str]]:
    """Run a copy of tools/lock with a `uv` that only notes its words; the calls, and the locks that it left."""
    for folder in ("tools", "requirements", "bin"):
        (root / folder).mkdir(exist_ok=True)
    for name, text in (("tools/lock", (ROOT / "tools" / "lock").read_text("utf-8")), ("bin/uv", _UV)):
        (root / name).write_text(text)
        (root / name).chmod(0o755)
    environment = {"PATH": f"{root / 'bin'}:{os.defpath}", "CALLS": str(root / "calls")}
    subprocess.run([str(root / "tools" / "lock"), *words], env=environment, check=True, timeout=20)
    calls = [shlex.split(line) for line in (root / "calls").read_text().splitlines()]
    return calls, [file.read_text() for file in sorted((root / "requirements").iterdir())]


def test_SU_02_new_releases_wait_seven_days_and_the_lock_says_until_when(tmp_path: Path) -> None:
    calls, locks = _locked(tmp_path)
    assert len(calls) == len(locks) == len(LOCKS)
    for call in calls:
        assert "--generate-hashes" in call
        cutoff = datetime.fromisoformat(call[call.index("--exclude-newer") + 1])
        assert timedelta(days=6, hours=23) < datetime.now(UTC) - cutoff < timedelta(days=8, hours=1)
    stamp = calls[0][calls[0].index("--exclude-newer") + 1]
    assert locks == [f"# No release newer than {stamp}.\ntiny==1.0\n"] * len(LOCKS)


def test_SU_02_a_security_release_is_let_in_by_a_later_moment_that_is_recorded(tmp_path: Path) -> None:
    calls, locks = _locked(tmp_path, "2026-11-20T00:00:00Z")
    assert all("2026-11-20T00:00:00Z" in call for call in calls)
    assert all(lock.startswith("# No release newer than 2026-11-20T00:00:00Z.\n") for lock in locks)


def _names(extra: str) -> set[str]:
    """The packages that one extra brings, and those that only it needs, as they are imported."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    light = _closure(project["dependencies"])
    more = _closure(project["optional-dependencies"][extra]) - light
    return {
        name for name, owners in metadata.packages_distributions().items() if {_plain(one) for one in owners} & more
    }


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[ \[<>=!~;(]", name)[0]).lower()


def _closure(wanted: list[str]) -> set[str]:
    found: set[str] = set()
    left = [_plain(one) for one in wanted]
    while left:
        name = left.pop()
        if name in found:
            continue
        try:
            needs = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        found.add(name)
        left += [_plain(need) for need in needs if "extra ==" not in need]
    return found


def _light(code: str) -> subprocess.CompletedProcess[str]:
    """Run code where nothing that only `isthmus[server]` brings can be imported."""
    hidden = sorted(_names("server"))
    assert {"asyncpg", "fastapi", "cryptography", "sqlalchemy"} <= set(hidden)
    before = f"import sys\nfor name in {hidden!r}: sys.modules[name] = None\n"
    command = [sys.executable, "-c", before + code]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_SU_05_the_client_runs_without_any_package_of_the_server() -> None:
    ended = _light(
        "import isthmus.client\n"
        "print(isthmus.client.ApiClient('https://api.example.com') is not None)\n"
        "print(sorted(n for n in sys.modules if n.startswith('isthmus.') and n.split('.')[1] not in ('client', 'kit')))"
    )
    assert (ended.returncode, ended.stdout.split("\n")[:2]) == (0, ["True", "[]"]), ended.stderr


def test_SU_05_what_needs_the_server_says_what_to_install() -> None:
    ended = _light("import isthmus\nisthmus.Integrations")
    assert ended.returncode == 1
    assert "isthmus.Integrations needs the server's packages: pip install 'isthmus[server]'" in ended.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [(["--help"], 0, "probe"), (["probe", "--help"], 0, "Usage"), (["up"], 2, "No such command")],
)
def test_SU_05_the_command_works_without_the_server(words: list[str], code: int, said: str) -> None:
    ended = _light(f"sys.argv = ['isthmus', *{words!r}]\nfrom isthmus.__main__ import main\nmain()\n")
    assert ended.returncode == code, ended.stderr
    assert said in ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr


def test_SU_05_no_dependency_changes_how_python_starts() -> None:
    ours = metadata.distribution("isthmus")
    known = _closure(["isthmus[server]", "httpx2", "opentelemetry-api"]) | _names("server")
    for one in metadata.distributions():
        name = _plain(one.metadata["Name"])
        if name in known and name != _plain(ours.metadata["Name"]):
            started = [str(file) for file in one.files or [] if file.suffix == ".pth" or file.stem == "sitecustomize"]
            assert not started, f"{name} runs {started} at every start"


def test_what_reads_shops_needs_no_web_framework() -> None:
    """Memory of a worker: one import behind a room's door once cost it 16 MB."""
    told = "import sys, isthmus.features.sync; print(sorted({'fastapi', 'starlette', 'uvicorn'} & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True, timeout=60)
    assert answer.stdout.strip() == "[]"
