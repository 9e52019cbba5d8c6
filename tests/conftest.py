"""What every test may ask for: the embedded PostgreSQL, and a fresh migrated database per module."""

import errno
import gc
import ipaddress
import os
import re
import socket
import sys
import warnings
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

sys.path.insert(0, str(Path(__file__).parent.parent))
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # the many processes that tests start compile the modules once

from tests.house_database import Copy, copy, server

from isthmus.engine.db import Database, EmbeddedPostgres
from isthmus.kit.memory import collect_less_often

_NUMBER, _CLOSING = re.compile(r"\bfd=(\d+)"), re.compile(r"Transport closing fd=(\d+)")
pytest_plugins = ["tests.beside"]
collect_less_often()


#: Files that take a minute or so: begun first, so that no process works on alone at the end.
_LONG = {
    "test_storm",
    "test_storm_goes_on",
    "test_any_input",
    "test_start",
    "test_tenant_wall",
    "test_killed",
    "test_every_route",
    "test_once",
    "test_order_actions",
    "test_what_is_kept",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long files first; everything else stays in its order."""
    items.sort(key=lambda item: item.path.stem not in _LONG)


def pytest_collection_finish() -> None:
    """Modules and the thousands of tests stay to the end: the collector need not walk them again and again."""
    gc.freeze()


def _is_outside(address: object) -> bool:
    """Whether a socket address is an internet address other than loopback; names never get here."""
    if not isinstance(address, tuple) or not address:
        return False
    try:
        return not ipaddress.ip_address(str(address[0]).split("%")[0]).is_loopback
    except ValueError:
        return str(address[0]) != "localhost"


@pytest.fixture(scope="session", autouse=True)
def no_network() -> Iterator[None]:
    """The machine of the tests has no network but loopback: any other address is unreachable."""
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex

    def checked(self: socket.socket, address: object) -> None:
        if _is_outside(address):
            raise OSError(errno.ENETUNREACH, "no network in tests")
        connect(self, address)  # type: ignore[arg-type] # whatever the caller gave

    def checked_ex(self: socket.socket, address: object) -> int:
        return errno.ENETUNREACH if _is_outside(address) else connect_ex(self, address)  # type: ignore[arg-type] # as above

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", checked)
        patch.setattr(socket.socket, "connect_ex", checked_ex)
        yield


@pytest.fixture(scope="module", autouse=True)
def nothing_left_open() -> Iterator[None]:
    """What a module leaves open fails that module, and not whatever test has its garbage collected next.

    A transport that was being closed in its loop's last turn is no such thing: nothing could close it any more.
    """
    yield
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", ResourceWarning)
        gc.collect()
    left = [str(one.message) for one in told if issubclass(one.category, ResourceWarning)]
    closing = {number for one in left for number in _CLOSING.findall(one)}
    assert [one for one in left if closing.isdisjoint(_NUMBER.findall(one))] == []


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
