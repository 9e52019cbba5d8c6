"""CPU and memory of a process and all it started, as the kernel counts them."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

#: CPU seconds of one second in which nothing is asked: looks for work, and the like.
_AT_REST = 0.05


@dataclass(frozen=True)
class Usage:
    """CPU seconds (user and system) and proportional memory of a process tree."""

    cpu_seconds: float
    memory_mb: float


def tree(pid: int) -> list[psutil.Process]:
    """The process and everything below it that still lives."""
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


def usage(pid: int) -> Usage:
    """What the tree has used so far."""
    cpu, memory = 0.0, 0.0
    for process in tree(pid):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            cpu += times.user + times.system + times.children_user + times.children_system
            memory += process.memory_full_info().pss / 1e6
    return Usage(cpu, memory)


def free_port() -> int:
    """A loopback port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def isthmus_up(
    home: Path, port: int, extra: Mapping[str, str] | None = None, *, apart: bool = False
) -> Iterator[subprocess.Popen[bytes]]:
    """`isthmus up` on this home and port, ended by its own signal at the end; apart: in a session of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ISTHMUS_")}
    environment = {**kept, "ISTHMUS_HOME": str(home), "ISTHMUS_LOG": "json", **(extra or {})}
    command = [sys.executable, "-m", "isthmus", "up", "--port", str(port)]
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=apart) as process,
    ):
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()


def wait_ready(port: int, process: subprocess.Popen[bytes], seconds: float = 60.0) -> float:
    """Seconds until `/health/ready` says yes. Raises RuntimeError when it does not in time."""
    started = time.perf_counter()
    while time.perf_counter() - started < seconds:
        if process.poll() is not None:
            raise RuntimeError(f"isthmus up ended with {process.returncode}")
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=2):
            return time.perf_counter() - started
        time.sleep(0.01)
    raise RuntimeError("isthmus up was not ready in time")


def wait_rest(pid: int, seconds: float = 60.0) -> None:
    """Until the tree does next to nothing by itself: what it starts beside it is not what is measured."""
    until, before = time.perf_counter() + seconds, usage(pid).cpu_seconds
    while time.perf_counter() < until:
        time.sleep(1.0)
        now = usage(pid).cpu_seconds
        if now - before < _AT_REST:
            return
        before = now
