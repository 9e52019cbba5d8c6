"""What ends somebody's session ends what they opened in it, and what is over is found without looking at all."""

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.given import access as given
from tests.given import vault as house
from tests.given.statements import written_down
from tests.given.waiting import waiting

from isthmus.engine.db import Database, Statement, Tx
from isthmus.features import access
from isthmus.features.access import SessionAuthenticator, SignIn
from isthmus.features.access.service.glasses import GlassAuthenticator, send_out_left
from isthmus.features.access.store import accounts as accounts_store
from isthmus.features.access.store import logins as logins_store
from isthmus.http import Credentials, RequestFacts
from isthmus.http.errors import PermissionDenied
from isthmus.kit.clock import ManualClock
from isthmus.kit.errors import Unauthenticated
from isthmus.kit.paging import Ask
from isthmus.kit.permissions import PLATFORM_TENANT, SUPER_ADMIN, TENANT_ADMIN, USER, Principal
from isthmus.kit.secret import Secret
from isthmus.scope import Scope, System

OLD, NEW = Secret("plenty of dew on the meadow"), Secret("a kite above the quiet bay")
HOME = RequestFacts("req_1", "203.0.113.9")
WHY = access.Why("Orders stand still since noon", "SUP-12")
ENDINGS = ["password reset", "password changed", "signed out", "factor taken away", "removed", "ran out"]


@pytest.fixture(scope="module")
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(scope="module")
def system(database: Database, clock: ManualClock) -> System:
    return given.process(database, clock)


@pytest.fixture(scope="module")
async def boss(system: System) -> Scope:
    return await given.tenant(system, "Endings")


async def _operator(system: System, name: str) -> Scope:
    """A super admin in a session of their own."""
    deployment, email = house.platform(system), f"{name.replace(' ', '-')}@operators.example"
    await access.accept(system, HOME, (await access.invite(deployment, email, [SUPER_ADMIN])).shown, OLD)
    shown = (await access.sign_in(system, HOME, SignIn(PLATFORM_TENANT, email, OLD))).shown
    found = await SessionAuthenticator(system, access.Settings()).verify(Credentials("bearer", shown.reveal()))
    assert found is not None
    assert found.principal.session
    return replace(deployment, principal=found.principal)


async def _end(system: System, operator: Scope, how: str) -> None:
    deployment, user_id = house.platform(system), operator.principal.subject
    match how:
        case "password reset":
            offered = await access.offer_reset(deployment, user_id)
            await access.reset_password(system, HOME, offered.shown, NEW)
        case "password changed":
            await access.change_password(operator, OLD, NEW)
        case "signed out":
            await access.sign_out(operator)
        case "factor taken away":
            await access.offer_factor(operator)
            await access.remove_factor(deployment, user_id)
        case "removed":
            await _operator(system, "who stays")
            await access.remove_member(deployment, user_id)
        case _:
            async with system.tx() as tx:
                await tx.execute_sql("update sessions set ends_at = $2 where user_id = $1", user_id, system.now)


@pytest.mark.parametrize("how", ENDINGS)
async def test_SE_10_SA_01_what_ends_an_operators_session_ends_their_time_inside_tenants(
    system: System, boss: Scope, how: str
) -> None:
    door, operator, other = (
        GlassAuthenticator(system),
        await _operator(system, how),
        await _operator(system, f"{how} 2"),
    )
    broken, kept = [await access.break_glass(one, boss.tenant_id, WHY) for one in (operator, other)]
    assert await door.verify(Credentials("bearer", broken.shown.reveal())) is not None
    await _end(system, operator, how)
    with pytest.raises(Unauthenticated):
        await door.verify(Credentials("bearer", broken.shown.reveal()))
    assert await door.verify(Credentials("bearer", kept.shown.reveal())) is not None
    await send_out_left(system)
    found = {one.id: one for one in (await access.glasses(boss, Ask(limit=100))).items}
    assert not found[broken.glass.id].is_open(system.now)
    assert found[broken.glass.id].ended_by == "system:isthmus:access"
    assert found[kept.glass.id].is_open(system.now)
    for _ in range(2):
        assert await _told(boss, broken.glass.id) == 1
        await send_out_left(system)
    assert await _told(boss, kept.glass.id) == 0


async def _told(boss: Scope, glass_id: str) -> int:
    """How often the tenant reads that this time is over."""
    async with boss.tx() as tx:
        rows = await tx.fetch_sql(
            "select count(*) from events where type = 'operator.left' and subject = $1 and tenant_id = $2",
            glass_id,
            boss.tenant_id,
        )
    count: int = rows[0]["count"]
    return count


_MANY = """
insert into login_attempts (id, browser, issuer, tenant, return_to, until, member)
select int8send(n), int8send(n), 'mall', 'ten_' || n % 50, '/', $2::timestamptz + n * interval '1 millisecond',
       case when n % 10 = 0 then 'usr_' || n % 5000 end
from generate_series(1, $1::int) n on conflict do nothing
"""
_GUESSED = """
insert into sign_in_failures (tenant_id, id, failures, until)
select $3, 'place-' || n, 1, $2::timestamptz + n * interval '1 millisecond' from generate_series(1, $1::int) n
on conflict do nothing
"""
_ENTERED = """
insert into sessions (
  tenant_id, id, digest, created_at, seen_at, ends_at, kind, issuer, subject, roles, proved_at, strong)
select $3, 'ses_' || n, int8send(n), t, t, t + interval '7 days', 'token', 'elsewhere', 'amy', '{}', t, false
from generate_series(1, $1::int) n, lateral (select $2::timestamptz + n * interval '1 millisecond' as t) moment
on conflict do nothing
"""
#: Each statement that looks for few among many, its values, and the index that finds them.
_LOOKING: list[tuple[Statement | str, dict[str, Any] | None, str]] = [
    (logins_store._COUNT, {"tenant": "ten_0", "member": "usr_0"}, "login_attempts_member_idx"),
    (logins_store._SWEEP, None, "login_attempts_until_idx"),
    (accounts_store._SWEEP_FAILURES, None, "sign_in_failures_until_idx"),
    (accounts_store._SWEEP_ENDED, None, "sessions_ends_idx"),
    (accounts_store._SWEEP_IDLE, None, "sessions_seen_idx"),
]


async def _fill(system: System, boss: Scope, rows: int) -> None:
    async with system.tx() as tx:
        await tx.execute_sql(_MANY, rows, system.now)
        await tx.execute_sql(_GUESSED, rows, system.now, boss.tenant_id)
        await tx.execute_sql(_ENTERED, rows, system.now, boss.tenant_id)


async def _plan(tx: Tx, what: Statement | str, values: dict[str, Any] | None, now: Any) -> str:
    if isinstance(what, str):
        sql, given_values = what, [now, 1_000]
    else:
        sql, known = what.sql, {**(values or {}), "now": now}
        given_values = what.bind({name: known[name] for name in ("tenant", "member", "now")})
    return "\n".join(row[0] for row in await tx.fetch_sql(f"explain {sql}", *given_values))


async def _check_plans(system: System) -> None:
    async with system.tx() as tx:
        for what, values, index in _LOOKING:
            plan = await _plan(tx, what, values, system.now)
            assert index in plan, plan
            assert "Seq Scan" not in plan, plan


async def test_OA_20_SE_04_among_many_rows_the_few_are_found_by_an_index(system: System, boss: Scope) -> None:
    await _fill(system, boss, 20_000)
    await _check_plans(system)


async def test_what_is_over_goes_a_thousand_rows_at_a_time(system: System, boss: Scope, clock: ManualClock) -> None:
    clock.advance(timedelta(days=9).total_seconds())
    with written_down() as told:
        await access.sweep(system)
    for name in ("login_attempts", "sign_in_failures", "sessions"):
        gone = [one for one in told if one.lower().split()[:3] == ["delete", "from", name]]
        assert len(gone) > 20
    async with system.tx() as tx:
        for name in ("login_attempts", "sign_in_failures where id like 'place-%'", "sessions"):
            assert (await tx.fetch_sql(f"select count(*) from {name}"))[0][0] == 0  # noqa: S608 - names of ours


@pytest.mark.proof
async def test_OA_20_SE_04_among_a_million_rows_the_few_are_found_by_an_index(system: System, boss: Scope) -> None:
    await _fill(system, boss, 1_000_000)
    await _check_plans(system)


@pytest.mark.parametrize("end", ["removed", "demoted", "limited"])
async def test_SE_10_who_handles_members_no_more_lets_nobody_in_by_what_they_handed_out(
    system: System, boss: Scope, end: str
) -> None:
    """They were shown the invitation and the reset, and have them still."""
    other = await _member(system, boss, f"other-{end}@example.com", USER)
    admin = await _member(system, boss, f"admin-{end}@example.com", TENANT_ADMIN)
    issuer = "isthmus" if end != "limited" else "elsewhere"
    who = Principal("user", admin.id if end != "limited" else "far", issuer, boss.tenant_id, frozenset({TENANT_ADMIN}))
    own, email = replace(boss, principal=who), f"by-{end}@example.com"
    invited, kept = await access.invite(own, email, [TENANT_ADMIN]), await access.invite(boss, f"k-{email}", [USER])
    reset = await access.offer_reset(own, other.id)
    match end:
        case "removed":
            await access.remove_member(boss, admin.id)
        case "demoted":
            await access.change_roles(boss, admin.id, [USER])
        case _:
            await access.limit_account(boss, issuer, "far", [USER])
    with pytest.raises(access.InvitationUnknown):
        await access.accept(system, HOME, invited.shown, OLD)
    with pytest.raises(access.ResetUnknown):
        await access.reset_password(system, HOME, reset.shown, NEW)
    assert (await access.accept(system, HOME, kept.shown, OLD)).id == kept.user.id
    assert (await _removed(boss, invited.user.id)) == {"email": email}
    # the address is free again: who was to come is invited by somebody else
    again = await access.invite(boss, email, [USER])
    assert (await access.accept(system, HOME, again.shown, OLD)).id != invited.user.id


async def test_who_was_removed_can_come_back_and_finds_nothing_of_before(system: System, boss: Scope) -> None:
    email = "back@example.com"
    before = await _member(system, boss, email, USER)
    with pytest.raises(access.EmailTaken):
        await access.invite(boss, email, [USER])
    await access.remove_member(boss, before.id)
    invited = await access.invite(boss, email, [USER])
    with pytest.raises(access.SignInFailed):
        await access.sign_in(system, HOME, SignIn(boss.tenant_id, email, OLD))
    now = await access.accept(system, HOME, invited.shown, NEW)
    assert now.id != before.id
    assert (await access.sign_in(system, HOME, SignIn(boss.tenant_id, email, NEW))).user.id == now.id
    listed = [one.id for one in (await access.members(boss, Ask(limit=100))).items if one.email == email]
    assert listed == [now.id]


async def _member(system: System, boss: Scope, email: str, role: str) -> access.User:
    return await access.accept(system, HOME, (await access.invite(boss, email, [role])).shown, OLD)


async def _removed(boss: Scope, user_id: str) -> Any:
    async with boss.tx() as tx:
        rows = await tx.fetch_sql(
            "select before from events where tenant_id = $1 and type = 'member.removed' and subject = $2",
            boss.tenant_id,
            user_id,
        )
    (row,) = rows
    return row["before"]


@pytest.mark.parametrize("how", ["removed", "roles changed", "of the deployment"])
async def test_MA_05_of_two_admins_who_end_each_other_at_once_one_does(
    database: Database, system: System, boss: Scope, how: str
) -> None:
    home, role = (house.platform(system), SUPER_ADMIN) if "deployment" in how else (boss, TENANT_ADMIN)
    names = [f"{how.replace(' ', '-')}-{number}@example.com" for number in range(2)]
    one, two = [await _seated(system, home, name, role) for name in names]

    def end(actor: Scope, other: Scope) -> Awaitable[object]:
        if how == "roles changed":
            return access.change_roles(actor, other.principal.subject, [USER])
        return access.remove_member(actor, other.principal.subject)

    async with home.tx() as tx:
        await tx.execute_sql("select 1 from users where tenant_id = $1 for update", home.tenant_id)
        ends = [asyncio.ensure_future(end(*pair)) for pair in ((one, two), (two, one))]
        await waiting(database, 2, ends)
    found = await asyncio.gather(*ends, return_exceptions=True)
    refused = [each for each in found if isinstance(each, BaseException)]
    assert [type(each) for each in refused] == [PermissionDenied], refused


async def _seated(system: System, home: Scope, email: str, role: str) -> Scope:
    """A member in a session of their own."""
    await access.accept(system, HOME, (await access.invite(home, email, [role])).shown, OLD)
    shown = (await access.sign_in(system, HOME, SignIn(home.tenant_id, email, OLD))).shown
    found = await SessionAuthenticator(system, access.Settings()).verify(Credentials("bearer", shown.reveal()))
    assert found is not None
    return replace(home, principal=found.principal)


async def test_who_was_removed_is_not_there_for_anything_that_is_done_with_members(system: System, boss: Scope) -> None:
    gone = (await _seated(system, boss, "gone@example.com", USER)).principal.subject
    await access.remove_member(boss, gone)
    for act in (
        access.remove_member(boss, gone),
        access.change_roles(boss, gone, [USER]),
        access.offer_reset(boss, gone),
        access.remove_factor(boss, gone),
    ):
        with pytest.raises(access.MemberNotFound):
            await act
