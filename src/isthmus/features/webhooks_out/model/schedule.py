"""When a failed delivery is tried again: the schedule of Standard Webhooks 1.0.0, about 75 hours in all."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

_HOUR = 3600.0
#: Seconds before the second, third, ... attempt.
SCHEDULE: Final = (
    5.0, 300.0, 1800.0, 2 * _HOUR, 5 * _HOUR, 10 * _HOUR, 14 * _HOUR, 20 * _HOUR, 24 * _HOUR
)  # fmt: skip
_JITTER = 0.2
_SLOW_DOWN = 60.0
_LONGEST_WISH = 10 * _HOUR
#: Answers that say "too much": they are not asked again within a minute.
_OVERLOADED = frozenset({429, 502, 504})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an attempt came to: a status, or the class of the failure; `retry_after` is the receiver's wish."""

    status: int | None
    error: str | None = None
    retry_after: float | None = None

    @property
    def delivered(self) -> bool:
        """Only a 2xx is a success; a redirect is a failure."""
        return self.error is None and self.status is not None and 200 <= self.status < 300

    @property
    def gone(self) -> bool:
        """The receiver wants nothing more, ever."""
        return self.status == 410


def wait_after(attempts: int, outcome: Outcome, draw: float) -> timedelta | None:
    """How long to wait after `attempts` attempts in all; None: it is a dead letter. `draw` is from [0, 1)."""
    if outcome.gone or not 1 <= attempts <= len(SCHEDULE):
        return None
    base = SCHEDULE[attempts - 1]
    if outcome.status in _OVERLOADED or outcome.error == "timeout":
        base = max(base, _SLOW_DOWN)
    seconds = base * (1.0 - _JITTER + 2.0 * _JITTER * draw)
    if outcome.retry_after is not None:
        # A wish is heard between once and twice the schedule's own wait, so that nobody parks us for ever.
        seconds = max(seconds, min(outcome.retry_after, 2.0 * base, _LONGEST_WISH))
    return timedelta(seconds=seconds)
