"""The walls around a connector's process, from within: bounds, the kernel's, and Python's own hooks."""

import os
import resource
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from isthmus.connect.apart import kernel

_MIB: Final = 1024 * 1024
_HANDLES: Final = 64
#: What the interpreter itself reads late: shared libraries, and the rules of time zones.
_SYSTEM: Final = (
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/etc/ld.so.cache",
    "/usr/share/zoneinfo",
)
_WRITES: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_DEVICES: Final = ("/dev/null", "/dev/urandom")
_REFUSED: Final = (
    *(
        "socket.",
        "subprocess.",
        "os.fork",
        "os.exec",
        "os.posix_spawn",
        "os.spawn",
        "os.system",
        "os.kill",
        "os.remove",
    ),
    *("os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod", "os.chown", "shutil."),
    *("ctypes.", "pty.", "signal.pthread_kill", "resource.", "webbrowser.", "mmap.", "fcntl.", "sys.setprofile"),
)


def raise_around(readable: Sequence[str], listable: Sequence[str], memory_mb: int) -> tuple[str, ...]:
    """Put up every wall that this machine knows, for good. The names of those that stand: what holds is told.

    `kernel` stands for system calls and files together; whoever lacks one of them has neither. The process has one
    thread, and everything of ours is imported.
    """
    _bound(memory_mb)
    places = _places(readable)
    alone = kernel.namespaces()
    powerless = kernel.powerless()
    files = kernel.files(places, [Path(one) for one in listable])
    held = kernel.system_calls() and files and powerless and kernel.proven()
    hook(places)
    return tuple(name for name, stands in (("kernel", held), ("namespaces", alone), ("language", True)) if stands)


def _bound(memory_mb: int) -> None:
    memory = memory_mb * _MIB
    for what, most in (
        (resource.RLIMIT_DATA, memory),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, _HANDLES),
    ):
        resource.setrlimit(what, (most, most))


def _places(readable: Iterable[str]) -> list[Path]:
    own = {Path(sys.base_prefix) / "lib", Path(sys.prefix) / "lib", *map(Path, (*_SYSTEM, *_DEVICES))}
    return sorted(own | {Path(one) for one in readable})


def hook(places: Sequence[Path]) -> None:
    """Python tells a hook before it acts; no hook can be taken away again (PEP 578)."""
    inside = tuple(f"{one.resolve()}/" for one in places)
    exact = frozenset(str(one) for one in places)

    def refuse(event: str, arguments: tuple[object, ...]) -> None:
        if event.startswith(_REFUSED):
            raise PermissionError(f"a connector's process may not do {event}")
        if event == "open" and not _readable(arguments, inside, exact):
            raise PermissionError("a connector's process may not open this")

    sys.addaudithook(refuse)


def _readable(arguments: tuple[object, ...], inside: tuple[str, ...], exact: frozenset[str]) -> bool:
    path, _, flags = arguments  # as `open` and `os.open` tell them
    if isinstance(path, int):
        return True
    if not isinstance(flags, int) or flags & _WRITES:
        return False
    text = path.decode("utf-8", "replace") if isinstance(path, bytes) else str(path)
    # the path is judged as it is written: looking it up would open it
    return text in exact or (text.startswith(inside) and "/../" not in text)
