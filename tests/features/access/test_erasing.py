"""A tenant is erased while somebody still writes for it (security.md ER-01)."""

import logging
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from tests.given import access as given
from tests.given import vault as house
from tests.house_database import Copy

from isthmus.engine.blobs import FolderBlobs
from isthmus.engine.db import Database
from isthmus.features import access
from isthmus.features.access.jobs import JOBS
from isthmus.features.access.service.erasing import ERASE
from isthmus.kit.clock import ManualClock
from isthmus.scope import System

#: Whoever is under way writes one row behind the sweep of a table, and that row hangs on another table's.
_LATE = """
create table planted (tenant_id text not null, id text not null, primary key (tenant_id, id));
create table planted_later (
  tenant_id text not null, id text not null, primary key (tenant_id, id),
  foreign key (tenant_id, id) references planted (tenant_id, id));
create table planted_times (more integer not null);
grant select, insert, update, delete on planted, planted_later, planted_times to isthmus_system;
create function planted_again() returns trigger language plpgsql as $$
begin
  if (select more from planted_times) > 0 then
    update planted_times set more = more - 1;
    insert into planted_later select tenant_id, id from planted;
  end if;
  return null;
end $$;
create trigger again after delete on planted_later for each statement execute function planted_again();
"""


@pytest.fixture(scope="module")
def system(database: Database, tmp_path_factory: pytest.TempPathFactory) -> System:
    settings = access.Settings(erase_after=timedelta())
    blobs: Path = tmp_path_factory.mktemp("blobs")
    parts: dict[type, object] = {
        access.Settings: settings,
        access.Leaving: access.Leaving(),
        access.Rights: access.Rights([]),
        FolderBlobs: FolderBlobs(blobs),
    }
    return house.process(database, clock=ManualClock(), parts=parts)


async def _left(admin: Any) -> list[int]:
    names = ("planted_later", "planted", "tenants where status = 'deleting'")
    return [await admin.fetchval(f"select count(*) from {name}") for name in names]  # noqa: S608 - names of ours


async def test_ER_01_what_is_written_behind_the_sweep_goes_with_the_next_one(
    system: System, copied: Copy, caplog: pytest.LogCaptureFixture
) -> None:
    tenant_id, operator = (await given.tenant(system, "Busy")).tenant_id, house.platform(system)
    admin = await asyncpg.connect(copied.admin_url)
    try:
        await admin.execute(_LATE)
        await admin.execute("insert into planted select $1, n::text from generate_series(1, 3) n", tenant_id)
        await admin.execute("insert into planted_later select * from planted")
        await admin.execute("insert into planted_times values (30)")
        await access.delete_tenant(operator, tenant_id)
        with caplog.at_level(logging.ERROR):
            await JOBS[ERASE](operator, tenant_id)
        assert await _left(admin) == [3, 3, 1], "other work has its turn"
        await JOBS[ERASE](operator, tenant_id)
        assert await _left(admin) == [0, 0, 0]
        assert caplog.records == []
    finally:
        await admin.close()
