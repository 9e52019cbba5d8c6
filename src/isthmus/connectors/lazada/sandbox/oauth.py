"""Lazada's consent link and token calls (reference 3.2)."""

from urllib.parse import urlencode

from isthmus.connectors.lazada.sandbox.rules import missing, refuse, verified
from isthmus.sandbox import Ask, Call, Grant, Refusal, Reply, Seller, Shop, json_reply, refusal

_CODE_LIFE = 1800


def authorize(shop: Shop, call: Call) -> Reply:
    """Show the consent page for one seller account or a cross-border one."""
    app = shop.app(call.one("client_id"))
    redirect = call.one("redirect_uri") or ""
    if app is None or call.one("response_type") != "code":
        raise Refusal(refusal("Lazada", "The application is unknown or response_type is not code."), "client_id")
    if not app.accepts(redirect):
        raise Refusal(refusal("Lazada", "The callback address is not the registered one."), "redirect_uri")
    choices = _accounts(shop, (call.one("country") or "").upper())
    if not choices:
        raise Refusal(refusal("Lazada", "There is no account in this country."), "country")
    return shop.ask(call, Ask(shop.ticket(), app, redirect, choices, call.one("state")))


def _accounts(shop: Shop, country: str) -> list[tuple[str, str]]:
    """Accounts to sign in with; the one that holds a shop in every country comes last."""
    single = [s for s in shop.sellers if "account" not in s.extra]
    shared = {s.extra["account"] for s in shop.sellers if "account" in s.extra}
    named = [(s.id, f"{s.name} ({s.country})") for s in single if country in {"", s.country}]
    return named + [(account, "Cross-border account (all countries)") for account in sorted(shared)]


def _callback(ask: Ask, **values: str) -> str:
    state = {"state": ask.state} if ask.state is not None else {}
    return f"{ask.redirect}{'&' if '?' in ask.redirect else '?'}{urlencode({**values, **state})}"


def approved(shop: Shop, ask: Ask, choice: str) -> str:
    """The callback address with a code of the form 0_{appkey}_..."""
    entities = tuple(s.id for s in shop.sellers if choice in {s.id, s.extra.get("account")})
    grant = shop.ledger.grant(ask.app, choice, entities)
    return _callback(ask, code=shop.ledger.code(grant, ask.redirect, _CODE_LIFE, prefix=f"0_{ask.app.key}_").text)


def denied(ask: Ask) -> str:
    """The callback address after a refusal; the reference names no form, so this is OAuth2's."""
    return _callback(ask, error="access_denied")


def create(shop: Shop, call: Call) -> Reply:
    """/auth/token/create: a code against the first pair."""
    app, given = verified(shop, call)
    shop.admit(call, app, "")
    if not given.get("code"):
        raise missing(shop, "code")
    code = shop.ledger.redeem(given["code"], app)
    if code is None:
        raise refuse(shop, "InvalidCode", "Invalid authorization code")
    shop.recording.counts["exchange"] += 1
    return _issued(shop, call, code.grant, "country_user_info", shop.refresh_life)


def refresh(shop: Shop, call: Call) -> Reply:
    """/auth/token/refresh: a new access token; the end of the refresh token stays where it was."""
    app, given = verified(shop, call)
    shop.admit(call, app, "")
    if not given.get("refresh_token"):
        raise missing(shop, "refresh_token")
    if "service-market" in app.traits:
        raise refuse(shop, "AUTH_TYPE_UNSUPPORTED", "Apps of the service market cannot refresh")
    now = shop.clock.now()
    old = shop.ledger.find(given["refresh_token"], "refresh")
    if old is None or old.grant.app is not app or old.dead(now):
        raise refuse(shop, "IllegalRefreshToken", "The specified refresh token is invalid or expired")
    shop.recording.counts["refresh"] += 1
    left = None if old.expires is None else (old.expires - now).total_seconds()
    return _issued(shop, call, old.grant, "country_user_info_list", left)


def _issued(shop: Shop, call: Call, grant: Grant, users: str, refresh_life: float | None) -> Reply:
    sellers = [seller for seller in shop.sellers if seller.id in grant.entities]
    call.record.seller = grant.account
    access = shop.ledger.token("access", grant, "", shop.access_life, prefix="5000")
    fresh = shop.ledger.token("refresh", grant, "", refresh_life, prefix="5001")
    return json_reply(
        {
            "access_token": access.text,
            "refresh_token": fresh.text,
            "expires_in": int(shop.access_life),
            "refresh_expires_in": int(refresh_life or 0),
            "country": "cb" if len(sellers) > 1 else sellers[0].country.lower(),
            "account": sellers[0].email,
            "account_id": grant.account,
            "account_platform": "seller_center",
            users: [_user(seller) for seller in sellers],
            "code": "0",
            "request_id": shop.request_id(),
        }
    )


def _user(seller: Seller) -> dict[str, str]:
    return {
        "country": seller.country.lower(),
        "user_id": seller.extra["user_id"],
        "seller_id": seller.id,
        "short_code": seller.extra["short_code"],
    }
