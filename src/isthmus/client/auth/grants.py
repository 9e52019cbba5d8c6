"""The exchanges of standard OAuth2 (RFC 6749), ready for `OAuth2`: refresh, client credentials, authorization code."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol, Unpack
from urllib.parse import quote

from isthmus.client import json as _json
from isthmus.client.auth.oauth2 import RefreshFailed, RefreshRefused
from isthmus.client.auth.tokens import Tokens
from isthmus.client.errors import MalformedBody, PlatformError, Throttled
from isthmus.client.message import Response
from isthmus.client.options import CallOptions
from isthmus.kit.clock import SYSTEM, Clock
from isthmus.kit.secret import Secret

_LONGEST = timedelta(days=3650)
_MAX_REPLY = 256 * 1024


class Caller(Protocol):
    """What asks the token endpoint: an `ApiClient` without credentials, best with `redirects=0` and `NEVER`."""

    async def request(self, method: str, url: str, **options: Unpack[CallOptions]) -> Response: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenEndpoint:
    """A token endpoint and our registration there.

    url: as for the caller, absolute or relative. style: whether the client's credentials go into the body or into a
    Basic header (section 2.3.1). default_lifetime: for replies without `expires_in`, None for no expiry.
    """

    caller: Caller
    url: str
    client_id: str
    client_secret: Secret | None = None
    style: Literal["body", "basic"] = "body"
    scope: tuple[str, ...] = ()
    default_lifetime: timedelta | None = None
    clock: Clock = SYSTEM

    async def refresh(self, present: Tokens) -> Tokens:
        """Section 6; an exchange for `OAuth2`. Raises RefreshRefused and RefreshFailed."""
        if present.refresh_token is None:
            raise RefreshRefused("there is no refresh token")
        return await self._ask({"grant_type": "refresh_token", "refresh_token": present.refresh_token.reveal()})

    async def client_credentials(self, _present: Tokens | None = None) -> Tokens:
        """Section 4.4; an exchange for `OAuth2` that needs no user."""
        return await self._ask({"grant_type": "client_credentials"})

    async def authorization_code(self, code: str, redirect_uri: str, verifier: str | None = None) -> Tokens:
        """Section 4.1.3, with the PKCE verifier of RFC 7636. A code is sent once and never again."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        return await self._ask(form | ({"code_verifier": verifier} if verifier else {}))

    async def _ask(self, form: dict[str, str]) -> Tokens:
        headers = {"Accept": "application/json"}
        if self.scope and form["grant_type"] != "authorization_code":
            form["scope"] = " ".join(self.scope)
        if self.style == "basic" and self.client_secret is not None:
            pair = f"{quote(self.client_id, safe='')}:{quote(self.client_secret.reveal(), safe='')}"
            headers["Authorization"] = "Basic " + b64encode(pair.encode()).decode()
        else:
            form["client_id"] = self.client_id
            if self.client_secret is not None:
                form["client_secret"] = self.client_secret.reveal()
        try:
            reply = await self.caller.request(
                "POST", self.url, form=form, headers=headers, idempotent=False, max_body=_MAX_REPLY
            )
        except PlatformError as error:
            raise _verdict(error) from None
        return tokens_of(_json.mapping(reply.json()), self.clock.now(), default_lifetime=self.default_lifetime)


def _verdict(error: PlatformError) -> Exception:
    if isinstance(error, Throttled):
        return error
    try:
        code = str(_json.mapping(_json.loads(error.body)).get("error") or "")
    except MalformedBody:
        code = ""
    # Only this says that the grant itself is gone (section 5.2); a wrong client secret is ours to mend.
    if code == "invalid_grant":
        return RefreshRefused(code)
    return RefreshFailed(f"the token endpoint answered {error.status} {code[:60]}".strip())


def tokens_of(body: Mapping[str, object], now: datetime, *, default_lifetime: timedelta | None = None) -> Tokens:
    """A reply of section 5.1, believed little (security.md OA-13). Raises MalformedBody if there is no token."""
    access, refresh = body.get("access_token"), body.get("refresh_token")
    if not isinstance(access, str) or not access or len(access) > 16_384:
        raise MalformedBody("the reply holds no access token", reason="shape")
    scope = body.get("scope")
    lifetime = _lifetime(body.get("expires_in"), default_lifetime)
    return Tokens(
        Secret(access),
        Secret(refresh) if isinstance(refresh, str) and refresh else None,
        now + lifetime if lifetime is not None else None,
        scope=tuple(scope.split()) if isinstance(scope, str) else (),
    )


def _lifetime(stated: object, default: timedelta | None) -> timedelta | None:
    """Seconds as a number or a text; nonsense counts as not said, more than ten years as ten years."""
    if isinstance(stated, str) and stated.isascii() and stated.isdigit() and len(stated) < 16:
        stated = int(stated)
    if isinstance(stated, bool) or not isinstance(stated, int | float) or not 0 <= stated < float("inf"):
        return default
    return timedelta(seconds=min(float(stated), _LONGEST.total_seconds()))
