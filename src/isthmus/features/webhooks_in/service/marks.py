"""From where on a worker looks for what is due, so that what it has ended does not make the next look dearer.

What has ended stands in the index as long as the oldest snapshot of the database may still see it, which can be hours.
"""

from dataclasses import dataclass
from datetime import timedelta
from math import inf
from typing import Final

from isthmus.kit import ids

#: What is committed late, or comes from another process, bears an older id.
_LATE: Final = timedelta(milliseconds=250)
_EVERY: Final = 1.0
#: A look at everything that has become dear is taken less often: so many times as long as it takes lies between two.
_TIMES: Final = 20.0
_SELDOM: Final = 8.0
_REMEMBERED: Final = 20_000


@dataclass(slots=True)
class _Mark:
    since: str | None = None
    looked: float = -inf
    pause: float = 0.0
    asked: float = -inf


class Marks:
    """What one process remembers of its workers, by tenant and key; times are ticks of the clock that only goes on.

    It saves work and decides nothing: at most `every` seconds, or a few where that has become dear, lie between two
    looks at everything, and only such a look ends a worker for good.
    """

    def __init__(self, every: float = _EVERY) -> None:
        self._every = every
        self._marks: dict[tuple[str, str], _Mark] = {}

    def since(self, owner: tuple[str, str], ticks: float) -> str | None:
        """The delivery from which on to look; None where everything is to be looked at."""
        mark = self._marks.get(owner)
        return None if mark is None or ticks >= mark.looked + mark.pause else mark.since

    def behind(self, owner: tuple[str, str], delivery_id: str) -> bool:
        """Whether a look from the mark on would not have found this one."""
        mark = self._marks.get(owner)
        return mark is not None and mark.since is not None and delivery_id < mark.since

    def took(self, owner: tuple[str, str], last: str, passed: str | None) -> None:
        """Everything up to the last was taken, from `passed` on with gaps: these were due and not to be had."""
        mark = self._of(owner)
        late = ids.floor("inb", ids.made_at(last) - _LATE)
        reached = max(late, mark.since or "")
        mark.since = reached if passed is None else min(reached, passed)

    def forget(self, owner: tuple[str, str]) -> None:
        """Look at everything again: this one works in lanes, where what stands in front decides."""
        self._marks.pop(owner, None)

    def looked(self, owner: tuple[str, str], ticks: float, seconds: float, *, fruitful: bool) -> None:
        """Everything that was due at this time was seen, which took so long; whether a mark would have hidden some."""
        if owner in self._marks:
            mark = self._of(owner)
            mark.looked = ticks
            mark.pause = 0.0 if fruitful or not self._every else min(_SELDOM, max(self._every, _TIMES * seconds))

    def wait(self, owner: tuple[str, str], ticks: float) -> float | None:
        """Seconds until everything is to be looked at; None where this process has asked to be woken for it."""
        mark = self._of(owner)
        return None if mark.asked > ticks else max(0.0, mark.looked + mark.pause - ticks)

    def asked(self, owner: tuple[str, str], until: float) -> None:
        """A wake-up for a look at everything comes at this time."""
        self._of(owner).asked = until

    def _of(self, owner: tuple[str, str]) -> _Mark:
        """The mark, now the youngest; the oldest goes where there are too many."""
        mark = self._marks.pop(owner, None) or _Mark()
        self._marks[owner] = mark
        if len(self._marks) > _REMEMBERED:
            del self._marks[next(iter(self._marks))]
        return mark
