"""What waits in memory of one process, and what may be sent next: endpoints take turns, none may fill the slots."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, Generic, Protocol, TypeVar

from isthmus.features.webhooks_out.model.lanes import Lane, Slots


class Job(Protocol):
    """What is to be sent: to which endpoint, after how many attempts, and whether that endpoint failed last time."""

    @property
    def endpoint_id(self) -> str: ...

    @property
    def attempts(self) -> int: ...

    @property
    def doubtful(self) -> bool: ...


J = TypeVar("J", bound=Job)
#: So many may always wait for an endpoint.
_LEAST: Final = 4
#: Seconds that something may be put off.
_SOONEST: Final = 2.0
_LATEST: Final = 300.0


@dataclass(slots=True)
class _Line(Generic[J]):
    lane: Lane
    #: What will probably go well, and what failed before or goes where the last one failed.
    waiting: tuple[deque[J], deque[J]] = field(default_factory=lambda: (deque(), deque()))
    listed: list[bool] = field(default_factory=lambda: [False, False])
    #: How many have left it, how many had when it became full, and how many were put off since then.
    left: int = 0
    left_before: int = 0
    put_off: int = 0

    @property
    def length(self) -> int:
        return len(self.waiting[0]) + len(self.waiting[1])


class Board(Generic[J]):
    """The lines of all endpoints that something waits for."""

    def __init__(self, slots: int, most: int) -> None:
        self.slots = Slots(slots, max(1, slots // 4))
        self._most = most
        self._lines: dict[str, _Line[J]] = {}
        self._ready: tuple[deque[str], deque[str]] = (deque(), deque())
        #: Endpoints that wait for their own rate, and until when.
        self.resting: dict[str, float] = {}
        #: Endpoints whose lines take no more, and since when.
        self.full: dict[str, float] = {}
        #: Whether one of these lines has had room again since this was last asked.
        self._opened = False
        self.length = 0

    def add(self, job: J, concurrency: int, rate: int, now: float) -> bool:
        """Put a job at the end of its endpoint's line; False where that line is full.

        A line may take a third of what is left, so that few that stand still never keep all others out.
        """
        line = self._lines.get(job.endpoint_id)
        if line is None:
            line = self._lines[job.endpoint_id] = _Line(Lane(concurrency, rate))
        line.lane.concurrency, line.lane.rate = concurrency, rate
        if line.length >= max(_LEAST, (self._most - self.length) // 3):
            if job.endpoint_id not in self.full:
                self.full[job.endpoint_id] = now
                line.left_before, line.put_off = line.left, 0
            return False
        held_back = job.attempts > 0 or job.doubtful
        line.waiting[held_back].append(job)
        self.length += 1
        self._list(job.endpoint_id, line, held_back)
        return True

    def put_off(self, endpoint_id: str, now: float) -> float:
        """After how many seconds the next one that finds its line full will find room, at the pace that is seen.

        So each is written anew about once, however many there are, and not whenever it is looked at.
        """
        line = self._lines.get(endpoint_id)
        if line is None:
            return _SOONEST
        line.put_off += 1
        elapsed = max(0.001, now - self.full.get(endpoint_id, now))
        pace = max(0.1, (line.left - line.left_before) / elapsed)
        return min(_LATEST, max(_SOONEST, (line.length + line.put_off) / pace))

    def take(self, now: float) -> Iterator[J]:
        """The jobs that may start now; each counts as started."""
        for endpoint_id, until in list(self.resting.items()):
            if until <= now:
                del self.resting[endpoint_id]
                self._relist(endpoint_id)
        for retry in (False, True):
            ready = self._ready[retry]
            while ready:
                if not self.slots.take(retry=retry):
                    break
                job = self._next(ready.popleft(), retry, now)
                if job is None:
                    self.slots.give_back(retry=retry)
                else:
                    yield job

    def end(self, job: J) -> None:
        """A job has ended: its slot is free, and its endpoint may have another."""
        self.slots.give_back(retry=job.attempts > 0 or job.doubtful)
        line = self._lines.get(job.endpoint_id)
        if line is None:
            return
        line.lane.end()
        self._relist(job.endpoint_id)
        if not line.length and not line.lane.running and job.endpoint_id not in self.resting and not line.lane.rate:
            del self._lines[job.endpoint_id]

    def clear(self) -> list[J]:
        """Forget what waits; what runs goes on."""
        dropped = list(self.waiting())
        for line in self._lines.values():
            for queue in line.waiting:
                queue.clear()
        self.length = 0
        self.full.clear()
        return dropped

    def waiting(self) -> Iterator[J]:
        """What waits, of all endpoints."""
        return (job for line in self._lines.values() for queue in line.waiting for job in queue)

    def drop(self, unwanted: Callable[[J], bool]) -> list[J]:
        """Forget some of what waits; the others keep their places."""
        dropped = [job for job in self.waiting() if unwanted(job)]
        for line in self._lines.values() if dropped else ():
            for queue in line.waiting:
                kept = [job for job in queue if not unwanted(job)]
                self.length -= len(queue) - len(kept)
                queue.clear()
                queue.extend(kept)
        return dropped

    def opened(self) -> bool:
        """Whether a line that was full has got room since this was asked before."""
        found, self._opened = self._opened, False
        return found

    def _next(self, endpoint_id: str, retry: bool, now: float) -> J | None:
        line = self._lines.get(endpoint_id)
        if line is None:
            return None
        line.listed[retry] = False
        if not line.waiting[retry]:
            return None
        wait = line.lane.may_start(now)
        if wait:
            if wait != float("inf"):
                self.resting[endpoint_id] = now + wait
            return None
        line.lane.start()
        self.length -= 1
        line.left += 1
        if endpoint_id in self.full and line.length <= max(_LEAST, self._most // 12):
            del self.full[endpoint_id]
            self._opened = True
        job = line.waiting[retry].popleft()
        self._list(endpoint_id, line, retry)
        return job

    def _list(self, endpoint_id: str, line: "_Line[J]", retry: bool) -> None:
        if line.waiting[retry] and not line.listed[retry] and endpoint_id not in self.resting:
            line.listed[retry] = True
            self._ready[retry].append(endpoint_id)

    def _relist(self, endpoint_id: str) -> None:
        line = self._lines.get(endpoint_id)
        if line is not None:
            self._list(endpoint_id, line, retry=False)
            self._list(endpoint_id, line, retry=True)
