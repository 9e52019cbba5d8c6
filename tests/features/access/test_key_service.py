"""API keys: kept as a digest, never beyond their maker, rotated with an overlap, revoked for good (AK-*)."""

import asyncio
import hmac
import statistics
import time
from datetime import timedelta

import pytest
from tests.given import access as given
from tests.given import caps
from tests.given import vault as house
from tests.given.statements import written_down

from isthmus.engine.db import Database
from isthmus.features import access
from isthmus.features.access import KeyAuthenticator, LastUsed, Made, Mode, TenantStatus, Wanted
from isthmus.features.access.model import keys as model
from isthmus.http import Credentials
from isthmus.kit import ids
from isthmus.kit.clock import ManualClock
from isthmus.kit.errors import Invalid, Unauthenticated, Unavailable
from isthmus.kit.paging import Ask
from isthmus.kit.permissions import TENANT_ADMIN, USER
from isthmus.kit.secret import Secret
from isthmus.scope import Scope, System

BOTH = ["products:read", "sync:trigger"]


@pytest.fixture(scope="module")
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(scope="module")
def system(database: Database, clock: ManualClock) -> System:
    return given.process(database, clock)


@pytest.fixture(scope="module")
async def amy(system: System) -> Scope:
    return await given.tenant(system)


@pytest.fixture(scope="module")
async def closed(database_url: str, clock: ManualClock) -> System:
    """A process whose database cannot be asked anything."""
    gone = await Database.connect(database_url, size=1)
    await gone.close()
    return given.process(gone, clock)


def _door(system: System) -> KeyAuthenticator:
    return KeyAuthenticator(system, LastUsed(system, access.Settings()))


def _shown(key: Secret | str) -> Credentials:
    return Credentials("key", key if isinstance(key, str) else key.reveal())


async def _make(scope: Scope, *permissions: str, **more: object) -> Made:
    return await access.create_key(scope, Wanted(name="Till", permissions=permissions or BOTH, **more))  # type: ignore[arg-type] # fields by name


async def _may(system: System, made: Made) -> frozenset[str]:
    verified = await _door(system).verify(_shown(made.shown))
    assert verified is not None
    return verified.principal.permissions


async def test_a_key_signs_in_as_itself_for_its_tenant(system: System, amy: Scope) -> None:
    made = await _make(amy, "products:read")
    verified = await _door(system).verify(_shown(made.shown))
    assert verified is not None
    who = verified.principal
    assert (who.id, who.tenant_id) == (f"key:isthmus:{made.key.id}", amy.tenant_id)
    assert (who.may(given.READ), who.may(given.TRIGGER)) == (True, False)
    assert not who.roles


async def test_AK_02_the_key_itself_is_kept_nowhere(system: System, amy: Scope) -> None:
    made = await _make(amy)
    shown = made.shown.reveal()
    async with system.tx() as tx:
        rows = await tx.fetch_sql("select k::text as row from api_keys k where id = $1", made.key.id)
        events = await tx.fetch_sql("select e::text as row from events e where subject = $1", made.key.id)
    kept = " ".join(row["row"] for row in (*rows, *events))
    assert shown not in kept
    assert shown[13:-4] not in kept
    assert made.key.prefix in kept
    assert events


async def test_AK_03_every_refusal_is_the_same(system: System, amy: Scope, clock: ManualClock) -> None:
    revoked, expired = await _make(amy), await _make(amy, expires_at=clock.now() + timedelta(seconds=5))
    await access.revoke_key(amy, revoked.key.id)
    clock.advance(5)
    unknown = model.form(Mode.LIVE, ids.base62(32))
    texts = set()
    for shown in (unknown, revoked.shown, expired.shown, "isk_live_no", "", "é" * 47):
        with pytest.raises(Unauthenticated) as refused:
            await _door(system).verify(_shown(shown))
        texts.add((refused.value.message, str(refused.value.details)))
    assert len(texts) == 1


async def test_AK_03_a_refused_key_costs_the_same_work_whatever_is_wrong(
    system: System, amy: Scope, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    revoked, expired = await _make(amy), await _make(amy, expires_at=clock.now() + timedelta(seconds=5))
    shut = await given.tenant(system, "Shut")
    suspended = await _make(shut)
    await access.revoke_key(amy, revoked.key.id)
    await access.set_status(house.platform(system), shut.tenant_id, status=TenantStatus.SUSPENDED)
    clock.advance(5)
    compared: list[tuple[int, int]] = []
    real = hmac.compare_digest

    def counting(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return real(one, other)

    monkeypatch.setattr("isthmus.features.access.service.entering.hmac.compare_digest", counting)
    asked = []
    for shown in (model.form(Mode.LIVE, ids.base62(32)), revoked.shown, expired.shown, suspended.shown):
        with written_down() as statements, pytest.raises(Unauthenticated):
            await _door(system).verify(_shown(shown))
        asked.append(statements)
    assert asked[0]
    assert all(one == asked[0] for one in asked)
    assert compared == [(32, 32)] * 4


@pytest.mark.proof
async def test_AK_03_a_refused_key_takes_the_same_time_whatever_is_wrong(
    system: System, amy: Scope, clock: ManualClock
) -> None:
    """Medians of 2,000 each, asked in turn; what two unknown keys differ by is the noise."""
    revoked, expired = await _make(amy), await _make(amy, expires_at=clock.now() + timedelta(seconds=5))
    await access.revoke_key(amy, revoked.key.id)
    shut = await given.tenant(system, "Shut for the measure")
    suspended = await _make(shut)
    await access.set_status(house.platform(system), shut.tenant_id, status=TenantStatus.SUSPENDED)
    clock.advance(5)
    kinds = {
        "unknown": model.form(Mode.LIVE, ids.base62(32)),
        "another unknown": model.form(Mode.LIVE, ids.base62(32)),
        "revoked": revoked.shown,
        "expired": expired.shown,
        "of another tenant": suspended.shown,
    }
    door, took = _door(system), {name: list[float]() for name in kinds}
    for number in range(2_200):
        for name, shown in kinds.items():
            begun = time.perf_counter()
            with pytest.raises(Unauthenticated):
                await door.verify(_shown(shown))
            if number >= 200:
                took[name].append(time.perf_counter() - begun)
    medians = {name: statistics.median(times) * 1e6 for name, times in took.items()}
    noise = abs(medians["unknown"] - medians["another unknown"])
    most = max(3 * noise, 0.05 * medians["unknown"])
    assert max(medians.values()) - min(medians.values()) <= most, medians


async def test_RL_02_a_key_without_the_checksum_costs_no_statement(closed: System) -> None:
    door = _door(closed)
    good = model.form(Mode.LIVE, "A" * 32).reveal()
    for shown in (good[:-1] + "!", good[:-1], "isk_live_" + "A" * 38, good + "A", "whatever"):
        with pytest.raises(Unauthenticated):
            await door.verify(_shown(shown))
    with pytest.raises(Unavailable):
        await door.verify(_shown(good))
    assert await door.verify(Credentials("bearer", good)) is None


@pytest.mark.proof
async def test_RL_02_a_hundred_thousand_guessed_keys_cost_less_than_20_us_each(closed: System) -> None:
    door = _door(closed)
    guesses = [_shown(f"isk_live_{number:038}") for number in range(100_000)]
    started = time.process_time()
    for guess in guesses:
        with pytest.raises(Unauthenticated):
            await door.verify(guess)
    assert (time.process_time() - started) / len(guesses) < 20e-6


async def test_AK_04_nobody_makes_a_key_that_may_more_than_they_do(amy: Scope) -> None:
    clerk = given.as_user(amy)
    with pytest.raises(access.KeyExceedsCreator) as refused:
        await _make(clerk)
    assert refused.value.details == {"permissions": ["sync:trigger"]}
    mighty = await _make(amy)
    with pytest.raises(access.KeyExceedsCreator):
        await access.rotate_key(clerk, mighty.key.id)
    with pytest.raises(Invalid):
        await _make(amy, "keys:manage")


async def test_AK_04_a_key_shrinks_with_its_maker(system: System) -> None:
    boss = await given.tenant(system, "Boss")
    made = await _make(boss)
    assert await _may(system, made) == set(BOTH)
    assert await access.regrade(boss, boss.principal.id, [USER]) == 1
    assert await _may(system, made) == {"products:read"}
    assert await access.regrade(boss, boss.principal.id, []) == 1
    assert await _may(system, made) == set()
    assert await access.regrade(boss, boss.principal.id, [TENANT_ADMIN]) == 1
    assert await _may(system, made) == set(BOTH)
    assert await access.regrade(boss, "user:test:somebody", []) == 0


async def test_AK_05_last_use_is_written_once_a_minute_and_never_moves_back(
    system: System, amy: Scope, clock: ManualClock
) -> None:
    made = await _make(amy)
    here, there = LastUsed(system, access.Settings()), LastUsed(system, access.Settings())
    there.note(amy.tenant_id, made.key.id)
    clock.advance(10)
    door = KeyAuthenticator(system, here)
    for _ in range(20):
        await door.verify(_shown(made.shown))
    assert (await access.key(amy, made.key.id)).last_used_at is None, "only noted so far"
    await here.flush()
    await there.flush()
    assert (await access.key(amy, made.key.id)).last_used_at == clock.now()


async def test_AK_05_what_could_not_be_written_is_written_later(
    system: System, closed: System, amy: Scope, clock: ManualClock
) -> None:
    made = await _make(amy)
    used = LastUsed(closed, access.Settings(keys_remembered=1))
    used.note(amy.tenant_id, made.key.id)
    used.note(amy.tenant_id, "key_beyond_the_bound")
    for _ in range(2):
        with pytest.raises(Unavailable):
            await used.flush()


async def test_AK_05_a_stopping_process_writes_what_it_noted(system: System, amy: Scope, clock: ManualClock) -> None:
    made = await _make(amy)
    used, stop = LastUsed(system, access.Settings()), asyncio.Event()
    used.note(amy.tenant_id, made.key.id)
    work = asyncio.create_task(used.run(stop))
    await asyncio.sleep(0)
    stop.set()
    await work
    assert (await access.key(amy, made.key.id)).last_used_at == clock.now()


async def test_AK_06_both_keys_open_until_the_overlap_ends_and_the_log_names_both(
    system: System, amy: Scope, clock: ManualClock
) -> None:
    old = await _make(amy, "products:read")
    new = await access.rotate_key(amy, old.key.id, timedelta(hours=2))
    assert await _may(system, old) == await _may(system, new) == {"products:read"}
    async with amy.tx() as tx:
        rows = await tx.fetch_sql("select before, after from events where subject = $1", new.key.id)
    assert [(row["before"]["prefix"], row["after"]["prefix"]) for row in rows] == [(old.key.prefix, new.key.prefix)]
    clock.advance(2 * 3600 - 1)
    await _may(system, old)
    clock.advance(1)
    with pytest.raises(Unauthenticated):
        await _may(system, old)
    await _may(system, new)
    assert (await access.key(amy, old.key.id)).replaced_by == new.key.id


async def test_AK_06_only_the_live_end_of_a_chain_is_rotated(amy: Scope) -> None:
    old, gone = await _make(amy), await _make(amy)
    await access.rotate_key(amy, old.key.id)
    await access.revoke_key(amy, gone.key.id)
    for key_id in (old.key.id, gone.key.id):
        with pytest.raises(access.KeyNotActive):
            await access.rotate_key(amy, key_id)
    with pytest.raises(Invalid):
        await access.rotate_key(amy, old.key.id, timedelta(days=8))


async def test_AK_06_two_rotations_at_once_make_one_successor(amy: Scope) -> None:
    old = await _make(amy)
    done = await asyncio.gather(*[access.rotate_key(amy, old.key.id) for _ in range(4)], return_exceptions=True)
    assert sorted(type(one).__name__ for one in done) == ["KeyNotActive"] * 3 + ["Made"]


async def test_AK_07_a_revoked_key_opens_nothing_and_revoking_again_is_told_once(system: System, amy: Scope) -> None:
    made = await _make(amy)
    await access.revoke_key(amy, made.key.id)
    await access.revoke_key(amy, made.key.id)
    with pytest.raises(Unauthenticated):
        await _may(system, made)
    async with amy.tx() as tx:
        rows = await tx.fetch_sql("select type from events where subject = $1 order by type", made.key.id)
    assert [row["type"] for row in rows] == ["api_key.created", "api_key.revoked"]


async def test_a_suspended_tenants_keys_open_nothing(system: System) -> None:
    shop = await given.tenant(system, "Suspended")
    made = await _make(shop)
    await access.set_status(shop, shop.tenant_id, status=access.TenantStatus.SUSPENDED)
    with pytest.raises(Unauthenticated):
        await _may(system, made)
    await access.set_status(shop, shop.tenant_id, status=access.TenantStatus.ACTIVE)
    assert await _may(system, made)


async def test_TN_01_another_tenants_key_is_no_key(system: System, amy: Scope) -> None:
    made = await _make(amy)
    bob = await given.tenant(system, "Bob")
    for refused in (access.key(bob, made.key.id), access.revoke_key(bob, made.key.id)):
        with pytest.raises(access.KeyNotFound):
            await refused
    with pytest.raises(access.KeyNotFound):
        await access.rotate_key(bob, made.key.id)
    assert (await access.keys(bob, Ask())).items == []
    assert await access.regrade(bob, amy.principal.id, []) == 0
    assert await _may(system, made)


async def test_a_tenant_has_a_bounded_number_of_live_keys(database: Database, clock: ManualClock) -> None:
    shop = await given.tenant(given.process(database, clock, access.Settings(keys_per_tenant=2)), "Two")
    first, _ = await _make(shop), await _make(shop)
    with pytest.raises(access.TooManyKeys):
        await _make(shop)
    await access.revoke_key(shop, first.key.id)
    await _make(shop)


async def test_RL_05_keys_that_are_made_at_the_same_moment_keep_to_the_bound(
    database: Database, clock: ManualClock
) -> None:
    shop = await given.tenant(given.process(database, clock, access.Settings(keys_per_tenant=3)), "At once")
    made = await asyncio.gather(*(_make(shop) for _ in range(10)), return_exceptions=True)
    assert sum(isinstance(one, access.Made) for one in made) == 3
    assert sum(isinstance(one, access.TooManyKeys) for one in made) == 7
    assert await caps.shown(shop, "access.keys_per_tenant") == (3, 3)


async def test_keys_are_listed_newest_first_page_by_page(system: System, clock: ManualClock) -> None:
    shop = await given.tenant(system, "Many")
    made = []
    for _ in range(5):
        made.append((await _make(shop)).key.id)
        clock.advance(1)
    first = await access.keys(shop, Ask(limit=2))
    rest = await access.keys(shop, Ask(limit=3, after=first.next_after))
    assert [one.id for one in (*first.items, *rest.items)] == made[::-1]
    assert (first.has_more, rest.has_more, rest.next_after) == (True, False, None)


async def test_SC_05_another_tenants_key_costs_the_same_work_as_none(system: System, amy: Scope) -> None:
    hers, bob = await _make(amy), await given.tenant(system, "Bob")
    asked = []
    for key_id in (hers.key.id, ids.new("key")):
        for act in (access.key, access.revoke_key, access.rotate_key):
            with written_down() as statements, pytest.raises(access.KeyNotFound):
                await act(bob, key_id)
            asked.append(statements)
    assert asked[:3] == asked[3:]
    assert all(asked)
