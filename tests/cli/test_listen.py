"""`isthmus listen` passes on what comes in, byte for byte, to a developer's own machine, over cuts too."""

import asyncio
import json
from base64 import b64encode
from typing import Any

import pytest
import typer
from aiohttp import web
from aiohttp.test_utils import TestServer
from typer.testing import CliRunner

from isthmus.cli.listen import listen

BODY = b'{"n": 1}\xff'


def _item(id_: str) -> dict[str, Any]:
    delivery = {"id": id_, "event": "order.updated", "receivedAt": "2026-01-01T00:00:00Z"}
    headers = {"x-mark": "1", "host": "platform", "cookie": "***", "content-type": "application/json"}
    return {"delivery": delivery, "headers": headers, "query": "a=1", "bodyBase64": b64encode(BODY).decode()}


async def test_each_delivery_is_passed_on_once_with_its_own_headers_and_bytes_over_a_cut() -> None:
    asked: list[str | None] = []
    taken: list[tuple[str, dict[str, str], bytes]] = []

    async def stream(request: web.Request) -> web.StreamResponse:
        assert request.headers["x-api-key"] == "key"
        asked.append(request.headers.get("last-event-id"))
        answer = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await answer.prepare(request)
        await answer.write(b"retry: 10\n\nid: place0\nevent: ready\ndata: {}\n\n")
        # the one before the cut comes again behind it
        for number in ((1,), (1, 2, 3))[len(asked) - 1]:
            item = _item(f"inb_{number}") if number != 3 else {**_item("inb_3"), "bodyBase64": None}
            data = json.dumps(item)
            await answer.write(f"id: place{number}\nevent: delivery\ndata: {data}\n\n".encode())
        return answer

    async def feed(request: web.Request) -> web.Response:
        if "after" not in request.query:
            return web.json_response({"items": [], "next": "place", "hasMore": False})
        assert (request.query["after"], request.query["limit"]) == ("inb_", "1")
        page = {"items": [_item("inb_3")], "next": "place", "hasMore": False}
        return web.Response(text=json.dumps(page), content_type="application/json")

    async def take(request: web.Request) -> web.Response:
        taken.append((request.query_string, dict(request.headers), await request.read()))
        return web.Response(status=204)

    app = web.Application()
    app.router.add_get("/api/webhooks/stream", stream)
    app.router.add_get("/api/webhooks/feed", feed)
    app.router.add_post("/mine", take)
    tool = typer.Typer()
    tool.command()(listen)
    async with TestServer(app) as server:
        base = str(server.make_url("")).rstrip("/")
        options = [f"{base}/mine", "--api", base, "--key", "key", "--count", "3"]
        ended = await asyncio.to_thread(CliRunner().invoke, tool, options)
    assert ended.exit_code == 0, ended.output
    assert asked == [None, "place1"]
    assert [headers["isthmus-delivery"] for _, headers, _ in taken] == ["inb_1", "inb_2", "inb_3"]
    # a body that is too large for an event is read for itself
    assert taken[2][2] == BODY
    query, headers, body = taken[0]
    assert (query, headers["x-mark"], body) == ("a=1", "1", BODY)
    assert "cookie" not in {name.lower() for name in headers}
    assert "order.updated" in ended.output


def test_an_address_that_cannot_be_sent_to_is_refused_before_anything_is_listened_to() -> None:
    tool = typer.Typer()
    tool.command()(listen)
    ended = CliRunner().invoke(tool, ["localhost:3000/hooks", "--key", "key", "--api", "http://127.0.0.1:9"])
    assert ended.exit_code == 1
    assert "scheme" in ended.output


@pytest.mark.parametrize(("status", "said"), [(401, "does not let this key in"), (403, "webhook_log:read")])
async def test_a_key_that_is_not_let_in_is_told_of_at_once(status: int, said: str) -> None:
    async def refuse(_: web.Request) -> web.Response:
        return web.json_response({"error": {"code": "UNAUTHORIZED", "message": "No."}}, status=status)

    app = web.Application()
    app.router.add_get("/api/webhooks/{rest:.*}", refuse)
    tool = typer.Typer()
    tool.command()(listen)
    async with TestServer(app) as server:
        base = str(server.make_url("")).rstrip("/")
        options = [f"{base}/mine", "--api", base, "--key", "a-wrong-key"]
        ended = await asyncio.to_thread(CliRunner().invoke, tool, options)
    assert (ended.exit_code, said in ended.output, "a-wrong-key" in ended.output) == (1, True, False)
