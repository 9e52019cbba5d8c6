"""Rate limits per class, principal and tenant: never more than the limit in any minute (security.md RL-01 to RL-03)."""

import math
from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from isthmus.client import Budget
from isthmus.http.errors import CannotStart, TooManyRequests, retry_seconds
from isthmus.http.settings import BY_ADDRESS, LIMITS, HttpSettings, LimitClass
from isthmus.http.shares import Shares
from isthmus.kit.clock import Clock

WINDOW_SECONDS = 60
_KEYS = 20_000
#: How many addresses' worth of failures a key's or session's first letters are good for.
_ADDRESSES = 10


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a caller stands: the limit, what is left of it, and the epoch second from which more is admitted."""

    limit: int
    remaining: int
    reset: int

    def headers(self) -> list[tuple[bytes, bytes]]:
        """The three headers of a limited route."""
        return [
            (b"x-ratelimit-limit", b"%d" % self.limit),
            (b"x-ratelimit-remaining", b"%d" % self.remaining),
            (b"x-ratelimit-reset", b"%d" % self.reset),
        ]


class Refused(TooManyRequests):
    """Rate limit exceeded; wait as long as Retry-After says.

    Wait as long as `Retry-After` says.
    """

    def __init__(self, standing: Standing, wait: float, name: str) -> None:
        super().__init__(
            f"Rate limit exceeded; try again in {retry_seconds(wait)} seconds.",
            details={"limit": standing.limit, "perSeconds": WINDOW_SECONDS},
            retry_after=wait,
        )
        self.standing = standing
        #: The limit class, or `sign-in` for an address that failed too often.
        self.limit = name


@dataclass(slots=True)
class Window:
    """How often a key was used in each of the last seconds."""

    used: int = 0
    seconds: deque[list[int]] = field(default_factory=deque)

    def settle(self, second: int) -> None:
        """Forget what is more than a minute old; a started second counts in full."""
        seconds = self.seconds
        while seconds and seconds[0][0] < second - WINDOW_SECONDS:
            self.used -= seconds.popleft()[1]

    def add(self, second: int) -> None:
        """Count one use."""
        self.used += 1
        if self.seconds and self.seconds[-1][0] == second:
            self.seconds[-1][1] += 1
        else:
            self.seconds.append([second, 1])

    def wait(self, now: float) -> float:
        """Seconds until the oldest use is forgotten."""
        return self.seconds[0][0] + WINDOW_SECONDS + 1 - now if self.seconds else 0.0


class Windows:
    """Sliding minutes by key, bounded in number."""

    def __init__(self, capacity: int = _KEYS) -> None:
        self._windows: dict[str, Window] = {}
        self._capacity = capacity
        self._swept = -1

    def get(self, key: str, second: int) -> Window:
        """The window of this key, settled."""
        window = self._windows.get(key)
        if window is None:
            if len(self._windows) >= self._capacity:
                self._sweep(second)
            window = self._windows[key] = Window()
        else:
            window.settle(second)
        return window

    def __len__(self) -> int:
        return len(self._windows)

    def known(self, key: str, second: int) -> Window | None:
        """The window of this key, settled, if it has one."""
        window = self._windows.get(key)
        if window is not None:
            window.settle(second)
        return window

    def _sweep(self, second: int) -> None:
        """Make room: settle everything once a second at most, else drop the oldest key."""
        if self._swept == second:
            del self._windows[next(iter(self._windows))]
            return
        self._swept = second
        for key, window in list(self._windows.items()):
            window.settle(second)
            if not window.used:
                del self._windows[key]
        while len(self._windows) >= self._capacity:
            del self._windows[next(iter(self._windows))]


class _Bound(NamedTuple):
    """What a key may have in a minute, and what it had of this process."""

    key: str
    most: int
    window: Window

    def left(self, shares: Shares | None, now: float) -> int:
        """What is left of it: in this process, and, as of the last lease, in all of them."""
        here = self.most - self.window.used
        anywhere = None if shares is None else shares.left(self.key, now)
        return here if anywhere is None or anywhere > here else anywhere


class Limiter:
    """Admits requests by class.

    budget: what outlives the process and is kept together with others; without it all is counted here. alone: there are
    no others.
    """

    def __init__(
        self, settings: HttpSettings, clock: Clock, budget: Budget | None = None, *, alone: bool = False
    ) -> None:
        wrong = [name for name, most in settings.limits.items() if name not in LIMITS or most < 1]
        if wrong:
            raise CannotStart(
                f"http.limits: {', '.join(sorted(wrong))} is no limit class or has no positive limit; "
                f"the classes are {', '.join(LIMITS)}."
            )
        self._settings = settings
        self._clock = clock
        self._shares = Shares(budget, clock, alone=alone) if budget is not None else None
        self._windows = Windows()
        self._failures = Windows(4096)
        self._guessed = Windows(4096)

    async def admit(self, name: LimitClass, tenant_id: str, who: str, *, most: int | None = None) -> Standing:
        """Count one request of `who` in `tenant_id`. Raises Refused, and then counts nothing here.

        most: what `who` may have where that is less than the class admits. Classes by address are counted by each
        process alone: health checks must not need a database.
        """
        whole = self._settings.limit(name)
        limit = whole if most is None else min(whole, most)
        factor = self._settings.tenant_factor
        now = self._clock.monotonic()
        second = int(now)
        own = f"http {name} {tenant_id} {who}"
        bounds = [_Bound(own, limit, self._windows.get(own, second))]
        if tenant_id:
            of_all = f"http {name} {tenant_id}"
            bounds.append(_Bound(of_all, whole * factor, self._windows.get(of_all, second)))
        for bound in bounds:
            if bound.window.used >= bound.most:
                raise self._refused(name, limit, bound.window.wait(now))
        shares = None if name in BY_ADDRESS else self._shares
        if shares is not None:
            for bound in bounds:
                wait = await shares.take(bound.key, bound.most, bound.window.used)
                if wait is not None:
                    raise self._refused(name, limit, wait)
        left, tight = limit, bounds[0]
        for bound in bounds:
            bound.window.add(second)
            here = bound.left(shares, now)
            if here < left:
                left, tight = here, bound
        return Standing(limit, max(0, left), self._reset(tight.window.wait(now)))

    def _reset(self, wait: float) -> int:
        return math.ceil(self._clock.now().timestamp() + wait)

    def _refused(self, name: str, limit: int, wait: float) -> Refused:
        return Refused(Standing(limit, 0, self._reset(wait)), wait, name)

    def check_failures(self, address: str, prefix: str = "") -> None:
        """Refuse an address that failed to sign in too often of late. Raises Refused (RL-02).

        prefix: how the credentials begin that are shown, where that tells them from others: it is refused after as
        many failures as several addresses make, so that one alone shuts nobody out.
        """
        now, most = self._clock.monotonic(), self._settings.failures_per_minute
        window = self._failures.get(address, int(now))
        if window.used >= most:
            raise self._refused("sign-in", most, window.wait(now))
        guessed = self._guessed.known(prefix, int(now)) if prefix else None
        if guessed is not None and guessed.used >= most * _ADDRESSES:
            raise self._refused("sign-in", most, guessed.wait(now))

    def has_failed_often(self, address: str) -> bool:
        """Whether `check_failures` would refuse this address."""
        window = self._failures.known(address, int(self._clock.monotonic())) if self._failures else None
        return window is not None and window.used >= self._settings.failures_per_minute

    def failures(self, address: str) -> Standing:
        """Where an address stands with its refused sign-ins."""
        now = self._clock.monotonic()
        window = self._failures.get(address, int(now))
        limit = self._settings.failures_per_minute
        return Standing(limit, max(0, limit - window.used), self._reset(window.wait(now)))

    def count_failure(self, address: str, prefix: str = "") -> None:
        """Note a refused sign-in."""
        second = int(self._clock.monotonic())
        self._failures.get(address, second).add(second)
        if prefix:
            self._guessed.get(prefix, second).add(second)
