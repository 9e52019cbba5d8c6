"""What is pushed about records that may not be read, or about one person's own account, is kept by nobody."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from tests.given import webhooks_in as given
from tests.given.webhooks_in import World

from isthmus.engine.db import Database
from isthmus.features.webhooks_in import jobs
from isthmus.features.webhooks_in.errors import DeliveryNotFound
from isthmus.features.webhooks_in.service import following, looking, routing
from isthmus.features.webhooks_in.service.handlers import Handler, Handlers, Told
from isthmus.kit.clock import ManualClock
from isthmus.kit.secret import Secret
from isthmus.scope import Scope

_INTEGRATION = """
insert into integrations (tenant_id, id, provider, name, settings, status, allowed_types, user_scoped, created_at,
                          updated_at)
values ('ten_one', $1, 'shopee', $1, '{}', 'connected', $2, $3, now(), now())
"""
_CONNECTION = """
insert into connections (tenant_id, id, integration_id, provider, auth, registration_id, external_account_id, status,
                         owner_id, user_id, created_at, updated_at)
values ('ten_one', $1, $2, 'shopee', 'oauth2', 'reg_own', $3, 'connected', $4, $4, now(), now())
"""
_CLAIM = """
insert into account_claims (tenant_id, provider, external_account_id, connection_id, created_at)
values ('ten_one', 'shopee', $2, $1, now())
"""
_OPEN, _LIMITED, _ANNS = "111", "222", "333"
_PRODUCT, _ORDER = 8, 3


class Calls:
    """What the handlers of the process were told."""

    def __init__(self) -> None:
        self.events: list[str] = []

    async def __call__(self, _: Scope, told: Told) -> None:
        self.events.append(told.event)


CALLS = Calls()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(database: Database) -> AsyncIterator[World]:
    made = given.world(database, ManualClock(), {Handlers: Handlers([Handler("own", "*", CALLS, tenant_id="ten_one")])})
    shops: tuple[tuple[str, str, list[str], str | None], ...] = (
        ("open", _OPEN, [], None),
        ("limited", _LIMITED, ["product"], None),
        ("anns", _ANNS, [], "ann"),
    )
    async with made.system.tx() as tx:
        for name, account, types, owner in shops:
            await tx.execute_sql(_INTEGRATION, f"int_{name}", types, owner is not None)
            await tx.execute_sql(_CONNECTION, f"con_{name}", f"int_{name}", account, owner)
            await tx.execute_sql(_CLAIM, f"con_{name}", account)
    yield made


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def emptied(world: World) -> None:
    CALLS.events.clear()
    async with world.system.tx() as tx:
        for table in ("webhook_inbox", "webhook_seen", "webhook_mail", "webhook_steps", "webhook_tasks"):
            await (await tx.connection()).execute(f"delete from {table}")  # noqa: S608 - names of ours


async def _pushed(world: World, tenant: str, *news: tuple[str, int]) -> dict[tuple[str, int], dict[str, Any]]:
    """These news, of an account each, routed; the rows of the log in the same order."""
    seen, token = await world.source(tenant, provider="shopee", secret=Secret("partner-key"))
    for account, code in news:
        about = {"item_id": 7_654_321, "ordersn": "ORDER-7654321", "buyer": "canary@example.com"}
        body = {"data": about, "shop_id": int(account), "code": code, "timestamp": 1767225600}
        world.system.clock.advance(0.01)  # type: ignore[attr-defined] # the clock of this world is moved by hand
        assert (await world.push(tenant, seen, token, json.dumps(body).encode())).status == 200
    await routing.route(world.scope(tenant), seen.source.id)
    rows = await world.rows("select * from webhook_inbox order by id")
    return dict(zip(news, rows, strict=True))


def _says(row: dict[str, Any]) -> bool:
    """Whether a row still tells what it is about."""
    return "canary" in str(row) or "7654321" in str(row)


@pytest.mark.parametrize("source", ["ten_one", "ten_platform"])
async def test_of_a_type_that_may_not_be_read_nothing_is_kept_and_no_handler_is_told(world: World, source: str) -> None:
    rows = await _pushed(world, source, (_OPEN, _ORDER), (_LIMITED, _ORDER), (_LIMITED, _PRODUCT))
    told = {news: (row["tenant_id"], row["state"], _says(row)) for news, row in rows.items()}
    assert told == {
        (_OPEN, _ORDER): ("ten_one", "waiting", True),
        (_LIMITED, _ORDER): ("ten_one", "ignored", False),
        (_LIMITED, _PRODUCT): ("ten_one", "waiting", True),
    }
    assert "may not read" in rows[_LIMITED, _ORDER]["reason"]
    tasks = await world.rows("select distinct delivery_id from webhook_tasks")
    assert {one["delivery_id"] for one in tasks} == {
        rows[_OPEN, _ORDER]["id"],
        rows[_LIMITED, _PRODUCT]["id"],
    }


@pytest.mark.parametrize("source", ["ten_one", "ten_platform"])
async def test_what_is_pushed_about_a_persons_own_account_goes_to_nobody(world: World, source: str) -> None:
    rows = await _pushed(world, source, (_ANNS, _ORDER), (_ANNS, _PRODUCT))
    for row in rows.values():
        assert (row["tenant_id"], row["state"], row["connection_id"]) == (source, "unrouted", None)
        assert not _says(row)
        assert _ANNS not in str(row)
    assert await world.rows("select * from webhook_tasks") == []


async def test_another_tenant_is_not_told_that_somebody_connected_an_account_alone(world: World) -> None:
    rows = await _pushed(world, "ten_two", (_ANNS, _ORDER), ("999", _ORDER))
    assert rows[_ANNS, _ORDER]["reason"] == rows["999", _ORDER]["reason"]
    assert {row["state"] for row in rows.values()} <= {"unrouted", "waiting"}


async def test_what_was_pushed_before_a_type_was_forbidden_goes_then(world: World) -> None:
    rows = await _pushed(world, "ten_one", (_OPEN, _ORDER), (_OPEN, _PRODUCT))
    async with world.system.tx() as tx:
        body = {"connectionIds": ["con_open"], "forbidden": ["order"], "entities": ["orders"]}
        await jobs.forbidden(tx, {"tenant_id": "ten_one", "at": world.system.now, "body": body})
    left = {row["id"]: _says(row) for row in await world.rows("select * from webhook_inbox")}
    assert left == {rows[_OPEN, _ORDER]["id"]: False, rows[_OPEN, _PRODUCT]["id"]: True}


async def test_before_it_is_routed_a_delivery_is_shown_only_where_everything_may_be_read(world: World) -> None:
    scope, everything = world.scope("ten_one"), (None, None)
    seen, token = await world.source("ten_one", provider="shopee", secret=Secret("partner-key"))
    for account, code in ((_LIMITED, _ORDER), (_OPEN, _PRODUCT)):
        world.system.clock.advance(0.01)  # type: ignore[attr-defined] # the clock of this world is moved by hand
        body = {"data": {"buyer": "canary@example.com"}, "shop_id": int(account), "code": code, "timestamp": 1767225600}
        assert (await world.push("ten_one", seen, token, json.dumps(body).encode())).status == 200
    ids = [row["id"] for row in await world.rows("select id from webhook_inbox order by id")]
    assert not (await following.feed(scope, "", everything, 10)).items
    for id_ in ids:
        with pytest.raises(DeliveryNotFound):
            await looking.delivery(scope, id_)
    await routing.route(scope, seen.source.id)
    told = {one.id: b"canary" in one.body for one in (await following.feed(scope, "", everything, 10)).items}
    assert told == dict(zip(ids, (False, True), strict=True))
    assert "canary" in str((await looking.delivery(scope, ids[1])).delivery)
    other, theirs = await world.source("ten_two", provider="shopee", secret=Secret("partner-key"))
    assert (await world.push("ten_two", other, theirs, b'{"shop_id": 1, "code": 3}')).status == 200
    assert len((await following.feed(world.scope("ten_two"), "", everything, 10)).items) == 1
