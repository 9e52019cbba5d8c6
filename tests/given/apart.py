"""Third-party connectors: one that leaves signing in to its manifest's facts, and others that mean no good."""

import asyncio
import re
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from isthmus.client import ApiClient, Request, Response, Scripted, Tokens
from isthmus.connect import scaffold
from isthmus.connect.apart import Settings
from isthmus.connect.apart.away import away, facts_of
from isthmus.connect.apart.cell import Cell
from isthmus.connect.apart.process import Lodger
from isthmus.connect.manifest import read
from isthmus.connect.spi import Account, App, Connector, Session, Window
from isthmus.kit.clock import ManualClock
from isthmus.kit.secret import Secret

SERVICE = """
[service]
attach = [{ place = "header", name = "Authorization", value = "Bearer {access_token}" }]
verify = { path = "/v1/shop", account = "id", name = "name" }
"""
_OF_ITS_OWN = re.compile(r"    def consent_url\(.*?(?=    def classify\()", re.DOTALL)


def written(name: str, home: Path) -> Path:
    """The scaffold's connector as one that can be kept apart: it inherits signing in from the facts."""
    scaffold.write(name, home)
    folder = home / name
    host = name.replace("_", "-")
    facts = (folder / "manifest.toml").read_text()
    facts = facts.replace(f'auth = "https://api.{host}.example"', f'token = "https://api.{host}.example/oauth/token"')
    facts = facts.replace(
        f'consent = "https://api.{host}.example"', f'consent = "https://api.{host}.example/oauth/authorize"'
    )
    facts = facts.replace("pkce = true", 'pkce = true\nclient_auth = "basic"')
    facts = facts.replace('status = "beta"', 'status = "active"')
    (folder / "manifest.toml").write_text(facts + SERVICE)
    code = _OF_ITS_OWN.sub("", (folder / "connector.py").read_text())
    title = "".join(part.capitalize() for part in name.split("_"))
    code = code.replace(f"class {title}:", f"class {title}(Declared):")
    code = code.replace("        self.manifest = manifest", "        super().__init__(manifest)")
    code = code.replace(
        "from isthmus.connect.manifest import",
        "from isthmus.connect.declarative import Declared\nfrom isthmus.connect.manifest import",
    )
    (folder / "connector.py").write_text(code)
    sandbox = (folder / "sandbox.py").read_text()
    there = '{"api": base, "token": f"{base}/oauth/token", "consent": f"{base}/oauth/authorize"}'
    sandbox = sandbox.replace('{"api": base, "auth": base, "consent": base}', there)
    (folder / "sandbox.py").write_text(sandbox)
    return folder


def installed(name: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same as a distribution, version 1.2, that offers it by its entry point."""
    folder = written(name, home)
    info = home / f"{name}-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(f"[isthmus.connectors]\n{name} = {name}\n")
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    (info / "RECORD").write_text("".join(f"{path.relative_to(home)},,\n" for path in files))
    monkeypatch.syspath_prepend(str(home))
    return folder


#: Does what the cursor says, and what the record says.
HOSTILE = """
import asyncio, gc, os, signal, socket, stat, struct, subprocess, sys, time

from isthmus.connect.declarative import Declared
from isthmus.connect.spi import RecordPage


class BadNeighbour(Declared):
    async def pull_listings(self, session, window, cursor):
        deed = getattr(self, f"_{cursor}", None)
        told = await deed(session) if asyncio.iscoroutinefunction(deed) else deed() if deed else ""
        return RecordPage([], str(told))

    async def test(self, session):
        return session.account

    def map_listing(self, record, account):
        while record.payload == b"endless":
            pass
        if record.payload == b"slow":
            time.sleep(0.3)
        if record.payload == b"death":
            os._exit(3)
        return {"external_id": 1}

    def classify(self, response):
        if response.request.path == "/deadly":
            os._exit(3)
        return None

    def _socket(self):
        socket.socket()

    def _connection(self):
        import _socket
        _socket.socket(socket.AF_UNIX)

    def _environment(self):
        return sorted(os.environ)

    def _handles(self):
        found = []
        for number in range(64):
            try:
                found += [number] if stat.S_ISREG(os.fstat(number).st_mode) else []
            except OSError:
                pass
        return found

    def _folder(self):
        return os.listdir("/")

    def _neighbour(self):
        os.kill(os.getppid(), 0)

    def _file(self):
        open("/etc/passwd").close()

    def _beside(self):
        return open(os.path.join(os.path.dirname(os.path.dirname(__file__)), "secrets.env")).read()

    def _names(self):
        return list(os.scandir("/etc"))

    def _written(self):
        open("/tmp/isthmus-apart-proof", "w").close()

    def _fork(self):
        os.fork()

    def _program(self):
        subprocess.run(["/bin/true"])

    def _programs(self):
        # the part below `subprocess`, of which no hook is told
        import _posixsubprocess
        return _posixsubprocess.fork_exec(
            [b"/bin/true"], [b"/bin/true"], True, (), None, None, -1, -1, -1, -1, -1, -1, *os.pipe(), False,
            False, -1, None, None, None, -1, None, True,
        )

    def _memory(self):
        return len(bytearray(1 << 30))

    def _death(self):
        os._exit(3)

    def _exit(self):
        raise SystemExit(3)

    def _failure(self):
        raise RuntimeError("with words of its own")

    def _nonsense(self):
        os.write(int(sys.argv[1]), struct.pack(">I", 3) + b"abc")

    def _busy(self):
        while True:
            pass

    async def _silence(self, session):
        await asyncio.sleep(3600)

    async def _flood(self, session):
        await asyncio.gather(*(session.client.get("/slow") for _ in range(100)))

    async def _elsewhere(self, session):
        await session.client.get("https://evil.example/")

    async def _echo(self, session):
        headers = {"Host": "evil.example", "X-Own": "1"}
        return (await session.client.get("/echo?a=1", headers=headers)).text

    async def _missing(self, session):
        await session.client.get("/missing")

    async def _nap(self, session):
        before = session.clock.now()
        await session.clock.sleep(30)
        return (session.clock.now() - before).total_seconds() > 29


CONNECTOR = BadNeighbour
"""

LODGED = "bad_neighbour"
KEY = "sk-0123456789abcdef"


def hostile(home: Path) -> Path:
    """A connector that means no good."""
    folder = written(LODGED, home)
    (home / "secrets.env").write_text("KEY=never to be seen")
    (folder / "connector.py").write_text(HOSTILE)
    return folder


def settings(**given: Any) -> Settings:
    """Bounds that a slow machine does not meet, and whatever walls this one has."""
    patience = {"silent_seconds": timedelta(seconds=60), "pure_seconds": timedelta(seconds=60)}
    return Settings(**{"connectors": ("*",), "walls": "language", "memory_mb": 256, **patience, **given})


def impatient() -> Settings:
    """Bounds that are met soon."""
    return settings(silent_seconds=timedelta(seconds=0.5), pure_seconds=timedelta(seconds=0.5))


@dataclass
class Lodging:
    """A connector in its cell, with a session whose far side is a function."""

    cell: Cell
    connector: Connector
    session: Session
    clock: ManualClock
    asked: list[Request]

    async def deed(self, name: str) -> str:
        """Have it do something; what it tells of it."""
        page = await self.connector.pull_listings(self.session, Window(None, self.session.clock.now()), name)
        return page.cursor or ""


class _Bearing:
    """Credentials by the connector's `attach`, as the platform binds them."""

    identity = "test"

    def __init__(self, connector: Connector, app: App) -> None:
        self._connector, self._app = connector, app

    def flow(self, request: Request, now: datetime) -> Generator[Request, Response, None]:
        yield self._connector.attach(self._app, Account("1"), request, Tokens(Secret(KEY)), now)


@contextmanager
def lodged(home: Path, settings: Settings) -> Iterator[tuple[Cell, Connector, ManualClock]]:
    """The hostile connector in a cell, whose pauses are by a clock that is moved by hand."""
    folder, clock = hostile(home), ManualClock()
    manifest = read(folder / "manifest.toml")
    cell = Cell(Lodger(LODGED, LODGED, folder), settings, clock)
    try:
        yield cell, away(manifest, cell, facts_of(manifest), cell.running().ready), clock
    finally:
        cell.close()


@asynccontextmanager
async def lodging(known: tuple[Cell, Connector, ManualClock]) -> AsyncIterator[Lodging]:
    """A session for it."""
    cell, connector, clock = known

    async def answer(request: Request) -> Response:
        if request.path == "/slow":
            await asyncio.sleep(30)
        status = 404 if request.path == "/missing" else 200
        return Response(status, {"Content-Type": "text/plain"}, repr(dict(request.headers)).encode())

    far = Scripted(answer)
    app = App({"client_id": Secret("1"), "client_secret": Secret("s-0123456789")}, connector.manifest.hosts)
    base = connector.manifest.hosts["api"]
    async with ApiClient(
        base, auth=_Bearing(connector, app), transport=far, classify=connector.classify, hosts=[base], clock=clock
    ) as client:
        yield Lodging(cell, connector, Session(client, app.hosts, Account("1"), clock), clock, far.asked)
