"""Every transport keeps the same promises; recordings hold no secrets."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme

from isthmus.client import (
    NEVER,
    AddressGuard,
    AddressRefused,
    AioTransport,
    ApiClient,
    ApiKey,
    ConnectFailed,
    DeadlineExceeded,
    Disconnected,
    InvalidRequest,
    Measured,
    NetworkError,
    Recorder,
    Replay,
    Request,
    Response,
    Retry,
    Scripted,
    TlsFailed,
    TooLarge,
)
from isthmus.client.transport.http2 import Http2Transport
from isthmus.client.transport.lean import LeanTransport

Replies = Callable[..., bytes]
KINDS: list[Any] = [AioTransport, LeanTransport, Http2Transport]


@pytest.fixture(params=KINDS, ids=["aio", "lean", "http2"])
async def pool(request: Any) -> AsyncIterator[Callable[..., Any]]:
    opened: list[Any] = []

    def make(**options: Any) -> Any:
        opened.append(request.param(**options))
        return opened[-1]

    yield make
    for one in opened:
        await one.aclose()


async def test_bodies_go_up_and_down(pool: Any, far_side: Any, respond: Replies) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"one"
        yield b"two"

    far_side.answer("/x", respond(201, b'{"a":1}', X_Kind="y"))
    async with ApiClient(far_side.url, transport=pool()) as api:
        response = await api.post("/x", {"b": 2})
        await api.put("/y", content=pieces())
        await api.post("/z")
        async with api.stream("GET", "/x") as reply:
            assert await reply.read() == b'{"a":1}'
    assert (response.status, response.body, response.headers["x-kind"]) == (201, {"a": 1}, "y")
    assert [one.body for one in far_side.seen] == [b'{"b":2}', b"onetwo", b"", b""]
    assert "content-type" not in far_side.seen[2].headers
    assert far_side.connections == 1
    assert far_side.seen[0].headers["host"] == f"127.0.0.1:{far_side.port}"


async def _pieces(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def test_a_stream_of_known_length_goes_with_its_length_and_not_in_chunks(pool: Any, far_side: Any) -> None:
    async with ApiClient(far_side.url, transport=pool()) as api:
        await api.post("/x", content=Measured(_pieces(b"one", b"", b"two"), 6))
        await api.post("/x", content=Measured(_pieces(), 0))
    assert [one.body for one in far_side.seen] == [b"onetwo", b""]
    assert [one.headers["content-length"] for one in far_side.seen] == ["6", "0"]
    assert not [one for one in far_side.seen if "transfer-encoding" in one.headers]
    assert far_side.connections == 1


async def test_a_stream_that_differs_from_its_length_ends_the_call_and_the_connection(pool: Any, far_side: Any) -> None:
    async with ApiClient(far_side.url, transport=pool(), retry=NEVER) as api:
        await api.get("/first")
        for pieces in ((b"on",), (b"one", b"two"), (b"onetwo",)):
            with pytest.raises(InvalidRequest, match="announced"):
                await api.post("/x", content=Measured(_pieces(*pieces), 3))
            await api.get("/after")
    # what reached the far side of the bad ones was never whole, and nothing came over the same line behind it
    assert all(len(one.body) <= 3 for one in far_side.seen)
    assert far_side.connections >= 4
    assert [one.target for one in far_side.seen if one.method == "GET"] == ["/first", "/after", "/after", "/after"]


async def test_the_caller_hears_how_its_own_body_failed(pool: Any, far_side: Any) -> None:
    async def failing() -> AsyncIterator[bytes]:
        yield b"one"
        raise LookupError("the caller's own")

    async with ApiClient(far_side.url, transport=pool(), retry=NEVER) as api:
        for content in (failing(), Measured(failing(), 6)):
            with pytest.raises(LookupError, match="own"):
                await api.post("/x", content=content)
    assert far_side.seen == []


async def test_failures_have_one_meaning_in_every_transport(pool: Any, far_side: Any, respond: Replies) -> None:
    async def reset(seen: object, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    async def silent(seen: object, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(5)

    async def short(seen: object, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
        await writer.drain()
        writer.close()

    for path, answer in (("/reset", reset), ("/silent", silent), ("/short", short)):
        far_side.answer(path, answer)
    far_side.answer("/big", respond(body=b"x" * 50_000))
    async with ApiClient(far_side.url, transport=pool(), retry=NEVER, max_body=10_000) as api:
        for path, kind in (("/reset", Disconnected), ("/short", Disconnected), ("/big", TooLarge)):
            with pytest.raises(kind) as caught:
                await api.get(path)
            assert caught.value.sent
        with pytest.raises(DeadlineExceeded) as late:
            await api.get("/silent", deadline=0.1)
        assert late.value.sent
        with pytest.raises(InvalidRequest):
            await api.get("/x", headers={"X-A": "b\r\nc: d"})
        with pytest.raises(ConnectFailed) as failed:
            await api.get("http://127.0.0.1:1/")
        assert not failed.value.sent


async def test_what_an_earlier_attempt_sent_does_not_colour_a_later_one(pool: Any) -> None:
    async def busy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 429 X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()
        server.close()

    server = await asyncio.start_server(busy, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with ApiClient(url, transport=pool(), retry=Retry(max_attempts=2, initial_delay=0.02)) as api:
        with pytest.raises(ConnectFailed) as caught:
            await api.post("/")
    assert caught.value.attempts == 2
    assert not caught.value.sent
    await server.wait_closed()


async def test_the_guard_judges_the_dial_of_every_transport(pool: Any, far_side: Any) -> None:
    for url in (far_side.url, far_side.url.replace("127.0.0.1", "localhost")):
        async with ApiClient(url, transport=pool(guard=AddressGuard()), retry=NEVER) as api:
            with pytest.raises(AddressRefused):
                await api.get("/")
        async with ApiClient(url, transport=pool(guard=AddressGuard(allow=("127.0.0.1", "::1"))), retry=NEVER) as api:
            assert (await api.get("/")).ok
    assert len(far_side.seen) == 2


async def test_SS_12_tls_is_verified_and_a_ca_can_be_given(pool: Any, tmp_path: Path) -> None:
    authority, other = trustme.CA(), trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("shop.test", "127.0.0.1").configure_cert(context)
    context.set_alpn_protocols(["http/1.1"])
    wrong = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("elsewhere.test").configure_cert(wrong)
    late = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1", not_after=datetime.now(UTC) - timedelta(days=1)).configure_cert(late)
    ca, ca2 = tmp_path / "ca.pem", tmp_path / "ca2.pem"
    authority.cert_pem.write_to_path(ca)
    other.cert_pem.write_to_path(ca2)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        await writer.drain()
        writer.close()

    good = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    bad = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=wrong)
    past = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=late)
    cases = ((good, ca, True), (good, ca2, False), (bad, ca, False), (past, ca, False), (good, None, False))
    for server, trusted, passes in cases:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        transport = pool(ca=str(trusted) if trusted else None)
        async with ApiClient(url, transport=transport, retry=NEVER) as api:
            if passes:
                assert (await api.get("/")).ok
                continue
            with pytest.raises(TlsFailed) as caught:
                await api.get("/")
            assert not caught.value.sent
            assert "certificate" in caught.value.message
    for server in (good, bad, past):
        server.close()
        await server.wait_closed()


async def test_a_client_certificate_is_shown_where_it_is_asked_for(pool: Any, tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    context.set_alpn_protocols(["http/1.1"])
    mine = authority.issue_cert("client@isthmus.test")
    mine.private_key_pem.write_to_path(tmp_path / "key.pem")
    mine.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    shown = pool(ca=str(tmp_path / "ca.pem"), client_cert=(str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")))
    async with ApiClient(url, transport=shown, retry=NEVER) as api:
        assert (await api.get("/")).ok
    async with ApiClient(url, transport=pool(ca=str(tmp_path / "ca.pem")), retry=NEVER) as api:
        with pytest.raises(NetworkError):
            await api.get("/")
    server.close()
    await server.wait_closed()


async def test_a_proxy_is_used_when_it_is_configured_and_the_guard_still_judges(far_side: Any) -> None:
    transport = AioTransport(proxy=far_side.url, guard=AddressGuard())
    async with ApiClient("http://api.example.test", transport=transport, retry=NEVER) as api:
        assert (await api.get("/x", query={"a": 1})).ok
    async with ApiClient("http://169.254.169.254", transport=transport, retry=NEVER) as api:
        with pytest.raises(AddressRefused):
            await api.get("/x")
    await transport.aclose()
    assert far_side.paths() == ["http://api.example.test/x?a=1"]


async def test_http_2_is_spoken_where_the_far_side_does(tmp_path: Path) -> None:
    h2 = pytest.importorskip("h2.connection")
    config, events = pytest.importorskip("h2.config"), pytest.importorskip("h2.events")
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    context.set_alpn_protocols(["h2"])
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = h2.H2Connection(config.H2Configuration(client_side=False))
        talk.initiate_connection()
        writer.write(talk.data_to_send())
        while data := await reader.read(65_536):
            for event in talk.receive_data(data):
                if isinstance(event, events.StreamEnded):
                    headers = [(":status", "200"), ("content-type", "application/json")]
                    talk.send_headers(event.stream_id, headers)
                    talk.send_data(event.stream_id, b'{"h":2}', end_stream=True)
            writer.write(talk.data_to_send())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    transport = Http2Transport(ca=str(tmp_path / "ca.pem"))
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with ApiClient(url, transport=transport) as api:
        found = await asyncio.gather(*(api.get("/") for _ in range(5)))
    assert [one.body for one in found] == [{"h": 2}] * 5
    await transport.aclose()
    server.close()
    await server.wait_closed()


async def test_recordings_play_back_and_hold_no_secret(far_side: Any, respond: Replies, tmp_path: Path) -> None:
    far_side.answer("/x", respond(body=b"1"), respond(body=b"2"))
    recorder = Recorder(AioTransport())
    async with ApiClient(far_side.url, transport=recorder, auth=ApiKey("topsecretvalue", query="api_key")) as api:
        await api.get("/x", query={"page": 1})
        await api.get("/x", query={"page": 1})
        await api.post("/y", {"password": "hunter2hunter2"}, headers={"X-Auth": "topsecretvalue"})
    await recorder.aclose()
    recorder.save(tmp_path / "takes.jsonl")
    kept = (tmp_path / "takes.jsonl").read_text()
    assert "topsecretvalue" not in kept
    assert "hunter2" not in kept
    replay = Replay.load(tmp_path / "takes.jsonl")
    async with ApiClient(far_side.url, transport=replay, auth=ApiKey("another", query="api_key"), retry=NEVER) as api:
        assert [(await api.get("/x", query={"page": 1})).body for _ in range(3)] == [1, 2, 2]
        with pytest.raises(ConnectFailed, match="no take"):
            await api.get("/unknown")
    assert len(far_side.seen) == 3


async def test_a_scripted_far_side_needs_no_socket() -> None:
    def answer(request: Request) -> Response:
        return Response(200, {"Content-Type": "application/json"}, f'"{request.path}"'.encode())

    async with ApiClient("https://api.example.com", transport=Scripted(answer)) as api:
        assert (await api.get("/a")).body == "/a"
