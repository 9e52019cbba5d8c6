"""Where a browser may be sent after a consent: only to an origin on the list, with nothing added but our answer.

Vectors: security.md OA-11. One strict reader instead of a general URL parser: those disagree with browsers about
backslashes, user-info, control characters and missing slashes, and each disagreement is an open redirect.
"""

import re
from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl, urlencode

MAX_LENGTH = 2048
#: Names that only our answer may carry.
OURS = frozenset({"status", "connectionId", "ticket", "error"})

_ORIGIN = r"(?P<scheme>https?)://(?P<host>[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*|\[[0-9a-f:]{2,45}\])(?::(?P<port>[1-9][0-9]{0,4}))?"
_URL = re.compile(_ORIGIN + r"(?P<path>/[!-~]*)?", re.IGNORECASE | re.ASCII)
_REST = re.compile(r"[^\\#<>\"`^{}|]*")
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
_DEFAULT_PORTS = {"http": "80", "https": "443"}


def origin_of(url: str) -> str:
    """The origin of an address, normalised: scheme, host and a port that is not the default one.

    Raises ValueError for anything but a plain `https` address, or a plain `http` one on loopback.
    """
    found = _URL.fullmatch(url) if len(url) <= MAX_LENGTH else None
    if found is None or not _REST.fullmatch(found["path"] or ""):
        raise ValueError("not a plain https address")
    scheme, host, port = found["scheme"].lower(), found["host"].lower(), found["port"]
    if port and int(port) > 65535:
        raise ValueError("no such port")
    if scheme == "http" and host not in _LOOPBACK:
        raise ValueError("http is for loopback addresses only")
    return f"{scheme}://{host}" + ("" if not port or port == _DEFAULT_PORTS[scheme] else f":{port}")


def origin_of_or_none(url: str) -> str | None:
    """The same; None for anything else."""
    try:
        return origin_of(url)
    except ValueError:
        return None


def check(url: str, allowed: Iterable[str]) -> str:
    """The address itself, when its origin is one of `allowed`. Raises ValueError saying what is wrong."""
    origin = origin_of(url)
    if origin not in frozenset(allowed):
        raise ValueError("its origin is not on the list of allowed return addresses")
    query = url.partition("?")[2]
    if OURS & {name for name, _ in parse_qsl(query, keep_blank_values=True)}:
        raise ValueError(f"it may not carry {', '.join(sorted(OURS))} itself")
    return url


def answer(url: str, fields: Mapping[str, str]) -> str:
    """The address with our answer added. Raises ValueError for a field that is not ours to add."""
    if not OURS.issuperset(fields):
        raise ValueError(f"only {', '.join(sorted(OURS))} may be added")
    return f"{url}{'&' if '?' in url else '?'}{urlencode(fields)}"
