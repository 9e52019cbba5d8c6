"""Shopee's envelope, its signature and the checks that every call passes (reference 2.2 to 2.4)."""

import hashlib
import hmac
from collections.abc import Mapping

from isthmus.sandbox import App, Call, Refusal, Reply, Seller, Shop, Token, json_reply

#: How far the caller's clock may be off, in seconds.
_WINDOW = 300
_AUTH_DAYS = 365


def error(shop: Shop, code: str, message: str) -> Reply:
    """A failure, with HTTP status 200."""
    return json_reply({"error": code, "message": message, "request_id": shop.request_id()})


def refuse(shop: Shop, code: str, message: str) -> Refusal:
    """A refusal in that envelope, recorded under its code."""
    return Refusal(error(shop, code, message), code)


def success(shop: Shop, response: object) -> Reply:
    """A success with its response object."""
    envelope = {"error": "", "message": "", "warning": "", "request_id": shop.request_id()}
    return json_reply({**envelope, "response": response})


def flat(shop: Shop, values: Mapping[str, object]) -> Reply:
    """A success of the calls that answer with fields at the top level."""
    return json_reply({**values, "request_id": shop.request_id(), "error": "", "message": ""})


def signature(key: str, *parts: object) -> str:
    """Lower-case hex HMAC-SHA256 over the parts, joined without separators; the key is taken as text."""
    return hmac.new(key.encode(), "".join([str(part) for part in parts]).encode(), hashlib.sha256).hexdigest()


def verified(shop: Shop, call: Call, *bound: str) -> App:
    """The application of a correctly signed request; `bound` are the token and id that the signature covers."""
    for name in ("partner_id", "timestamp", "sign"):
        if not call.one(name):
            raise refuse(shop, "error_param", f"There is no {name} in query.")
    app = shop.app(call.one("partner_id"))
    if app is None:
        raise refuse(shop, "error_auth", "Invalid partner_id.")
    call.record.app = app.key
    stamp = call.one("timestamp") or ""
    if not stamp.isdecimal() or len(stamp) > 12 or abs(int(stamp) - shop.clock.unix()) > _WINDOW:
        raise refuse(shop, "error_param", "Timestamp is expired.")
    expected = signature(app.credentials["partner_key"], app.key, call.path, stamp, *bound)
    if not hmac.compare_digest(expected.encode(), (call.one("sign") or "").encode()):
        call.record.signature = "bad"
        raise refuse(shop, "error_sign", "Wrong sign.")
    call.record.signature = "ok"
    return app


def authorized(shop: Shop, call: Call, kind: str) -> tuple[App, Token, str]:
    """Application, token and entity of a call to a shop API (`kind` "shop_id") or merchant API ("merchant_id")."""
    text, entity = call.one("access_token") or "", call.one(kind) or ""
    for name, value in (("access_token", text), (kind, entity)):
        if not value:
            raise refuse(shop, "error_param", f"There is no {name} in query.")
    app = verified(shop, call, text, entity)
    token = shop.ledger.find(text, "access")
    if token is None or token.grant.app is not app or token.dead(shop.clock.now()):
        raise refuse(shop, "invalid_acceess_token", "Invalid access_token, please have a check.")
    if entity not in ({token.entity} if token.entity else set(token.grant.entities)):
        raise refuse(shop, "error_auth", f"Invalid access_token for this {kind}.")
    if (shop.clock.now() - token.grant.started).days >= _AUTH_DAYS:
        raise refuse(shop, "shop_access_expired", "The authorization has expired.")
    shop.admit(call, app, entity)
    return app, token, entity


def shop_call(shop: Shop, call: Call) -> tuple[Seller, Token]:
    """The seller and token of a call to a shop API; blocked shops are refused."""
    _, token, entity = authorized(shop, call, "shop_id")
    seller = shop.seller(entity)
    if seller is None or "merchant" in seller.extra.get("kind", ""):
        raise refuse(shop, "error_auth", "Invalid shop_id.")
    if seller.blocked:
        raise refuse(shop, "shop_banned", "The shop is banned.")
    return seller, token


def ends(token: Token) -> tuple[int, int]:
    """When an authorization began and when it ends, as Unix seconds."""
    started = int(token.grant.started.timestamp())
    return started, started + _AUTH_DAYS * 86_400


def whole(shop: Shop, call: Call, name: str, bounds: tuple[int, int], default: int | None = None) -> int:
    """A whole number of the query within bounds, required without a default."""
    text = call.one(name)
    if text is None and default is not None:
        return default
    low, high = bounds
    if text is None or not text.isascii() or not text.isdecimal() or len(text) > 18 or not low <= int(text) <= high:
        raise refuse(shop, "product.error_param", f"{name} must be a whole number from {low} to {high}.")
    return int(text)
