"""A reply read piece by piece, under the same deadline and a cap of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator

from multidict import CIMultiDict, CIMultiDictProxy

from isthmus.client.body import Unpacker, encoding_of, unpacked
from isthmus.client.errors import TooLarge
from isthmus.client.message import Response
from isthmus.client.transport.port import Exchange

_MAX_LINE = 1024 * 1024
_BODILESS = frozenset({204, 304})


class Streamed:
    """A reply whose head has been judged good and whose body is still arriving.

    Raises MalformedBody where the body is packed in a way that was not asked for.
    """

    def __init__(self, response: Response, exchange: Exchange, limit: int) -> None:
        self.status = response.status
        self.headers: CIMultiDict[str] | CIMultiDictProxy[str] = response.headers
        self.attempts = response.attempts
        #: What is known of the reply without its body.
        self.head = response
        #: Where it came from.
        self.url = response.url
        self._exchange = exchange
        self._limit = limit
        encoding = encoding_of(response.headers.get("Content-Encoding"))
        bodiless = response.status in _BODILESS or (response.request is not None and response.request.method == "HEAD")
        self._unpacker = Unpacker(encoding, limit) if encoding and not bodiless else None

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Unpacked pieces as they arrive. Raises TooLarge over the cap and Disconnected if the body ends early."""
        return unpacked(self._exchange.chunks(), self._unpacker, self._limit)

    async def lines(self, max_line: int = _MAX_LINE) -> AsyncIterator[bytes]:
        """Lines without their ends (LF, CR LF or CR); a line over `max_line` bytes raises TooLarge."""
        rest = b""
        async for piece in self:
            rest += piece
            held_back = rest.endswith(b"\r")  # it may be half of CR LF
            lines = rest.splitlines(keepends=True)
            whole = lines and lines[-1].endswith((b"\n", b"\r")) and not held_back
            rest = b"" if whole or not lines else lines.pop()
            for line in lines:
                yield line.rstrip(b"\r\n")
            if len(rest) > max_line:
                raise TooLarge(f"a line is longer than {max_line} bytes", sent=True)
        if rest:
            yield rest.rstrip(b"\r\n")

    async def release(self) -> None:
        """Done: the connection is kept if the body was read to its end."""
        await self._exchange.release()

    def abort(self) -> None:
        """Close the connection now."""
        self._exchange.abort()

    async def read(self) -> bytes:
        """The rest of the body."""
        return b"".join([piece async for piece in self])
