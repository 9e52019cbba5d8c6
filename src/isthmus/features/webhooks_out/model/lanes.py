"""Who may be sent to now: slots of the process, a quarter of them for retries, and each endpoint's own limits."""

from dataclasses import dataclass


@dataclass(slots=True)
class Slots:
    """The slots of one process."""

    all: int
    retries: int
    used: int = 0
    used_by_retries: int = 0

    def take(self, *, retry: bool) -> bool:
        """Take a slot, if there is one for this kind."""
        if self.used >= self.all or (retry and self.used_by_retries >= self.retries):
            return False
        self.used += 1
        self.used_by_retries += retry
        return True

    def give_back(self, *, retry: bool) -> None:
        """Give one back."""
        self.used -= 1
        self.used_by_retries -= retry


@dataclass(slots=True)
class Lane:
    """One endpoint's own limits: at once, and a second."""

    concurrency: int
    rate: int
    running: int = 0
    tokens: float = 1.0
    seen: float = 0.0

    def may_start(self, now: float) -> float:
        """0 when one more may start now; otherwise how many seconds to wait, infinite while others must end first."""
        if self.running >= self.concurrency:
            return float("inf")
        if not self.rate:
            return 0.0
        # A tenth of a second's worth may go at once.
        most = max(1.0, self.rate / 10)
        self.tokens = min(most, self.tokens + max(0.0, now - self.seen) * self.rate)
        self.seen = now
        return 0.0 if self.tokens >= 1.0 else (1.0 - self.tokens) / self.rate

    def start(self) -> None:
        """One more is under way."""
        self.running += 1
        if self.rate:
            self.tokens -= 1.0

    def end(self) -> None:
        """One has ended."""
        self.running -= 1
