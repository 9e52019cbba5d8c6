"""The shipped server over real sockets: heads, bodies, connections, streams and the stop (HE-01, HE-02, HE-11)."""

import asyncio
import itertools
import json
import socket
import tracemalloc
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from tests.http.conftest import Lab, MakeLab

from isthmus.http import HttpSettings, LiveDep, Routes, Sent, Server, Wire, document
from isthmus.http.errors import CannotStart, PortInUse
from isthmus.http.server import bind
from isthmus.kit.errors import Invalid
from isthmus.kit.permissions import USER, permission

USE = permission("server:use", "use the server", USER)


class Note(Wire):
    text: str


class Seen:
    """What happened inside the endpoints."""

    def __init__(self) -> None:
        self.cancelled = asyncio.Event()
        self.entered = asyncio.Event()
        self.ended = asyncio.Event()
        self.sources = 0


def routes(seen: Seen) -> Routes:
    made = Routes(prefix="/api", tag="Server")

    @made.get("/ping", permission=USE, limit="other", response_model=None, summary="Ping")
    async def ping() -> Any:
        return document({"pong": True})

    @made.post("/notes", permission=USE, limit="other", response_model=None, summary="Note", body_cap=2000)
    async def note(body: Note) -> Any:
        return document({"length": len(body.text)})

    @made.get("/slow", permission=USE, limit="other", response_model=None, summary="Slow", deadline=5)
    async def slow() -> Any:
        seen.entered.set()
        try:
            await asyncio.sleep(5)
        except asyncio.CancelledError:
            seen.cancelled.set()
            raise
        return document({})

    @made.get("/late", permission=USE, limit="other", response_model=None, summary="Late", deadline=0.05)
    async def late() -> Any:
        await asyncio.sleep(5)

    @made.get("/brief", permission=USE, limit="other", response_model=None, summary="Brief")
    async def brief() -> Any:
        seen.entered.set()
        await asyncio.sleep(0.2)
        return document({"done": True})

    add_streams(made, seen)
    add_short_stream(made)
    return made


def add_short_stream(made: Routes) -> None:
    @made.get("/short", permission=USE, limit="other", response_model=None, summary="Short", stream=True)
    async def short(live: LiveDep) -> Any:
        async def source(after: str | None) -> AsyncIterator[Sent]:
            if after == "bad":
                raise Invalid.field("Last-Event-ID", "This is not an id of this stream.")
            yield Sent("1", "tick", {})
            if after == "later":
                raise Invalid

        return live.stream(source)


def add_streams(made: Routes, seen: Seen) -> None:
    @made.get("/flood", permission=USE, limit="other", response_model=None, summary="Flood", stream=True)
    async def flood(live: LiveDep) -> Any:
        async def source(after: str | None) -> AsyncIterator[Sent]:
            try:
                for number in itertools.count(int(after or 0)):
                    seen.sources = number
                    yield Sent(str(number), "tick", "x" * 10_000)
            finally:
                seen.ended.set()

        return live.stream(source)

    @made.get("/stream", permission=USE, limit="other", response_model=None, summary="Stream", stream=True)
    async def stream(live: LiveDep) -> Any:
        async def source(after: str | None) -> AsyncIterator[Sent]:
            seen.sources += 1
            try:
                number = int(after or 0)
                for step in range(1, 4):
                    yield Sent(str(number + step), "tick", {"n": number + step})
                seen.entered.set()
                await asyncio.sleep(60)
            finally:
                seen.sources -= 1
                seen.ended.set()

        return live.stream(source)


@asynccontextmanager
async def served(lab: MakeLab, **settings: Any) -> AsyncIterator[tuple[Server, Lab, Seen]]:
    seen = Seen()
    here = lab(routes(seen), settings=settings)
    async with Server(here.app, settings=HttpSettings(**settings)).running() as server:
        yield server, here, seen


async def exchange(server: Server, request: bytes, *, wait: float = 3.0) -> bytes:
    """Send these bytes and read until the server closes or answers in full."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        writer.write(request)
        async with asyncio.timeout(wait):
            return await reader.read() if b"Connection: close" in request else await reader.read(100_000)
    finally:
        writer.close()


def get(path: str, here: Lab, *more: str) -> bytes:
    lines = [f"GET {path} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {here.token()}", *more]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


MALFORMED = [
    b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: +5\r\n\r\nhello",
    b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: localhost\r\n" + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n0\r\n\r\n",
    b"GET / HTTP/1.1\nHost: localhost\n\n",
    b"GET / HTTP/1.1\r\nHost : localhost\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET http://elsewhere/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"NONSENSE\r\n\r\n",
]


async def test_HE_02_malformed_requests_get_400_and_a_closed_connection(lab: MakeLab) -> None:
    async with served(lab) as (server, _, _):
        for request in MALFORMED:
            answer = await exchange(server, request)
            assert answer.startswith(b"HTTP/1.1 400 "), request
            assert b"connection: close" in answer
            assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "BAD_REQUEST"


async def test_HE_01_a_head_has_a_size_and_a_number_of_fields(lab: MakeLab) -> None:
    async with served(lab) as (server, here, _):
        one_big = get("/api/ping", here, "X-Big: " + "a" * 70_000)
        many = get("/api/ping", here, *[f"X-{n}: a" for n in range(120)])
        endless = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Endless: " + b"a" * 90_000
        for request in (one_big, many, endless):
            assert (await exchange(server, request)).startswith(b"HTTP/1.1 431 ")
        assert (await exchange(server, get("/api/ping", here, "X-Fits: " + "a" * 30_000))).startswith(b"HTTP/1.1 200 ")


async def test_HE_01_a_slow_head_and_a_silent_connection_are_closed(lab: MakeLab) -> None:
    async with served(lab, head_seconds=0.3) as (server, _, _):
        requests = (b"", b"GET / HTTP/1.1\r\nHost: loc", b"\r\n")
        assert await asyncio.gather(*(exchange(server, request) for request in requests)) == [b"", b"", b""]


async def test_HE_01_connections_of_one_address_are_capped(lab: MakeLab) -> None:
    async with served(lab, connections_per_address=2) as (server, here, _):
        held = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(2)]
        await asyncio.sleep(0.05)
        assert (await exchange(server, get("/api/ping", here))).startswith(b"HTTP/1.1 503 ")
        for _, writer in held:
            writer.close()
            await writer.wait_closed()
        await asyncio.sleep(0.05)
        assert (await exchange(server, get("/api/ping", here))).startswith(b"HTTP/1.1 200 ")


async def test_HE_01_connections_in_all_are_capped_and_idle_ones_are_closed(lab: MakeLab) -> None:
    async with served(lab, connections=2) as (server, here, _):
        held = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(2)]
        for reader, writer in held:
            writer.write(get("/api/ping", here))
            assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 200 ")
        assert (await exchange(server, get("/api/ping", here))).startswith(b"HTTP/1.1 503 ")
        for _, writer in held:
            writer.close()
    async with served(lab, keep_alive_seconds=0.1) as (server, here, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(get("/api/ping", here))
        async with asyncio.timeout(5):
            assert (await reader.read(-1)).startswith(b"HTTP/1.1 200 "), "after its answer it is closed"
        writer.close()
    known = HttpSettings()
    assert (known.head_bytes, known.head_fields, known.head_seconds) == (64 * 1024, 100, 5.0)
    assert (known.body_bytes, known.body_seconds, known.keep_alive_seconds) == (1024 * 1024, 10.0, 15.0)


async def test_HE_03_a_bomb_of_three_hundred_mebibytes_is_not_unpacked(lab: MakeLab) -> None:
    pack = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = pack.compress(bytes(1024 * 1024)) + pack.flush(zlib.Z_FULL_FLUSH)
    again = pack.compress(bytes(1024 * 1024)) + pack.flush(zlib.Z_FULL_FLUSH)
    bomb += again * 299  # a member without its end, which whoever unpacks as it comes does not know before
    assert len(zlib.decompressobj(31).decompress(bomb, 3 * 1024 * 1024)) == 3 * 1024 * 1024
    assert len(bomb) < 320_000
    async with served(lab) as (server, here, _):
        for more in ("gzip", "identity, GZIP"):
            request = post(here, bomb, f"Content-Length: {len(bomb)}", f"Content-Encoding: {more}")
            small = post(here, b"{}", "Content-Length: 2", f"Content-Encoding: {more}")
            assert (await exchange(server, small)).startswith(b"HTTP/1.1 415 ")
            tracemalloc.start()
            try:
                held, _ = tracemalloc.get_traced_memory()
                answer = await exchange(server, request)
                _, most = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
            assert answer.startswith((b"HTTP/1.1 415 ", b"HTTP/1.1 413 "))
            assert most - held < 2 * 1024 * 1024


async def test_a_proxy_may_bring_everybodys_connections(lab: MakeLab) -> None:
    async with served(lab, connections_per_address=1, trusted_proxies=("127.0.0.0/8",)) as (server, here, _):
        held = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(3)]
        assert (await exchange(server, get("/api/ping", here))).startswith(b"HTTP/1.1 200 ")
        for _, writer in held:
            writer.close()


def post(here: Lab, body: bytes, *more: str) -> bytes:
    lines = [
        "POST /api/notes HTTP/1.1",
        "Host: localhost",
        f"Authorization: Bearer {here.token()}",
        "Content-Type: application/json",
        *more,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def test_HE_01_bodies_are_capped_declared_or_chunked(lab: MakeLab) -> None:
    async with served(lab) as (server, here, _):
        big = json.dumps({"text": "a" * 5000}).encode()
        declared = await exchange(server, post(here, big, f"Content-Length: {len(big)}"))
        chunk = b"%x\r\n" % len(big) + big + b"\r\n0\r\n\r\n"
        chunked = await exchange(server, post(here, chunk, "Transfer-Encoding: chunked"))
        for answer in (declared, chunked):
            assert answer.startswith(b"HTTP/1.1 413 ")
            assert b"PAYLOAD_TOO_LARGE" in answer


async def test_HE_01_a_body_that_trickles_is_refused(lab: MakeLab) -> None:
    async with served(lab, body_seconds=0.2) as (server, here, _):
        answer = await exchange(server, post(here, b'{"te', "Content-Length: 40"))
        assert answer.startswith(b"HTTP/1.1 408 ")


async def test_HE_11_hanging_up_cancels_the_work(lab: MakeLab) -> None:
    async with served(lab) as (server, here, seen):
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(get("/api/slow", here))
        async with asyncio.timeout(3):
            await seen.entered.wait()
            writer.transport.abort()
            await seen.cancelled.wait()


async def test_HE_11_every_request_has_a_deadline(lab: MakeLab) -> None:
    async with served(lab) as (server, here, _):
        answer = await exchange(server, get("/api/late", here))
        assert answer.startswith(b"HTTP/1.1 504 ")
        assert b"DEADLINE_EXCEEDED" in answer


async def read_events(reader: asyncio.StreamReader, count: int) -> bytes:
    text = b""
    async with asyncio.timeout(3):
        while text.count(b"event: ") < count:
            text += await reader.read(65536)
    return text


async def test_a_stream_resumes_after_the_last_event_seen(lab: MakeLab) -> None:
    async with served(lab) as (server, here, seen):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(get("/api/stream", here, "Last-Event-ID: 40"))
        text = await read_events(reader, 3)
        assert b"content-type: text/event-stream" in text
        assert b'id: 41\nevent: tick\ndata: {"n":41}\n\n' in text
        assert b"id: 43\n" in text
        writer.transport.abort()
        async with asyncio.timeout(3):
            await seen.ended.wait()


async def test_a_stream_whose_source_ends_ends_well(lab: MakeLab) -> None:
    async with served(lab) as (server, here, _):
        answer = await exchange(server, get("/api/short", here, "Connection: close"))
        assert answer.endswith(b"0\r\n\r\n")
        assert answer.count(b"event: tick") == 1


async def test_what_a_source_refuses_at_once_is_answered_and_later_breaks_the_stream(lab: MakeLab) -> None:
    async with served(lab) as (server, here, _):
        refused = await exchange(server, get("/api/short", here, "Last-Event-ID: bad"))
        assert refused.startswith(b"HTTP/1.1 400 ")
        assert b"Last-Event-ID" in refused
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(get("/api/short", here, "Last-Event-ID: later"))
        received = b""
        with suppress(ConnectionError):
            async with asyncio.timeout(3):
                received = await reader.read()
        assert not received.endswith(b"0\r\n\r\n")
        writer.close()


async def test_a_stream_beats_while_nothing_happens(lab: MakeLab) -> None:
    async with served(lab, heartbeat_seconds=0.1) as (server, here, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(get("/api/stream", here))
        async with asyncio.timeout(3):
            assert await reader.readuntil(b": still here\n\n")
        writer.close()


async def test_HE_11_streams_of_one_principal_are_capped(lab: MakeLab) -> None:
    async with served(lab) as (server, here, _):
        writers = []
        for _ in range(5):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(get("/api/stream", here))
            await read_events(reader, 1)
            writers.append(writer)
        answer = await exchange(server, get("/api/stream", here))
        assert answer.startswith(b"HTTP/1.1 429 ")
        assert b"TOO_MANY_STREAMS" in answer
        for writer in writers:
            writer.close()


async def test_RL_05_streams_of_one_tenant_are_capped_whoever_opens_them(lab: MakeLab) -> None:
    async with served(lab, streams_per_tenant=2) as (server, here, _):

        def asked(subject: str, tenant: str = "ten_a") -> bytes:
            head = "GET /api/stream HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "
            return (head + here.token(tenant=tenant, subject=subject) + "\r\n\r\n").encode()

        writers = []
        for request in (asked("usr_1"), asked("usr_2"), asked("usr_1", "ten_b")):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(request)
            await read_events(reader, 1)
            writers.append(writer)
        answer = await exchange(server, asked("usr_3"))
        assert answer.startswith(b"HTTP/1.1 429 ")
        error = json.loads(answer.partition(b"\r\n\r\n")[2])["error"]
        assert (error["code"], error["details"]) == ("TOO_MANY_STREAMS", {"limit": 2})
        assert here.app.streams.counts() == {"ten_a": 2, "ten_b": 1}
        for writer in writers:
            writer.close()


async def test_SE_12_a_stream_ends_when_its_token_does(lab: MakeLab) -> None:
    async with served(lab, heartbeat_seconds=0.1) as (server, here, seen):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(get("/api/stream", here))
        await read_events(reader, 3)
        here.clock.advance(8 * 3600)
        async with asyncio.timeout(3):
            await reader.readuntil(b"0\r\n\r\n")
        assert seen.sources == 0
        writer.close()


async def test_a_stop_ends_streams_and_lets_requests_finish(lab: MakeLab) -> None:
    seen = Seen()
    here = lab(routes(seen))
    server = Server(here.app)
    stop = asyncio.Event()
    work = asyncio.create_task(server.serve(stop))
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(get("/api/stream", here))
    await read_events(reader, 3)
    stop.set()
    async with asyncio.timeout(5):
        await reader.readuntil(b"0\r\n\r\n")
        await work
    assert seen.sources == 0
    writer.close()
    with pytest.raises(OSError):
        await asyncio.open_connection("127.0.0.1", server.port)


async def test_HE_11_a_reader_that_does_not_read_is_dropped(lab: MakeLab) -> None:
    async with served(lab, stalled_seconds=0.2) as (server, here, seen):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1024)
        writer.write(get("/api/flood", here))
        async with asyncio.timeout(5):
            await seen.ended.wait()
        assert seen.sources * 10_000 < 20_000_000
        writer.close()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            while True:
                await reader.readexactly(100_000)


async def test_a_request_in_flight_is_answered_before_the_server_is_gone(lab: MakeLab) -> None:
    seen = Seen()
    here = lab(routes(seen))
    server = Server(here.app)
    stop = asyncio.Event()
    work = asyncio.create_task(server.serve(stop))
    call = asyncio.create_task(exchange(server, get("/api/brief", here)))
    await seen.entered.wait()
    stop.set()
    answer = await call
    await work
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" in answer


async def test_work_that_outlasts_the_patience_of_a_stop_ends_as_unavailable(lab: MakeLab) -> None:
    seen = Seen()
    here = lab(routes(seen))
    server = Server(here.app, settings=HttpSettings(stop_seconds=0.5))
    stop = asyncio.Event()
    work = asyncio.create_task(server.serve(stop))
    call = asyncio.create_task(exchange(server, get("/api/slow", here)))
    await seen.entered.wait()
    stop.set()
    answer = await call
    await work
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert seen.cancelled.is_set()


def test_a_port_in_use_is_a_clear_refusal() -> None:
    with bind("127.0.0.1", 0) as taken, pytest.raises(PortInUse, match=str(taken.getsockname()[1])):
        bind("127.0.0.1", taken.getsockname()[1])


def test_JT_11_the_development_key_is_for_loopback_only(lab: MakeLab) -> None:
    here = lab()
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        with pytest.raises(CannotStart, match="development key"):
            Server(here.app, sock=taken, settings=HttpSettings(development_key=True))
