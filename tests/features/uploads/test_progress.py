"""How far a file is: by the bytes of it that are done, told live beside the runs, and resumable like them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from tests.given import records as shelf
from tests.given import uploads as given
from tests.house_database import Copy

from isthmus.engine.db import Database
from isthmus.features import sync, uploads
from isthmus.features.sync import service as runs
from isthmus.features.sync.settings import Settings as SyncSettings
from isthmus.features.uploads.model.grouping import Group
from isthmus.features.uploads.model.source import Kind, Source
from isthmus.features.uploads.model.upload import Pace, Phase, State, Upload, UploadMode, pace
from isthmus.features.uploads.routes.shapes import READ, UploadOut, upload_out
from isthmus.features.uploads.service import receiving, running
from isthmus.features.uploads.service.reading import Plan
from isthmus.kit.clock import SYSTEM
from isthmus.kit.permissions import Principal
from isthmus.scope import Scope

NOW = SYSTEM.now()
FILE = "product_id,title,sku,price,stock\r\n" + "".join(f"p{one},Tea {one},T-{one},1,1\r\n" for one in range(10))


def _upload(**told: Any) -> Upload:
    plain: dict[str, Any] = dict.fromkeys(Upload.__struct_fields__)
    counts = ("received", "place", "line", "rows", "products", "created", "updated", "unchanged", "failed", "errors")
    plain |= dict.fromkeys((*counts, "fence", "deaths"), 0)
    told = {"state": State.RUNNING, "mode": UploadMode.BEST_EFFORT, "phase": Phase.WRITING} | told
    return Upload(**plain | {"created_at": NOW, "changed_at": NOW} | told)


def _after(seconds: float, **told: Any) -> Pace:
    return pace(_upload(started_at=NOW, **told), NOW + timedelta(seconds=seconds))


def test_the_rest_takes_as_long_as_what_is_done_did_byte_for_byte() -> None:
    assert _after(10, share=0.25, rows=500) == Pace(0.25, 50.0, 30.0)
    assert _after(10, share=1.0, rows=500) == Pace(1.0, 50.0, 0.0)
    assert _after(10) == Pace(0.0, None, None)
    assert _after(0, share=0.5, rows=5) == Pace(0.5, None, None)


def test_all_or_nothing_goes_over_the_file_twice() -> None:
    twice = UploadMode.ALL_OR_NOTHING
    assert _after(10, mode=twice, phase=Phase.CHECKING, share=0.5, rows=500) == Pace(0.25, 50.0, 30.0)
    assert _after(30, mode=twice, share=0.5, rows=500) == Pace(0.75, 50.0, 10.0)
    assert _after(20, mode=twice, share=0.0) == Pace(0.5, None, None)


def test_what_is_being_received_goes_by_its_bytes_and_what_has_ended_needs_no_more() -> None:
    assert pace(_upload(state=State.RECEIVING, received=30, size=120), NOW) == Pace(0.25, None, None)
    assert pace(_upload(state=State.RECEIVING, received=30), NOW) == Pace(None, None, None)
    assert pace(_upload(state=State.QUEUED), NOW) == Pace(0.0, None, None)
    ended = NOW + timedelta(seconds=10)
    assert _after(60, state=State.SUCCEEDED, finished_at=ended) == Pace(1.0, None, None)
    assert _after(60, state=State.SUCCEEDED, share=1.0, rows=500, finished_at=ended) == Pace(1.0, 50.0, None)


@pytest.mark.parametrize(
    ("kind", "group", "share"),
    [
        (Kind.CSV, Group("p", (), 3, 250), 0.25),
        (Kind.NDJSON, Group("p", (), 3, 250), 0.25),
        (Kind.JSON, Group("p", (), 3, 3), 0.6),
        (Kind.XML, Group("p", (), 3, 3), 0.6),
        (Kind.CSV, Group("p", (), 900, 3, of=12), 0.25),
    ],
)
def test_how_much_is_done_is_known_of_every_kind_of_file(kind: Kind, group: Group, share: float) -> None:
    form = given.FORMATS.known[0]
    assert running._share(Plan(Source(kind), form, ()), group, 600, 1_000) == share


@pytest_asyncio.fixture
async def scope(database: Database, copied: Copy, tmp_path: Path) -> AsyncIterator[Scope]:
    made = given.scope(database, tmp_path)
    parts = dict(made.engine.parts) | {
        sync.Besides: sync.Besides(uploads.moved),
        SyncSettings: SyncSettings(stream_interval=timedelta(milliseconds=20)),
    }
    yield shelf.scope(shelf.engine(database, parts))
    await shelf.clear(copied)
    async with database.system() as tx:
        await tx.execute_sql("delete from uploads")


async def _told(scope: Scope, since: Any, until: State) -> list[tuple[Any, UploadOut]]:
    found = []
    async with asyncio.timeout(60), aclosing(runs.news(scope, since)) as news:
        async for one in news:
            assert isinstance(one, sync.Moved)
            assert isinstance(one.shown, UploadOut)
            assert (one.kind, one.id) == ("upload", one.shown.id)
            found.append((one.changed_at, one.shown))
            if one.shown.state == until:
                break
    return found


async def test_the_stream_of_runs_tells_of_uploads_and_goes_on_where_a_reader_left(scope: Scope) -> None:
    before = scope.now - timedelta(seconds=1)
    upload = await given.sent(scope, FILE)
    [(mark, waiting)] = await _told(scope, before, State.QUEUED)
    assert (waiting.id, waiting.progress, waiting.rows) == (upload.id, 0.0, 0)
    await running.work(scope, upload.id)
    # changes of the last seconds are told again, since one that was made before may be committed behind it
    ended = (await _told(scope, mark, State.SUCCEEDED))[-1][1]
    assert (ended.id, ended.progress, ended.rows, ended.eta_seconds) == (upload.id, 1.0, 10, None)
    assert ended.per_second is not None


async def test_the_stream_tells_a_reader_who_stays_of_every_state(scope: Scope) -> None:
    async def worked() -> None:
        upload = await given.sent(scope, FILE)
        await running.work(scope, upload.id)

    async with asyncio.TaskGroup() as group:
        reading = group.create_task(_told(scope, scope.now - timedelta(seconds=1), State.SUCCEEDED))
        group.create_task(worked())
    shown = [one for _, one in reading.result()]
    assert [one.progress for one in shown if one.state == State.RUNNING] == sorted(
        one.progress or 0 for one in shown if one.state == State.RUNNING
    )
    assert shown[-1].created == 10


async def test_parts_that_come_are_told_with_how_much_is_there(scope: Scope) -> None:
    before = scope.now - timedelta(seconds=1)
    body = FILE.encode()
    upload = await receiving.begin(scope, given.wish("p.csv", size=len(body)))
    await receiving.receive(scope, upload.id, 0, given.pieces(body[: len(body) // 2]))
    [(_, shown)] = await _told(scope, before, State.RECEIVING)
    assert shown.progress == pytest.approx(0.5, abs=0.01)


async def test_who_may_not_see_uploads_is_not_told_of_them(scope: Scope) -> None:
    await given.sent(scope, FILE)
    for roles, seen in ((frozenset({"tenant_admin"}), 1), (frozenset[str](), 0)):
        who = Principal("user", "bob", "test", "ten_one", roles)
        asking = Scope("ten_one", who, scope.engine, scope.clock)
        assert who.may(READ) == bool(seen)
        async with asking.tx() as tx:
            assert len(await uploads.moved(asking, tx, scope.now - timedelta(minutes=1), 10)) == seen


def test_an_upload_is_shown_with_its_pace() -> None:
    made = _upload(id="upl_1", name="p.csv", origin="upload", currency="VND", requested_by="ann", state=State.QUEUED)
    shown = msgspec.json.decode(msgspec.json.encode(upload_out(made, NOW)))
    assert {"progress", "perSecond", "etaSeconds"} <= set(shown)
