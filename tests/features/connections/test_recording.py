"""What is kept of a connection's calls: right sums, a short log, no secret, and never at a call's cost."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from tests.given import connections as given
from tests.given.connections import World
from tests.house_database import Copy

from isthmus.client import CallEnded, ClientError, PlatformError, ReauthorizationRequired, Request
from isthmus.client.url import parse
from isthmus.engine.db import Database, connect
from isthmus.features import connections
from isthmus.features.connections.feature import FEATURE
from isthmus.features.connections.model import recording as model
from isthmus.features.connections.service import recording

UNKNOWN = "con_00000000000000000000000000"


@pytest.fixture(scope="module")
async def world(database: Database) -> AsyncIterator[World]:
    async with given.world(database, call_attempts=2) as made:
        yield made


@pytest.fixture(autouse=True)
async def nothing_left(world: World) -> AsyncIterator[None]:
    """An account belongs to one tenant: each test finds them free."""
    yield
    world.far.statuses.clear()
    await world.clear()


def recorder(world: World) -> recording.Recorder:
    return world.system.engine.part(connections.Clients).recorder


def ended(error: ClientError | None) -> CallEnded:
    url = parse("https://shop.example/orders?token=canary-in-query")
    return CallEnded(Request("GET", url, None), 0.01, 0.0, 1, None, error, None)  # type: ignore[arg-type] # unread


async def call(world: World, tenant: str, connection: str, *statuses: int) -> None:
    world.far.statuses[:] = statuses
    async with connections.session(world.scope(tenant), connection) as session:
        await session.client.get("/me", query={"access_token": "canary-in-query"})


async def hours(world: World, tenant: str, connection: str) -> list[dict[str, Any]]:
    await recorder(world).flush()
    answer = await world.side(tenant, role="user")("GET", f"/api/connections/{connection}/metrics")
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


async def log(world: World, tenant: str, connection: str, query: str = "") -> dict[str, Any]:
    await recorder(world).flush()
    answer = await world.side(tenant, role="user")("GET", f"/api/connections/{connection}/logs{query}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_calls_are_counted_by_the_hour_and_failures_are_logged(world: World) -> None:
    made = await world.rotor("ten_sums", "a")
    await call(world, "ten_sums", made)
    await call(world, "ten_sums", made, 429)
    await hours(world, "ten_sums", made)
    with pytest.raises(ClientError):
        await call(world, "ten_sums", made, 403)
    shown = await hours(world, "ten_sums", made)
    names = ("calls", "attempts", "failed", "throttled")
    assert [sum(hour[name] for hour in shown) for name in names] == [3, 4, 1, 1]
    entries = (await log(world, "ten_sums", made))["items"]
    assert [(one["level"], one["status"], one["attempts"]) for one in entries] == [
        ("warning", 403, 1),
        ("info", 200, 2),
    ]
    assert {(one["method"], one["route"]) for one in entries} == {("GET", "/me")}
    assert [one["level"] for one in (await log(world, "ten_sums", made, "?level=info"))["items"]] == ["info"]


async def test_a_sign_in_that_ended_is_an_error(world: World) -> None:
    made = await world.rotor("ten_dead", "a")
    world.far.kill("a")
    with pytest.raises(ReauthorizationRequired):
        await call(world, "ten_dead", made)
    (entry,) = (await log(world, "ten_dead", made))["items"]
    assert entry["level"] == "error"


async def test_LO_04_no_secret_is_kept(world: World) -> None:
    made = await world.rotor("ten_hush", "a")
    own = world.system.scope("ten_hush", "connections")
    recorder(world).hook(own, made)(ended(PlatformError("no: access_token=canary-in-text", code="token=canary-code")))
    with pytest.raises(ClientError):
        await call(world, "ten_hush", made, 403)
    assert len((await log(world, "ten_hush", made))["items"]) == 2
    async with world.system.tx() as tx:
        rows = await tx.fetch_sql("select to_jsonb(t)::text as row from connection_calls t")
    assert rows
    assert "canary" not in " ".join(row["row"] for row in rows)


async def test_the_newest_two_hundred_entries_are_kept_and_paged(world: World) -> None:
    made = await world.rotor("ten_cap", "a")
    hook = recorder(world).hook(world.system.scope("ten_cap", "connections"), made)
    for _ in range(2):
        for _ in range(130):
            hook(ended(PlatformError("no")))
        await recorder(world).flush()
    ids: list[str] = []
    query = "?limit=100"
    while query:
        page = await log(world, "ten_cap", made, query)
        ids += [one["id"] for one in page["items"]]
        query = f"?limit=100&cursor={page['nextCursor']}" if page["hasMore"] else ""
    assert len(ids) == len(set(ids)) == model.KEPT
    assert ids == sorted(ids, reverse=True)
    assert sum(hour["failed"] for hour in await hours(world, "ten_cap", made)) == 260


async def test_TN_01_another_tenant_sees_nothing(world: World) -> None:
    made = await world.rotor("ten_mine", "a")
    await call(world, "ten_mine", made)
    await recorder(world).flush()
    for part in ("metrics", "logs"):
        foreign = await world.side("ten_other")("GET", f"/api/connections/{made}/{part}")
        never = await world.side("ten_other")("GET", f"/api/connections/{UNKNOWN}/{part}")
        assert foreign.status_code == never.status_code == 404
        assert foreign.json()["error"]["code"] == never.json()["error"]["code"]
    async with world.scope("ten_other").tx() as tx:
        assert not await tx.fetch_sql("select hour from connection_hours")


async def test_a_question_spans_a_month_at_most(world: World) -> None:
    made = await world.rotor("ten_span", "a")
    side = world.side("ten_span")
    for wrong in (
        "from=2026-01-01T00:00:00Z&to=2026-02-02T00:00:00Z",
        "from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z",
    ):
        assert (await side("GET", f"/api/connections/{made}/metrics?{wrong}")).status_code == 400
    asked = "from=2026-01-01T00:00:00Z&to=2026-02-01T00:00:00Z"
    assert (await side("GET", f"/api/connections/{made}/metrics?{asked}")).json() == {"items": []}


async def test_what_cannot_be_written_is_kept_up_to_a_bound_and_written_later(world: World, copied: Copy) -> None:
    made = await world.rotor("ten_later", "a")
    own = world.system.scope("ten_later", "connections")
    other = world.system.scope("ten_later2", "connections")
    apart = recording.Recorder(seconds=3600)
    owner = await connect(copied.owner_url)
    await owner.execute("alter table connection_hours rename to hours_away")
    try:
        for _ in range(model.KEPT + 50):
            apart.hook(own, made)(ended(PlatformError("no")))
        await apart.flush()
        assert apart.waiting == (1, model.KEPT)
        for number in range(recording.MOST_LOGS + 50):
            apart.hook(other, f"con_{number}")(ended(PlatformError("no")))
        assert apart.waiting[1] == model.KEPT + recording.MOST_LOGS - 1
    finally:
        await owner.execute("alter table hours_away rename to connection_hours")
        await owner.close()
    await apart.aclose()
    assert apart.waiting == (0, 0)
    assert sum(hour["failed"] for hour in await hours(world, "ten_later", made)) == model.KEPT + 50


async def test_what_waits_is_written_by_itself_after_a_moment(world: World) -> None:
    made = await world.rotor("ten_soon", "a")
    soon = recording.Recorder(seconds=0.01)
    soon.hook(world.system.scope("ten_soon", "connections"), made)(ended(None))
    for _ in range(50):
        if await hours(world, "ten_soon", made):
            break
        await world.system.clock.sleep(0.02)
    assert soon.waiting == (0, 0)
    assert len(await hours(world, "ten_soon", made)) == 1
    await soon.aclose()


async def test_rows_go_with_the_connection_and_sums_after_ninety_days(world: World) -> None:
    made, kept = await world.rotor("ten_gone", "a"), await world.rotor("ten_gone", "b")
    for one in (made, kept):
        with pytest.raises(ClientError):
            await call(world, "ten_gone", one, 403)
    await recorder(world).flush()
    assert (await world.side("ten_gone")("DELETE", f"/api/connections/{made}")).status_code == 204
    async with world.scope("ten_gone").tx() as tx:
        assert [row["connection_id"] for row in await tx.fetch_sql("select connection_id from connection_hours")] == [
            kept
        ]
        assert [row["connection_id"] for row in await tx.fetch_sql("select connection_id from connection_calls")] == [
            kept
        ]
    world.clock.advance((model.COUNTERS_KEPT + timedelta(hours=2)).total_seconds())
    await FEATURE.periodic["connections.sweep"][1](world.system)
    async with world.scope("ten_gone").tx() as tx:
        assert not await tx.fetch_sql("select hour from connection_hours")
