"""Verification keys of a foreign issuer, fetched by its JWKS address (security.md JT-04).

Fresh for ten minutes; an unknown key id asks again at most once a minute; keys serve for a day while the issuer is
down. Only public signature keys of the known types are taken, whatever else the document holds.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import urlsplit

from joserfc import jwk
from joserfc.errors import JoseError

from isthmus.client import NEVER, AddressGuard, ApiClient, ClientError
from isthmus.http.addresses import is_loopback
from isthmus.http.errors import CannotStart
from isthmus.http.tokens import Key, fits
from isthmus.kit.clock import Clock
from isthmus.kit.errors import Unavailable

FRESH_SECONDS = 600.0
RETRY_SECONDS = 60.0
STALE_SECONDS = 24 * 3600.0
MAX_BYTES = 256 * 1024
MAX_KEYS = 100
_MIN_RSA_BITS = 2048
_DEADLINE_SECONDS = 5.0

#: Answers the document at a JWKS address.
Fetch = Callable[[], Awaitable[object]]

_log = logging.getLogger("isthmus.http.auth")


def fetcher(url: str, guard: Callable[[], AddressGuard] | None = None) -> Fetch:
    """Fetches this address with a deadline and a cap. Raises CannotStart unless it is https, or http on loopback.

    guard: makes what judges the addresses; without one an operator has named the host, so it may be an internal one.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if not (parts.scheme == "https" and host) and not (parts.scheme == "http" and is_loopback(host)):
        raise CannotStart("auth.jwks_url: a JWKS address starts with https://, or with http:// on this machine.")

    async def fetch() -> object:
        # redirects may not lead elsewhere
        judge = AddressGuard(allow=(host,)) if guard is None else guard()
        async with ApiClient(guard=judge, retry=NEVER, breaker=None, redirects=0, max_body=MAX_BYTES) as client:
            return (await client.get(url, deadline=_DEADLINE_SECONDS)).body

    return fetch


class JwksKeys:
    """The keys of one issuer."""

    def __init__(self, fetch: Fetch, clock: Clock) -> None:
        self._fetch = fetch
        self._clock = clock
        self._keys: list[tuple[str | None, str | None, Key]] = []
        self._loaded_at: float | None = None
        self._asked_at: float | None = None
        self._asking = asyncio.Lock()
        self._background: asyncio.Task[None] | None = None

    @classmethod
    def at(cls, url: str, clock: Clock) -> "JwksKeys":
        """The keys at this address. Raises CannotStart unless it is https, or http on loopback."""
        return cls(fetcher(url), clock)

    async def key(self, kid: str | None, algorithm: str, /) -> Key | None:
        """The key for a token. Raises Unavailable when there are no keys and the issuer cannot be reached."""
        age = self._age()
        if age is None or age > STALE_SECONDS:
            await self._ask()
        elif age > FRESH_SECONDS and (self._background is None or self._background.done()):
            self._background = asyncio.create_task(self._ask())
        found = self._find(kid, algorithm)
        if found is None and self._keys:
            await self._ask()
            found = self._find(kid, algorithm)
        age = self._age()
        if age is None or age > STALE_SECONDS:
            raise Unavailable(
                "The issuer of this token cannot be reached to verify it; try again shortly.", retry_after=60
            )
        return found

    def _age(self) -> float | None:
        return None if self._loaded_at is None else self._clock.monotonic() - self._loaded_at

    def _find(self, kid: str | None, algorithm: str) -> Key | None:
        fitting = [
            (name, key) for name, meant, key in self._keys if meant in {None, algorithm} and fits(key, algorithm)
        ]
        if kid is None:
            return fitting[0][1] if len(fitting) == 1 else None
        return next((key for name, key in fitting if name == kid), None)

    async def _ask(self) -> None:
        asked_at = self._asked_at
        async with self._asking:
            now = self._clock.monotonic()
            if self._asked_at is not None and (self._asked_at != asked_at or now - self._asked_at < RETRY_SECONDS):
                return
            self._asked_at = now
            try:
                document = await self._fetch()
            except ClientError as failure:
                _log.warning("the keys of an issuer cannot be fetched", extra={"cause": type(failure).__name__})
                return
            keys = read_keys(document)
            if keys:
                self._keys, self._loaded_at = keys, now
            else:
                _log.warning("an issuer's key document holds no usable key")


def read_keys(document: object) -> list[tuple[str | None, str | None, Key]]:
    """The usable keys of a JWKS: id, algorithm if it names one, key."""
    listed = document.get("keys") if isinstance(document, Mapping) else None
    if not isinstance(listed, list):
        return []
    found: dict[str | None, tuple[str | None, str | None, Key]] = {}
    for entry in listed[:MAX_KEYS]:
        if isinstance(entry, Mapping):
            read = _read(entry)
            if read is not None and (read[0] is None or read[0] not in found):
                found[read[0] or f"\0{len(found)}"] = read
    return list(found.values())


def _read(entry: Mapping[str, object]) -> tuple[str | None, str | None, Key] | None:
    kid, meant = entry.get("kid"), entry.get("alg")
    kinds: dict[object, type[jwk.RSAKey] | type[jwk.ECKey] | type[jwk.OKPKey]] = {
        "RSA": jwk.RSAKey,
        "EC": jwk.ECKey,
        "OKP": jwk.OKPKey,
    }
    kind = kinds.get(entry.get("kty"))
    operations = entry.get("key_ops", ["verify"])
    wrong = (
        kind is None
        or (kind is jwk.RSAKey and len(str(entry.get("n", ""))) * 6 < _MIN_RSA_BITS)
        or entry.get("use", "sig") != "sig"
        or not isinstance(operations, list)
        or "verify" not in operations
        or not (kid is None or (isinstance(kid, str) and 1 <= len(kid) <= 128))
        or not (meant is None or isinstance(meant, str))
    )
    if wrong or kind is None:
        return None
    public = {name: value for name, value in entry.items() if name in {"kty", "crv", "n", "e", "x", "y"}}
    try:
        key = kind.import_key({name: str(value) for name, value in public.items()})
    except (JoseError, ValueError, KeyError, TypeError):
        return None
    return kid if isinstance(kid, str) else None, meant if isinstance(meant, str) else None, key
