"""A login by OpenID Connect: what belongs to one browser's attempt, and the address that it begins with (OA-19; pure).

The browser keeps one random value; what proves that an answer belongs to it is derived from that, so that nothing of
it is kept here but digests.
"""

import base64
import hashlib
import hmac
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode, urlsplit

from isthmus.kit.errors import Invalid
from isthmus.kit.secret import Secret

#: Most logins of one member that may be on their way to being added (security.md OA-20).
MAX_LINKS = 20
_LONGEST_PATH = 500
_COOKIE = "__Host-isthmus_login_"
_COOKIE_LETTERS = 16
_IDENTITY, _IDENTITY_LETTERS = "lgn_", 32


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where an issuer takes logins, and whether it says in each answer who it is (RFC 9207)."""

    authorize: str
    exchange: str
    jwks: str
    names_itself: bool = False


@dataclass(frozen=True, slots=True)
class Attempt:
    """One browser's attempt: the state that comes back, and the value that the browser keeps."""

    state: Secret
    kept: Secret

    @property
    def nonce(self) -> str:
        """What the ID token has to repeat."""
        return self._derived(b"nonce")

    @property
    def verifier(self) -> Secret:
        """The PKCE verifier (RFC 7636)."""
        return Secret(self._derived(b"verifier"))

    @property
    def cookie(self) -> str:
        """The cookie's name: each attempt has its own, so that two tabs do not disturb each other."""
        return _COOKIE + digest(self.state).hex()[:_COOKIE_LETTERS]

    @property
    def digests(self) -> tuple[bytes, bytes]:
        """What is kept of it."""
        return digest(self.state), digest(self.kept)

    def address(self, endpoints: Endpoints, client_id: str, redirect: str, *, fresh: bool) -> Secret:
        """Where the browser goes; `fresh` asks the issuer for a new proof of who it is."""
        challenge = hashlib.sha256(self.verifier.reveal().encode()).digest()
        asked = {
            "response_type": "code",
            "client_id": client_id,
            "redirect_uri": redirect,
            "scope": "openid",
            "state": self.state.reveal(),
            "nonce": self.nonce,
            "code_challenge": _text(challenge),
            "code_challenge_method": "S256",
            **({"max_age": "0", "prompt": "login"} if fresh else {}),
        }
        sign = "&" if urlsplit(endpoints.authorize).query else "?"
        return Secret(f"{endpoints.authorize}{sign}{urlencode(asked)}")

    def _derived(self, what: bytes) -> str:
        return _text(hmac.digest(self.kept.reveal().encode(), what, "sha256"))


@dataclass(frozen=True, slots=True)
class Answer:
    """What an issuer's answer brings; None where it is not there."""

    state: str
    code: str | None
    issuer: str | None


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody's login at an issuer."""

    issuer: str
    subject: str
    linked_at: datetime

    @property
    def id(self) -> str:
        """Its id, which is made of what it is."""
        told = hashlib.sha256(f"{self.issuer}\0{self.subject}".encode()).hexdigest()
        return _IDENTITY + told[:_IDENTITY_LETTERS]


def can_go(one: Identity, every: Sequence[Identity], issuers: Collection[str], *, has_password: bool) -> bool:
    """Whether somebody still comes in without this login; those at issuers that are not offered open nothing."""
    return has_password or any(each.id != one.id and each.issuer in issuers for each in every)


def read_answer(query: Sequence[tuple[str, str]]) -> Answer | None:
    """The answer; None for one without a state, or with anything of it twice."""
    found: dict[str, str] = {}
    for name, value in query:
        if name in {"state", "code", "iss", "error"} and name in found:
            return None
        found[name] = value
    state, code = found.get("state"), found.get("code")
    return Answer(state, code if "error" not in found else None, found.get("iss")) if state else None


def read_path(given: str) -> str:
    """A page of this server to go to afterwards. Raises Invalid for what leads elsewhere."""
    plain = given.isascii() and given.isprintable() and "\\" not in given and " " not in given
    if not plain or not given.startswith("/") or given.startswith("//") or len(given) > _LONGEST_PATH:
        raise Invalid.field("returnTo", "A path of this server, such as /console.")
    return given


def read_discovery(document: object, issuer: str) -> Endpoints | None:
    """The endpoints of a discovery document (OpenID Connect Discovery 1.0, 4.3); None for another issuer's."""
    if not isinstance(document, Mapping) or document.get("issuer") != issuer:
        return None
    found = [document.get(name) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")]
    if not all(isinstance(one, str) and is_place(one) for one in found):
        return None
    names_itself = document.get("authorization_response_iss_parameter_supported") is True
    return Endpoints(str(found[0]), str(found[1]), str(found[2]), names_itself)


def is_place(address: str) -> bool:
    """Whether a secret may be sent there: https, or this machine."""
    try:
        parts = urlsplit(address)
        host = parts.hostname
    except ValueError:
        return False
    if parts.fragment or "@" in parts.netloc:
        return False
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and host in {"127.0.0.1", "::1"}))


def host_of(address: str) -> str:
    """The host of an address that was checked."""
    return urlsplit(address).hostname or ""


def digest(secret: Secret) -> bytes:
    """What is kept of a value of 256 random bits."""
    return hashlib.sha256(secret.reveal().encode()).digest()


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
