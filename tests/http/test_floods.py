"""Crowds of callers who never finish: what they cost, and whether others are served meanwhile (HE-01, HE-11)."""

import asyncio
import ctypes
import gc
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import psutil
import pytest
from tests.http.conftest import Lab, MakeLab

from isthmus.http import HttpSettings, LiveDep, Routes, Sent, Server, document
from isthmus.kit.permissions import USER, permission

USE = permission("floods:use", "be flooded", USER)
MIB = 1024 * 1024
#: Seconds; a thousand readers on a machine that others use take a minute or two.
_PATIENCE = 600
#: A process of its own, so that what the crowd holds is not counted. Each opens a connection, sends the same, takes
#: nothing, and leaves when it is closed.
_CROWD = """
import select, socket, sys
port, many, request = int(sys.argv[1]), int(sys.argv[2]), sys.stdin.buffer.read()
poll, crowd = select.poll(), {}
for _ in range(many):
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    made.connect(("127.0.0.1", port))
    try:
        made.sendall(request)
    except OSError:
        made.close()
        continue
    poll.register(made, select.POLLRDHUP)
    crowd[made.fileno()] = made
print("here", flush=True)
while crowd:
    for number, _ in poll.poll(1000):
        poll.unregister(number)
        crowd.pop(number).close()
print("gone", flush=True)
"""


@dataclass
class _Told:
    """How many read the stream, and when nobody does."""

    readers: int = 0
    over: asyncio.Event = field(default_factory=asyncio.Event)


def routes(told: _Told) -> Routes:
    made = Routes(prefix="/api", tag="Floods")

    @made.get("/ping", permission=USE, limit="other", response_model=None, summary="Ping")
    async def ping() -> Any:
        return document({"pong": True})

    @made.get("/stream", permission=USE, limit="other", response_model=None, summary="Stream", stream=True)
    async def stream(live: LiveDep) -> Any:
        async def source(after: str | None) -> AsyncIterator[Sent]:
            told.readers += 1
            try:
                number = int(after or 0)
                while True:
                    number += 1
                    yield Sent(str(number), "tick", "x" * 10_000)
            finally:
                told.readers -= 1
                if not told.readers:
                    told.over.set()

        return live.stream(source)

    return made


@asynccontextmanager
async def served(lab: MakeLab, told: _Told, **settings: Any) -> AsyncIterator[tuple[Server, Lab]]:
    here = lab(routes(told), settings=settings)
    async with Server(here.app, settings=HttpSettings(**settings)).running() as server:
        yield server, here


class _Crowd:
    """So many connections of another process."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def until(self, word: str) -> None:
        """Wait for what it says next."""
        assert self._process.stdout is not None
        async with asyncio.timeout(_PATIENCE):
            assert (await self._process.stdout.readline()).decode().strip() == word


@asynccontextmanager
async def crowd(server: Server, many: int, request: bytes) -> AsyncIterator[_Crowd]:
    said = (sys.executable, "-c", _CROWD, str(server.port), str(many))
    process = await asyncio.create_subprocess_exec(*said, stdin=PIPE, stdout=PIPE)
    try:
        assert process.stdin is not None
        process.stdin.write(request)
        process.stdin.close()
        yield _Crowd(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def get(path: str, here: Lab, *more: bytes) -> bytes:
    head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {here.token()}\r\n"
    return head.encode() + b"".join(more)


async def ask(server: Server, request: bytes, most: int = 100) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        writer.write(request)
        async with asyncio.timeout(_PATIENCE):
            return await reader.read(most)
    finally:
        writer.close()


def _held() -> int:
    """What the process holds, without what the C library keeps of what was given back: that is some MB, by chance."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return int(psutil.Process().memory_info().rss)


@pytest.mark.parametrize("many", [40, pytest.param(150, marks=pytest.mark.proof)])
async def test_HE_01_a_flood_of_heads_without_end_costs_little_and_others_are_served(lab: MakeLab, many: int) -> None:
    line = b"X-More: " + b"a" * 8_000 + b"\r\n"
    async with served(lab, _Told(), head_seconds=0.4, limits={"other": 100_000}) as (server, here):
        # what is too large at once, and what stays below the limit and never goes on
        for request in (get("/api/ping", here, *(line for _ in range(100))), get("/api/ping", here, b"X: a\r\nY: b")):
            await ask(server, request)  # loads what is needed to refuse it
            before = _held()
            for _ in range(2):
                async with crowd(server, many, request) as callers:
                    await callers.until("here")
                    assert (await ask(server, get("/api/ping", here, b"\r\n"))).startswith(b"HTTP/1.1 200 ")
                    assert _held() - before < 2 * MIB
                    await callers.until("gone")


@pytest.mark.parametrize("many", [30, pytest.param(1_000, marks=pytest.mark.proof)])
async def test_HE_11_readers_of_streams_who_take_nothing_hold_little_and_nobody_up(lab: MakeLab, many: int) -> None:
    told = _Told()
    bounds: dict[str, Any] = {
        "streams_per_principal": many + 9,
        "streams_per_tenant": many + 9,
        "connections_per_address": many + 9,
        "connections": many + 9,
    }
    async with served(lab, told, stalled_seconds=1.5, limits={"other": 100_000}, **bounds) as (server, here):
        await ask(server, get("/api/stream", here, b"\r\n"), 100_000)
        before = _held()
        async with crowd(server, many, get("/api/stream", here, b"\r\n")) as callers:
            await callers.until("here")
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=4 * MIB)
            try:
                writer.write(get("/api/stream", here, b"\r\n"))
                async with asyncio.timeout(_PATIENCE):
                    await reader.readuntil(b"id: 100\n")
                held = _held() - before
            finally:
                writer.close()
            await callers.until("gone")
        assert held < many * 256 * 1024
        async with asyncio.timeout(_PATIENCE):
            if told.readers:
                await told.over.wait()
