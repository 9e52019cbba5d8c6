"""The session that a browser keeps for our own pages, and whose page a request comes from (security.md SE-06 to SE-08).

The browser sends the cookie whoever makes it ask. So the cookie counts only for requests that our own pages make: a
browser says so in `Sec-Fetch-Site`, which no page can set, or at least in `Origin`.
"""

from collections.abc import Mapping

from isthmus.http.errors import CrossSite
from isthmus.kit.errors import Unauthenticated
from isthmus.kit.secret import Secret

#: Browsers take the prefix only from a secure origin, for this host alone and all its paths.
SESSION_COOKIE = "__Host-isthmus_session"
_SAFE = frozenset({"GET", "HEAD"})
_NAMED = SESSION_COOKIE.encode() + b"="
_LOOPBACK = (b"localhost", b"127.0.0.1", b"[::1]")


def session_cookie(headers: Mapping[bytes, bytes]) -> bytes | None:
    """The session's token in the request's cookies. Raises Unauthenticated when it stands there twice."""
    parts = [part.strip() for part in headers.get(b"cookie", b"").split(b";")]
    found = [part[len(_NAMED) :] for part in parts if part.startswith(_NAMED)]
    if len(found) > 1:
        raise Unauthenticated
    return found[0] if found and found[0] else None


def is_own_page(method: str, headers: Mapping[bytes, bytes]) -> bool:
    """Whether a page of this very server asks. What says nothing of its page may only look (SE-07)."""
    site, origin = headers.get(b"sec-fetch-site"), headers.get(b"origin")
    if site is not None:
        return site == b"same-origin" or (site == b"none" and method in _SAFE)
    if origin is not None:
        return origin in _own_origins(headers.get(b"host", b""))
    return method in _SAFE


def check_own_page(method: str, headers: Mapping[bytes, bytes]) -> None:
    """Raise CrossSite unless a page of this server asks; for what begins a session (SE-08)."""
    if not is_own_page(method, headers):
        raise CrossSite


def check_cookie_counts(method: str, headers: Mapping[bytes, bytes]) -> None:
    """Raise CrossSite for a change that another page asks for, Unauthenticated where it only looks: nobody is there."""
    if not is_own_page(method, headers):
        raise Unauthenticated if method in _SAFE else CrossSite


def session_header(shown: Secret | None, seconds: int | None = None) -> str:
    """The `Set-Cookie` value that begins a session, or without a token ends it; without seconds the browser keeps it
    until it is closed, and the session's own end counts.
    """
    text = "" if shown is None else shown.reveal()
    age = 0 if shown is None else seconds
    kept = "" if age is None else f"; Max-Age={age}"
    return f"{SESSION_COOKIE}={text}; Path=/{kept}; Secure; HttpOnly; SameSite=Lax"


def _own_origins(host: bytes) -> tuple[bytes, ...]:
    name = host.rpartition(b":")[0] if host.rpartition(b":")[2].isdigit() else host
    plain = (b"http://" + host,) if name in _LOOPBACK else ()
    return (b"https://" + host, *plain) if host else ()
