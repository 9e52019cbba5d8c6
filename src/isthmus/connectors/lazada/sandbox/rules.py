"""Lazada's envelope and its request signature (reference 3.3, 3.4)."""

import hashlib
import hmac
from collections.abc import Iterable
from datetime import datetime

from isthmus.sandbox import App, Call, Refusal, Reply, Shop, json_reply

#: How far the caller's clock may be off, in milliseconds.
_WINDOW = 7_200_000
_COMMON = ("app_key", "timestamp", "sign_method", "sign")
REST = "/rest"


def error(shop: Shop, code: str, message: str, kind: str = "ISV") -> Reply:
    """A failure, with HTTP status 200."""
    return json_reply({"type": kind, "code": code, "message": message, "request_id": shop.request_id()})


def refuse(shop: Shop, code: str, message: str) -> Refusal:
    """A refusal in that envelope, recorded under its code."""
    return Refusal(error(shop, code, message), code)


def success(shop: Shop, data: object) -> Reply:
    """A success with its data."""
    return json_reply({"code": "0", "data": data, "request_id": shop.request_id()})


def missing(shop: Shop, name: str) -> Refusal:
    """The refusal for a parameter that is not there."""
    return refuse(shop, "MissingParameter", f'The input parameter "{name}" that is mandatory is not supplied')


def signature(secret: str, path: str, parameters: Iterable[tuple[str, str]], body: str = "") -> str:
    """Upper-case hex HMAC-SHA256 over path, sorted parameters and a raw body; empty values and `sign` are left out."""
    pairs = sorted([(key, value) for key, value in parameters if key != "sign" and value])
    base = path + "".join([key + value for key, value in pairs]) + body
    return hmac.new(secret.encode(), base.encode(), hashlib.sha256).hexdigest().upper()


def parameters(call: Call) -> dict[str, str]:
    """Everything the caller sent, query and form together."""
    return dict([*call.query, *call.form])


def verified(shop: Shop, call: Call) -> tuple[App, dict[str, str]]:
    """The application and the parameters of a correctly signed request. Raises `Refusal` with the platform's code."""
    given = parameters(call)
    for name in _COMMON:
        if not given.get(name):
            raise missing(shop, name)
    app = shop.app(given["app_key"])
    if app is None:
        raise refuse(shop, "InvalidAppKey", "The specified App Key is invalid")
    call.record.app = app.key
    stamp = given["timestamp"]
    if not stamp.isdecimal() or len(stamp) > 16 or abs(int(stamp) - shop.clock.milliseconds()) > _WINDOW:
        raise refuse(shop, "InvalidTimestamp", "The specified timestamp is not within 7200 seconds of the server time")
    if given["sign_method"] != "sha256":
        raise refuse(shop, "IncompleteSignature", "The sign method must be sha256")
    path = call.path[call.path.index(REST) + len(REST) :]
    raw = "" if call.form else call.body.decode("utf-8", "replace")
    expected = signature(app.credentials["app_secret"], path, given.items(), raw)
    if not hmac.compare_digest(expected.encode(), given["sign"].encode()):
        call.record.signature = "bad"
        raise refuse(shop, "IncompleteSignature", "The request signature does not conform to platform standards")
    call.record.signature = "ok"
    return app, given


def moment(shop: Shop, name: str, text: str | None) -> int | None:
    """The instant of an ISO 8601 time with its offset, as seconds. Raises `Refusal` 17 for any other form."""
    if not text:
        return None
    bad = refuse(shop, "17", f'E017: "{text[:40]}" Invalid Date Format of {name}')
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError as unread:
        raise bad from unread
    if parsed.tzinfo is None:
        raise bad
    return int(parsed.timestamp())


def whole(shop: Shop, text: str | None, default: int, bounds: tuple[int, int], code: str) -> int:
    """A whole number within bounds. Raises `Refusal` with the code for a bad one."""
    if not text:
        return default
    low, high = bounds
    if not text.isascii() or not text.isdecimal() or len(text) > 9 or not low <= int(text) <= high:
        raise refuse(shop, code, f'E{int(code):03d}: "{text[:40]}" is not a whole number from {low} to {high}')
    return int(text)
