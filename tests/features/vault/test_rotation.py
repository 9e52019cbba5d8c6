"""Keys change while calls go on, survive being killed, and are let go of only when a count says zero."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from tests.given import keys
from tests.given import vault as given

from isthmus.engine.db import Database
from isthmus.engine.keys import KeyRing
from isthmus.features import vault
from isthmus.features.vault.feature import FEATURE
from isthmus.features.vault.jobs import RESEAL, reseal, unfinished
from isthmus.kit.secret import Secret
from isthmus.scope import Scope, System

TENANTS = [f"ten_{number}" for number in range(6)]
QUICK = vault.Settings(active_check=timedelta(milliseconds=30), batch=4)


@dataclass
class Notes:
    """A room with one sealed column, its rows in memory; `seal` is what goes on while keys change."""

    rows: dict[tuple[str, str], bytes] = field(default_factory=dict)

    async def seal(self, scope: Scope, name: str) -> None:
        async with scope.tx() as tx:
            sealed = await vault.seal(scope, tx, Secret(name), owner=name, field="note")
        self.rows[(scope.tenant_id, name)] = sealed

    async def reseal(self, scope: Scope, after: str | None, limit: int) -> str | None:
        names = sorted(name for tenant, name in self.rows if tenant == scope.tenant_id and name > (after or ""))[:limit]
        async with scope.tx() as tx:
            for name in names:
                old = self.rows[(scope.tenant_id, name)]
                new = await vault.reseal(scope, tx, old, owner=name, field="note")
                if new is not None and self.rows[(scope.tenant_id, name)] == old:
                    self.rows[(scope.tenant_id, name)] = new
        return names[-1] if len(names) == limit else None

    async def all_open(self, system: System) -> bool:
        for (tenant, name), sealed in list(self.rows.items()):
            scope = given.scope(system, tenant)
            async with scope.tx() as tx:
                if (await vault.open(scope, tx, sealed, owner=name, field="note")).reveal() != name:
                    return False
        return True

    async def under_old_keys(self, system: System) -> int:
        async with system.tx() as tx:
            rows = await tx.fetch_sql("select id from data_keys where retired_at is null")
        current = [row["id"].encode() for row in rows]
        return sum(not any(key in sealed for key in current) for sealed in self.rows.values())


@dataclass
class Lab:
    """A database of its own, a room with notes in it, and processes with any key ring."""

    database: Database
    notes: Notes

    def process(
        self, ring: KeyRing, reload: Callable[[], KeyRing] | None = None, settings: vault.Settings = QUICK
    ) -> System:
        reseals = vault.Reseals({"notes": self.notes.reseal})
        parts: dict[type, object] = {vault.Vault: vault.Vault(ring, settings, reload=reload)}
        return given.process(self.database, reseals=reseals, parts=parts)


@pytest.fixture
async def lab(database: Database) -> AsyncIterator[Lab]:
    made = Lab(database, Notes())
    first = made.process(keys.ring("first"))
    await vault.check_canary(first)
    for tenant in TENANTS:
        for number in range(3):
            await made.notes.seal(given.scope(first, tenant), f"note_{number}")
    yield made
    async with database.system() as tx:
        for table in ("delete from data_keys", "delete from vault_canary", "delete from reseals"):
            await tx.execute_sql(table)


async def everything(database: Database) -> list[object]:
    async with database.system() as tx:
        held = await tx.fetch_sql("select tenant_id, id, wrapped, master_key_id, retired_at from data_keys order by id")
        proofs = await tx.fetch_sql("select id, sealed, retired_at from vault_canary order by id")
    return [*map(tuple, held), *map(tuple, proofs)]


@contextlib.asynccontextmanager
async def calls_going_on(lab: Lab, *systems: System) -> AsyncIterator[asyncio.Event]:
    """Every process goes on sealing and opening; the event is set by each round that went well."""
    went_well = asyncio.Event()

    async def go_on(system: System, number: int) -> None:
        for turn in itertools.count():
            tenant = TENANTS[turn % len(TENANTS)]
            await lab.notes.seal(given.scope(system, tenant), f"live_{number}_{turn % 4}")
            assert await lab.notes.all_open(system)
            went_well.set()

    tasks = [asyncio.create_task(go_on(system, number)) for number, system in enumerate(systems)]
    try:
        yield went_well
        for task in tasks:
            assert not task.done(), task.exception()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_VA_08_a_wrong_master_key_stops_the_start_names_its_source_and_changes_nothing(lab: Lab) -> None:
    before = await everything(lab.database)
    for attempt in (vault.check_canary, vault.rotate):
        with pytest.raises(vault.WrongMasterKey) as caught:
            await attempt(lab.process(keys.ring("wrong")))
        assert "the test keys" in caught.value.message
        assert caught.value.details["held"] == list(keys.ring("wrong").ids)
    assert await everything(lab.database) == before
    assert await lab.notes.all_open(lab.process(keys.ring("first")))


async def test_VA_08_the_first_start_writes_the_proof_once(lab: Lab) -> None:
    before = await everything(lab.database)
    await asyncio.gather(*[vault.check_canary(lab.process(keys.ring("first"))) for _ in range(4)])
    assert await everything(lab.database) == before


async def test_VA_08_data_keys_without_a_proof_are_not_taken_over(lab: Lab) -> None:
    async with lab.database.system() as tx:
        await tx.execute_sql("delete from vault_canary")
    with pytest.raises(vault.WrongMasterKey, match="whole backup"):
        await vault.check_canary(lab.process(keys.ring("first")))


async def test_VA_09_the_master_key_is_rotated_while_calls_go_on(lab: Lab) -> None:
    ring = keys.ring("second", "first")
    old, new = keys.ring("first").primary.id, ring.primary.id
    system = lab.process(ring)
    assert (await vault.status(system)).disposable == ()
    async with calls_going_on(lab, system, lab.process(ring)) as went_well:
        result = await vault.rotate(system)
        for _ in range(3):
            went_well.clear()
            await went_well.wait()
    status = await vault.status(system)
    assert result.rewrapped == len(TENANTS)
    assert status.wrapped_by == {new: len(TENANTS)}
    assert (status.current_master, status.disposable) == (new, (old,))
    assert await lab.notes.all_open(lab.process(keys.ring("second")))


async def test_VA_09_a_rotation_killed_anywhere_goes_on_and_every_value_opens(lab: Lab) -> None:
    ring = keys.ring("second", "first")
    for point in range(20):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.003 * point):
                await vault.rotate(lab.process(ring), data=True)
        assert await lab.notes.all_open(lab.process(ring)), f"killed after {3 * point} ms"
    await vault.rotate(lab.process(ring), data=True)
    system = lab.process(keys.ring("second"))
    await vault.check_canary(system)
    assert await lab.notes.all_open(system)
    assert await lab.notes.under_old_keys(system) == 0
    assert (await vault.status(system)).reseals_open == 0


async def test_VA_09_new_data_keys_while_calls_go_on_leave_nothing_under_an_old_one(lab: Lab) -> None:
    system, other = lab.process(keys.ring("first")), lab.process(keys.ring("first"))
    async with calls_going_on(lab, system, other):
        result = await vault.rotate(system, data=True)
    assert result.tenants == len(TENANTS)
    assert result.resealed >= 3 * len(TENANTS)
    assert await lab.notes.under_old_keys(system) == 0
    assert await lab.notes.all_open(lab.process(keys.ring("first")))


async def test_VA_09_a_damaged_value_is_counted_and_does_not_keep_the_others_under_the_old_key(lab: Lab) -> None:
    sealed = lab.notes.rows[(TENANTS[0], "note_0")]
    lab.notes.rows[(TENANTS[0], "note_0")] = sealed[:-1] + bytes([sealed[-1] ^ 1])
    result = await vault.rotate(lab.process(keys.ring("first")), data=True)
    assert (result.resealed, result.damaged) == (3 * len(TENANTS) - 1, 1)


async def test_VA_09_workers_finish_a_rotation_whose_command_is_gone(lab: Lab) -> None:
    system = lab.process(keys.ring("first"))
    patient = lab.process(keys.ring("first"), settings=replace(QUICK, active_check=timedelta(hours=1)))
    command = asyncio.create_task(vault.rotate(patient, data=True))
    async with asyncio.timeout(60):  # until the new keys are there; their use is still waited for
        while True:
            if (await vault.status(system)).reseals_open:
                break
            await asyncio.sleep(0.01)
    command.cancel()
    await asyncio.wait([command])
    assert (await vault.status(system)).reseals_open == len(TENANTS)
    for _ in range(2):  # at most four tenants a round here
        async with system.tx() as tx:
            wakes = await unfinished(system, tx)
        assert {wake.job for wake in wakes} == {RESEAL}
        for wake in wakes:
            await reseal(system.scope(wake.tenant_id, "vault"), wake.key)
    assert (await vault.status(system)).reseals_open == 0
    assert await lab.notes.under_old_keys(system) == 0
    assert FEATURE.jobs == {RESEAL: reseal}


async def test_VA_10_a_process_without_the_new_key_reports_it_and_writes_nothing_wrong(
    lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    late = lab.process(keys.ring("first"))
    assert await lab.notes.all_open(late)
    await vault.rotate(lab.process(keys.ring("second", "first")))
    assert await lab.notes.all_open(late), "keys in memory go on being used"
    before = await everything(lab.database)
    restarted = lab.process(keys.ring("first"))
    with pytest.raises(vault.WrongMasterKey):
        await vault.check_canary(restarted)
    with pytest.raises(vault.KeyNotHeld):
        await lab.notes.all_open(restarted)
    with pytest.raises(vault.KeyNotHeld):
        await lab.notes.seal(given.scope(late, "ten_new"), "note")
    assert await everything(lab.database) == before
    assert (await vault.status(restarted)).unreadable == len(TENANTS)
    assert [record.getMessage() for record in caplog.records if record.name == "isthmus.features.vault"] == [
        "the master key second is not held here, only first"
    ] * 2, "once in each process"


async def test_VA_10_a_running_process_learns_a_new_key_of_its_key_file(lab: Lab) -> None:
    asked: list[str] = []

    def reload() -> KeyRing:
        asked.append("")
        return keys.ring("second", "first")

    running = lab.process(keys.ring("first"), reload=reload)
    await vault.rotate(lab.process(keys.ring("second", "first")))
    assert await lab.notes.all_open(running)
    await lab.notes.seal(given.scope(running, "ten_new"), "note")
    await vault.check_canary(running)
    assert len(asked) == 1


async def test_VA_10_a_process_that_knows_both_keys_seals_with_the_one_of_today(lab: Lab) -> None:
    await vault.rotate(lab.process(keys.ring("second", "first")))
    other_order = lab.process(keys.ring("first", "second"))
    await lab.notes.seal(given.scope(other_order, "ten_new"), "note")
    status = await vault.status(other_order)
    assert status.wrapped_by == {keys.ring("second").primary.id: len(TENANTS) + 1}


async def test_AU_01_a_rotation_is_in_the_audit_log_under_the_operators_name(lab: Lab) -> None:
    system = lab.process(keys.ring("second", "first"))
    await vault.rotate(system, data=True, by=given.platform(system))
    async with given.platform(system).tx() as tx:
        rows = await tx.fetch_sql(
            "select distinct type, actor from events where audited and request_id = 'req_2' order by type"
        )
    assert {tuple(row) for row in rows} == {
        ("vault.master_key_rotated", "operator:host:root"),
        ("vault.data_keys_rotated", "operator:host:root"),
    }
