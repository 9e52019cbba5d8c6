"""The network face of one platform: reads the request, lets faults strike, sends the answer, keeps the record."""

import asyncio
import os
import socket
import struct
from collections.abc import Callable, Mapping
from email.utils import format_datetime

import msgspec
from starlette.requests import Request
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from isthmus.sandbox import control
from isthmus.sandbox.faults import Fault
from isthmus.sandbox.shop import Shop
from isthmus.sandbox.wire import BODY_LIMIT, HTML, Call, Reply, json_reply

_ABORT = "isthmus.abort"
_PIECES = 8
_BAD_GATEWAY = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
_MAINTENANCE = b"<!doctype html><html><body><h1>We will be back soon</h1></body></html>"


class Wire(HttpToolsProtocol):
    """The HTTP protocol with one addition: the application may reset the connection."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {_ABORT: {"call": self._abort}}

    def _abort(self) -> None:
        linger = struct.pack("ii", 1, 0)
        place = self.transport.get_extra_info("socket").fileno()
        if place >= 0:  # the client may have gone first
            with socket.socket(fileno=os.dup(place)) as twin:
                twin.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.transport.abort()


class Front:
    """The ASGI application of one platform."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Let requests that hang go."""
        self._stopping.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        body = await _body(request)
        shop = self._shop
        path = request.url.path
        if path.startswith(control.PREFIX):
            call = Call(request, body or b"", shop.recording.blank())
            await _send(control.answer(shop, call), send)
            return
        record = shop.recording.open(
            shop.clock.now().isoformat(), request.method, path, request.query_params.multi_items()
        )
        call = Call(request, body or b"", record)
        if body is None:
            reply: Reply | None = json_reply({"error": "the request is too large"}, 413)
            fault = None
        else:
            fault = shop.faults.match(request.method, path)
            reply = await self._before(fault, call, receive, scope) if fault is not None else shop.answer(call)
        if reply is not None:
            record.status = reply.status
            reply.headers.setdefault("date", format_datetime(shop.clock.now(), usegmt=True))
            await self._deliver(fault, reply, scope, send)

    async def _before(self, fault: Fault, call: Call, receive: Receive, scope: Scope) -> Reply | None:
        """What a fault does ahead of the answer; None when there will be none."""
        shop, kind = self._shop, fault.kind
        call.record.fault = kind
        shop.recording.counts["faults"] += 1
        if kind in {"hang", "latency"}:
            gone = await self._wait(fault.seconds or (3600.0 if kind == "hang" else 0.2), receive)
            if gone or kind == "hang":
                await _abort(scope)
                return None
        elif kind == "reset":
            await _abort(scope)
            return None
        elif kind in _CANNED:
            return _CANNED[kind](shop, fault)
        self._prepare(kind, call)
        return shop.answer(call)

    def _prepare(self, kind: str, call: Call) -> None:
        ledger = self._shop.ledger
        text = self._shop.bearer(call)
        token = ledger.find(text, "access")
        if kind == "expired_token":
            ledger.expire(text)
        elif kind == "revoked_token" and token is not None:
            token.grant.revoked = True
        elif kind == "reorder":
            call.reordered = True
        elif kind == "lose":
            call.loses = True

    async def _wait(self, seconds: float, receive: Receive) -> bool:
        """Wait; True when the client left or the sandbox stops first."""
        gone = asyncio.ensure_future(receive())
        stop = asyncio.ensure_future(self._stopping.wait())
        done, pending = await asyncio.wait({gone, stop}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        return bool(done)

    async def _deliver(self, fault: Fault | None, reply: Reply, scope: Scope, send: Send) -> None:
        kind = fault.kind if fault is not None else ""
        if kind == "drop_reply":
            await _abort(scope)
        elif kind == "truncate":
            reply.body = reply.body[: len(reply.body) // 2]
            await _send(reply, send)
        elif kind == "cut":
            await _start(reply, send)
            await _piece(reply.body[: len(reply.body) // 2], send, more=True)
            await asyncio.sleep(0.01)
            await _abort(scope)
        elif fault is not None and kind == "slow_body":
            await self._slowly(reply, fault.seconds or 2.0, send)
        else:
            if fault is not None and kind == "patch":
                reply.body = _patched(reply.body, fault)
            await _send(reply, send)

    async def _slowly(self, reply: Reply, seconds: float, send: Send) -> None:
        await _start(reply, send)
        size = len(reply.body) // _PIECES + 1
        for start in range(0, len(reply.body), size):
            await _piece(reply.body[start : start + size], send, more=True)
            if not self._stopping.is_set():
                await asyncio.sleep(seconds / _PIECES)
        await _piece(b"", send, more=False)


_CANNED: dict[str, Callable[[Shop, Fault], Reply]] = {
    "server_error": lambda _, fault: Reply(_BAD_GATEWAY, fault.status or 502, HTML),
    "html": lambda *_: Reply(_MAINTENANCE, 200, HTML),
    "throttle": lambda shop, fault: shop.throttled(fault.seconds or 1.0),
    "replace": lambda _, fault: json_reply(fault.body, fault.status or 200),
}


def _patched(body: bytes, fault: Fault) -> bytes:
    return msgspec.json.encode(_merged(msgspec.json.decode(body), fault.body))


def _merged(value: object, changes: object) -> object:
    """`changes` laid over `value`, object by object."""
    if not isinstance(value, dict) or not isinstance(changes, Mapping):
        return changes
    return {**value, **{name: _merged(value.get(name), change) for name, change in changes.items()}}


async def _body(request: Request) -> bytes | None:
    """The whole body, or None when it is too large."""
    pieces, size = [], 0
    async for piece in request.stream():
        size += len(piece)
        if size <= BODY_LIMIT:
            pieces.append(piece)
    return b"".join(pieces) if size <= BODY_LIMIT else None


async def _start(reply: Reply, send: Send) -> None:
    headers = {"content-type": reply.content_type, "content-length": str(len(reply.body)), **reply.headers}
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": reply.status, "headers": raw})


async def _piece(data: bytes, send: Send, *, more: bool) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": more})


async def _send(reply: Reply, send: Send) -> None:
    await _start(reply, send)
    await _piece(reply.body, send, more=False)


async def _abort(scope: Scope) -> None:
    scope["extensions"][_ABORT]["call"]()
    for _ in range(3):  # the loop needs a turn to tell the protocol, else it reports an answer that never came
        await asyncio.sleep(0)
