"""Walks that follow every common kind of pagination and always end."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from isthmus.client import ApiClient, Cursor, LinkHeader, NextUrl, Offset, PageNumber, PagesRefused
from isthmus.client.paths import dig, records

Replies = Callable[..., bytes]
ROWS = [{"id": number} for number in range(23)]


def body(value: object) -> bytes:
    return msgspec.json.encode(value)


def serve(far_side: Any, respond: Replies, make: Callable[[dict[str, str]], bytes]) -> None:
    async def answer(seen: Any, writer: asyncio.StreamWriter) -> None:
        query = dict(part.split("=") for part in seen.target.partition("?")[2].split("&") if part)
        writer.write(make(query))

    far_side.answer("/rows", answer)


async def ids(api: ApiClient, paging: Any, items: str = "data") -> list[int]:
    return [int(str(dig(row, "id"))) async for row in api.walk("/rows", paging, items).records()]


async def test_pages_by_number_and_by_offset_come_to_their_end(far_side: Any, respond: Replies) -> None:
    def by_page(query: dict[str, str]) -> bytes:
        start = (int(query["page"]) - 1) * 10
        return respond(body=body({"data": ROWS[start : start + 10]}))

    def by_offset(query: dict[str, str]) -> bytes:
        start = int(query["offset"])
        return respond(body=body({"data": ROWS[start : start + int(query["limit"])], "total": len(ROWS)}))

    async with ApiClient(far_side.url) as api:
        serve(far_side, respond, by_page)
        assert await ids(api, PageNumber(size=10)) == list(range(23))
        serve(far_side, respond, by_offset)
        assert await ids(api, Offset(limit=10, total="total")) == list(range(23))


async def test_cursors_next_urls_and_link_headers_are_followed(far_side: Any, respond: Replies) -> None:
    def cursor(query: dict[str, str]) -> bytes:
        start = int(query.get("cursor", "0"))
        following = start + 10 if start + 10 < len(ROWS) else None
        link = f'</rows?cursor={following}>; rel="next", </rows>; rel="first"' if following else ""
        url = f"{far_side.url}/rows?cursor={following}" if following else None
        page = {"data": ROWS[start : start + 10], "next_cursor": following, "next": url}
        return respond(body=body(page), Link=link)

    serve(far_side, respond, cursor)
    async with ApiClient(far_side.url) as api:
        for paging in (Cursor(), NextUrl(), LinkHeader()):
            assert await ids(api, paging) == list(range(23))


async def test_SS_14_a_page_that_repeats_ends_the_walk(far_side: Any, respond: Replies) -> None:
    far_side.answer("/rows", respond(body=body({"data": ROWS[:10], "next_cursor": "same"})))
    async with ApiClient(far_side.url) as api:
        with pytest.raises(PagesRefused, match="repeats"):
            await ids(api, PageNumber(size=10))
        with pytest.raises(PagesRefused, match=r"repeats|already"):
            await ids(api, Cursor())


async def test_SS_14_endless_pages_end_at_the_bound(far_side: Any, respond: Replies) -> None:
    serve(far_side, respond, lambda query: respond(body=body({"data": [{"id": int(query["page"])}] * 10})))
    async with ApiClient(far_side.url) as api:
        walk = api.walk("/rows", PageNumber(size=10), "data")
        walk.max_pages = 30
        with pytest.raises(PagesRefused, match="more than 30"):
            _ = [page async for page in walk.pages()]
    assert len(far_side.seen) == 30


async def test_SS_13_a_link_to_another_host_is_not_followed(far_side: Any, respond: Replies) -> None:
    elsewhere = f"http://localhost:{far_side.port}/rows?x=1"
    far_side.answer("/rows", respond(body=body({"data": ROWS[:3], "next": elsewhere})))
    async with ApiClient(far_side.url, headers={"X-Secret": "s"}) as api:
        with pytest.raises(PagesRefused, match="another host"):
            await ids(api, NextUrl())
    assert len(far_side.seen) == 1


def test_paths_find_records_or_nothing() -> None:
    value = {"data": {"edges": [{"node": {"id": 1}}, {"node": {"id": 2}}, {}]}, "one": {"id": 3}}
    assert records(value, "data.edges.*.node") == [{"id": 1}, {"id": 2}]
    assert records(value, "one") == [{"id": 3}]
    assert records(value, "absent.path") == []
    assert dig(value, "data.edges.1.node.id") == 2
    assert dig(value, "data.edges.7.node") is None
