"""The export of a tenant: no table without a rule, no column that opens anything, and pages without gaps (ER-03)."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import LargeBinary
from tests.given import orders as given
from tests.house_database import Copy

from isthmus.app import FEATURES
from isthmus.engine.db import Database
from isthmus.engine.db.tables import METADATA
from isthmus.features.access.model.exports import LEFT, WRITTEN, is_written
from isthmus.features.access.service import exporting
from isthmus.features.access.store import exports
from isthmus.kit.permissions import TENANT_ADMIN
from isthmus.scope import Scope

_NAMES = [name for name in exports.tables() if FEATURES]


@pytest_asyncio.fixture
async def scope(database: Database, copied: Copy) -> AsyncIterator[Scope]:
    yield given.scope(given.engine(database))
    await given.clear(copied)


def test_ER_03_every_table_of_tenants_has_a_rule_and_no_rule_is_of_no_table() -> None:
    assert sorted({*WRITTEN, *LEFT}) == _NAMES
    assert not WRITTEN.keys() & LEFT.keys()


@pytest.mark.parametrize("name", WRITTEN)
def test_ER_03_a_rule_names_columns_that_there_are(name: str) -> None:
    there = set(METADATA.tables[name].c.keys())
    rule = WRITTEN[name]
    assert {*rule.sealed, *rule.texts, *rule.without} <= there
    assert not rule.sealed or "id" in there


def test_ER_03_bytes_go_out_only_where_a_rule_says_what_they_are() -> None:
    for name, rule in WRITTEN.items():
        for column in METADATA.tables[name].c:
            binary = isinstance(column.type, LargeBinary)
            if binary and is_written(rule, column.name, binary=True):
                assert column.name in {*rule.sealed, *rule.texts}
    for word in ("password_hash", "secret", "access_token", "digest", "credentials_sealed", "tenant_id"):
        assert not is_written(WRITTEN["users"], word, binary=False)


async def _lines(scope: Scope) -> list[dict[str, Any]]:
    whole = b"".join([piece async for piece in await exporting.export_tenant(scope)])
    return [json.loads(line) for line in whole.splitlines()]


async def test_ER_03_every_row_is_there_once_whatever_the_pages_are(
    scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "_PAGE", 3)
    await given.write(scope, *(given.order(f"o{number}", customer=given.customer(f"c{number}")) for number in range(7)))
    *rows, end = await _lines(scope)
    orders = [one["row"] for one in rows if one["table"] == "orders"]
    assert sorted(one["external_id"] for one in orders) == [f"o{number}" for number in range(7)]
    assert all("Duong Demo" in one["personal"] for one in orders)
    people = [json.loads(one["row"]["personal"]) for one in rows if one["table"] == "customers"]
    assert sorted(one["external_id"] for one in people) == [f"c{number}" for number in range(7)]
    assert end["end"] is True
    assert end["rows"]["orders"] == end["rows"]["customers"] == 7
    assert sum(end["rows"].values()) == len(rows)
    assert [one["row"]["type"] for one in rows if one["table"] == "events"].count("tenant.exported") == 1


async def test_TN_01_nothing_of_another_tenant_is_in_it(scope: Scope) -> None:
    await given.write(scope, given.order("mine"))
    other = given.scope(scope.engine, "ten_two")
    *rows, _ = await _lines(other)
    assert {one["table"] for one in rows} <= {"events"}
    assert "mine" not in json.dumps(rows)


def test_ER_03_it_takes_an_admin_and_a_fresh_proof() -> None:
    (route,) = [
        one
        for feature in FEATURES
        for routes in feature.routes
        for one in routes.router.routes
        if getattr(one, "path", "") == "/api/tenant/export"
    ]
    declaration = getattr(route, "declaration", None)
    assert declaration is not None
    assert declaration.step_up
    assert declaration.permission.roles == {TENANT_ADMIN}


async def test_of_what_a_person_connected_alone_it_says_that_it_is_there_and_no_more(scope: Scope) -> None:
    integration = """
    insert into integrations (tenant_id, id, provider, name, settings, status, user_scoped, created_at, updated_at)
    values ($1, 'int_own', 'shopee', 'Own', '{}', 'connected', true, now(), now())
    """
    connection = """
    insert into connections (tenant_id, id, integration_id, provider, auth, registration_id, external_account_id,
                             account, status, status_reason, test_error, owner_id, user_id, created_at, updated_at)
    values ($1, $2, 'int_own', 'shopee', 'oauth2', 'reg_own', $2 || ' canary', '{"name": "canary"}', 'connected',
            'canary', 'canary', $3, $3, now(), now())
    """
    call = """
    insert into connection_calls (tenant_id, id, connection_id, at, level, method, route, code, message, attempts,
                                  duration_ms)
    values ($1, $2 || '_call', $2, now(), 'warning', 'GET', '/canary', 'X', 'canary', 1, 1)
    """
    async with scope.tx() as tx:
        await tx.execute_sql(integration, scope.tenant_id)
        for name, owner in (("con_anns", "user/ann"), ("con_all", None)):
            await tx.execute_sql(connection, scope.tenant_id, name, owner)
            await tx.execute_sql(call, scope.tenant_id, name)
    rows = [one for one in (await _lines(scope))[:-1] if one["table"] in {"connections", "connection_calls"}]
    named = {one["row"]["id"]: one["row"] for one in rows}
    assert named.keys() == {"con_anns", "con_all", "con_all_call"}
    assert named["con_all"]["account"] == {"name": "canary"}
    assert "canary" not in str(named["con_anns"])
    assert (named["con_anns"]["user_id"], named["con_anns"]["provider"]) == ("user/ann", "shopee")
    async with scope.tx() as tx:
        for table in ("connections", "integrations"):
            await tx.execute_sql(f"delete from {table} where tenant_id = $1", scope.tenant_id)  # noqa: S608 - ours
