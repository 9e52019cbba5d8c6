"""The master key is copied, lost and given up: what is said, what is given anew, and what stays (VA-11)."""

import asyncio
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.given import forks
from tests.house_database import Copy
from tests.journeys.deployment import MASTER, Merchant, deployment

from isthmus.engine import keys
from isthmus.kit.permissions import TENANT_ADMIN
from isthmus.kit.secret import Secret
from isthmus.sandbox import walk

OTHER = "ff" * 32


def _command(words: Sequence[str], home: Path, url: str, key: str) -> subprocess.CompletedProcess[str]:
    """A command of another process of the deployment."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ISTHMUS_")}
    given = {"ISTHMUS_HOME": str(home), "ISTHMUS_DATABASE_URL": url, "ISTHMUS_MASTER_KEY": key, "COLUMNS": "200"}
    given["ISTHMUS_AUTH__HS256"] = "k" * 40
    return forks.run(["-m", "isthmus", "vault", *words], env=kept | given, timeout=100)


def _id(key: str) -> str:
    ring = keys.load(text=Secret(key))
    assert ring is not None
    return ring.primary.id


def test_VA_11_the_key_is_printed_once_or_kept_in_a_new_private_file(tmp_path: Path, copied: Copy) -> None:
    shown = _command(["export-key"], tmp_path, copied.url, MASTER)
    assert shown.returncode == 0, shown.stderr
    assert _id(shown.stdout) == _id(MASTER)
    file = tmp_path / "copy.key"
    kept = _command(["export-key", "--to", str(file)], tmp_path, copied.url, MASTER)
    assert kept.returncode == 0, kept.stderr
    assert file.stat().st_mode & 0o077 == 0
    read = keys.load(file=file)
    assert read is not None
    assert read.ids == (_id(MASTER),)
    assert file.read_text().strip() not in kept.stdout + kept.stderr
    again = _command(["export-key", "--to", str(file)], tmp_path, copied.url, MASTER)
    assert "KEY_COPY_NOT_WRITTEN" in again.stderr
    wrong = _command(["export-key"], tmp_path, copied.url, OTHER)
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert "WRONG_MASTER_KEY" in wrong.stderr


async def test_VA_11_after_a_lost_key_apps_and_connections_are_given_anew_and_nothing_else_is_lost(
    tmp_path: Path, database_url: str
) -> None:
    async with deployment(database_url, tmp_path) as before:
        amy, connection = await before.owner("tiki")
        assert (await amy.sync(connection))["state"] == "succeeded"
        tenant = amy.tenant_id
        known = {row["id"]: row["title"] for row in await amy.everything("/api/listings?", "items")}
        assert len(known) == 12
    started = await asyncio.to_thread(_command, ["status"], tmp_path, database_url, OTHER)
    assert started.returncode == 1
    assert f"it wants {_id(MASTER)}" in started.stderr
    refused = await asyncio.to_thread(_command, ["start-over", _id(MASTER)], tmp_path, database_url, MASTER)
    assert "MASTER_KEY_NOT_LOST" in refused.stderr
    done = await asyncio.to_thread(_command, ["start-over", _id(MASTER)], tmp_path, database_url, OTHER)
    assert done.returncode == 0, done.stderr
    async with deployment(database_url, tmp_path, MASTER_KEY=OTHER) as after:
        amy = after.person(tenant, [TENANT_ADMIN])
        tried = await amy.call("POST", f"/api/connections/{connection}/test")
        assert tried.body["success"] is False
        await _reconnect(amy, connection)
        run = await amy.sync(connection)
        assert (run["state"], run["created"]) == ("succeeded", 0), run
        assert {row["id"]: row["title"] for row in await amy.everything("/api/listings?", "items")} == known
        told = (await amy.call("GET", "/api/sync/runs?limit=10")).body["items"]
        assert len(told) == 2


async def _reconnect(amy: Merchant, connection: str) -> None:
    opened = await amy.call("POST", f"/api/connections/{connection}/reconnect", {})
    assert opened.status < 300, opened.body
    async with amy.browser.get(opened.body["authorizationUrl"], allow_redirects=False) as answer:
        consent = answer.headers["location"]
    async with amy.browser.get(await walk(consent), allow_redirects=False) as answer:
        assert answer.status == 200, await answer.text()
