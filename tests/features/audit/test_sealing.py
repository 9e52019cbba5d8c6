"""Whatever is done to the log behind the house's back is found, and the first place is named (AU-03, AU-04)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

import asyncpg
import pytest
import pytest_asyncio
from tests.given import vault as given
from tests.house_database import Copy

from isthmus.engine.db import Database, connect
from isthmus.features import audit, vault
from isthmus.features.audit.model import checkpoints as model
from isthmus.features.audit.service import sealing
from isthmus.features.audit.service.signing import reseal
from isthmus.features.audit.store import checkpoints as store
from isthmus.http import redact
from isthmus.kit.clock import ManualClock
from isthmus.kit.errors import Invalid
from isthmus.kit.events import Event
from isthmus.kit.secret import Secret
from isthmus.scope import System

CLOCK = ManualClock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Renamed(Event):
    type: ClassVar[str] = "thing.renamed"


async def _write(system: System, *subjects: str, tenant: str = "ten_a") -> None:
    for subject in subjects:
        async with given.scope(system, tenant).tx() as tx:
            tx.emit(Renamed(subject=subject, before={"name": "a"}, after={"name": subject}))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system(database: Database) -> System:
    """Three checkpoints: the entries of two tenants, in seven rows or more each."""
    reseals = vault.Reseals({"audit.signing_keys": reseal})
    made = given.process(database, clock=CLOCK, parts={audit.Settings: audit.Settings(batch=8)}, reseals=reseals)
    await vault.check_canary(made)
    for number in range(3):
        await _write(made, *(f"thg_{number}_{each}" for each in range(4)))
        await _write(made, *(f"thg_{number}_{each}" for each in range(3)), tenant="ten_b")
        assert await audit.seal(made)
    return made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def owner(copied: Copy) -> AsyncIterator[asyncpg.Connection]:
    """Somebody with every right on the database, and no key."""
    connection = await connect(copied.admin_url)
    yield connection
    await connection.close()


@asynccontextmanager
async def _undone(owner: asyncpg.Connection, *statements: str) -> AsyncIterator[None]:
    """The statements' effect for as long as the block lasts."""
    names = ("events", "audit_checkpoints", "audit_keys")
    for name in names:
        await owner.execute(f"create table kept_{name} as table {name}")
    try:
        for statement in statements:
            await owner.execute(statement.replace("<the>", f"({_THE})"))
        yield
    finally:
        for name in names:
            await owner.execute(f"delete from {name}")  # noqa: S608 - names of ours
            await owner.execute(f"insert into {name} select * from kept_{name}")  # noqa: S608 - as above
            await owner.execute(f"drop table kept_{name}")


async def test_AU_03_a_log_that_nobody_touched_is_what_was_sealed(system: System) -> None:
    found = await audit.verify(system)
    assert (found.faults, found.unsealed, found.erased) == ((), 0, 0)
    assert found.entries >= 21
    assert found.checkpoints >= 3
    assert found.head == await audit.head(system)


_THE = "select id from events where subject = 'thg_1_2' and tenant_id = 'ten_a'"
TAMPERED = {
    "an entry is changed": ("update events set actor = 'nobody' where id = <the>", "changed"),
    "whose rights were used is changed": (
        "update events set on_behalf_of = 'user:test:boss' where id = <the>",
        "changed",
    ),
    "the route that it came by is changed": ("update events set route = 'GET /' where id = <the>", "changed"),
    "what it held before is changed": ("update events set before = '{}' where id = <the>", "changed"),
    "it is given to another tenant": ("update events set tenant_id = 'ten_b' where id = <the>", "changed"),
    "it is dated back": ("update events set at = at - interval '1 day' where id = <the>", "changed"),
    "it is hidden from the audit log": ("update events set audited = false where id = <the>", "deleted"),
    "it is deleted": ("delete from events where id = <the>", "deleted"),
    "another is put beside it": (
        (
            "insert into events select tenant_id, 'evt_planted', xid, type, 'thg_x', at, public, audited, "
            "body, actor, address, request_id, before, after, day, route, on_behalf_of from events where id = <the>"
        ),
        "inserted",
    ),
    "two change places": (
        (
            "update events set xid = case subject when 'thg_1_1' then other.second else other.first end "
            "from (select min(xid::text::bigint)::text::xid8 as first, max(xid::text::bigint)::text::xid8 as second "
            "from events where tenant_id = 'ten_a' and subject in ('thg_1_1', 'thg_1_2')) as other "
            "where tenant_id = 'ten_a' and subject in ('thg_1_1', 'thg_1_2')"
        ),
        "changed",
    ),
    "the end is cut off the entries": ("delete from events where subject like 'thg_2_%'", "deleted"),
    "a checkpoint is taken out": ("delete from audit_checkpoints where number = 2", "deleted"),
    "a checkpoint's root is set": ("update audit_checkpoints set root = sha256('x') where number = 2", "forged"),
    "a checkpoint's leaves are set": ("update audit_checkpoints set leaves = sha256('x') where number = 2", "forged"),
    "rows are told to be another tenant's": (
        "update audit_checkpoints set tenants = array_fill('t'::text, array[cardinality(tenants)]) where number = 2",
        "forged",
    ),
    "the signature is damaged": (
        "update audit_checkpoints set signature = set_byte(signature, 3, get_byte(signature, 3) # 1) where number = 2",
        "forged",
    ),
    "the signing key is exchanged": ("update audit_keys set public = sha256('x'), sealed = sha256('y')", "forged"),
}


@pytest.mark.parametrize("what", TAMPERED)
async def test_AU_03_what_is_done_to_the_log_is_found(system: System, owner: asyncpg.Connection, what: str) -> None:
    statement, kind = TAMPERED[what]
    async with _undone(owner, statement):
        found = await audit.verify(system)
    assert found.faults, what
    assert found.faults[0].kind == kind, found.faults
    assert str(found.faults[0]).startswith(f"checkpoint {found.faults[0].checkpoint}")
    assert (await audit.verify(system)).faults == ()


async def test_AU_03_the_changed_entry_is_the_one_that_is_named(system: System, owner: asyncpg.Connection) -> None:
    event_id = await owner.fetchval(_THE)
    async with _undone(owner, "update events set actor = 'nobody' where id = <the>"):
        (fault,) = (await audit.verify(system)).faults
    assert fault.event_id == event_id
    assert fault.position is not None


async def test_AU_03_all_computed_anew_without_the_key_is_found(system: System, owner: asyncpg.Connection) -> None:
    """An attacker with every right on the database signs everything anew, with a key of their own."""
    own = Secret("ab" * 32)
    async with _undone(owner, "delete from events where id = <the>"):
        await owner.execute("update audit_keys set public = $1", model.public_of(own))
        before = None
        for one in await _all(system):
            async with system.tx() as tx:
                rows = await store.sealed_rows(tx, model.stretch_of(one, before), one.last)
            before = model.signed(model.sealed(rows, before, one.made_at, one.key_id, model.Stretch()), own)
            await owner.execute(
                "update audit_checkpoints set leaves = $2, tenants = $3, root = $4, previous = $5, signature = $6 "
                "where number = $1",
                before.number,
                b"".join(before.leaves),
                list(before.tenants),
                before.root,
                before.previous,
                before.signature,
            )
        found = await audit.verify(system)
    assert found.faults[0] == audit.Fault(audit.Kind.FORGED, 1, None)


async def _all(system: System) -> list[model.Checkpoint]:
    async with system.tx() as tx:
        return await store.checkpoints(tx, 0, 1000)


async def test_AU_04_a_tail_cut_off_with_its_checkpoints_is_found_by_the_head_kept_outside(
    system: System, owner: asyncpg.Connection
) -> None:
    kept = await audit.head(system)
    assert (await audit.verify(system, outside=kept)).faults == ()
    async with _undone(
        owner,
        "delete from events where xid >= (select first_xid from audit_checkpoints order by number desc limit 1)",
        "delete from audit_checkpoints where number = (select max(number) from audit_checkpoints)",
    ):
        assert (await audit.verify(system)).faults == ()
        found = await audit.verify(system, outside=audit.read_head(f"{kept} 2026-01-01T00:00:00+00:00"))
    assert found.faults == (audit.Fault(audit.Kind.CUT_OFF, kept.number, None),)
    with pytest.raises(Invalid):
        audit.read_head("12:zz")


async def test_AU_04_a_database_as_of_yesterday_is_found_by_the_head_kept_outside(
    system: System, owner: asyncpg.Connection
) -> None:
    """All that was sealed since is gone, as a restore of an old copy leaves it: the log agrees with itself."""
    kept = await audit.head(system)
    async with _undone(
        owner,
        "delete from events where (xid, id) > (select last_xid, last_id from audit_checkpoints where number = 1)",
        "delete from audit_checkpoints where number > 1",
    ):
        alone = await audit.verify(system)
        assert (alone.faults, alone.checkpoints) == ((), 1)
        found = await audit.verify(system, outside=kept)
    assert [(one.kind, one.checkpoint) for one in found.faults] == [(audit.Kind.CUT_OFF, kept.number)]


async def test_AU_05_a_long_transaction_holds_sealing_back_and_the_lag_shows(
    system: System, owner: asyncpg.Connection
) -> None:
    transaction = owner.transaction()
    await transaction.start()
    await owner.execute("select pg_current_xact_id()")
    await _write(system, "thg_behind")
    CLOCK.advance(61)
    assert await audit.seal(system) == []
    assert await audit.lag(system) >= timedelta(seconds=61)
    async with system.tx() as tx:
        (shown,) = await sealing.measure(system, tx)
    assert (shown.name, shown.value >= 61, shown.labels) == ("isthmus_audit_unsealed_seconds", True, {})
    assert (await audit.verify(system)).unsealed == 1
    await transaction.rollback()
    (one,) = await audit.seal(system)
    assert len(one.leaves) == 1
    assert await audit.lag(system) == timedelta()


async def test_AU_05_whoever_runs_it_is_alarmed_after_a_minute_and_once(
    system: System, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    turns, told, stop = [59, 2, 30], list[int](), asyncio.Event()
    transaction = owner.transaction()
    await transaction.start()
    await owner.execute("select pg_current_xact_id()")
    await _write(system, "thg_late")
    assert system.engine.part(audit.Settings).late == timedelta(seconds=60)

    async def next_turn(*_: object, **__: object) -> None:
        told.append(sum("is unsealed since" in one.message for one in caplog.records))
        if len(told) == 3:
            await transaction.rollback()
        if len(told) > 3:
            stop.set()
        CLOCK.advance(turns.pop(0) if turns else 0)

    monkeypatch.setattr(sealing, "first_of", next_turn)
    async with asyncio.timeout(30):
        await sealing.seal_on(system, stop)
    assert told[:3] == [0, 0, 1], "at once, after 59 seconds, after 61"
    assert set(told[3:]) == {1}, "once, and not of what was sealed then"
    assert await audit.lag(system) == timedelta()


async def test_a_checkpoint_holds_no_more_than_a_batch_and_of_two_sealers_one_seals(system: System) -> None:
    await _write(system, *(f"thg_many_{number}" for number in range(20)))
    async with system.tx() as tx:
        assert await store.lock(tx)
        assert await audit.seal(system) == []
    assert [len(one.leaves) for one in await audit.seal(system)] == [8, 8, 4]
    assert (await audit.verify(system)).faults == ()


async def test_VA_09_keys_are_renewed_and_sealed_anew_and_what_they_signed_stays_checkable(system: System) -> None:
    scope = given.platform(system)
    made = await audit.renew_key(scope)
    await _write(system, "thg_new_key")
    assert (await audit.seal(system))[-1].key_id == made.id
    assert (await vault.rotate(system, data=True)).resealed == 2
    assert (await audit.verify(system)).faults == ()


async def test_an_erased_tenants_entries_may_be_gone_and_nobody_elses(
    system: System, owner: asyncpg.Connection
) -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Gone(Event):
        type: ClassVar[str] = "tenant.deletion_started"

    async with given.platform(system).tx() as tx:
        tx.emit(Gone(subject="ten_b"))
    await audit.seal(system)
    async with _undone(owner, "delete from events where tenant_id = 'ten_b'"):
        found = await audit.verify(system)
        assert (found.faults, found.erased >= 9) == ((), True)
    async with _undone(owner, "delete from events where tenant_id = 'ten_a'"):
        assert (await audit.verify(system)).faults[0].kind is audit.Kind.DELETED


async def test_AU_04_each_checkpoint_leaves_the_database(
    system: System, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "head"
    teller = sealing.Teller(audit.Settings(head_file=file))
    caplog.set_level("INFO", "isthmus.audit")
    for subject in ("thg_told", "thg_told_again"):
        await _write(system, subject)
        for one in await audit.seal(system):
            await teller.tell(one)
    lines = file.read_text().splitlines()
    assert audit.read_head(lines[-1]) == await audit.head(system)
    assert len(lines) == 2
    (told,) = [record.getMessage() for record in caplog.records if "sealed up to" in record.message]
    assert redact.text(told) == told, "what is to be kept elsewhere is not hidden as a key would be"
    assert str(audit.read_head(told.split()[-1])) == lines[0].split()[0]
    await sealing.Teller(audit.Settings(head_file=tmp_path / "no" / "folder")).tell(one)
    assert "could not be written" in caplog.text


async def test_AU_02_the_system_deletes_only_rows_of_a_tenant_that_is_being_deleted(
    system: System, owner: asyncpg.Connection
) -> None:
    insert = "insert into tenants (id, name, slug, status, created_at) values ($1, $1, $1, $2, now())"
    await owner.execute(insert, "ten_a", "active")
    await owner.execute(insert, "ten_leaving", "deleting")
    await _write(system, "thg_left", tenant="ten_leaving")
    counts: dict[str, int] = {}
    async with system.tx() as tx:
        for tenant in ("ten_a", "ten_b", "ten_leaving"):
            gone = await tx.fetch_sql("delete from events where tenant_id = $1 returning id", tenant)
            counts[tenant] = len(gone)
    assert counts == {"ten_a": 0, "ten_b": 0, "ten_leaving": 1}
