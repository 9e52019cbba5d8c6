"""The supervisor of the embedded PostgreSQL: it starts with this process, ends with it however that ends,
is reached through a private socket only, and is started again when it dies.
"""

import asyncio
import contextlib
import logging
import os
import signal
import struct
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from isthmus.engine.db import binaries, bootstrap, connections, room
from isthmus.engine.db.binaries import Account, Binaries
from isthmus.engine.db.errors import DatabaseStartFailed, DatabaseUnavailable, DatabaseUnsuitable
from isthmus.kit.clock import SYSTEM, Clock

_LOG = logging.getLogger("isthmus.engine.db")
_LAUNCHER = Path(__file__).with_name("launcher.py")
_START_DEADLINE = 60.0
_RETRY_DEADLINE = 15.0
_PASSING = ("lock file", "shared memory block", "postmaster.pid")


class EmbeddedPostgres:
    """One PostgreSQL server over one data directory, owned by this process.

    `start()` must be called in a thread that lives as long as the process (the event loop's): the kernel's
    parent-death signal is bound to the thread. Raises DatabaseStartFailed or DataDirectoryTaken.
    """

    def __init__(
        self,
        data: Path,
        *,
        test_mode: bool = False,
        programs: Path | None = None,
        settings: Mapping[str, str] | None = None,
        watchdog: str | None = None,
        clock: Clock = SYSTEM,
    ) -> None:
        self._data = data
        self._test_mode = test_mode
        self._programs = programs
        self._settings = dict(settings or {})
        self._watchdog = watchdog or ("kernel" if sys.platform == "linux" else "pipe")
        self._clock = clock
        self._room = room.Room(data.absolute())
        self._lock: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: asyncio.Task[None] | None = None
        self._plan: tuple[Binaries, Account] | None = None

    @property
    def url(self) -> str:
        """For the pool: a user that owns nothing and may only become the two roles."""
        return self.address(room.SERVICE)

    @property
    def owner_url(self) -> str:
        """For migrations."""
        return self.address(room.OWNER)

    @property
    def admin_url(self) -> str:
        """The superuser: for maintenance and tests, never for requests."""
        return self.address(room.ADMIN)

    @property
    def pid(self) -> int:
        """The server's process id, or that of its watchdog; 0 while it is down."""
        return self._process.pid if self._process is not None and self._process.poll() is None else 0

    @property
    def data(self) -> Path:
        """The data directory."""
        return self._room.data

    def address(self, user: str, database: str = room.DATABASE) -> str:
        """The address of a database on this server for one of its users."""
        return f"postgresql://{user}@/{database}?host={self._room.sockets}&port=5432"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Take the directory, make the cluster if there is none, start the server and wait until it answers."""
        self._room = room.enter(self._data)
        self._lock = room.take(self._room)
        try:
            self._plan = self._choose()
            room.furnish(self._room, self._plan[1])
            if not (self._room.cluster / "PG_VERSION").exists():
                await asyncio.to_thread(self._make_cluster, *self._plan)
            await self._launch()
            await bootstrap.prepare(self.address(room.ADMIN, "postgres"), self.admin_url)
        except BaseException:
            await self.stop(immediate=True)
            raise
        self._guard = asyncio.create_task(self._keep_alive(), name="postgres-guard")

    async def attach(self, *, timeout: float = 30.0) -> None:
        """Wait until the server that another process runs here can be used; `url` and `owner_url` then reach it.

        Raises DatabaseUnavailable when it does not answer in time.
        """
        deadline = self._clock.monotonic() + timeout
        while True:
            try:
                connection = await connections.connect(self.owner_url)
            except (DatabaseUnavailable, DatabaseUnsuitable):
                if self._clock.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.05)
            else:
                await connection.close()
                return

    async def stop(self, *, immediate: bool = False, timeout: float = 10.0) -> None:
        """End the server: sessions are cut, everything committed is safe. Idempotent."""
        if self._guard is not None:
            self._guard.cancel()
            await asyncio.gather(self._guard, return_exceptions=True)
            self._guard = None
        for number in (signal.SIGQUIT,) if immediate else (signal.SIGINT, signal.SIGQUIT):
            if not self.pid:
                break
            self._signal(number)
            await self._gone(timeout)
        if self._process is not None:
            if self.pid:
                self._process.kill()
            if self._process.stdin is not None:
                self._process.stdin.close()
            self._process.wait()
            self._process = None
            room.tidy(self._room)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _choose(self) -> tuple[Binaries, Account]:
        cluster = self._room.cluster
        version = cluster / "PG_VERSION"
        try:
            made = int(version.read_text().strip()) if version.exists() else None
            owner = cluster.stat().st_uid if made is not None else None
        except (OSError, ValueError) as failure:
            raise DatabaseStartFailed(f"{version} cannot be read: {failure}") from failure
        if owner is not None and os.geteuid() not in {0, owner}:
            raise DatabaseStartFailed(f"the database in {cluster} belongs to another user (id {owner})")
        found = binaries.find(self._programs, major=made)
        if owner == 0:
            raise DatabaseStartFailed(given_to_root(cluster))
        return binaries.readable(found, binaries.choose_account(owner), self._room.data.parent)

    def _make_cluster(self, found: Binaries, account: Account) -> None:
        room.fresh_cluster(
            self._room, account, lambda path: bootstrap.initdb(found, account, path, sync=not self._test_mode)
        )

    async def _launch(self) -> None:
        deadline = self._clock.monotonic() + _RETRY_DEADLINE
        while True:
            offset = self._room.log.stat().st_size if self._room.log.exists() else 0
            bootstrap.clear_stale_pid(self._room.cluster)
            self._spawn()
            if await self._answers():
                return
            said = self._said(offset)
            # The remains of a killed server go within moments; everything else is final.
            if not any(sign in said for sign in _PASSING) or self._clock.monotonic() > deadline:
                reason = f"{said or 'it said nothing'}{bootstrap.space(self._room.data)}"
                raise DatabaseStartFailed(f"PostgreSQL did not start in {self._room.data}: {reason}")
            await asyncio.sleep(0.05)

    def _spawn(self) -> None:
        if self._plan is None:
            raise RuntimeError("the server is not chosen yet")
        found, account = self._plan
        options = bootstrap.options(found.major, test_mode=self._test_mode) | self._settings
        paths = {
            "unix_socket_directories": str(self._room.sockets),
            "hba_file": str(self._room.access),
            "ident_file": str(self._room.names),
        }
        command = [str(found.folder / "postgres"), "-D", str(self._room.cluster)]
        for name, value in (options | paths).items():
            command += ["-c", f"{name}={value}"]
        launcher = [sys.executable, "-I", "-S", str(_LAUNCHER), self._watchdog]
        try:
            with self._room.log.open("ab") as log:
                self._process = subprocess.Popen(  # noqa: S603 - our own launcher, no input from outside
                    [*launcher, str(os.getpid()), str(account.uid), str(account.gid), *command],
                    stdin=subprocess.PIPE if self._watchdog == "pipe" else subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd="/",
                    env=binaries.ENVIRONMENT,
                    start_new_session=True,
                )
        except OSError as failure:
            raise room.explain(self._room.log, failure) from failure

    async def _answers(self) -> bool:
        """Whether the server answers a start-up packet; False when it ended first."""
        deadline = self._clock.monotonic() + _START_DEADLINE
        pause = 0.005
        while self.pid:
            if await _greets(self._room.sockets / ".s.PGSQL.5432"):
                return True
            if self._clock.monotonic() > deadline:
                raise DatabaseStartFailed(f"PostgreSQL in {self._room.data} was not ready after {_START_DEADLINE:g} s")
            await asyncio.sleep(pause)
            pause = min(0.05, pause * 1.5)
        return False

    def _said(self, offset: int) -> str:
        with contextlib.suppress(OSError), self._room.log.open("rb") as log:
            log.seek(offset)
            lines = log.read(8_000).decode("utf-8", "replace").splitlines()
            telling = [line for line in lines if "FATAL" in line or "PANIC" in line] or lines
            return " ".join(telling[-2:]).strip()
        return ""

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def _gone(self, timeout: float) -> None:
        deadline = self._clock.monotonic() + timeout
        while self.pid:
            if self._clock.monotonic() > deadline:
                return
            await asyncio.sleep(0.005)

    async def _keep_alive(self) -> None:
        """Start the server again when it dies: at once, then with growing pauses."""
        pause = 0.0
        while True:
            if self.pid:
                await asyncio.sleep(0.25)
                continue
            _LOG.error("the embedded PostgreSQL ended by itself; starting it again")
            await asyncio.sleep(pause)
            try:
                await self._launch()
            except (DatabaseStartFailed, OSError) as failure:
                pause = min(30.0, pause * 2 or 0.5)
                _LOG.error("the embedded PostgreSQL does not start: %s", failure)
            else:
                pause = 0.0


async def _greets(socket: Path) -> bool:
    """Send a start-up packet; ready is any answer but `57P03`, the database system is starting up."""
    try:
        reader, writer = await asyncio.open_unix_connection(str(socket))
    except OSError:
        return False
    try:
        body = struct.pack("!i", 196608) + f"user\0{room.ADMIN}\0database\0postgres\0\0".encode()
        writer.write(struct.pack("!i", len(body) + 4) + body)
        answer = await asyncio.wait_for(reader.read(512), 2.0)
        writer.write(b"X\0\0\0\4")
        return bool(answer) and b"57P03" not in answer
    except (OSError, TimeoutError):
        return False
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def given_to_root(cluster: Path) -> str:
    """What is said of a database that root owns, as whom PostgreSQL does not run."""
    return (
        f"the database in {cluster} belongs to root, as a copy does that was made without its owners, and PostgreSQL "
        f"does not run as root: give it to the user that it runs as, `chown -R postgres: {cluster.parent}`"
    )
