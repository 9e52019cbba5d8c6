"""The consent of a public app: at the shop's own address, signed on the way back, with tokens that end (6.2)."""

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import urlencode

from isthmus.client import ApiClient, PlatformError, RefreshFailed, RefreshRefused, Response, Tokens
from isthmus.client.errors import MalformedBody
from isthmus.connect import granting, judging, reading
from isthmus.connect.reading import Loose
from isthmus.connect.spi import App, Callback, Consent
from isthmus.kit.clock import Clock

_DOMAIN = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9-]*\.myshopify\.com")
_UNSIGNED = frozenset({"hmac", "signature"})
#: Seconds that the time in the callback may differ from ours, as the platform's own libraries allow.
_LEEWAY = 90
_ADDRESS = "/admin/oauth/access_token"
_DEAD = frozenset({"invalid_grant", "invalid_request"})


class _Reply(granting.TokenReply):
    """Shopify calls the end of the refresh token by a name of its own."""

    refresh_token_expires_in: Loose = None


_REPLY = reading.decoder(_Reply)


def url(app: App, scopes: tuple[str, ...], consent: Consent) -> str:
    """The consent page of the shop."""
    query = {
        "client_id": app.secret("client_id"),
        "scope": ",".join(scopes),
        "redirect_uri": consent.redirect_uri,
        "state": consent.state,
    }
    return f"{app.hosts['api']}/admin/oauth/authorize?{urlencode(query)}"


def check(app: App, place: Mapping[str, str], query: Mapping[str, str], now: datetime) -> None:
    """Whether the callback is signed with the app's secret, about the shop asked, and fresh. Raises ValueError."""
    if not hmac.compare_digest(signature(app.secret("client_secret"), query), query.get("hmac", "").encode()):
        raise ValueError("the callback is not signed by the platform")
    shop = query.get("shop", "")
    if not _DOMAIN.fullmatch(shop) or shop.lower() != f"{place.get('shop', '')}.myshopify.com".lower():
        raise ValueError("the callback is about another shop")
    stamp = query.get("timestamp", "")
    if not stamp.isascii() or not stamp.isdigit() or abs(now.timestamp() - int(stamp[:12])) > _LEEWAY:
        raise ValueError("the callback is too old, or from the future")


def signature(secret: str, query: Mapping[str, str]) -> bytes:
    """The lower hex HMAC-SHA256 over the other parameters, sorted by name."""
    signed = "&".join(f"{name}={value}" for name, value in sorted(query.items()) if name not in _UNSIGNED)
    return hmac.new(secret.encode(), signed.encode(), hashlib.sha256).hexdigest().encode()


async def exchange(app: App, callback: Callback, client: ApiClient, clock: Clock) -> Tokens:
    """The pair for a code. Raises client errors."""
    form = {**_app(app), "code": callback.code.reveal(), "expiring": "1"}
    return _tokens(await client.post(app.hosts["api"] + _ADDRESS, form=form), clock.now())


async def refresh(app: App, tokens: Tokens, client: ApiClient, clock: Clock) -> Tokens:
    """The next pair; the refresh token is replaced at each use. Raises RefreshRefused or RefreshFailed."""
    if tokens.refresh_token is None:
        raise RefreshRefused("the grant holds no refresh token")
    form = {**_app(app), "grant_type": "refresh_token", "refresh_token": tokens.refresh_token.reveal()}
    try:
        return _tokens(await client.post(app.hosts["api"] + _ADDRESS, form=form), clock.now())
    except PlatformError as error:
        if error.code in _DEAD:
            raise RefreshRefused(f"{error.message} ({error.code})") from error
        raise RefreshFailed(str(error)) from error
    except MalformedBody as error:
        raise RefreshFailed(str(error)) from error


def _app(app: App) -> dict[str, str]:
    return {"client_id": app.secret("client_id"), "client_secret": app.secret("client_secret")}


def _tokens(answer: Response, now: datetime) -> Tokens:
    reply = judging.decoded(answer, _REPLY)
    reply.refresh_expires_in = reply.refresh_token_expires_in
    if isinstance(reply.scope, str):
        reply.scope = reply.scope.replace(",", " ")
    return granting.pair(reply, now)
