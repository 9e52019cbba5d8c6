"""Success or failure: the platform's envelope judged into one of a few kinds the pipeline knows how to treat."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from isthmus.client.errors import BY_KIND, CallerMistake, PlatformError
from isthmus.client.message import Response

Kind = Literal["throttled", "token", "transient", "refused", "not_found", "caller", "configuration"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """The reply is a no.

    kind: throttled (wait, narrow the limiter, send again), token (one forced refresh and one replay), transient
    (retry where it is safe); the others raise at once. code, message: the platform's own. retry_after: seconds.
    far_time: what the far side's clock shows, where the reply says that ours is wrong; the request is signed once more
    by it, and later ones are signed by it at once.
    """

    kind: Kind
    code: str | None = None
    message: str = ""
    retry_after: float | None = None
    far_time: datetime | None = None


#: Returned by a judge that takes a reply as good although its status is 400 or more.
ACCEPTED = Failure(kind="caller", code="accepted")
Verdict = Failure
Judge = Callable[[Response], Failure | None]

_KINDS: dict[int, Kind] = {
    401: "token",
    403: "refused",
    404: "not_found",
    407: "configuration",
    408: "transient",
    410: "not_found",
    425: "transient",
    429: "throttled",
}


def by_status(response: Response) -> Failure | None:
    """The judgement by HTTP status alone: 2xx and 3xx are fine, 5xx is transient."""
    status = response.status
    if status < 400:
        return None
    kind: Kind = _KINDS.get(status) or ("transient" if status >= 500 else "caller")
    return Failure(kind=kind, message=f"HTTP {status}")


def error_of(failure: Failure, response: Response) -> PlatformError:
    """The exception for a failure that ends the call."""
    kind = BY_KIND.get(failure.kind, CallerMistake)
    error = kind(
        failure.message or f"HTTP {response.status}",
        code=failure.code,
        status=response.status,
        retry_after=failure.retry_after,
        body=response.content[:2048],
    )
    error.reply = response
    return error
