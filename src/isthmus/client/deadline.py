"""The one timer of a call: its total deadline, attempts and waits included (security.md PR-13)."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

_LONGEST = 1e7


class Deadline:
    """Cancels the current task after `seconds` and turns that cancellation, and no other, into TimeoutError."""

    __slots__ = ("_before", "_handle", "_seconds", "_task", "expired")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.expired = False
        self._before = 0
        self._task: asyncio.Task[object] | None = None
        self._handle: asyncio.TimerHandle | None = None

    def __enter__(self) -> Self:
        self._task = task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a call needs a running task")
        self._before = task.cancelling()
        self._handle = asyncio.get_running_loop().call_later(min(self._seconds, _LONGEST), self._expire)
        return self

    def _expire(self) -> None:
        self.expired = True
        if self._task is not None:
            self._task.cancel()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._handle is not None:
            self._handle.cancel()
        task, self._task = self._task, None
        if self.expired and task is not None and task.uncancel() <= self._before and kind is asyncio.CancelledError:
            raise TimeoutError from error
