"""Who is calling: the `Authenticator` port, the credentials shown to it, and the cache before it (JT-10)."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from isthmus.http.browsers import session_cookie
from isthmus.kit.clock import Clock
from isthmus.kit.errors import Unauthenticated
from isthmus.kit.permissions import Principal

_MAX_CREDENTIAL = 8 * 1024
_CACHE_SECONDS = 3.0
_PREFIX = 16
_BOTH = "The request names its caller twice: send `Authorization` or `X-API-Key`, not both."


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """What the caller showed: a bearer token, an API key or a browser's session. Its repr hides the text."""

    kind: Literal["bearer", "key", "cookie"]
    text: str

    @property
    def prefix(self) -> str:
        """How keys and sessions begin, which tells one from another; nothing for tokens, which all begin alike."""
        return "" if "." in self.text else self.text[:_PREFIX]

    def __repr__(self) -> str:
        return f"Credentials({self.kind}, ***)"


@dataclass(frozen=True, slots=True)
class Verified:
    """A principal, and the wall-clock second (epoch) after which the credentials are void."""

    principal: Principal
    expires_at: float


class Authenticator(Protocol):
    """Tells who shows these credentials."""

    async def verify(self, credentials: Credentials) -> Verified | None:
        """The principal; None when another authenticator may know them. Raises Unauthenticated."""
        ...


def shown_credentials(headers: Mapping[bytes, bytes]) -> Credentials:
    """The credentials in a request's headers; a cookie counts only where no header names anybody.

    Raises Unauthenticated when there are none, or two kinds at once.
    """
    authorization, key = headers.get(b"authorization"), headers.get(b"x-api-key")
    if authorization is not None and key is not None:
        raise Unauthenticated(_BOTH)
    if key is not None:
        return Credentials("key", _text(key))
    if authorization is not None:
        return Credentials("bearer", _text(_bearer(authorization)))
    return Credentials("cookie", _text(session_cookie(headers)))


def _text(shown: bytes | None) -> str:
    if not shown or len(shown) > _MAX_CREDENTIAL or not shown.isascii():
        raise Unauthenticated
    return shown.decode("ascii")


def _bearer(header: bytes) -> bytes:
    scheme, _, token = header.partition(b" ")
    return token.strip() if scheme.lower() == b"bearer" else b""


class Doorkeeper:
    """Asks the authenticators in turn; remembers good answers for three seconds: a change counts within five."""

    def __init__(self, authenticators: Sequence[Authenticator], clock: Clock, *, capacity: int = 10_000) -> None:
        self._authenticators = tuple(authenticators)
        self._clock = clock
        self._capacity = capacity
        self._known: dict[bytes, tuple[Verified, float]] = {}

    def remembered(self, credentials: Credentials) -> Principal | None:
        """The principal of credentials that were verified moments ago."""
        digest = _digest(credentials)
        found = self._known.get(digest)
        if found is None:
            return None
        verified, until = found
        if self._clock.now().timestamp() >= verified.expires_at:
            del self._known[digest]
            return None
        return verified.principal if self._clock.monotonic() < until else None

    def has_met(self, credentials: Credentials) -> bool:
        """Whether these credentials were good when last seen: whoever shows them is not guessing."""
        return _digest(credentials) in self._known

    async def verify(self, credentials: Credentials) -> Principal:
        """Verify in full. Raises Unauthenticated, the same way whatever was wrong."""
        digest = _digest(credentials)
        try:
            verified = await self._ask(credentials)
        except Unauthenticated:
            self._known.pop(digest, None)
            raise
        self._remember(digest, verified)
        return verified.principal

    async def _ask(self, credentials: Credentials) -> Verified:
        for authenticator in self._authenticators:
            verified = await authenticator.verify(credentials)
            if verified is not None:
                return verified
        raise Unauthenticated

    def _remember(self, digest: bytes, verified: Verified) -> None:
        if digest not in self._known and len(self._known) >= self._capacity:
            del self._known[next(iter(self._known))]
        self._known[digest] = (verified, self._clock.monotonic() + _CACHE_SECONDS)


def _digest(credentials: Credentials) -> bytes:
    return hashlib.blake2b(credentials.text.encode(), digest_size=32, person=credentials.kind.encode()).digest()
