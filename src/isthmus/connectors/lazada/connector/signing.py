"""The platform's request signature (marketplaces.md 3.3, with its published example); pure."""

import hashlib
import hmac
from collections.abc import Iterable
from datetime import datetime
from urllib.parse import parse_qsl

from isthmus.client import Request
from isthmus.connect.spi import App

#: The path is signed as the documentation names a call: without this prefix.
_PREFIX = "/rest"
_FORM = "application/x-www-form-urlencoded"


def signature(secret: str, path: str, parameters: Iterable[tuple[str, str]], body: str = "") -> str:
    """Upper-case hex HMAC-SHA256 over path, parameters in the byte order of their names, and a raw body.

    `sign` itself and parameters with an empty value are left out; values are unencoded text.
    """
    pairs = sorted((key.encode(), value.encode()) for key, value in parameters if value and key != "sign")
    base = path.encode() + b"".join([key + value for key, value in pairs]) + body.encode()
    return hmac.new(secret.encode(), base, hashlib.sha256).hexdigest().upper()


def common(app: App, now: datetime) -> dict[str, str]:
    """The parameters of every call; the clock counts in milliseconds."""
    return {
        "app_key": app.secret("app_key"),
        "timestamp": str(int(now.timestamp() * 1000)),
        "sign_method": "sha256",
    }


def signed(app: App, path: str, parameters: dict[str, str], now: datetime) -> dict[str, str]:
    """These parameters with the common ones and the signature; empty ones are gone."""
    whole = {key: value for key, value in {**parameters, **common(app, now)}.items() if value}
    return {**whole, "sign": signature(app.secret("app_secret"), path, whole.items())}


def attached(app: App, request: Request, access_token: str, now: datetime) -> Request:
    """A request of any form signed anew: parameters of query and form alike, or a raw body behind them."""
    added = {**common(app, now), "access_token": access_token}
    form, raw = _body(request)
    parameters = [*request.query(), *form, *added.items()]
    path = request.path[request.path.find(_PREFIX) + len(_PREFIX) :]
    sign = signature(app.secret("app_secret"), path, parameters, raw)
    return request.with_query({**added, "sign": sign})


def _body(request: Request) -> tuple[list[tuple[str, str]], str]:
    """The fields of a form, or the text of a raw body; a multipart upload is not signed."""
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind == _FORM:
        return parse_qsl(request.body.decode(), keep_blank_values=True), ""
    return [], "" if kind.startswith("multipart/") else request.body.decode()
