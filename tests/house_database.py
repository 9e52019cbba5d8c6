"""The embedded PostgreSQL in test mode: one server per test process, migrated once, copied per module."""

import itertools
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from isthmus.engine.db import EmbeddedPostgres, migrate

_NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class Copy:
    """A migrated database of one's own: `url` for the pool, the others for tests that look behind it."""

    name: str
    url: str
    owner_url: str
    admin_url: str


def _place() -> Path:
    """As root the server runs as another user, who must be able to pass through."""
    made = Path(tempfile.mkdtemp(prefix="isthmus-test-"))
    made.chmod(0o755)
    return made


@asynccontextmanager
async def server() -> AsyncIterator[EmbeddedPostgres]:
    """A server whose database `isthmus` is migrated and serves as the template; nobody else connects to it."""
    place = _place()
    try:
        async with EmbeddedPostgres(place / "postgres", test_mode=True) as running:
            await migrate(running.owner_url)
            yield running
    finally:
        shutil.rmtree(place, ignore_errors=True)


@asynccontextmanager
async def copy(running: EmbeddedPostgres) -> AsyncIterator[Copy]:
    """A fresh migrated database, dropped at the end."""
    name = f"copy_{next(_NUMBERS)}"
    admin = await asyncpg.connect(running.address("postgres", "postgres"))
    try:
        await admin.execute(f"create database {name} template isthmus owner isthmus_owner strategy file_copy")
        # The rights on a database are not copied with it.
        await admin.execute(f"revoke all on database {name} from public")
        await admin.execute(f"grant connect on database {name} to isthmus_service")
        yield Copy(
            name,
            running.address("isthmus_service", name),
            running.address("isthmus_owner", name),
            running.address("postgres", name),
        )
        await admin.execute(f"drop database {name} with (force)")
    finally:
        await admin.close()
