"""How late live answers are while another tenant has a file imported, or fifty heavy searches made (RL-08, RL-12).

One `isthmus up`, as it comes, and two tenants. A small one asks for a page of its products at a steady rate; rounds in
which nothing else happens, and in which the large one keeps fifty searches in flight, heavy ones or light ones, take
turns, so that the machine's moods meet them alike. Rounds in which the large one's file is imported take turns with
quiet ones of their own behind them: PostgreSQL looks after what an import wrote for a while, and would do so within the
others. Who searches does so from
a process of its own that steps back for all others, as it would be another machine elsewhere. One more kind of round
shows what two processors are worth: the same heavy searches go to another deployment, which shares nothing with the
measured one and steps back as a whole. Each figure is the median of the rounds' 95th percentiles, counted from when a
request was sent; how late it was sent is told beside it. No limit of requests holds here: by default one person's
searches end at ten a second.
`ISTHMUS_BENCH_ROUNDS` and `ISTHMUS_BENCH_ROWS` change the sizes.
"""

import asyncio
import contextlib
import os
import secrets
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import uvloop

from bench.processes import free_port, isthmus_up, tree, wait_ready
from bench.report import Row, publish
from bench.serving.searching import IN_FLIGHT
from isthmus.http import SharedKey, mint
from isthmus.kit.clock import SYSTEM
from isthmus.kit.permissions import PLATFORM_TENANT, SUPER_ADMIN, TENANT_ADMIN
from isthmus.kit.priority import NICEST, step_back
from isthmus.kit.secret import Secret

ROUNDS = int(os.environ.get("ISTHMUS_BENCH_ROUNDS", "8"))
ROWS = int(os.environ.get("ISTHMUS_BENCH_ROWS", "40000"))
_RATE, _SECONDS, _SETTLE = 25, 3.0, 0.5
#: A process that searches is at it after so long; one that imports was started with the first import.
_BEGIN = 2.0
#: The index of search follows an import, and PostgreSQL looks after what was written.
_AFTER = 6.0
_MOST = 1.1
_SMALL = 200
_LIMITS = "other=1000000000,integration=1000000000,search=1000000000"


@dataclass(frozen=True)
class Asking:
    """Somebody in a tenant."""

    client: aiohttp.ClientSession
    address: str
    tenant: str
    token: str

    async def call(self, method: str, path: str, **sent: Any) -> Any:
        """One call. Raises RuntimeError for what is no success."""
        headers = {"authorization": f"Bearer {self.token}"}
        async with self.client.request(method, self.address + path, headers=headers, **sent) as answer:
            body = await answer.json() if answer.content_length != 0 else None
            if answer.status >= 300:
                raise RuntimeError(f"{method} {path}: {answer.status} {str(body)[:300]}")
            return body

    async def send(self, rows: int, price: int) -> str:
        """Hand a file in; the upload's path."""
        root = f"/api/merchants/{self.tenant}/product-sync"
        form = aiohttp.FormData()
        form.add_field("file", _file(rows, price), filename="rows.csv", content_type="text/csv")
        form.add_field("currency", "VND")
        return f"{root}/uploads/{(await self.call('POST', f'{root}/upload', data=form))['data']['id']}"

    async def is_done(self, upload: str) -> bool:
        """Whether the upload has ended."""
        return bool((await self.call("GET", upload))["data"]["finishedAt"])

    async def done(self, upload: str) -> None:
        """Wait for the upload's end."""
        while True:
            if await self.is_done(upload):
                return
            await asyncio.sleep(0.1)


def _file(rows: int, price: int) -> bytes:
    lines = ["product_id,title,sku,price,stock"]
    lines += [f"P{n},Áo thun nam cổ tròn số {n},SKU-{n},{price + n % 500},{n % 40}" for n in range(rows)]
    return "\r\n".join(lines).encode()


async def _lateness(live: Asking, sent_late: list[float]) -> float:
    """The 95th percentile of a round, in milliseconds from when each request was sent."""
    took: list[float] = []

    async def ask(due: float) -> None:
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        sent = time.perf_counter()
        await live.call("GET", "/api/products?limit=50")
        took.append(time.perf_counter() - sent)
        sent_late.append((sent - due) * 1000)

    begun = time.perf_counter()
    await asyncio.gather(*(ask(begun + n / _RATE) for n in range(int(_RATE * _SECONDS))))
    return statistics.quantiles(took, n=20)[-1] * 1000


@contextlib.asynccontextmanager
async def _importing(bulk: Asking, price: int) -> AsyncIterator[None]:
    """While a file is imported. Raises RuntimeError when it was done before the round was."""
    upload = await bulk.send(ROWS, price)
    await asyncio.sleep(_SETTLE)
    try:
        yield
        if await bulk.is_done(upload):
            raise RuntimeError("the import ended within the round; raise ISTHMUS_BENCH_ROWS")
    finally:
        with contextlib.suppress(RuntimeError):
            await bulk.call("POST", f"{upload}/cancel")
        await bulk.done(upload)
        await asyncio.sleep(_AFTER)


@contextlib.asynccontextmanager
async def _searching(bulk: Asking, kind: str, counted: list[int]) -> AsyncIterator[None]:
    """While fifty searches of the large tenant, of this kind, are in flight."""
    command = [sys.executable, "-m", "bench.serving.searching", bulk.address, kind]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, cwd=Path(__file__).parents[1], stdin=pipe, stdout=pipe)
    try:
        if process.stdin is not None:
            process.stdin.write(f"{bulk.token}\n".encode())
        await asyncio.sleep(_BEGIN)
        yield
    finally:
        said, _ = await process.communicate(b"")  # which closes its input
        counted.append(int(said or 0))
        await asyncio.sleep(_SETTLE)


@dataclass(frozen=True)
class Place:
    """A deployment, its address and key."""

    pid: int
    address: str
    key: SharedKey

    async def tenant(self, client: aiohttp.ClientSession, name: str) -> Asking:
        """A new tenant of it."""
        boss = mint(self.key, tenant_id=PLATFORM_TENANT, subject="b", roles=[SUPER_ADMIN], clock=SYSTEM).reveal()
        made = await Asking(client, self.address, "", boss).call("POST", "/api/admin/tenants", json={"name": name})
        token = mint(self.key, tenant_id=made["id"], subject="b", roles=[TENANT_ADMIN], clock=SYSTEM).reveal()
        return Asking(client, self.address, made["id"], token)

    def step_back(self) -> None:
        """Have all that belongs to it step back for others."""
        for one in tree(self.pid):
            step_back(one.pid, NICEST)


@dataclass(frozen=True)
class Bulk:
    """Whoever disturbs: at the measured deployment, and at another one."""

    here: Asking
    elsewhere: Asking
    other: Place
    counted: dict[str, list[int]]

    def at_it(self, kind: str, number: int) -> contextlib.AbstractAsyncContextManager[None]:
        """A round of this kind."""
        if kind == "importing":
            return _importing(self.here, 2000 + number)
        if kind == "elsewhere":
            self.other.step_back()
            return _searching(self.elsewhere, "heavy", self.counted[kind])
        return _searching(self.here, kind, self.counted[kind])


async def _measured(place: Place, other: Place) -> list[Row]:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=120)) as client:
        live, here = await place.tenant(client, "Live"), await place.tenant(client, "Bulk")
        elsewhere = await other.tenant(client, "Bulk")
        await live.done(await live.send(_SMALL, 1000))
        for one in (here, elsewhere):
            await one.done(await one.send(ROWS, 1000))
        await asyncio.sleep(_AFTER)
        searches = ("heavy", "elsewhere", "light")
        bulk = Bulk(here, elsewhere, other, {kind: [] for kind in searches})
        late = {kind: list[float]() for kind in ("alone", *searches, "before", "importing")}
        sent = list[float]()
        await _lateness(live, sent)
        for number in range(ROUNDS):
            for kind in searches:
                late["alone"].append(await _lateness(live, sent))
                async with bulk.at_it(kind, number):
                    late[kind].append(await _lateness(live, sent))
        for number in range(ROUNDS):
            late["before"].append(await _lateness(live, sent))
            async with bulk.at_it("importing", number):
                late["importing"].append(await _lateness(live, sent))
    return _rows({kind: statistics.median(found) for kind, found in late.items()}, bulk.counted, sent)


def _rows(late: dict[str, float], counted: dict[str, list[int]], sent: list[float]) -> list[Row]:
    """late: the median of the rounds' 95th percentiles, in milliseconds, by what happened beside."""
    quiet, seconds = late["alone"], ROUNDS * (_SECONDS + _BEGIN)
    found = {
        f"{IN_FLIGHT} heavy searches are in flight": (late["heavy"], _MOST),
        f"{IN_FLIGHT} light searches are in flight": (late["light"], None),
        "the heavy searches go to another deployment, which steps back": (late["elsewhere"], None),
    }
    return [
        Row("live page of 50, nothing else: 95th percentile", quiet, "ms"),
        *(Row(f"while {what}", slow, "ms") for what, (slow, _) in found.items()),
        *(Row(f"while {what}, by nothing else", slow / quiet, "times", most) for what, (slow, most) in found.items()),
        Row("live page of 50, nothing else, between imports: 95th percentile", late["before"], "ms"),
        Row("while a file is imported", late["importing"], "ms"),
        Row("while a file is imported, by nothing else", late["importing"] / late["before"], "times"),
        Row("heavy searches here, by heavy searches elsewhere", late["heavy"] / late["elsewhere"], "times", _MOST),
        *(
            Row(f"{kind} searches answered meanwhile", sum(many) / seconds, "a second")
            for kind, many in counted.items()
        ),
        Row(
            "how late the live requests were sent themselves: 95th percentile",
            statistics.quantiles(sent, n=20)[-1],
            "ms",
        ),
    ]


@contextlib.contextmanager
def _deployment(*, apart: bool = False) -> Iterator[Place]:
    home, port, secret = Path(tempfile.mkdtemp(prefix="isthmus-bench-")), free_port(), Secret(secrets.token_urlsafe(48))
    home.chmod(0o755)
    given = {"ISTHMUS_AUTH__HS256": secret.reveal(), "ISTHMUS_HTTP__LIMITS": _LIMITS}
    try:
        with isthmus_up(home, port, given, apart=apart) as process:
            wait_ready(port, process)
            yield Place(process.pid, f"http://127.0.0.1:{port}", SharedKey(secret))
    finally:
        shutil.rmtree(home, ignore_errors=True)


def run() -> None:
    """Start both, and let the rounds take turns."""
    with _deployment() as place, _deployment(apart=True) as other:
        rows = uvloop.run(_measured(place, other))
    publish("live_beside_bulk", rows)
