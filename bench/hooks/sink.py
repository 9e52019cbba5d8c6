"""A receiver that costs next to nothing: answers 204 at once, and tells how late each message was.

What comes to a path that begins with `/dead` it never answers.
"""

import asyncio
import json
import re
import sys
import time
from typing import cast

_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
_SENT = re.compile(rb'"sent":([0-9.]+)')
_ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"


class Receiver(asyncio.Protocol):
    """One connection."""

    late: list[float] = []  # noqa: RUF012 - shared by all connections, on purpose

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._buffer = b""

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end]
            if head.startswith(b"GET /late"):
                self._tell()
                return
            found = _LENGTH.search(head)
            whole = end + 4 + (int(found[1]) if found else 0)
            if len(self._buffer) < whole:
                return
            if head.startswith(b"POST /dead"):
                return
            sent = _SENT.search(self._buffer, end, whole)
            if sent:
                self.late.append(time.monotonic() - float(sent[1]))
            self._buffer = self._buffer[whole:]
            self._transport.write(_ANSWER)

    def _tell(self) -> None:
        body = json.dumps(self.late).encode()
        self.late.clear()
        self._transport.write(
            b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s" % (len(body), body)
        )
        self._transport.close()


async def main() -> None:
    """Serve on a port of the system's choice, and say which."""
    server = await asyncio.get_running_loop().create_server(Receiver, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
