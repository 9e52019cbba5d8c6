"""Streams: read piece by piece, capped, ended by the deadline, connection given back or closed."""

import asyncio
import gzip
from collections.abc import Callable
from typing import Any

import pytest

from isthmus.client import ApiClient, CallEnded, DeadlineExceeded, Disconnected, MalformedBody, Missing, Retry, TooLarge

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


async def test_a_stream_packed_as_nobody_asked_raises_before_the_body(far_side: Any, respond: Replies) -> None:
    far_side.answer("/x", respond(body=b"br", Content_Encoding="br"))
    far_side.answer("/none", b"HTTP/1.1 204 X\r\nContent-Encoding: br\r\n\r\n")
    async with ApiClient(far_side.url) as api:
        with pytest.raises(MalformedBody, match="not asked for"):
            async with api.stream("GET", "/x"):
                raise AssertionError
        async with api.stream("GET", "/none") as reply:
            assert await reply.read() == b""


async def test_a_redirect_comes_back_where_the_call_follows_none(far_side: Any, respond: Replies) -> None:
    far_side.answer("/x", respond(302, b"over there", Location="/y"))
    async with ApiClient(far_side.url) as api:
        async with api.stream("POST", "/x", redirects=0) as reply:
            assert (reply.status, reply.headers["location"], str(reply.url)) == (302, "/y", f"{far_side.url}/x")
            assert await reply.read() == b"over there"
        assert (await api.get("/x", redirects=0)).status == 302
        async with api.stream("GET", "/x") as followed:
            assert (followed.status, str(followed.url)) == (200, f"{far_side.url}/y")


async def test_a_refusal_is_read_whole_up_to_a_cap_of_its_own(far_side: Any) -> None:
    async def endless(seen: object, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 404 X\r\nTransfer-Encoding: chunked\r\n\r\n")
        piece = b"100000\r\n" + b"x" * 1_048_576 + b"\r\n"
        while True:
            writer.write(piece)
            await writer.drain()

    far_side.answer("/x", endless)
    async with ApiClient(far_side.url) as api:
        with pytest.raises(TooLarge, match="8388608"):
            async with api.stream("GET", "/x", max_body=1 << 30):
                raise AssertionError


async def test_hooks_hear_of_every_stream_how_it_ended_once(far_side: Any, respond: Replies) -> None:
    far_side.answer("/missing", respond(404))
    far_side.answer("/cut", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nabc")
    heard: list[CallEnded] = []
    hook = lambda event: heard.append(event) if isinstance(event, CallEnded) else None  # noqa: E731 - one of a test
    async with ApiClient(far_side.url, hooks=[hook], retry=Retry(max_attempts=1)) as api:
        async with api.stream("GET", "/x") as reply:
            assert heard == []
            await reply.read()
        with pytest.raises(Missing):
            async with api.stream("GET", "/missing"):
                raise AssertionError
        with pytest.raises(Disconnected):
            async with api.stream("GET", "/cut") as reply:
                far_side.drop()
                await reply.read()
        feed = await api.open_stream("GET", "/x")
        feed.abort()
        with pytest.raises(Missing):
            await api.open_stream("GET", "/missing")
    told = [(one.response.status if one.response else 0, type(one.error)) for one in heard]
    nobody = type(None)
    assert told == [(200, nobody), (0, Missing), (200, Disconnected), (200, nobody), (0, Missing)]


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
