"""Passwords set anew, and single sessions ended (security.md SE-05, SE-10)."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.given import access as given

from isthmus.engine.db import Database
from isthmus.features import access
from isthmus.features.access import SessionAuthenticator, SignIn
from isthmus.features.access.errors import SessionEnded
from isthmus.features.access.service import sessions
from isthmus.http import Credentials, RequestFacts
from isthmus.kit.clock import ManualClock
from isthmus.kit.errors import Invalid, Unauthenticated
from isthmus.kit.permissions import TENANT_ADMIN, USER, Principal
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


async def test_SE_10_a_reset_lists_the_keys_that_are_to_be_looked_through(system: System, boss: Scope) -> None:
    eve = await _join(system, boss, "keys@example.com")
    await access.change_roles(boss, eve.id, [TENANT_ADMIN])
    own = replace(boss, principal=Principal("user", eve.id, "isthmus", boss.tenant_id, frozenset({TENANT_ADMIN})))
    kept, gone = [
        await access.create_key(own, access.Wanted(name=name, permissions=["products:read"]))
        for name in ("Till", "Old")
    ]
    await access.create_key(boss, access.Wanted(name="Other", permissions=["products:read"]))
    await access.revoke_key(own, gone.key.id)
    offered = await access.offer_reset(boss, eve.id)
    await access.reset_password(system, HOME, offered.shown, NEW)
    async with boss.tx() as tx:
        (row,) = await tx.fetch_sql(
            "select body from events where tenant_id = $1 and type = 'member.password_reset' and subject = $2",
            boss.tenant_id,
            eve.id,
        )
    assert row["body"] == {"keys": [{"id": kept.key.id, "name": "Till", "last4": kept.key.last4}]}


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


async def test_SE_04_wrong_tries_to_change_a_password_wait_as_those_to_sign_in_do(
    system: System, boss: Scope, clock: ManualClock
) -> None:
    cat = await _join(system, boss, "changing@example.com")
    who = await _who(system, await _enter(system, boss, "changing@example.com", OLD))
    own = Scope(boss.tenant_id, who, boss.engine, boss.clock, address=HOME.address)
    with pytest.raises(access.SignInTooSoon):
        for _ in range(20):
            with pytest.raises(access.SignInFailed):
                await access.change_password(own, NEW, OLD)
    with pytest.raises(access.SignInTooSoon):
        await access.change_password(own, OLD, NEW)
    clock.advance(timedelta(minutes=15).total_seconds())
    await access.change_password(own, OLD, NEW)
    assert (await _who(system, await _enter(system, boss, "changing@example.com", NEW))).subject == cat.id


async def test_SE_05_a_session_that_has_ended_is_called_so_where_it_is_believed_for_a_moment_more(
    system: System, boss: Scope
) -> None:
    await _join(system, boss, "ending@example.com")
    shown = await _enter(system, boss, "ending@example.com", OLD)
    own = Scope(boss.tenant_id, await _who(system, shown), boss.engine, boss.clock, address=HOME.address)
    fresh = await access.change_password(own, OLD, NEW, shown)
    assert fresh is not None
    assert (await _who(system, fresh)).session == own.principal.session
    with pytest.raises(SessionEnded):
        await sessions.prove(own, shown, sessions.Proof(said=NEW))


@pytest.mark.parametrize("end", ["reset", "removed"])
async def test_SE_05_who_signs_in_while_the_password_is_set_anew_has_no_session_of_the_old_one(
    system: System, boss: Scope, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    email = f"{end}-meanwhile@example.com"
    dan = await _join(system, boss, email)
    offered, hasher = await access.offer_reset(boss, dan.id), system.engine.part(access.Hasher)
    fits = hasher.fits

    async def slowly(password: Secret, kept: str) -> bool:
        found = await fits(password, kept)
        if end == "reset":
            await access.reset_password(system, HOME, offered.shown, NEW)
        else:
            await access.remove_member(boss, dan.id)
        return found

    monkeypatch.setattr(hasher, "fits", slowly)
    with pytest.raises(access.SignInFailed):
        await _enter(system, boss, email, OLD)
    async with boss.tx() as tx:
        rows = await tx.fetch_sql(
            "select count(*) from sessions where tenant_id = $1 and user_id = $2", boss.tenant_id, dan.id
        )
    assert rows[0]["count"] == 0


async def test_SE_04_a_place_that_is_none_has_its_waits_too(system: System, boss: Scope) -> None:
    away = RequestFacts("req_3", "198.51.100.44")
    told: list[list[str]] = []
    for place in (boss.tenant_id, "ten_nowhere"):
        told.append([])
        for _ in range(8):
            with pytest.raises((access.SignInFailed, access.SignInTooSoon)) as refused:
                await access.sign_in(system, away, SignIn(place, "nobody@example.com", OLD))
            told[-1].append(type(refused.value).__name__)
    assert told[0] == told[1]
    assert "SignInTooSoon" in told[0]
