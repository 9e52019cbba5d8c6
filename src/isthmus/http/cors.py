"""Cross-origin answers for a whitelist of exact origins; others get no header at all and are counted (HE-08, HE-12)."""

import re
from collections.abc import Iterable

from isthmus.http.errors import CannotStart

_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(?::[0-9]{1,5})?|https?://\[[0-9a-f:.]+\](?::[0-9]{1,5})?")
_EXPOSED = (
    b"X-Request-Id, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, Retry-After, Location, ETag, "
    b"Deprecation, Sunset"
)
_METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE"
_HEADERS = b"Authorization, Content-Type, Idempotency-Key, If-Match, Last-Event-ID, X-API-Key, X-Request-Id"
#: Where a token in the body, bound to one origin, is all that opens: no cookie or header of the browser does.
_SELF_BOUND = "/api/connect/"

Header = tuple[bytes, bytes]


class Cors:
    """The whitelist."""

    def __init__(self, origins: Iterable[str]) -> None:
        for origin in origins:
            if not _ORIGIN.fullmatch(origin):
                raise CannotStart(
                    f"http.cors_origins: {origin!r} is not an exact origin such as https://app.example.com."
                )
        self._allowed = {origin.encode(): [(b"access-control-allow-origin", origin.encode())] for origin in origins}
        self.refused = 0

    def answer(self, origin: bytes | None, path: str = "") -> list[Header]:
        """The headers for an answer to this origin."""
        if origin is None:
            return []
        found = self._found(origin, path)
        if found is None:
            self.refused += 1
            return []
        return [*found, (b"access-control-expose-headers", _EXPOSED)]

    def preflight(self, origin: bytes | None, path: str = "", *, embedded: bool = False) -> list[Header]:
        """The headers for an OPTIONS request; the same whether or not the address exists.

        embedded: a publishable key says which pages may call this; it comes with the call only.
        """
        found = self._found(origin or b"", path, embedded)
        if found is None:
            self.refused += origin is not None
            return []
        return [
            *found,
            (b"access-control-allow-methods", _METHODS),
            (b"access-control-allow-headers", _HEADERS),
            (b"access-control-max-age", b"600"),
        ]

    def _found(self, origin: bytes, path: str, embedded: bool = False) -> list[Header] | None:
        bound = embedded or path.startswith(_SELF_BOUND)
        if bound and origin and origin.isascii() and _ORIGIN.fullmatch(origin.decode()):
            return [(b"access-control-allow-origin", origin)]
        return self._allowed.get(origin)


def for_page(origin: bytes) -> list[Header]:
    """The headers for an answer to a page whose origin the credentials name."""
    return [(b"access-control-allow-origin", origin), (b"access-control-expose-headers", _EXPOSED)]


def read_origins(origins: Iterable[str]) -> frozenset[str] | None:
    """The origins, each exact as a browser sends it; None when one is not."""
    kept = frozenset(origins)
    return kept if all(_ORIGIN.fullmatch(one) for one in kept) else None
