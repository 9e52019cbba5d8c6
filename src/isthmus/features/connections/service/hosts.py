"""How many calls of one tenant are under way to one host, and who waits until there is room (security.md RL-05).

A call holds its connection until its reply has been read, so this bounds the tenant's connections to the host. The
bound is for all processes together: each has an equal share of it, and no call costs a statement.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from typing import Final

from multidict import CIMultiDict, CIMultiDictProxy

from isthmus.client import RateLimited
from isthmus.client.message import Request
from isthmus.client.transport.port import Exchange, Flight
from isthmus.client.transport.shared import Lent
from isthmus.engine.presence import Presence
from isthmus.scope import Scope

CAP: Final = "connections.host_connections"
#: Longest wait for room, in seconds; what reads in the background is tried again later.
_PATIENCE: Final = 10.0
_RETRY: Final = 1.0
#: This process's share of what all of them may have.
Share = Callable[[int], int]


async def calls_under_way(scope: Scope) -> int:
    """How many calls the tenant has under way, in each process to the host that has most of them."""
    return await scope.part(Presence).total(CAP, scope.tenant_id)


class HostFull(RateLimited):
    """The tenant has as many connections to this host as it may; nothing was sent."""

    CODE = "host_full"
    CURE = "Make fewer calls at a time, or raise ISTHMUS_CONNECTIONS__HOST_CONNECTIONS."


class _Place:
    """One tenant's calls to one host."""

    __slots__ = ("under_way", "waiting")

    def __init__(self) -> None:
        self.under_way = 0
        self.waiting: deque[asyncio.Future[None]] = deque()


class Hosts:
    """The calls under way in this process, by tenant and host.

    most: what a tenant may have to one host in all processes; 0 for no bound. share: this process's part of that.
    """

    def __init__(self, most: int, share: Share) -> None:
        self._most, self._share = most, share
        self._places: dict[tuple[str, str], _Place] = {}

    def counts(self) -> Mapping[str, int]:
        """How many calls each tenant has under way to the host that has most of them."""
        found: dict[str, int] = {}
        for (tenant_id, _), place in self._places.items():
            found[tenant_id] = max(found.get(tenant_id, 0), place.under_way)
        return found

    async def enter(self, key: tuple[str, str]) -> None:
        """Take a connection; where there is none, wait for one in turn. Raises HostFull."""
        place = self._places.get(key)
        if place is None:
            place = self._places[key] = _Place()
        if not self._most or (place.under_way < self._share(self._most) and not place.waiting):
            place.under_way += 1
            return
        turn = asyncio.get_running_loop().create_future()
        place.waiting.append(turn)
        try:
            async with asyncio.timeout(_PATIENCE):
                await turn
        except BaseException as failure:
            if turn.done() and not turn.cancelled():
                self.leave(key)  # the place was given just then
            else:
                with suppress(ValueError):
                    place.waiting.remove(turn)
            if isinstance(failure, TimeoutError):
                raise HostFull(
                    f"{self._most} connections to {key[1]} are the most for one tenant", retry_after=_RETRY
                ) from None
            raise

    def leave(self, key: tuple[str, str]) -> None:
        """Give a connection back; whoever waits longest has it."""
        place = self._places[key]
        place.under_way -= 1
        while place.waiting and place.under_way < self._share(self._most):
            turn = place.waiting.popleft()
            if not turn.done():
                place.under_way += 1
                turn.set_result(None)
        if not place.under_way and not place.waiting:
            del self._places[key]


class Bounded:
    """A transport on which one tenant has so many connections to a host."""

    def __init__(self, inner: Lent, hosts: Hosts, tenant_id: str) -> None:
        self._inner, self._hosts, self._tenant_id = inner, hosts, tenant_id

    async def send(self, request: Request, flight: Flight) -> Exchange:
        key = self._tenant_id, request.url.host
        await self._hosts.enter(key)
        try:
            return _Counted(await self._inner.send(request, flight), self._hosts, key)
        except BaseException:
            self._hosts.leave(key)
            raise

    async def aclose(self) -> None:
        await self._inner.aclose()


class _Counted:
    """A reply whose connection counts until it has been read or given up."""

    __slots__ = ("_hosts", "_inner", "_key", "headers", "status")

    def __init__(self, inner: Exchange, hosts: Hosts, key: tuple[str, str]) -> None:
        self._inner, self._hosts = inner, hosts
        self._key: tuple[str, str] | None = key
        self.status: int = inner.status
        self.headers: CIMultiDict[str] | CIMultiDictProxy[str] = inner.headers

    async def read(self, limit: int) -> bytes:
        try:
            return await self._inner.read(limit)
        finally:
            self._done()

    def chunks(self) -> AsyncIterator[bytes]:
        return self._inner.chunks()

    async def release(self) -> None:
        try:
            await self._inner.release()
        finally:
            self._done()

    def abort(self) -> None:
        self._done()
        self._inner.abort()

    def _done(self) -> None:
        key, self._key = self._key, None
        if key is not None:
            self._hosts.leave(key)
