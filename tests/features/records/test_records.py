"""Records that have no table of their own: written by what differs, told, listed and forgotten."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio
from tests.given import records as given
from tests.given.edge import Edge
from tests.house_database import Copy

from isthmus.connect.keeping import Written
from isthmus.connect.record import Record
from isthmus.engine.db import Database
from isthmus.features import records
from isthmus.features.records.routes import entries
from isthmus.features.records.service import forget
from isthmus.kit.errors import NotFound
from isthmus.kit.paging import Ask
from isthmus.kit.permissions import USER
from isthmus.scope import Scope, System

CONTACT = records.Kind("people", "contact")
ONE = given.Origin()
WHEN = datetime(2026, 1, 2, tzinfo=UTC)


def person(external_id: str, title: str = "Ann", **more: object) -> Record:
    return Record(external_id, title, "https://crm.example/" + external_id, WHEN, {"email": "a@example.com", **more})


async def write(scope: Scope, *made: Record, kind: records.Kind = CONTACT, origin: given.Origin = ONE) -> Written:
    async with scope.tx() as tx:
        return await records.write_records(tx, scope, origin, kind, [records.record_item(one) for one in made])


async def titles(scope: Scope, **wanted: Any) -> dict[str, str]:
    page = await records.entries(scope, records.RecordFilter(**wanted), Ask(100))
    return {row["external_id"]: row["title"] for row in page.items}


@pytest_asyncio.fixture
async def scope(database: Database, copied: Copy) -> AsyncIterator[Scope]:
    yield given.scope(given.engine(database))
    await given.clear(copied)


async def test_only_what_differs_is_written_and_each_real_change_is_told_once(scope: Scope) -> None:
    first = await write(scope, person("1"), person("2"), person("1", "Ann B."))
    assert (first.created, first.updated, first.unchanged) == (2, 0, 0)
    again = await write(scope, person("1", "Ann B."), person("2", "Bob"))
    assert (again.created, again.updated, again.unchanged) == (0, 1, 1)
    assert await titles(scope) == {"1": "Ann B.", "2": "Bob"}
    told = await given.events(scope, "record.")
    assert [one["type"] for one in told] == ["record.created", "record.created", "record.updated"]
    assert told[2]["body"] == {
        "id": told[2]["subject"], "connectionId": "con_one", "provider": "shelf",
        "entity": "people", "shardType": "contact", "externalId": "2",
    }  # fmt: skip
    assert all(one["public"] and not one["audited"] for one in told)


async def test_what_the_far_side_calls_deleted_is_removed_and_told(scope: Scope) -> None:
    await write(scope, person("1"), person("2"))
    await write(scope, Record("1", deleted=True), Record("never-seen", deleted=True))
    assert await titles(scope) == {"2": "Ann"}
    assert [one["body"]["externalId"] for one in await given.events(scope, "record.deleted")] == ["1"]


async def test_one_id_in_two_entities_or_two_connections_is_two_records(scope: Scope) -> None:
    await write(scope, person("1"))
    await write(scope, person("1", "Acme"), kind=records.Kind("companies", "account"))
    await write(scope, person("1", "Other"), origin=given.Origin("con_two", "other"))
    assert await titles(scope, entity="companies") == {"1": "Acme"}
    assert await titles(scope, shard_type="contact", provider="other") == {"1": "Other"}
    assert await titles(scope, shard_types=("account",)) == {"1": "Acme"}
    assert await titles(scope, connection_id="con_one", search="aNN") == {"1": "Ann"}
    assert await titles(scope, updated_since=datetime(2999, 1, 1, tzinfo=UTC)) == {}


async def test_what_a_full_read_no_longer_found_is_asked_for_by_id_and_then_removed(scope: Scope) -> None:
    await write(scope, person("1"), person("2"), person("3"))
    await write(scope, person("9"), kind=records.Kind("companies", "account"))
    page = await records.entries_alive("people", scope, "con_one", "1", 2)
    assert [one.external_id for one in page] == ["2", "3"]
    assert await records.entries_alive("people", scope, "con_one", "", 5, datetime(2020, 1, 1, tzinfo=UTC)) == []
    ids = [one.id for one in page]
    assert sorted((await records.entry_probes(scope, ids)).values()) == [("2",), ("3",)]
    async with scope.tx() as tx:
        assert await records.bury_records(tx, scope, ONE, [ids[0], "rec_nothing"]) == 1
    assert await titles(scope, entity="people") == {"1": "Ann", "3": "Ann"}
    told = await given.events(scope, "record.deleted")
    assert [(one["body"]["externalId"], one["body"]["entity"]) for one in told] == [("2", "people")]


async def test_a_disconnected_shop_is_forgotten_alone(scope: Scope, database: Database) -> None:
    await write(scope, person("1"), person("2"))
    await write(scope, person("3"), origin=given.Origin("con_two"))
    async with database.system() as tx:
        assert await forget(tx, scope.tenant_id, "con_one") == 2
    assert await titles(scope) == {"3": "Ann"}


@pytest.mark.parametrize(
    "record",
    [
        Record(""),
        Record("x" * 201),
        Record("1", updated_at=datetime(2026, 1, 1)),  # noqa: DTZ001 - a time without a zone is the case
        Record("1", body={"text": "a\x00b"}),
        Record("1", body={"text": "\ud800"}),
        Record("1", body={"text": "x" * 1_000_001}),
        Record("1", body={"thing": object()}),
    ],
)
def test_PA_03_what_no_store_can_hold_is_refused_before_it(record: Record) -> None:
    with pytest.raises(records.Unstorable):
        records.record_item(record)


async def test_records_over_http_in_pages_and_only_ones_own(database: Database) -> None:
    engine = given.engine(database)
    mine, other = given.scope(engine, "ten_a"), given.scope(engine, "ten_b")
    await write(mine, person("1"), person("2"), person("3"))
    await write(other, person("4"))
    edge = Edge(System(engine), entries)
    first = (await edge.get("/api/records", role=USER, query={"shardType": "contact", "limit": 2})).json()
    query = {"shardType": "contact", "limit": 2, "cursor": first["nextCursor"]}
    second = (await edge.get("/api/records", role=USER, query=query)).json()
    rows = first["items"] + second["items"]
    assert {row["externalId"] for row in rows} == {"1", "2", "3"}
    assert (rows[0]["sourceUpdatedAt"], rows[0]["body"]) == ("2026-01-02T00:00:00Z", {"email": "a@example.com"})
    assert (await edge.get(f"/api/records/{rows[0]['id']}")).json() == rows[0]
    assert (await edge.get(f"/api/records/{rows[0]['id']}", tenant="ten_b")).status_code == 404
    with pytest.raises(NotFound):
        await records.entry(other, rows[0]["id"])
    assert (await edge.get("/api/records", query={"updatedSince": "yesterday"})).status_code == 400
