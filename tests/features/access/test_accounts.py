"""Built-in accounts: passwords, invitations, sessions, wrong tries (security.md SE-*)."""

import asyncio
import statistics
import threading
import time
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from tests.given import access as given
from tests.given import vault as house
from tests.given.statements import written_down

from isthmus.engine.db import Database
from isthmus.features import access
from isthmus.features.access import Hasher, SessionAuthenticator, SignIn, Wanted
from isthmus.features.access.model import accounts as model
from isthmus.features.access.service import accounts, hashing, linking, proving
from isthmus.features.access.service.glasses import GlassAuthenticator
from isthmus.features.access.service.hashing import NOBODY, is_old
from isthmus.features.access.store import accounts as accounts_store
from isthmus.http import Credentials, RequestFacts
from isthmus.http.errors import PermissionDenied
from isthmus.kit.clock import ManualClock
from isthmus.kit.errors import Invalid, Unauthenticated, Unavailable
from isthmus.kit.paging import Ask
from isthmus.kit.permissions import PLATFORM_TENANT, SUPER_ADMIN, TENANT_ADMIN, USER, Principal
from isthmus.kit.secret import Secret
from isthmus.scope import Scope, System

GOOD = Secret("plenty of dew on the meadow")
HOME = RequestFacts("req_1", "203.0.113.9")
AWAY = RequestFacts("req_2", "198.51.100.7")


@pytest.fixture(scope="module")
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(scope="module")
def system(database: Database, clock: ManualClock) -> System:
    return given.process(database, clock)


@pytest.fixture(scope="module")
async def boss(system: System) -> Scope:
    return await given.tenant(system, "People")


async def _join(system: System, boss: Scope, email: str, *roles: str) -> access.User:
    invited = await access.invite(boss, email, roles or [USER])
    return await access.accept(system, HOME, invited.shown, GOOD)


async def _enter(system: System, boss: Scope, email: str, said: Secret = GOOD, facts: RequestFacts = HOME) -> Secret:
    return (await access.sign_in(system, facts, SignIn(boss.tenant_id, email, said))).shown


async def _who(system: System, shown: Secret) -> Principal:
    door = SessionAuthenticator(system, access.Settings())
    found = await door.verify(Credentials("bearer", shown.reveal()))
    assert found is not None
    return found.principal


def test_SE_01_a_password_is_kept_whole_and_in_one_form() -> None:
    assert model.read_password(Secret("e\u0301" * 5 + "abcdefg")) == Secret("\u00e9" * 5 + "abcdefg")
    long = "abcdefgh" * 16
    assert model.read_password(Secret(long)) == Secret(long)
    for wrong in (long + "i", "abcdefghijk", "aaaaaaaaaaaaaaa", "Password1234", "amy.smith plus more"):
        with pytest.raises(Invalid):
            model.read_password(Secret(wrong), model.near("amy.smith@example.com"))


@pytest.mark.parametrize("email", ["", "a", "a@b", "a b@example.com", "a@@example.com", "@example.com", "a@example.c"])
def test_what_is_no_address_is_refused(email: str) -> None:
    with pytest.raises(Invalid):
        model.read_email(email)


@pytest.mark.parametrize("roles", [[], ["super_admin"], ["user", "nobody"]])
def test_no_member_is_a_super_admin(roles: list[str]) -> None:
    with pytest.raises(Invalid):
        model.read_roles(roles)


def test_SE_04_the_wait_grows_with_every_wrong_try_and_is_bounded() -> None:
    waits = [model.delay(tries).total_seconds() for tries in range(40)]
    assert waits[:6] == [0, 0, 0, 1, 2, 4]
    assert waits == sorted(waits)
    assert waits[-1] == 900


async def _kept(boss: Scope, user_id: str) -> str:
    async with boss.tx() as tx:
        found = await accounts_store.known(tx, user_id=user_id)
    assert found is not None
    assert found.hash is not None
    return found.hash


async def test_SE_01_a_hash_is_argon2id_and_an_old_one_is_made_anew(system: System, boss: Scope) -> None:
    user = await _join(system, boss, "old@example.com")
    old = Argon2id(salt=b"some salt of old", length=32, iterations=1, lanes=1, memory_cost=8192)
    weak = old.derive_phc_encoded(GOOD.reveal().encode())
    hasher = system.engine.part(Hasher)
    fresh = await hasher.hash(GOOD)
    assert (is_old(fresh), is_old(weak), is_old(NOBODY)) == (False, True, False)
    assert not await hasher.fits(GOOD, NOBODY)
    assert fresh != await hasher.hash(GOOD)
    async with boss.tx() as tx:
        await accounts_store.update_hash(tx, user.id, weak)
    with pytest.raises(access.SignInFailed):
        await _enter(system, boss, "old@example.com", Secret("some other words here"))
    assert await _kept(boss, user.id) == weak, "who guesses wrong changes nothing"
    await _enter(system, boss, "OLD@example.com ")
    upgraded = await _kept(boss, user.id)
    assert not is_old(upgraded)
    await _enter(system, boss, "old@example.com")
    assert await _kept(boss, user.id) == upgraded, "once is enough"


async def test_SE_02_a_crowd_is_told_to_come_back(system: System) -> None:
    hasher = Hasher()
    try:
        many = await asyncio.gather(*[hasher.fits(GOOD, "$no$hash") for _ in range(110)], return_exceptions=True)
    finally:
        hasher.close()
    assert sum(isinstance(one, Unavailable) for one in many) == 8


async def test_SE_02_two_are_hashed_at_once_and_the_loop_never_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes that do not end: the loop goes on all the same, and no third one has begun."""
    begun, most, two, free, lock = 0, 0, threading.Event(), threading.Event(), threading.Lock()

    def endless(*_: str) -> bool:
        nonlocal begun, most
        with lock:
            begun += 1
            most = max(most, begun)
            if begun == 2:
                two.set()
        free.wait(30)
        with lock:
            begun -= 1
        return False

    monkeypatch.setattr(hashing, "_fits", endless)
    hasher = Hasher()
    try:
        waiting = [asyncio.create_task(hasher.fits(GOOD, NOBODY)) for _ in range(500)]
        assert await asyncio.to_thread(two.wait, 30)
        refused = [one for one in waiting if one.done()]
        assert len(refused) == 398
        assert all(isinstance(one.exception(), Unavailable) for one in refused)
        assert {getattr(one.exception(), "retry_after", None) for one in refused} == {2}
        free.set()
        await asyncio.gather(*waiting, return_exceptions=True)
    finally:
        free.set()
        hasher.close()
    assert most == 2


async def test_SE_03_whoever_is_not_there_costs_as_much(
    system: System, boss: Scope, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same statements and one hash of the same cost; what they take is then the same."""
    await _join(system, boss, "there@example.com")
    await access.invite(boss, "invited-only@example.com", [USER])
    gone = await _join(system, boss, "gone@example.com")
    await access.remove_member(boss, gone.id)
    hashed: list[str] = []
    real = hashing._fits

    def counting(password: str, kept: str) -> bool:
        hashed.append(kept.rpartition("$")[0].rpartition("$")[0])
        return real(password, kept)

    monkeypatch.setattr(hashing, "_fits", counting)
    asked = []
    for email in ("there@example.com", "nowhere@example.com", "invited-only@example.com", "gone@example.com"):
        clock.advance(1000)
        with written_down() as statements, pytest.raises(access.SignInFailed):
            await _enter(system, boss, email, Secret("some other words here"))
        asked.append(statements)
    clock.advance(1000)
    with written_down() as statements, pytest.raises(access.SignInFailed):
        await access.sign_in(system, HOME, SignIn("ten_nowhere", "there@example.com", Secret("some other words here")))
    asked.append([one.replace(PLATFORM_TENANT, boss.tenant_id) for one in statements])
    assert asked[0]
    assert all(one == asked[0] for one in asked)
    assert hashed == [NOBODY.rpartition("$")[0].rpartition("$")[0]] * 5


@pytest.mark.proof
async def test_SE_03_whoever_is_not_there_takes_as_long_within_a_tenth(
    system: System, boss: Scope, clock: ManualClock
) -> None:
    """Medians of real hashes, side by side: what one refusal takes, all threads together."""
    await _join(system, boss, "timed@example.com")
    await access.invite(boss, "timed-invited@example.com", [USER])
    gone = await _join(system, boss, "timed-gone@example.com")
    await access.remove_member(boss, gone.id)
    names = {
        **dict.fromkeys(("timed", "nobody", "timed-invited", "timed-gone"), boss.tenant_id),
        "of no tenant": "ten_nowhere",
    }
    took = {name: list[float]() for name in names}
    for _ in range(60):
        for name, place in names.items():
            clock.advance(1000)
            begun = time.process_time()
            with pytest.raises(access.SignInFailed):
                asked = SignIn(place, f"{name}@example.com", Secret("some other words here"))
                await access.sign_in(system, HOME, asked)
            took[name].append(time.process_time() - begun)
    medians = {name: statistics.median(times) for name, times in took.items()}
    assert medians["timed"] > 0.005, "a hash was computed"
    ratios = {name: median / medians["timed"] for name, median in medians.items()}
    assert all(0.9 < ratio < 1.1 for ratio in ratios.values()), ratios


@pytest.mark.proof
@pytest.mark.timeout(3600)
async def test_SC_05_a_known_and_an_unknown_address_take_the_same_time_within_a_twentieth(
    system: System, boss: Scope
) -> None:
    """Two thousand wrong tries at each, from ever other networks; neighbours in time are compared."""
    await _join(system, boss, "weighed@example.com")
    longer, both = list[float](), list[float]()
    for number in range(2_000):
        took: dict[str, float] = {}
        for name in ("weighed", "never-was") if number % 2 else ("never-was", "weighed"):
            there = RequestFacts("req_1", f"198.{18 + number // 65_536}.{number // 256 % 256}.{number % 256}")
            begun = time.perf_counter()
            with pytest.raises(access.SignInFailed):
                await _enter(system, boss, f"{name}@example.com", Secret("some other words here"), there)
            took[name] = time.perf_counter() - begun
        longer.append(took["weighed"] - took["never-was"])
        both += took.values()
    assert abs(statistics.median(longer)) / statistics.median(both) < 0.05


async def test_every_refusal_of_a_sign_in_is_the_same(system: System, boss: Scope, clock: ManualClock) -> None:
    await _join(system, boss, "same@example.com")
    await access.invite(boss, "invited@example.com", [USER])
    said = set()
    for tenant, email, word in (
        (boss.tenant_id, "same@example.com", "wrong words altogether"),
        (boss.tenant_id, "invited@example.com", GOOD.reveal()),
        (boss.tenant_id, "nobody@example.com", GOOD.reveal()),
        ("ten_nowhere", "same@example.com", GOOD.reveal()),
        ("platform", "same@example.com", GOOD.reveal()),
    ):
        with pytest.raises(access.SignInFailed) as refused:
            await access.sign_in(system, HOME, SignIn(tenant, email, Secret(word)))
        said.add((refused.value.message, str(refused.value.details)))
    assert len(said) == 1


async def test_SE_04_wrong_tries_hold_up_their_own_network_and_nobody_else(
    system: System, boss: Scope, clock: ManualClock
) -> None:
    await _join(system, boss, "target@example.com")
    for _ in range(3):
        with pytest.raises(access.SignInFailed):
            await _enter(system, boss, "target@example.com", Secret("guess guess guess"), AWAY)
    with pytest.raises(access.SignInTooSoon) as held:
        await _enter(system, boss, "target@example.com", GOOD, AWAY)
    assert held.value.retry_after == 1
    assert await _enter(system, boss, "target@example.com")
    clock.advance(1)
    assert await _enter(system, boss, "target@example.com", GOOD, AWAY)


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """A password that is compared in no time: what is measured is how many guesses come that far."""
    monkeypatch.setattr(hashing, "_fits", lambda password, _: password == GOOD.reveal())


async def _guesses(system: System, boss: Scope, clock: ManualClock, email: str, networks: int, each: int) -> float:
    """Hours until each of so many networks has had so many guesses at one account."""
    facts = [RequestFacts(f"req_{one}", f"203.0.{one // 250}.{one % 250}") for one in range(networks)]
    left, began = dict.fromkeys(facts, each), clock.now()
    while left:
        for one in list(left):
            try:
                await _enter(system, boss, email, Secret(f"guess {left[one]} of many"), one)
            except access.SignInTooSoon:
                continue
            except access.SignInFailed:
                left[one] -= 1
            if not left[one]:
                del left[one]
        clock.advance(60)
    return (clock.now() - began).total_seconds() / 3600


async def _guessed_at(system: System, boss: Scope, clock: ManualClock, email: str, networks: int, each: int) -> float:
    await _join(system, boss, email)
    await _enter(system, boss, email)
    hours = await _guesses(system, boss, clock, email, networks, each)
    with pytest.raises(access.SignInFailed):
        await _enter(system, boss, email, Secret("a slip of the finger"))
    assert await _enter(system, boss, email), "from where the owner is known nothing has changed"
    first = RequestFacts("req_new", "198.51.100.200")
    assert await _enter(system, boss, email, GOOD, first), "nobody's first try waits for what others did"
    return hours


@pytest.mark.usefixtures("cheap")
async def test_SE_04_guessers_on_many_networks_are_slowed_and_lock_nobody_out(
    system: System, boss: Scope, clock: ManualClock
) -> None:
    assert await _guessed_at(system, boss, clock, "many@example.com", 80, 3) > 0.25


@pytest.mark.proof
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("cheap")
async def test_SE_04_ten_thousand_guesses_from_a_thousand_networks_take_hours(
    system: System, boss: Scope, clock: ManualClock
) -> None:
    assert await _guessed_at(system, boss, clock, "botnet@example.com", 1000, 10) > 2


async def test_SE_04_a_network_is_known_for_a_quarter_and_strangers_are_forgotten_after_a_quiet_day(
    system: System, boss: Scope, clock: ManualClock
) -> None:
    await _join(system, boss, "quarter@example.com")
    await _enter(system, boss, "quarter@example.com")
    scope = replace(boss, address=HOME.address)

    async def strange() -> bool:
        async with scope.tx() as tx:
            return (await proving.tries_of(scope, tx, "quarter@example.com")).strangers is not None

    assert not await strange()
    clock.advance(89 * 86400)
    await accounts.sweep(system)
    assert not await strange()
    clock.advance(2 * 86400)
    assert await strange()
    with pytest.raises(access.SignInFailed):
        await _enter(system, boss, "quarter@example.com", Secret("some other words here"), AWAY)
    clock.advance(90_000)
    await accounts.sweep(system)
    async with scope.tx() as tx:
        assert not await accounts_store.failures_at(tx, [model.place_of_strangers("quarter@example.com")])


async def test_an_invitation_serves_once_and_not_for_ever(system: System, boss: Scope, clock: ManualClock) -> None:
    once = await access.invite(boss, "once@example.com", [USER])
    with pytest.raises(Invalid):
        await access.accept(system, HOME, once.shown, Secret("short"))
    await access.accept(system, HOME, once.shown, GOOD)
    late = await access.invite(boss, "late@example.com", [USER])
    clock.advance(7 * 86400)
    for shown in (once.shown, late.shown, Secret("isi_" + "A" * 43), Secret("x")):
        with pytest.raises(access.InvitationUnknown):
            await access.accept(system, HOME, shown, GOOD)
    with pytest.raises(access.EmailTaken):
        await access.invite(boss, "ONCE@example.com", [USER])


async def test_SE_05_a_session_is_kept_as_a_digest_and_is_new_at_every_sign_in(system: System, boss: Scope) -> None:
    user = await _join(system, boss, "session@example.com", TENANT_ADMIN)
    one, two = await _enter(system, boss, "session@example.com"), await _enter(system, boss, "session@example.com")
    assert one != two
    who = await _who(system, one)
    assert (who.id, who.tenant_id) == (f"user:isthmus:{user.id}", boss.tenant_id)
    assert who.roles == {TENANT_ADMIN}
    async with boss.tx() as tx:
        rows = await tx.fetch_sql("select s::text as row from sessions s union all select u::text from users u")
        events = await tx.fetch_sql("select e::text as row from events e")
    kept = " ".join(row["row"] for row in (*rows, *events))
    assert one.reveal() not in kept
    assert GOOD.reveal() not in kept


async def test_SE_05_a_session_ends_unused_after_hours_and_used_after_days(
    system: System, boss: Scope, clock: ManualClock
) -> None:
    await _join(system, boss, "idle@example.com")
    shown = await _enter(system, boss, "idle@example.com")
    for _ in range(16):
        clock.advance(10 * 3600)
        await _who(system, shown)
    clock.advance(9 * 3600)
    with pytest.raises(Unauthenticated):
        await _who(system, shown)
    unused = await _enter(system, boss, "idle@example.com")
    clock.advance(12 * 3600)
    with pytest.raises(Unauthenticated):
        await _who(system, unused)


async def test_SE_05_signing_out_a_new_password_and_removal_end_every_session(system: System, boss: Scope) -> None:
    user = await _join(system, boss, "ends@example.com")
    own = Scope(boss.tenant_id, Principal("user", user.id, "isthmus", boss.tenant_id), boss.engine, boss.clock)
    other = Secret("another meadow entirely")

    async def leaves(word: Secret, end: object) -> None:
        shown = [await _enter(system, boss, "ends@example.com", word) for _ in range(2)]
        await end  # type: ignore[misc] # a coroutine
        for each in shown:
            with pytest.raises(Unauthenticated):
                await _who(system, each)

    await leaves(GOOD, access.sign_out(own))
    with pytest.raises(access.SignInFailed):
        await access.change_password(own, other, GOOD)
    await leaves(GOOD, access.change_password(own, GOOD, other))
    await leaves(other, access.remove_member(boss, user.id))
    with pytest.raises(access.SignInFailed):
        await _enter(system, boss, "ends@example.com", other)


async def test_AK_04_a_demoted_members_session_and_keys_shrink_and_a_removed_ones_are_void(
    system: System, boss: Scope
) -> None:
    user = await _join(system, boss, "maker@example.com", TENANT_ADMIN)
    who = Principal("user", user.id, "isthmus", boss.tenant_id, frozenset({TENANT_ADMIN}))
    maker = Scope(boss.tenant_id, who, boss.engine, boss.clock)
    made = await access.create_key(maker, Wanted(name="Till", permissions=["products:read", "sync:trigger"]))
    door = access.KeyAuthenticator(system, access.LastUsed(system, access.Settings()))
    session = await _enter(system, boss, "maker@example.com")

    async def reach() -> frozenset[str]:
        found = await door.verify(Credentials("key", made.shown.reveal()))
        assert found is not None
        return found.principal.permissions

    assert await reach() == {"products:read", "sync:trigger"}
    await access.change_roles(boss, user.id, [USER])
    assert await reach() == {"products:read"}
    assert (await _who(system, session)).roles == {USER}
    await access.remove_member(boss, user.id)
    assert await reach() == set()


async def test_AK_04_a_key_made_while_its_maker_is_demoted_shrinks_too(system: System, boss: Scope) -> None:
    user = await _join(system, boss, "racing@example.com", TENANT_ADMIN)
    let_in = await _who(system, await _enter(system, boss, "racing@example.com"))
    maker = Scope(boss.tenant_id, let_in, boss.engine, boss.clock)
    door = access.KeyAuthenticator(system, access.LastUsed(system, access.Settings()))
    wanted = Wanted(name="Race", permissions=["products:read", "sync:trigger"])
    made = await asyncio.gather(
        *(access.create_key(maker, wanted) for _ in range(4)),
        access.change_roles(boss, user.id, [USER]),
        *(access.create_key(maker, wanted) for _ in range(4)),
        return_exceptions=True,
    )
    keys = [one for one in made if isinstance(one, access.Made)]
    others = [one for one in made if not isinstance(one, access.Made | access.User)]
    assert all(isinstance(one, PermissionDenied) for one in others), others
    for key in keys:
        found = await door.verify(Credentials("key", key.shown.reveal()))
        assert found is not None
        assert found.principal.permissions == {"products:read"}


async def test_AK_04_what_a_tenant_leaves_somebody_of_another_issuer_holds_for_keys_made_a_moment_later(
    system: System, boss: Scope
) -> None:
    far = Principal("user", "far", "https://far.example", boss.tenant_id, frozenset({TENANT_ADMIN}))
    maker = Scope(boss.tenant_id, far, boss.engine, boss.clock)
    await access.limit_account(boss, "https://far.example", "far", [USER])
    with pytest.raises(access.KeyExceedsCreator):
        await access.create_key(maker, Wanted(name="Late", permissions=["products:read", "sync:trigger"]))


async def test_JT_10_an_operator_who_is_removed_is_out_of_every_tenant(system: System, boss: Scope) -> None:
    deployment = house.platform(system)
    going, staying = [
        await _join(system, deployment, f"{name}@operators.example", SUPER_ADMIN) for name in ("going", "staying")
    ]
    why = access.Why("Orders stand still since noon", "SUP-12")
    door, shown = GlassAuthenticator(system), []
    for who in (going.id, staying.id, "of-another-issuer"):
        operator = replace(deployment, principal=Principal("user", who, "isthmus", PLATFORM_TENANT))
        shown.append((await access.break_glass(operator, boss.tenant_id, why)).shown.reveal())
    for token in shown:
        assert await door.verify(Credentials("bearer", token)) is not None
    await access.remove_member(deployment, going.id)
    with pytest.raises(Unauthenticated):
        await door.verify(Credentials("bearer", shown[0]))
    for token in shown[1:]:
        assert await door.verify(Credentials("bearer", token)) is not None


async def test_nobody_changes_or_removes_themselves_or_a_strangers_member(system: System, boss: Scope) -> None:
    user = await _join(system, boss, "self@example.com", TENANT_ADMIN)
    own = Scope(boss.tenant_id, Principal("user", user.id, "isthmus", boss.tenant_id), boss.engine, boss.clock)
    stranger = await given.tenant(system, "Strangers")
    for scope, refusal in ((own, access.NotYourself), (stranger, access.MemberNotFound)):
        with pytest.raises(refusal):
            await access.change_roles(scope, user.id, [USER])
        with pytest.raises(refusal):
            await access.remove_member(scope, user.id)
    assert (await access.members(stranger, Ask())).items == []
    assert user.id in [one.id for one in (await access.members(boss, Ask(limit=100))).items]


async def test_what_is_over_is_forgotten(system: System, boss: Scope, clock: ManualClock) -> None:
    await _join(system, boss, "swept@example.com")
    await _enter(system, boss, "swept@example.com")
    clock.advance(timedelta(days=8).total_seconds())
    await access.sweep(system)
    with pytest.raises(access.SignInFailed):
        await _enter(system, boss, "swept@example.com", Secret("some other words here"))

    async def left() -> list[int]:
        async with boss.tx() as tx:
            rows = await tx.fetch_sql(
                "select count(*) from sessions union all "
                "select count(*) from sign_in_failures where until <= $1 union all "
                "select count(*) from sign_in_failures",
                clock.now(),
            )
        return [row["count"] for row in rows]

    clock.advance(timedelta(days=2).total_seconds())
    await access.sweep(system)
    sessions, tries, notes = await left()
    assert (sessions, tries) == (0, 0)
    assert notes, "from where an account was entered is known for a quarter"
    clock.advance(timedelta(days=91).total_seconds())
    await access.sweep(system)
    assert await left() == [0, 0, 0]


async def test_MA_05_an_admin_who_is_none_any_more_changes_nobody(system: System, boss: Scope) -> None:
    """Their request was let in a moment before."""
    was = await _join(system, boss, "was@example.com", TENANT_ADMIN)
    other = await _join(system, boss, "other@example.com")
    let_in = await _who(system, await _enter(system, boss, "was@example.com"))
    late = Scope(boss.tenant_id, let_in, boss.engine, boss.clock)
    assert (await access.change_roles(late, other.id, [TENANT_ADMIN])).roles == (TENANT_ADMIN,)
    kept = await access.create_key(late, Wanted(name="Early", permissions=["products:read"]))
    await access.change_roles(boss, was.id, [USER])
    for act in (
        access.change_roles(late, other.id, [USER]),
        access.remove_member(late, other.id),
        access.invite(late, "third@example.com", [TENANT_ADMIN]),
        access.offer_reset(late, other.id),
        access.remove_factor(late, other.id),
        linking.unlink_of(late, other.id, "lgn_any"),
        access.limit_account(late, "https://elsewhere.example", "somebody", [USER]),
        access.free_account(late, "acc_any"),
        access.create_key(late, Wanted(name="Late", permissions=["products:read"])),
        access.rotate_key(late, kept.key.id),
    ):
        with pytest.raises(PermissionDenied):
            await act
    await access.remove_member(boss, was.id)
    with pytest.raises(PermissionDenied):
        await access.remove_member(late, other.id)
