"""Bodies and queries from outside, read once and strictly (security.md PA-01, HE-03, HE-04)."""

import asyncio
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from isthmus.http.asgi import Message, Receive
from isthmus.http.errors import TooLarge, TooSlow, UnsupportedType
from isthmus.kit.errors import Invalid, Unauthenticated

MAX_DEPTH = 64
_LEAST_RATE = 1024.0
_QUERY_BYTES = 16 * 1024
_QUERY_PAIRS = 200
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_CREDENTIALS = frozenset({"access_token", "api_key", "apikey", "x-api-key", "authorization"})


class Gone(Exception):
    """The caller hung up before its request was complete."""


def declared_length(headers: Mapping[bytes, bytes]) -> int | None:
    """The Content-Length, if there is one. Raises Invalid for anything but digits."""
    text = headers.get(b"content-length")
    if text is None:
        return None
    if not text.isdigit() or len(text) > 15:
        raise Invalid("The Content-Length header is not a number.")
    return int(text)


def check_encoding(headers: Mapping[bytes, bytes]) -> None:
    """Compressed bodies are refused (HE-03)."""
    if headers.get(b"content-encoding", b"identity").strip().lower() != b"identity":
        raise UnsupportedType


def check_json_type(headers: Mapping[bytes, bytes]) -> None:
    """The content type must be JSON in UTF-8, to the letter (HE-04)."""
    kind, _, rest = headers.get(b"content-type", b"").partition(b";")
    charset = rest.strip().lower().replace(b'"', b"")
    if kind.strip().lower() != b"application/json" or charset not in {b"", b"charset=utf-8"}:
        raise UnsupportedType


class CappedBody:
    """A `receive` that counts bytes and time: at most `cap` bytes, and 1 KiB/s once `grace` seconds have passed."""

    def __init__(self, receive: Receive, cap: int, grace: float) -> None:
        self._receive = receive
        self._cap = cap
        self._grace = grace
        self._seen = 0
        self._started: float | None = None
        self.refusal: TooLarge | TooSlow | None = None

    async def __call__(self) -> Message:
        now = asyncio.get_running_loop().time()
        if self._started is None:
            self._started = now
        left = self._started + self._grace + self._seen / _LEAST_RATE - now
        try:
            async with asyncio.timeout(max(left, 0.0)):
                message = await self._receive()
        except TimeoutError:
            self.refusal = TooSlow()
            raise self.refusal from None
        self._seen += len(message.get("body", b""))
        if self._seen > self._cap:
            self.refusal = TooLarge(details={"limitBytes": self._cap})
            raise self.refusal
        return message

    async def read(self) -> bytes:
        """The whole body. Raises TooLarge, TooSlow, Gone."""
        chunks: list[bytes] = []
        while True:
            message = await self()
            if message["type"] == "http.disconnect":
                raise Gone
            chunks.append(message.get("body", b""))
            if not message.get("more_body", False):
                return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def parse_json(body: bytes) -> object:
    """The one JSON entry of the edge: strict UTF-8 and grammar, no NaN, at most 64 levels. Raises Invalid."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Invalid("The body is not valid JSON.") from None
    if b"\\u0000" in body and _NUL.search(body):
        raise Invalid("Texts must not hold the character U+0000.")
    if isinstance(value, dict | list) and _deeper_than(value, MAX_DEPTH):
        raise Invalid(f"The body is nested deeper than {MAX_DEPTH} levels.")
    return value


def _deeper_than(value: object, levels: int) -> bool:
    layer: list[object] = [value]
    for _ in range(levels):
        below: list[object] = []
        for item in layer:
            if isinstance(item, dict):
                below.extend(child for child in item.values() if isinstance(child, dict | list))
            elif isinstance(item, list):
                below.extend(child for child in item if isinstance(child, dict | list))
        if not below:
            return False
        layer = below
    return True


def parse_query(query: bytes) -> list[tuple[str, str]]:
    """The query's pairs. Raises Invalid."""
    if not query:
        return []
    if len(query) > _QUERY_BYTES or b"%00" in query:
        raise Invalid("The query is longer than 16 KiB or holds the character U+0000.")
    try:
        if b"%" not in query and b"+" not in query and query.count(b"&") < _QUERY_PAIRS:
            # nothing in it stands for something else
            parted = [part.partition("=") for part in query.decode("ascii").split("&") if part]
            return [(name, value) for name, _, value in parted]
        return parse_qsl(query.decode("ascii"), keep_blank_values=True, max_num_fields=_QUERY_PAIRS, errors="strict")
    except ValueError:
        raise Invalid("The query is not readable.") from None


def refuse_credentials(pairs: Sequence[tuple[str, str]]) -> None:
    """Raise Unauthenticated for credentials in the address (JT-12, AK-10)."""
    if any(name.lower() in _CREDENTIALS for name, _ in pairs):
        raise Unauthenticated("Credentials belong into a header (Authorization or X-API-Key), never into the URL.")


def query_faults(
    pairs: Sequence[tuple[str, str]], known: Collection[str], repeatable: Collection[str]
) -> list[dict[str, Any]]:
    """What is wrong with the names of a query: unknown ones and doubled ones (HE-04), as validation errors."""
    seen: set[str] = set()
    wrong: list[dict[str, Any]] = []
    for name, _ in pairs:
        if name not in known:
            wrong.append({"loc": ("query", name), "msg": "There is no such query parameter."})
        elif name in seen and name not in repeatable:
            wrong.append({"loc": ("query", name), "msg": "This parameter may be given only once."})
        seen.add(name)
    return wrong
