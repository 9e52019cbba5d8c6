"""RFC 9111 as pure functions: what may be stored, for how long it is fresh, and how stale it may be served."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

import msgspec

from isthmus.client.message import Response

_STORABLE = frozenset({200, 203, 204, 300, 301, 404, 410})
_DAY = 86_400.0


class Entry(msgspec.Struct, frozen=True):
    """A stored reply; times are seconds since the epoch, with every window already worked out."""

    status: int
    headers: list[tuple[str, str]]
    content: bytes
    vary: list[tuple[str, str]]
    tags: list[str]
    born: float
    fresh_until: float
    #: Served stale while one background call revalidates, up to this time.
    revalidate_until: float
    #: Served stale when the far side fails, up to this time.
    error_until: float

    @property
    def size(self) -> int:
        """Bytes it holds, roughly."""
        return len(self.content) + 100 * len(self.headers) + 400


def directives(header: str) -> dict[str, str]:
    """`max-age=5, no-cache` as a mapping in lower case; the first of a repeated directive counts."""
    found: dict[str, str] = {}
    for part in header[:4096].split(","):
        name, _, value = part.strip().partition("=")
        if name:
            found.setdefault(name.lower(), value.strip().strip('"'))
    return found


def _seconds(said: Mapping[str, str], name: str) -> float | None:
    value = said.get(name)
    if value is None:
        return None
    # A delta that cannot be read counts as stale (RFC 9111 section 4.2.1).
    return min(float(value), 2**31) if value.isascii() and value.isdigit() else 0.0


def _date(headers: Mapping[str, str], name: str) -> datetime | None:
    value = headers.get(name)
    if not value:
        return None
    try:
        found = parsedate_to_datetime(value[:64])
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return found if found.tzinfo is not None else None


def lifetime(headers: Mapping[str, str], said: Mapping[str, str], default: float | None) -> float:
    """Seconds a reply is fresh from its birth (section 4.2.1); this is a private cache, so s-maxage is not for us."""
    explicit = _seconds(said, "max-age")
    if explicit is not None:
        return explicit
    date = _date(headers, "Date")
    if headers.get("Expires") is not None:
        expires = _date(headers, "Expires")
        return max(0.0, (expires - date).total_seconds()) if expires and date else 0.0
    if default is not None:
        return default
    modified = _date(headers, "Last-Modified")
    if modified is not None and date is not None:
        return min(max(0.0, (date - modified).total_seconds()) / 10, _DAY)
    return 0.0


def age(headers: Mapping[str, str], now: float, delay: float) -> float:
    """Seconds a reply was old when it came (section 4.2.3)."""
    value = headers.get("Age", "")
    stated = float(value) + delay if value.isascii() and value.isdigit() and len(value) < 10 else 0.0
    date = _date(headers, "Date")
    apparent = max(0.0, now - date.timestamp()) if date else 0.0
    # A clock that differs by a day says more about the clock than about the reply.
    return max(stated, apparent if apparent < _DAY else 0.0)


def storable(status: int, headers: Mapping[str, str], request_said: Mapping[str, str]) -> bool:
    """Whether a reply to a GET may be stored at all (section 3)."""
    said = directives(headers.get("Cache-Control", ""))
    if status not in _STORABLE or "no-store" in said or "no-store" in request_said:
        return False
    return headers.get("Vary", "").strip() != "*"


def entry(
    response: Response,
    *,
    asked: Mapping[str, str],
    now: float,
    delay: float,
    default_ttl: float | None,
    stale_if_error: float,
    tags: list[str],
) -> Entry:
    """The reply as it is stored."""
    headers = response.headers
    said = directives(headers.get("Cache-Control", ""))
    born = now - age(headers, now, delay)
    fresh = 0.0 if "no-cache" in said else lifetime(headers, said, default_ttl)
    fresh_until = born + fresh
    strict = "must-revalidate" in said or "no-cache" in said
    behind = 0.0 if strict else (_seconds(said, "stale-while-revalidate") or 0.0)
    error = _seconds(said, "stale-if-error")
    after_error = 0.0 if "must-revalidate" in said else (stale_if_error if error is None else error)
    names = [name.strip().lower() for name in headers.get("Vary", "").split(",") if name.strip()]
    return Entry(
        status=response.status,
        headers=[(str(name), value) for name, value in headers.items() if name.lower() not in _NOT_KEPT],
        content=response.content,
        vary=[(name, asked.get(name, "")) for name in names],
        tags=tags,
        born=born,
        fresh_until=fresh_until,
        revalidate_until=fresh_until + behind,
        error_until=fresh_until + after_error,
    )


_NOT_KEPT = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "content-encoding", "content-length", "set-cookie"}
)


def matches(stored: Entry, asked: Mapping[str, str]) -> bool:
    """Whether the stored reply was chosen by the same headers (section 4.1)."""
    return all(asked.get(name, "") == value for name, value in stored.vary)


def validators(stored: Entry) -> dict[str, str]:
    """The headers that ask whether a stored reply still holds (section 4.3.1)."""
    found: dict[str, str] = {}
    for name, value in stored.headers:
        lowered = name.lower()
        if lowered == "etag":
            found["If-None-Match"] = value
        elif lowered == "last-modified":
            found["If-Modified-Since"] = value
    return found


def refreshed(stored: Entry, headers: Mapping[str, str]) -> dict[str, str]:
    """The headers after a 304 (section 3.2)."""
    merged = {name.lower(): (name, value) for name, value in stored.headers}
    for name, value in headers.items():
        if name.lower() not in _NOT_KEPT:
            merged[name.lower()] = (name, value)
    return dict(merged.values())
