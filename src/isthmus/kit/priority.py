"""Processes that give way to others where the processors are busy."""

import contextlib
import os
from pathlib import Path

#: The nicest that a process can be (setpriority(2)).
NICEST = 19


def step_back(pid: int, nice: int) -> None:
    """Have a process of this user give way to others by so much, 0 to 19, as far as the system knows of such things.

    Linux shares the processors out among sessions first and heeds the nice values only within each (sched(7), the
    autogroup feature). A process that leads a session of its own therefore steps back with the session; one that
    shares somebody else's steps back for the others of that session alone.
    """
    wanted = max(0, min(NICEST, nice))
    if not wanted or not hasattr(os, "setpriority"):
        return
    with contextlib.suppress(OSError):  # it may belong to somebody else or be gone, and works as well without
        os.setpriority(os.PRIO_PROCESS, pid, min(NICEST, os.getpriority(os.PRIO_PROCESS, pid) + wanted))
        if os.getsid(pid) == pid:
            _session(pid, wanted)


def _session(pid: int, nice: int) -> None:
    """Where sessions have no share of their own, there is nothing to be said."""
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(f"{nice}\n", "ascii")
