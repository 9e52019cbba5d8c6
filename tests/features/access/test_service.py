"""Tenants: made by operators, seen by themselves, checked before their tokens count."""

import asyncpg
import pytest
from tests.given import vault as given

from isthmus.engine.db import Database
from isthmus.features import access, vault
from isthmus.kit.clock import ManualClock
from isthmus.kit.paging import Ask
from isthmus.scope import System


@pytest.fixture(scope="module")
async def system(database: Database) -> System:
    made = given.process(database)
    await vault.check_canary(made)
    return made


async def test_a_tenant_is_made_with_a_slug_of_its_name_and_written_to_the_log(system: System) -> None:
    scope = given.platform(system)
    made = await access.create_tenant(scope, "Áo Dài Huế")
    assert (made.slug, made.status) == ("ao-dai-hue", "active")
    assert await access.tenant(scope, made.id) == made == await access.tenant(scope, made.slug)
    async with scope.tx() as tx:
        rows = await tx.fetch_sql("select actor, after from events where subject = $1", made.id)
    assert [(row["actor"], row["after"]["slug"]) for row in rows] == [("operator:host:root", "ao-dai-hue")]


async def test_a_second_tenant_of_the_same_name_gets_another_slug(system: System) -> None:
    scope = given.platform(system)
    one, two = await access.create_tenant(scope, "Twice"), await access.create_tenant(scope, "Twice")
    assert one.slug == "twice"
    assert two.slug.startswith("twice-")


async def test_a_slug_that_was_asked_for_and_is_taken_is_refused(system: System) -> None:
    scope = given.platform(system)
    await access.create_tenant(scope, "One", "taken")
    with pytest.raises(access.SlugTaken):
        await access.create_tenant(scope, "Two", "taken")


async def test_TN_01_a_tenant_sees_itself_and_cannot_learn_of_another(system: System) -> None:
    mine = await access.create_tenant(given.platform(system), "Mine")
    other = await access.create_tenant(given.platform(system), "Other")
    scope = given.scope(system, mine.id)
    assert await access.tenant(scope, mine.id) == mine
    assert (await access.tenants(scope)).items == [mine]
    for foreign in (other.id, other.slug, "ten_00000000000000000000000000"):
        with pytest.raises(access.TenantNotFound):
            await access.tenant(scope, foreign)


@pytest.mark.parametrize(
    "statement",
    [
        "insert into tenants (id, name, slug, status, created_at) values ('ten_x', 'x', 'x', 'active', now())",
        "insert into provider_overrides (id, fields, version, updated_at) values ('x', '{}', 1, now())",
    ],
)
async def test_TN_05_a_tenant_cannot_write_what_belongs_to_the_deployment(system: System, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with given.scope(system, "ten_a").tx() as tx:
            await tx.execute_sql(statement)


@pytest.mark.parametrize("statement", ["update tenants set status = 'active'", "delete from provider_overrides"])
async def test_TN_05_a_tenants_change_to_the_deployments_rows_touches_none(system: System, statement: str) -> None:
    async with given.scope(system, "ten_a").tx() as tx:
        assert await tx.execute_sql(statement) == 0


async def test_operators_page_through_all_tenants(system: System) -> None:
    scope = given.platform(system)
    for number in range(3):
        await access.create_tenant(scope, f"Paged {number}")
    seen: list[str] = []
    place: str | None = None
    while True:
        page = await access.tenants(scope, ask=Ask(limit=2, after=place))
        seen += [tenant.id for tenant in page.items]
        place = page.next_after
        if place is None:
            break
    assert len(seen) == len(set(seen)) > 3
    assert seen == sorted(seen)


async def test_a_tenant_that_does_not_exist_or_is_suspended_is_not_live(database: Database) -> None:
    clock = ManualClock()
    system = given.process(database, clock=clock)
    guard = access.TenantGuard(system)
    tenant = await access.create_tenant(given.platform(system), "Guarded")
    assert await guard.is_live(tenant.id)
    assert not await guard.is_live("ten_00000000000000000000000000")
    await access.set_status(given.platform(system), tenant.id, status=access.TenantStatus.SUSPENDED)
    clock.advance(5.1)
    assert not await guard.is_live(tenant.id)
    await access.set_status(given.platform(system), tenant.id, status=access.TenantStatus.ACTIVE)
    clock.advance(5.1)
    assert await guard.is_live(tenant.id)


async def test_the_guard_asks_at_most_once_in_five_seconds_and_remembers_a_bounded_number(database: Database) -> None:
    clock = ManualClock()
    system = given.process(database, clock=clock)
    tenant = await access.create_tenant(given.platform(system), "Remembered")
    guard = access.TenantGuard(system, access.Settings(tenants_remembered=2))
    assert await guard.is_live(tenant.id)
    await access.set_status(given.platform(system), tenant.id, status=access.TenantStatus.SUSPENDED)
    assert await guard.is_live(tenant.id), "believed for five seconds"
    for number in range(2):
        await guard.is_live(f"ten_{number}")
    assert not await guard.is_live(tenant.id), "forgotten for others, asked anew"


async def test_VA_13_a_suspended_tenants_keys_leave_memory_at_once(system: System) -> None:
    tenant = await access.create_tenant(given.platform(system), "Keys")
    cache = system.engine.part(vault.Vault).cache
    cache.put(tenant.id, "dk", system.engine.part(vault.Vault).ring.primary, system.clock.monotonic())
    await access.set_status(given.platform(system), tenant.id, status=access.TenantStatus.SUSPENDED)
    assert cache.get(tenant.id, "dk", system.clock.monotonic()) is None


async def test_the_deployments_own_tenant_is_there_from_the_beginning(system: System) -> None:
    assert await access.live_tenants(system, ["ten_platform", "ten_nobody"]) == {"ten_platform"}
