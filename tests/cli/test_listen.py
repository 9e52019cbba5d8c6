"""`isthmus listen` passes on what comes in, byte for byte, to a developer's own machine."""

import asyncio
import json
from base64 import b64encode
from typing import Any

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


async def test_each_delivery_is_passed_on_once_with_its_own_headers_and_bytes() -> None:
    asked: list[str] = []
    taken: list[tuple[str, dict[str, str], bytes]] = []

    async def feed(request: web.Request) -> web.Response:
        assert request.headers["x-api-key"] == "key"
        asked.append(request.query.get("after", "none"))
        items = [] if len(asked) == 1 else [_item("inb_1"), _item(f"inb_{len(asked)}")]
        page = {"items": items, "next": f"place{len(asked)}", "hasMore": False}
        return web.Response(text=json.dumps(page), content_type="application/json")

    async def take(request: web.Request) -> web.Response:
        taken.append((request.query_string, dict(request.headers), await request.read()))
        return web.Response(status=204)

    app = web.Application()
    app.router.add_get("/api/webhooks/feed", feed)
    app.router.add_post("/mine", take)
    tool = typer.Typer()
    tool.command()(listen)
    async with TestServer(app) as server:
        base = str(server.make_url("")).rstrip("/")
        options = [f"{base}/mine", "--api", base, "--key", "key", "--every", "0.1", "--times", "3"]
        ended = await asyncio.to_thread(CliRunner().invoke, tool, options)
    assert ended.exit_code == 0, ended.output
    assert asked == ["none", "place1", "place2"]
    assert [headers["isthmus-delivery"] for _, headers, _ in taken] == ["inb_1", "inb_2", "inb_3"]
    query, headers, body = taken[0]
    assert (query, headers["x-mark"], body) == ("a=1", "1", BODY)
    assert "cookie" not in {name.lower() for name in headers}
    assert "order.updated" in ended.output
