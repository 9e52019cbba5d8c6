"""A WebSocket that reconnects: bounded messages, heartbeats, and a hook to resume where it broke off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from types import TracebackType
from typing import Self

import aiohttp
from multidict import CIMultiDict

from isthmus.client import json as _json
from isthmus.client.auth.oauth2 import OAuth2
from isthmus.client.auth.port import Auth
from isthmus.client.call import forbid
from isthmus.client.errors import ConnectFailed, DeadlineExceeded, Disconnected, NetworkError, TooLarge
from isthmus.client.guard import AddressGuard
from isthmus.client.message import Request, check_headers
from isthmus.client.retry import Retry
from isthmus.client.transport.aio import AioTransport
from isthmus.client.url import parse
from isthmus.kit import chance
from isthmus.kit.clock import SYSTEM, Clock

Message = str | bytes
_OPEN = 10.0


class WebSocket:
    """Messages of one ws(s) URL, reconnected with back-off until closed.

    resume: called with the latest message (None at first) after each connection; what it returns is sent, which is
    how subscriptions and positions are told. heartbeat: seconds between pings; a missing pong is a broken
    connection. max_message: bytes. retry: a run of `max_attempts` failed connections raises the last error.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        auth: Auth | OAuth2 | None = None,
        guard: AddressGuard | None = None,
        resume: Callable[[Message | None], Iterable[Message]] | None = None,
        heartbeat: float = 20.0,
        max_message: int = 1024 * 1024,
        retry: Retry | None = None,
    ) -> None:
        check_headers(headers or {})
        self._request = Request("GET", parse(url), CIMultiDict(headers or {}))
        self._auth = auth
        self._transport = AioTransport(guard=guard)
        self._resume = resume
        self._heartbeat = heartbeat
        self._max = max_message
        self._retry = retry or Retry(max_attempts=10, initial_delay=0.5, max_delay=30.0)
        self._clock: Clock = SYSTEM
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._open = asyncio.Event()
        self._closed = False
        self._latest: Message | None = None
        self.connections = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close for good."""
        self._closed = True
        if self._socket is not None:
            await self._socket.close()
        await self._transport.aclose()

    async def send(self, message: Message | Mapping[str, object], *, deadline: float = 10.0) -> None:
        """Send text, bytes, or a mapping as JSON; waits for a connection at most `deadline` seconds."""
        forbid()
        try:
            async with asyncio.timeout(deadline):
                await self._open.wait()
                if self._socket is None:
                    raise Disconnected("the WebSocket is closed", sent=False)
                await _put(self._socket, message)
        except TimeoutError as error:
            raise DeadlineExceeded(f"not connected within {deadline:g} s", retry_safe=True) from error
        except (aiohttp.ClientError, ConnectionError) as error:
            raise Disconnected("the WebSocket broke while sending", sent=True) from error

    async def messages(self) -> AsyncIterator[Message]:
        """What comes, over all connections. Ends when the far side or we close with 1000."""
        failures = 0
        while not self._closed:
            try:
                async for message in self._one():
                    failures = 0
                    self._latest = message
                    yield message
                return
            except NetworkError:
                failures += 1
                if failures >= self._retry.max_attempts or self._closed:
                    raise
                await self._clock.sleep(self._retry.delay(failures, chance.draw()))

    async def _one(self) -> AsyncIterator[Message]:
        socket = await self._connect()
        self._socket = socket
        try:
            for message in self._resume(self._latest) if self._resume else ():
                await _put(socket, message)
            self._open.set()
            async for incoming in socket:
                if incoming.type in {aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY}:
                    yield incoming.data
        except (aiohttp.ClientError, ConnectionError) as error:
            raise Disconnected("the WebSocket broke", sent=True) from error
        finally:
            self._open.clear()
            self._socket = None
            await socket.close()
        if socket.close_code == aiohttp.WSCloseCode.MESSAGE_TOO_BIG:
            raise TooLarge(f"a message is larger than {self._max} bytes", sent=True)
        if socket.close_code != aiohttp.WSCloseCode.OK and not self._closed:
            raise Disconnected(f"the WebSocket was closed with {socket.close_code}", sent=True)

    async def _connect(self) -> aiohttp.ClientWebSocketResponse:
        forbid()
        self.connections += 1
        request = await self._signed()
        try:
            async with asyncio.timeout(_OPEN):
                return await self._transport.open_websocket(request, self._heartbeat, self._max)
        except TimeoutError as error:
            raise ConnectFailed(f"no WebSocket within {_OPEN:g} s") from error

    async def _signed(self) -> Request:
        auth = self._auth
        if auth is None:
            return self._request
        if isinstance(auth, OAuth2):
            return auth.attach(self._request, await auth.current(), self._clock.now())
        flow = auth.flow(self._request, self._clock.now())
        request = next(flow)
        flow.close()
        return request


async def _put(socket: aiohttp.ClientWebSocketResponse, message: Message | Mapping[str, object]) -> None:
    if isinstance(message, bytes):
        await socket.send_bytes(message)
    else:
        await socket.send_str(message if isinstance(message, str) else _json.dumps(message).decode())
