"""A pooler that lends a database session for one transaction, as PgBouncer does in that mode, and cleans nothing."""

import asyncio
import contextlib
import itertools
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

_SSL, _CANCEL = 80877103, 80877102
_OK = b"R" + struct.pack("!ii", 8, 0)
_READY = b"Z" + struct.pack("!i", 5) + b"I"


async def _message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """One message behind the greeting: its kind, and all its bytes."""
    head = await reader.readexactly(5)
    return head[:1], head + await reader.readexactly(struct.unpack("!i", head[1:])[0] - 4)


@dataclass(eq=False)
class Session:
    """A session at the server."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    greeting: bytes = b""
    key: bytes = b""
    #: The clients that had it, each time anew.
    lent: list[int] = field(default_factory=list)
    #: Held while the server is told to end what it does for somebody; nobody else has the session before that is over.
    ending: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(eq=False)
class Client:
    """Somebody who believes to have a session."""

    number: int
    writer: asyncio.StreamWriter
    session: Session | None = None
    answering: asyncio.Task[None] | None = None
    #: Rounds whose end the server has not told, and whether one is being sent.
    open_rounds: int = 0
    sending: bool = False


class Pooler:
    """Few sessions for many clients; `url` is its address, in place of the server's."""

    def __init__(self, url: str, size: int) -> None:
        parts = urlsplit(url)
        host = parse_qs(parts.query)["host"][0]
        self._path, self._user, self._name = f"{host}/.s.PGSQL.5432", parts.username, parts.path.strip("/")
        self._size, self._free = size, asyncio.Queue[Session]()
        self._clients: dict[bytes, Client] = {}
        self._numbers = itertools.count(1)
        self.sessions: list[Session] = []
        self.cancelled = 0
        self.url = ""

    async def _open(self) -> None:
        reader, writer = await asyncio.open_unix_connection(self._path)
        made = Session(reader, writer)
        said = f"user\0{self._user}\0database\0{self._name}\0\0".encode()
        writer.write(struct.pack("!ii", 8 + len(said), 3 << 16) + said)
        kind = b""
        while kind != b"Z":
            kind, whole = await _message(reader)
            assert kind != b"E", whole
            if kind == b"S":
                made.greeting += whole
            elif kind == b"K":
                made.key = whole[5:]
        self.sessions.append(made)
        self._free.put_nowait(made)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Pooler"]:
        """Serve on loopback."""
        for _ in range(self._size):
            await self._open()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        self.url = f"postgresql://{self._user}@127.0.0.1:{port}/{self._name}?sslmode=disable"
        try:
            yield self
        finally:
            server.close()
            for session in self.sessions:
                session.writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = Client(next(self._numbers), writer)
        try:
            if await self._greeted(client, reader):
                while True:
                    await self._pass_on(client, *await _message(reader))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            await self._leave(client)

    async def _greeted(self, client: Client, reader: asyncio.StreamReader) -> bool:
        """Whether the client goes on as one; the other kind asks to end what a client has under way."""
        while True:
            length, code = struct.unpack("!ii", await reader.readexactly(8))
            rest = await reader.readexactly(length - 8)
            if code == _CANCEL:
                await self._cancel(rest)
                return False
            if code != _SSL:
                break
            client.writer.write(b"N")
        key = struct.pack("!ii", client.number, 0)
        self._clients[key] = client
        known = self.sessions[0].greeting
        client.writer.write(_OK + known + b"K" + struct.pack("!i", 12) + key + _READY)
        return True

    async def _cancel(self, key: bytes) -> None:
        session = self._clients[key].session
        if session is None:
            return
        async with session.ending:
            self.cancelled += 1
            reader, writer = await asyncio.open_unix_connection(self._path)
            writer.write(struct.pack("!ii", 8 + len(session.key), _CANCEL) + session.key)
            await reader.read()
            writer.close()

    async def _pass_on(self, client: Client, kind: bytes, whole: bytes) -> None:
        if kind == b"X":
            raise ConnectionError
        if client.session is None:
            client.session = await self._free.get()
            client.session.lent.append(client.number)
            client.answering = asyncio.create_task(self._answer(client, client.session))
        client.sending = kind not in (b"S", b"Q")
        client.open_rounds += not client.sending
        client.session.writer.write(whole)

    async def _answer(self, client: Client, session: Session) -> None:
        """Pass on what the server says until nothing of the client's is open, then lend its session to the next."""
        while True:
            kind, whole = await _message(session.reader)
            if kind == b"Z":
                client.open_rounds -= 1
                if whole[5:] == b"I" and not client.open_rounds and not client.sending:
                    client.session = None
                    client.writer.write(whole)
                    async with session.ending:
                        self._free.put_nowait(session)
                    return
            client.writer.write(whole)

    async def _leave(self, client: Client) -> None:
        """A session whose client left in the middle is at an end."""
        session = client.session
        if session is not None and client.answering is not None:
            client.answering.cancel()
            await asyncio.wait([client.answering])
            session.writer.close()
            self.sessions.remove(session)
            await self._open()
        client.writer.close()
