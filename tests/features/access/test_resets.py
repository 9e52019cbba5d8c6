"""Passwords set anew, and single sessions ended (security.md SE-05, SE-10)."""

from datetime import timedelta

import pytest
from tests.given import access as given

from isthmus.engine.db import Database
from isthmus.features import access
from isthmus.features.access import SessionAuthenticator, SignIn
from isthmus.http import Credentials, RequestFacts
from isthmus.kit.clock import ManualClock
from isthmus.kit.errors import Invalid, Unauthenticated
from isthmus.kit.permissions import USER, Principal
from isthmus.kit.secret import Secret
from isthmus.scope import Scope, System

OLD, NEW = Secret("plenty of dew on the meadow"), Secret("a kite above the quiet bay")
HOME = RequestFacts("req_1", "203.0.113.9")


@pytest.fixture(scope="module")
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(scope="module")
def system(database: Database, clock: ManualClock) -> System:
    return given.process(database, clock)


@pytest.fixture(scope="module")
async def boss(system: System) -> Scope:
    return await given.tenant(system, "Resets")


async def _join(system: System, boss: Scope, email: str) -> access.User:
    return await access.accept(system, HOME, (await access.invite(boss, email, [USER])).shown, OLD)


async def _enter(system: System, boss: Scope, email: str, said: Secret) -> Secret:
    return (await access.sign_in(system, HOME, SignIn(boss.tenant_id, email, said))).shown


async def _who(system: System, shown: Secret) -> Principal:
    found = await SessionAuthenticator(system, access.Settings()).verify(Credentials("bearer", shown.reveal()))
    assert found is not None
    return found.principal


async def test_SE_10_a_reset_sets_the_password_once_and_ends_every_session(system: System, boss: Scope) -> None:
    amy = await _join(system, boss, "amy@example.com")
    session = await _enter(system, boss, "amy@example.com", OLD)
    first, second = await access.offer_reset(boss, amy.id), await access.offer_reset(boss, amy.id)
    with pytest.raises(access.ResetUnknown):
        await access.reset_password(system, HOME, first.shown, NEW)
    with pytest.raises(Invalid):
        await access.reset_password(system, HOME, second.shown, Secret("short"))
    await access.reset_password(system, HOME, second.shown, NEW)
    with pytest.raises(Unauthenticated):
        await _who(system, session)
    with pytest.raises(access.SignInFailed):
        await _enter(system, boss, "amy@example.com", OLD)
    assert (await _who(system, await _enter(system, boss, "amy@example.com", NEW))).subject == amy.id
    with pytest.raises(access.ResetUnknown):
        await access.reset_password(system, HOME, second.shown, OLD)


async def test_SE_10_a_reset_runs_out_and_is_for_members_of_the_tenant_only(
    system: System, boss: Scope, clock: ManualClock
) -> None:
    bob = await _join(system, boss, "bob@example.com")
    late = await access.offer_reset(boss, bob.id)
    clock.advance(timedelta(minutes=30).total_seconds())
    for bearer in (late.shown, Secret("isr_" + "x" * 43), Secret("isr_short"), Secret(late.shown.reveal()[:-1])):
        with pytest.raises(access.ResetUnknown):
            await access.reset_password(system, HOME, bearer, NEW)
    other = await given.tenant(system, "Others")
    with pytest.raises(access.MemberNotFound):
        await access.offer_reset(other, bob.id)
    invited = await access.invite(boss, "new@example.com", [USER])
    with pytest.raises(access.MemberNotActive):
        await access.offer_reset(boss, invited.user.id)
    kept = await access.offer_reset(boss, bob.id)
    await access.remove_member(boss, bob.id)
    with pytest.raises(access.ResetUnknown):
        await access.reset_password(system, HOME, kept.shown, NEW)


async def test_SE_05_one_session_is_ended_and_the_others_go_on(system: System, boss: Scope) -> None:
    cat = await _join(system, boss, "cat@example.com")
    here, there = [await _enter(system, boss, "cat@example.com", OLD) for _ in range(2)]
    own = Scope(boss.tenant_id, await _who(system, here), system.engine, system.clock)
    await access.sign_out(own, here)
    with pytest.raises(Unauthenticated):
        await _who(system, here)
    assert (await _who(system, there)).subject == cat.id
    await access.sign_out(own, Secret("ist_" + "x" * 43))
    assert (await _who(system, there)).subject == cat.id
    await access.sign_out(own)
    with pytest.raises(Unauthenticated):
        await _who(system, there)
