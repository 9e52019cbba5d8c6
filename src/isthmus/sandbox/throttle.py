"""Token buckets per application and seller, on the platform's clock (reference 12.1, Throttle)."""

from isthmus.kit.clock import Clock


class Throttle:
    """`rate` calls a second, `burst` at once; a refused caller stays out for `ban` seconds."""

    def __init__(self, clock: Clock, rate: float, *, burst: float | None = None, ban: float = 0.0) -> None:
        self._clock = clock
        self._ban = ban
        self._buckets: dict[tuple[str, str], tuple[float, float]] = {}
        self._banned: dict[tuple[str, str], float] = {}
        self._default = (rate, burst)
        self.rate, self.burst = rate, burst if burst is not None else max(1.0, rate)

    def set_rate(self, per_second: float, burst: float | None = None) -> None:
        """Change the limit while running; buckets start full again."""
        if per_second <= 0:
            raise ValueError("a rate is above 0")
        self.rate, self.burst = per_second, burst if burst is not None else max(1.0, per_second)
        self._buckets.clear()
        self._banned.clear()

    def reset(self) -> None:
        """Back to the platform's own limit."""
        rate, burst = self._default
        self.set_rate(rate, burst)

    def take(self, app: str, seller: str) -> float:
        """Spend one call. Returns 0, or the seconds to wait when there is none left."""
        key, now = (app, seller), self._clock.monotonic()
        banned = self._banned.get(key, 0.0) - now
        if banned > 0:
            return banned
        tokens, at = self._buckets.get(key, (self.burst, now))
        tokens = min(self.burst, tokens + max(0.0, now - at) * self.rate)
        if tokens >= 1:
            self._buckets[key] = (tokens - 1, now)
            return 0.0
        self._buckets[key] = (tokens, now)
        wait = max((1 - tokens) / self.rate, self._ban)
        if self._ban:
            self._banned[key] = now + self._ban
        return wait
