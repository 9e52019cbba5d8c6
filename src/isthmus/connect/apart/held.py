"""How long computations of a connector have held us up of late: each may be within its bound, and all be too much."""

from typing import Final

_WINDOW_SECONDS: Final = 60.0
#: A computation that takes no longer holds nobody up; a loaded machine may need as much for an honest one.
_SHORT_SECONDS: Final = 0.5
_MOST_SECONDS: Final = 10.0


class Held:
    """Counts the long ones (pure; times are given)."""

    def __init__(self) -> None:
        self._since, self._seconds = 0.0, 0.0

    def add(self, now: float, seconds: float) -> bool:
        """One more, that ended now; whether they are too much: then the count begins anew."""
        if now - self._since > _WINDOW_SECONDS:
            self._since, self._seconds = now, 0.0
        if seconds > _SHORT_SECONDS:
            self._seconds += seconds
        if self._seconds <= _MOST_SECONDS:
            return False
        self._seconds = 0.0
        return True
