"""What a connection is answered in place of a request: the failures of the protocol itself, written out whole."""

from isthmus.http.errors import render
from isthmus.kit import ids
from isthmus.kit.clock import Clock
from isthmus.kit.errors import Problem

_PHRASES = {400: "Bad Request", 431: "Request Header Fields Too Large", 503: "Service Unavailable"}


class BadRequest(Problem):
    """This is not a well-formed HTTP/1.1 request.

    Look for a client or proxy that sends broken framing, doubled headers or raw control characters.
    """

    code = "BAD_REQUEST"
    status = 400


class HeadTooLarge(Problem):
    """The head of the request is too large or has too many fields.

    Send fewer or shorter header fields, often cookies; `ISTHMUS_HTTP__HEAD_BYTES` is the limit.
    """

    code = "HEADERS_TOO_LARGE"
    status = 431


class Busy(Problem):
    """Too many connections are open; try again shortly.

    Close idle connections or start another API process; `ISTHMUS_HTTP__CONNECTIONS` is the limit.
    """

    code = "SERVICE_UNAVAILABLE"
    status = 503


def written(problem: Problem, clock: Clock) -> bytes:
    """Head and body of the last answer on a connection, with an id of its own."""
    request_id = ids.new("req", clock)
    body = render(problem, request_id, clock.now())
    head = [
        f"HTTP/1.1 {problem.status} {_PHRASES[problem.status]}",
        "content-type: application/json",
        f"content-length: {len(body)}",
        f"x-request-id: {request_id}",
        "x-content-type-options: nosniff",
        "cache-control: no-store",
        *(["retry-after: 1"] if problem.retry_after else []),
        "connection: close",
    ]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body
