"""What the configuration of product sync says of files that say nothing themselves, and the list of what came."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from tests.given import records as shelf
from tests.given import sync as given_sync
from tests.given import uploads as given
from tests.house_database import Copy

from isthmus.engine.db import Database
from isthmus.features import sync
from isthmus.features.connections import IntegrationDisabled
from isthmus.features.uploads import State, UploadMode, store
from isthmus.features.uploads.errors import MappingInUse, WrongMapping
from isthmus.features.uploads.service import configuring, managing
from isthmus.features.uploads.service.configuring import Config
from isthmus.features.uploads.service.history import TurnFilter, history
from isthmus.kit.clock import ManualClock
from isthmus.kit.errors import Invalid
from isthmus.kit.paging import Ask
from isthmus.scope import Scope, System

TILL = "Nummer,Bezeichnung,Preis\r\n1,Tea,2.50\r\n2,Mug,7\r\n"
OURS = "product_id,title,sku,price\r\np1,Tea,T-1,2.50\r\n"
MAPPING = {"key": "Nummer", "product": {"title": "Bezeichnung"}, "variant": {"price": "Preis"}}


@pytest_asyncio.fixture
async def scope(database: Database, copied: Copy, tmp_path: Path) -> AsyncIterator[Scope]:
    yield given.scope(database, tmp_path)
    await shelf.clear(copied)


async def _configure(scope: Scope, **values: object) -> Config:
    wanted = Config(enabled=True, source="upload", **values)  # type: ignore[arg-type] # as the test gives them
    return (await configuring.configure(scope, wanted, None, replaces=False))[0]


async def test_a_configured_mapping_reads_files_that_name_none_and_gives_way_where_it_does_not_fit(
    scope: Scope,
) -> None:
    unknown = await given.taken(scope, TILL)
    assert (unknown.state, unknown.error_code) == (State.FAILED, "MAPPING_NEEDED")
    set_ = await _configure(scope, mapping=MAPPING)
    assert set_.mapping is not None
    assert (set_.mapping, set_.mapping_id is None) == (MAPPING, False)
    read = await given.taken(scope, TILL)
    assert (read.state, given.counts(read)) == (State.SUCCEEDED, (2, 0, 0, 0))
    known = await given.taken(scope, OURS)
    assert (known.format, given.counts(known)) == ("isthmus", (1, 0, 0, 0))
    documents = await given.taken(scope, '[{"id": "j1", "title": "Tea"}]', "p.json")
    assert documents.format == "isthmus-json"
    seen = await managing.preview(scope, given.wish("till.csv"), given.pieces(TILL.encode()))
    assert [one.title for one in seen.products] == ["Tea", "Mug"]


async def test_a_mapping_that_the_configuration_names_is_kept(scope: Scope) -> None:
    set_ = await _configure(scope, mapping=MAPPING)
    assert set_.mapping_id is not None
    with pytest.raises(MappingInUse):
        await managing.remove_mapping(scope, set_.mapping_id)
    assert (await _configure(scope)).mapping is None
    await managing.remove_mapping(scope, set_.mapping_id)
    with pytest.raises(WrongMapping):
        await _configure(scope, mapping_id=set_.mapping_id)
    with pytest.raises(WrongMapping):
        await _configure(scope, mapping=MAPPING, mapping_id="map_x")
    with pytest.raises(WrongMapping):
        await _configure(scope, mapping={"key": "Nummer"})


async def test_on_error_decides_about_files_whose_sender_does_not(scope: Scope) -> None:
    bad = OURS + "p2,,M-1,1\r\n"
    await _configure(scope, on_error="stop")
    stopped = await given.taken(scope, bad)
    assert (stopped.mode, stopped.state, stopped.created) == (UploadMode.ALL_OR_NOTHING, State.FAILED, 0)
    told = await given.taken(scope, bad, mode=UploadMode.BEST_EFFORT)
    assert (told.state, given.counts(told)) == (State.SUCCEEDED, (1, 0, 0, 1))
    await _configure(scope)
    assert (await given.taken(scope, bad)).mode is UploadMode.BEST_EFFORT


async def test_history_is_filtered_and_goes_on_by_cursor_and_by_offset(scope: Scope) -> None:
    taken = [await given.taken(scope, f"product_id,title,sku,price\r\np{n},Tea,T-{n},1\r\n") for n in range(4)]
    failed = await given.taken(scope, "no,columns,here\r\n1,2,3\r\n")
    newest = [one.id for one in (failed, *reversed(taken))]

    async def listed(wanted: TurnFilter | None = None, **ask: int | str) -> tuple[list[str], str | None]:
        mine = replace(wanted or TurnFilter(), since=(wanted and wanted.since) or taken[0].created_at)
        page = await history(scope, mine, Ask(**ask))  # type: ignore[arg-type] # limit, offset, after
        return [one.id for one in page.items], page.next_after

    assert await listed() == (newest, None)
    first, place = await listed(limit=2)
    assert (first, place is None) == (newest[:2], False)
    assert await listed(limit=3, after=str(place)) == (newest[2:], None)
    assert (await listed(limit=2, offset=3))[0] == newest[3:]
    assert (await listed(TurnFilter(state="failed")))[0] == [failed.id]
    assert (await listed(TurnFilter(kind="run")))[0] == []
    assert (await listed(TurnFilter(since=failed.created_at + timedelta(hours=1))))[0] == []
    assert (await listed(TurnFilter(kind="upload", until=failed.created_at + timedelta(hours=1))))[0] == newest
    with pytest.raises(Invalid):
        await listed(offset=1_001)


@pytest.mark.parametrize("schedule", ["often", "* * * * * *", "@hourly", "0 0 31 2 *"])
async def test_a_schedule_has_five_fields_that_name_a_day_which_comes(scope: Scope, schedule: str) -> None:
    with pytest.raises(Invalid):
        await _configure(scope, schedule=schedule)


async def test_a_slot_that_cannot_begin_just_now_begins_soon_and_one_that_is_refused_waits_for_the_next(
    database: Database, copied: Copy
) -> None:
    clock = ManualClock(datetime(2026, 11, 21, 12, 1, tzinfo=UTC))
    scope = replace(given_sync.scope(database, {"con_one": given_sync.shelf(2)}, live_runs=1), clock=clock)
    system = System(scope.engine, clock)
    wanted = {
        "enabled": True,
        "source": "connection",
        "connection_id": "con_one",
        "schedule": "*/5 * * * *",
        "mode": "full",
        "on_error": "skip",
        "conflict_rule": "",
        "mapping_id": None,
        "webhook_secret": None,
        "next_at": clock.now(),
    }
    async with scope.tx() as tx:
        await store.save_config(tx, wanted, clock.now(), other=True)

    async def begun() -> list[str]:
        await configuring.run_due(system)
        async with scope.tx() as tx:
            rows = await tx.fetch_sql("update sync_runs set state = 'succeeded' where state = 'queued' returning mode")
        return [row["mode"] for row in rows]

    await sync.start(scope, "con_one", since=clock.now() - timedelta(days=1))
    assert await begun() == ["since"], "a read of changes alone is under way, and a full one is wanted"
    assert await begun() == ["full"]
    clock.advance(300)
    await sync.start(scope, "con_one", entity="orders")
    assert await begun() == ["full"], "there are as many runs as there may be"
    assert await begun() == ["full"]
    clock.advance(300)
    refused = replace(scope.part(sync.Sources), shop=_refused)
    parts = {**scope.engine.parts, sync.Sources: refused}
    await configuring.run_due(System(replace(scope.engine, parts=parts), clock))
    assert await begun() == []
    clock.advance(300)
    assert await begun() == ["full"]
    async with scope.tx() as tx:
        await tx.execute_sql("delete from product_sync_configs")
    await shelf.clear(copied)


async def _refused(scope: Scope, connection_id: str, entity: str) -> sync.Shop:
    raise IntegrationDisabled
