"""Receivers that speak no HTTP or too much of it, and one that points elsewhere: each fails and costs little."""

import asyncio
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from tests.given import vault as given_vault
from tests.given import webhooks_out as given
from tests.house_database import Copy

from isthmus.engine.db import Database
from isthmus.features.webhooks_out.model import Draft
from isthmus.features.webhooks_out.service import endpoints
from isthmus.features.webhooks_out.service.sending import Reply

Speaks = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


@pytest_asyncio.fixture(autouse=True)
async def clean(copied: Copy) -> AsyncIterator[None]:
    yield
    await given.clear(copied)


def _over_and_over(said: bytes, pause: float = 0.0, first: bytes = b"") -> Speaks:
    async def speak(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        while True:
            writer.write(said)
            await writer.drain()
            await asyncio.sleep(pause)

    return speak


def _once(said: bytes) -> Speaks:
    async def speak(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        await writer.drain()

    return speak


@asynccontextmanager
async def _speaking(speak: Speaks) -> AsyncIterator[str]:
    running: set[asyncio.Task[None]] = set()

    async def met(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        with suppress(OSError, asyncio.CancelledError):
            await reader.readuntil(b"\r\n\r\n")
            await speak(reader, writer)
        writer.close()

    server = await asyncio.start_server(met, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    finally:
        server.close()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _asked(database: Database, url: str, deadline: float) -> Reply:
    async with given.process(database, deadline=timedelta(seconds=deadline)) as system:
        scope = given_vault.scope(system, "ten_a")
        made = await endpoints.create(scope, Draft(url=url), verify=False)
        return await endpoints.test(scope, made.endpoint.id)


_OK = b"HTTP/1.1 200 OK\r\n"
SPEAKERS: dict[str, tuple[Speaks, str]] = {
    "interim answers without end": (_over_and_over(b"HTTP/1.1 100 Continue\r\n\r\n"), "bad_reply disconnected timeout"),
    "a head a byte at a time": (_over_and_over(b"a", 0.05, _OK + b"x: "), "timeout"),
    "a head without end": (_over_and_over(b"y" * 8_192, 0.0, _OK + b"x: "), "bad_reply"),
    "noise": (_once(b"\x00\xff\x16\x03\x01 nothing of the sort\r\n\r\n"), "bad_reply"),
    "two lengths": (_once(_OK + b"content-length: 1\r\ncontent-length: 2\r\n\r\nab"), "bad_reply"),
    "a length and chunks": (
        _once(_OK + b"content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
        "bad_reply",
    ),
    "a chunk size of a mile": (
        _over_and_over(b"0" * 8_192, 0.0, _OK + b"transfer-encoding: chunked\r\n\r\n"),
        "bad_reply timeout",
    ),
    "a length below nothing": (_once(_OK + b"content-length: -1\r\n\r\n"), "bad_reply"),
    "nothing at all": (_once(b""), "disconnected"),
}


@pytest.mark.parametrize("name", SPEAKERS)
async def test_SS_10_what_is_no_answer_is_a_failure_of_bounded_cost(database: Database, name: str) -> None:
    speak, errors = SPEAKERS[name]
    async with _speaking(speak) as url:
        tracemalloc.start()
        started = time.monotonic()
        reply = await _asked(database, url, 0.5 if "timeout" in errors else 20)
        took = time.monotonic() - started
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert not reply.outcome.delivered
    assert reply.outcome.error in errors.split()
    assert took < 10
    assert most < 16_000_000


async def test_interim_answers_before_the_answer_are_passed_over(database: Database) -> None:
    early = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"
    async with _speaking(_once(early + b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n")) as url:
        reply = await _asked(database, url, 20)
    assert (reply.outcome.status, reply.outcome.delivered) == (202, True)


async def test_SS_04_a_redirect_is_a_failure_and_is_not_followed(database: Database) -> None:
    async with given.sink() as elsewhere:

        async def redirect(_: web.Request) -> web.StreamResponse:
            return web.Response(status=308, headers={"location": elsewhere.url})

        async with given.sink(answer=redirect) as sink:
            reply = await _asked(database, sink.url, 20)
    assert (reply.outcome.status, reply.outcome.delivered) == (308, False)
    assert (len(sink.bodies), elsewhere.bodies) == (1, [])
