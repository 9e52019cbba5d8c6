"""The limits that calls of connections pass: each connection's own, and those that a whole app shares (RL-07)."""

from typing import Literal

from isthmus.client import Budget, Gate, Limiter, RateLimit
from isthmus.connect.manifest import Limit
from isthmus.features.catalog import Registration
from isthmus.kit.clock import Clock


class Gates:
    """The limiters of this process; budget: where permits are leased when several processes share them."""

    def __init__(self, budget: Budget | None = None) -> None:
        self._budget = budget
        self._limiters: dict[tuple[object, ...], Limiter] = {}

    def of_connection(self, known: Registration, tenant_id: str, connection_id: str, clock: Clock) -> list[Gate]:
        """What calls with the connection's credentials pass."""
        return [
            Gate(
                self._limiter(known, limit, clock),
                _key(known, limit) if limit.per == "app" else f"{_key(known, limit)}/{tenant_id}/{connection_id}",
                # An app's quota is every tenant's: one's whole import must not use up what the others wait for.
                tenant_id,
            )
            for limit in known.manifest.limits
        ]

    def of_app(self, known: Registration, tenant_id: str, clock: Clock, *, urgent: bool) -> list[Gate]:
        """What calls in the app's own name pass. Exchanges of tokens are urgent: whatever needs the tokens waits."""
        return [
            Gate(self._limiter(known, limit, clock), _key(known, limit), tenant_id, urgent)
            for limit in known.manifest.limits
            if limit.per == "app"
        ]

    def _limiter(self, known: Registration, limit: Limit, clock: Clock) -> Limiter:
        name = known.provider, limit.per, limit.requests, limit.seconds, limit.burst, limit.kept
        found = self._limiters.get(name)
        if found is None:
            strategy: Literal["sliding", "token_bucket"] = "sliding" if limit.burst is None else "token_bucket"
            rule = RateLimit(
                max_requests=limit.requests,
                window=limit.seconds,
                strategy=strategy,
                burst=limit.burst,
                reserve=limit.kept,
            )
            found = self._limiters[name] = Limiter(rule, budget=self._budget, clock=clock)
        return found


def _key(known: Registration, limit: Limit) -> str:
    return f"{known.provider}/{limit.requests} per {limit.seconds:g} s/{known.id}"
