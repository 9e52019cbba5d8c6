"""Nobody's endpoint stops in silence: a notice before where there can be one, and one after in any case."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar

import msgspec
import pytest
import pytest_asyncio
from tests.given import vault as given_vault
from tests.given import webhooks_out as given
from tests.house_database import Copy

from isthmus.engine.db import Database
from isthmus.features.webhooks_out import jobs
from isthmus.features.webhooks_out.errors import DeliveryUnderWay, EndpointIdle
from isthmus.features.webhooks_out.model import Draft, Endpoint
from isthmus.features.webhooks_out.service import deliveries, endpoints, fanning, planning
from isthmus.features.webhooks_out.service.deliveries import DeliveryFilters
from isthmus.kit.paging import Ask
from isthmus.kit.permissions import PLATFORM_TENANT
from isthmus.scope import Scope, System

TENANT = "ten_a"
#: What the deployment says of it.
_SAID = {"tenant_id": PLATFORM_TENANT, "subject": TENANT}
_QUICK: dict[str, Any] = {"slow_after": 2, "park_after": 4}


@pytest_asyncio.fixture(autouse=True)
async def clean(copied: Copy) -> AsyncIterator[None]:
    yield
    await given.clear(copied)


async def _endpoint(scope: Scope, url: str) -> Endpoint:
    return (await endpoints.create(scope, Draft(url=url, types=["shelf.filled"]), verify=False)).endpoint


async def _until(told: Callable[[], Awaitable[bool]], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while True:
            if await told():
                return
            await asyncio.sleep(0.03)


async def _notices(scope: Scope) -> list[tuple[str, dict[str, Any]]]:
    async with scope.tx() as tx:
        rows = await tx.fetch_sql(
            "select type, body, public from events where tenant_id = $1 and type in ('webhook.endpoint_failing',"
            " 'webhook.endpoint_disabled', 'webhook.endpoint_paused', 'webhook.endpoint_recovered') order by xid, id",
            scope.tenant_id,
        )
    assert all(row["public"] for row in rows)
    return [(row["type"], row["body"]) for row in rows]


async def _age(system: System, failing: timedelta, parked: timedelta | None) -> None:
    """As if the endpoint had failed for so long, and had been parked for so long."""
    async with system.tx() as tx:
        await tx.execute_sql(
            "update webhook_endpoints set first_failure_at = now() - $1::interval, parked_at = now() - $2::interval",
            failing,
            parked,
        )


async def _fail(scope: Scope, endpoint: Endpoint, state: str, health: str) -> None:
    """Attempts are made at once, until the endpoint stands so."""

    async def stands() -> bool:
        found = await endpoints.get(scope, endpoint.id)
        if (found.state, found.health) == (state, health):
            return True
        rows = (await deliveries.listing(scope, Ask(100), DeliveryFilters(state="pending"))).items
        planned = [row["id"] for row in rows if row["next_at"] is not None]
        for delivery_id in planned[:1]:
            # It may be on its way, or have arrived, in this very moment.
            with contextlib.suppress(DeliveryUnderWay, EndpointIdle):
                await deliveries.retry(scope, delivery_id)
        return False

    await _until(stands)


async def test_an_endpoint_is_parked_with_a_notice_probed_and_freed(database: Database) -> None:
    async with given.sink(status=503) as sink, given.process(database, **_QUICK) as system, given.working(system):
        scope = given_vault.scope(system, TENANT)
        endpoint = await _endpoint(scope, sink.url)
        await given.emit(scope, *range(6))

        async def parked() -> bool:
            return (await endpoints.get(scope, endpoint.id)).health == "parked"

        await _until(parked)
        came = len(sink.bodies)
        await given.emit(scope, *range(6, 40))
        await asyncio.sleep(0.2)
        assert len(sink.bodies) <= came + 2
        ((kind, body),) = await _notices(scope)
        assert (kind, body["reason"], body["url"]) == ("webhook.endpoint_failing", "failing", sink.url)
        wait = datetime.fromisoformat(body["disabledAt"]) - datetime.fromisoformat(body["failingSince"])
        assert wait == timedelta(days=5)
        sink.status = 200
        await _fail(scope, endpoint, "active", "healthy")
        assert [kind for kind, _ in await _notices(scope)][-1] == "webhook.endpoint_recovered"


async def test_a_probe_that_is_taken_back_and_planned_in_the_same_moment_is_planned_once(database: Database) -> None:
    async with given.sink() as sink, given.process(database) as system:
        scope = given_vault.scope(system, TENANT)
        endpoint = await _endpoint(scope, sink.url)
        async with system.tx() as tx:
            await tx.execute_sql("update webhook_endpoints set health = 'parked'")
        await given.emit(scope, 1, 2, 3)
        await fanning.fan_out_once(system)
        async with system.tx() as tx:
            at = (await tx.fetch_sql("select at from webhook_due"))[0]["at"]
            await tx.execute_sql("update webhook_endpoints set health = 'healthy'")
            await planning.advance(tx, TENANT, endpoint.id, at)
            rows = await tx.fetch_sql(
                "select d.number from webhook_due w join webhook_deliveries d on d.id = w.delivery_id"
                " where d.next_at = w.at"
            )
        assert len({row["number"] for row in rows}) == len(rows) == 3
        async with given.working(system):
            await sink.wait_for(3)
    assert len(sink.bodies) == 3


async def test_one_that_goes_on_failing_is_told_before_and_after_it_is_disabled(database: Database) -> None:
    knobs = {**_QUICK, "disable_after": timedelta(hours=5), "notice": timedelta(hours=1)}
    async with given.sink(status=500) as sink, given.process(database, **knobs) as system, given.working(system):
        scope = given_vault.scope(system, TENANT)
        endpoint = await _endpoint(scope, sink.url)
        await given.emit(scope, 1, 2)

        async def failed() -> bool:
            return (await endpoints.get(scope, endpoint.id)).failures >= 2

        await _until(failed)
        # Long over its time, but asked so little that nobody was told yet: the notice comes first.
        await _age(system, timedelta(hours=50), None)
        await _fail(scope, endpoint, "active", "parked")
        ((kind, body),) = await _notices(scope)
        assert kind == "webhook.endpoint_failing"
        left = datetime.fromisoformat(body["disabledAt"]) - scope.now
        assert timedelta(minutes=58) < left <= timedelta(hours=1)
        await _age(system, timedelta(hours=50), timedelta(hours=1))
        await _fail(scope, endpoint, "disabled", "parked")
        kind, body = (await _notices(scope))[-1]
        assert (kind, body["reason"]) == ("webhook.endpoint_disabled", "failing")
        # Whoever activates it begins anew: one more failure is one, and no end.
        await endpoints.change(scope, endpoint.id, {"state": "active"})
        fresh = await endpoints.get(scope, endpoint.id)
        assert (fresh.state, fresh.health, fresh.failures, fresh.first_failure_at) == ("active", "healthy", 0, None)


async def test_WH_11_of_what_stops_because_its_maker_left_is_told_once(database: Database) -> None:
    async with given.sink() as sink, given.process(database) as system:
        scope = given_vault.scope(system, TENANT)
        left, stays = await _endpoint(scope, sink.url), await _endpoint(scope, sink.url + "/other")
        async with system.tx() as tx:
            await tx.execute_sql("update webhook_endpoints set maker = 'user:gone' where id = $1", left.id)
            await jobs.member_changed(
                tx, {"type": "member.removed", "after": None, "tenant_id": TENANT, "subject": "gone"}
            )
        for _ in range(2):
            await jobs.catch_up(system)
        assert await _notices(scope) == [("webhook.endpoint_paused", {"url": sink.url, "reason": "maker_left"})]
        assert (await endpoints.get(scope, stays.id)).state == "active"


async def test_WH_11_of_one_that_was_taken_over_before_anybody_told_nothing_is_told(database: Database) -> None:
    async with given.process(database) as system:
        scope = given_vault.scope(system, TENANT)
        endpoint = await _endpoint(scope, "http://127.0.0.1:9/x")
        async with system.tx() as tx:
            await endpoints.stop_of(tx, TENANT, endpoint.maker)
        await endpoints.change(scope, endpoint.id, {"state": "active"})
        await jobs.catch_up(system)
        assert await _notices(scope) == []


@pytest.mark.parametrize("back", [False, True], ids=["it stays suspended", "it is let in again at once"])
async def test_of_a_suspended_tenants_endpoints_is_told_unless_they_go_on(database: Database, back: bool) -> None:
    async with given.process(database) as system:
        scope = given_vault.scope(system, TENANT)
        await _endpoint(scope, "http://127.0.0.1:9/x")
        for status in ("suspended", *(["active"] if back else [])):
            async with system.tx() as tx:
                await jobs.tenant_changed(tx, {**_SAID, "after": {"status": status}})
        await jobs.catch_up(system)
        told = [("webhook.endpoint_paused", {"url": "http://127.0.0.1:9/x", "reason": "tenant_suspended"})]
        assert await _notices(scope) == ([] if back else told)


@pytest.mark.parametrize(
    ("told", "state"),
    [
        ({"type": "member.removed", "after": None}, "paused"),
        ({"type": "member.roles_changed", "after": {"roles": ["user"]}}, "paused"),
        ({"type": "member.roles_changed", "after": {"roles": ["tenant_admin"]}}, "active"),
    ],
    ids=["removed", "demoted", "still an admin"],
)
async def test_WH_11_the_endpoints_of_who_leaves_stop_until_somebody_takes_them_over(
    database: Database, told: dict[str, Any], state: str
) -> None:
    async with given.process(database) as system:
        scope = given_vault.scope(system, TENANT)
        endpoint = await _endpoint(scope, "http://127.0.0.1:9/x")
        kind, _, subject = endpoint.maker.partition(":")
        assert (kind, subject) == (scope.principal.kind, scope.principal.subject)
        async with system.tx() as tx:
            await tx.execute_sql("update webhook_endpoints set maker = $1", f"user:{subject}")
            await jobs.member_changed(tx, {**told, "tenant_id": TENANT, "subject": subject})
            await jobs.member_changed(tx, {**told, "tenant_id": "ten_b", "subject": subject})
        found = await endpoints.get(scope, endpoint.id)
        assert found.state == state
        if state == "paused":
            assert found.state_reason == "maker_left"
            again = await endpoints.change(scope, endpoint.id, {"state": "active"})
            assert (again.state, again.state_reason, again.maker) == ("active", None, endpoint.maker)


async def test_IN_07_what_a_notice_says_stays_in_its_body_and_its_header_fields_are_one_line(
    database: Database,
) -> None:
    evil = "Amy's\r\nX-Evil: 1\r\n\r\n\u2028<b>\u202e"

    class Named(given.Filled):
        data: ClassVar[Mapping[str, Any]] = {"name": {"type": "string"}}

    async with given.sink() as sink, given.process(database) as system, given.working(system):
        scope = given_vault.scope(system, TENANT)
        await _endpoint(scope, sink.url)
        async with scope.tx() as tx:
            tx.emit(Named(subject="she_1", body={"name": evil}))
        await sink.wait_for(1)
    (head,), (body,) = sink.heads, sink.bodies
    assert "x-evil" not in head
    assert all(value.isprintable() for value in head.values())
    assert b"\n" not in body
    assert b"\r" not in body
    assert msgspec.json.decode(body)["data"] == {"name": evil}
