"""Processes give way to others, within their session and, where they lead one, with all of it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from isthmus.kit.priority import NICEST, step_back

_SHARES = Path("/proc/self/autogroup").exists()
_SLEEP = [sys.executable, "-c", "print(flush=True); import sys; sys.stdin.read()"]


@contextmanager
def _sleeping(*, leads: bool) -> Iterator[int]:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(_SLEEP, start_new_session=leads, **pipes) as process:  # type: ignore[call-overload] # pipes
        assert process.stdout.readline() == b"\n"  # it lives, in its own session
        yield process.pid
        process.stdin.close()


def _nice(pid: int) -> int:
    return os.getpriority(os.PRIO_PROCESS, pid)


def _share(pid: int) -> str:
    """How nice the process's session is to others; nothing where it has no share of its own, as in a control group."""
    words = Path(f"/proc/{pid}/autogroup").read_text("ascii").split() if _SHARES else []
    return words[-1] if words else ""


def test_a_process_that_leads_a_session_steps_back_with_all_of_it() -> None:
    with _sleeping(leads=True) as pid:
        shares = bool(_share(pid))
        step_back(pid, 7)
        assert _nice(pid) == min(NICEST, _nice(os.getpid()) + 7)
        assert _share(pid) == ("7" if shares else "")


def test_a_process_of_somebody_elses_session_steps_back_for_the_others_of_it_alone() -> None:
    before = _share(os.getpid())
    with _sleeping(leads=False) as pid:
        step_back(pid, 7)
        assert _nice(pid) == min(NICEST, _nice(os.getpid()) + 7)
        assert _share(pid) == before == _share(os.getpid())


@pytest.mark.parametrize(("wanted", "given"), [(0, 0), (-5, 0), (99, NICEST)])
def test_nobody_pushes_forward_or_back_further_than_there_is(wanted: int, given: int) -> None:
    with _sleeping(leads=True) as pid:
        before = _nice(pid)
        step_back(pid, wanted)
        assert _nice(pid) == min(NICEST, before + given)


def test_a_process_that_is_gone_is_let_be() -> None:
    with _sleeping(leads=True) as pid:
        pass
    step_back(pid, 5)
