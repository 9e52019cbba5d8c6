"""Rate limit arithmetic without clocks or waiting: fixed window, sliding window, token bucket, and narrowing."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, Protocol

Strategy = Literal["sliding", "fixed", "token_bucket"]
_SLOTS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """How many calls may leave.

    max_requests per window (seconds). strategy: "sliding" never lets more than max_requests into any window,
    "fixed" counts per aligned window, "token_bucket" refills evenly and allows `burst` at once (default
    max_requests). max_queue: calls that may wait per key, 0 to refuse at once. max_wait: seconds a call may wait,
    besides its deadline. reserve: how many of max_requests (in a token bucket: of the burst) only `urgent` calls may
    take.
    """

    max_requests: int
    window: float = 1.0
    strategy: Strategy = "sliding"
    burst: int | None = None
    max_queue: int = 10_000
    max_wait: float = math.inf
    reserve: int = 0

    def __post_init__(self) -> None:
        if self.max_requests < 1 or self.window <= 0 or (self.burst is not None and self.burst < 1):
            raise ValueError("a rate limit needs max_requests >= 1, window > 0 and burst >= 1")
        if not 0 <= self.reserve < self.largest:
            raise ValueError("a reserve is less than the limit that it is a part of")

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

    def admit(self, now: float, weight: int, factor: float, kept: int = 0) -> float:
        """Take `weight` and return 0.0, or take nothing and return the seconds until it may fit.

        factor: the share of the rule that feedback has left, in (0, 1]. kept: what must be left for others; it shrinks
        with the factor. `weight` and `kept` together are at most the limit.
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

    def admit(self, now: float, weight: int, factor: float, kept: int = 0) -> float:
        tokens, needed = self._tokens, weight + kept
        rate = self._rate * factor
        if now > self._at:
            tokens = min(self._capacity, tokens + (now - self._at) * rate)
            self._at = now
        if factor < 1.0:
            # Feedback shrinks the burst as well as the rate: what had gathered is not let out at once.
            needed = weight + int(kept * factor)
            tokens = min(tokens, max(self._capacity * factor, float(needed)))
        # A billionth of slack: after waiting exactly as long as asked, rounding must not ask for more.
        if tokens + 1e-9 >= needed:
            self._tokens = tokens - weight
            return 0.0
        self._tokens = tokens
        return (needed - tokens) / rate

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

    def admit(self, now: float, weight: int, factor: float, kept: int = 0) -> float:
        index = int(now // self._window)
        if index > self._index:
            self._index, self._count = index, 0
        needed = weight + int(kept * factor)
        # Feedback narrows the window but never below one call of this weight.
        if self._count + needed <= max(self._limit * factor, needed):
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


@lru_cache(maxsize=1024)
def _slot_of(window: float) -> float:
    """The length of a slot; one object for all keys of a rule, which keeps a key's memory in one place."""
    return window / _SLOTS


class SlidingWindow:
    """Never more than the limit in any window, at a memory of at most 257 pairs a key.

    Calls are counted in slots of a 256th of the window; a slot is forgotten one whole window after its *end*, so the
    count errs to the strict side by 0.4 % of the window and never to the other. The newest slot is kept apart, so
    that a key that is rarely used holds no list at all.
    """

    __slots__ = ("_count", "_index", "_limit", "_older", "_slot", "_total", "_window")

    def __init__(self, limit: int, window: float) -> None:
        self._limit = limit
        self._window = window
        self._slot = _slot_of(window)
        self._index = 0
        self._count = 0
        self._total = 0
        self._older: deque[tuple[int, int]] | None = None

    def admit(self, now: float, weight: int, factor: float, kept: int = 0) -> float:
        index = int(now / self._slot)
        if index > self._index:
            self._turn(index)
        limit = self._limit - kept
        if factor < 1.0:
            limit = int(limit * factor)
        if self._total + weight <= limit or (self._total == 0 and weight <= self._limit - kept):
            self._total += weight
            self._count += weight
            return 0.0
        return self._until(now, self._total + weight - max(limit, weight))

    def _turn(self, index: int) -> None:
        """A new slot begins; what is a window old is forgotten."""
        if index - self._index > _SLOTS:
            self._older, self._total = None, 0
        else:
            older = self._older
            if self._count:
                if older is None:
                    older = self._older = deque()
                older.append((self._index, self._count))
            gone = index - _SLOTS - 1
            while older and older[0][0] <= gone:
                self._total -= older.popleft()[1]
        self._index, self._count = index, 0

    def _until(self, now: float, excess: float) -> float:
        for index, count in self._older or ():
            excess -= count
            if excess <= 0:
                return max((index + _SLOTS + 1) * self._slot - now + 1e-6, 1e-6)
        return max((self._index + _SLOTS + 1) * self._slot - now + 1e-6, 1e-6)

    def give_back(self, weight: int) -> None:
        taken = min(weight, self._count)
        self._count -= taken
        self._total -= taken
        weight -= taken
        while weight > 0 and self._older:
            index, count = self._older.pop()
            taken = min(weight, count)
            self._total -= taken
            weight -= taken
            if count > taken:
                self._older.append((index, count - taken))

    def cap(self, now: float, remaining: int) -> None:
        self.admit(now, 0, 1.0)
        missing = self._limit - remaining - self._total
        if missing > 0:
            self._total += missing
            self._count += missing

    def idle(self, now: float) -> bool:
        return self._total == 0 or int(now / self._slot) - self._index > _SLOTS


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
