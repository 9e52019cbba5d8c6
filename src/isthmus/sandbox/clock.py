"""The platforms' clock: another clock plus a shift that tests and the control address move (reference 12.1, Clock)."""

from datetime import datetime, timedelta

from isthmus.kit.clock import Clock


class ShiftedClock:
    """`source` moved forward by what `advance` has added up to."""

    def __init__(self, source: Clock) -> None:
        self._source = source
        self._shift = 0.0

    def now(self) -> datetime:
        return self._source.now() + timedelta(seconds=self._shift)

    def monotonic(self) -> float:
        return self._source.monotonic() + self._shift

    async def sleep(self, seconds: float) -> None:
        await self._source.sleep(seconds)

    def advance(self, seconds: float) -> None:
        """Move the platforms' time forward; the source stays as it is."""
        self._shift += seconds

    def unix(self) -> int:
        """Whole seconds since 1970."""
        return int(self.now().timestamp())

    def milliseconds(self) -> int:
        """Whole milliseconds since 1970."""
        return int(self.now().timestamp() * 1000)
