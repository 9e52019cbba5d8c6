"""Counts the calls of this process to platforms, by provider, for `/metrics`."""

from collections import Counter
from collections.abc import Sequence

from isthmus.client import CallEnded
from isthmus.client.events import Hook
from isthmus.kit.figures import Figure

_CALLS = "isthmus_platform_calls_total", "Calls to platforms by this process, by provider and outcome."
_SECONDS = "isthmus_platform_call_seconds_total", "Seconds these calls took, waits for permits and retries included."
_ATTEMPTS = "isthmus_platform_attempts_total", "Attempts these calls made."


class Calls:
    """How often, and how long, each provider was called; providers are few, shops are not named."""

    def __init__(self) -> None:
        self._calls: Counter[tuple[str, str]] = Counter()
        self._attempts: Counter[str] = Counter()
        self._seconds: dict[str, float] = {}

    def hook(self, provider: str) -> Hook:
        """What the clients of this provider tell."""

        def heard(event: object) -> None:
            if isinstance(event, CallEnded):
                self._calls[provider, "ok" if event.error is None else "failed"] += 1
                self._attempts[provider] += event.attempts
                self._seconds[provider] = self._seconds.get(provider, 0.0) + event.seconds

        return heard

    def figures(self) -> Sequence[Figure]:
        """The counts since the process began."""
        calls = [
            Figure(*_CALLS, count, {"provider": provider, "outcome": outcome}, total=True)
            for (provider, outcome), count in sorted(self._calls.items())
        ]
        attempts = [Figure(*_ATTEMPTS, n, {"provider": name}, total=True) for name, n in sorted(self._attempts.items())]
        seconds = [Figure(*_SECONDS, s, {"provider": name}, total=True) for name, s in sorted(self._seconds.items())]
        return [*calls, *attempts, *seconds]
