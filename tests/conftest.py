"""What every test may ask for: the embedded PostgreSQL, and a fresh migrated database per module."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.house_database import Copy, copy, server

from isthmus.engine.db import Database, EmbeddedPostgres

pytest_plugins = ["tests.beside"]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def postgres() -> AsyncIterator[EmbeddedPostgres]:
    """One server per test process; its own database is the template of the copies."""
    async with server() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def copied(postgres: EmbeddedPostgres) -> AsyncIterator[Copy]:
    """A fresh migrated database for this module, with the addresses of all its users."""
    async with copy(postgres) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def database_url(copied: Copy) -> str:
    """The address a pool of this module's database logs in at."""
    return copied.url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def database(database_url: str) -> AsyncIterator[Database]:
    """A pool on this module's database."""
    opened = await Database.connect(database_url)
    yield opened
    await opened.close()
