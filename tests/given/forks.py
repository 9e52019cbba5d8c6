"""Processes that run the program, forked from one that has imported it: a fork costs a fiftieth of a new interpreter.

`process` stands for `asyncio.create_subprocess_exec(sys.executable, ...)`, `run` for `subprocess.run`; `-m MODULE` and
files are understood. What a new interpreter does itself, such as its imports, takes a new interpreter.
"""

import asyncio
import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO

_ROOT = Path(__file__).parents[2]
_MOST = 1 << 18
_IMPORTED = ("isthmus.cli.server", "isthmus.sandbox", "alembic.command", "uvloop")


@cache
def _origin() -> str:
    """The address of the process that forks; there is one for each process of tests, until that one ends."""
    place = Path(tempfile.mkdtemp(prefix="isthmus-forks-"))
    address = str(place / "asked")
    command = [sys.executable, "-m", "tests.given.forks", address]
    origin = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=_ROOT)
    assert origin.stdout is not None
    assert origin.stdout.readline() == b"ready\n"

    def end() -> None:
        origin.communicate()
        shutil.rmtree(place, ignore_errors=True)

    atexit.register(end)
    return address


class Fork:
    """One that runs."""

    def __init__(
        self,
        arguments: Sequence[str],
        files: Sequence[int],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        asked = {"arguments": arguments, "env": dict(os.environ if env is None else env), "cwd": str(cwd or Path.cwd())}
        self._told = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._told.connect(_origin())
        socket.send_fds(self._told, [json.dumps(asked).encode()], list(files))
        self.pid = int(self._told.recv(64))
        self.returncode: int | None = None

    def wait(self, timeout: float) -> int:
        """How it ended. Raises TimeoutError."""
        if self.returncode is None:
            self._told.settimeout(timeout)
            self._ended(self._told.recv(64))
        assert self.returncode is not None
        return self.returncode

    async def ended(self) -> int:
        """The same, for as long as it takes."""
        self._told.setblocking(False)
        self._ended(await asyncio.get_running_loop().sock_recv(self._told, 64))
        assert self.returncode is not None
        return self.returncode

    def _ended(self, told: bytes) -> None:
        self._told.close()
        self.returncode = int(told)

    def send_signal(self, number: int) -> None:
        """Nothing where it has ended."""
        with contextlib.suppress(ProcessLookupError):
            if self.returncode is None:
                os.kill(self.pid, number)

    def kill(self) -> None:
        """At once."""
        self.send_signal(signal.SIGKILL)


def run(arguments: Sequence[str], *, env: Mapping[str, str], timeout: float) -> subprocess.CompletedProcess[str]:
    """Run to its end, with what it said."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, Path(os.devnull).open("rb") as nothing:
        fork = Fork(arguments, [nothing.fileno(), out.fileno(), err.fileno()], env=env)
        try:
            code = fork.wait(timeout)
        except TimeoutError:
            fork.kill()
            fork.wait(timeout)
            raise
        said = []
        for file in (out, err):
            file.seek(0)
            said.append(file.read().decode())
    return subprocess.CompletedProcess(arguments, code, *said)


class Process:
    """As asyncio's own, as far as tests ask."""

    def __init__(self, fork: Fork) -> None:
        self._fork = fork
        self._end = asyncio.create_task(fork.ended())
        self.stdin: asyncio.StreamWriter | None = None
        self.stdout: asyncio.StreamReader | None = None
        self.stderr: asyncio.StreamReader | None = None
        self.pid = fork.pid
        self.send_signal, self.kill = fork.send_signal, fork.kill

    @property
    def returncode(self) -> int | None:
        """How it ended, if it has."""
        return self._fork.returncode

    async def wait(self) -> int:
        """How it ended."""
        return await asyncio.shield(self._end)

    async def communicate(self, given: bytes = b"") -> tuple[bytes, bytes]:
        """Give it this, and hear what it says to its end."""
        if self.stdin is not None:
            self.stdin.write(given)
            self.stdin.close()
        readers = [asyncio.create_task(one.read()) if one else None for one in (self.stdout, self.stderr)]
        said = [await one if one else b"" for one in readers]
        await self.wait()
        return said[0], said[1]


async def process(
    *arguments: str,
    stdin: int | None = None,
    stdout: int | IO[bytes] | None = None,
    stderr: int | IO[bytes] | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Process:
    """Start one; each of its files is `subprocess.PIPE`, `subprocess.DEVNULL`, a file, or by default this one's."""
    given: list[int] = []
    kept: list[int | None] = []
    for place, wanted in enumerate((stdin, stdout, stderr)):
        ours, theirs = _end_of(place, wanted)
        given.append(theirs)
        kept.append(ours)
    made = Process(Fork(arguments, given, env=env, cwd=cwd))
    for one in given:
        os.close(one)
    made.stdin = None if kept[0] is None else await _writer(kept[0])
    made.stdout = None if kept[1] is None else await _reader(kept[1])
    made.stderr = None if kept[2] is None else await _reader(kept[2])
    return made


def _end_of(place: int, wanted: int | IO[bytes] | None) -> tuple[int | None, int]:
    """Our end, if there is one, and the end of the process."""
    if wanted == subprocess.PIPE:
        read, write = os.pipe()
        return (write, read) if place == 0 else (read, write)
    if wanted == subprocess.DEVNULL or (wanted is None and place == 0):
        return None, os.open(os.devnull, os.O_RDWR)
    return None, os.dup(place if wanted is None else wanted if isinstance(wanted, int) else wanted.fileno())


async def _reader(end: int) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, os.fdopen(end, "rb", 0))
    return reader


async def _writer(end: int) -> asyncio.StreamWriter:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, os.fdopen(end, "wb", 0))
    return asyncio.StreamWriter(transport, protocol, None, loop)


# What follows runs in the process that forks.


def _forked(address: str) -> dict[str, object] | None:
    """Fork for whoever asks, until stdin ends; what was asked, in the fork that is to do it."""
    for name in _IMPORTED:
        importlib.import_module(name)
    importlib.import_module("isthmus.connect.registry").discover(())
    gc.collect()
    gc.freeze()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(address)
    listener.listen()
    os.write(1, b"ready\n")
    while 0 not in select.select([listener.fileno(), 0], [], [])[0]:
        told, _ = listener.accept()
        raw, files, _, _ = socket.recv_fds(told, _MOST, 3)
        if os.fork() == 0:
            listener.close()
            return _watched(told, json.loads(raw), files)
        told.close()
        for one in files:
            os.close(one)
        _bury()
    return None


def _bury() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        pass


def _watched(told: socket.socket, asked: dict[str, object], files: Sequence[int]) -> dict[str, object]:
    """A fork that tells how the one below it ended; returns in that one."""
    child = os.fork()
    if child == 0:
        told.close()
        for place, one in enumerate(files):
            os.dup2(one, place)
            os.close(one)
        return asked
    try:
        for one in (0, 1, 2, *files):
            os.close(one)
        told.send(str(child).encode())
        told.send(str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])).encode())
    finally:
        os._exit(0)


def _carry_out(arguments: Sequence[str], env: Mapping[str, str], cwd: str) -> None:
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    if arguments[0] == "-m":
        sys.path[0], sys.argv = cwd, list(arguments[1:])
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.path[0], sys.argv = str(Path(arguments[0]).parent), list(arguments)
        runpy.run_path(arguments[0], run_name="__main__")


if __name__ == "__main__":
    asked_of_me = _forked(sys.argv[1])
    if asked_of_me is not None:
        _carry_out(**asked_of_me)  # type: ignore[arg-type] # as a Fork sent it
