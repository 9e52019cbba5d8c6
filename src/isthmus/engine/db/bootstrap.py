"""What a fresh cluster gets: checksums, roles without needless rights, and settings for small machines."""

import contextlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

from isthmus.engine.db import connections, room
from isthmus.engine.db.binaries import ENVIRONMENT, Account, Binaries
from isthmus.engine.db.errors import DatabaseStartFailed

_SETTINGS: Final = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "80",
    "superuser_reserved_connections": "3",
    "max_wal_size": "1GB",
    "checkpoint_timeout": "15min",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_logical_replication_workers": "0",
    "max_worker_processes": "4",
    "max_parallel_workers_per_gather": "0",
    "autovacuum_max_workers": "2",
    "autovacuum_naptime": "60s",
    "jit": "off",
    # Pages are mostly in memory. At the default of 4 a fresh tenant's list, of which nothing is known yet, is sorted
    # as a whole instead of being read backwards from its key.
    "random_page_cost": "1.1",
    "huge_pages": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    # Values of rows and statements stay out of the log (security.md 0.2 no. 10); errors go to whoever caused them,
    # their messages quote input.
    "log_min_messages": "log",
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_parameter_max_length_on_error": "0",
    "log_checkpoints": "off",
    "log_connections": "",
    "idle_in_transaction_session_timeout": "60s",
    "client_connection_check_interval": "10s",
}


def options(major: int, *, test_mode: bool) -> dict[str, str]:
    """The server's settings, sized for this machine."""
    chosen = dict(_SETTINGS)
    if major < 18:
        chosen["log_connections"] = "off"
    else:
        chosen["io_method"] = "sync"  # spares three worker processes
    chosen["shared_buffers"] = f"{min(256, max(32, _memory() // 8))}MB"
    if test_mode:
        chosen |= {"fsync": "off", "full_page_writes": "off", "shared_buffers": "64MB", "max_connections": "120"}
    return chosen


def _memory() -> int:
    """Megabytes of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1_048_576


def initdb(found: Binaries, account: Account, path: Path, *, sync: bool) -> None:
    """Make a cluster in the empty folder `path`. Raises DatabaseStartFailed with initdb's reason."""
    command = [str(found.folder / "initdb"), "-D", str(path), "-U", room.ADMIN, "-A", "peer", "--encoding=UTF8"]
    command += ["--data-checksums", "--no-instructions", "--no-locale"]
    if found.major >= 17:
        command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        command += ["--sync-method=syncfs"] if os.uname().sysname == "Linux" else []
    command += [] if sync else ["--no-sync"]
    drop = {"user": account.uid, "group": account.gid, "extra_groups": []} if os.geteuid() == 0 else {}
    try:
        done = subprocess.run(  # type: ignore[call-overload] # noqa: S603 - see `drop`: only root may change user
            command, cwd="/", env=ENVIRONMENT, capture_output=True, text=True, timeout=120, check=False, **drop
        )
    except (OSError, subprocess.SubprocessError) as failure:
        raise DatabaseStartFailed(f"initdb could not be run: {failure}") from failure
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if "error" in line.lower() or "could not" in line]
        reason = " ".join(said or done.stderr.splitlines()[-2:])
        raise DatabaseStartFailed(f"the database could not be made in {path.parent}: {reason}{space(path)}")


def space(path: Path) -> str:
    """A hint for a failure when there is hardly any room left; PostgreSQL does not always say so itself."""
    with contextlib.suppress(OSError):
        left = shutil.disk_usage(path).free // 1_048_576
        return f" (the disk is full: {left} MB left)" if left < 64 else ""
    return ""


def clear_stale_pid(cluster: Path) -> None:
    """Remove a postmaster.pid whose number now belongs to some other process.

    PostgreSQL itself handles a number that is free. Process numbers repeat in containers, so a used one
    proves nothing: what counts is whether any process works in the cluster's folder. The caller holds the lock.
    """
    record = cluster / "postmaster.pid"
    processes = Path("/proc")
    if not processes.is_dir():
        return
    with contextlib.suppress(OSError, ValueError):
        number = int(record.read_text().split("\n", 1)[0])
        if not (processes / str(number)).exists():
            return
        if not any(_works_in(entry, cluster) for entry in processes.iterdir() if entry.name.isdecimal()):
            record.unlink()


def _works_in(process: Path, cluster: Path) -> bool:
    try:
        return (process / "cwd").readlink() == cluster
    except OSError:
        return False


async def prepare(postgres_url: str, isthmus_url: str) -> None:
    """Roles and the database, if they are not there yet."""
    connection = await connections.connect(postgres_url)
    try:
        if await connection.fetchval("select true from pg_database where datname = $1", room.DATABASE):
            return
        await connection.execute(_ROLES)
        await connection.execute(f"create database {room.DATABASE} owner {room.OWNER} strategy file_copy")
    finally:
        await connection.close()
    connection = await connections.connect(isthmus_url)
    try:
        await connection.execute(_HIDE)
    finally:
        await connection.close()


_ROLES: Final = f"""
do $$ begin
  create role {room.OWNER} login createrole;
exception when duplicate_object then null; end $$;
do $$ begin
  create role {room.SERVICE} login noinherit connection limit 60;
exception when duplicate_object then null; end $$;
"""

#: Other sessions' statements are nobody's business (security.md TN-10).
_HIDE: Final = "revoke all on pg_stat_activity from public"
