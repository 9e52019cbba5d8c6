"""Failures over the wire: the client's own, a connector's words, and what its code raised of strange records."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from isthmus.client import ClientError, MalformedBody, PlatformError, Response
from isthmus.client.errors import every_error
from isthmus.connect.acting import WrongDetail
from isthmus.connect.apart.errors import Crashed
from isthmus.connect.apart.frames import Answer, Fault
from isthmus.connect.apart.wire import response_of, sent_answer
from isthmus.connect.faults import DATA_FAULTS, CursorUnreadable
from isthmus.connect.spi import Unmappable
from isthmus.kit import text

_LONGEST: Final = 500
_BODY: Final = 2048
#: What connectors raise of answers in strange forms; callers go on with the next record or tell the call failed.
_DATA: Final[Mapping[str, type[Exception]]] = MappingProxyType(
    {
        kind.__name__: kind
        for kind in (
            *DATA_FAULTS,
            KeyError,
            IndexError,
            UnicodeDecodeError,
            msgspec.ValidationError,
            msgspec.DecodeError,
            CursorUnreadable,
        )
    }
)


def fault_of(error: BaseException, answer: Answer | None = None) -> Fault:
    """A failure, for the way."""
    if isinstance(error, Unmappable):
        return Fault("Unmappable", _short(error.reason))
    if isinstance(error, WrongDetail):
        return Fault("WrongDetail", _short(error.reason), code=_short(error.name))
    if isinstance(error, ClientError):
        return _client_fault(error, answer)
    return Fault(_named(error), _short(str(error)))


def _client_fault(error: ClientError, answer: Answer | None) -> Fault:
    code, status = error.reason if isinstance(error, MalformedBody) else error.code, 0
    if isinstance(error, PlatformError):
        status, answer = error.status, answer or _reply(error)
    told = _short(error.message), _short(str(code)), status, error.sent, error.retry_safe
    return Fault(type(error).__name__, *told, error.retry_after, error.attempts, answer)


def _short(said: str) -> str:
    return text.storable(said[:_LONGEST])


def _reply(error: PlatformError) -> Answer | None:
    return sent_answer(error.reply, "GET", "") if isinstance(error.reply, Response) else None


def _named(error: BaseException) -> str:
    """The nearest class that the other side knows: a subclass of one counts as it."""
    return next((kind.__name__ for kind in type(error).__mro__ if kind.__name__ in _DATA), type(error).__name__)


def error_of(fault: Fault) -> Exception:
    """A failure, come home; what nobody knows is a crash. Its words are data of strangers."""
    message = text.storable(fault.message)[:_LONGEST]
    if fault.kind == "Unmappable":
        return Unmappable(message)
    if fault.kind == "WrongDetail":
        return WrongDetail(text.storable(fault.code), message)
    if fault.kind == "UnicodeDecodeError":
        return ValueError(message)
    if fault.kind in _DATA:
        return _DATA[fault.kind](message)
    client = {kind.__name__: kind for kind in every_error()}.get(fault.kind)
    if client is None:
        return Crashed(f"The connector raised {text.storable(fault.kind)[:80]}.", sent=True)
    return _client_error(client, fault, message)


def _client_error(kind: type[ClientError], fault: Fault, message: str) -> ClientError:
    error: ClientError
    if issubclass(kind, PlatformError):
        content = fault.answer.content if fault.answer is not None else b""
        made = kind(message, code=text.storable(fault.code) or None, status=fault.status, body=content[:_BODY])
        made.reply = response_of(fault.answer) if fault.answer is not None else None
        error = made
    elif issubclass(kind, MalformedBody):
        error = kind(message, reason=text.storable(fault.code)[:80] or "syntax")
    else:
        error = kind(message)
    error.sent, error.retry_safe = fault.sent, fault.retry_safe
    error.retry_after, error.attempts = fault.retry_after, fault.attempts
    return error
