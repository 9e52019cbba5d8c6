"""Streams: read piece by piece, capped, ended by the deadline, connection given back or closed."""

import asyncio
import gzip
from collections.abc import Callable
from typing import Any

import pytest

from isthmus.client import ApiClient, DeadlineExceeded, Disconnected, Missing, Retry, TooLarge

Replies = Callable[..., bytes]
QUICK = Retry(initial_delay=0.001)


async def test_a_body_is_read_piece_by_piece_and_unpacked(far_side: Any, respond: Replies) -> None:
    lines = b"\n".join(b"line %d" % number for number in range(5000))
    far_side.answer("/x", respond(500), respond(body=gzip.compress(lines), Content_Encoding="gzip"))
    async with ApiClient(far_side.url, retry=QUICK) as api:
        async with api.stream("GET", "/x") as reply:
            assert reply.attempts == 2
            assert [line async for line in reply.lines()] == lines.split(b"\n")
        await api.get("/y")
    assert far_side.connections == 1


async def test_a_stream_judged_bad_raises_before_the_body(far_side: Any, respond: Replies) -> None:
    far_side.answer("/x", respond(404))
    async with ApiClient(far_side.url) as api:
        with pytest.raises(Missing):
            async with api.stream("GET", "/x"):
                raise AssertionError


async def test_a_stream_has_a_cap_and_a_deadline(far_side: Any, respond: Replies) -> None:
    async def drip(seen: object, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"3\r\nabc\r\n")
            await writer.drain()
            await asyncio.sleep(0.01)

    far_side.answer("/drip", drip)
    far_side.answer("/big", respond(body=b"x" * 200_000))
    async with ApiClient(far_side.url) as api:
        with pytest.raises(DeadlineExceeded):
            async with api.stream("GET", "/drip", deadline=0.15) as reply:
                await reply.read()
        with pytest.raises(TooLarge):
            async with api.stream("GET", "/big", max_body=100_000) as reply:
                await reply.read()
    assert far_side.connections == 2


async def test_a_timeout_of_the_caller_s_own_is_not_called_a_deadline(far_side: Any) -> None:
    async with ApiClient(far_side.url) as api:
        with pytest.raises(TimeoutError, match="mine"):
            async with api.stream("GET", "/x"):
                raise TimeoutError("mine")


async def test_a_stream_that_breaks_says_so(far_side: Any) -> None:
    async def broken(seen: object, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
        await writer.drain()
        writer.transport.abort()

    far_side.answer("/x", broken)
    async with ApiClient(far_side.url) as api:
        with pytest.raises(Disconnected):
            async with api.stream("GET", "/x") as reply:
                await reply.read()
