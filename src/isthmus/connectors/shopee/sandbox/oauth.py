"""Shopee's consent links and token calls (reference 2.2): no `state`, a token per shop and merchant, refresh once."""

from datetime import timedelta
from urllib.parse import urlencode

from isthmus.connectors.shopee.sandbox.rules import flat, refuse, verified
from isthmus.sandbox import App, Ask, Call, Grant, Refusal, Reply, Seller, Shop, Token, page, refusal

_CODE_LIFE = 600
#: How long an old access token works after a refresh.
_OVERLAP = timedelta(minutes=5)
_ENTITIES = ("shop_id", "merchant_id", "supplier_id", "user_id")


def signed_link(shop: Shop, call: Call) -> Reply:
    """/api/v2/shop/auth_partner: the classic link, signed and valid for five minutes."""
    return _asked(shop, call, verified(shop, call), call.one("redirect"))


def plain_link(shop: Shop, call: Call) -> Reply:
    """/auth: the newer link without a signature."""
    app = shop.app(call.one("partner_id"))
    if app is None or call.one("response_type") != "code" or call.one("auth_type") != "seller":
        text = "partner_id is unknown, response_type is not code, or auth_type is not seller."
        raise Refusal(refusal("Shopee", text), "partner_id")
    return _asked(shop, call, app, call.one("redirect_uri"))


def _asked(shop: Shop, call: Call, app: App, redirect: str | None) -> Reply:
    if not redirect or not app.accepts(redirect):
        raise Refusal(refusal("Shopee", "The redirect address is not in a domain of this application."), "redirect")
    shops = [s for s in shop.sellers if "account" not in s.extra]
    choices = [(s.id, f"{s.name} (shop {s.id})") for s in shops]
    choices += [(account, f"Main account {account}") for account in sorted(_accounts(shop))]
    return shop.ask(call, Ask(shop.ticket(), app, redirect, choices))


def _accounts(shop: Shop) -> set[str]:
    return {s.extra["account"] for s in shop.sellers if "account" in s.extra}


def _callback(ask: Ask, **values: str) -> str:
    if not values:
        return ask.redirect
    return f"{ask.redirect}{'&' if '?' in ask.redirect else '?'}{urlencode(values)}"


def approved(shop: Shop, ask: Ask, choice: str) -> str:
    """The callback address with code and shop_id, or code and main_account_id."""
    entities = tuple(s.id for s in shop.sellers if choice in {s.id, s.extra.get("account")})
    grant = shop.ledger.grant(ask.app, choice, entities)
    code = shop.ledger.code(grant, ask.redirect, _CODE_LIFE)
    kind = "main_account_id" if choice in _accounts(shop) else "shop_id"
    return _callback(ask, code=code.text, **{kind: choice})


def denied(ask: Ask) -> str:
    """The callback address as it was given: the reference names no parameter for a refusal."""
    return _callback(ask)


def signed_cancel(shop: Shop, call: Call) -> Reply:
    """/api/v2/shop/cancel_auth_partner: the seller takes the authorization back."""
    return _cancelled(shop, call, verified(shop, call))


def plain_cancel(shop: Shop, call: Call) -> Reply:
    """/cancel_auth: the same without a signature."""
    app = shop.app(call.one("partner_id"))
    if app is None:
        raise Refusal(refusal("Shopee", "partner_id is unknown."), "partner_id")
    return _cancelled(shop, call, app)


def _cancelled(shop: Shop, call: Call, app: App) -> Reply:
    """End the authorization of the account `seller` (by default the first): the real page asks who signs in."""
    account = call.one("seller") or shop.sellers[0].id
    ended = [g for g in shop.ledger.grants if g.app is app and account in {g.account, *g.entities}]
    for grant in ended:
        grant.revoked = True
    return page("Shopee sandbox: authorization cancelled", f"<p>{len(ended)} authorizations ended.</p>")


def _number(shop: Shop, body: dict[str, object], name: str) -> str:
    value = body.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise refuse(shop, "error_param", f"{name} must be an integer in the body.")
    return str(value)


def _entity(shop: Shop, body: dict[str, object], names: tuple[str, ...]) -> tuple[str, str]:
    """The one id in the body: its name and value."""
    given = [name for name in names if name in body]
    if len(given) != 1:
        raise refuse(shop, "error_param", f"Give exactly one of {', '.join(names)}.")
    return given[0], _number(shop, body, given[0])


def _app_of_body(shop: Shop, call: Call, body: dict[str, object]) -> App:
    app = verified(shop, call)
    if _number(shop, body, "partner_id") != app.key:
        raise refuse(shop, "error_param", "partner_id differs between query and body.")
    shop.admit(call, app, "")
    return app


def get_token(shop: Shop, call: Call) -> Reply:
    """/api/v2/auth/token/get: a code against the first pair of a shop or main account."""
    body = call.json()
    app = _app_of_body(shop, call, body)
    kind, entity = _entity(shop, body, ("shop_id", "main_account_id"))
    text = body.get("code")
    known = shop.ledger.codes.get(text) if isinstance(text, str) else None
    if known is not None and not known.used and known.grant.account != entity:
        wrong = "invalid_shop_id" if kind == "shop_id" else "invalid_main_acount_id"
        raise refuse(shop, wrong, f"{kind} does not belong to this code.")
    code = shop.ledger.redeem(text, app) if isinstance(text, str) else None
    if code is None:
        raise refuse(shop, "invalid_code", "Invalid code, please have a check.")
    _replaced(shop, code.grant)
    shop.recording.counts["exchange"] += 1
    return _first_pair(shop, call, code.grant, kind)


def _replaced(shop: Shop, fresh: Grant) -> None:
    """A new authorization by the same account replaces the old pair."""
    for grant in shop.ledger.grants:
        if grant is not fresh and grant.app is fresh.app and grant.account == fresh.account:
            grant.revoked = True


def _first_pair(shop: Shop, call: Call, grant: Grant, kind: str) -> Reply:
    entity = grant.account if kind == "shop_id" else ""
    call.record.seller = grant.account
    sellers = [s for s in shop.sellers if s.id in grant.entities and not entity]
    lists = {
        "shop_id_list": [int(s.id) for s in sellers if not _is_merchant(s)],
        "merchant_id_list": [int(s.id) for s in sellers if _is_merchant(s)],
        "supplier_id_list": [],
        "user_id_list": [],
        "principal_id_list": [],
    }
    return flat(shop, {**_pair(shop, grant, entity), **lists})


def _is_merchant(seller: Seller) -> bool:
    return seller.extra.get("kind") == "merchant"


def _pair(shop: Shop, grant: Grant, entity: str) -> dict[str, object]:
    access = shop.ledger.token("access", grant, entity, shop.access_life)
    fresh = shop.ledger.token("refresh", grant, entity, shop.refresh_life)
    return {"access_token": access.text, "refresh_token": fresh.text, "expire_in": int(shop.access_life)}


def refresh(shop: Shop, call: Call) -> Reply:
    """/api/v2/auth/access_token/get: one use per shop or merchant; the reply carries the next pair."""
    body = call.json()
    app = _app_of_body(shop, call, body)
    kind, entity = _entity(shop, body, _ENTITIES)
    text = body.get("refresh_token")
    old = shop.ledger.find(text if isinstance(text, str) else None, "refresh")
    seller = shop.seller(entity)
    refused = "error_merchant_refresh_token" if kind == "merchant_id" else "error_shop_refresh_token"
    if old is None or old.grant.app is not app or not _covers(old, entity) or entity in old.spent:
        raise refuse(shop, refused, "Invalid refresh_token, please have a check.")
    if seller is None or _is_merchant(seller) != (kind == "merchant_id"):
        raise refuse(shop, refused, f"{kind} does not belong to this refresh_token.")
    if old.grant.revoked:
        raise refuse(shop, "shop_no_linked", "The shop is not linked to this partner any more.")
    now = shop.clock.now()
    if old.dead(now):
        raise refuse(shop, "refresh_token_expired", "The refresh_token has expired.")
    old.spent.add(entity)
    for access in shop.ledger.of(old.grant, "access", entity):
        access.expires = min(access.expires or now + _OVERLAP, now + _OVERLAP)
    shop.recording.counts["refresh"] += 1
    call.record.seller = entity
    return flat(shop, {kind: int(entity), **_pair(shop, old.grant, entity), "partner_id": int(app.key)})


def _covers(token: Token, entity: str) -> bool:
    return entity == token.entity if token.entity else entity in token.grant.entities
