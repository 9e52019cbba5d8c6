"""When to send again: a pure decision over what happened, and the readers of the far side's wishes about time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal

IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"})
Backoff = Literal["exponential", "linear", "fixed"] | Sequence[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often and how late a call is sent again.

    max_attempts: requests in all, the first included. backoff: "exponential", "linear", "fixed" or a schedule of
    seconds. initial_delay, max_delay: seconds. retry_on: HTTP statuses. codes: the platform's own error codes.
    jitter: draw the wait evenly between 0 and its full length. budget: further attempts per host as a share of
    calls, so that an outage is not multiplied; `burst` attempts are free at the start. max_retry_after: a longer
    wish of the far side ends the call at once with `retry_after` set.
    """

    max_attempts: int = 3
    backoff: Backoff = "exponential"
    initial_delay: float = 0.5
    max_delay: float = 10.0
    retry_on: frozenset[int] | Iterable[int] = frozenset({408, 425, 429, 500, 502, 503, 504})
    codes: frozenset[str] = frozenset()
    jitter: bool = True
    budget: float = 0.2
    burst: int = 10
    max_retry_after: float = 120.0

    def __post_init__(self) -> None:
        if self.max_attempts < 1 or self.initial_delay < 0 or self.max_delay < 0:
            raise ValueError("max_attempts is at least 1 and delays are not negative")
        object.__setattr__(self, "retry_on", frozenset(self.retry_on))

    def delay(self, attempt: int, draw: float) -> float:
        """Seconds before the attempt that follows `attempt` (from 1); `draw` is a random number in 0..1."""
        if self.backoff == "exponential":
            full = self.initial_delay * 2.0 ** min(attempt - 1, 60)
        elif self.backoff == "linear":
            full = self.initial_delay * attempt
        elif isinstance(self.backoff, str):
            full = self.initial_delay
        else:
            full = self.backoff[min(attempt, len(self.backoff)) - 1] if self.backoff else 0.0
        full = min(full, self.max_delay)
        return full * draw if self.jitter else full


#: One attempt and no more.
NEVER = Retry(max_attempts=1)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an attempt came to, as far as the decision needs it."""

    #: Worth another attempt at all: a transient status, a throttle, a broken connection.
    transient: bool
    #: The far side cannot have acted on it: nothing was sent, or it said so (throttled, token).
    untouched: bool
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Again:
    """Send again after `delay` seconds."""

    delay: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Do not send again; `reason` is final, unsafe, attempts, asked_too_long, deadline or budget."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """Where the call stands when an attempt has failed."""

    attempt: int
    idempotent: bool
    #: Seconds left of the total deadline.
    remaining: float
    #: Whether the host's retry budget still holds an attempt.
    budget: bool
    draw: float


def decide(retry: Retry, outcome: Outcome, at: Situation) -> Again | GiveUp:
    """Whether and when the call goes out again."""
    if not outcome.transient:
        return GiveUp("final")
    if not (outcome.untouched or at.idempotent):
        return GiveUp("unsafe")
    if at.attempt >= retry.max_attempts:
        return GiveUp("attempts")
    wait = retry.delay(at.attempt, at.draw)
    if outcome.retry_after is not None:
        if outcome.retry_after > retry.max_retry_after:
            return GiveUp("asked_too_long")
        wait = max(outcome.retry_after, 0.0) + (min(0.1 * outcome.retry_after, 1.0) * at.draw if retry.jitter else 0.0)
    if wait >= at.remaining:
        return GiveUp("deadline")
    return Again(wait) if at.budget else GiveUp("budget")


@dataclass(slots=True)
class RetryBudget:
    """Further attempts one host may cost: a share of its calls, so that retries never multiply an outage."""

    ratio: float = 0.2
    burst: int = 10
    _tokens: float = field(default=-1.0, repr=False)

    def called(self) -> None:
        """A call was made: it earns a share of an attempt."""
        tokens = self._tokens if self._tokens >= 0 else float(self.burst)
        self._tokens = min(float(self.burst), tokens + self.ratio)

    def has_one(self) -> bool:
        """Whether a further attempt is allowed."""
        return self.ratio >= 1 or self._tokens < 0 or self._tokens >= 1

    def spend(self) -> None:
        """A further attempt goes out."""
        tokens = self._tokens if self._tokens >= 0 else float(self.burst)
        self._tokens = max(0.0, tokens - 1.0)


_SPAN = re.compile(r"(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+)ms)?", re.ASCII)
_FIELD = re.compile(r"(?:^|[;,\s])(?:t|reset)\s*=\s*(\d{1,10})", re.ASCII)
_LEFT = re.compile(r"(?:^|[;,\s])(?:r|remaining)\s*=\s*(\d{1,10})", re.ASCII)
_RESETS = (
    "X-RateLimit-Reset-After",
    "X-RateLimit-Reset",
    "X-Rate-Limit-Reset",
    "RateLimit-Reset",
    "X-RateLimit-Reset-Requests",
)
_REMAINING = (
    "X-RateLimit-Remaining",
    "RateLimit-Remaining",
    "X-Rate-Limit-Remaining",
    "X-RateLimit-Remaining-Requests",
)
_CEILING = 86_400.0 * 31


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """The seconds the far side asks us to wait, or None if it does not say.

    `Retry-After` as seconds or HTTP date (RFC 9110 section 10.2.3), `Retry-After-Ms`, then the reset headers in
    use: seconds, epoch in seconds or milliseconds, spans such as 1m30s, and the fields of draft `RateLimit`.
    """
    milliseconds = headers.get("Retry-After-Ms")
    if milliseconds and (number := _number(milliseconds)) is not None:
        return number / 1000
    wish = headers.get("Retry-After") or headers.get("X-Retry-After")
    if wish:
        return seconds_until(wish, now)
    return reset_after(headers, now) if remaining(headers) in {None, 0} else None


def reset_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds until the quota is whole again, by whichever reset header there is."""
    for name in _RESETS:
        value = headers.get(name)
        if value and (seconds := seconds_until(value, now)) is not None:
            return seconds
    combined = headers.get("RateLimit")
    found = _FIELD.search(combined) if combined else None
    return float(found[1]) if found else None


def remaining(headers: Mapping[str, str]) -> int | None:
    """Calls the far side says are left in its window."""
    for name in _REMAINING:
        value = headers.get(name)
        if value and (number := _number(value.partition(",")[0])) is not None:
            return int(number)
    combined = headers.get("RateLimit")
    found = _LEFT.search(combined) if combined else None
    return int(found[1]) if found else None


def seconds_until(value: str, now: datetime) -> float | None:
    """Read one such value, never negative; None if it makes no sense."""
    value = value.strip()[:64]
    number = _number(value)
    if number is not None:
        if number > 1e11:  # an epoch in milliseconds: the year 1973 at the earliest
            number = number / 1000
        if number > 1e9:
            number = number - now.timestamp()
        return min(max(number, 0.0), _CEILING)
    if value and (span := _SPAN.fullmatch(value)):
        hours, minutes, seconds, millis = (float(part or 0) for part in span.groups())
        return min(hours * 3600 + minutes * 60 + seconds + millis / 1000, _CEILING)
    return _until_date(value, now)


def _until_date(value: str, now: datetime) -> float | None:
    try:
        when = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        try:
            when = datetime.fromisoformat(value)
        except ValueError:
            return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return min(max((when - now).total_seconds(), 0.0), _CEILING)


def _number(value: str) -> float | None:
    value = value.strip()
    if not value.isascii() or not value.replace(".", "", 1).isdigit() or len(value) > 20:
        return None
    return float(value)
