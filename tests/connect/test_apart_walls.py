"""The walls around a connector's process, each by itself: the kernel's without Python's, and Python's without those."""

import subprocess
import sys
from pathlib import Path

import pytest

_TRY = """
import ctypes, mmap, os, socket, sys, threading
from pathlib import Path
from isthmus.connect.apart import kernel, walls

def tried(name, deed):
    try:
        deed()
    except (OSError, ValueError) as error:
        print(name, type(error).__name__)
    else:
        print(name, "done")

own = Path(sys.argv[1])
{raised}
tried("own", lambda: os.read(os.open(own / "ours.txt", os.O_RDONLY), 9))
tried("thread", lambda: threading.Thread(target=len, args=("",)).start())
tried("beside", lambda: os.open(own.parent / "theirs.txt", os.O_RDONLY))
tried("beside by steps", lambda: open(own / ".." / "theirs.txt"))
tried("written", lambda: os.open(own / "new.txt", os.O_CREAT | os.O_WRONLY))
tried("parent", lambda: os.open("/proc/%d/environ" % os.getppid(), os.O_RDONLY))
tried("socket", lambda: socket.socket(socket.AF_UNIX))
tried("internet", lambda: socket.socket())
tried("pair", socket.socketpair)
tried("killed", lambda: os.kill(os.getppid(), 0))
tried("forked", os.fork)
tried("programmed", lambda: os.execv("/bin/true", ["true"]))
"""
_KERNEL = """
assert kernel.powerless() and kernel.files([own, Path("/usr/lib"), Path("/lib")], []) and kernel.system_calls()
assert kernel.proven()
"""
_LANGUAGE = """
walls.hook([own])
"""
_LET = {"own", "thread"}
_ALL = {
    *_LET,
    *("beside", "beside by steps", "written", "parent", "socket", "internet", "pair", "killed", "forked", "programmed"),
}


@pytest.mark.parametrize("missing", ["kernel.system_calls()", "kernel.files([own], [])"])
def test_PL_05_a_wall_that_does_not_stand_is_not_claimed(tmp_path: Path, missing: str) -> None:
    """One of the two that stand for the kernel, left out."""
    steps = [one for one in ("kernel.files([own], [])", "kernel.system_calls()") if one != missing]
    code = f"from pathlib import Path\nfrom isthmus.connect.apart import kernel\nown = Path({str(tmp_path)!r})\n"
    code += f"assert kernel.powerless() and {steps[0]}\nassert not kernel.proven()\n"
    subprocess.run([sys.executable, "-B", "-c", code], timeout=60, check=True)


@pytest.mark.parametrize("raised", [_KERNEL, _LANGUAGE], ids=["kernel", "language"])
def test_PL_05_each_kind_of_wall_holds_by_itself(tmp_path: Path, raised: str) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "ours.txt").write_text("ours")
    (tmp_path / "theirs.txt").write_text("theirs")
    done = subprocess.run(
        [sys.executable, "-B", "-c", _TRY.format(raised=raised), str(own)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    told = dict(line.rsplit(" ", 1) for line in done.stdout.splitlines())
    assert told.keys() == _ALL
    assert {name for name, said in told.items() if said == "done"} == _LET, told
    assert {said for name, said in told.items() if name not in _LET} == {"PermissionError"}
    assert not (own / "new.txt").exists()
