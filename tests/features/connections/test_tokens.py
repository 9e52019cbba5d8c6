"""Refresh: one at a time over all processes, stored before use, honest about what it does not know (OA-15, PR-06)."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from tests.given import connections as given
from tests.given import forks
from tests.given.connections import World

from isthmus.client import ReauthorizationRequired, RefreshUnavailable, TokenRejected
from isthmus.engine.db import Database
from isthmus.features import connections, vault
from isthmus.features.connections.service.tokens import VaultTokenStore
from isthmus.kit.clock import SYSTEM

TENANT = "ten_refresh"
Process = forks.Process
REFRESHER = Path(__file__).with_name("refresher.py")


@pytest.fixture(scope="module")
async def world(database: Database) -> AsyncIterator[World]:
    async with given.world(database, exchange_deadline=timedelta(seconds=2)) as made:
        yield made


@pytest.fixture(autouse=True)
async def nothing_left(world: World) -> AsyncIterator[None]:
    """An account belongs to one tenant: each test finds them free."""
    world.far.life = 3600
    yield
    await world.clear()


async def call(world: World, connection_id: str) -> int:
    async with connections.session(world.scope(TENANT), connection_id) as session:
        return (await session.client.get("/me")).status


async def expire(world: World, *ids: str) -> None:
    """The access tokens of these connections have run out, as the row says and as every process finds it."""
    async with world.system.tx() as tx:
        sql = "update connections set expires_at = now() - interval '1 minute' where id = any($1::text[])"
        await tx.execute_sql(sql, list(ids))
    clients = world.system.engine.part(connections.Clients)
    for one in ids:
        await clients.drop(TENANT, one)


async def end_lease(world: World, connection_id: str) -> None:
    """The lease ends now instead of after its whole length."""
    async with world.system.tx() as tx:
        await tx.execute_sql("update connections set lease_until = clock_timestamp() where id = $1", connection_id)


async def row(world: World, connection_id: str) -> dict[str, object]:
    async with world.system.tx() as tx:
        sql = (
            "select status, status_reason, token_version, lease_owner, sending_since, previous_refresh, failures "
            "from connections where id = $1"
        )
        return dict((await tx.fetch_sql(sql, connection_id))[0])


async def test_many_callers_of_an_expired_connection_cause_one_refresh(world: World) -> None:
    made = await world.rotor(TENANT, "a")
    await expire(world, made)
    assert await asyncio.gather(*[call(world, made) for _ in range(60)]) == [200] * 60
    assert world.far.counts["refresh"] == 1
    assert (await row(world, made))["token_version"] == 2


async def test_OA_15_the_older_refresh_token_is_kept_until_the_new_access_token_worked(world: World) -> None:
    made = await world.rotor(TENANT, "a")
    await expire(world, made)
    world.far.delay = 0.0
    store = VaultTokenStore(world.scope(TENANT), made)
    lease = await store.lease(30)
    assert lease is not None
    await store.sending(lease)
    assert await store.swap(lease, lease.tokens)
    assert (await row(world, made))["previous_refresh"] is not None
    await store.worked(2)
    assert (await row(world, made))["previous_refresh"] is None


async def test_a_pair_that_the_platform_never_knew_falls_back_to_the_one_before(world: World) -> None:
    made = await world.rotor(TENANT, "a")
    store = VaultTokenStore(world.scope(TENANT), made)
    lease = await store.lease(30)
    assert lease is not None
    await store.sending(lease)
    lost = given.tokens("canary-access-lost", "canary-refresh-lost")
    assert await store.swap(lease, lost)
    await expire(world, made)
    assert await call(world, made) == 200
    assert world.far.refreshes["canary-refresh-lost"] == 1


async def test_a_definitive_refusal_marks_the_connection_expired_at_once(world: World) -> None:
    made = await world.rotor(TENANT, "a")
    world.far.kill("a")
    await expire(world, made)
    with pytest.raises(ReauthorizationRequired):
        await call(world, made)
    found = await row(world, made)
    assert (found["status"], found["lease_owner"]) == ("expired", None)
    assert [event["subject"] for event in await world.events(TENANT, "connection.expired")] == [made]
    with pytest.raises(connections.ConnectionExpired):
        await call(world, made)
    assert world.far.counts["refresh"] == 1
    assert await world.rotor(TENANT, "a") == made
    assert await call(world, made) == 200


async def test_PR_07_a_valid_token_goes_on_being_used_while_the_token_endpoint_is_down(world: World) -> None:
    made = await world.rotor(TENANT, "a")
    assert await call(world, made) == 200
    world.far.mode = "down"
    world.clock.advance(3600 - 100)  # within the margin: a refresh is tried and fails
    assert [await call(world, made) for _ in range(20)] == [200] * 20
    await asyncio.sleep(0.1)
    assert [await call(world, made) for _ in range(5)] == [200] * 5
    assert 1 <= world.far.counts["token"] - world.far.counts["exchange"] <= 2
    await expire(world, made)
    with pytest.raises(RefreshUnavailable):
        await call(world, made)
    world.far.mode = "ok"
    world.clock.advance(600)
    async with world.system.tx() as tx:
        await tx.execute_sql("update connections set retry_at = now()")
    assert await call(world, made) == 200
    assert (await row(world, made))["status"] == "connected"


async def test_a_person_who_tests_a_connection_is_not_held_back_by_a_postponement(world: World) -> None:
    made = await world.rotor(TENANT, "a")
    world.far.mode = "down"
    await expire(world, made)
    with pytest.raises(RefreshUnavailable):
        await call(world, made)
    world.far.mode = "ok"
    tried = (await world.side(TENANT)("POST", f"/api/connections/{made}/test")).json()
    assert tried["success"] is True


async def test_a_token_that_the_platform_calls_dead_is_refreshed_once_and_the_call_replayed(world: World) -> None:
    made = await world.rotor(TENANT, "a")
    assert await call(world, made) == 200
    world.far._access.clear()
    assert await call(world, made) == 200
    assert world.far.counts["refresh"] == 1


async def test_an_exchange_without_an_answer_is_tried_again_later_and_tells_its_cause(world: World) -> None:
    made = await world.rotor(TENANT, "a")
    await expire(world, made)
    world.far.mode = "drop"
    with pytest.raises(RefreshUnavailable):
        await call(world, made)
    found = await row(world, made)
    assert (found["status"], found["failures"], found["sending_since"]) == ("connected", 1, None)
    world.far.mode = "ok"
    tried = (await world.side(TENANT)("POST", f"/api/connections/{made}/test")).json()
    assert tried["error"] == "credentials_refused"
    assert (await row(world, made))["status"] == "expired"


async def test_OA_15_a_pair_whose_sender_died_is_tried_once_and_then_shown_as_uncertain(world: World) -> None:
    made = await world.rotor(TENANT, "a")
    await expire(world, made)
    for uncertain in (False, True):
        dead = VaultTokenStore(world.scope(TENANT), made)
        lease = await dead.lease(30)
        assert lease is not None
        assert lease.uncertain is uncertain
        await dead.sending(lease)
        await end_lease(world, made)
    for _ in range(3):
        with pytest.raises(ReauthorizationRequired, match="uncertain"):
            await call(world, made)
    found = await row(world, made)
    assert found["status"] == "error"
    assert "uncertain" in str(found["status_reason"])
    assert world.far.counts["refresh"] == 0
    assert len(await world.events(TENANT, "connection.uncertain")) == 1
    tried = (await world.side(TENANT)("POST", f"/api/connections/{made}/test")).json()
    assert tried["success"] is True


async def test_the_store_keeps_the_rules_of_its_protocol(world: World) -> None:
    made = await world.rotor(TENANT, "a")
    first, second = (VaultTokenStore(world.scope(TENANT), made) for _ in range(2))
    lease = await first.lease(30)
    assert lease is not None
    assert await second.lease(30) is None
    await first.postponed(lease, world.clock.now())
    other = await second.lease(30)
    assert other is not None
    with pytest.raises(RefreshUnavailable):
        await first.sending(lease)
    await second.postponed(other, world.clock.now() + timedelta(seconds=60))
    with pytest.raises(RefreshUnavailable) as refused:
        await first.lease(30)
    assert 55 < (refused.value.retry_after or 0) <= 60
    assert (await first.load()).version == 1


async def test_waiting_for_a_change_ends_when_it_comes(world: World) -> None:
    made = await world.rotor(TENANT, "a")
    store, other = (VaultTokenStore(world.scope(TENANT), made) for _ in range(2))
    lease = await store.lease(30)
    assert lease is not None
    waiting = asyncio.create_task(other.changed(1, 5.0))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    assert await store.swap(lease, lease.tokens)
    await asyncio.wait_for(waiting, 1.0)


async def test_VA_09_sealed_columns_are_sealed_anew_while_they_are_in_use(world: World) -> None:
    made = await world.rotor(TENANT, "a")
    async with world.system.tx() as tx:
        before = (await tx.fetch_sql("select access_token from connections where id = $1", made))[0][0]
    assert (await vault.rotate(world.system, data=True)).damaged == 0
    async with world.system.tx() as tx:
        after = (await tx.fetch_sql("select access_token from connections where id = $1", made))[0][0]
    assert before != after
    assert await call(world, made) == 200


async def test_TN_11_two_tenants_share_no_client(world: World) -> None:
    made = await world.rotor(TENANT, "a")
    with pytest.raises(connections.ConnectionNotFound):
        async with connections.session(world.scope("ten_other"), made):
            pass


async def test_a_disconnected_connection_answers_no_call(world: World) -> None:
    made = await world.rotor(TENANT, "a")
    async with connections.session(world.scope(TENANT), made) as session:
        await connections.disconnect(world.scope(TENANT), made)
        world.far.kill("a")
        with pytest.raises((ReauthorizationRequired, TokenRejected)):
            await session.client.get("/me")


async def processes(world: World, url: str, callers: int, ids: list[str], count: int) -> list[Process]:
    """Processes of callers, ready to begin."""
    made = []
    for _ in range(count):
        arguments = (str(REFRESHER), url, world.far.url, str(callers), *ids)
        made.append(await forks.process(*arguments, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE))
    for one in made:
        assert one.stdout is not None
        assert await one.stdout.readline() == b"ready\n"
    return made


def begin(one: Process) -> None:
    assert one.stdin is not None
    one.stdin.write(b"\n")
    one.stdin.close()


async def well(one: Process) -> int:
    assert one.stdout is not None
    said = (await one.stdout.read()).decode().strip()
    await one.wait()
    return int(said or 0)


async def storm(world: World, url: str, count: int, callers: int) -> None:
    ids = [await world.rotor(TENANT, f"s{number}") for number in range(count)]
    await expire(world, *ids)
    world.far.delay = 0.05
    running = await processes(world, url, callers, ids, 3)
    for one in running:
        begin(one)
    assert await asyncio.gather(*[well(one) for one in running]) == [callers] * 3
    assert world.far.counts["refresh"] == count
    assert max(world.far.refreshes.values()) == 1


async def test_PR_06_three_processes_refresh_each_expired_connection_once(world: World, database_url: str) -> None:
    await storm(world, database_url, 5, 40)


@pytest.mark.proof
async def test_PR_06_three_processes_of_400_callers_on_20_connections(world: World, database_url: str) -> None:
    await storm(world, database_url, 20, 400)


@pytest.mark.parametrize("blow", [signal.SIGSTOP, signal.SIGKILL])
async def test_OA_15_a_sender_stopped_or_killed_while_sending_causes_one_try_more_and_no_storm(
    world: World, database_url: str, blow: signal.Signals
) -> None:
    made = await world.rotor(TENANT, "stopped")
    await expire(world, made)
    gate = world.far.gate = asyncio.Event()
    sender, successor = await processes(world, database_url, 5, [made], 2)
    begin(sender)
    while not world.far.counts["refresh"]:
        await SYSTEM.sleep(0.02)
    os.kill(sender.pid, blow)
    world.far.gate = None
    await end_lease(world, made)
    begin(successor)
    await well(successor)
    found = await row(world, made)
    assert found["status"] == "expired"
    assert "uncertain" in str(found["status_reason"])
    assert world.far.counts["refresh"] == 2
    gate.set()
    if blow is signal.SIGSTOP:
        os.kill(sender.pid, signal.SIGCONT)
    await well(sender)
    # A late answer of the paused sender is stored; if the platform has ended the grant, that shows at the next call.
    assert world.far.counts["refresh"] <= 3


async def test_OA_15_a_sender_killed_between_the_answer_and_its_commit_ends_as_uncertain(
    world: World, database_url: str
) -> None:
    """The pair that nobody stored is lost; its successor is tried once, told with the true cause, and never again."""
    made = await world.rotor(TENANT, "unstored")
    await expire(world, made)
    (sender,) = await processes(world, database_url, 0, [made], 1)
    begin(sender)
    assert await sender.wait() == -signal.SIGKILL
    assert world.far.counts["refresh"] == 1
    assert (await row(world, made))["sending_since"] is not None
    await end_lease(world, made)
    (successor,) = await processes(world, database_url, 20, [made], 1)
    begin(successor)
    assert await well(successor) == 0
    assert world.far.counts["refresh"] == 2
    found = await row(world, made)
    assert found["status"] == "expired"
    assert "uncertain" in str(found["status_reason"])
    for _ in range(3):
        with pytest.raises(connections.ConnectionExpired):
            await call(world, made)
    assert world.far.counts["refresh"] == 2


async def test_OA_15_a_token_endpoint_that_is_slow_is_given_up_on_before_the_lease_ends(world: World) -> None:
    made = await world.rotor(TENANT, "slow")
    await expire(world, made)
    world.far.gate = asyncio.Event()
    waiting = asyncio.create_task(call(world, made))
    while not world.far.counts["refresh"]:
        await SYSTEM.sleep(0.02)
    async with world.system.tx() as tx:
        (held,) = await tx.fetch_sql(
            "select extract(epoch from lease_until - clock_timestamp()) as left from connections where id = $1", made
        )
    deadline = world.system.engine.part(connections.Settings).exchange_deadline.total_seconds()
    assert held["left"] > deadline, "even now, when some of it is gone, the lease outlives the call"
    assert await VaultTokenStore(world.scope(TENANT), made).lease(30) is None, "nobody else sends meanwhile"
    with pytest.raises((RefreshUnavailable, ReauthorizationRequired)):
        await waiting
    world.far.gate.set()
    world.far.gate = None
    assert world.far.counts["refresh"] == 1
