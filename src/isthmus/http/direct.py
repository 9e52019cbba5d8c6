"""Answers the plain requests of fronts straight from their connection: without a task, a framework or timers each.

What is unusual about a request goes the long way through the edge, which knows every limit: what is chunked, encoded,
slow or large, what bears an Origin or a doubled header, and addresses of which much was refused of late.
"""

import asyncio
import logging
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Protocol

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from isthmus.http.addresses import Callers, Hosts, limit_key
from isthmus.http.asgi import REQUEST_ID, Header
from isthmus.http.edge import Parts
from isthmus.http.errors import as_problem, problem_answer
from isthmus.http.exchange import Exchange, given_id, guarded
from isthmus.http.fronts import Arrival, Departure, Front, Outcome
from isthmus.http.limits import Refused
from isthmus.http.logging import access as log_access
from isthmus.http.logging import is_listening
from isthmus.kit import ids

_log = logging.getLogger("isthmus.http")
_UNUSUAL = frozenset({b"transfer-encoding", b"content-encoding", b"expect", b"origin", b"upgrade"})
_REST = rb"([A-Za-z0-9_-]{1,128})(?:\?([!\"$-~]{0,2048}))?"
_LONGEST_LENGTH = 9
#: The server below wants an event in every cycle; nobody waits for this one.
_NOBODY_WAITS = asyncio.Event()


class Line(Protocol):
    """The connection that a request came by."""

    def answered(self, head: bytes, body: bytes, *, keep: bool) -> None:
        """Send the whole answer."""
        ...


class Passage(RequestResponseCycle):
    """One request on the short way; for the server below it is a cycle like its own."""

    def __init__(self, line: Line, front: Front, exchange: Exchange, asked: tuple[str, bytes]) -> None:
        self.line, self.front, self.exchange = line, front, exchange
        self.path, self.query = asked
        self.pieces: list[bytes] = []
        self.keep_alive = True
        self.disconnected = self.response_complete = False
        self.message_event = _NOBODY_WAITS


class Direct:
    """The short way of one application."""

    def __init__(self, parts: Parts) -> None:
        self._settings, self._limiter = parts.settings, parts.limiter
        self._clock, self._traffic = parts.clock, parts.traffic
        self._hosts, self._callers = Hosts(parts.settings.hosts), Callers(parts.settings.trusted_proxies)
        self._fronts = [
            (prefix.encode(), re.compile(re.escape(prefix.encode()) + _REST), front)
            for prefix, front in parts.fronts.items()
            if front.begin is not None
        ]

    def meet(self, line: Line, peer: str, url: bytes, listed: list[Header]) -> Passage | None:
        """The POST request that this head begins; None when it has to go the long way."""
        for prefix, pattern, front in self._fronts:
            if url.startswith(prefix):
                headers = dict(listed)
                found = pattern.fullmatch(url)
                if found is None or len(headers) != len(listed) or not self._is_plain(headers, front):
                    return None
                address = self._callers.address(peer, listed)
                if self._limiter.has_failed_often(f"front {limit_key(address)}"):
                    return None
                request_id = given_id(headers) or ids.new("req", self._clock)
                exchange = Exchange(request_id, address, self._clock.monotonic(), headers, shown=front.shown)
                return Passage(line, front, exchange, (found[1].decode(), found[2] or b""))
        return None

    def _is_plain(self, headers: dict[bytes, bytes], front: Front) -> bool:
        length = headers.get(b"content-length", b"")
        if not length.isdigit() or len(length) > _LONGEST_LENGTH or int(length) > front.body_cap:
            return False
        return _UNUSUAL.isdisjoint(headers) and headers.get(b"host", b"") in self._hosts

    def serve(self, passage: Passage) -> bool:
        """Have the request answered, now or later; False when it has to go the long way."""
        exchange, begin = passage.exchange, passage.front.begin
        pieces = passage.pieces
        arrival = Arrival(
            method="POST",
            path=passage.path,
            query=passage.query,
            headers=exchange.headers,
            body=pieces[0] if len(pieces) == 1 else b"".join(pieces),
            address=exchange.address,
            request_id=exchange.request_id,
        )
        token = REQUEST_ID.set(exchange.request_id)
        try:
            return begin is not None and begin(arrival, self._telling(passage))
        except Exception as failure:  # noqa: BLE001 - this is the renderer: no failure leaves it unnamed
            self.settle(passage, failure)
            return True
        finally:
            REQUEST_ID.reset(token)

    def _telling(self, passage: Passage) -> Callable[[Outcome], None]:
        return lambda outcome: self.settle(passage, outcome)

    def settle(self, passage: Passage, outcome: Outcome) -> None:
        """Answer, unless that has been done or the caller is gone."""
        if passage.response_complete:
            return
        passage.response_complete = True
        exchange = passage.exchange
        token = REQUEST_ID.set(exchange.request_id)
        if isinstance(outcome, Departure) and not outcome.refused:
            exchange.status = outcome.status
            head, body = _head(outcome), outcome.body
        else:
            head, body = self._other(exchange, outcome)
        head += b"x-request-id: %b\r\n" % exchange.request_id.encode()
        passage.line.answered(head, body, keep=passage.keep_alive)
        self._note(exchange)
        REQUEST_ID.reset(token)

    def leave(self, passage: Passage) -> None:
        """The caller hung up."""
        if not passage.response_complete:
            passage.response_complete = True
            passage.exchange.status = 499
            self._note(passage.exchange)

    def _other(self, exchange: Exchange, outcome: Outcome) -> tuple[bytes, bytes]:
        """The answer to what was refused, counted against its address (WH-08), or to what failed."""
        if isinstance(outcome, Departure):
            address = f"front {limit_key(exchange.address)}"
            self._limiter.count_failure(address)
            try:
                self._limiter.check_failures(address)
            except Refused as refused:
                return self._other(exchange, refused)
            exchange.status = outcome.status
            return _head(outcome), outcome.body
        problem = as_problem(outcome)
        more: list[Header] = []
        if isinstance(outcome, Refused):
            self._traffic.refused(outcome.limit)
            more = outcome.standing.headers()
        if problem.status >= 500:
            _log.error("POST %s failed", exchange.shown, exc_info=outcome)
        exchange.status = problem.status
        headers, body = problem_answer(problem, exchange.request_id, self._clock.now())
        return _lines(problem.status, [*guarded(headers), *more]), body

    def _note(self, exchange: Exchange) -> None:
        seconds = self._clock.monotonic() - exchange.started
        self._traffic.note(exchange.shown, "POST", exchange.status, seconds)
        if not is_listening():
            return
        access: dict[str, object] = {
            "method": "POST",
            "path": exchange.shown,
            "status": exchange.status,
            "milliseconds": round(seconds * 1000, 1),
            "address": exchange.address,
            "tenant": "",
            "principal": "",
        }
        log_access(access, exchange.request_id, self._clock.now())


@lru_cache(maxsize=256)
def _head(departure: Departure) -> bytes:
    """The head of an answer but for what differs from request to request."""
    kind = departure.content_type.encode()
    headers = [(b"content-length", b"%d" % len(departure.body)), *([(b"content-type", kind)] if kind else [])]
    return _lines(departure.status, guarded(headers))


def _lines(status: int, headers: list[Header]) -> bytes:
    return STATUS_LINE[status] + b"".join([b"%b: %b\r\n" % header for header in headers])
