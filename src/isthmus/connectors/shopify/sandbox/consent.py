"""A public app's consent and tokens, as Shopify answers them (reference 6.2)."""

import hashlib
import hmac
from urllib.parse import urlencode

from isthmus.sandbox import Ask, Call, Grant, Refusal, Reply, Shop, json_reply, refusal

_CODE_LIFE = 600
_ACCESS_LIFE, _REFRESH_LIFE = 3_600, 90 * 86_400


def authorize(shop: Shop, call: Call) -> Reply:
    """The consent page of one shop; here all shops stand behind one address, so the page asks which one it is."""
    app = shop.app(call.one("client_id"))
    redirect = call.one("redirect_uri") or ""
    if app is None or app.owner is not None:
        raise Refusal(refusal("Shopify", "This application is unknown."), "client")
    if not app.accepts(redirect):
        raise Refusal(refusal("Shopify", "The redirect_uri is not whitelisted."), "redirect_uri")
    scopes = tuple((call.one("scope") or "").split(","))
    choices = [(seller.id, seller.extra["domain"]) for seller in shop.sellers]
    return shop.ask(call, Ask(shop.ticket(), app, redirect, choices, call.one("state"), scopes))


def approved(shop: Shop, ask: Ask, choice: str) -> str:
    """Back with a code, signed."""
    grant = shop.ledger.grant(ask.app, choice, (choice,), ask.scopes)
    code = shop.ledger.code(grant, ask.redirect, _CODE_LIFE)
    return _back(shop, ask, choice, {"code": code.text})


def denied(shop: Shop, ask: Ask) -> str:
    """Back with a refusal, signed too."""
    return _back(shop, ask, ask.choices[0][0], {"error": "access_denied"})


def _back(shop: Shop, ask: Ask, seller: str, values: dict[str, str]) -> str:
    domain = dict(ask.choices)[seller]
    given = {**values, "shop": domain, "timestamp": str(shop.clock.unix()), "host": "YWRtaW4"}
    given |= {"state": ask.state} if ask.state is not None else {}
    signed = "&".join(f"{name}={value}" for name, value in sorted(given.items()))
    digest = hmac.new(ask.app.credentials["client_secret"].encode(), signed.encode(), hashlib.sha256).hexdigest()
    return f"{ask.redirect}{'&' if '?' in ask.redirect else '?'}{urlencode({**given, 'hmac': digest})}"


def token(shop: Shop, call: Call) -> Reply:
    """A code, or a refresh token, for the next pair."""
    app = shop.app(call.field("client_id"))
    secret = (call.field("client_secret") or "").encode()
    if (
        app is None
        or app.owner is not None
        or not hmac.compare_digest(app.credentials["client_secret"].encode(), secret)
    ):
        raise _wrong("invalid_client", "client authentication failed")
    call.record.app = app.key
    if call.field("grant_type") == "refresh_token":
        old = shop.ledger.find(call.field("refresh_token"), "refresh")
        if old is None or old.grant.app is not app or old.dead(shop.clock.now()):
            raise _wrong("invalid_grant", "This refresh token is not active.")
        old.revoked = True
        shop.recording.counts["refresh"] += 1
        return _issued(shop, call, old.grant)
    code = shop.ledger.redeem(call.field("code") or "", app)
    if code is None:
        raise _wrong("invalid_request", "The authorization code was not found or was already used")
    shop.recording.counts["exchange"] += 1
    return _issued(shop, call, code.grant)


def _issued(shop: Shop, call: Call, grant: Grant) -> Reply:
    call.record.seller = grant.account
    access = shop.ledger.token("access", grant, grant.account, _ACCESS_LIFE, prefix="shpat_")
    reply: dict[str, object] = {"access_token": access.text, "scope": ",".join(grant.scopes)}
    if call.field("expiring") == "1" or call.field("grant_type") == "refresh_token":
        refresh = shop.ledger.token("refresh", grant, grant.account, _REFRESH_LIFE, prefix="shprt_")
        reply |= {"expires_in": _ACCESS_LIFE, "refresh_token": refresh.text, "refresh_token_expires_in": _REFRESH_LIFE}
    return json_reply(reply)


def _wrong(name: str, description: str) -> Refusal:
    return Refusal(json_reply({"error": name, "error_description": description}, 400), name)
