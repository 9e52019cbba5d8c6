"""The client's shared quota on a Redis-compatible server (Redis, Valkey): the same arithmetic, compared and set.

It speaks just enough of the protocol (RESP2) for this: no further package is needed.
"""

import asyncio
import json
import ssl
from typing import Final
from urllib.parse import unquote, urlsplit

from isthmus.client.budget import BudgetRule, Grant
from isthmus.engine.budget import model
from isthmus.kit.clock import SYSTEM, Clock
from isthmus.kit.errors import Unavailable
from isthmus.kit.secret import Secret

_SET_IF_SAME: Final = (
    "if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end "
    "redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) return 1"
)
_TRIES: Final = 50
_MAX_REPLY: Final = 1024 * 1024

Reply = bytes | int | None | list["Reply"]


class RedisBudget:
    """Implements the client's `Budget`. Raises Unavailable when the server is away: no permit is guessed.

    url: redis:// or rediss:// with host, port, password and number of the database. deadline: seconds for a lease.
    """

    def __init__(
        self, url: str, *, prefix: str = "isthmus:budget:", deadline: float = 2.0, clock: Clock = SYSTEM
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"redis", "rediss"} or not parts.hostname:
            raise ValueError("a Redis URL looks like redis://:password@host:6379/0")
        self._host, self._port = parts.hostname, parts.port or 6379
        self._tls = ssl.create_default_context() if parts.scheme == "rediss" else None
        self._user = unquote(parts.username or "")
        self._password = Secret(unquote(parts.password or ""))
        self._number = int(parts.path.strip("/") or 0)
        self._prefix = prefix
        self._deadline = deadline
        self._clock = clock
        self._turn = asyncio.Lock()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def lease(self, key: str, wanted: int, rule: BudgetRule) -> Grant:
        """Take up to `wanted` permits of `key`."""
        started = self._clock.monotonic()
        try:
            async with asyncio.timeout(self._deadline), self._turn:
                grant = await self._whole(key, wanted, rule)
        except (OSError, TimeoutError, EOFError, ValueError) as error:
            raise Unavailable("The shared quota cannot be reached.") from error
        return model.received(grant, self._clock.monotonic() - started)

    async def aclose(self) -> None:
        """Close the connection."""
        self._drop()

    async def _whole(self, key: str, wanted: int, rule: BudgetRule) -> Grant:
        try:
            return await self._lease(self._prefix + key, wanted, rule)
        except BaseException:
            self._drop()  # a reply may be on its way that nobody will read
            raise

    async def _lease(self, key: str, wanted: int, rule: BudgetRule) -> Grant:
        keep = str(int(rule.window * 2000 * max(1.0, rule.holds / rule.max_requests)) + 1000)
        for _ in range(_TRIES):
            text, now = await self._ask(("GET", key), ("TIME",))
            before = text if isinstance(text, bytes) else b""
            step = model.lease(json.loads(before or b"[]"), _seconds(now), wanted, rule)
            if not step.grant.permits and not step.claims:
                return step.grant
            after = json.dumps(step.state, separators=(",", ":"))
            (stored,) = await self._ask(("EVAL", _SET_IF_SAME, "1", key, before, after, keep))
            if stored == 1:
                return step.grant
        return Grant(0, wait_seconds=0.01)

    async def _ask(self, *commands: tuple[str | bytes, ...]) -> list[Reply]:
        reader, writer = self._streams or await self._connect()
        writer.write(b"".join(map(_command, commands)))
        await writer.drain()
        return [await _reply(reader) for _ in commands]

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        self._streams = await asyncio.open_connection(self._host, self._port, ssl=self._tls, limit=_MAX_REPLY)
        if self._password:
            user = (self._user,) if self._user else ()
            await self._ask(("AUTH", *user, self._password.reveal()))
        if self._number:
            await self._ask(("SELECT", str(self._number)))
        return self._streams

    def _drop(self) -> None:
        streams, self._streams = self._streams, None
        if streams is not None:
            streams[1].transport.abort()


def _command(parts: tuple[str | bytes, ...]) -> bytes:
    raw = [part if isinstance(part, bytes) else part.encode() for part in parts]
    return b"*%d\r\n" % len(raw) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in raw)


async def _reply(reader: asyncio.StreamReader) -> Reply:
    line = (await reader.readuntil(b"\r\n"))[:-2]
    kind, rest = line[:1], line[1:]
    if kind == b"+":
        return rest
    if kind == b":":
        return int(rest)
    if kind == b"-":
        raise ValueError(rest[:200].decode("utf-8", "replace"))
    length = int(rest)
    if length > _MAX_REPLY:
        raise ValueError("the reply is too large")
    if kind == b"$":
        return None if length < 0 else (await reader.readexactly(length + 2))[:-2]
    if kind == b"*":
        return [await _reply(reader) for _ in range(length)]
    raise ValueError("not a reply of Redis")


def _seconds(reply: Reply) -> float:
    """The server's clock: one for all processes."""
    if not isinstance(reply, list) or len(reply) != 2:
        raise ValueError("no time")
    whole, micro = (int(part) if isinstance(part, bytes) else 0 for part in reply)
    return whole + micro / 1_000_000
