"""A connection's schedules are what was set last, as a whole, whoever sets them at the same moment."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from tests.given import catalog as catalogue
from tests.given import records as given_records
from tests.given import sync as given
from tests.given.signed_in import signed_in
from tests.given.waiting import waiting
from tests.house_database import Copy

from isthmus.engine.db import Database
from isthmus.features import catalog, sync
from isthmus.features.schedules import service, store
from isthmus.features.schedules.errors import TooManySchedules
from isthmus.features.schedules.feature import FEATURE
from isthmus.features.schedules.model import Rule
from isthmus.features.schedules.service import Wish
from isthmus.features.schedules.settings import Settings
from isthmus.scope import Scope

_HOURLY = Rule(every=timedelta(hours=1))


async def _both(scope: Scope, connection_id: str) -> Sequence[str]:
    return (sync.PRODUCTS, sync.ORDERS)


def _offering(scope: Scope, offered: object, settings: Settings | None = None) -> Scope:
    sources = replace(scope.part(sync.Sources), offered=offered)  # type: ignore[arg-type]
    parts = {**scope.engine.parts, sync.Sources: sources, Settings: settings or Settings()}
    return replace(scope, engine=replace(scope.engine, parts=parts))


@pytest_asyncio.fixture
async def scope(database: Database, copied: Copy, tmp_path: Path) -> AsyncIterator[Scope]:
    shelf = catalogue.providers(tmp_path, catalogue.manifest("shelf"))
    async with signed_in(database):
        made = _offering(given.scope(database, {"con_one": given.shelf(2)}), _both)
        parts = {**made.engine.parts, catalog.Providers: shelf}
        yield replace(made, engine=replace(made.engine, parts=parts))
    await given_records.clear(copied)
    async with database.system() as tx:
        await tx.execute_sql("delete from schedules")


async def _set(scope: Scope, entity: str, mode: str) -> None:
    await service.set_schedules(scope, "con_one", [Wish(entity, _HOURLY, mode)])  # type: ignore[arg-type]


async def _known(scope: Scope) -> list[tuple[str, str]]:
    return [(one.entity, one.mode) for one in await service.schedules(scope, "con_one")]


async def test_of_two_that_set_a_connections_schedules_at_once_one_wins_whole(scope: Scope, database: Database) -> None:
    await _set(scope, "products", "incremental")
    async with database.system() as tx:
        await tx.fetch_sql("select id from schedules for update")
        tasks = [asyncio.create_task(_set(scope, "orders", mode)) for mode in ("incremental", "full")]
        await waiting(database, 2, tasks)
    await asyncio.gather(*tasks)
    assert await _known(scope) in ([("orders", "incremental")], [("orders", "full")])


async def test_what_somebody_sets_while_a_new_connection_gets_the_usual_schedules_stays_alone(scope: Scope) -> None:
    begun: list[str] = []

    async def offered(asking: Scope, connection_id: str) -> Sequence[str]:
        if not begun:
            begun.append(connection_id)
            await _set(scope, "orders", "full")
        return (sync.PRODUCTS,)

    async with scope.tx() as tx:
        await store.expect(tx, scope.tenant_id, "sch_usual", "con_one", scope.now)
    await service.start(_offering(scope, offered), "sch_usual")
    assert (begun, await _known(scope)) == (["con_one"], [("orders", "full")])


async def test_RL_05_a_tenant_has_so_many_schedules_and_no_more_and_its_use_is_shown(
    scope: Scope, caplog: pytest.LogCaptureFixture
) -> None:
    narrow = _offering(scope, _both, Settings(schedules=2))
    (cap,) = FEATURE.caps
    assert cap.used is not None
    both = [Wish(entity, _HOURLY) for entity in (sync.PRODUCTS, sync.ORDERS)]
    await service.set_schedules(narrow, "con_one", both)
    async with narrow.tx() as tx:
        assert (await cap.used(narrow, tx), cap.limit(narrow)) == (2, 2)
    with pytest.raises(TooManySchedules) as refused:
        await service.set_schedules(narrow, "con_one", [*both, Wish(sync.PRODUCTS, _HOURLY, "full")])
    assert (refused.value.code, refused.value.details) == (cap.refusal, {"limit": 2})
    assert await _known(narrow) == [("orders", "incremental"), ("products", "incremental")]
    await service.set_schedules(narrow, "con_one", [Wish(sync.PRODUCTS, _HOURLY, "full"), both[0]])
    assert await _known(narrow) == [("products", "full"), ("products", "incremental")]
    await service.set_schedules(narrow, "con_one", [])
    await _expect(narrow)
    assert await _known(narrow) == []
    assert "no schedules" in caplog.text


async def _expect(scope: Scope) -> None:
    """A new connection is given its usual schedules."""
    async with scope.tx() as tx:
        await store.expect(tx, scope.tenant_id, "sch_expected", "con_one", scope.now)
    await service.start(scope, "sch_expected")
