"""The guides of the client run as they are printed, against a small API on loopback."""

import ast
import asyncio
import inspect
import re
import threading
import types
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from aiohttp import web

GUIDES = Path(__file__).resolve().parents[2] / "docs/guides"
_RUNNABLE = re.compile(r"^```python runnable\n(.*?)^```$", re.MULTILINE | re.DOTALL)
USERS = [{"id": 1, "name": "Ann"}, {"id": 2, "name": "Bo"}]
ORDERS = [{"id": number, "at": f"2026-01-0{number}T00:00:00+00:00"} for number in range(1, 6)]


async def users(request: web.Request) -> web.Response:
    if request.method == "POST":
        return web.json_response({"id": 7, **await request.json()}, status=201)
    return web.json_response(USERS)


async def slow(_: web.Request) -> web.Response:
    await asyncio.sleep(3)
    return web.Response()


async def orders(request: web.Request) -> web.Response:
    if request.method == "POST":
        return web.json_response({"id": 1})
    start = int(request.query.get("cursor", "0"))
    following = start + 2 if start + 2 < len(ORDERS) else None
    return web.json_response({"data": ORDERS[start : start + 2], "next": following})


async def graphql(_: web.Request) -> web.Response:
    return web.json_response({"data": {"products": [{"id": 1}]}})


async def events(request: web.Request) -> web.Response:
    if request.headers.get("Last-Event-ID") == "4":
        return web.Response(status=204)
    return web.Response(text="retry: 1\n\nid: 3\ndata: 3\n\nid: 4\ndata: 4\n\n", content_type="text/event-stream")


async def socket(request: web.Request) -> web.WebSocketResponse:
    made = web.WebSocketResponse()
    await made.prepare(request)
    await made.send_str(await made.receive_str())
    await made.close()
    return made


def build() -> web.Application:
    turns = count()
    price = {"price": {"amount": "12.50", "currency": "EUR"}}

    async def flaky(_: web.Request) -> web.Response:
        return web.json_response({}, status=503 if next(turns) % 2 == 0 else 200)

    async def echo(request: web.Request) -> web.Response:
        return web.json_response({"authorization": request.headers.get("Authorization", "")})

    def fixed(value: object, **headers: str) -> web.Response:
        return web.json_response(value, headers=headers)

    async def whole(request: web.Request) -> web.Response:
        replies = {
            "/users/7": lambda: fixed({}),
            "/upload": lambda: fixed({}),
            "/envelope": lambda: fixed({"error": "no_scope", "message": "the scope is missing"}),
            "/token": lambda: fixed({"access_token": "fresh", "refresh_token": "next", "expires_in": 3600}),
            "/catalog": lambda: fixed([1, 2, 3], **{"Cache-Control": "max-age=60"}),
            "/export": lambda: web.Response(text="\n".join(f"line {number}" for number in range(1000))),
            "/price": lambda: fixed(price),
            "/mirror/users": lambda: fixed(USERS),
        }
        made = replies.get(request.path)
        return made() if made is not None else web.json_response({"error": "gone"}, status=404)

    app = web.Application()
    for path, handler in (("/users", users), ("/slow", slow), ("/orders", orders), ("/shops/7/orders", orders)):
        app.router.add_route("*", path, handler)
    for path, handler in (("/graphql", graphql), ("/events", events), ("/flaky", flaky), ("/me", echo)):
        app.router.add_route("*", path, handler)
    app.router.add_get("/socket", socket)
    app.router.add_route("*", "/{rest:.*}", whole)
    return app


@pytest.fixture(scope="module")
def api() -> Iterator[str]:
    """The API in a thread of its own, because the sync examples block theirs."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    runner = web.AppRunner(build(), shutdown_timeout=0.1)

    async def start() -> str:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        return f"http://{host}:{port}"

    async def stop() -> None:
        await runner.cleanup()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    yield asyncio.run_coroutine_threadsafe(start(), loop).result(5)
    asyncio.run_coroutine_threadsafe(stop(), loop).result(5)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.mark.parametrize("name", ["client.md", "moving-from-requests.md"])
async def test_every_example_runs_as_it_is_printed(name: str, api: str, capsys: pytest.CaptureFixture[str]) -> None:
    module = types.ModuleType("guide")
    vars(module)["API"] = api
    found = _RUNNABLE.findall((GUIDES / name).read_text("utf-8"))
    assert len(found) >= 3
    for text in found:
        code = compile(text, name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        ended = types.FunctionType(code, vars(module))()
        if inspect.isawaitable(ended):
            await ended
    assert "Traceback" not in capsys.readouterr().out
