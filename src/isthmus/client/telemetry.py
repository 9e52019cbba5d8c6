"""OpenTelemetry spans and metrics for calls, if the program has configured it; otherwise nothing is even imported."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from isthmus.client.breaker import Changed
from isthmus.client.events import AttemptEnded, CacheDecided, CallEnded, Hook, Waited
from isthmus.kit.clock import SYSTEM, Clock

if TYPE_CHECKING:
    from opentelemetry.metrics import Meter
    from opentelemetry.trace import Tracer

_NAME = "isthmus.client"
Attributes = dict[str, str | int | float | bool]


class Telemetry:
    """A hook that writes spans and metrics.

    Spans: one of kind CLIENT per attempt, named by the HTTP conventions, and an internal one per call, both children
    of the caller's span. Metrics: `http.client.request.duration`, `isthmus.client.call.duration`,
    `isthmus.client.attempts`, `isthmus.client.wait.duration`, `isthmus.client.cache` and
    `isthmus.client.breaker.changes`. Attributes hold hosts and routes, never paths, parameters or headers.
    """

    def __init__(self, tracer: Tracer, meter: Meter, *, clock: Clock = SYSTEM) -> None:
        from opentelemetry.trace import SpanKind, Status, StatusCode  # noqa: PLC0415 - an optional package

        self._tracer = tracer
        self._clock = clock
        self._client_kind = SpanKind.CLIENT
        self._failed = Status(StatusCode.ERROR)
        self._requests = meter.create_histogram("http.client.request.duration", "s", "Duration of one attempt")
        self._calls = meter.create_histogram("isthmus.client.call.duration", "s", "Duration of one call")
        self._attempts = meter.create_histogram("isthmus.client.attempts", "1", "Attempts of one call")
        self._waits = meter.create_histogram("isthmus.client.wait.duration", "s", "Time spent waiting")
        self._cache = meter.create_counter("isthmus.client.cache", "1", "Decisions of the cache")
        self._breaker = meter.create_counter("isthmus.client.breaker.changes", "1", "Changes of circuit breakers")

    def __call__(self, event: object) -> None:
        if isinstance(event, AttemptEnded):
            self._attempt(event)
        elif isinstance(event, CallEnded):
            self._call(event)
        elif isinstance(event, Waited):
            self._waits.record(event.seconds, {"cause": event.cause, **_about(event)})
        elif isinstance(event, CacheDecided):
            self._cache.add(1, {"decision": event.decision, **_about(event)})
        elif isinstance(event, Changed):
            self._breaker.add(1, {"circuit": event.key, "to": event.after})

    def _attempt(self, event: AttemptEnded) -> None:
        attributes = _about(event)
        if event.response is not None:
            attributes["http.response.status_code"] = event.response.status
        failed = event.error is not None or event.failure is not None
        if event.error is not None:
            attributes["error.type"] = event.error.kind
        elif event.failure is not None:
            attributes["error.type"] = event.failure.kind
        self._requests.record(event.seconds, attributes)
        more = {**attributes, "http.request.resend_count": event.attempt - 1}
        self._span(event.request.method, event.seconds, more, failed=failed, client=True)

    def _call(self, event: CallEnded) -> None:
        attributes = _about(event)
        if event.error is not None:
            attributes["error.type"] = event.error.kind
        if event.response is not None and event.response.from_cache:
            attributes["isthmus.cache"] = True
        self._calls.record(event.seconds, attributes)
        self._attempts.record(event.attempts, attributes)
        more = {**attributes, "isthmus.attempts": event.attempts, "isthmus.waited": event.waited}
        name = f"call {event.route or event.request.url.host}"
        self._span(name, event.seconds, more, failed=event.error is not None, client=False)

    def _span(self, name: str, seconds: float, attributes: Attributes, *, failed: bool, client: bool) -> None:
        end = int(self._clock.now().timestamp() * 1e9)
        start = end - int(seconds * 1e9)
        if client:
            span = self._tracer.start_span(name, kind=self._client_kind, attributes=attributes, start_time=start)
        else:
            span = self._tracer.start_span(name, attributes=attributes, start_time=start)
        if failed:
            span.set_status(self._failed)
        span.end(end)


def _about(event: AttemptEnded | CallEnded | Waited | CacheDecided) -> Attributes:
    url = event.request.url
    found: Attributes = {
        "http.request.method": event.request.method,
        "server.address": url.host,
        "server.port": url.port,
    }
    if event.route is not None:
        found["isthmus.route"] = event.route
    return found


def active() -> tuple[Hook, ...]:
    """The hook if the program has set up OpenTelemetry before now; a program that has, has imported it."""
    trace = sys.modules.get("opentelemetry.trace")
    metrics = sys.modules.get("opentelemetry.metrics")
    if trace is None or metrics is None:
        return ()
    proxies = {"ProxyTracerProvider", "NoOpTracerProvider", "_ProxyMeterProvider", "NoOpMeterProvider"}
    providers = {type(trace.get_tracer_provider()).__name__, type(metrics.get_meter_provider()).__name__}
    if providers <= proxies:
        return ()
    return (Telemetry(trace.get_tracer(_NAME), metrics.get_meter(_NAME)),)
