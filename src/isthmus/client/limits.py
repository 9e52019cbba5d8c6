"""Rate limit arithmetic without clocks or waiting: fixed window, sliding window, token bucket, and narrowing."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Literal, Protocol

Strategy = Literal["sliding", "fixed", "token_bucket"]
_SLOTS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """How many calls may leave.

    max_requests per window (seconds). strategy: "sliding" never lets more than max_requests into any window,
    "fixed" counts per aligned window, "token_bucket" refills evenly and allows `burst` at once (default
    max_requests). max_queue: calls that may wait per key, 0 to refuse at once. max_wait: seconds a call may wait,
    besides its deadline.
    """

    max_requests: int
    window: float = 1.0
    strategy: Strategy = "sliding"
    burst: int | None = None
    max_queue: int = 10_000
    max_wait: float = math.inf

    def __post_init__(self) -> None:
        if self.max_requests < 1 or self.window <= 0 or (self.burst is not None and self.burst < 1):
            raise ValueError("a rate limit needs max_requests >= 1, window > 0 and burst >= 1")

    @property
    def rate(self) -> float:
        """Requests per second in the long run."""
        return self.max_requests / self.window

    @property
    def largest(self) -> int:
        """The greatest weight one call may have."""
        return (self.burst or self.max_requests) if self.strategy == "token_bucket" else self.max_requests

    def new(self) -> Window:
        """A fresh count for one key."""
        if self.strategy == "token_bucket":
            return TokenBucket(self.rate, float(self.burst or self.max_requests))
        if self.strategy == "fixed":
            return FixedWindow(self.max_requests, self.window)
        return SlidingWindow(self.max_requests, self.window)


class Window(Protocol):
    """The count of one key."""

    def admit(self, now: float, weight: int, factor: float) -> float:
        """Take `weight` and return 0.0, or take nothing and return the seconds until it may fit.

        factor: the share of the rule that feedback has left, in (0, 1].
        """
        ...

    def give_back(self, weight: int) -> None:
        """Undo the latest `admit` of a call that was never made."""
        ...

    def cap(self, now: float, remaining: int) -> None:
        """The far side says only `remaining` are left in its window."""
        ...

    def idle(self, now: float) -> bool:
        """Whether forgetting this count changes nothing."""
        ...


class TokenBucket:
    """Refills evenly; a burst takes what has gathered."""

    __slots__ = ("_at", "_capacity", "_rate", "_tokens")

    def __init__(self, rate: float, capacity: float) -> None:
        self._rate = rate
        self._capacity = capacity
        self._tokens = capacity
        self._at = -math.inf

    def admit(self, now: float, weight: int, factor: float) -> float:
        tokens = self._tokens
        rate = self._rate * factor
        if now > self._at:
            tokens = min(self._capacity, tokens + (now - self._at) * rate)
            self._at = now
        # A billionth of slack: after waiting exactly as long as asked, rounding must not ask for more.
        if tokens + 1e-9 >= weight:
            self._tokens = tokens - weight
            return 0.0
        self._tokens = tokens
        return (weight - tokens) / rate

    def give_back(self, weight: int) -> None:
        self._tokens = min(self._capacity, self._tokens + weight)

    def cap(self, now: float, remaining: int) -> None:
        self.admit(now, 0, 1.0)
        self._tokens = min(self._tokens, float(remaining))

    def idle(self, now: float) -> bool:
        return self._tokens + (now - self._at) * self._rate >= self._capacity


class FixedWindow:
    """Counts per aligned window."""

    __slots__ = ("_count", "_index", "_limit", "_window")

    def __init__(self, limit: int, window: float) -> None:
        self._limit = limit
        self._window = window
        self._index = -1
        self._count = 0

    def admit(self, now: float, weight: int, factor: float) -> float:
        index = int(now // self._window)
        if index > self._index:
            self._index, self._count = index, 0
        # Feedback narrows the window but never below one call of this weight.
        if self._count + weight <= max(self._limit * factor, weight):
            self._count += weight
            return 0.0
        return max((self._index + 1) * self._window - now, 1e-6)

    def give_back(self, weight: int) -> None:
        self._count = max(0, self._count - weight)

    def cap(self, now: float, remaining: int) -> None:
        self.admit(now, 0, 1.0)
        self._count = max(self._count, self._limit - remaining)

    def idle(self, now: float) -> bool:
        return int(now // self._window) > self._index


class SlidingWindow:
    """Never more than the limit in any window, at a memory of at most 257 pairs a key.

    Calls are counted in slots of a 256th of the window; a slot is forgotten one whole window after its *end*, so the
    count errs to the strict side by 0.4 % of the window and never to the other.
    """

    __slots__ = ("_limit", "_slot", "_slots", "_total", "_window")

    def __init__(self, limit: int, window: float) -> None:
        self._limit = limit
        self._window = window
        self._slot = window / _SLOTS
        self._slots: deque[list[int]] = deque()
        self._total = 0

    def admit(self, now: float, weight: int, factor: float) -> float:
        slots = self._slots
        index = int(now / self._slot)
        gone = index - _SLOTS - 1
        while slots and slots[0][0] <= gone:
            self._total -= slots.popleft()[1]
        if self._total + weight <= max(self._limit * factor, weight):
            self._total += weight
            if slots and slots[-1][0] >= index:
                slots[-1][1] += weight
            else:
                slots.append([index, weight])
            return 0.0
        return self._until(now, self._total + weight - max(self._limit * factor, weight))

    def _until(self, now: float, excess: float) -> float:
        for index, count in self._slots:
            excess -= count
            if excess <= 0:
                return max((index + _SLOTS + 1) * self._slot - now + 1e-6, 1e-6)
        return self._window

    def give_back(self, weight: int) -> None:
        while weight > 0 and self._slots:
            taken = min(weight, self._slots[-1][1])
            self._slots[-1][1] -= taken
            self._total -= taken
            weight -= taken
            if self._slots[-1][1] == 0:
                self._slots.pop()

    def cap(self, now: float, remaining: int) -> None:
        self.admit(now, 0, 1.0)
        missing = self._limit - remaining - self._total
        if missing > 0:
            self._total += missing
            self._slots.append([int(now / self._slot), missing])

    def idle(self, now: float) -> bool:
        return not self._slots or self._slots[-1][0] <= int(now / self._slot) - _SLOTS - 1


@dataclass(slots=True)
class Narrowing:
    """What throttles have left of the rule: halved by each, whole again after `recovery` quiet seconds."""

    recovery: float
    factor: float = 1.0
    at: float = 0.0

    def now(self, now: float) -> float:
        """The share in force."""
        if self.factor >= 1.0:
            return 1.0
        return min(1.0, self.factor + (now - self.at) / self.recovery)

    def throttled(self, now: float) -> None:
        """The far side said no: half of what is in force, at least a sixteenth of the rule."""
        self.factor = max(1 / 16, self.now(now) / 2)
        self.at = now
