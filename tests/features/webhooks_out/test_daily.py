"""How many events of its own a tenant may publish a day (security.md RL-05)."""

import asyncio
from dataclasses import replace

import pytest
from tests.given import caps
from tests.given import vault as given_vault
from tests.given import webhooks_out as given
from tests.given.edge import Edge
from tests.house_database import Copy

from isthmus.client import BudgetRule, Grant
from isthmus.engine.budget import PostgresBudget
from isthmus.engine.db import Database
from isthmus.features.webhooks_out.errors import EventTypeNotFound, TooManyEvents, WrongEvent
from isthmus.features.webhooks_out.routes import ROUTES
from isthmus.features.webhooks_out.service import publishing
from isthmus.features.webhooks_out.service.daily import Daily
from isthmus.kit.clock import ManualClock
from isthmus.scope import Scope, System


def _counting(system: System, most: int, clock: ManualClock) -> System:
    """A process that counts; its clock is moved by hand, the database's is not."""
    daily = Daily(most, PostgresBudget(system.engine.database), clock)
    return System(replace(system.engine, parts={**system.engine.parts, Daily: daily}), system.clock)


async def _published(scope: Scope, count: int) -> int:
    """How many of so many at once were taken."""
    told = await asyncio.gather(
        *(publishing.publish(scope, "custom.day", "it", {}) for _ in range(count)), return_exceptions=True
    )
    refused = [one for one in told if isinstance(one, BaseException)]
    assert all(isinstance(one, TooManyEvents) for one in refused), refused
    return count - len(refused)


async def test_RL_05_a_tenant_publishes_so_many_events_a_day_and_no_more_over_all_processes(
    database: Database, copied: Copy
) -> None:
    async with given.process(database) as system:
        clock = ManualClock()
        here, there = _counting(system, 7, clock), _counting(system, 7, clock)
        for tenant in ("ten_day", "ten_other"):
            await publishing.register(given_vault.scope(here, tenant), "custom.day", "", {})
        one, two = given_vault.scope(here, "ten_day"), given_vault.scope(there, "ten_day")
        assert await _published(one, 4) == 4
        assert await _published(two, 3) == 3
        for scope in (one, two):
            with pytest.raises(TooManyEvents) as refused:
                await publishing.publish(scope, "custom.day", "it", {})
            assert (refused.value.status, refused.value.details) == (429, {"limit": 7})
            assert refused.value.retry_after is not None
            assert 1 <= refused.value.retry_after <= 86_400
        assert await _published(given_vault.scope(here, "ten_other"), 8) == 7
        answer = await Edge(here, *ROUTES).call("POST", "/api/events", json={"type": "custom.day", "data": {}})
        assert answer.status_code == 404, "of another tenant nothing is known"
        async with system.tx() as tx:
            await tx.execute_sql("update budget_windows set state = jsonb_set(state, '{0,0}', '1')")
        clock.advance(86_400)
        assert await _published(one, 8) == 7, "another day"
    await given.clear(copied)


async def test_RL_05_permits_are_leased_in_blocks_and_none_is_lost_by_those_who_lease_at_once(
    database: Database, copied: Copy
) -> None:
    asked = []

    class Noting(PostgresBudget):
        async def lease(self, key: str, wanted: int, rule: BudgetRule) -> Grant:
            asked.append(key)
            return await super().lease(key, wanted, rule)

    daily = Daily(400, Noting(database), ManualClock())
    await asyncio.gather(*(daily.take("ten_block") for _ in range(3)))
    for _ in range(397):
        await daily.take("ten_block")
    assert len(asked) == 20
    with pytest.raises(TooManyEvents):
        await daily.take("ten_block")
    await given.clear(copied)


async def test_RL_05_what_is_refused_for_its_data_takes_nothing_of_the_day(database: Database, copied: Copy) -> None:
    async with given.process(database) as system:
        scope = given_vault.scope(_counting(system, 2, ManualClock()), "ten_refused")
        daily, wanted = scope.part(Daily), {"type": "object", "required": ["total"]}
        await publishing.register(scope, "custom.day", "", wanted)
        for _ in range(3):
            with pytest.raises(WrongEvent):
                await publishing.publish(scope, "custom.day", "it", {})
            with pytest.raises(EventTypeNotFound):
                await publishing.publish(scope, "custom.night", "it", {})
        assert await daily.used(scope.tenant_id) == 0
        for used in (1, 2):
            await publishing.publish(scope, "custom.day", "it", {"total": 1})
            assert (await caps.shown(scope, "webhooks_out.events_per_day"))[0] == used
        with pytest.raises(TooManyEvents):
            await publishing.publish(scope, "custom.day", "it", {"total": 1})
    await given.clear(copied)
