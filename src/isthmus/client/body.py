"""Bodies: how parameters become bytes, and how bytes from outside are unpacked under caps (security.md SS-10)."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from dataclasses import dataclass

from isthmus.client.errors import InvalidRequest, MalformedBody, TooLarge
from isthmus.client.url import Scalar

ACCEPT_ENCODING = "gzip, deflate"
_STEP = 65_536
_FREE = 65_536
_RATIO = 100


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a multipart form."""

    content: bytes
    filename: str = ""
    content_type: str = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Measured:
    """A streamed body that goes with its length told beforehand, in bytes, and not in chunks.

    Pieces that come to more or less end the call with InvalidRequest, and its connection: what was announced and what
    follows must agree, or the far side takes the next request for the rest of this one (RFC 9112 section 6.3).
    """

    pieces: AsyncIterable[bytes]
    length: int

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = self.length
        async for piece in self.pieces:
            left -= len(piece)
            if left < 0:
                raise InvalidRequest(f"the body is longer than the {self.length} bytes that were announced")
            yield piece
        if left:
            raise InvalidRequest(f"the body ends {left} bytes before the {self.length} that were announced")


def multipart(fields: Mapping[str, Scalar | bytes | Part], boundary: str) -> bytes:
    """A multipart/form-data body (RFC 7578)."""
    pieces: list[bytes] = []
    for name, value in fields.items():
        part = value if isinstance(value, Part) else None
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{_quoted(name)}"'
        if part is not None:
            if "\r" in part.content_type or "\n" in part.content_type:
                raise InvalidRequest("a content type must not hold a line break")
            head += f'; filename="{_quoted(part.filename or name)}"\r\nContent-Type: {part.content_type}'
        content = part.content if part else value if isinstance(value, bytes) else str(value).encode()
        pieces += [head.encode(), b"\r\n\r\n", content, b"\r\n"]
    pieces.append(f"--{boundary}--\r\n".encode())
    return b"".join(pieces)


def _quoted(text: str) -> str:
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


class Unpacker:
    """Undoes gzip or deflate in bounded steps; stops at `limit` bytes and at 100:1 past 64 KiB."""

    __slots__ = ("_encoding", "_fresh", "_in", "_inner", "_limit", "_out")

    def __init__(self, encoding: str, limit: int) -> None:
        if encoding not in {"gzip", "x-gzip", "deflate"}:
            raise MalformedBody(
                f"the reply is encoded in {encoding[:40]!r}, which was not asked for", reason="encoding"
            )
        self._encoding = encoding
        self._inner = zlib.decompressobj(31 if encoding != "deflate" else 15)
        self._limit = limit
        self._in = self._out = 0
        self._fresh = True

    def feed(self, data: bytes) -> list[bytes]:
        """The bytes that `data` unpacks to. Raises TooLarge and MalformedBody."""
        pieces: list[bytes] = []
        while True:
            before = len(data)
            piece, data = self._step(data)
            self._in += before - len(data)
            self._out += len(piece)
            self._check()
            if piece:
                pieces.append(piece)
            if not data and len(piece) < _STEP:
                return pieces

    def _step(self, data: bytes) -> tuple[bytes, bytes]:
        inner = self._inner
        if inner.eof:
            if self._encoding == "deflate" or not data.startswith(b"\x1f\x8b"):
                return b"", b""  # what follows the end is padding
            inner = self._inner = zlib.decompressobj(31)
        try:
            piece = inner.decompress(data, _STEP)
        except zlib.error as error:
            if self._encoding == "deflate" and self._fresh:
                # Many servers send raw deflate under this name.
                self._inner, self._fresh = zlib.decompressobj(-15), False
                return self._step(data)
            raise MalformedBody("the compressed body is damaged", reason="encoding") from error
        self._fresh = False
        return piece, inner.unconsumed_tail or inner.unused_data

    def _check(self) -> None:
        if self._out > self._limit:
            raise TooLarge(f"the unpacked body is larger than {self._limit} bytes", sent=True)
        if self._out > _FREE and self._out > self._in * _RATIO:
            raise TooLarge("the body unpacks to more than a hundred times its size", sent=True)

    def finish(self) -> None:
        """The encoded body has ended. Raises MalformedBody if it ended in the middle."""
        if not self._inner.eof and self._in:
            raise MalformedBody("the compressed body ends in the middle", reason="truncated")


def unpack(content: bytes, encoding: str, limit: int) -> bytes:
    """A whole body. Raises TooLarge and MalformedBody."""
    unpacker = Unpacker(encoding, limit)
    pieces: list[bytes] = []
    for start in range(0, len(content), _STEP):
        pieces += unpacker.feed(content[start : start + _STEP])
    unpacker.finish()
    return b"".join(pieces)


async def unpacked(chunks: AsyncIterator[bytes], unpacker: Unpacker | None, limit: int) -> AsyncIterator[bytes]:
    """A streamed body in pieces of at most 64 KiB each from a packed one, capped in total."""
    total = 0
    async for chunk in chunks:
        if unpacker is None:
            total += len(chunk)
            if total > limit:
                raise TooLarge(f"the body is larger than {limit} bytes", sent=True)
            yield chunk
            continue
        for piece in unpacker.feed(chunk):
            yield piece
    if unpacker is not None:
        unpacker.finish()


def encoding_of(header: str | None) -> str:
    """The one content encoding of a reply, or an empty text."""
    if not header:
        return ""
    encoding = header.strip().lower()
    return "" if encoding == "identity" else encoding
