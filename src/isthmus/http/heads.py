"""Reads a plain request that has come at once, in one look instead of a parser's dozen calls.

It knows less than the parser below, on purpose: what is not exactly of the one form that nearly every sender writes
(no space, no control character, no line out of place, each field once, a length that is that of the bytes that came;
for a GET none, and no bytes) is nothing here, and the parser judges it. So both never read the same bytes differently
(security.md HE-01).
"""

import re
from typing import NamedTuple

#: Characters of a head, its line breaks among them.
_PLAIN = bytes([0x0A, 0x0D, *range(0x20, 0x7F)])
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}", re.ASCII)
_BEGINS, _ENDS = "POST /", " HTTP/1.1"
_ASKS = re.compile(rb"GET (/[A-Za-z0-9._~/-]*)(?:\?([A-Za-z0-9._~%=&+:,@!$'()*;/?-]*))? HTTP/1\.1")
_LONGEST_LENGTH = 9
#: The longest request whose fields are kept for the next one of its connection: there may be many connections.
_REMEMBERED = 4_096
_MOST_NAMES = 1_024
_KEPT_OPEN = "keep-alive"
#: Fields that change what the body is, or what is answered before it.
_LEFT = frozenset({"transfer-encoding", "upgrade", "expect"})

#: Names as they are written, and in small letters.
_names: dict[str, str] = {}


class Asked(NamedTuple):
    """The head of a request, as an application needs it."""

    method: str
    path: bytes
    query: bytes
    headers: list[tuple[bytes, bytes]]
    version: str = "1.1"
    keep_alive: bool = True
    #: Whether the caller waits for a word before it sends its body.
    expecting: bool = False


def whole(data: bytes, most_bytes: int, most_fields: int) -> tuple[str, dict[str, str], bytes] | None:
    """The target, the fields by their names in small letters, and the body of a POST; None for what the parser has
    to read.

    data: all that has come since the end of the request before.
    """
    found = _parted(data, most_bytes, most_fields)
    if found is None:
        return None
    line, headers, body = found
    length = headers.get("content-length", "")
    if not length.isdecimal() or len(length) > _LONGEST_LENGTH or int(length) != len(body):
        return None
    if not line.startswith(_BEGINS) or not line.endswith(_ENDS):
        return None
    target = line[5 : -len(_ENDS)]
    return None if " " in target else (target, headers, body)


def asked(data: bytes, most_bytes: int, most_fields: int) -> Asked | None:
    """A GET of a plain address, without a body; None for what the parser has to read."""
    found = _parted(data, most_bytes, most_fields)
    if found is None:
        return None
    line, headers, body = found
    target = _ASKS.fullmatch(line.encode())
    if target is None or body or "content-length" in headers or "host" not in headers:
        return None
    path, query = target.groups(b"")
    return Asked("GET", path, query, [(name.encode(), text.encode()) for name, text in headers.items()])


class Asking:
    """Reads the GETs of one connection. Whoever asks again mostly sends the same fields: those are not read twice."""

    __slots__ = ("_behind", "_headers", "_most_bytes", "_most_fields")

    def __init__(self, most_bytes: int, most_fields: int) -> None:
        self._most_bytes = most_bytes
        self._most_fields = most_fields
        #: All behind the first line of the request before, and its fields.
        self._behind = b""
        self._headers: list[tuple[bytes, bytes]] = []

    def read(self, data: bytes) -> Asked | None:
        """What `asked` answers."""
        end = data.find(b"\r\n")
        if not self._behind or data[end:] != self._behind or len(data) > self._most_bytes:
            return self._read_anew(data, end)
        target = _ASKS.fullmatch(data, 0, end)
        if target is None:
            return None
        path, query = target.groups(b"")
        return Asked("GET", path, query, self._headers)

    def _read_anew(self, data: bytes, end: int) -> Asked | None:
        found = asked(data, self._most_bytes, self._most_fields)
        if found is not None and len(data) <= _REMEMBERED:
            self._behind, self._headers = data[end:], found.headers
        return found


def _parted(data: bytes, most_bytes: int, most_fields: int) -> tuple[str, dict[str, str], bytes] | None:
    """The first line, the fields, and what follows the head; None where anything is unusual."""
    end = data.find(b"\r\n\r\n", 0, most_bytes)
    head = data[:end]
    if end < 0 or head.translate(None, _PLAIN) or b":  " in head or data.find(b" \r\n", 0, end + 2) >= 0:
        return None
    line, *lines = head.decode("ascii").split("\r\n")
    headers = _fields(lines)
    broken = head.count(b"\r") != len(lines) or head.count(b"\n") != len(lines)
    if broken or len(headers) != len(lines) or len(lines) > most_fields:
        return None
    if not _LEFT.isdisjoint(headers) or headers.get("connection", _KEPT_OPEN).lower() != _KEPT_OPEN:
        return None
    return line, headers, data[end + 4 :]


def _fields(lines: list[str]) -> dict[str, str]:
    """Fewer than there are lines where one is no field or comes again."""
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        known = _names.get(name)
        if known is None:
            known = _known(name)
        if known and value:
            headers[known] = value
    return headers


def _known(name: str) -> str:
    """A name in small letters, remembered: senders write few of them, again and again.

    What is no name is not remembered: it may be as long as a head, and strangers write it.
    """
    if not _TOKEN.fullmatch(name):
        return ""
    small = name.lower()
    if len(_names) < _MOST_NAMES:
        _names[name] = small
    return small
