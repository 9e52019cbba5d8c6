"""One structured log line per attempt and per call: redacted, capped, sampled, and never more than so many a minute."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping

from isthmus.client import redact
from isthmus.client.errors import ClientError, PlatformError
from isthmus.client.events import AttemptEnded, CacheDecided, CallEnded, Waited
from isthmus.client.message import Request, Response
from isthmus.kit import chance
from isthmus.kit.clock import SYSTEM, Clock

Sink = Callable[[int, Mapping[str, object]], None]
_logger = logging.getLogger("isthmus.client")


def to_logging(level: int, line: Mapping[str, object]) -> None:
    """One line of JSON with ASCII escapes on the logger `isthmus.client` (security.md LO-05)."""
    if _logger.isEnabledFor(level):
        _logger.log(level, json.dumps(line, ensure_ascii=True, default=str))


class CallLog:
    """A hook that writes what happened.

    sink: where lines go; `logging` by default. sample: share of the lines about successes that are kept. headers,
    bodies: also log them, redacted. limit: letters of a body. per_minute: lines; what is beyond is counted and told
    with the next line. Levels: calls at INFO, attempts and waits at DEBUG, failures at WARNING.
    """

    def __init__(
        self,
        sink: Sink = to_logging,
        *,
        sample: float = 1.0,
        headers: bool = True,
        bodies: bool = False,
        limit: int = 2048,
        per_minute: int = 600,
        clock: Clock = SYSTEM,
        draw: chance.Draw = chance.draw,
    ) -> None:
        self._sink = sink
        self._sample = sample
        self._headers = headers
        self._bodies = bodies
        self._limit = limit
        self._per_minute = per_minute
        self._clock = clock
        self._draw = draw
        self._minute = -1
        self._lines = 0
        self._suppressed = 0

    def __call__(self, event: object) -> None:
        if isinstance(event, AttemptEnded):
            failed = event.failure is not None or event.error is not None
            self._write(logging.WARNING if failed else logging.DEBUG, lambda: self._attempt(event))
        elif isinstance(event, CallEnded):
            self._write(logging.WARNING if event.error is not None else logging.INFO, lambda: self._call(event))
        elif isinstance(event, Waited):
            self._write(logging.DEBUG, lambda: self._wait(event))
        elif isinstance(event, CacheDecided):
            self._write(logging.DEBUG, lambda: self._cache(event))

    def _write(self, level: int, line: Callable[[], dict[str, object]]) -> None:
        if level < logging.WARNING and self._sample < 1.0 and self._draw() >= self._sample:
            return
        minute = int(self._clock.monotonic() // 60)
        if minute != self._minute:
            self._minute, self._lines = minute, 0
        if self._lines >= self._per_minute:
            self._suppressed += 1
            return
        self._lines += 1
        made = line()
        if self._suppressed:
            made["suppressed"], self._suppressed = self._suppressed, 0
        self._sink(level, made)

    def _attempt(self, event: AttemptEnded) -> dict[str, object]:
        line = _about("client.attempt", event.request, event.route)
        line |= {"attempt": event.attempt, "seconds": round(event.seconds, 6)}
        if event.failure is not None:
            line |= {"kind": event.failure.kind, "code": redact.text(event.failure.code or "", 100)}
        self._outcome(line, event.request, event.response, event.error)
        return line

    def _call(self, event: CallEnded) -> dict[str, object]:
        line = _about("client.call", event.request, event.route)
        line |= {"attempts": event.attempts, "seconds": round(event.seconds, 6), "waited": round(event.waited, 6)}
        if event.response is not None:
            line |= {"from_cache": event.response.from_cache, "bytes": len(event.response.content)}
        _verdict(line, event.response, event.error)
        return line

    def _wait(self, event: Waited) -> dict[str, object]:
        line = _about("client.wait", event.request, event.route)
        return line | {"seconds": round(event.seconds, 6), "cause": event.cause}

    def _cache(self, event: CacheDecided) -> dict[str, object]:
        return _about("client.cache", event.request, event.route) | {"decision": event.decision}

    def _outcome(
        self, line: dict[str, object], request: Request, response: Response | None, error: ClientError | None
    ) -> None:
        _verdict(line, response, error)
        if self._headers:
            line["request_headers"] = redact.headers(request.headers)
            if response is not None:
                line["response_headers"] = redact.headers(response.headers)
        if self._bodies:
            line["request_body"] = redact.body(request.body, request.headers.get("Content-Type", ""), self._limit)
            if response is not None:
                line["response_body"] = redact.body(response.content, response.content_type, self._limit)


def _about(event: str, request: Request, route: str | None) -> dict[str, object]:
    line: dict[str, object] = {"event": event, "method": request.method, "url": redact.url(request.url)}
    if route is not None:
        line["route"] = route
    return line


def _verdict(line: dict[str, object], response: Response | None, error: ClientError | None) -> None:
    if response is not None:
        line["status"] = response.status
    if error is not None:
        line["error"] = error.kind
        line["message"] = redact.text(error.message, 300)
        line["sent"] = error.sent
        if isinstance(error, PlatformError):
            line |= {"status": error.status, "code": redact.text(error.code, 100)}
