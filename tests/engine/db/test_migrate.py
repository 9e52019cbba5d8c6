"""Migrations: embedded or external, one process at a time, by an owner who is no superuser."""

import asyncio
import importlib
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from tests.house_database import place, shape

from isthmus.engine.db import (
    Database,
    DatabaseUnavailable,
    DatabaseUnsuitable,
    EmbeddedPostgres,
    latest,
    migrate,
    require,
)
from isthmus.engine.db import binaries as programs

STEPS = importlib.import_module("isthmus.engine.db.migrate")
FOLDER = Path(programs.__file__).parent / "migrations" / "versions"
SERVERS = {found.major: found.folder for found in reversed(programs.find(None))}


@pytest.fixture
async def empty(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """The owner's address of an empty database."""
    admin = await asyncpg.connect(postgres.address("postgres", "postgres"))
    await admin.execute("create database empty owner isthmus_owner")
    yield postgres.address("isthmus_owner", "empty")
    await admin.execute("drop database empty with (force)")
    await admin.close()


def test_the_steps_are_one_line_of_numbers() -> None:
    before = None
    for path in sorted(FOLDER.glob("[0-9]*_*.py")):
        text = path.read_text()
        revision = re.search(r'^revision(?:: str)? = "(\w+)"', text, re.MULTILINE)
        down = re.search(r'^down_revision[^=]*= (?:"(\w+)"|None)', text, re.MULTILINE)
        assert revision is not None, path
        assert down is not None, path
        assert path.name.split("_")[0] == revision[1]
        assert down[1] == before
        before = revision[1]
    assert before == latest()


async def test_two_processes_at_once_migrate_once(empty: str) -> None:
    code = "import asyncio, sys; from isthmus.engine.db import migrate; print(asyncio.run(migrate(sys.argv[1])))"
    workers = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", code, empty, stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    outputs = await asyncio.gather(*(worker.communicate() for worker in workers))
    assert [out.decode().strip() for out, _ in outputs] == [latest(), latest()]
    assert await migrate(empty) == latest()


async def test_a_process_that_finds_no_tables_or_old_ones_says_what_to_run_and_is_content_with_what_is_there(
    empty: str, postgres: EmbeddedPostgres
) -> None:
    service = postgres.address("isthmus_service", "empty")
    with pytest.raises(DatabaseUnsuitable, match="no tables yet: run `isthmus migrate`"):
        await require(service)
    with pytest.raises(DatabaseUnsuitable, match="lacks a right that migrations need"):
        await migrate(service)
    await migrate(empty)
    await require(service)
    assert await migrate(service) == latest()
    owner = await asyncpg.connect(empty)
    await owner.execute("update alembic_version set version_num = '0001'")
    await owner.close()
    with pytest.raises(DatabaseUnsuitable, match=r"at step 0001 .* run `isthmus migrate`"):
        await require(service)
    with pytest.raises(DatabaseUnsuitable, match="lacks a right that migrations need"):
        await migrate(service)


async def test_a_step_that_fails_leaves_nothing_behind(empty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = await asyncpg.connect(empty)
    await owner.execute("create table idempotency_keys (in_the_way int)")
    with pytest.raises(asyncpg.DuplicateTableError):
        await migrate(empty)
    assert list((await shape(owner, "public")).values()) == ["integer"]
    await owner.close()


async def test_a_database_from_the_future_is_left_alone(empty: str) -> None:
    owner = await asyncpg.connect(empty)
    await owner.execute("create table alembic_version (version_num text); insert into alembic_version values ('9999')")
    with pytest.raises(DatabaseUnsuitable, match="step 9999"):
        await migrate(empty)
    await owner.close()


async def test_what_the_server_lacks_is_named(empty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(STEPS, "_EXTENSIONS", ("pg_trgm", "no_such_extension"))
    with pytest.raises(DatabaseUnsuitable, match="no extension no_such_extension"):
        await migrate(empty)
    monkeypatch.setattr(programs, "OLDEST", 99)
    with pytest.raises(DatabaseUnsuitable, match="99 is the oldest"):
        await migrate(empty)


async def test_an_address_that_leads_nowhere_is_said_without_the_password(postgres: EmbeddedPostgres) -> None:
    with pytest.raises(DatabaseUnavailable):
        await migrate("postgresql://owner:hunter22@127.0.0.1:1/none")
    with pytest.raises(DatabaseUnsuitable, match='database "nowhere" does not exist'):
        await migrate(postgres.address("isthmus_owner", "nowhere"))


@pytest.mark.parametrize("major", sorted(SERVERS))
async def test_every_server_found_on_this_machine_is_migrated_by_an_ordinary_owner(major: int) -> None:
    """And used through that same owner, as one external address serves both."""
    home = place()
    try:
        async with EmbeddedPostgres(home / "postgres", test_mode=True, programs=SERVERS[major]) as running:
            admin = await asyncpg.connect(running.admin_url)
            await admin.execute("create role plain login; grant all on schema public to plain")
            with pytest.raises(DatabaseUnsuitable, match="CREATEROLE"):
                await migrate(f"{running.admin_url}&role=plain")
            assert await migrate(running.owner_url) == latest()
            members = await admin.fetch(
                "select rolname from pg_roles where pg_has_role(rolname, 'isthmus_tenant', 'member') and not rolsuper"
            )
            assert {row[0] for row in members} == {"isthmus_tenant", "isthmus_owner", "isthmus_service"}
            await admin.close()
            for url in (running.url, running.owner_url):
                database = await Database.connect(url, size=1)
                async with database.tenant("ten_a") as tx:
                    assert await tx.fetch_sql("select id from events") == []
                for forbidden in ("create temporary table t (a int)", "create table t (a int)", "truncate events"):
                    with pytest.raises(asyncpg.InsufficientPrivilegeError):
                        async with database.tenant("ten_a") as tx:
                            await tx.execute_sql(forbidden)
                await database.close()
    finally:
        shutil.rmtree(home)
