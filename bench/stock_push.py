"""Stock of 10,000 SKUs pushed to three marketplaces that take 200 calls a second each, all at once.

The figure is the time that a platform's writing calls took over the least time that the rate allows: 1.053 is 95 % of
the allowed rate. `ISTHMUS_BENCH_SKUS` changes the size, and `ISTHMUS_BENCH_SHOPS` names the platforms; the sandboxes
are a process of their own, and what each process took is told: on two cores their sum is the other bound.
"""

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import psutil

from bench.report import Row, publish
from isthmus.app import SECTIONS, Platform, address_of, open_platform, serve_api, work_queue
from isthmus.connect.edits import EditField
from isthmus.connect.manifest import Limit
from isthmus.features import access, catalog, pushes, records, sync
from isthmus.http.server import bind
from isthmus.kit.memory import collect_less_often
from isthmus.kit.permissions import PLATFORM_TENANT, TENANT_ADMIN, system
from isthmus.kit.secret import Secret
from isthmus.scope import Scope
from isthmus.settings import load

SKUS = int(os.environ.get("ISTHMUS_BENCH_SKUS", "10000"))
_SHOPS = os.environ.get("ISTHMUS_BENCH_SHOPS", "shopee,lazada,tiki")
_RATE = 200
#: A limiter of ours that lets a few through at once loses nothing to a late wake-up; the sandbox takes as many, which
#: come without waiting and count for nothing.
_BURST = 20
_ROOT = Path(__file__).parents[1]
_LIMIT = 900.0
#: The most items of one push.
_CHUNK = 10_000
_TARGET = 1 / 0.95


class Sandboxes:
    """The process of the sandboxes."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "bench.pushing.sandboxes", str(_RATE), str(SKUS), _SHOPS]
        self.process = subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.told: dict[str, Any] = self._line()

    def _line(self) -> dict[str, Any]:
        assert self.process.stdout is not None  # noqa: S101 - opened above
        return msgspec.json.decode(self.process.stdout.readline(), type=dict[str, Any])

    def served(self) -> dict[str, Any]:
        """What the writing calls were, by platform."""
        assert self.process.stdin is not None  # noqa: S101 - opened above
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self._line()

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()


@dataclass(frozen=True, slots=True)
class Cpu:
    """CPU seconds: of our process, of PostgreSQL, of the sandboxes."""

    ours: float
    postgres: float
    sandboxes: float

    def since(self, before: "Cpu") -> "Cpu":
        """What was used between two readings."""
        return Cpu(self.ours - before.ours, self.postgres - before.postgres, self.sandboxes - before.sandboxes)


def _cpu(sandboxes: Sandboxes) -> Cpu:
    times = {one.pid: one.cpu_times() for one in psutil.Process().children(recursive=True)}
    used = {pid: one.user + one.system + one.children_user + one.children_system for pid, one in times.items()}
    theirs = used.pop(sandboxes.process.pid)
    return Cpu(time.process_time(), sum(used.values()), theirs)


def _quick(platform: Platform, names: Iterable[str]) -> Platform:
    """The same with our own limiter at the sandboxes' rate."""
    known = platform.engine.part(catalog.Providers)
    limits = (Limit(_RATE, 1.0, burst=_BURST, source="this benchmark"),)
    changed = {
        name: replace(known.found(name), manifest=msgspec.structs.replace(known.found(name).manifest, limits=limits))
        for name in names
    }
    parts = {**platform.engine.parts, catalog.Providers: catalog.Providers({**known, **changed})}
    return replace(platform, engine=replace(platform.engine, parts=parts))


async def _connected(scope: Scope, platform: Platform, address: str, sandboxes: Sandboxes) -> dict[str, str]:
    token = platform.development_token(scope.tenant_id, subject="bench", roles=[TENANT_ADMIN], hours=1).reveal()
    jar = aiohttp.CookieJar(unsafe=True)
    made = {}
    async with aiohttp.ClientSession(cookie_jar=jar, headers={"authorization": f"Bearer {token}"}) as browser:
        for name in sandboxes.told:
            body = {"provider": name}
            async with browser.post(f"{address}/api/connections", json=body) as answer:
                opened = await answer.json()
                if "authorizationUrl" not in opened:
                    raise RuntimeError(f"{name} was not opened: {opened}")
            async with browser.get(opened["authorizationUrl"]) as answer:
                await answer.read()
            made[name] = opened["id"]
    return made


async def _listings(scope: Scope, connection_id: str) -> list[tuple[str, str, str]]:
    """Listing, variant and location of the first SKUs of a connection.

    A shop with several warehouses shows those of a SKU that hold some of it; its merchant names one all the same.
    """
    found: list[tuple[str, str, str]] = []
    places: set[str] = set()
    after = None
    while len(found) < SKUS:
        page = await records.bodies_after(scope, after, 500, connection_id)
        if not page:
            break
        after = page[-1][0]
        for id_, listing in page:
            if listing.status != "active":
                continue
            for variant in listing.variants:
                at = [one.location_external_id for one in variant.inventory if one.location_external_id]
                places.update(at)
                found.append((id_, variant.external_id, at[0] if at else ""))
    home = min(places) if len(places) > 1 else ""
    return [(id_, variant, (place or home) if home else "") for id_, variant, place in found[:SKUS]]


async def _read(scope: Scope, connection_id: str) -> None:
    run = await sync.start(scope, connection_id, mode=sync.Mode.FULL)
    ends = time.monotonic() + _LIMIT
    while time.monotonic() < ends:
        await asyncio.sleep(0.2)
        if (await sync.run(scope, run.id)).state == "succeeded":
            return
    raise RuntimeError("the products were not read in time")


async def _push(scope: Scope, wanted: Sequence[tuple[str, str, str]]) -> None:
    for start in range(0, len(wanted), _CHUNK):
        wants = [
            pushes.Want(listing, EditField.STOCK, 7_000, variant, place)
            for listing, variant, place in wanted[start : start + _CHUNK]
        ]
        await pushes.want(scope, wants, "bench")


async def _finished(scope: Scope) -> Mapping[str, int]:
    """How the items ended, once no push goes on: those are few, and counting items takes more than sending them."""
    ends = time.monotonic() + _LIMIT
    while time.monotonic() < ends:
        async with scope.tx() as tx:
            rows = await tx.fetch_sql("select count(*) as n from pushes where finished_at is null")
            if not rows[0]["n"]:
                rows = await tx.fetch_sql("select state, count(*) as n from push_items group by state")
                return {row["state"]: row["n"] for row in rows}
        await asyncio.sleep(0.25)
    raise RuntimeError("the pushes did not end in time")


async def _run(place: Path, sandboxes: Sandboxes) -> tuple[dict[str, Any], Mapping[str, int], Cpu, float]:
    given = {
        "ISTHMUS_HOME": str(place),
        "ISTHMUS_HTTP__LIMITS": "other=100000,connection=10000,callback=10000",
    }
    bound = bind("127.0.0.1", 0)
    address = address_of(bound)
    stop = asyncio.Event()
    async with open_platform(load(SECTIONS, given, {}), upgrade=True, public_url=address) as opened:
        platform = _quick(opened, sandboxes.told)
        operator = platform.scope(PLATFORM_TENANT, system(PLATFORM_TENANT, "bench"))
        for name, told in sandboxes.told.items():
            manifest = operator.part(catalog.Providers).found(name).manifest
            asked = {one.name for one in manifest.app_fields}
            keys = {one: Secret(value) for one, value in told["credentials"].items() if one in asked}
            await catalog.set_app(
                operator,
                name,
                credentials=keys,
                hosts={host: at for host, at in told["hosts"].items() if host in manifest.hosts},
            )
        tenant = await access.create_tenant(operator, "Bench")
        scope = platform.scope(tenant.id, system(tenant.id, "bench"))
        async with asyncio.TaskGroup() as group:
            group.create_task(serve_api(platform, bound, stop))
            group.create_task(work_queue(platform, stop))
            connections = await _connected(scope, platform, address, sandboxes)
            for connection in connections.values():
                await _read(scope, connection)
            wanted = [await _listings(scope, connection) for connection in connections.values()]
            cpu, began = _cpu(sandboxes), time.monotonic()
            await asyncio.gather(*(_push(scope, one) for one in wanted))
            states = await _finished(scope)
            used, took = _cpu(sandboxes).since(cpu), time.monotonic() - began
            stop.set()
    return sandboxes.served(), states, used, took


def run() -> None:
    """One round; each platform's calls are the sample."""
    collect_less_often()  # as the command does
    place = Path(tempfile.mkdtemp(prefix="isthmus-bench-"))
    place.chmod(0o755)
    sandboxes = Sandboxes()
    try:
        served, states, used, took = asyncio.run(_run(place, sandboxes))
    finally:
        sandboxes.close()
        shutil.rmtree(place, ignore_errors=True)
    rows = []
    for name, told in served.items():
        least = (told["calls"] - _BURST) / _RATE
        rows.append(
            Row(
                f"{name}: time over the least that the rate allows", (told["last"] - told["first"]) / least, "", _TARGET
            )
        )
        used_up = (told["last"] - told["first"]) * _RATE / (told["all"] - _BURST)
        rows.append(Row("  the same for all calls: platforms tell our own writes, and they are read", used_up, ""))
        rows.append(Row("  writing calls", told["calls"], "calls"))
        rows.append(Row("  values that took effect", told["effects"], "values"))
    done = states.get("done", 0)
    rows.append(Row("items that ended as done, of all", done / max(1, sum(states.values())), ""))
    rows.append(Row("CPU of our process, each item", used.ours / max(1, done) * 1e6, "us"))
    rows.append(Row("CPU of PostgreSQL, each item", used.postgres / max(1, done) * 1e6, "us"))
    rows.append(Row("CPU of the sandboxes, each item", used.sandboxes / max(1, done) * 1e6, "us"))
    every = used.ours + used.postgres + used.sandboxes
    rows.append(Row("share of the cores that these took", every / took / (os.cpu_count() or 1), ""))
    rows.append(Row("from the first wish to the last end", took, "s"))
    publish("stock_push", rows)
