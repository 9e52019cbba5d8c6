"""Bytes and what is known of them: no death in between loses a part, and none leaves bytes behind for ever."""

import copy
import os
import tempfile
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from tests.given import records as shelf
from tests.given import uploads as given
from tests.house_database import Copy

from isthmus.engine.blobs import FolderBlobs
from isthmus.engine.db import Database, DatabaseUnavailable, Opening
from isthmus.engine.queue import Postponed
from isthmus.features import access
from isthmus.features.uploads import jobs
from isthmus.features.uploads.errors import NoRoom, WrongPart
from isthmus.features.uploads.service import managing, receiving, running, scratch, strays
from isthmus.scope import Scope, System

GOOD = b"product_id,title,sku,price,stock\r\np1,Tea,T-1,2.50,10\r\n"


class _Unheard(Opening):
    """What it wrote is committed, and nobody hears of it."""

    __slots__ = ()

    async def _commit(self) -> None:
        await super()._commit()
        raise DatabaseUnavailable


class _Deaf(Database):
    """The line to it breaks behind each commit, from some time on."""

    hears = True

    def tenant(self, tenant_id: str) -> Opening:
        opening = super().tenant(tenant_id)
        if not self.hears:
            opening.__class__ = _Unheard
        return opening


@pytest_asyncio.fixture
async def scope(database: Database, copied: Copy, tmp_path: Path) -> AsyncIterator[Scope]:
    yield given.scope(database, tmp_path)
    await shelf.clear(copied)


async def _received_unheard(scope: Scope, upload_id: str) -> None:
    """The bytes come, and the line to the database breaks behind the commit that notes them."""
    database = copy.copy(scope.engine.database)
    database.__class__ = _Deaf
    deaf = replace(scope, engine=replace(scope.engine, database=database))

    async def content() -> AsyncIterator[bytes]:
        yield GOOD
        database.hears = False  # type: ignore[attr-defined] # it has this class by now

    await receiving.receive(deaf, upload_id, 0, content())


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("blb_*") if path.is_file()]


def _aged(path: Path, scope: Scope, age: timedelta) -> None:
    at = (scope.now - age).timestamp()
    os.utime(path, (at, at))


async def test_a_part_whose_note_was_written_unheard_keeps_its_bytes(scope: Scope) -> None:
    opened = await receiving.begin(scope, given.wish("products.csv"))
    with pytest.raises(DatabaseUnavailable):
        await _received_unheard(scope, opened.id)
    again = await receiving.receive(scope, opened.id, 0, given.pieces(GOOD))
    assert again.received == len(GOOD)
    await receiving.start(scope, opened.id)
    await running.work(scope, opened.id)
    ended = await receiving.upload(scope, opened.id)
    assert (ended.state, ended.error_code, ended.created) == ("succeeded", None, 1)


async def test_a_part_that_is_refused_leaves_no_bytes(scope: Scope, tmp_path: Path) -> None:
    opened = await receiving.begin(scope, given.wish("products.csv"))
    with pytest.raises(WrongPart):
        await receiving.receive(scope, opened.id, 7, given.pieces(GOOD))
    assert _files(tmp_path) == []


async def test_bytes_that_no_upload_names_are_removed_after_a_day_and_no_others(scope: Scope, tmp_path: Path) -> None:
    taken = await given.taken(scope, GOOD)
    (kept,) = _files(tmp_path)
    blobs = scope.part(FolderBlobs)
    for _ in range(2):
        await blobs.put(scope.tenant_id, given.pieces(b"nobody's"), limit=100)
    old, young = [path for path in _files(tmp_path) if path != kept]
    broken = old.with_name(f"{old.name}.part")
    broken.write_bytes(b"half")
    for path in (kept, old, broken):
        _aged(path, scope, timedelta(hours=25))
    _aged(young, scope, timedelta(hours=23))
    await strays.sweep_of(scope)
    assert sorted(_files(tmp_path)) == sorted([kept, young])
    assert (await receiving.upload(scope, taken.id)).state == "succeeded"


async def test_bytes_of_tenants_that_this_database_does_not_know_are_left_alone(
    scope: Scope, database: Database, tmp_path: Path
) -> None:
    system = System(scope.engine)
    known = await access.create_tenant(scope, "Known")
    for tenant_id in (known.id, "ten_elsewhere"):
        await scope.part(FolderBlobs).put(tenant_id, given.pieces(b"nobody's"), limit=100)
    for path in _files(tmp_path):
        _aged(path, scope, timedelta(days=2))
    await strays.sweep(system)
    assert [path.parts[-3] for path in _files(tmp_path)] == ["ten_elsewhere"]


async def test_an_upload_whose_copy_finds_no_place_says_so_and_goes_on_once_there_is_one(
    scope: Scope, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = await given.sent(scope, GOOD)
    with monkeypatch.context() as full:
        full.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
        with pytest.raises(Postponed):
            await jobs.run(scope, sent.id)
        with pytest.raises(NoRoom):
            await running.work(scope, sent.id)
        with pytest.raises(NoRoom):
            await managing.preview(scope, given.wish("products.csv"), given.pieces(GOOD))
    waiting = await receiving.upload(scope, sent.id)
    assert (waiting.state, waiting.error_code, waiting.deaths) == ("running", "STORAGE_FULL", 0)
    assert "goes on by itself" in str(waiting.error_message)
    await running.work(scope, sent.id)
    ended = await receiving.upload(scope, sent.id)
    assert (ended.state, ended.created, ended.error_code) == ("succeeded", 1, None)


async def test_copies_that_killed_workers_left_are_removed_and_those_of_living_ones_stay(
    scope: Scope, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    left = tmp_path / "isthmus-upload-dead"
    left.mkdir()
    (left / "sent").write_bytes(GOOD)
    with scratch.folder() as living:
        scratch.sweep(scope.now)
        assert left.exists()
        for path in (left, living):
            os.utime(path, (0, 0))
        scratch.sweep(scope.now)
        assert (left.exists(), living.exists()) == (False, True)
