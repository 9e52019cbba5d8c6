"""JSON Web Tokens: whom they name, checked claim by claim (security.md JT-01 to JT-09), and minting our own."""

import base64
import hmac
import json
import logging
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Required, TypedDict, Unpack

from joserfc import jwk, jws, jwt
from joserfc.errors import JoseError, SecurityWarning

from isthmus.http.auth import Credentials, Verified
from isthmus.http.errors import CannotStart
from isthmus.kit import ids
from isthmus.kit.clock import Clock
from isthmus.kit.errors import Unauthenticated
from isthmus.kit.permissions import PLATFORM_TENANT, ROLES, SUPER_ADMIN, Principal
from isthmus.kit.secret import Secret

Key = jwk.OctKey | jwk.RSAKey | jwk.ECKey | jwk.OKPKey

LEEWAY_SECONDS = 60
MAX_LIFETIME_SECONDS = 24 * 3600
MAX_TOKEN_BYTES = 8 * 1024
OWN_ISSUER = "isthmus"
OWN_AUDIENCE = "isthmus"

_FAMILIES = {
    "HS256": ("oct", None),
    "RS256": ("RSA", None),
    "PS256": ("RSA", None),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "Ed25519": ("OKP", "Ed25519"),
}
_TYPES = {"jwt", "at+jwt", "application/at+jwt"}
_ACCESS_TYPES = {"at+jwt", "application/at+jwt"}
_ID_TOKEN_CLAIMS = frozenset({"nonce", "at_hash", "c_hash", "s_hash", "events"})
_KEYCLOAK_KINDS = {"Bearer", "at+jwt"}

_log = logging.getLogger("isthmus.http.auth")


class _Sizes(jws.JWSRegistry):
    """Headers may hold the keys and chains that some issuers put there, which are ignored (JT-03)."""

    max_header_length = MAX_TOKEN_BYTES


class Overclaimed(Exception):
    """Why a token is refused whose issuer may not say what it says; `who` says it, to the deployment (JT-07)."""

    def __init__(self, who: Principal) -> None:
        super().__init__("a token claims more than its issuer may say")
        self.who = who


class KeySource(Protocol):
    """Where an issuer's verification keys come from."""

    async def key(self, kid: str | None, algorithm: str, /) -> Key | None:
        """The key with this id for this algorithm, or None."""
        ...


class SharedKey:
    """One HMAC key of at least 32 bytes."""

    def __init__(self, key: Secret, *, setting: str = "auth.hs256") -> None:
        raw = key.reveal().encode()
        if len(raw) < 32:
            raise CannotStart(f"{setting}: the key that signs tokens needs at least 32 bytes, this one has {len(raw)}.")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SecurityWarning)
            self._key = jwk.OctKey.import_key(raw)

    async def key(self, _kid: str | None, algorithm: str, /) -> Key | None:
        """The one key, whatever id the token names."""
        return self._key if algorithm == "HS256" else None

    def sign(self, claims: Mapping[str, Any]) -> str:
        """A token with these claims."""
        return jwt.encode({"alg": "HS256", "typ": "at+jwt"}, dict(claims), self._key, algorithms=["HS256"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """Whose tokens are believed, and for what."""

    name: str
    keys: KeySource
    algorithms: tuple[str, ...]
    audience: str
    #: The tenants this issuer may speak for; None means all, which only our own issuer has.
    tenants: frozenset[str] | None = frozenset()
    may_name_super_admins: bool = False
    demands_access_type: bool = False
    tenant_claim: str = "tenantId"
    roles_claim: str = "roles"

    def __post_init__(self) -> None:
        unknown = set(self.algorithms) - set(_FAMILIES)
        if unknown or not self.algorithms:
            raise CannotStart(f"Issuer {self.name}: algorithms must be some of {sorted(_FAMILIES)}.")
        if len({_FAMILIES[name][0] for name in self.algorithms}) > 1:
            raise CannotStart(f"Issuer {self.name}: the algorithms must be of one family.")


def fits(key: Key, algorithm: str) -> bool:
    """Whether this key may be used with this algorithm: type and curve."""
    kind, curve = _FAMILIES[algorithm]
    if key.key_type != kind:
        return False
    return curve is None or (isinstance(key, jwk.ECKey | jwk.OKPKey) and key.curve_name == curve)


class TokenAuthenticator:
    """Verifies bearer tokens of the configured issuers."""

    def __init__(self, issuers: Sequence[Issuer], clock: Clock) -> None:
        self._issuers = {issuer.name: issuer for issuer in issuers}
        self._clock = clock
        if len(self._issuers) != len(issuers):
            raise CannotStart("Two issuers of tokens have the same name.")

    async def verify(self, credentials: Credentials) -> Verified | None:
        """The token's principal. Raises Unauthenticated; answers None for what is not a bearer token."""
        if credentials.kind != "bearer":
            return None
        header, claims = _parse(credentials.text)
        issuer = self._issuers.get(_text(claims, "iss"))
        algorithm = _text(header, "alg")
        if issuer is None or algorithm not in issuer.algorithms:
            raise Unauthenticated
        await _check_signature(credentials.text, header, algorithm, issuer)
        expires_at = _check_times(claims, self._clock.now().timestamp())
        return Verified(_principal(claims, issuer), expires_at)


async def _check_signature(text: str, header: Mapping[str, Any], algorithm: str, issuer: Issuer) -> None:
    _check_header(header, issuer)
    key = await issuer.keys.key(_kid(header), algorithm)
    if key is None or not fits(key, algorithm):
        raise Unauthenticated
    try:
        jws.deserialize_compact(text, key, registry=_Sizes(algorithms=[algorithm]))
    except (JoseError, ValueError, TypeError):
        raise Unauthenticated from None


@dataclass(frozen=True, slots=True, kw_only=True)
class IdToken:
    """Who signed in at an issuer, when they last proved it there (0.0: not said), and how (`amr`)."""

    issuer: str
    subject: str
    proved_at: float
    methods: frozenset[str]


async def read_id_token(text: str, issuer: Issuer, nonce: str, clock: Clock) -> IdToken:
    """What an ID token says (OpenID Connect Core 1.0, 3.1.3.7); the issuer's audience is our client id there.

    Raises Unauthenticated for whatever is not exactly as it should be, Unavailable when there are no keys.
    """
    header, claims = _parse(text)
    algorithm = _text(header, "alg")
    if _text(claims, "iss") != issuer.name or algorithm not in issuer.algorithms:
        raise Unauthenticated
    await _check_signature(text, header, algorithm, issuer)
    _check_times(claims, clock.now().timestamp())
    audience, party = claims.get("aud"), claims.get("azp", issuer.audience)
    if audience not in (issuer.audience, [issuer.audience]) or party != issuer.audience:
        raise Unauthenticated
    if not hmac.compare_digest(_text(claims, "nonce").encode(), nonce.encode()):
        raise Unauthenticated
    methods = claims.get("amr", [])
    known = frozenset(one for one in methods if isinstance(one, str)) if isinstance(methods, list) else frozenset()
    proved_at = _number(claims["auth_time"]) if "auth_time" in claims else 0.0
    return IdToken(issuer=issuer.name, subject=_text(claims, "sub"), proved_at=proved_at, methods=known)


def _parse(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    if len(token) > MAX_TOKEN_BYTES or token.count(".") != 2:
        raise Unauthenticated
    try:
        parts = [_decoded(part) for part in token.split(".")[:2]]
        header, claims = (json.loads(part, object_pairs_hook=_unique, parse_constant=_refuse) for part in parts)
    except (ValueError, RecursionError):
        raise Unauthenticated from None
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise Unauthenticated
    return header, claims


def _decoded(part: str) -> str:
    return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True).decode("utf-8")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _check_header(header: Mapping[str, Any], issuer: Issuer) -> None:
    kind = header.get("typ")
    if kind is not None and (not isinstance(kind, str) or kind.lower() not in _TYPES):
        raise Unauthenticated
    if issuer.demands_access_type and (kind is None or kind.lower() not in _ACCESS_TYPES):
        raise Unauthenticated
    if "crit" in header or "b64" in header or "zip" in header:
        raise Unauthenticated


def _kid(header: Mapping[str, Any]) -> str | None:
    if "kid" not in header:
        return None
    kid = header["kid"]
    if not isinstance(kid, str) or not 1 <= len(kid) <= 128 or not (kid.isascii() and kid.isprintable()):
        raise Unauthenticated
    return kid


def _check_times(claims: Mapping[str, Any], now: float) -> float:
    expires = _number(claims.get("exp"))
    issued = _number(claims["iat"]) if "iat" in claims else now
    starts = _number(claims["nbf"]) if "nbf" in claims else issued
    if expires + LEEWAY_SECONDS <= now or max(issued, starts) > now + LEEWAY_SECONDS:
        raise Unauthenticated
    if expires - issued > MAX_LIFETIME_SECONDS:
        raise Unauthenticated
    return expires + LEEWAY_SECONDS


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Unauthenticated
    return float(value)


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not 1 <= len(value) <= 512 or not value.isprintable():
        raise Unauthenticated
    return value


def _principal(claims: Mapping[str, Any], issuer: Issuer) -> Principal:
    audience = claims.get("aud")
    if issuer.audience not in ([audience] if isinstance(audience, str) else audience or []):
        raise Unauthenticated
    if not _ID_TOKEN_CLAIMS.isdisjoint(claims) or claims.get("token_use", "access") != "access":
        raise Unauthenticated
    if claims.get("typ", "Bearer") not in _KEYCLOAK_KINDS:
        raise Unauthenticated
    tenant, subject = _text(claims, issuer.tenant_claim), _text(claims, "sub")
    roles = claims.get(issuer.roles_claim, [])
    if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
        raise Unauthenticated
    foreign = issuer.tenants is not None and tenant not in issuer.tenants
    if foreign or (SUPER_ADMIN in roles and not issuer.may_name_super_admins):
        _log.warning("a token claims more than its issuer may say", extra={"issuer": issuer.name, "subject": subject})
        raise Unauthenticated from Overclaimed(Principal("user", subject, issuer.name, PLATFORM_TENANT))
    proved_at = _number(claims["auth_time"]) if "auth_time" in claims else 0.0
    known = frozenset(roles) & frozenset(ROLES)
    return Principal("user", subject, issuer.name, tenant, known, proved_at=proved_at)


def own_issuer(key: SharedKey, *, name: str = OWN_ISSUER, audience: str = OWN_AUDIENCE) -> Issuer:
    """The issuer behind `mint`: built-in accounts and development tokens."""
    return Issuer(
        name=name,
        keys=key,
        algorithms=("HS256",),
        audience=audience,
        tenants=None,
        may_name_super_admins=True,
    )


class Claims(TypedDict, total=False):
    """The keywords of `mint`."""

    tenant_id: Required[str]
    subject: Required[str]
    roles: Required[Sequence[str]]
    seconds: int
    issuer: str
    audience: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a minted token says. Raises ValueError for an unknown role or a lifetime over 24 hours."""

    tenant_id: str
    subject: str
    roles: Sequence[str]
    seconds: int = 8 * 3600
    issuer: str = OWN_ISSUER
    audience: str = OWN_AUDIENCE

    def __post_init__(self) -> None:
        unknown = set(self.roles) - set(ROLES)
        if unknown:
            raise ValueError(f"unknown roles: {', '.join(sorted(unknown))}; there are {', '.join(ROLES)}")
        if not 0 < self.seconds <= MAX_LIFETIME_SECONDS:
            raise ValueError("a token lives between one second and 24 hours")


def mint(key: SharedKey, *, clock: Clock, **claims: Unpack[Claims]) -> Secret:
    """A token of our own issuer; the keywords are those of `Grant`. Raises ValueError as it does."""
    grant = Grant(**claims)
    now = int(clock.now().timestamp())
    said = {
        "iss": grant.issuer,
        "aud": grant.audience,
        "sub": grant.subject,
        "tenantId": grant.tenant_id,
        "roles": list(grant.roles),
        "iat": now,
        "exp": now + grant.seconds,
        "jti": ids.token(96),
    }
    return Secret(key.sign(said))
