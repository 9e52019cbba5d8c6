"""Tiki's authorization and token endpoints (reference 4.2): standard OAuth2 with rotating refresh tokens."""

import base64
import hashlib
import hmac
from collections.abc import Callable
from urllib.parse import urlencode

import msgspec

from isthmus.sandbox import App, Ask, Call, Grant, Refusal, Reply, Shop, json_reply, refusal

_CODE_LIFE = 600
_STATE_LENGTH = 8


def authorize(shop: Shop, call: Call) -> Reply:
    """Show the consent page; a wrong client or callback address is told to the person, all else to the callback."""
    app = shop.app(call.one("client_id"))
    redirect = call.one("redirect_uri") or ""
    if app is None or app.owner is not None:
        raise Refusal(refusal("Tiki", "This application is unknown or not public."), "client")
    if not app.accepts(redirect):
        raise Refusal(refusal("Tiki", "The callback address is not registered for this application."), "redirect_uri")
    state = call.one("state")
    scopes = tuple((call.one("scope") or "").split())
    ask = Ask(shop.ticket(), app, redirect, [(s.id, s.name) for s in shop.sellers], state, scopes)
    fault = _fault_of(call, app, state, scopes)
    if fault is not None:
        shop.recording.refused(call.record, fault[0])
        return Reply(
            b"", 302, headers={"location": _callback(ask, error=fault[0], error_code="400", error_hint=fault[1])}
        )
    if call.one("code_challenge"):
        ask.extra["challenge"] = call.one("code_challenge") or ""
    return shop.ask(call, ask)


def _fault_of(call: Call, app: App, state: str | None, scopes: tuple[str, ...]) -> tuple[str, str] | None:
    if call.one("response_type") != "code":
        return "unsupported_response_type", "response_type must be code"
    if state is None or len(state) < _STATE_LENGTH:
        return "invalid_state", f"state needs at least {_STATE_LENGTH} characters"
    if not scopes or not app.scopes.issuperset(scopes):
        return "invalid_scope", "a scope is missing or unknown"
    if call.one("code_challenge") and call.one("code_challenge_method") != "S256":
        return "invalid_request", "code_challenge_method must be S256"
    return None


def _callback(ask: Ask, **values: str) -> str:
    state = {"state": ask.state} if ask.state is not None else {}
    return f"{ask.redirect}{'&' if '?' in ask.redirect else '?'}{urlencode({**values, **state})}"


def approved(shop: Shop, ask: Ask, choice: str) -> str:
    """The callback address with a code."""
    grant = shop.ledger.grant(ask.app, choice, (choice,), ask.scopes)
    code = shop.ledger.code(grant, ask.redirect, _CODE_LIFE)
    code.challenge = ask.extra.get("challenge")
    return _callback(ask, code=code.text, scope=" ".join(ask.scopes))


def denied(ask: Ask) -> str:
    """The callback address after a refusal: error, error_code, error_hint."""
    return _callback(ask, error="access_denied", error_code="403", error_hint="The seller denied the request")


def _wrong(status: int, name: str, description: str) -> Refusal:
    headers = {"www-authenticate": "Basic"} if status == 401 else {}
    body = {"error": name, "error_description": description}
    return Refusal(json_reply(body, status, {**headers, "cache-control": "no-store"}), name)


def token(shop: Shop, call: Call) -> Reply:
    """Answer a token request of any of the three grant types."""
    kind = call.field("grant_type")
    grants: dict[str | None, Callable[[Shop, Call, App], Reply]] = {
        "authorization_code": _exchange,
        "refresh_token": _refresh,
        "client_credentials": _in_house,
    }
    if len({name for name, _ in call.form}) != len(call.form):
        raise _wrong(400, "invalid_request", "a parameter is given twice")
    app = _client(shop, call)
    call.record.app = app.key
    if kind not in grants:
        raise _wrong(400, "unsupported_grant_type", "use authorization_code, refresh_token or client_credentials")
    return grants[kind](shop, call, app)


def _client(shop: Shop, call: Call) -> App:
    """The application, by client_secret_basic or client_secret_post."""
    client_id, secret = call.field("client_id"), call.field("client_secret")
    scheme, _, text = call.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            basic_id, _, secret = base64.b64decode(text.strip(), validate=True).decode().partition(":")
        except ValueError as bad:
            raise _wrong(401, "invalid_client", "the Authorization header is not Basic") from bad
        if client_id not in {None, basic_id}:
            raise _wrong(401, "invalid_client", "client_id differs from the Authorization header")
        client_id = basic_id
    app = shop.app(client_id)
    if app is None or not hmac.compare_digest(app.credentials["client_secret"].encode(), (secret or "").encode()):
        raise _wrong(401, "invalid_client", "client authentication failed")
    return app


def _exchange(shop: Shop, call: Call, app: App) -> Reply:
    known = shop.ledger.codes.get(call.field("code") or "")
    if known is not None and known.redirect != call.field("redirect_uri"):
        raise _wrong(400, "invalid_grant", "redirect_uri differs from the authorization request")
    if known is not None and known.challenge is not None and known.challenge != _challenge(call.field("code_verifier")):
        raise _wrong(400, "invalid_grant", "code_verifier does not match")
    code = shop.ledger.redeem(call.field("code") or "", app)
    if code is None:
        raise _wrong(400, "invalid_grant", "the code is unknown, used or expired")
    shop.recording.counts["exchange"] += 1
    return _issued(shop, call, code.grant)


def _challenge(verifier: str | None) -> str:
    digest = hashlib.sha256((verifier or "").encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _refresh(shop: Shop, call: Call, app: App) -> Reply:
    old = shop.ledger.find(call.field("refresh_token"), "refresh")
    if old is None or old.grant.app is not app or old.dead(shop.clock.now()):
        raise _wrong(400, "invalid_grant", "the refresh token is unknown, used or revoked")
    for token_of_grant in shop.ledger.of(old.grant, "access"):
        token_of_grant.revoked = True  # table 12.2: the old access token is assumed invalid after a refresh
    old.revoked = True
    shop.recording.counts["refresh"] += 1
    return _issued(shop, call, old.grant)


def _in_house(shop: Shop, call: Call, app: App) -> Reply:
    scopes = tuple((call.field("scope") or "").split())
    if not app.scopes.issuperset(scopes):
        raise _wrong(400, "invalid_scope", "a scope is unknown")
    entities = (app.owner,) if app.owner is not None else ()
    grant = shop.ledger.grant(
        app, app.owner or "", entities, tuple(s for s in scopes if s not in {"offline", "openid"})
    )
    shop.recording.counts["exchange"] += 1
    return _issued(shop, call, grant)


def _issued(shop: Shop, call: Call, grant: Grant) -> Reply:
    call.record.seller = grant.account or None
    access = shop.ledger.token("access", grant, grant.account, shop.access_life)
    reply: dict[str, object] = {"access_token": access.text, "expires_in": int(shop.access_life)}
    if "offline" in grant.scopes:
        reply["refresh_token"] = shop.ledger.token("refresh", grant, grant.account, shop.refresh_life).text
    if "openid" in grant.scopes:
        reply["id_token"] = _id_token(shop, grant)
    reply |= {"scope": " ".join(grant.scopes), "token_type": "bearer"}
    return json_reply(reply, headers={"cache-control": "no-store"})


def _id_token(shop: Shop, grant: Grant) -> str:
    now = shop.clock.unix()
    claims = {
        "iss": shop.base_url,
        "sub": grant.account,
        "aud": [grant.app.key],
        "iat": now,
        "exp": now + int(shop.access_life),
    }
    parts = [_segment({"alg": "HS256", "typ": "JWT"}), _segment(claims)]
    key = grant.app.credentials["client_secret"].encode()
    mac = hmac.new(key, ".".join(parts).encode(), hashlib.sha256).digest()
    return ".".join([*parts, base64.urlsafe_b64encode(mac).rstrip(b"=").decode()])


def _segment(value: object) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(value)).rstrip(b"=").decode()
