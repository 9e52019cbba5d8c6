"""The audit log shows a tenant its own changes, and nothing can change what it shows."""

from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

import asyncpg
import pytest
from tests.given import vault as given

from isthmus.engine.db import Database
from isthmus.features import audit
from isthmus.http import RequestFacts
from isthmus.kit.clock import ManualClock
from isthmus.kit.errors import Invalid
from isthmus.kit.events import Event
from isthmus.kit.paging import Ask
from isthmus.scope import System


@dataclass(frozen=True, slots=True, kw_only=True)
class Renamed(Event):
    type: ClassVar[str] = "thing.renamed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen(Event):
    type: ClassVar[str] = "thing.seen"
    audited: ClassVar[bool] = False


CLOCK = ManualClock()
START = CLOCK.now()


@pytest.fixture(scope="module")
async def system(database: Database) -> System:
    """Ten changes by two people a minute apart, each with a record of a run beside it."""
    made = given.process(database, clock=CLOCK)
    for number in range(10):
        scope = given.scope(made, "ten_a", subject=f"usr_{number % 2}")
        async with scope.tx() as tx:
            tx.emit(Renamed(subject=f"thg_{number % 3}", before={"name": "a"}, after={"name": "b", "api_key": "k"}))
            tx.emit(Seen(subject="thg_0"))
        CLOCK.advance(60)
    async with given.scope(made, "ten_b").tx() as tx:
        tx.emit(Renamed(subject="thg_0"))
    return made


async def found(system: System, ask: Ask = Ask(limit=100), **filters: object) -> list[audit.Entry]:  # noqa: B008
    wanted = audit.Filters(**filters)  # type: ignore[arg-type] # the tests name them well
    return (await audit.entries(given.scope(system, "ten_a"), ask, wanted)).items


async def test_AU_06_an_entry_says_who_from_where_what_and_the_change(system: System) -> None:
    entry = (await found(system))[-1]
    assert (entry.type, entry.actor, entry.subject) == ("thing.renamed", "user:test:usr_0", "thg_0")
    assert (entry.address, entry.request_id, entry.at) == ("203.0.113.9", "req_1", START)
    assert (entry.route, entry.on_behalf_of) == ("POST /api/things/{id}", "")
    assert (entry.before, entry.after) == ({"name": "a"}, {"name": "b", "api_key": "k"})


async def test_the_newest_come_first_and_records_of_runs_are_not_among_them(system: System) -> None:
    entries = await found(system)
    assert len(entries) == 10
    assert [entry.at for entry in entries] == sorted((entry.at for entry in entries), reverse=True)


async def test_filters_narrow(system: System) -> None:
    assert len(await found(system, actor="user:test:usr_1")) == 5
    assert len(await found(system, subject="thg_0")) == 4
    assert len(await found(system, type="thing.renamed")) == 10
    assert await found(system, type="thing.seen") == []
    first, third = START, START + timedelta(minutes=3)
    assert len(await found(system, starts=first, ends=third)) == 3


async def test_pages_go_through_all_without_a_gap_while_new_changes_come(system: System) -> None:
    scope = given.scope(system, "ten_paged")
    for number in range(7):
        async with scope.tx() as tx:
            tx.emit(Renamed(subject=f"thg_{number}"))
        CLOCK.advance(1)
    seen: list[str] = []
    place: str | None = None
    for _ in range(4):
        page = await audit.entries(scope, Ask(limit=2, after=place), audit.Filters())
        seen += [entry.subject for entry in page.items]
        place = page.next_after
        async with scope.tx() as tx:
            tx.emit(Renamed(subject="thg_late"))
    assert seen == [f"thg_{number}" for number in range(6, -1, -1)]
    assert place is None


async def test_an_offset_skips(system: System) -> None:
    everything = await found(system)
    assert await found(system, Ask(limit=3, offset=2)) == everything[2:5]


async def test_TN_01_another_tenants_changes_do_not_show(system: System) -> None:
    page = await audit.entries(given.scope(system, "ten_b"), Ask(), audit.Filters())
    assert len(page.items) == 1
    assert not {entry.id for entry in page.items} & {entry.id for entry in await found(system)}


async def test_a_place_that_is_none_is_refused(system: System) -> None:
    with pytest.raises(Invalid):
        await found(system, Ask(after="evt_0"))


@pytest.mark.parametrize("statement", ["update events set actor = 'nobody'", "delete from events", "truncate events"])
async def test_AU_02_a_tenants_role_cannot_change_the_log(system: System, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with given.scope(system, "ten_a").tx() as tx:
            await tx.execute_sql(statement)


@pytest.mark.parametrize("statement", ["update events set actor = 'nobody'", "truncate events"])
async def test_AU_02_not_even_the_systems_role_can_rewrite_the_log(system: System, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with system.tx() as tx:
            await tx.execute_sql(statement)


async def test_a_page_is_read_by_the_index_of_audited_rows(database: Database) -> None:
    scope = given.scope(given.process(database, clock=CLOCK), "ten_busy")
    async with scope.tx() as tx:
        tx.emit(*[Seen(subject="thg") for _ in range(3000)])
        tx.emit(Renamed(subject="thg"))
    async with scope.tx() as tx:
        await tx.execute_sql("set local enable_seqscan = off")
        plan = await tx.fetch_sql(
            "explain select id from events where tenant_id = 'ten_busy' and audited and day = 'infinity'"
            " order by id desc limit 51"
        )
    told = "\n".join(row[0] for row in plan)
    assert "Index Scan Backward using kept_tenant_id_id_idx on kept" in told
    assert "day_" not in told


async def test_AU_06_what_was_refused_is_kept_with_who_asked_and_how_often(system: System) -> None:
    refusals = audit.Refusals(system, audit.Settings())
    scope = given.scope(system, "ten_refused")
    facts = RequestFacts("req_9", "203.0.113.9")
    for _ in range(3):
        refusals.note(scope.principal, facts, "DELETE /api/tenant/members/{id}", "PERMISSION_DENIED")
    refusals.note(scope.principal, facts, "GET /api/audit/export", "STEP_UP_REQUIRED")
    await refusals.flush()
    await refusals.flush()
    found = (await audit.entries(scope, Ask(), audit.Filters(type="access.refused"))).items
    kept = {one.subject: (dict(one.body), one.actor, one.address, one.request_id) for one in found}
    assert len(found) == 2
    assert kept == {
        "GET /api/audit/export": ({"code": "STEP_UP_REQUIRED", "times": 1}, scope.principal.id, *_HERE),
        "DELETE /api/tenant/members/{id}": ({"code": "PERMISSION_DENIED", "times": 3}, scope.principal.id, *_HERE),
    }
    for number in range(1_500):
        refusals.note(scope.principal, facts, f"GET /{number}", "PERMISSION_DENIED")
    assert len(refusals._waiting) == 1_000


_HERE = ("203.0.113.9", "req_9")
