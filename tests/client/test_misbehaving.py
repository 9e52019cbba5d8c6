"""A far side that does everything wrong: every call ends in time, within its caps, with an error that names it."""

import asyncio
import gzip
import time
import tracemalloc
import zlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from isthmus.client import (
    NEVER,
    AioTransport,
    ApiClient,
    BadReply,
    ClientError,
    DeadlineExceeded,
    Disconnected,
    MalformedBody,
    RedirectRefused,
    Retry,
    Throttled,
    TooLarge,
)
from isthmus.client.transport import shared
from isthmus.client.transport.lean import LeanTransport

Replies = Callable[..., bytes]
Answer = Callable[[Any, asyncio.StreamWriter], Awaitable[None]]
QUICK = Retry(max_attempts=3, initial_delay=0.001, max_delay=0.002, budget=1)
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.fixture(autouse=True, params=[AioTransport, LeanTransport], ids=["aio", "lean"])
def _shared(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What every client uses that brings no transport of its own."""
    monkeypatch.setattr(shared, "AioTransport", request.param)


def says(*pieces: bytes, pause: float = 0.0, end: str = "close") -> Answer:
    """Writes the pieces; then closes, aborts or stays silent."""

    async def answer(seen: object, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            if pause:
                await asyncio.sleep(pause)
        if end == "silent":
            await asyncio.sleep(5)
        elif end == "abort":
            writer.transport.abort()
        else:
            writer.close()

    return answer


def forever(head: bytes, piece: bytes, pause: float = 0.0) -> Answer:
    async def answer(seen: object, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while not writer.transport.is_closing():
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)

    return answer


async def fails(far_side: Any, answer: Answer | bytes, kind: type[ClientError], **options: Any) -> ClientError:
    far_side.answer("/x", answer)
    options = {"retry": NEVER, "deadline": 1.0, **options}
    async with ApiClient(far_side.url, **options) as api:
        started = time.monotonic()
        with pytest.raises(kind) as caught:
            response = await api.get("/x")
            response.json()
        assert time.monotonic() - started < options["deadline"] + 10.0
    return caught.value


@pytest.mark.parametrize(
    "answer",
    [
        says(end="silent"),
        says(OK, end="silent"),
        says(OK + b"Content-Length: 10\r\n\r\n", b"abc", end="silent"),
        forever(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n", 0.01),
        forever(b"HTTP/1.1 200 OK\r\n", b"X", 0.01),
        says(*[bytes([byte]) for byte in OK], pause=0.1),
    ],
    ids=["silent", "half a head", "half a body", "drip body", "drip head", "slow head"],
)
async def test_PR_13_slow_and_dripping_replies_end_at_the_deadline(far_side: Any, answer: Answer) -> None:
    error = await fails(far_side, answer, DeadlineExceeded, deadline=0.5)
    assert error.sent
    assert error.retry_safe


@pytest.mark.parametrize(
    "answer",
    [
        says(OK + b"Content-Length: 100\r\n\r\n{}"),
        says(OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{}"),
        says(OK + b"Content-Length: 100\r\n\r\n{}", end="abort"),
        says(b"", end="abort"),
        says(b"HTTP/1.1 200"),
    ],
    ids=["short", "open chunk", "reset in body", "reset", "torn status"],
)
async def test_torn_replies_are_disconnects(far_side: Any, answer: Answer) -> None:
    error = await fails(far_side, answer, ClientError)
    assert isinstance(error, Disconnected | MalformedBody)
    assert error.sent


async def test_a_reset_at_every_byte_of_a_reply_is_survived(far_side: Any, respond: Replies) -> None:
    whole = respond(body=b'{"ok":true}')
    good = 0
    async with ApiClient(far_side.url, retry=QUICK, breaker=None) as api:
        for cut in range(len(whole) + 1):
            far_side.answer("/x", says(whole[:cut], end="abort"), whole)
            response = await api.get("/x")
            assert response.json() == {"ok": True}
            good += response.attempts == 2
    assert good >= len(whole) - 1


def bomb(size: int) -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    zeros = bytes(1024 * 1024)
    return b"".join([packer.compress(zeros) for _ in range(size)]) + packer.flush()


async def test_SS_10_PA_09_a_bomb_costs_kilobytes(far_side: Any, respond: Replies) -> None:
    far_side.answer("/x", respond(body=bomb(64), Content_Encoding="gzip"))
    async with ApiClient(far_side.url, retry=NEVER) as api:
        await api.get("/warm")
        tracemalloc.start()
        with pytest.raises(TooLarge):
            await api.get("/x")
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 1_500_000


@pytest.mark.parametrize(
    ("body", "encoding", "kind"),
    [
        (gzip.compress(b"{}")[:-9], "gzip", MalformedBody),
        (b"not gzip at all", "gzip", MalformedBody),
        (gzip.compress(b'{"a":1}')[:12] + b"\xff" * 20, "gzip", MalformedBody),
        (b"{}", "br", MalformedBody),
        (gzip.compress(bytes(3_000_000)), "gzip", TooLarge),
        (gzip.compress(gzip.compress(b"{}")), "gzip", MalformedBody),
    ],
    ids=["cut", "lie", "damaged", "never asked", "ratio", "twice"],
)
async def test_PA_09_lying_encodings_are_named(
    far_side: Any, respond: Replies, body: bytes, encoding: str, kind: type[ClientError]
) -> None:
    await fails(far_side, respond(body=body, Content_Encoding=encoding), kind)


@pytest.mark.parametrize("raw", [False, True])
async def test_honest_encodings_are_unpacked(far_side: Any, respond: Replies, raw: bool) -> None:
    text = b",".join(b"%d" % (number * number) for number in range(20_000))
    packer = zlib.compressobj(wbits=-15 if raw else 15)
    far_side.answer("/d", respond(body=packer.compress(text) + packer.flush(), Content_Encoding="deflate"))
    two = gzip.compress(text[:1000]) + gzip.compress(text[1000:])
    far_side.answer("/g", respond(body=two, Content_Encoding="gzip"))
    async with ApiClient(far_side.url) as api:
        assert (await api.get("/d", max_body=10**6)).content == text
        assert (await api.get("/g", max_body=10**6)).content == text


async def test_heads_and_bodies_over_their_caps_are_not_taken(far_side: Any, respond: Replies) -> None:
    many = b"".join(b"X-%d: %s\r\n" % (number, b"y" * 2000) for number in range(60))
    await fails(far_side, says(OK + many + b"Content-Length: 2\r\n\r\n{}"), TooLarge)
    await fails(far_side, says(OK + b"X: " + b"y" * 100_000 + b"\r\n\r\n"), BadReply)
    await fails(far_side, says(OK + b"X: y\r\n" * 5000 + b"\r\n"), BadReply)
    endless = forever(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"8000\r\n" + b"x" * 0x8000 + b"\r\n")
    await fails(far_side, endless, TooLarge, max_body=500_000)


async def test_SS_10_a_flood_of_interim_replies_ends(far_side: Any) -> None:
    flood = forever(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 10, 0.001)
    await fails(far_side, flood, Disconnected, deadline=3.0)
    at_once = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 11 + OK + b"Content-Length: 2\r\n\r\n{}"
    await fails(far_side, says(at_once), Disconnected)
    hints = b"HTTP/1.1 103 Early Hints\r\n\r\n" * 5 + OK + b"Content-Length: 2\r\n\r\n{}"
    far_side.answer("/x", says(hints))
    async with ApiClient(far_side.url) as api:
        assert (await api.get("/x")).json() == {}


async def test_another_protocol_that_nobody_asked_for_is_no_answer(far_side: Any) -> None:
    switched = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nraw"
    error = await fails(far_side, says(switched), ClientError)
    assert isinstance(error, MalformedBody | Disconnected)


@pytest.mark.parametrize(
    ("head", "body", "reason"),
    [
        (b"Content-Type: text/html\r\n", b"<h1>down for maintenance</h1>", "html"),
        (b"Content-Type: application/json\r\n", "{'é'}".encode("latin-1"), "charset"),
        (b"Content-Type: application/json; charset=utf-8\r\n", b'{"a":NaN}', "syntax"),
        (b"", b"", "empty"),
    ],
)
async def test_PA_12_a_200_that_is_no_answer_is_named(far_side: Any, head: bytes, body: bytes, reason: str) -> None:
    answer = says(b"HTTP/1.1 200 OK\r\n" + head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    error = await fails(far_side, answer, MalformedBody)
    assert isinstance(error, MalformedBody)
    assert error.reason == reason


async def test_text_is_read_in_its_charset_and_a_wrong_one_is_named(far_side: Any, respond: Replies) -> None:
    far_side.answer("/a", respond(body="é".encode("latin-1"), kind="text/plain; charset=ISO-8859-1"))
    far_side.answer("/b", respond(body=b"\xff\xfe", kind="text/plain; charset=nonsense"))
    async with ApiClient(far_side.url) as api:
        assert (await api.get("/a")).text == "é"
        with pytest.raises(MalformedBody, match="not nonsense"):
            _ = (await api.get("/b")).text


async def test_garbage_instead_of_http_is_named(far_side: Any) -> None:
    for garbage in (b"SSH-2.0-OpenSSH\r\n\r\n", b"\x16\x03\x01\x02\x00" * 20 + b"\r\n\r\n", b"HTTP/1.1 abc X\r\n\r\n"):
        error = await fails(far_side, says(garbage), ClientError)
        assert isinstance(error, MalformedBody | Disconnected)


async def test_redirect_loops_end(far_side: Any, respond: Replies) -> None:
    far_side.answer("/a", respond(302, Location="/b"))
    far_side.answer("/b", respond(302, Location="/a"))
    far_side.answer("/none", respond(302))
    async with ApiClient(far_side.url, retry=NEVER) as api:
        for path in ("/a", "/none"):
            with pytest.raises(RedirectRefused):
                await api.get(path)
    assert len(far_side.seen) == 5


async def test_a_429_with_a_date_is_heeded(far_side: Any, respond: Replies) -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=40), usegmt=True)
    error = await fails(far_side, respond(429, Retry_After=later), Throttled, retry=QUICK, deadline=5.0)
    assert error.retry_after is not None
    assert 35 < error.retry_after <= 40


async def test_two_replies_to_one_request_do_not_answer_the_next(far_side: Any, respond: Replies) -> None:
    far_side.answer("/x", respond(body=b'"mine"') + respond(body=b'"smuggled"'))
    far_side.answer("/y", respond(body=b'"yours"'))
    async with ApiClient(far_side.url, retry=QUICK) as api:
        for _ in range(5):
            assert (await api.get("/x")).body == "mine"
            assert (await api.get("/y")).body == "yours"


async def test_a_server_that_closes_idle_connections_costs_no_call(far_side: Any) -> None:
    async with ApiClient(far_side.url, retry=QUICK) as api:
        for _ in range(5):
            assert (await api.get("/x")).ok
            far_side.drop()
            await asyncio.sleep(0.005)


async def test_cancelled_calls_leave_no_task_and_no_connection(far_side: Any) -> None:
    far_side.answer("/x", says(end="silent"))
    before = asyncio.all_tasks()
    async with ApiClient(far_side.url) as api:
        tasks = [asyncio.create_task(api.get("/x")) for _ in range(20)]
        await asyncio.sleep(0.05)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    far_side.drop()
    await asyncio.sleep(0.05)
    left = {task for task in asyncio.all_tasks() - before if "serve" not in repr(task)}
    assert not left
