"""What the far side's clock shows, by the `Date` of its newest answer (RFC 9110 section 6.6.1)."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from isthmus.kit.clock import Clock

_SECOND = timedelta(seconds=1)


class FarTime:
    """Our own time, put right where the far side's answers contradict it."""

    __slots__ = ("_clock", "_date", "_heard", "_sent")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._date: str | None = None
        self._sent = self._heard = datetime.min.replace(tzinfo=UTC)

    def heard(self, date: str | None, sent: datetime) -> None:
        """An answer bore this date; its request left at `sent`, by our clock."""
        if date:
            self._date, self._sent, self._heard = date, sent, self._clock.now()

    def now(self) -> datetime:
        """The far side's time: ours while it can be right, else the earliest that the newest answer allows."""
        return self._clock.now() + self._ahead()

    def _ahead(self) -> timedelta:
        if self._date is None:
            return timedelta(0)
        try:
            told = parsedate_to_datetime(self._date)
            told = told.replace(tzinfo=UTC) if told.tzinfo is None else told
            least, most = told - self._heard, told + _SECOND - self._sent
        except (ValueError, TypeError, OverflowError):
            return timedelta(0)
        return timedelta(0) if least <= timedelta(0) <= most else least
