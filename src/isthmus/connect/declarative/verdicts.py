"""What a declared provider's answers mean: by its facts, its status and the codes of OAuth (pure)."""

from isthmus.client import Failure, Response
from isthmus.client.errors import MalformedBody
from isthmus.client.retry import remaining
from isthmus.connect import judging, reading
from isthmus.connect.expressions import find
from isthmus.connect.service import Service

#: OAuth codes that end a grant, and those that say the app itself is wrong (RFC 6749 section 5.2).
DEAD = frozenset({"invalid_grant"})
_APP_FAULTS = frozenset({"invalid_client", "unauthorized_client", "unsupported_grant_type", "invalid_scope"})
#: Those that say that a client id and secret are not known, or may not ask for a token by themselves.
UNKNOWN_CLIENT = DEAD | {"invalid_client", "unauthorized_client"}
_CODE = "error.code || error || code || errors[0].code || [0].errorCode"
_MESSAGE = (
    "error_description || error.message || message || errors[0].message || errors[0].detail || detail || error"
    " || [0].message"
)


def verdict(service: Service, answer: Response) -> Failure | None:
    """None for an answer that is no failure.

    A 403 that says when to come again, or that no call is left, means too many calls: some platforms know no 429.
    """
    if answer.ok and service.failing is None:
        return None
    told = body(answer)
    if answer.ok:
        return _failing(service, told)
    code, message = line(find(_CODE, told)), line(find(_MESSAGE, told))
    if _is_throttled(service, answer, told):
        return Failure(kind="throttled", code=code or "throttled", message=message or f"HTTP {answer.status}")
    if code in _APP_FAULTS:
        return Failure(kind="configuration", code=code, message=message)
    if code in DEAD:
        return Failure(kind="token", code=code, message=message)
    return judging.by_status(answer, message, code)


def _failing(service: Service, told: object) -> Failure | None:
    failing = service.failing
    if failing is None or not find(failing.when, told):
        return None
    code, message = line(find(failing.code, told)), line(find(failing.message, told))
    return Failure(kind="refused", code=code or "failed", message=message or "The platform said no.")


def _is_throttled(service: Service, answer: Response, told: object) -> bool:
    if service.throttled and find(service.throttled, told):
        return True
    return answer.status == 403 and ("Retry-After" in answer.headers or remaining(answer.headers) == 0)


def body(answer: Response) -> object:
    """Its JSON; None where it has none."""
    try:
        return answer.json()
    except MalformedBody:
        return None


def line(value: object) -> str:
    """A text or a number of the far side's as one short line; empty for anything else."""
    return reading.line(value)[:500] if isinstance(value, str) else str(value) if isinstance(value, int) else ""
