"""The pool that clients share by default: one per event loop and guard, closed when the last client gives it back."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Coroutine
from typing import Any

from isthmus.client.guard import AddressGuard
from isthmus.client.message import Request
from isthmus.client.transport.aio import AioExchange, AioTransport
from isthmus.client.transport.port import Flight


class _Pool:
    __slots__ = ("transport", "users")

    def __init__(self, transport: AioTransport) -> None:
        self.transport = transport
        self.users = 0


_pools: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[AddressGuard | None, _Pool]] = (
    weakref.WeakKeyDictionary()
)


class Lent:
    """A client's hold on the shared pool, taken at the first call."""

    def __init__(self, guard: AddressGuard | None) -> None:
        self._guard = guard
        self._pool: _Pool | None = None

    def send(self, request: Request, flight: Flight) -> Coroutine[Any, Any, AioExchange]:
        pool = self._pool
        if pool is None:
            pools = _pools.setdefault(asyncio.get_running_loop(), {})
            pool = pools.get(self._guard)
            if pool is None:
                pool = pools[self._guard] = _Pool(AioTransport(guard=self._guard))
            pool.users += 1
            self._pool = pool
        return pool.transport.send(request, flight)

    async def aclose(self) -> None:
        """Give the hold back; the last one closes the pool."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        pool.users -= 1
        if pool.users == 0:
            pools = _pools.get(asyncio.get_running_loop(), {})
            pools.pop(self._guard, None)
            await pool.transport.aclose()


def lend(guard: AddressGuard | None) -> Lent:
    """A hold on the pool of the running loop."""
    return Lent(guard)
