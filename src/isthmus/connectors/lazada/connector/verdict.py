"""What the platform's codes mean (marketplaces.md 3.4); failures come with HTTP 200, mostly."""

import re

import msgspec

from isthmus.client import Failure, Response
from isthmus.client.judge import Kind
from isthmus.connect import judging, reading
from isthmus.connect.reading import Loose

#: How long a ban lasts stands in the message: "this ban will last 1 seconds".
_SECONDS = re.compile(r"(\d{1,6})\s*second")
_THROTTLED = frozenset({"ApiCallLimit", "AppCallLimit", "SellerCallLimit", "901"})
_TOKEN = frozenset({"IllegalAccessToken"})
#: Codes that end a grant when the token calls answer them (marketplaces.md 3.2).
DEAD_GRANT = frozenset({"IllegalRefreshToken", "AUTH_TYPE_UNSUPPORTED"})
_CONFIGURATION = frozenset(
    {
        "IncompleteSignature",
        "InvalidAppKey",
        "MissingParameter",
        "InvalidTimestamp",
        "InvalidApiPath",
        "AUTH_TYPE_UNSUPPORTED",
        "EDIT_ITEM_NOT_BELONG_SELLER",
    }
)
_TRANSIENT = frozenset({"ServiceTimeout", "6", "513", "1000"})
_MISSING = frozenset({"207", "208", "4136", "4137", "16", "39"})
_REFUSED = frozenset({"SellerNotVerified"})
_OLD_CODE = re.compile(r"E0*(\d+)")
_CLOCK = "clock_skew"


class _Result(msgspec.Struct):
    success: Loose = None
    error_code: Loose = None
    error_msg: Loose = None


class _Envelope(msgspec.Struct):
    code: Loose = None
    request_id: Loose = None
    type: Loose = None
    message: Loose = None
    result: _Result | list[Loose] | str | None = None


_ENVELOPE = reading.decoder(_Envelope)


def classify(response: Response) -> Failure | None:
    """Judge by `code`, then by the inner `result` of the fulfilment calls, then by `type`."""
    if not judging.is_json(response):
        return judging.unreadable(response)
    if response.content.startswith(b'{"code":"0","data"'):
        return None  # the usual page, which is long
    try:
        body = reading.lenient(response.content, _ENVELOPE)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return judging.unreadable(response)
    if body.code is None and body.request_id is None:
        return judging.foreign(response)
    code, message = _code(body.code), reading.line(body.message)[:500]
    if code and code != "0":
        return _judged(code, message, reading.line(body.type), response)
    inner = body.result if isinstance(body.result, _Result) else None
    if inner is not None and inner.success is not None and not reading.truth(inner.success):
        return _judged(_code(inner.error_code) or "result", reading.line(inner.error_msg)[:500], "ISV", response)
    return judging.by_status(response)


def _code(value: Loose) -> str:
    """`E901` and 901 are one code."""
    found = str(value) if isinstance(value, int) else reading.line(value)[:80]
    old = _OLD_CODE.fullmatch(found)
    return old[1] if old else found


def _judged(code: str, message: str, kind: str, response: Response) -> Failure:
    if code in _THROTTLED:
        ban = _SECONDS.search(message)
        return Failure(kind="throttled", code=code, message=message, retry_after=float(ban[1]) if ban else None)
    if code == "InvalidTimestamp":
        text = f"our clock and the platform's differ by more than two hours: {message}"
        return Failure(kind="configuration", code=_CLOCK, message=text, far_time=judging.far_time(response))
    return Failure(kind=_kind(code, kind), code=code, message=message)


def _kind(code: str, kind: str) -> Kind:
    table: tuple[tuple[frozenset[str], Kind], ...] = (
        (_TOKEN, "token"),
        (DEAD_GRANT - _CONFIGURATION, "token"),
        (_CONFIGURATION, "configuration"),
        (_TRANSIENT, "transient"),
        (_MISSING, "not_found"),
        (_REFUSED, "refused"),
    )
    for codes, meant in table:
        if code in codes:
            return meant
    return "transient" if kind in {"ISP", "SYSTEM"} else "caller"
