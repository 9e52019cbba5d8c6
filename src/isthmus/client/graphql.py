"""GraphQL: failures judged by `errors[].extensions.code` even with HTTP 200, cost-based throttling, partial data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from isthmus.client.client import ApiClient
from isthmus.client.errors import MalformedBody, RateLimited
from isthmus.client.judge import Failure, Kind, by_status
from isthmus.client.message import Response
from isthmus.client.paths import dig
from isthmus.kit.clock import Clock

_KINDS: dict[str, Kind] = {
    "THROTTLED": "throttled",
    "RATE_LIMITED": "throttled",
    "MAX_COST_EXCEEDED": "caller",
    "UNAUTHENTICATED": "token",
    "FORBIDDEN": "refused",
    "ACCESS_DENIED": "refused",
    "NOT_FOUND": "not_found",
    "BAD_USER_INPUT": "caller",
    "GRAPHQL_PARSE_FAILED": "caller",
    "GRAPHQL_VALIDATION_FAILED": "caller",
    "INTERNAL_SERVER_ERROR": "transient",
    "SERVICE_UNAVAILABLE": "transient",
    "TIMEOUT": "transient",
}


@dataclass(frozen=True, slots=True)
class GraphQLResult:
    """data: what came; errors: what did not, when the rest did."""

    data: Mapping[str, object]
    errors: list[Mapping[str, object]]
    response: Response

    @property
    def partial(self) -> bool:
        """Whether something is missing."""
        return bool(self.errors)


def _errors(body: Mapping[str, object]) -> list[Mapping[str, object]]:
    given = body.get("errors")
    return [one for one in given if isinstance(one, dict)] if isinstance(given, list) else []


def judge(response: Response, kinds: Mapping[str, Kind] = _KINDS) -> Failure | None:
    """The verdict on a GraphQL reply: a failure only when nothing usable came."""
    try:
        body = response.json()
    except MalformedBody:
        if response.status >= 400:
            return by_status(response)
        raise
    if not isinstance(body, dict):
        raise MalformedBody("a GraphQL reply is a JSON object", reason="shape")
    errors = _errors(body)
    data = body.get("data")
    if not errors or (isinstance(data, dict) and any(value is not None for value in data.values())):
        return by_status(response)
    codes = [str(dig(one, "extensions.code") or "") for one in errors]
    code = next((one for one in codes if one in kinds), codes[0])
    kind = kinds.get(code) or ("transient" if response.status >= 500 else "caller")
    message = str(errors[0].get("message") or "")[:300]
    wait = _wait_of(body) if kind == "throttled" else None
    return Failure(kind=kind, code=code or None, message=message, retry_after=wait)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _wait_of(body: Mapping[str, object]) -> float | None:
    cost = dig(body, "extensions.cost")
    wanted = _number(dig(cost, "requestedQueryCost"))
    left = _number(dig(cost, "throttleStatus.currentlyAvailable"))
    rate = _number(dig(cost, "throttleStatus.restoreRate"))
    if wanted is None or left is None or not rate:
        return None
    return max(0.0, (wanted - left) / rate)


@dataclass(slots=True)
class CostMeter:
    """What is left of a quota counted in query cost, as the far side last said, refilled at its rate. Pure."""

    maximum: float = 1000.0
    rate: float = 50.0
    _left: float = field(default=-1.0)
    _at: float = 0.0
    _learned: dict[str, float] = field(default_factory=dict)

    def estimate(self, operation: str) -> float:
        """What an operation cost when it was last asked; 10 when it never was."""
        return self._learned.get(operation, 10.0)

    def wait(self, now: float, cost: float) -> float:
        """Seconds until `cost` may be spent; 0 takes it."""
        left = self.maximum if self._left < 0 else min(self.maximum, self._left + (now - self._at) * self.rate)
        cost = min(cost, self.maximum)
        if left < cost:
            return (cost - left) / self.rate
        self._left, self._at = left - cost, now
        return 0.0

    def heard(self, now: float, operation: str, body: object) -> None:
        """Learn from `extensions.cost` of a reply."""
        cost = dig(body, "extensions.cost")
        asked = _number(dig(cost, "requestedQueryCost"))
        if asked is not None and (operation in self._learned or len(self._learned) < 1000):
            self._learned[operation] = asked
        maximum = _number(dig(cost, "throttleStatus.maximumAvailable"))
        left = _number(dig(cost, "throttleStatus.currentlyAvailable"))
        rate = _number(dig(cost, "throttleStatus.restoreRate"))
        if maximum and left is not None and rate:
            self.maximum, self.rate, self._left, self._at = maximum, rate, left, now


class GraphQL:
    """Calls one GraphQL endpoint.

    url: the endpoint. meter: a `CostMeter` where the far side counts cost. options: those of `ApiClient`.
    """

    def __init__(self, url: str, *, meter: CostMeter | None = None, **options: Any) -> None:  # noqa: ANN401 - ApiClient's
        options.setdefault("classify", judge)
        self.client = ApiClient(url, **options)
        self._clock: Clock = self.client.clock
        self._meter = meter

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.client.aclose()

    async def query(
        self, document: str, variables: Mapping[str, object] | None = None, *, deadline: float = 30.0
    ) -> GraphQLResult:
        """Run a query; it is sent again where a GET would be."""
        return await self._send(document, variables, deadline, idempotent=True)

    async def mutate(
        self, document: str, variables: Mapping[str, object] | None = None, *, deadline: float = 30.0
    ) -> GraphQLResult:
        """Run a mutation; it is sent again only if nothing can have happened."""
        return await self._send(document, variables, deadline, idempotent=False)

    async def _send(
        self, document: str, variables: Mapping[str, object] | None, deadline: float, *, idempotent: bool
    ) -> GraphQLResult:
        waited = await self._pay(document, deadline)
        payload: dict[str, object] = {"query": document}
        if variables:
            payload["variables"] = variables
        response = await self.client.post("", payload, idempotent=idempotent, deadline=deadline - waited)
        body = response.json()
        if not isinstance(body, dict):
            raise MalformedBody("a GraphQL reply is a JSON object", reason="shape")
        if self._meter is not None:
            self._meter.heard(self._clock.monotonic(), document, body)
        response.waited += waited
        data = body.get("data")
        return GraphQLResult(data if isinstance(data, dict) else {}, _errors(body), response)

    async def _pay(self, document: str, deadline: float) -> float:
        if self._meter is None:
            return 0.0
        started = self._clock.monotonic()
        cost = self._meter.estimate(document)
        while (wait := self._meter.wait(self._clock.monotonic(), cost)) > 0:
            if self._clock.monotonic() - started + wait >= deadline:
                raise RateLimited("the query cost quota is used up", retry_after=wait)
            await self._clock.sleep(wait)
        return self._clock.monotonic() - started
