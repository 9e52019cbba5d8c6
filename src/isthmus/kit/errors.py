"""Failures that a person may meet: one class each, with a code, a status and a message that says what to do."""

from collections.abc import Mapping
from typing import Any, ClassVar


class Problem(Exception):
    """Something went wrong.

    Look for the request id in the log: the cause stands beside it. If it comes again, report it with both.
    """

    code: ClassVar[str] = "INTERNAL_ERROR"
    status: ClassVar[int] = 500

    def __init__(
        self,
        message: str | None = None,
        *,
        details: Mapping[str, Any] | None = None,
        retry_after: float | None = None,
    ) -> None:
        self.message = message or (type(self).__doc__ or "").strip().split("\n\n")[0]
        self.details = dict(details or {})
        self.retry_after = retry_after
        super().__init__(self.message)
        for one in self.details.get("fields", ()):
            # a traceback shows it: whoever uses the product as a library sees no answer with details
            if isinstance(one, Mapping) and {"path", "message"} <= one.keys():
                self.add_note(f"{one['path']}: {one['message']}")


class NotFound(Problem):
    """There is no such object, or it is not yours to see.

    Check the id. An object of another tenant is answered the same way, so check whose token you send.
    """

    code = "NOT_FOUND"
    status = 404


class Conflict(Problem):
    """The object is in a state that does not allow this.

    Read the object again, then repeat the change if it still makes sense.
    """

    code = "CONFLICT"
    status = 409


class Invalid(Problem):
    """The request is not valid; `details.fields` names each field and what is wrong with it.

    Correct the fields that are named, and send the request again.
    """

    code = "VALIDATION_ERROR"
    status = 400

    @classmethod
    def field(cls, path: str, message: str) -> "Invalid":
        """A failure of one field."""
        return cls(message, details={"fields": [{"path": path, "message": message}]})


class Unauthenticated(Problem):
    """Sign in first: the request carries no valid credentials.

    Send `Authorization: Bearer <token>` with a token of a known issuer that has not run out.
    """

    code = "UNAUTHORIZED"
    status = 401


class Forbidden(Problem):
    """You are not allowed to do this.

    Use a token with a role that holds the permission of this route.
    """

    code = "FORBIDDEN"
    status = 403


class Unavailable(Problem):
    """A part that is needed for this cannot be reached just now; try again shortly.

    Wait as long as `Retry-After` says, then send the request again; nothing was changed.
    """

    code = "SERVICE_UNAVAILABLE"
    status = 503


def every_problem() -> list[type[Problem]]:
    """Every declared failure, for the reference page."""
    found: list[type[Problem]] = []
    queue: list[type[Problem]] = [Problem]
    while queue:
        kind = queue.pop()
        found.append(kind)
        queue.extend(kind.__subclasses__())
    return sorted(found, key=lambda kind: (kind.code, kind.__qualname__))
