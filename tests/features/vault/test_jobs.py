"""A rotation in a process of its own, killed for good at many points; workers take over."""

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from tests.given import catalog as given
from tests.given import keys
from tests.given import vault as house

from isthmus.engine.db import Database
from isthmus.features import catalog, vault
from isthmus.features.catalog.service.registrations import reseal as reseal_apps
from isthmus.features.vault.jobs import reseal, unfinished
from isthmus.kit.secret import Secret
from isthmus.scope import System

TENANTS = [f"ten_{number}" for number in range(40)]
SETTINGS = vault.Settings(active_check=timedelta(milliseconds=5), batch=5)
ROOT = Path(__file__).parents[3]

ROTATE = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from isthmus.engine.db import Database
from isthmus.features import vault
from tests.features.vault.test_jobs import process

async def main():
    database = await Database.connect(sys.stdin.readline().strip())
    system = process(database, Path(sys.argv[2]), "second", "first")
    print("ready", flush=True)
    await vault.rotate(system, data=True)
    print("done", flush=True)

asyncio.run(main())
"""


def process(database: Database, folder: Path, *ring: str) -> System:
    parts = given.parts(given.providers(folder, given.manifest("shopee")))
    reseals = vault.Reseals({"catalog.registrations": reseal_apps})
    return house.process(database, ring=keys.ring(*ring), settings=SETTINGS, reseals=reseals, parts=parts)


def rotation_killed_after(seconds: float, url: str, folder: Path) -> None:
    """Starts the rotation and kills it hard so many seconds after it began its work."""
    command = [sys.executable, "-c", ROTATE, str(ROOT), str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(f"{url}\n")
        child.stdin.flush()
        assert child.stdout.readline() == "ready\n"
        try:
            child.wait(seconds)
        except subprocess.TimeoutExpired:
            os.kill(child.pid, signal.SIGKILL)


async def secrets(system: System) -> set[str]:
    """What every tenant's app opens to."""
    scopes = [house.scope(system, tenant) for tenant in TENANTS]
    found = [await catalog.registration(scope, "shopee") for scope in scopes]
    return {f"{scope.tenant_id}={app.app.secret('partner_key')}" for scope, app in zip(scopes, found, strict=True)}


@pytest.mark.parametrize("points", [[0.0, 0.02, 0.06, 0.15]])
async def test_VA_09_after_kill_9_every_value_opens_and_workers_finish(
    database: Database, database_url: str, tmp_path: Path, points: list[float]
) -> None:
    first = process(database, tmp_path, "first")
    await vault.check_canary(first)
    for tenant in TENANTS:
        credentials = {"partner_id": Secret("1"), "partner_key": Secret(f"key of {tenant}")}
        await catalog.set_app(house.scope(first, tenant), "shopee", credentials=credentials)
    expected = await secrets(first)
    for point in points:
        rotation_killed_after(point, database_url, tmp_path)
        assert await secrets(process(database, tmp_path, "second", "first")) == expected
    system = process(database, tmp_path, "second", "first")
    await vault.rotate(system)
    for _ in range(100):
        async with system.tx() as tx:
            wakes = await unfinished(system, tx)
        if not wakes:
            break
        for wake in wakes:
            await reseal(system.scope(wake.tenant_id, "vault"), wake.key)
    status = await vault.status(system)
    assert (status.reseals_open, status.disposable) == (0, ("first",))
    assert await secrets(process(database, tmp_path, "second")) == expected
