"""Server-sent events with reconnect and resume (WHATWG HTML section 9.2)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Unpack

from isthmus.client.client import ApiClient
from isthmus.client.errors import ClientError, DeadlineExceeded, MalformedBody, NetworkError, PlatformFailed, TooLarge
from isthmus.client.options import CallOptions
from isthmus.client.retry import Retry
from isthmus.client.stream import Streamed
from isthmus.kit import chance

_MAX_EVENT = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One event; `id` is the latest id seen, which a reconnect sends back."""

    data: str
    type: str = "message"
    id: str = ""


class EventParser:
    """Lines to events; holds what the specification says survives between them."""

    def __init__(self, last_id: str = "") -> None:
        self.last_id = last_id
        #: Milliseconds the far side asks to wait before reconnecting.
        self.retry: int | None = None
        self._id = last_id
        self._type = ""
        self._data: list[str] = []
        self._size = 0

    def feed(self, raw: bytes) -> ServerEvent | None:
        """One line without its end; an event when an empty line ends one. Raises TooLarge over 1 MiB."""
        line = raw.decode("utf-8", "replace")
        if not line:
            return self._event()
        if line.startswith(":"):
            return None
        name, _, value = line.partition(":")
        self._field(name, value.removeprefix(" "))
        return None

    def _field(self, name: str, value: str) -> None:
        if name == "data":
            self._size += len(value) + 1
            if self._size > _MAX_EVENT:
                raise TooLarge("an event is larger than 1 MiB", sent=True)
            self._data.append(value)
        elif name == "event":
            self._type = value
        elif name == "id" and "\x00" not in value:
            self._id = value
        elif name == "retry" and value.isascii() and value.isdigit() and len(value) < 10:
            self.retry = int(value)

    def _event(self) -> ServerEvent | None:
        self.last_id = self._id
        data, kind = self._data, self._type
        self._data, self._type, self._size = [], "", 0
        if not data:
            return None
        return ServerEvent("\n".join(data), kind or "message", self.last_id)


class EventSource:
    """The events of a URL, reconnected for ever with `Last-Event-ID`.

    last_id: where to resume. quiet: seconds without a byte after which the connection counts as dead. retry: how to
    wait between connections; a run of `max_attempts` failures raises the last error. It ends at a 204 reply.
    """

    def __init__(
        self,
        client: ApiClient,
        url: str,
        *,
        last_id: str = "",
        quiet: float = 60.0,
        retry: Retry | None = None,
        **options: Unpack[CallOptions],
    ) -> None:
        self._client = client
        self._url = url
        self._parser = EventParser(last_id)
        self._quiet = quiet
        self._retry = retry or Retry(max_attempts=10, initial_delay=1.0, max_delay=30.0)
        self._options = options
        self.connections = 0

    @property
    def last_id(self) -> str:
        """Where a new source would resume."""
        return self._parser.last_id

    async def events(self) -> AsyncIterator[ServerEvent]:
        """The events. Raises the errors of the calls when the far side stays away or says no for good."""
        failures = 0
        while True:
            try:
                reply = await self._connect()
                if reply is None:
                    return
                async for event in self._read(reply):
                    failures = 0
                    yield event
            except (NetworkError, PlatformFailed) as error:
                failures += 1
                if failures >= self._retry.max_attempts:
                    raise
                await self._pause(failures, error)
            else:
                failures += 1
                await self._pause(1, None)

    async def _pause(self, failures: int, error: ClientError | None) -> None:
        asked = self._parser.retry
        delay = asked / 1000 if asked is not None else self._retry.delay(failures, chance.draw())
        if error is not None and error.retry_after:
            delay = max(delay, error.retry_after)
        await self._client.clock.sleep(min(delay, self._retry.max_delay))

    async def _connect(self) -> Streamed | None:
        options = self._options.copy()
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store", **(options.get("headers") or {})}
        if self._parser.last_id:
            headers["Last-Event-ID"] = self._parser.last_id
        options["headers"] = headers
        self.connections += 1
        self._parser = EventParser(self._parser.last_id)
        reply = await self._client.open_stream("GET", self._url, **options)
        kind = reply.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if reply.status == 204 or kind != "text/event-stream":
            reply.abort()
            if reply.status == 204:
                return None
            raise MalformedBody(f"not an event stream but {kind[:60]!r}", reason="shape")
        return reply

    async def _read(self, reply: Streamed) -> AsyncIterator[ServerEvent]:
        lines = reply.lines(_MAX_EVENT)
        first = True
        try:
            while True:
                try:
                    async with asyncio.timeout(self._quiet):
                        line = await anext(lines, None)
                except TimeoutError as error:
                    raise DeadlineExceeded(f"no byte within {self._quiet:g} s", sent=True, retry_safe=True) from error
                if line is None:
                    return
                event = self._parser.feed(line.removeprefix(b"\xef\xbb\xbf") if first else line)
                first = False
                if event is not None:
                    yield event
        finally:
            reply.abort()
