"""`isthmus up` as an operator meets it: a first start, a second one, commands beside it, and starts that must fail."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest
from tests.given import forks

pytestmark = pytest.mark.timeout(900)
_Process = forks.Process | asyncio.subprocess.Process
_Start = Callable[..., Coroutine[Any, Any, _Process]]


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """As root the database runs as another user, who must be able to pass through."""
    made = Path(tempfile.mkdtemp(prefix="isthmus-start-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


def _environment(home: Path, **given: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ISTHMUS_")}
    return {**kept, "ISTHMUS_HOME": str(home), "COLUMNS": "200", **given}


async def _isthmus(home: Path, *words: str, **given: str) -> tuple[int, str, str]:
    """Run a command to its end: exit code, standard output, standard error."""
    process = await _started(home, *words, **given)
    async with asyncio.timeout(200):
        out, said = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), said.decode()


async def _started(home: Path, *words: str, **given: str) -> forks.Process:
    pipe = asyncio.subprocess.PIPE
    return await forks.process("-m", "isthmus", *words, env=_environment(home, **given), stdout=pipe, stderr=pipe)


async def _started_anew(home: Path, *words: str) -> asyncio.subprocess.Process:
    """With an interpreter of its own, as an operator starts it."""
    pipe = asyncio.subprocess.PIPE
    command = [sys.executable, "-m", "isthmus", *words]
    return await asyncio.create_subprocess_exec(*command, env=_environment(home), stdout=pipe, stderr=pipe)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.asynccontextmanager
async def _up(home: Path, start: _Start = _started) -> AsyncIterator[tuple[_Process, str]]:
    port = _free_port()
    process = await start(home, "up", "--port", str(port))
    address = f"http://127.0.0.1:{port}"
    try:
        await _ready(address)
        yield process, address
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        async with asyncio.timeout(100):
            await process.communicate()


async def _ready(address: str) -> None:
    async with asyncio.timeout(200), aiohttp.ClientSession() as client:
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                async with client.get(f"{address}/health/ready") as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.05)


async def _products(address: str, token: str) -> int:
    headers = {"authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession() as client, client.get(f"{address}/api/products", headers=headers) as answer:
        return answer.status


async def test_an_operator_starts_makes_a_tenant_and_comes_back_after_a_kill(home: Path) -> None:
    async with _up(home, _started_anew) as (process, address):
        code, out, said = await _isthmus(home, "tenant", "create", "Trà Sữa Ngon")
        assert code == 0, said
        tenant = out.split()[0]
        code, out, said = await _isthmus(home, "token", tenant)
        assert code == 0, said
        token = out.strip()
        assert await _products(address, token) == 200
        assert await _products(address, token[:-3] + "abc") == 401
        code, out, said = await _isthmus(home, "check")
        assert code == 0, out + said
        assert "ISTHMUS_HOME" in out
        code, _, said = await _isthmus(home, "up", "--port", "0")
        assert code == 1
        assert str(home) in said.replace("\n", "")
        process.kill()
        await process.wait()
    async with _up(home) as (_, address):
        assert await _products(address, token) == 200


async def test_a_port_in_use_is_said_before_anything_starts(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, _, said = await _isthmus(tmp_path, "up", "--port", str(port))
    assert code == 1
    assert f"Port {port}" in said
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - a blocking look is fine here


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"ISTHMUS_PROT": "1"}, "ISTHMUS_PORT"),
        pytest.param({"ISTHMUS_DATABASE_CONNECTIONS": "many"}, "ISTHMUS_DATABASE_CONNECTIONS", marks=pytest.mark.proof),
        pytest.param({"ISTHMUS_MASTER_KEY": "short"}, "ISTHMUS_MASTER_KEY", marks=pytest.mark.proof),
        ({"ISTHMUS_DATABASE_URL": "postgresql://127.0.0.1:9/x", "ISTHMUS_MASTER_KEY": "00" * 32}, "127.0.0.1"),
    ],
    ids=["unknown", "wrong", "key", "database"],
)
async def test_a_wrong_setting_stops_the_start_with_its_name(home: Path, given: dict[str, str], named: str) -> None:
    code, _, said = await _isthmus(home, "up", "--port", "0", **given)
    assert code == 1
    assert named in said
    assert "Traceback" not in said


async def test_JT_11_the_development_key_never_serves_a_public_address(home: Path) -> None:
    code, _, said = await _isthmus(home, "up", "--port", "0", "--host", "0.0.0.0")
    assert code == 1
    assert "development key" in said
    assert "listens on" not in said


async def test_VA_08_a_missing_master_key_destroys_nothing(home: Path) -> None:
    key = home / "master.key"
    kept = key.read_bytes()
    key.unlink()
    code, _, said = await _isthmus(home, "up", "--port", "0")
    assert code == 1
    assert "master key" in said.lower()
    assert not key.exists()
    key.write_bytes(kept)
    async with _up(home) as (_, address):
        assert address


def _listening(process: psutil.Process) -> set[str]:
    """The addresses that a process and its children listen on."""
    found = set()
    for one in [process, *process.children(recursive=True)]:
        with contextlib.suppress(psutil.Error):
            found |= {row.laddr.ip for row in one.net_connections("inet") if row.status == psutil.CONN_LISTEN}
    return found


def _sockets() -> set[tuple[str, str]] | None:
    """Every socket of the machine that listens, by address and number, where Linux tells: a look that costs little."""
    with contextlib.suppress(OSError):
        rows = [row.split() for name in ("tcp", "tcp6") for row in Path("/proc/net", name).read_text().splitlines()]
        return {(row[1], row[9]) for row in rows if row[3] == "0A"}
    return None


async def _watched(pid: int, seen: set[str]) -> None:
    """Keep the addresses listened on until the process is gone; whose they are is asked twice when there are others."""
    before: list[set[tuple[str, str]] | None] = []
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        while True:
            there = _sockets()
            if there is None or before != [there, there]:
                seen |= _listening(process)
            before = [*before[-1:], there]
            await asyncio.sleep(0.1)


async def test_SU_08_the_demo_works_twice_on_loopback_only_and_ends_by_itself(tmp_path: Path) -> None:
    for _ in range(2):
        process, seen = (
            await _started(tmp_path, "demo", "--json", "--products", "5", ISTHMUS_HOST="0.0.0.0"),
            set[str](),
        )
        watching = asyncio.create_task(_watched(process.pid, seen))
        async with asyncio.timeout(400):
            out, said = await process.communicate()
        watching.cancel()
        assert process.returncode == 0, said
        assert seen == {"127.0.0.1"}, "whatever the host setting says"
        rows = json.loads(out)
        assert [row["state"] for row in rows] == ["succeeded"] * 3
        assert all(row["listings"] and row["rows_per_cpu_second"] for row in rows)


async def test_a_catalogue_with_rubbish_is_refused_with_line_and_reason(tmp_path: Path) -> None:
    file = tmp_path / "rubbish.csv"
    file.write_bytes(b"\x00\xff\xfe not a table\n\n\x00")
    code, _, said = await _isthmus(tmp_path, "demo", "--json", "--catalog", str(file))
    assert code == 1
    assert "Traceback" not in said
