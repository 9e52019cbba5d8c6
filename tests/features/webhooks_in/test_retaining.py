"""The log is made of days: there before they are needed, dropped whole when nobody keeps them, and behind the wall."""

import importlib
import json
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from hypothesis import given as drawn
from hypothesis import strategies as st
from tests.given import webhooks_in as given
from tests.given.webhooks_in import World
from tests.house_database import Copy

from isthmus.engine.db import Database, connect
from isthmus.features.webhooks_in.model.days import Days, Kept, begins, over, span
from isthmus.features.webhooks_in.service import retaining, routing
from isthmus.features.webhooks_in.service.handlers import Handler, Handlers, Told
from isthmus.features.webhooks_in.store import days
from isthmus.kit import ids
from isthmus.kit.clock import ManualClock
from isthmus.scope import Scope

DAY = timedelta(days=1)
MOMENTS = st.integers(10**9, 7 * 10**9).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


async def _hold(_: Scope, __: Told) -> None:
    raise KeyError("it is never done")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(database: Database) -> World:
    return given.world(
        database, ManualClock(), {Handlers: Handlers([Handler("holds", "github.held", _hold, tenant_id="ten_one")])}
    )


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def emptied(world: World) -> None:
    async with world.system.tx() as tx:
        for table in ("webhook_inbox", "webhook_seen", "webhook_mail", "webhook_steps", "webhook_tasks"):
            await (await tx.connection()).execute(f"delete from {table}")  # noqa: S608 - names of ours
        await (await tx.connection()).execute("delete from webhook_retention")


async def later(world: World, **span: float) -> None:
    world.system.clock.advance(timedelta(**span).total_seconds())  # type: ignore[attr-defined] # moved by hand


async def came(world: World, tenant: str = "ten_one", topic: str = "issues") -> None:
    """One delivery, routed."""
    seen, token = await world.source(tenant)
    body = json.dumps({"at": str(world.system.now), "tenant": tenant}).encode()
    answer = await world.push(tenant, seen, token, body, X_GitHub_Event=topic, X_GitHub_Delivery=ids.new("dlv"))
    assert answer.status == 200
    await routing.route(world.scope(tenant), seen.source.id)


async def kept(world: World) -> list[str]:
    return [row["tenant_id"] for row in await world.rows("select tenant_id from webhook_inbox order by tenant_id, id")]


async def there(world: World) -> list[date]:
    async with world.system.tx() as tx:
        return await days.days(tx)


async def choose(world: World, tenant: str, number: int) -> None:
    async with world.system.tx() as tx:
        values = (tenant, number, world.system.now)
        await tx.execute_sql("insert into webhook_retention (tenant_id, days, changed_at) values ($1, $2, $3)", *values)


@drawn(MOMENTS)
def test_what_is_made_at_a_moment_lies_in_its_day(at: datetime) -> None:
    low, high = span(at.date())
    assert low <= ids.floor("inb", at) < high
    assert Days.around(at).hold(at)
    assert not Days.around(at).hold(at + 2 * DAY)
    assert not over(at.date(), timedelta(), at)
    assert over(at.date(), timedelta(), begins(at.date()) + DAY)


async def test_the_database_cuts_days_where_the_ids_of_the_process_begin(copied: Copy) -> None:
    admin = await connect(copied.admin_url)
    for day in (date(1970, 1, 1), date(2026, 2, 28), date(2026, 12, 31), date(2104, 2, 29)):
        assert await admin.fetchval("select inbound_days.floor($1)", day) == span(day)[0]
    await admin.close()


async def test_days_are_made_ahead_and_a_missing_one_refuses_nothing(world: World) -> None:
    await retaining.sweep(world.system)
    today = world.system.now.date()
    assert {today + n * DAY for n in range(5)} <= set(await there(world))
    await later(world, days=100)
    assert world.system.now.date() not in await there(world)
    await came(world)
    await later(world, days=-200)
    await came(world)
    assert await kept(world) == ["ten_one", "ten_one"]
    await later(world, days=100)


async def test_ER_04_days_that_nobody_keeps_are_dropped_on_time_with_all_that_hangs_on_them(world: World) -> None:
    await came(world)
    came_on = world.system.now.date()
    await later(world, days=30)
    await retaining.sweep(world.system)
    assert await kept(world) == ["ten_one"]
    await later(world, days=1)
    await retaining.sweep(world.system)
    assert await kept(world) == []
    assert came_on not in await there(world)
    assert await world.rows("select delivery_id from webhook_tasks") == []


async def test_ER_04_a_tenant_that_keeps_less_or_more_than_the_others_has_its_own_time(world: World) -> None:
    await choose(world, "ten_short", 2)
    await choose(world, "ten_long", 60)
    for tenant in ("ten_long", "ten_other", "ten_short"):
        await came(world, tenant)
    await later(world, days=3)
    await retaining.sweep(world.system)
    assert await kept(world) == ["ten_long", "ten_other"]
    await later(world, days=28)
    await retaining.sweep(world.system)
    assert await kept(world) == ["ten_long"]
    await later(world, days=30)
    await retaining.sweep(world.system)
    assert await kept(world) == []


async def test_what_still_waits_keeps_its_day_and_its_tasks(world: World) -> None:
    await came(world)
    await came(world, topic="held")
    await later(world, days=90)
    await retaining.sweep(world.system)
    assert [row["state"] for row in await world.rows("select state from webhook_inbox")] == ["waiting"]
    assert len(await world.rows("select delivery_id from webhook_tasks")) == 1


async def test_a_reader_is_not_waited_for_and_its_day_goes_next_time(world: World, copied: Copy) -> None:
    await came(world)
    await later(world, days=60)
    reader = await connect(copied.admin_url)
    reading = reader.transaction()
    await reading.start()
    await reader.fetch("select id from webhook_inbox")
    await retaining.sweep(world.system)
    assert await kept(world) == ["ten_one"]
    await reading.rollback()
    await reader.close()
    await retaining.sweep(world.system)
    assert await kept(world) == []


async def test_TN_03_a_day_has_no_way_in_but_its_table(world: World, copied: Copy) -> None:
    await came(world)
    admin = await connect(copied.admin_url)
    names = [row[0] for row in await admin.fetch(
        "select relname from pg_class where relnamespace = 'inbound_days'::regnamespace and relkind = 'r' "
        "and relrowsecurity and relforcerowsecurity"
    )]  # fmt: skip
    every = "select count(*) from pg_class where relnamespace = 'inbound_days'::regnamespace and relkind = 'r'"
    assert len(names) == await admin.fetchval(every) > 0
    await admin.close()
    calls = ("inbound_days.make(current_date, current_date)", "inbound_days.remove(current_date)")
    for text in (*(f"select * from inbound_days.{name}" for name in names), *(f"select {call}" for call in calls)):  # noqa: S608 - ours
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with world.scope("ten_one").tx() as tx:
                await tx.fetch_sql(text)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with world.system.tx() as tx:
            await tx.fetch_sql(f"select * from inbound_days.{names[0]}")  # noqa: S608 - a name of ours
    async with world.scope("ten_two").tx() as tx:
        assert await tx.fetch_sql("select id from webhook_inbox") == []


#: What is asked while deliveries come in and are worked off.
ASKED = {
    "one by its id": "select body from webhook_inbox where tenant_id = $1 and id = $2",
    "some by their ids": "select body from webhook_inbox where tenant_id = $1 and id = any(array[$2])",
    "the timeline": "select what from webhook_steps where tenant_id = $1 and delivery_id = $2",
}
NOT_ROUTED = """
select id from webhook_inbox where source_id = 'src_1' and tenant_id = $1 and state = 'received' and id >= $2
order by id limit 10
"""


async def looked_at(world: World, query: str) -> set[str]:
    """The tables that a statement about now looks at."""
    async with world.system.tx() as tx:
        await days.make(tx, world.system.now.date() - 20 * DAY, world.system.now.date() + DAY)
        row = (await tx.fetch_sql(f"explain (format json) {query}", "ten_one", ids.floor("inb", world.system.now)))[0]
    return _relations(row[0] if isinstance(row[0], list) else json.loads(row[0]))


@pytest.mark.parametrize("name", ASKED)
async def test_the_cost_of_a_delivery_is_that_of_its_day_however_many_there_are(world: World, name: str) -> None:
    found = await looked_at(world, ASKED[name])
    assert [one.rpartition("_")[2] for one in found] == [f"{world.system.now:%Y%m%d}"]


async def test_the_router_looks_at_no_day_older_than_what_it_has_to_route(world: World) -> None:
    found = await looked_at(world, NOT_ROUTED)
    assert min(one.rpartition("_")[2] for one in found) == f"{world.system.now:%Y%m%d}"


def _relations(plan: Any) -> set[str]:
    if isinstance(plan, list):
        return set().union(*(_relations(one) for one in plan))
    if not isinstance(plan, dict):
        return set()
    own = {str(plan["Relation Name"])} if "Relation Name" in plan else set()
    return own.union(*(_relations(one) for one in plan.values()))


class Said:
    """Statements of a migration, in place of alembic's `op`."""

    def __init__(self) -> None:
        self.statements: list[str] = []

    def execute(self, sqltext: str) -> None:
        """Keep one."""
        self.statements.append(sqltext)


@pytest_asyncio.fixture(loop_scope="module")
async def owner(copied: Copy) -> AsyncIterator[asyncpg.Connection]:
    connection = await connect(copied.owner_url)
    undone = connection.transaction()
    await undone.start()
    yield connection
    await undone.rollback()
    await connection.close()


async def test_what_was_kept_before_there_were_days_stays_as_it_is(
    world: World, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await came(world)
    before = await world.rows("select * from webhook_inbox")
    step = importlib.import_module("isthmus.engine.db.migrations.versions.0020_inbound_days")
    said = Said()
    monkeypatch.setattr(step, "op", said)
    step.downgrade()
    step.upgrade()
    for statement in said.statements:
        await owner.execute(statement)
    await owner.execute("set local role isthmus_system")
    assert [row["id"] for row in await owner.fetch("select * from webhook_inbox")] == [row["id"] for row in before]
    kinds = "select relkind::text from pg_class where oid = 'public.webhook_inbox'::regclass"
    assert await owner.fetchval(kinds) == "p"
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        name = await owner.fetchval(
            "select min(relname) from pg_class where relname like 'inbox\\_%' and relkind = 'r'"
        )
        await owner.fetch(f"select * from inbound_days.{name}")  # noqa: S608 - a name of ours


def test_tenants_without_a_number_of_their_own_keep_what_the_deployment_says() -> None:
    kept_by = Kept(30 * DAY, {"ten_short": DAY, "ten_long": 60 * DAY})
    assert (kept_by.of("ten_short"), kept_by.of("ten_other")) == (DAY, 30 * DAY)
    assert (kept_by.shortest, kept_by.longest) == (DAY, 60 * DAY)
