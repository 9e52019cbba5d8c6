"""Answers the plain requests of fronts straight from their connection: without a task, a framework or timers each.

What is unusual about a request goes the long way through the edge, which knows every limit: what is chunked, encoded,
slow or large, what bears an Origin or a doubled header, and addresses of which much was refused of late.
"""

import asyncio
import logging
import re
from functools import lru_cache, partial
from typing import Protocol

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from isthmus.http import heads
from isthmus.http.addresses import Callers, Hosts, limit_key
from isthmus.http.asgi import REQUEST_ID, Header
from isthmus.http.edge import Parts
from isthmus.http.errors import as_problem, problem_answer
from isthmus.http.exchange import given_id, guarded
from isthmus.http.fronts import Arrival, Departure, Front, Outcome
from isthmus.http.limits import Refused
from isthmus.http.logging import access as log_access
from isthmus.http.logging import failed, is_listening
from isthmus.kit import ids

_log = logging.getLogger("isthmus.http")
_UNUSUAL = frozenset({"transfer-encoding", "content-encoding", "expect", "origin", "upgrade"})
_REST = r"([A-Za-z0-9_-]{1,128})(?:\?([!\"$-~]{0,2048}))?"
_LONGEST_LENGTH = 9
#: Larger bodies go the long way, where what a process holds is counted (RL-09); here connections alone bound it.
_SHORT_BYTES = 64 * 1024
#: The server below wants an event in every cycle; nobody waits for this one.
_NOBODY_WAITS = asyncio.Event()


class Line(Protocol):
    """The connection that a request came by."""

    def answered(self, head: bytes, body: bytes, *, keep: bool) -> None:
        """Send the whole answer."""
        ...


class Passage(RequestResponseCycle):
    """One request on the short way; for the server below it is a cycle like its own."""

    def __init__(self, line: Line, front: Front, asked: tuple[str, bytes], headers: dict[str, str]) -> None:
        self.line, self.front, self.headers = line, front, headers
        self.path, self.query = asked
        self.request_id = self.address = ""
        self.started = 0.0
        self.status = 0
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
            (prefix, re.compile(re.escape(prefix) + _REST, re.ASCII), front)
            for prefix, front in parts.fronts.items()
            if front.begin is not None
        ]

    def read(self, line: Line, peer: str, data: bytes) -> Passage | None:
        """The whole POST request that these bytes are; None when the parser has to read them."""
        found = heads.whole(data, self._settings.head_bytes, self._settings.head_fields)
        if found is None:
            return None
        target, headers, body = found
        passage = self._met(line, peer, target, headers)
        if passage is not None:
            passage.pieces.append(body)
        return passage

    def meet(self, line: Line, peer: str, url: bytes, listed: list[Header]) -> Passage | None:
        """The POST request that this head begins; None when it has to go the long way."""
        target = url.decode("latin-1")
        if not any(target.startswith(prefix) for prefix, _, _ in self._fronts):
            return None
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in listed}
        return self._met(line, peer, target, headers) if len(headers) == len(listed) else None

    def _met(self, line: Line, peer: str, target: str, headers: dict[str, str]) -> Passage | None:
        for prefix, pattern, front in self._fronts:
            if target.startswith(prefix):
                found = pattern.fullmatch(target)
                if found is None or not self._is_plain(headers, front):
                    return None
                address = self._callers.address(peer, _forwarded(headers))
                if self._limiter.has_failed_often(f"front {limit_key(address)}"):
                    return None
                path, query = found.groups()
                passage = Passage(line, front, (path, query.encode() if query else b""), headers)
                passage.address, passage.started = address, self._clock.monotonic()
                passage.request_id = _given_id(headers) or ids.new("req", self._clock)
                return passage
        return None

    def _is_plain(self, headers: dict[str, str], front: Front) -> bool:
        length = headers.get("content-length", "")
        if not (length.isascii() and length.isdigit()) or len(length) > _LONGEST_LENGTH:
            return False
        if int(length) > min(front.body_cap, _SHORT_BYTES):
            return False
        return _UNUSUAL.isdisjoint(headers) and headers.get("host", "").encode("latin-1") in self._hosts

    def serve(self, passage: Passage) -> bool:
        """Have the request answered, now or later; False when it has to go the long way."""
        begin, pieces = passage.front.begin, passage.pieces
        arrival = Arrival(
            method="POST",
            path=passage.path,
            query=passage.query,
            headers=passage.headers,
            body=pieces[0] if len(pieces) == 1 else b"".join(pieces),
            address=passage.address,
            request_id=passage.request_id,
        )
        token = REQUEST_ID.set(passage.request_id)
        try:
            return begin is not None and begin(arrival, partial(self.settle, passage))
        except Exception as failure:  # noqa: BLE001 - this is the renderer: no failure leaves it unnamed
            self.settle(passage, failure)
            return True
        finally:
            REQUEST_ID.reset(token)

    def settle(self, passage: Passage, outcome: Outcome) -> None:
        """Answer, unless that has been done or the caller is gone."""
        if passage.response_complete:
            return
        passage.response_complete = True
        if isinstance(outcome, Departure) and not outcome.refused:
            passage.status = outcome.status
            self._answer(passage, _head(outcome), outcome.body)
            return
        token = REQUEST_ID.set(passage.request_id)
        try:
            self._answer(passage, *self._other(passage, outcome))
        finally:
            REQUEST_ID.reset(token)

    def _answer(self, passage: Passage, head: bytes, body: bytes) -> None:
        head += b"x-request-id: %b\r\n" % passage.request_id.encode()
        passage.line.answered(head, body, keep=passage.keep_alive)
        self._note(passage)

    def leave(self, passage: Passage) -> None:
        """The caller hung up."""
        if not passage.response_complete:
            passage.response_complete = True
            passage.status = 499
            self._note(passage)

    def _other(self, passage: Passage, outcome: Outcome) -> tuple[bytes, bytes]:
        """The answer to what was refused, counted against its address (WH-08), or to what failed."""
        if isinstance(outcome, Departure):
            address = f"front {limit_key(passage.address)}"
            self._limiter.count_failure(address)
            try:
                self._limiter.check_failures(address)
            except Refused as refused:
                return self._other(passage, refused)
            passage.status = outcome.status
            return _head(outcome), outcome.body
        problem = as_problem(outcome)
        more: list[Header] = []
        if isinstance(outcome, Refused):
            self._traffic.refused(outcome.limit)
            more = outcome.standing.headers()
        if problem.status >= 500:
            failed(_log, f"POST {passage.front.shown}", outcome)
        passage.status = problem.status
        headers, body = problem_answer(problem, passage.request_id, self._clock.now())
        return _lines(problem.status, [*guarded(headers), *more]), body

    def _note(self, passage: Passage) -> None:
        seconds = self._clock.monotonic() - passage.started
        self._traffic.note(passage.front.shown, "POST", passage.status, seconds)
        if not is_listening():
            return
        access: dict[str, object] = {
            "method": "POST",
            "path": passage.front.shown,
            "status": passage.status,
            "milliseconds": round(seconds * 1000, 1),
            "address": passage.address,
            "tenant": "",
            "principal": "",
        }
        log_access(access, passage.request_id, self._clock.now())


def _forwarded(headers: dict[str, str]) -> list[Header]:
    chain = headers.get("x-forwarded-for")
    return [] if chain is None else [(b"x-forwarded-for", chain.encode("latin-1"))]


def _given_id(headers: dict[str, str]) -> str | None:
    shown = headers.get("x-request-id")
    return None if shown is None else given_id({b"x-request-id": shown.encode("latin-1")})


@lru_cache(maxsize=256)
def _head(departure: Departure) -> bytes:
    """The head of an answer but for what differs from request to request."""
    kind = departure.content_type.encode()
    headers = [(b"content-length", b"%d" % len(departure.body)), *([(b"content-type", kind)] if kind else [])]
    return _lines(departure.status, guarded(headers))


def _lines(status: int, headers: list[Header]) -> bytes:
    return STATUS_LINE[status] + b"".join([b"%b: %b\r\n" % header for header in headers])
