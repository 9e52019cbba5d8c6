"""The folder an embedded PostgreSQL lives in: who owns what, the lock, the socket's place, the access rules.

<data>/            owned by this process's user; entered by the server's user, by nobody else
  owner.lock       held by the process that runs the server
  cluster/         PostgreSQL's own data directory, 0700, owned by the server's user
  run/             the socket, 0700, owned by the server's user
  access.conf, names.conf, postgres.log
"""

import contextlib
import fcntl
import hashlib
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from isthmus.engine.db.binaries import Account, account_name, may_enter
from isthmus.engine.db.errors import DatabaseStartFailed, DataDirectoryTaken

OWNER, SERVICE, ADMIN, DATABASE = "isthmus_owner", "isthmus_service", "postgres", "isthmus"
_SOCKET_NAME = ".s.PGSQL.5432"
_SOCKET_LIMIT = 103  # sun_path: 104 bytes with the final NUL on macOS, 108 on Linux
_LOG_LIMIT = 5_000_000


@dataclass(frozen=True, slots=True)
class Room:
    """The paths inside one data directory."""

    data: Path

    @property
    def cluster(self) -> Path:
        return self.data / "cluster"

    @property
    def log(self) -> Path:
        return self.data / "postgres.log"

    @property
    def access(self) -> Path:
        return self.data / "access.conf"

    @property
    def names(self) -> Path:
        return self.data / "names.conf"

    @property
    def sockets(self) -> Path:
        """The socket's folder: inside the data directory unless its path would be too long for a socket."""
        inside = self.data / "run"
        if len(os.fsencode(inside / _SOCKET_NAME)) <= _SOCKET_LIMIT:
            return inside
        mark = hashlib.sha256(os.fsencode(self.data)).hexdigest()[:12]
        base = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
        return base / f"isthmus-{mark}"


def explain(path: Path, failure: OSError) -> DatabaseStartFailed:
    """A refusal of the file system, with the path and what it means."""
    return DatabaseStartFailed(f"{path} cannot be used as the place of the database: {failure.strerror or failure}")


def enter(data: Path) -> Room:
    """Make the data directory if it is not there. Raises DatabaseStartFailed."""
    path = data.absolute()
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.is_dir():
            raise NotADirectoryError(20, "it is not a folder")
        if path.stat().st_uid not in {os.geteuid(), 0} and os.geteuid() != 0:
            raise PermissionError(13, "it belongs to another user")
    except OSError as failure:
        raise explain(path, failure) from failure
    return Room(path)


def take(room: Room) -> int:
    """Lock the data directory for this process; the lock ends with the process. Raises DataDirectoryTaken."""
    lock = room.data / "owner.lock"
    try:
        held = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as failure:
        raise explain(lock, failure) from failure
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.read(held, 32).decode("ascii", "replace").strip() or "unknown"
        os.close(held)
        raise DataDirectoryTaken(
            f"the database in {room.data} is already run by process {owner}: stop that one, "
            "or choose another home with ISTHMUS_HOME"
        ) from None
    try:
        os.ftruncate(held, 0)
        os.pwrite(held, f"{os.getpid()}\n".encode(), 0)
    except OSError as failure:
        os.close(held)
        raise explain(lock, failure) from failure
    return held


def furnish(room: Room, account: Account) -> None:
    """Owners, modes and access rules, written again at every start."""
    try:
        _give(room.data, account, 0o750)
        _let_through(room.data.parent, account)
        if not may_enter(room.data, account):
            raise DatabaseStartFailed(
                f"the user {account.name}, which PostgreSQL runs as, cannot reach {room.data}: choose a place outside "
                "root's private folders with ISTHMUS_HOME, such as /var/lib/isthmus"
            )
        _private(room.sockets, account)
        client = account_name()
        _write(room.names, "".join(f'house "{client}" {role}\n' for role in (ADMIN, OWNER, SERVICE)))
        _write(room.access, "local all all peer map=house\n")
        if room.log.exists() and room.log.stat().st_size > _LOG_LIMIT:
            room.log.replace(room.log.with_suffix(".log.1"))
    except OSError as failure:
        raise explain(room.data, failure) from failure


def _give(path: Path, account: Account, mode: int) -> None:
    """Let the server's user pass through a folder of ours; nobody else."""
    if os.geteuid() == 0:
        os.chown(path, 0, account.gid)
        path.chmod(mode)
    else:
        path.chmod(0o700)


def _let_through(home: Path, account: Account) -> None:
    """A home that a strict umask closed to everybody but root lets the server's group pass, and nobody else."""
    state = home.stat()
    if os.geteuid() == 0 and state.st_uid == 0 and state.st_mode & 0o077 == 0 and home != Path.home():
        os.chown(home, -1, account.gid)
        home.chmod(0o710)


def _private(path: Path, account: Account) -> None:
    """A folder of the server's user alone; refused when somebody else put something there first."""
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)
        if os.geteuid() == 0:
            os.chown(path, account.uid, account.gid)
    state = path.lstat()
    if not path.is_dir() or path.is_symlink() or state.st_uid != account.uid or state.st_mode & 0o077:
        raise DatabaseStartFailed(f"{path} is not a private folder of the user {account.name}: remove it")


def fresh_cluster(room: Room, account: Account, build: Callable[[Path], None]) -> None:
    """Make the cluster beside its place, then move it there: an interrupted first start leaves nothing half done."""
    making = room.data / "cluster.new"
    try:
        if making.exists():
            _remove(making)
        _private(making, account)
        build(making)
        making.rename(room.cluster)
        held = os.open(room.data, os.O_RDONLY)
        try:
            os.fsync(held)
        finally:
            os.close(held)
    except OSError as failure:
        raise explain(room.data, failure) from failure


def _remove(path: Path) -> None:
    for folder, folders, files in os.walk(path, topdown=False):
        for name in files:
            (Path(folder) / name).unlink()
        for name in folders:
            inner = Path(folder) / name
            if inner.is_symlink():
                inner.unlink()
            else:
                inner.rmdir()
    path.rmdir()


def tidy(room: Room) -> None:
    """Leave no socket folder behind outside the data directory."""
    if not room.sockets.is_relative_to(room.data):
        with contextlib.suppress(OSError):
            room.sockets.rmdir()


def _write(path: Path, text: str) -> None:
    if not path.exists() or path.read_text() != text:
        path.write_text(text)
    path.chmod(0o644)
