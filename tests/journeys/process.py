"""`isthmus up` as a process of its own, to be killed, with the sandboxes in the test's process."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import psutil
from tests.given import forks
from tests.journeys.deployment import KEY, MASTER, Merchant, register

from isthmus.app import SECTIONS, Platform, open_platform
from isthmus.features import access
from isthmus.http import SharedKey, mint
from isthmus.kit.clock import SYSTEM
from isthmus.kit.permissions import PLATFORM_TENANT, TENANT_ADMIN, system
from isthmus.kit.secret import Secret
from isthmus.sandbox import SandboxServer
from isthmus.settings import load


@contextlib.contextmanager
def home() -> Iterator[Path]:
    """As root the database runs as another user, who must be able to pass through."""
    made = Path(tempfile.mkdtemp(prefix="isthmus-killed-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@dataclass
class Up:
    """A deployment in one process, on one address for all its lives."""

    home: Path
    sandbox: SandboxServer
    more: dict[str, str]
    port: int
    products: int
    process: forks.Process | None = None
    browsers: list[aiohttp.ClientSession] = field(default_factory=list)

    @property
    def address(self) -> str:
        """Where the API answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def given(self) -> dict[str, str]:
        """Its environment."""
        own = {
            "ISTHMUS_HOME": str(self.home),
            "ISTHMUS_PORT": str(self.port),
            "ISTHMUS_LOG": "quiet",
            "ISTHMUS_AUTH__HS256": KEY,
            "ISTHMUS_MASTER_KEY": MASTER,
            "ISTHMUS_HTTP__LIMITS": "other=100000,connection=1000,callback=1000",
            # who kills it means the process that does the work
            "ISTHMUS_BULK_APART": "false",
        }
        return own | {f"ISTHMUS_{name}": value for name, value in self.more.items()}

    async def start(self) -> None:
        """Start the process and wait until it is ready."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ISTHMUS_")}
        with (self.home / "said.txt").open("ab") as said:
            self.process = await forks.process(
                "-m", "isthmus", "up", env={**kept, **self.given}, stdout=said, stderr=said
            )
        async with asyncio.timeout(100), aiohttp.ClientSession() as client:
            while await self._ready(client) != 200:
                assert self.process.returncode is None, (self.home / "said.txt").read_text()
                await asyncio.sleep(0.05)

    async def _ready(self, client: aiohttp.ClientSession) -> int:
        with contextlib.suppress(aiohttp.ClientError):
            async with client.get(f"{self.address}/health/ready") as answer:
                return answer.status
        return 0

    async def kill(self) -> None:
        """kill -9 of the process; the database dies of it."""
        assert self.process is not None
        self.process.kill()
        await self.process.wait()

    async def stop(self) -> None:
        """Ctrl-C."""
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(signal.SIGINT)
            async with asyncio.timeout(100):
                await self.process.wait()

    @property
    def postgres(self) -> psutil.Process:
        """The database's postmaster."""
        assert self.process is not None
        children = psutil.Process(self.process.pid).children(recursive=True)
        return next(one for one in children if one.name().startswith("postgres"))

    @asynccontextmanager
    async def behind(self) -> AsyncIterator[Platform]:
        """The same deployment, joined from the test's process."""
        async with open_platform(load(SECTIONS, self.given), upgrade=False, public_url=self.address) as platform:
            yield platform

    async def merchant(self, name: str) -> Merchant:
        """A new tenant with the sandboxes' apps, and somebody in it."""
        async with self.behind() as platform:
            scope = platform.scope(PLATFORM_TENANT, system(PLATFORM_TENANT, "journeys"))
            tenant = await access.create_tenant(scope, name)
            await register(platform, self.sandbox)
        token = mint(SharedKey(Secret(KEY)), tenant_id=tenant.id, subject="amy", roles=[TENANT_ADMIN], clock=SYSTEM)
        jar = aiohttp.CookieJar(unsafe=True)
        browser = aiohttp.ClientSession(cookie_jar=jar, timeout=aiohttp.ClientTimeout(total=30))
        self.browsers.append(browser)
        return Merchant(self, tenant.id, token.reveal(), browser)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def up(place: Path, products: int = 12, **more: str) -> AsyncIterator[Up]:
    """A started deployment; `more` are settings, `ISTHMUS_` left out."""
    async with SandboxServer(products=products) as sandbox:
        made = Up(place, sandbox, more, _free_port(), products)
        try:
            await made.start()
            yield made
        finally:
            for browser in made.browsers:
                await browser.close()
            await made.stop()
