"""A browser that draws: Debian's Chromium without a window, told what to do by its own protocol."""

import asyncio
import base64
import json
import os
import shutil
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

PROGRAM = "chromium"
#: It reaches this machine alone, and asks nobody for anything by itself.
_QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--disable-dev-shm-usage",
    "--log-level=3",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)
#: Seconds within which it has begun, and a page has come; a bound for a machine that others use.
_PATIENCE = 60
_LISTENS = b"DevTools listening on "


@dataclass(frozen=True, slots=True)
class Glass:
    """What somebody looks through: width and height in CSS pixels, whether it is held in a hand, and in the dark."""

    width: int
    height: int
    held: bool = False
    dark: bool = False


class Tab:
    """One page of the browser, with cookies that no other tab has."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, session: str) -> None:
        self._socket, self._session, self._sent = socket, session, 0

    async def tell(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the DevTools protocol and its answer; events are passed over."""
        self._sent += 1
        said = {"id": self._sent, "sessionId": self._session, "method": method, "params": parameters}
        await self._socket.send_json(said)
        return await answered(self._socket, self._sent, self._session)

    async def look_through(self, glass: Glass) -> None:
        """From here on the page is as large as this."""
        size = {"width": glass.width, "height": glass.height, "deviceScaleFactor": 1, "mobile": glass.held}
        await self.tell("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if glass.dark else "light"}
        await self.tell("Emulation.setEmulatedMedia", features=[scheme])

    async def read(self, language: str) -> None:
        """Ask for pages in this language."""
        await self.tell("Network.enable")
        await self.tell("Network.setExtraHTTPHeaders", headers={"accept-language": language})

    async def ask(self, script: str) -> Any:
        """What an expression is in the page, once it is settled."""
        told = await self.tell("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    async def until(self, script: str) -> None:
        """Wait until this is so in the page; whatever comes in between is waited for."""
        async with asyncio.timeout(_PATIENCE):
            while True:
                with suppress(Gone):
                    if await self.ask(script):
                        return
                await asyncio.sleep(0.01)

    async def open(self, address: str, path: str = "") -> None:
        """Go to an address, and wait for all of its page, or of the one at `path` that it leads to."""
        await self.tell("Page.navigate", url=address)
        there = f"location.pathname.startsWith({json.dumps(path)})" if path else "location.href != 'about:blank'"
        await self.until(f"{there} && document.readyState == 'complete'")

    async def shot(self) -> bytes:
        """What is seen: a PNG."""
        return base64.b64decode((await self.tell("Page.captureScreenshot", optimizeForSpeed=True))["data"])


class Gone(Exception):
    """What was asked of is not there any more, or not yet: the page is another one."""


async def answered(socket: aiohttp.ClientWebSocketResponse, number: int, session: str = "") -> dict[str, Any]:
    """The answer to a command. Raises Gone where the page went away under it."""
    async with asyncio.timeout(_PATIENCE):
        while True:
            told = await socket.receive_json()
            if told.get("id") == number and told.get("sessionId", "") == session:
                break
    if "error" in told:
        raise Gone(told["error"]["message"])
    result: dict[str, Any] = told["result"]
    return result


class Chromium:
    """The running browser."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket, self._sent = socket, 0

    async def _tell(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._sent += 1
        await self._socket.send_json({"id": self._sent, "method": method, "params": parameters})
        return await answered(self._socket, self._sent)

    async def tab(self) -> Tab:
        """A page of somebody who was never here."""
        own = (await self._tell("Target.createBrowserContext"))["browserContextId"]
        target = (await self._tell("Target.createTarget", url="about:blank", browserContextId=own))["targetId"]
        session = (await self._tell("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
        return Tab(self._socket, session)


@asynccontextmanager
async def chromium(home: Path) -> AsyncIterator[Chromium]:
    """A browser with an empty profile in this folder; it and all its processes end with the block."""
    program = shutil.which(PROGRAM)
    assert program is not None, "Chromium is needed for this test: apt-get install chromium"
    said = (program, *_QUIET, f"--user-data-dir={home}")
    # a group of its own: what it starts would outlive it
    process = await asyncio.create_subprocess_exec(*said, stdout=DEVNULL, stderr=PIPE, start_new_session=True)
    try:
        async with aiohttp.ClientSession() as client:
            address = await _address(process)
            async with client.ws_connect(address, max_msg_size=0) as socket:
                yield Chromium(socket)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def _address(process: Process) -> str:
    """Where it listens; it is what it says first of all that matters."""
    assert process.stderr is not None
    async with asyncio.timeout(_PATIENCE):
        async for line in process.stderr:
            if line.startswith(_LISTENS):
                return line.removeprefix(_LISTENS).decode().strip()
    raise AssertionError("Chromium ended before it listened")
