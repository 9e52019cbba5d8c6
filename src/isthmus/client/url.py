"""One URL parser from the check to the dial (security.md SS-03, SS-04): what it cannot read plainly, it refuses."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from urllib.parse import parse_qsl, quote

import idna

from isthmus.client.errors import InvalidRequest

Scalar = str | int | float | bool | Decimal | datetime | date
Query = Mapping[str, Scalar | Iterable[Scalar] | None] | Iterable[tuple[str, Scalar | None]]

_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_MAX_LENGTH = 16_384
_PLAIN_PATH = re.compile(r"/[A-Za-z0-9._~!$&'()*+,;=:@/-]*", re.ASCII)
_UNSAFE = re.compile(r"[\x00-\x20\x7f\\]")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
_NUMERIC = re.compile(r"(?:[0-9]+|0[xX][0-9a-fA-F]*)", re.ASCII)
_PATH_SAFE = "/%:@!$&'()*+,;=~-._"
_QUERY_SAFE = _PATH_SAFE + "?"


@dataclass(frozen=True, slots=True)
class Url:
    """An absolute http(s) or ws(s) URL; `path` and `query` are percent-encoded, there is no fragment."""

    scheme: str
    host: str
    port: int
    path: str
    query: str = ""
    #: Scheme, host and port as text; what a credential belongs to.
    origin: str = ""

    def __str__(self) -> str:
        return f"{self.origin}{self.path}?{self.query}" if self.query else self.origin + self.path

    @property
    def authority(self) -> str:
        """Host and, unless it is the scheme's own, port: the value of the Host header."""
        return self.origin.split("://", 1)[1]

    def with_query(self, query: str) -> Url:
        """The same place with another encoded query."""
        return Url(self.scheme, self.host, self.port, self.path, query, self.origin)

    def pairs(self) -> list[tuple[str, str]]:
        """The query, decoded, in its order."""
        return parse_qsl(self.query, keep_blank_values=True)


@lru_cache(maxsize=2048)
def parse(text: str) -> Url:
    """Read an absolute URL.

    Raises InvalidRequest for user-info, backslashes, controls, spaces, empty hosts or labels, port 0, names
    outside IDNA 2008 and every spelling of an IPv4 address but the dotted quad.
    """
    if len(text) > _MAX_LENGTH:
        raise InvalidRequest("the URL is too long")
    if _UNSAFE.search(text):
        raise InvalidRequest("the URL holds a space, a control character or a backslash")
    scheme, separator, rest = text.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in _PORTS:
        raise InvalidRequest("the URL needs a scheme: http or https")
    rest = rest.partition("#")[0]
    cut = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=len(rest))
    authority, tail = rest[:cut], rest[cut:]
    if "@" in authority:
        raise InvalidRequest("the URL must not hold user names or passwords")
    host, port = _host_and_port(authority, _PORTS[scheme])
    path, _, query = tail.partition("?")
    shown = f"[{host}]" if ":" in host else host
    origin = f"{scheme}://{shown}" + ("" if port == _PORTS[scheme] else f":{port}")
    return Url(scheme, host, port, clean_path(path or "/"), _escaped(query, _QUERY_SAFE), origin)


def _host_and_port(authority: str, default: int) -> tuple[str, int]:
    if authority.startswith("["):
        host, bracket, rest = authority[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise InvalidRequest("the host is not valid")
        try:
            host = ipaddress.IPv6Address(host).compressed
        except ValueError:
            raise InvalidRequest("the host is not a valid IPv6 address") from None
        if "%" in host:
            raise InvalidRequest("an address with a zone is not allowed")
        port = rest[1:]
        has_port = bool(rest)
    else:
        name, colon, port = authority.partition(":")
        host, has_port = clean_host(name), bool(colon)
    if not has_port:
        return host, default
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536):
        raise InvalidRequest("the port is not valid")
    return host, int(port)


def clean_host(name: str) -> str:
    """The name in its wire form: lower case, IDNA 2008, without the trailing dot. Raises InvalidRequest."""
    host = name.lower()
    if not host.isascii():
        try:
            host = idna.encode(host).decode("ascii")
        except idna.IDNAError:
            raise InvalidRequest("the host name is not valid") from None
    host = host.removesuffix(".")
    labels = host.split(".")
    if not host or len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise InvalidRequest("the host name is not valid")
    if _NUMERIC.fullmatch(labels[-1]):
        try:
            host = str(ipaddress.IPv4Address(host))
        except ValueError:
            raise InvalidRequest("the host is not a plain IPv4 address") from None
    return host


def clean_path(path: str) -> str:
    """The path percent-encoded where needed. Raises InvalidRequest for controls and for dot segments."""
    if "/." in path:
        segments = path.split("/")
        if "." in segments or ".." in segments:
            raise InvalidRequest("the path holds a dot segment")
    if _PLAIN_PATH.fullmatch(path):
        return path
    if any(ord(letter) < 32 or letter in "\x7f\\" for letter in path):
        raise InvalidRequest("the path holds a control character or a backslash")
    lowered = path.lower()
    if "%2e" in lowered and any(part.replace("%2e", ".") in {".", ".."} for part in lowered.split("/")):
        raise InvalidRequest("the path holds a dot segment")
    return _escaped(path, _PATH_SAFE)


@lru_cache(maxsize=2048)
def join(base: Url | None, target: str) -> Url:
    """`target` as it is if absolute, else its path put behind the base's path. Raises InvalidRequest."""
    if "://" in target[:12]:
        return parse(target)
    if base is None:
        raise InvalidRequest("a relative URL needs a base URL")
    path, _, query = target.partition("#")[0].partition("?")
    if not path:
        whole = base.path
    elif path.startswith("//"):
        raise InvalidRequest("a path begins with one slash")
    else:
        whole = clean_path(base.path.rstrip("/") + (path if path.startswith("/") else "/" + path))
    return Url(base.scheme, base.host, base.port, whole, _escaped(query, _QUERY_SAFE), base.origin)


def resolve(base: Url, reference: str) -> Url:
    """A redirect or a link seen from `base` (RFC 3986 section 5, without dot segments). Raises InvalidRequest."""
    if "://" in reference[:12]:
        return parse(reference)
    if reference.startswith("//"):
        return parse(f"{base.scheme}:{reference}")
    if reference.startswith("/"):
        return parse(base.origin + reference)
    if reference.startswith("?"):
        return parse(base.origin + base.path + reference)
    return parse(base.origin + base.path.rsplit("/", 1)[0] + "/" + reference.removeprefix("./"))


def add_query(url: Url, query: Query) -> Url:
    """The URL with more parameters behind those it has; None values are left out, lists are repeated."""
    encoded = encode(query)
    if not encoded:
        return url
    return url.with_query(f"{url.query}&{encoded}" if url.query else encoded)


def encode(query: Query) -> str:
    """`a=1&b=x%20y`, with spaces as %20 so that a signature over it has one reading."""
    pairs = query.items() if isinstance(query, Mapping) else query
    parts: list[str] = []
    for name, value in pairs:
        if value is None:
            continue
        if isinstance(value, str | int | float | Decimal | date):
            parts.append(f"{_quoted(name)}={_quoted(text_of(value))}")
        else:
            parts.extend(f"{_quoted(name)}={_quoted(text_of(one))}" for one in value)
    return "&".join(parts)


def _quoted(text: str) -> str:
    return text if text.isalnum() and text.isascii() else _escaped(text, "-._~")


def _escaped(text: str, safe: str) -> str:
    try:
        return quote(text, safe=safe)
    except UnicodeEncodeError:
        raise InvalidRequest("the URL holds half a character") from None


def text_of(value: Scalar) -> str:
    """A parameter as text: booleans as true and false, times in ISO 8601."""
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, date):
        return value.isoformat()
    return str(value)
