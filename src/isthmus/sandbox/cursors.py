"""Opaque places in a list that stop working after a while (reference 12.1, Paging)."""

from datetime import datetime, timedelta

from isthmus.sandbox.clock import ShiftedClock
from isthmus.sandbox.dice import Dice

_LIFE = timedelta(minutes=10)
_KEEP = 10_000


class Cursors:
    """Texts that stand for an offset for ten minutes of the platform's time."""

    def __init__(self, clock: ShiftedClock) -> None:
        self._clock = clock
        self._places: dict[str, tuple[int, datetime]] = {}
        self._made = 0

    def make(self, offset: int) -> str:
        """A text for this offset."""
        self._made += 1
        text = Dice("cursor", self._made, offset).text(24)
        if len(self._places) >= _KEEP:
            del self._places[next(iter(self._places))]
        self._places[text] = (offset, self._clock.now() + _LIFE)
        return text

    def read(self, text: str) -> int | None:
        """The offset, or None when the text is unknown or too old."""
        offset, end = self._places.get(text, (0, None))
        return offset if end is not None and self._clock.now() < end else None
