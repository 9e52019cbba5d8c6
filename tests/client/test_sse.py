"""Server-sent events: parsed by the letter, resumed after every break, ended by a 204."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.client import ApiClient, DeadlineExceeded, EventSource, MalformedBody, Missing, Retry, ServerEvent
from isthmus.client.sse import EventParser

Replies = Callable[..., bytes]
QUICK = Retry(max_attempts=3, initial_delay=0.001, max_delay=0.002)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


def parse(text: str) -> list[ServerEvent]:
    parser = EventParser()
    return [event for line in text.encode().split(b"\n") if (event := parser.feed(line)) is not None]


def test_fields_are_read_by_the_letter() -> None:
    text = ": note\ndata: a\ndata:b\n\nid: 7\nevent: order\ndata\n\ndata: c\nretry: 5\n\n"
    assert parse(text + "event: nothing\n\nother: x\ndata: d\n\n") == [
        ServerEvent("a\nb"),
        ServerEvent("", "order", "7"),
        ServerEvent("c", "message", "7"),
        ServerEvent("d", "message", "7"),
    ]


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_no_line_breaks_the_parser(raw: bytes) -> None:
    parser = EventParser()
    for line in raw.split(b"\n"):
        parser.feed(line)


async def test_a_break_is_resumed_where_it_was(far_side: Any, respond: Replies) -> None:
    async def part(seen: Any, writer: asyncio.StreamWriter) -> None:
        start = int(seen.headers.get("last-event-id", "0"))
        writer.write(HEAD + "".join(f"id: {n}\ndata: {n}\n\n" for n in range(start + 1, start + 3)).encode())
        writer.write(b"data: lost in the mid")
        await writer.drain()
        writer.close()

    far_side.answer("/feed", part, part, part, respond(204, b""))
    async with ApiClient(far_side.url) as api:
        source = EventSource(api, "/feed", retry=QUICK)
        events = [int(event.data) async for event in source.events()]
    assert events == [1, 2, 3, 4, 5, 6]
    assert source.last_id == "6"
    assert source.connections == 4


async def test_a_silent_feed_counts_as_dead_and_a_wrong_one_as_wrong(far_side: Any, respond: Replies) -> None:
    async def silent(seen: object, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD)
        await asyncio.sleep(5)

    far_side.answer("/feed", silent)
    far_side.answer("/page", respond(body=b"<html>", kind="text/html"))
    far_side.answer("/gone", respond(404))
    async with ApiClient(far_side.url, retry=QUICK) as api:
        for path, kind in (("/feed", DeadlineExceeded), ("/page", MalformedBody), ("/gone", Missing)):
            with pytest.raises(kind):
                _ = [event async for event in EventSource(api, path, quiet=0.03, retry=QUICK).events()]
    assert far_side.paths().count("/feed") == 3
