"""The server: a bound socket, uvicorn on our guarded protocol, and a stop that lets work in flight finish."""

import asyncio
import contextlib
import errno
import socket
from collections.abc import AsyncIterator, Iterator

import uvicorn

from isthmus.http.addresses import is_loopback
from isthmus.http.app import App
from isthmus.http.asgi import AsgiApp
from isthmus.http.errors import CannotStart, PortInUse
from isthmus.http.protocol import Guard, GuardedConfig, GuardedProtocol
from isthmus.http.settings import HttpSettings
from isthmus.kit.clock import SYSTEM, Clock

_BACKLOG = 1024


def bind(host: str, port: int) -> socket.socket:
    """A listening socket. Raises PortInUse, and CannotStart when the address cannot be bound at all."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host.strip("[]"), port))
        listening.listen(_BACKLOG)
    except OSError as failure:
        listening.close()
        if failure.errno == errno.EADDRINUSE:
            raise PortInUse(
                f"Port {port} on {host} is already in use: stop the program that has it, or choose another port."
            ) from None
        raise CannotStart(f"Cannot listen on {host} port {port}: {failure.strerror or 'unknown address'}.") from None
    listening.setblocking(False)
    return listening


class _Uvicorn(uvicorn.Server):
    """uvicorn without signal handling of its own, awake once a second instead of ten times."""

    def __init__(self, config: GuardedConfig, stop: asyncio.Event) -> None:
        super().__init__(config)
        self._guard = config.guard
        self._stop = stop

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        self._guard.give_up()

    async def main_loop(self) -> None:
        while not self._stop.is_set() and not await self.on_tick(0):
            self._guard.sweep()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._stop.wait()


class Server:
    """Serves one ASGI application on one socket, bound at once, so that `port` is the real one.

    Raises PortInUse, and CannotStart for a development key on an address that others can reach (JT-11).
    """

    def __init__(
        self,
        app: AsgiApp,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        sock: socket.socket | None = None,
        settings: HttpSettings | None = None,
        clock: Clock = SYSTEM,
    ) -> None:
        self._app = app
        self._settings = settings or HttpSettings()
        self._guard = Guard(self._settings, clock, app.direct if isinstance(app, App) else None)
        self._socket = sock or bind(host, port)
        self.host, self.port = self._socket.getsockname()[:2]
        if self._settings.development_key and not is_loopback(self.host):
            self._socket.close()
            raise CannotStart(
                f"The development key signs tokens and {self.host} is open to others: set a signing key of your own, "
                "or listen on 127.0.0.1."
            )

    @property
    def url(self) -> str:
        """The address for people and tests."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    async def serve(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set; then refuse new work, end the streams and wait for what is in flight."""
        settings = self._settings
        config = GuardedConfig(
            self._app,
            http=GuardedProtocol,
            ws="none",
            interface="asgi3",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=int(settings.keep_alive_seconds),
            timeout_graceful_shutdown=int(settings.stop_seconds) or 1,
            backlog=_BACKLOG,
        )
        config.guard = self._guard
        ending = asyncio.create_task(self._end_streams(stop))
        try:
            await _Uvicorn(config, stop).serve(sockets=[self._socket])
        finally:
            ending.cancel()

    async def _end_streams(self, stop: asyncio.Event) -> None:
        await stop.wait()
        if isinstance(self._app, App):
            self._app.streams.close()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Server"]:
        """Serve for the length of a block."""
        stop = asyncio.Event()
        work = asyncio.create_task(self.serve(stop))
        try:
            yield self
        finally:
            stop.set()
            await work
