"""What a run waited for and how often it had to ask again, as the client's hooks tell it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from isthmus.client import AttemptEnded, Waited, Waiting
from isthmus.kit.clock import Clock


@dataclass(frozen=True, slots=True)
class Spent:
    """Counts since the last page that was written."""

    retries: int = 0
    throttled: int = 0
    waited_ms: int = 0


class Tally:
    """Listens to one run's calls."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._spent = Spent()
        self._waiting_until: datetime | None = None
        self._waiting_reason: str | None = None
        #: Pages written since this worker took the run.
        self.pages = 0

    def __call__(self, event: object) -> None:
        """Take note of one event of the client."""
        before = self._spent
        # The wait for a limit is told twice: before it with an estimate, after it with the truth.
        if isinstance(event, Waiting) or (isinstance(event, Waited) and event.cause != "rate_limit"):
            self._waiting_until = self._clock.now() + timedelta(seconds=event.seconds)
            self._waiting_reason = event.cause
        if isinstance(event, Waited):
            self._spent = Spent(before.retries, before.throttled, before.waited_ms + int(event.seconds * 1000))
        elif isinstance(event, AttemptEnded):
            throttled = event.failure is not None and event.failure.kind == "throttled"
            self._spent = Spent(before.retries + (event.attempt > 1), before.throttled + throttled, before.waited_ms)

    @property
    def waiting(self) -> tuple[datetime | None, str | None]:
        """Until when the run waits, and for what; nothing once that time has passed."""
        if self._waiting_until is None or self._waiting_until <= self._clock.now():
            return None, None
        return self._waiting_until, self._waiting_reason

    def spent(self) -> Spent:
        """What has been counted and not been settled."""
        return self._spent

    def settle(self, written: Spent) -> None:
        """Take away what was written with a page."""
        self.pages += 1
        now = self._spent
        self._spent = Spent(
            now.retries - written.retries, now.throttled - written.throttled, now.waited_ms - written.waited_ms
        )
