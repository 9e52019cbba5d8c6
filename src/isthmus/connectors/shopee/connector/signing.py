"""The platform's request signature (marketplaces.md 2.3); pure."""

import hashlib
import hmac
from datetime import datetime

from isthmus.client import Request
from isthmus.connect.spi import App


def signature(key: str, partner_id: str, path: str, timestamp: int, *bound: str) -> str:
    """Lower-case hex HMAC-SHA256 over the parts without separators.

    `bound` is nothing for public calls, else the access token and the id of the shop or merchant. The key is text, even
    though it looks like hexadecimal; body and other parameters are not covered.
    """
    base = f"{partner_id}{path}{timestamp}{''.join(bound)}"
    return hmac.new(key.encode(), base.encode(), hashlib.sha256).hexdigest()


def query(app: App, path: str, now: datetime, *bound: str) -> dict[str, str | int]:
    """Partner, time and signature, which every call carries in its query, POST included."""
    partner, stamp = app.secret("partner_id"), int(now.timestamp())
    sign = signature(app.secret("partner_key"), partner, path, stamp, *bound)
    return {"partner_id": partner, "timestamp": stamp, "sign": sign}


def attached(app: App, request: Request, access_token: str, owner: tuple[str, str], now: datetime) -> Request:
    """A request signed for `owner`: ("shop_id", id), or ("merchant_id", id) for the merchant calls."""
    name, value = owner
    given = query(app, request.path, now, access_token, value)
    return request.with_query({**given, "access_token": access_token, name: value})
