"""WebSockets: reconnected and resumed, bounded, guarded."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import WSCloseCode, web

from isthmus.client import AddressGuard, AddressRefused, Bearer, ConnectFailed, Retry, TooLarge, WebSocket

QUICK = Retry(max_attempts=3, initial_delay=0.001, max_delay=0.002)


class Feed:
    """Counts upwards from where it is told and breaks off after three."""

    def __init__(self) -> None:
        self.url = ""
        self.heard: list[str] = []
        self.headers: list[str] = []
        self.end = 8

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        self.headers.append(request.headers.get("Authorization", ""))
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        first = await socket.receive_str(timeout=2)
        self.heard.append(first)
        start = int(first)
        for number in range(start + 1, min(start + 4, self.end)):
            await socket.send_str(str(number))
        if start + 4 >= self.end:
            await socket.close()
        else:
            await socket.close(code=WSCloseCode.GOING_AWAY)
        return socket

    async def big(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str("x" * 5000)
        await socket.close()
        return socket

    async def echo(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(message.data)
            if message.data == '{"end":true}':
                await socket.close()
        return socket


@pytest.fixture
async def feed() -> AsyncIterator[Feed]:
    made = Feed()
    app = web.Application()
    app.add_routes([web.get("/feed", made.serve), web.get("/big", made.big), web.get("/echo", made.echo)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    address: Any = runner.addresses[0]
    made.url = f"ws://127.0.0.1:{address[1]}"
    yield made
    await runner.cleanup()


async def test_a_break_is_resumed_with_what_the_caller_says(feed: Feed) -> None:
    def resume(latest: str | bytes | None) -> list[str]:
        return [str(latest or 0)]

    async with WebSocket(feed.url + "/feed", resume=resume, retry=QUICK, auth=Bearer("s")) as socket:
        found = [message async for message in socket.messages()]
    assert found == [str(number) for number in range(1, 8)]
    assert feed.heard == ["0", "3", "6"]
    assert set(feed.headers) == {"Bearer s"}
    assert socket.connections == 3


async def test_messages_go_both_ways(feed: Feed) -> None:
    async with WebSocket(feed.url + "/echo", resume=lambda _: ["hello"], retry=QUICK) as socket:
        found = []
        async for message in socket.messages():
            found.append(message)
            if message == "hello":
                await socket.send({"end": True})
    assert found == ["hello", '{"end":true}']


async def test_a_message_over_the_cap_is_not_taken(feed: Feed) -> None:
    async with WebSocket(feed.url + "/big", max_message=1000, retry=QUICK) as socket:
        with pytest.raises(TooLarge):
            _ = [message async for message in socket.messages()]


async def test_the_guard_judges_websockets_too_and_a_dead_host_ends_it(feed: Feed) -> None:
    async with WebSocket(feed.url + "/feed", guard=AddressGuard(), retry=QUICK) as socket:
        with pytest.raises(AddressRefused):
            _ = [message async for message in socket.messages()]
    async with WebSocket("ws://127.0.0.1:1/x", retry=QUICK) as socket:
        with pytest.raises(ConnectFailed):
            _ = [message async for message in socket.messages()]
    assert socket.connections == 3
