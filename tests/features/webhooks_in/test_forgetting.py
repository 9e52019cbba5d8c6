"""Persons are erased: so are the bodies that were pushed about their orders, and no others (ER-02)."""

import json
from collections.abc import AsyncIterator

import pytest_asyncio
from tests.given import webhooks_in as given
from tests.given.webhooks_in import World

from isthmus.engine.db import Database
from isthmus.features.webhooks_in import jobs


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(database: Database) -> AsyncIterator[World]:
    yield given.world(database)


async def test_ER_02_what_was_pushed_about_an_order_goes_with_its_person(world: World) -> None:
    seen, token = await world.source("ten_one")
    other, theirs = await world.source("ten_two")
    for tenant, source, key in (("ten_one", seen, token), ("ten_two", other, theirs)):
        for number in range(3):
            body = json.dumps({"order": number, "email": "canary@example.com"}).encode()
            headers = {"X_GitHub_Event": "push", "X_GitHub_Delivery": f"d-{number}"}
            assert (await world.push(tenant, source, key, body, **headers)).status == 200
    async with world.system.tx() as tx:
        await tx.execute_sql(
            "update webhook_inbox set connection_id = 'con_one', "
            "object = 'o' || (convert_from(body, 'UTF8')::json ->> 'order')"
        )
        event = {"tenant_id": "ten_one", "body": {"connectionId": "con_one", "externalIds": ["o0", "o2"]}}
        await jobs.redacted(tx, event)
    rows = await world.rows("select tenant_id, object, body, headers from webhook_inbox order by tenant_id, object")
    kept = {(row["tenant_id"], row["object"]) for row in rows if b"canary" in row["body"]}
    assert kept == {("ten_one", "o1"), ("ten_two", "o0"), ("ten_two", "o1"), ("ten_two", "o2")}
    assert [row["headers"] for row in rows if row["body"] == b""] == [{}, {}]
