"""Walls that Linux keeps around the process that asks for them: no way back, whatever code runs afterwards.

Three that do not depend on each other: a filter of system calls (seccomp(2)), rules for files (landlock(7)), and empty
namespaces (user_namespaces(7)) where the machine lets a process make some. None needs a privilege.
"""

import ctypes
import os
import platform
import socket
import struct
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from isthmus.connect.apart import calls

#: prctl(2), unshare(2), seccomp(2), capset(2): from the kernel's headers.
_NO_NEW_PRIVS, _SET_SECCOMP, _FILTER = 38, 22, 2
_NEW_USER, _NEW_NET, _NEW_IPC = 0x10000000, 0x40000000, 0x08000000
_CAPABILITIES: Final = 0x20080522
#: Instructions of the filter: load a word, compare, mask, answer.
_LOAD, _EQUAL, _AT_LEAST, _HAS, _ANSWER = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_NR, _ARCH, _FIRST_ARGUMENT = 0, 4, 16
_EPERM, _ENOSYS = 1, 38
_THREAD: Final = 0x00010000
#: On x86-64, numbers from here on belong to another way of calling the same kernel.
_OTHER_ABI: Final = 0x40000000
#: landlock(7).
_CREATE, _ADD, _RESTRICT = 444, 445, 446
_BENEATH, _VERSION = 1, 1
_READ_FILE, _READ_FOLDER = 1 << 2, 1 << 3
#: Rights over files that each version knows, as so many lowest bits; later versions know no more.
_RIGHTS: Final[Mapping[int, int]] = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
_WITH_NETWORK, _WITH_SCOPES = 4, 6


def _library() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def namespaces() -> bool:
    """Enter empty ones: no network interface, nobody else's users or shared memory. The process has one thread."""
    if not sys.platform.startswith("linux"):
        return False
    return bool(_library().unshare(_NEW_USER | _NEW_NET | _NEW_IPC) == 0)


def powerless() -> bool:
    """Give up every capability, and what a program with more rights could bring."""
    if not sys.platform.startswith("linux"):
        return False
    library = _library()
    head, none = struct.pack("<Ii", _CAPABILITIES, 0), bytes(24)
    dropped = library.capset(head, none) == 0
    return bool(library.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0) == 0) and dropped


def files(readable: Iterable[Path], listable: Iterable[Path]) -> bool:
    """Nothing of the file system but reading what lies beneath these places, and the names beneath those.

    No port either, where the kernel can refuse it.
    """
    if not sys.platform.startswith("linux"):
        return False
    library = _library()
    version = library.syscall(_CREATE, None, ctypes.c_size_t(0), _VERSION)
    if version < 1:
        return False
    rights = (1 << _RIGHTS.get(version, 16)) - 1
    parts = [rights, 3 if version >= _WITH_NETWORK else None, 3 if version >= _WITH_SCOPES else None]
    given = b"".join(struct.pack("<Q", one) for one in parts if one is not None)
    rules = library.syscall(_CREATE, given, ctypes.c_size_t(len(given)), 0)
    if rules < 0:
        return False
    try:
        allowed = all(_allow(library, rules, place, _READ_FILE) for place in readable)
        allowed = allowed and all(_allow(library, rules, place, 0) for place in listable)
        return allowed and library.syscall(_RESTRICT, rules, 0) == 0
    finally:
        os.close(rules)


def _allow(library: ctypes.CDLL, rules: int, place: Path, rights: int) -> bool:
    try:
        at = os.open(place, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return True  # what is not there need not be read
    try:
        rule = struct.pack("<Qi", rights | (_READ_FOLDER if place.is_dir() else 0), at)
        return bool(library.syscall(_ADD, rules, _BENEATH, rule, 0) == 0)
    finally:
        os.close(at)


def system_calls() -> bool:
    """No socket, no other program, no other process, no look into one; needs `powerless` before it."""
    known = calls.MACHINES.get(platform.machine()) if sys.platform.startswith("linux") else None
    if known is None:
        return False
    code = _filter(known)
    held = ctypes.create_string_buffer(code, len(code))
    # struct sock_fprog: the number of instructions, and where they are
    program = struct.pack("@HxxxxxxQ", len(code) // 8, ctypes.addressof(held))
    return bool(_library().prctl(_SET_SECCOMP, _FILTER, program, 0, 0) == 0)


def proven() -> bool:
    """Whether the walls hold, by trying them: that a call for one succeeded is no proof on a machine we do not know."""
    library = _library()
    if library.socket(socket.AF_INET, socket.SOCK_STREAM, 0) >= 0 or library.kill(os.getppid(), 0) == 0:
        return False
    return _refused(lambda: next(Path("/").iterdir())) and _refused(_fork)


def _refused(deed: Callable[[], object]) -> bool:
    try:
        deed()
    except PermissionError:
        return True
    return False


def _fork() -> None:
    if os.fork() == 0:
        os._exit(0)


def _filter(machine: calls.Machine) -> bytes:
    """The program: the right machine, the right way of calling, and none of the calls on the list."""
    refuse, unknown = _ERRNO | _EPERM, _ERRNO | _ENOSYS
    program = [
        _one(_LOAD, _ARCH), _one(_EQUAL, machine.arch, 1, 0), _one(_ANSWER, _KILL),
        _one(_LOAD, _NR), _one(_AT_LEAST, _OTHER_ABI, 0, 1), _one(_ANSWER, _KILL),
        # the C library makes threads by the older call where there is no newer one, and that one shows what is made
        _one(_EQUAL, calls.CLONE3, 0, 1), _one(_ANSWER, unknown),
    ]  # fmt: skip
    for number in machine.refused:
        program += [_one(_EQUAL, number, 0, 1), _one(_ANSWER, refuse)]
    program += [
        _one(_EQUAL, machine.clone, 0, 3), _one(_LOAD, _FIRST_ARGUMENT), _one(_HAS, _THREAD, 1, 0),
        _one(_ANSWER, refuse), _one(_ANSWER, _ALLOW),
    ]  # fmt: skip
    return b"".join(program)


def _one(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    """One instruction: what to do, with what, and how many to skip if so and if not."""
    return struct.pack("<HBBI", code, yes, no, value)
