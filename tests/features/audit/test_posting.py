"""The newest checkpoint is told to an address outside: the newest one, once it can be (security.md AU-04)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web

from isthmus.features import audit
from isthmus.features.audit.service.posting import Poster
from isthmus.kit.clock import ManualClock
from isthmus.kit.secret import Secret

AT = datetime(2026, 1, 1, tzinfo=UTC)
_HIDDEN = "canary-in-the-address"


class Outside:
    """Keeps what it is told; `statuses` are what it answers first."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.told: list[Any] = []
        self.heard = asyncio.Event()
        self.gate: asyncio.Event | None = None
        self.url = Secret("")

    async def take(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        if self.gate is not None:
            await self.gate.wait()
        status = self.statuses.pop(0) if self.statuses else 204
        if status < 300:
            self.told.append(body)
        self.heard.set()
        return web.Response(status=status, headers={"location": "http://127.0.0.1:1/"})

    async def until(self, count: int) -> None:
        """Wait until it has taken so many."""
        async with asyncio.timeout(30):
            while len(self.told) < count:
                self.heard.clear()
                await self.heard.wait()


@asynccontextmanager
async def _outside(*statuses: int) -> AsyncIterator[Outside]:
    made, site = Outside(*statuses), web.Application()
    site.router.add_post("/heads/{secret}", made.take)
    runner = web.AppRunner(site, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = Secret(f"http://127.0.0.1:{runner.addresses[0][1]}/heads/{_HIDDEN}")
    try:
        yield made
    finally:
        await runner.cleanup()


def _head(number: int) -> audit.Head:
    return audit.Head(number, bytes([number]) * 32)


async def test_AU_04_each_head_reaches_the_address_as_verify_reads_it() -> None:
    async with _outside() as outside:
        poster = Poster(outside.url, ManualClock())
        for number in (1, 2):
            poster.tell(_head(number), AT + timedelta(seconds=number))
            await outside.until(number)
        await poster.close()
    assert outside.told[0] == {
        "checkpoint": 1, "hash": "01" * 32, "head": f"1:{'01' * 32}", "madeAt": "2026-01-01T00:00:01+00:00",
    }  # fmt: skip
    assert audit.read_head(outside.told[1]["head"]) == _head(2)
    assert {one["checkpoint"] for one in outside.told} == {1, 2}, "more than once at most where its answer was not seen"


async def test_AU_04_what_is_not_taken_is_posted_again_and_nothing_waits_for_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with _outside(500, 302, 429) as outside:
        poster = Poster(outside.url, ManualClock())
        poster.tell(_head(1), AT)
        await outside.until(1)
        await poster.close()
    assert {one["checkpoint"] for one in outside.told} == {1}
    assert caplog.text.count("could not be posted") == 3
    assert _HIDDEN not in caplog.text


async def test_AU_04_of_those_that_came_meanwhile_the_newest_is_posted() -> None:
    async with _outside() as outside:
        outside.gate = asyncio.Event()
        poster = Poster(outside.url, ManualClock())
        for number in range(1, 6):
            poster.tell(_head(number), AT)
            await asyncio.sleep(0)
        outside.gate.set()
        async with asyncio.timeout(30):
            while not outside.told or outside.told[-1]["checkpoint"] != 5:
                outside.heard.clear()
                await outside.heard.wait()
        poster.tell(_head(6), AT)
        await poster.close()
    assert len(outside.told) <= 4, "what was passed over is not posted"
    assert outside.told[-1]["checkpoint"] == 6


@pytest.mark.parametrize(
    "address", ["http://heads.example.com/x", "ftp://127.0.0.1/", "heads", "https:///x", "http://"]
)
def test_AU_04_a_head_is_posted_over_tls_or_on_this_machine(address: str) -> None:
    with pytest.raises(ValueError, match="head_url") as refused:
        audit.Settings(head_url=Secret(address))
    assert address not in str(refused.value)
    assert audit.Settings(head_url=Secret("https://heads.example.com/x")).head_url
    assert "heads.example.com" not in repr(audit.Settings(head_url=Secret("https://heads.example.com/x")))
