"""One request on its way through the application, and the edge's link to the connection that it came by."""

import asyncio
from logging import Logger
from typing import Any, Literal, Protocol, cast
from urllib.parse import unquote

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle
from uvicorn.server import ServerState

from isthmus.http.asgi import LINK, Header
from isthmus.http.gathering import Gathering
from isthmus.http.heads import Asked

#: Characters of an answer's head; whatever has others, the server below judges.
_PLAIN = bytes([0x09, 0x0A, 0x0D, *range(0x20, 0x7F)])


class Line(Protocol):
    """The connection, as the server below and ours make it."""

    asgi_version: Literal["2.0", "3.0"]
    server: tuple[str, int | None] | None
    client: tuple[str, int] | None
    scheme: Literal["http", "https"] | None
    flow: FlowControl
    logger: Logger
    access_logger: Logger
    server_state: ServerState
    lost: bool

    def on_response_complete(self) -> None:
        """The answer has been sent."""
        ...

    def serving(self, work: "asyncio.Task[Any] | None") -> None:
        """Which task answers now."""
        ...

    def abort(self) -> None:
        """Break the connection off."""
        ...


class Cycle(RequestResponseCycle):
    """A request that the application answers: whole, or by the messages of the framework."""

    def __init__(self, line: Line, below: Gathering, asked: Asked) -> None:
        self._line = line
        self._below = below
        path = asked.path.decode("ascii")
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": line.asgi_version, "spec_version": "2.3"},
            "http_version": asked.version,
            "server": line.server,
            "client": line.client,
            "scheme": line.scheme,
            "root_path": "",
            "headers": asked.headers,
            "state": {},
            "method": asked.method,
            "path": unquote(path) if "%" in path else path,
            "raw_path": asked.path,
            "query_string": asked.query,
            LINK: self,
        }
        super().__init__(
            scope=cast("Any", scope),
            transport=below,
            flow=line.flow,
            logger=line.logger,
            access_logger=line.access_logger,
            access_log=False,
            default_headers=line.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=asked.expecting,
            keep_alive=asked.keep_alive,
            on_response=line.on_response_complete,
        )

    @property
    def lost(self) -> bool:
        """Whether the connection is gone."""
        return self._line.lost

    def serving(self, work: "asyncio.Task[Any] | None") -> None:
        """Tell the connection which task answers, so that hanging up cancels it."""
        self._line.serving(work)

    def abort(self) -> None:
        """Break the connection off: the answer has begun and cannot be completed."""
        self._line.abort()

    def answer(self, status: int, headers: list[Header], body: bytes) -> bool:
        """Send a whole answer, `content-length` among its headers, in one write. False when nothing was done:
        that answer is one for the messages of the framework, which know every case.
        """
        if self.response_started or self.disconnected or self.flow.write_paused or self.scope["method"] == "HEAD":
            return False
        lines = [STATUS_LINE[status]]
        for name, value in (*self.default_headers, *headers):
            lines += (name, b": ", value, b"\r\n")
        head = b"".join(lines)
        breaks = len(self.default_headers) + len(headers) + 1
        if head.translate(None, _PLAIN) or head.count(b"\r") != breaks or head.count(b"\n") != breaks:
            return False
        self.response_started = self.response_complete = True
        self._below.write_whole(head + (b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n") + body)
        self.message_event.set()
        if not self.keep_alive:
            self._below.close()
        self.on_response()
        return True
