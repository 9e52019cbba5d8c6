"""What runs noted of records that may not be read any more is shown to nobody, and forgotten (document 002)."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from tests.features.sync.test_service import _read, base
from tests.given import sync as given
from tests.given.connectors import shipped

from isthmus.engine.db import Database
from isthmus.features import catalog, records, sync
from isthmus.features.sync import Mode, jobs, service, store
from isthmus.features.sync.model import ItemError
from isthmus.kit import ids
from isthmus.kit.paging import Ask
from isthmus.scope import Scope

__all__ = ["base"]
_NOTES = ("sync_errors", "sync_changes", "sync_suspects", "sync_refreshes")
_PROVIDERS = catalog.Providers(dict(shipped()))
_WANTED = """
insert into sync_refreshes (tenant_id, connection_id, entity, external_id, due_at, created_at)
values ($1, 'con_one', 'products', 'x', $2, $2)
"""


async def _noted(scope: Scope) -> str:
    """A run with one note of every kind."""
    run = await _read(scope, Mode.FULL)
    async with scope.tx() as tx:
        await tx.execute_sql("update sync_runs set provider = 'shopee' where id = $1", run.id)
        found = await store.run(tx, run.id)
        assert found is not None
        await store.add_errors(tx, found, [ids.new("err")], [ItemError("x", "unreadable", b"payload")], scope.now)
        await store.add_changes(tx, found, 1, [("x", True)])
        await store.suspect(tx, found, [(ids.new("sus"), "x", "lst_x")], "waiting", scope.now)
        await tx.execute_sql(_WANTED, scope.tenant_id, scope.now)
    return run.id


async def _shown(scope: Scope, run_id: str) -> list[int]:
    """How many errors, changes and missing records somebody is shown."""
    pages: Sequence[Any] = (
        await service.errors(scope, run_id, Ask()),
        await service.changes(scope, run_id, Ask()),
        await service.suspects(scope, Ask(), connection_id="con_one", state=None, run_id=None),
    )
    return [len(page.items) for page in pages]


async def _left(scope: Scope) -> list[int]:
    async with scope.tx() as tx:
        return [int((await tx.fetch_sql(f"select count(*) from {name}"))[0][0]) for name in _NOTES]  # noqa: S608 - ours


async def test_notes_are_hidden_with_the_commit_and_forgotten_once_it_is_heard_of(base: Database) -> None:
    scope = given.scope(base, {"con_one": given.shelf(3)})
    scope = replace(scope, engine=replace(scope.engine, parts={**scope.engine.parts, catalog.Providers: _PROVIDERS}))
    run_id = await _noted(scope)
    assert await _shown(scope, run_id) == [1, 1, 1]
    async with scope.tx() as tx:
        await records.set_hidden(tx, ["con_one"], ["product"])
    assert await _shown(scope, run_id) == [0, 0, 0]
    for entities, left in ((["orders"], [1, 1, 1, 1]), (["products"], [0, 0, 0, 0])):
        body = {"connectionIds": ["con_one"], "forbidden": [], "entities": entities}
        event = {"type": "integration.types_forbidden", "tenant_id": scope.tenant_id, "at": scope.now, "body": body}
        async with base.system() as tx:
            await jobs.withdrawn(tx, event)
        assert await _left(scope) == left
    async with scope.tx() as tx:
        await records.set_hidden(tx, ["con_one"], [])


async def test_what_was_noted_after_a_type_was_given_back_stays_though_the_limit_is_heard_of_late(
    base: Database,
) -> None:
    scope = given.scope(base, {"con_one": given.shelf(3)})
    before = scope.now - timedelta(hours=1)
    run_id = await _noted(scope)
    body = {"connectionIds": ["con_one"], "forbidden": ["product"], "entities": ["products"]}
    event = {"type": "integration.types_forbidden", "tenant_id": scope.tenant_id, "at": before, "body": body}
    async with base.system() as tx:
        await jobs.withdrawn(tx, event)
    assert await _left(scope) == [1, 1, 1, 1]
    assert await _shown(scope, run_id) == [1, 1, 1]
    assert (await sync.run(scope, run_id)).state == "succeeded"
