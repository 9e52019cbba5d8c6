"""What one call of a client adds to the sums, and what the log says of it; no secret gets past here."""

from datetime import datetime

from isthmus.client import CallEnded, ClientError, PlatformError, ReauthorizationRequired, redact
from isthmus.features.connections.model.recording import Counts, Entry, Level

_TEXT, _SHORT = 500, 200


def counts_of(call: CallEnded) -> Counts:
    """What one finished call adds; how often it was throttled is told by its attempts."""
    waited, took = _milliseconds(call.waited), _milliseconds(call.seconds)
    return Counts(1, call.attempts, int(call.error is not None), 0, waited, took)


def entry_of(call: CallEnded, entry_id: str, connection_id: str, now: datetime) -> Entry | None:
    """What the log says of one finished call; nothing of one that went well or that its caller gave up."""
    error, response = call.error, call.response
    if error is None and (response is None or call.attempts <= 1):
        return None
    return Entry(
        id=entry_id,
        connection_id=connection_id,
        at=now,
        level=_level(error),
        method=call.request.method,
        # The query stays out: it may name customers, and some platforms put tokens there.
        route=redact.text(call.route or call.request.path, _SHORT),
        status=_status(call),
        code="repeated" if error is None else redact.text(error.code, _SHORT),
        message="It worked when it was sent again." if error is None else redact.text(error.message, _TEXT),
        attempts=call.attempts,
        duration_ms=_milliseconds(call.seconds),
    )


def _level(error: ClientError | None) -> Level:
    if error is None:
        return "info"
    return "error" if isinstance(error, ReauthorizationRequired) else "warning"


def _status(call: CallEnded) -> int | None:
    if isinstance(call.error, PlatformError):
        return call.error.status or None
    return call.response.status if call.response is not None else None


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
