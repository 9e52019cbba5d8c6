"""A budget of processor time for what a connector computes: without an end it ends its work, not the process (PL-04).

Mapping runs on the loop that everything else runs on, so nothing beside it could stop it. A timer of the operating
system can: its signal interrupts the computation between two steps. Only the main thread gets signals; elsewhere, as in
a service that runs its workers in threads of its own, the budget is not kept.
"""

import signal
import threading
from types import FrameType, TracebackType
from typing import Final

_AGAIN_SECONDS: Final = 0.05
#: Seconds by the clock for each second of processor time, where another process computes.
_TIMES: Final = 5.0


class Overrun(Exception):
    """A computation took more processor time than it may have."""


class _Enough(BaseException):
    """Ends the computation; no `except Exception` of a connector stops it."""


class _Waits(threading.local):
    """What the block at hand may still wait for another process that computes in its place."""

    left: float | None = None


_WAITS: Final = _Waits()


def wait_left() -> float | None:
    """Seconds that the block of this thread may wait for another process; None outside of one."""
    return _WAITS.left


def waited(seconds: float) -> None:
    """So long it has waited."""
    if _WAITS.left is not None:
        _WAITS.left -= seconds


class Within:
    """A block that may use so many seconds of processor time, all threads counted. Raises Overrun.

    Blocks are not nested, and nothing is awaited in them. What computes in another process takes no time of ours, but
    holds us up: for that there are some times as many seconds by the clock, since the machine has more to do.
    """

    __slots__ = ("_armed", "_before", "_seconds")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._armed = False
        self._before: signal._HANDLER = None

    def __enter__(self) -> None:
        _WAITS.left = self._seconds * _TIMES
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGPROF, self._ring)
            self._armed = True
            # again and again: a `finally` of the computation may not end either
            signal.setitimer(signal.ITIMER_PROF, self._seconds, _AGAIN_SECONDS)

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        _WAITS.left = None
        if self._armed:
            self._armed = False
            signal.setitimer(signal.ITIMER_PROF, 0.0)
            signal.signal(signal.SIGPROF, self._before)
        if kind is _Enough:
            raise Overrun(f"more than {self._seconds:g} s of processor time") from None

    def _ring(self, _number: int, _frame: FrameType | None) -> None:
        if self._armed:
            raise _Enough
