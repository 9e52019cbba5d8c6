"""The short way of fronts over real sockets: it answers as the long way does, and leaves to that what is unusual."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.http.conftest import MakeLab

from isthmus.http import Arrival, Departure, Front, HttpSettings, Outcome, Server


@dataclass
class Hooks:
    """A front that notes which way each request came; bodies say what becomes of it."""

    short: list[Arrival] = field(default_factory=list)
    long: list[Arrival] = field(default_factory=list)
    waiting: dict[bytes, Callable[[Outcome], None]] = field(default_factory=dict)
    came: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, arrival: Arrival) -> Departure:
        self.long.append(arrival)
        return Departure(body=arrival.body, content_type="text/plain")

    def begin(self, arrival: Arrival, tell: Callable[[Outcome], None]) -> bool:
        if arrival.body.startswith(b"unknown"):
            return False
        self.short.append(arrival)
        if arrival.body.startswith(b"wait"):
            self.waiting[arrival.body] = tell
            self.came.set()
        elif arrival.body.startswith(b"refuse"):
            tell(Departure(status=401, refused=True))
        elif arrival.body == b"fail":
            raise RuntimeError("select secret from vault")
        else:
            tell(Departure(body=arrival.body, content_type="text/plain"))
        return True


@asynccontextmanager
async def served(lab: MakeLab, **settings: Any) -> AsyncIterator[tuple[Server, Hooks]]:
    hooks = Hooks()
    front = Front(answer=hooks.answer, begin=hooks.begin, body_cap=2_000_000, shown="/hooks/{token}")
    here = lab(settings=settings, fronts={"/hooks/": front})
    async with Server(here.app, settings=HttpSettings(**settings)).running() as server:
        yield server, hooks


def post(body: bytes, *more: str, path: str = "/hooks/abc", length: bool = True) -> bytes:
    lines = [f"POST {path} HTTP/1.1", *([] if any(one.startswith("Host") for one in more) else ["Host: localhost"])]
    lines += [*more, *([f"Content-Length: {len(body)}"] if length else [])]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def read(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    async with asyncio.timeout(5):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in head[1:] if line)
        return int(head[0].split()[1]), headers, await reader.readexactly(int(headers["content-length"]))


@asynccontextmanager
async def line(server: Server) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def ask(server: Server, *parts: bytes) -> tuple[int, dict[str, str], bytes]:
    async with line(server) as (reader, writer):
        for part in parts:
            writer.write(part)
            await asyncio.sleep(0.01 if len(parts) > 1 else 0)
        return await read(reader)


async def test_both_ways_bring_the_same_arrival_and_bear_the_same_headers(lab: MakeLab) -> None:
    async with served(lab) as (server, hooks):
        more = ("X-Request-Id: mine", "X-Mark: a")
        short = await ask(server, post(b"hello!!", *more, path="/hooks/abc?a=1%20b"))
        long = await ask(server, post(b"unknown", *more, path="/hooks/abc?a=1%20b"))
        assert (short[0], short[2], long[2]) == (200, b"hello!!", b"unknown")
        assert short[1]["x-request-id"] == "mine"
        assert {**short[1], "date": ""} == {**long[1], "date": ""}
        one, other = hooks.short[0], hooks.long[0]
        assert (one.method, one.path, one.query, dict(one.headers)) == (
            other.method, other.path, other.query, dict(other.headers),
        )  # fmt: skip
        assert (one.address, one.request_id, one.query) == (other.address, other.request_id, b"a=1%20b")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (post(b"5\r\nhello\r\n0\r\n\r\n", "Transfer-Encoding: chunked", length=False), 200),
        (post(b"hello", "Origin: https://elsewhere.example"), 200),
        (post(b"hello", "X-Mark: a", "X-Mark: b"), 200),
        (post(b"", length=False), 200),
        (b"GET /hooks/abc HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
        (post(b"hello", path="/hooks/a%62c"), 200),
        (post(b"hello", path="/hooks//abc"), 404),
        (post(b"hello", "Content-Encoding: gzip"), 415),
        (post(b"hello", "Host: elsewhere.example"), 421),
        (post(b"x" * 2_000_001), 413),
        (post(b"hello", "Content-Type: a", "Content-Type: b"), 400),
        (post(b"hello", path="/elsewhere"), 404),
    ],
    ids=str,
)
async def test_what_is_unusual_goes_the_long_way(lab: MakeLab, request_: bytes, status: int) -> None:
    async with served(lab) as (server, hooks):
        assert (await ask(server, request_))[0] == status
        assert hooks.short == []
        assert len(hooks.long) == (status == 200)


async def test_a_body_may_come_in_pieces_and_a_connection_serves_many(lab: MakeLab) -> None:
    async with served(lab) as (server, hooks):
        whole = post(b"a body in pieces")
        assert (await ask(server, whole[:30], whole[30:-9], whole[-9:]))[2] == b"a body in pieces"
        large = b"x" * 65_536
        assert (await ask(server, post(large)))[2] == large
        async with line(server) as (reader, writer):
            for number in range(5):
                writer.write(post(b"%d" % number))
                assert (await read(reader))[2] == b"%d" % number
        assert (len(hooks.short), len(hooks.long)) == (7, 0)


async def test_RL_09_what_is_large_goes_the_long_way_where_it_is_counted(lab: MakeLab) -> None:
    async with served(lab) as (server, hooks):
        for size in (65_537, 1_500_000):
            assert (await ask(server, post(b"x" * size)))[2] == b"x" * size
        assert (len(hooks.short), len(hooks.long)) == (0, 2)


async def test_pipelined_requests_are_answered_in_their_order(lab: MakeLab) -> None:
    async with served(lab) as (server, hooks), line(server) as (reader, writer):
        writer.write(post(b"wait") + post(b"second") + post(b"third"))
        await asyncio.wait_for(hooks.came.wait(), 3)
        await asyncio.sleep(0.02)
        hooks.waiting[b"wait"](Departure(body=b"first", content_type="text/plain"))
        assert [(await read(reader))[2] for _ in range(3)] == [b"first", b"second", b"third"]


async def test_whole_requests_and_pieces_take_turns_on_one_connection(lab: MakeLab) -> None:
    async with served(lab) as (server, hooks), line(server) as (reader, writer):
        said = [b"whole", b"in two", b"unknown", b"whole again", b"wait", b"behind it", b"whole still"]
        for number, body in enumerate(said):
            request = post(body)
            cut = len(request) if number % 2 == 0 else 40
            writer.write(request[:cut])
            await asyncio.sleep(0.01)
            writer.write(request[cut:])
            if body == b"wait":
                await asyncio.wait_for(hooks.came.wait(), 3)
                continue
            if body == b"behind it":
                await asyncio.sleep(0.02)
                hooks.waiting[b"wait"](Departure(body=b"wait", content_type="text/plain"))
                assert (await read(reader))[2] == b"wait"
            assert (await read(reader))[2] == body
        # what was behind another one in the line went the long way
        assert [one.body for one in hooks.long] == [b"unknown", b"behind it"]
        assert [one.body for one in hooks.short] == [one for one in said if one not in (b"unknown", b"behind it")]


async def test_HE_01_bytes_behind_a_whole_request_are_never_part_of_it(lab: MakeLab) -> None:
    async with served(lab) as (server, hooks), line(server) as (reader, writer):
        writer.write(post(b"first") + b"GARBAGE\r\n\r\n")
        assert (await read(reader))[2] == b"first"
        assert (await read(reader))[0] == 400
        assert [one.body for one in hooks.short] == [b"first"]


async def test_WH_08_refusals_count_against_their_address_until_it_has_to_wait(lab: MakeLab) -> None:
    async with served(lab, failures_per_minute=3) as (server, hooks):
        found = [await ask(server, post(b"refuse")) for _ in range(3)]
        assert [status for status, _, _ in found] == [401, 401, 429]
        assert found[0][1]["content-length"] == "0"
        assert found[2][1]["x-ratelimit-remaining"] == "0"
        assert int(found[2][1]["retry-after"]) > 0
        assert json.loads(found[2][2])["error"]["code"] == "RATE_LIMIT_EXCEEDED"
        assert (await ask(server, post(b"hello")))[0] == 200
        assert [arrival.strained for arrival in hooks.long] == [True]


async def test_HE_10_a_failure_says_nothing_and_is_logged_in_full(
    lab: MakeLab, caplog: pytest.LogCaptureFixture
) -> None:
    async with served(lab) as (server, _):
        status, headers, body = await ask(server, post(b"fail"))
        told = json.loads(body)
        assert (status, told["error"]["code"], told["requestId"]) == (500, "INTERNAL_ERROR", headers["x-request-id"])
        assert b"vault" not in body
        assert "RuntimeError: select secret from vault" in caplog.text


async def test_answers_are_logged_and_counted_without_their_token(
    lab: MakeLab, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with served(lab) as (server, hooks):
        await ask(server, post(b"hello"))
        async with line(server) as (_, writer):
            writer.write(post(b"wait"))
            await asyncio.wait_for(hooks.came.wait(), 3)
        await asyncio.sleep(0.05)
        hooks.waiting[b"wait"](Departure())
    lines = [record.__dict__["access"] for record in caplog.records if record.name == "isthmus.http.access"]
    assert [(one["method"], one["path"], one["status"]) for one in lines] == [
        ("POST", "/hooks/{token}", 200),
        ("POST", "/hooks/{token}", 499),
    ]


async def test_what_takes_too_long_is_ended_by_the_sweep(lab: MakeLab) -> None:
    async with served(lab, body_seconds=0.1, request_seconds=0.5, keep_alive_seconds=0) as (server, hooks):
        slow, late = ask(server, post(b"hello")[:-1]), ask(server, post(b"wait"))

        async def idle() -> bytes:
            async with line(server) as (reader, writer), asyncio.timeout(5):
                writer.write(post(b"hello"))
                await read(reader)
                return await reader.read()

        (slow_status, *_), (late_status, late_headers, _), rest = await asyncio.gather(slow, late, idle())
        assert (slow_status, late_status, late_headers["connection"], rest) == (408, 504, "close", b"")
        hooks.waiting[b"wait"](Departure())


async def test_a_stop_waits_for_what_was_begun_and_tells_what_was_not_finished(lab: MakeLab) -> None:
    for stop_seconds, status in ((5.0, 200), (1.0, 503)):
        async with served(lab, stop_seconds=stop_seconds) as (server, hooks):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(post(b"wait"))
            await asyncio.wait_for(hooks.came.wait(), 3)
            if status == 200:
                asyncio.get_running_loop().call_later(0.15, hooks.waiting[b"wait"], Departure())
            answered = asyncio.create_task(read(reader))
        found, headers, _ = await answered
        writer.close()
        assert (found, headers["connection"]) == (status, "close")
