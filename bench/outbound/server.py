"""A far side that costs almost nothing: whole replies from memory, parsed by nothing but counting."""

import asyncio
import sys
from typing import cast

import uvloop

_ITEMS = b",".join(b'{"id":%d,"name":"Product %d","price":"12.50"}' % (number, number) for number in range(36))
_BODY = b'{"items":[' + _ITEMS + b"]}"
REPLY = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(_BODY) + _BODY


class FarSide(asyncio.Protocol):
    """Answers each head with the same 1.7 kB of JSON; `/silent` is never answered."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep where to write."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Count heads and answer them."""
        if data.startswith(b"GET /silent"):
            return
        self._transport.write(REPLY * data.count(b"\r\n\r\n"))


async def main() -> None:
    """Serve until killed; the port is the first line of output."""
    server = await asyncio.get_running_loop().create_server(FarSide, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
