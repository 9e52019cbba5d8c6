"""The failures of the edge itself, and the one shape in which every failure leaves it (design/api.md, Shapes)."""

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from isthmus.engine import ledger
from isthmus.kit.errors import Forbidden, Invalid, NotFound, Problem, Unauthenticated, Unavailable
from isthmus.kit.wording import said

FIELDS_SHOWN = 50
_NAME_SHOWN = 64
_RETRY_SECONDS = 5.0
_NO_BODY = "This request needs a body: a JSON object, which may be empty where no field of it is required."
_NO_OBJECT = "The body has to be a JSON object."


class MethodNotAllowed(Problem):
    """This address does not take that method; the Allow header names those it takes.

    Use one of the methods that the Allow header names.
    """

    code = "METHOD_NOT_ALLOWED"
    status = 405


class Misdirected(Problem):
    """This server does not answer to that host name; add it to the setting `http.hosts` if it should.

    Call the server by a name in `ISTHMUS_HTTP__HOSTS`, or add the name there.
    """

    code = "MISDIRECTED_REQUEST"
    status = 421


class TooLarge(Problem):
    """The request body is larger than this route takes.

    Send less at a time, or raise `ISTHMUS_HTTP__BODY_BYTES` where the route has no cap of its own.
    """

    code = "PAYLOAD_TOO_LARGE"
    status = 413


class TooSlow(Problem):
    """The request body arrived too slowly.

    Send the body without pauses; look for a proxy or a link that holds it back.
    """

    code = "REQUEST_TIMEOUT"
    status = 408


class UnsupportedType(Problem):
    """Send the body as `application/json` in UTF-8, without a content encoding.

    Set `Content-Type: application/json` and send plain UTF-8.
    """

    code = "UNSUPPORTED_MEDIA_TYPE"
    status = 415


class TooManyRequests(Problem):
    """Rate limit exceeded; wait as long as Retry-After says.

    Wait as long as `Retry-After` says; `ISTHMUS_HTTP__LIMITS` changes a class for the deployment.
    """

    code = "RATE_LIMIT_EXCEEDED"
    status = 429


class HeavyRequestsWait(Problem):
    """Too many of your searches or exports wait for their turn already; nothing was done.

    Send fewer of them at a time and wait as long as `Retry-After` says; `ISTHMUS_HTTP__HEAVY` says how many are
    answered at once, `ISTHMUS_HTTP__HEAVY_WAITING` and `ISTHMUS_HTTP__HEAVY_SECONDS` how many wait and for how long.
    """

    code = "HEAVY_REQUESTS_WAIT"
    status = 429


class PermissionDenied(Forbidden):
    """You lack the permission for this; `details.permission` names it.

    Ask for a role that holds it; the permissions page lists which roles do.
    """

    code = "PERMISSION_DENIED"


class CrossSite(Forbidden):
    """A session in a browser counts only for this server's own pages, and another page, or none, sent this request.

    Send the request from a page of this server, or sign in with a token in the Authorization header instead.
    """

    code = "CROSS_SITE_REFUSED"


class StepUpRequired(Forbidden):
    """This takes a fresh proof of who you are: your password or second factor within the last minutes.

    Call `POST /api/auth/step-up`, then send the request again with the session that it answers.
    """

    code = "STEP_UP_REQUIRED"


class DeadlineExceeded(Problem):
    """The answer took longer than the server allows; nothing was changed unless a later look shows it.

    Look whether the change was made, then ask for less, or raise `ISTHMUS_HTTP__REQUEST_SECONDS`.
    """

    code = "DEADLINE_EXCEEDED"
    status = 504


class BadCursor(Invalid):
    """This cursor is not valid here: it was made for another list, other filters or another caller, or is too old.

    Begin the list again without a cursor, and keep its filters the same from page to page.
    """

    code = "INVALID_CURSOR"


class TooManyStreams(Problem):
    """Too many event streams are open for you; close one first.

    Close a stream, share one between views, or raise `ISTHMUS_HTTP__STREAMS_PER_PRINCIPAL`, or
    `ISTHMUS_HTTP__STREAMS_PER_TENANT` where `details.limit` is the tenant's.
    """

    code = "TOO_MANY_STREAMS"
    status = 429


class PortInUse(Problem):
    """The address to listen on is already in use.

    Stop the other program, or choose another port with `--port` or `ISTHMUS_PORT`; 0 picks a free one.
    """

    code = "PORT_IN_USE"


class CannotStart(Problem):
    """The HTTP edge was put together wrongly or unsafely and does not start.

    The message names what is wrong: a setting, a weak key, or a route of an extension. Correct it.
    """

    code = "CANNOT_START"


#: What may happen on every route, signed in or not.
ALWAYS: tuple[type[Problem], ...] = (Invalid, TooManyRequests, Problem, Unavailable, DeadlineExceeded)
SIGNED_IN: tuple[type[Problem], ...] = (Unauthenticated, PermissionDenied)
#: What may happen where a body is read.
WITH_BODY: tuple[type[Problem], ...] = (TooSlow, TooLarge, UnsupportedType)


def common(method: str, path: str, *, signed_in: bool) -> tuple[type[Problem], ...]:
    """What may happen on a route whatever it does."""
    return (
        *ALWAYS,
        *(SIGNED_IN if signed_in else ()),
        *((CrossSite,) if signed_in and method != "GET" else ()),
        # an address that is no plain text is no id of anything
        *((NotFound,) if "{" in path else ()),
        *(WITH_BODY if method in {"POST", "PUT", "PATCH"} else ()),
        *(ledger.FAILURES if signed_in and method == "POST" else ()),
    )


def problem_responses(kinds: Iterable[type[Problem]], *, drawn: bool = False) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI answers for these failures, one per status, each naming its codes. drawn: browsers get a page."""
    by_status: dict[int, list[type[Problem]]] = {}
    for kind in kinds:
        if kind not in by_status.setdefault(kind.status, []):
            by_status[kind.status].append(kind)
    page = {"text/html": {"schema": {"type": "string"}}} if drawn else {}
    found = {status: _documented(found) for status, found in sorted(by_status.items())}
    return {status: {**one, "content": {**one["content"], **page}} for status, one in found.items()}


def _documented(kinds: Sequence[type[Problem]]) -> dict[str, Any]:
    lines = [f"`{kind.code}`: {(kind.__doc__ or '').strip().splitlines()[0]}" for kind in kinds]
    codes = sorted({kind.code for kind in kinds})
    narrowed = {"properties": {"error": {"properties": {"code": {"enum": codes}}}}}
    return {
        "description": "\n\n".join(lines),
        "content": {
            "application/json": {"schema": {"allOf": [{"$ref": "#/components/schemas/Error"}, narrowed]}},
        },
    }


def as_problem(failure: BaseException) -> Problem:
    """The named failure behind any exception; what nobody named is an internal error that says nothing (HE-10)."""
    if isinstance(failure, Problem):
        if failure.status in {429, 503} and failure.retry_after is None:
            failure.retry_after = _RETRY_SECONDS
        return failure
    if isinstance(failure, RequestValidationError):
        return invalid(failure.errors())
    if isinstance(failure, HTTPException):
        return _of_status(failure.status_code)
    if isinstance(failure, TimeoutError):
        return DeadlineExceeded()
    return Problem("Something went wrong on our side; the request id leads to the cause in the log.")


def _of_status(status: int) -> Problem:
    for kind in (NotFound, MethodNotAllowed, TooLarge, UnsupportedType, Unauthenticated, Forbidden, Unavailable):
        if kind.status == status:
            return kind()
    return Invalid("The request could not be read.") if 400 <= status < 500 else Problem()


def invalid(errors: Iterable[Mapping[str, Any]]) -> Invalid:
    """Every wrong field at once, none with what was sent in it."""
    found = [(_path(error["loc"]), error) for error in errors]
    fields = [{"path": path, "message": said(error) if path else _of_body(error)} for path, error in found]
    return Invalid(
        "The request is not valid; `details.fields` names each field and what is wrong with it.",
        details={"fields": fields[:FIELDS_SHOWN]},
    )


def _path(location: Sequence[str | int]) -> str:
    parts = list(location[1:]) if location and location[0] in {"body", "query", "path", "header"} else list(location)
    return ".".join(str(part)[:_NAME_SHOWN] for part in parts)


def _of_body(error: Mapping[str, Any]) -> str:
    """The body as a whole is not there, or is something else than an object."""
    kind = str(error.get("type", ""))
    if kind == "missing":
        return _NO_BODY
    return _NO_OBJECT if kind.endswith("_type") else said(error)


def render(problem: Problem, request_id: str, at: datetime) -> bytes:
    """The one shape of a failure."""
    timestamp = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    error: dict[str, Any] = {"code": problem.code, "message": problem.message}
    if problem.details:
        error["details"] = problem.details
    error["requestId"] = request_id
    if problem.retry_after is not None:
        error["retryAfter"] = retry_seconds(problem.retry_after)
    return msgspec.json.encode({"success": False, "error": error, "timestamp": timestamp, "requestId": request_id})


def problem_answer(problem: Problem, request_id: str, at: datetime) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """The headers and the body of a failure's answer."""
    body = render(problem, request_id, at)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    if problem.retry_after is not None:
        headers.append((b"retry-after", b"%d" % retry_seconds(problem.retry_after)))
    if problem.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if isinstance(problem, MethodNotAllowed):
        headers.append((b"allow", ", ".join(problem.details.get("allow", ())).encode()))
    return headers, body


def retry_seconds(wait: float) -> int:
    """Whole seconds for Retry-After, never less than one."""
    return max(1, math.ceil(wait))
