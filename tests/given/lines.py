"""A provider whose host answers byte by byte as a test says, connected and open for the proxy."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from tests.given import catalog
from tests.given.crm import KEY

_ACCOUNT = b'{"account": {"id": 8, "name": "Line"}}'
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Caller = Callable[..., Awaitable[Any]]


def who_it_is(writer: asyncio.StreamWriter) -> None:
    """The account, for whoever tries the key; the connection ends with it."""
    writer.write(_HEAD % len(_ACCOUNT) + _ACCOUNT)
    writer.close()


@asynccontextmanager
async def line(
    operator: Caller, merchant: Caller, name: str, serve: Serve
) -> AsyncIterator[tuple[dict[str, Any], str]]:
    """The connection that the merchant made, and a path of the proxy that leads to `serve`."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        hosts = {"api": f"http://localhost:{server.sockets[0].getsockname()[1]}"}
        declared = await operator("POST", "/api/admin/integrations", catalog.document(name) | {"hosts": hosts})
        assert declared.status == 201, declared.body
        made = (await merchant("POST", "/api/connections", {"provider": name, "apiKey": KEY})).body
        await merchant("PATCH", f"/api/tenant/integrations/{made['integrationId']}", {"proxyEnabled": True})
        yield made, f"/api/proxy/{made['id']}/x"
    finally:
        server.close()
