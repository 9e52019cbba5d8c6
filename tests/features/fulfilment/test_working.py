"""Actions are done once: through lost answers, late effects, other workers and killed ones (PR-08)."""

import asyncio
import itertools
import random
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import asyncpg
import pytest
import pytest_asyncio
from tests.given import caps, dying
from tests.given import fulfilment as given
from tests.given import orders as given_orders
from tests.given import records as given_records
from tests.given.dying import KILLED, Zygote
from tests.given.fulfilment import Platform
from tests.given.signed_in import signed_in
from tests.house_database import Copy

from isthmus.client import CallerMistake, ConnectFailed, Disconnected, ReauthorizationRequired, Throttled, TokenRejected
from isthmus.connect.apart import Crashed
from isthmus.connect.budgets import Overrun
from isthmus.connect.shapes import Order
from isthmus.connect.spi import RawRecord
from isthmus.engine.db import Database
from isthmus.features import fulfilment
from isthmus.features.fulfilment import service
from isthmus.features.fulfilment.errors import (
    ActionInProgress,
    ActionMoved,
    ActionNotAllowed,
    TooManyActions,
    WrongAction,
)
from isthmus.features.fulfilment.service import Asked, far
from isthmus.kit.clock import SYSTEM
from isthmus.kit.errors import Unavailable
from isthmus.scope import System


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    return Platform(tmp_path / "effects")


@pytest_asyncio.fixture
async def base(database: Database, copied: Copy) -> AsyncIterator[Database]:
    yield database
    await _clear(copied)


async def _clear(copied: Copy) -> None:
    admin = await asyncpg.connect(copied.admin_url)
    await admin.execute("truncate order_actions cascade")
    await admin.close()
    await given_orders.clear(copied)


def _once(failure: Exception, platform: Platform | None = None) -> object:
    """Fails the first time; with a platform, after the effect has come about by itself."""
    left = [failure]

    async def fail() -> None:
        if left:
            raise left.pop()
        if platform is not None and "o1" not in platform.effects():
            with platform.place.open("a") as effects:
                effects.write("o1\n")

    return fail


async def test_what_is_done_is_told_once_and_the_order_is_wanted_anew(base: Database, platform: Platform) -> None:
    scope = given.scope(base, platform)
    action = await given.begun(scope)
    done = await given.carried(scope, action.id)
    assert (done.state, done.done, done.failed, platform.effects()) == ("done", 1, 0, ["o1"])
    await fulfilment.work(scope, action.id)
    assert platform.asked == ["o1"]
    told = [one["type"] for one in await given_records.events(scope, "order.action")]
    assert told == ["order.action_requested", "order.action_done"]
    async with scope.tx() as tx:
        wanted = await tx.fetch_sql("select external_id from sync_refreshes where tenant_id = $1", scope.tenant_id)
    assert [row["external_id"] for row in wanted] == ["o1"]


@pytest.mark.parametrize(
    "failure",
    [ConnectFailed(), Throttled("slow", retry_after=0.001), Disconnected(sent=False)],
    ids=lambda one: type(one).__name__,
)
async def test_what_was_not_sent_is_sent_again_without_a_look(
    base: Database, platform: Platform, failure: Exception
) -> None:
    platform.before = _once(failure)  # type: ignore[assignment] # an async function
    scope = given.scope(base, platform, settle=timedelta(hours=1))
    done = await given.carried(scope, (await given.begun(scope)).id)
    assert (done.state, platform.effects(), len(platform.asked)) == ("done", ["o1"], 2)


async def test_RL_05_actions_asked_for_at_the_same_moment_keep_to_the_bound(base: Database, platform: Platform) -> None:
    scope = given.scope(base, platform, live=3)
    found = [await given.ordered(scope, f"o{number}") for number in range(6)]
    pack = Asked(given.PACK)
    asked = await asyncio.gather(*(fulfilment.push(scope, one, pack) for one in found), return_exceptions=True)
    refused = [one for one in asked if isinstance(one, TooManyActions)]
    assert [(one.status, one.details) for one in refused] == [(429, {"limit": 3})] * 3
    assert await caps.shown(scope, "fulfilment.live") == (3, 3)
    done = next(one for one in asked if isinstance(one, fulfilment.OrderAction))
    await given.carried(scope, done.id)
    with pytest.raises(TooManyActions):
        await fulfilment.push_many(scope, [one for one in found if one != done.order_id][-2:], pack)


async def test_PR_11_a_lost_answer_is_looked_after_and_not_sent_again(base: Database, platform: Platform) -> None:
    platform.behind = _once(Disconnected(sent=True))  # type: ignore[assignment] # as above
    scope = given.scope(base, platform)
    done = await given.carried(scope, (await given.begun(scope)).id)
    assert (done.state, done.status_after, platform.asked) == ("done", "ready_to_ship", ["o1"])


async def test_what_clearly_has_not_happened_is_sent_again(base: Database, platform: Platform) -> None:
    platform.before = _once(Disconnected(sent=True))  # type: ignore[assignment] # as above
    scope = given.scope(base, platform)
    done = await given.carried(scope, (await given.begun(scope)).id)
    assert (done.state, platform.effects(), len(platform.asked)) == ("done", ["o1"], 2)


async def test_a_late_effect_makes_the_refusal_of_the_repeat_no_refusal(base: Database, platform: Platform) -> None:
    platform.before = _once(Disconnected(sent=True), platform)  # type: ignore[assignment] # as above
    scope = given.scope(base, platform)
    done = await given.carried(scope, (await given.begun(scope)).id)
    assert (done.state, platform.effects(), len(platform.asked)) == ("done", ["o1"], 2)


async def test_PR_11_what_nobody_can_tell_is_a_persons(base: Database, platform: Platform) -> None:
    platform.blind, platform.careless = True, True
    platform.behind = _once(Disconnected(sent=True))  # type: ignore[assignment] # as above
    scope = given.scope(base, platform)
    unsure = await given.carried(scope, (await given.begun(scope)).id)
    assert (unsure.state, platform.effects()) == ("unsure", ["o1"])
    with pytest.raises(ActionInProgress):
        await fulfilment.push(scope, unsure.order_id, Asked(given.PACK))
    ended = await service.dismiss(scope, unsure.id, happened=True)
    assert (ended.state, ended.error_code) == ("done", "RESOLVED_BY_HAND")
    with pytest.raises(ActionMoved):
        await service.dismiss(scope, unsure.id, happened=False)


class _Endless:
    """Reads an order, and computes over it for ever."""

    async def fetch(self, _session: object, _entity: str, external_id: str) -> RawRecord:
        return RawRecord(external_id, b"{}")

    def map_order(self, _record: RawRecord, _account: object) -> Order:
        while True:
            pass


async def test_PL_04_an_order_over_which_the_connector_computes_for_ever_ends_its_own_look(
    base: Database, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(far, "SECONDS", 0.05)
    session = SimpleNamespace(account=None)
    with pytest.raises(Overrun):
        await far._Connected(session, platform, _Endless(), _Endless()).look("o1")  # type: ignore[arg-type]

    def endless(_action: object, _order: object = None) -> bool:
        while True:
            pass

    scope = given.scope(base, platform, max_attempts=2)
    action = await given.begun(scope)
    platform.behind = _once(Disconnected(sent=True))  # type: ignore[assignment] # as above
    monkeypatch.setattr(platform, "shows", endless)
    doubtful = await given.carried(scope, action.id)
    assert (doubtful.state, doubtful.error_code, platform.asked) == ("unsure", "CONNECTOR_FAULT", ["o1"])
    monkeypatch.setattr(platform, "check", endless)
    with pytest.raises(ActionNotAllowed, match="did not come to an end"):
        await given.begun(scope, "o2")
    (possible, *_) = await service.possible(scope, await given.ordered(scope, "o3"))
    assert "did not come to an end" in possible.why_not


async def test_PL_05_where_the_connectors_own_process_has_died_the_caller_is_told_to_come_back(
    base: Database, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    def died(_action: object) -> str:
        raise Crashed("its process ended")

    scope = given.scope(base, platform)
    monkeypatch.setattr(platform, "check", died)
    with pytest.raises(Unavailable, match="connector failed"):
        await given.begun(scope, "o4")
    (possible, *_) = await service.possible(scope, await given.ordered(scope, "o5"))
    assert "connector failed" in possible.why_not


async def test_a_no_ends_it_and_it_can_be_tried_again(base: Database, platform: Platform) -> None:
    platform.before = _once(CallerMistake("not today", code="closed"))  # type: ignore[assignment] # as above
    scope = given.scope(base, platform)
    refused = await given.carried(scope, (await given.begun(scope)).id)
    assert (refused.state, refused.error_code, refused.error_message) == ("refused", "closed", "not today")
    waiting = await fulfilment.retry(scope, refused.id)
    assert (waiting.state, waiting.forced) == ("waiting", False)
    assert (await given.carried(scope, refused.id)).state == "done"


async def test_a_platform_that_stays_away_is_given_up_and_nothing_is_in_doubt(
    base: Database, platform: Platform
) -> None:
    async def away() -> None:
        raise ConnectFailed

    platform.before = away
    scope = given.scope(base, platform, max_attempts=3)
    refused = await given.carried(scope, (await given.begun(scope)).id)
    assert (refused.state, refused.error_code, len(platform.asked)) == ("refused", "CONNECT_FAILED", 3)


async def test_a_dead_sign_in_parks_it_until_the_account_is_connected_again(base: Database, platform: Platform) -> None:
    platform.before = _once(ReauthorizationRequired("gone"))  # type: ignore[assignment] # as above
    scope = given.scope(base, platform)
    parked = await given.carried(scope, (await given.begun(scope)).id)
    assert (parked.state, parked.parked, parked.error_code) == ("waiting", True, "CONNECTION_EXPIRED")
    await fulfilment.work(scope, parked.id)
    assert len(platform.asked) == 1
    async with System(scope.engine, SYSTEM).tx() as tx:
        await service.connected(tx, scope.tenant_id, "con_one")
    assert (await given.carried(scope, parked.id)).state == "done"


async def test_what_an_old_sign_in_refuses_while_there_is_a_new_one_goes_on_by_itself(
    base: Database, platform: Platform
) -> None:
    """The new sign-in was told while the call was still under way: nobody would wake what is parked after it."""
    platform.before = _once(ReauthorizationRequired("gone"))  # type: ignore[assignment] # as above
    scope = given.scope(base, platform)
    begun = await given.begun(scope)
    async with signed_in(base, scope.tenant_id):
        await fulfilment.work(scope, begun.id)
    told, _ = await fulfilment.action(scope, begun.id)
    assert (told.state, told.parked, told.error_code) == ("waiting", False, "CONNECTION_EXPIRED")
    assert told.retry_at is not None


async def test_fresh_tokens_that_are_refused_are_tried_again_though_nobody_signs_in(
    base: Database, platform: Platform
) -> None:
    platform.before = _once(TokenRejected("gone"))  # type: ignore[assignment] # as above
    scope = given.scope(base, platform)
    waits = await given.begun(scope)
    await fulfilment.work(scope, waits.id)
    told, _ = await fulfilment.action(scope, waits.id)
    assert (told.state, told.parked, told.error_code) == ("waiting", False, "CONNECTION_EXPIRED")
    assert told.retry_at is not None
    async with System(scope.engine, SYSTEM).tx() as tx:
        await service.connected(tx, scope.tenant_id, "con_one")
    assert (await given.carried(scope, waits.id)).state == "done"


async def test_a_worker_that_lost_its_action_writes_nothing(base: Database, platform: Platform) -> None:
    scope = given.scope(base, platform)
    action = await given.begun(scope)
    held, go = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        held.set()
        await go.wait()

    platform.behind = slow
    first = asyncio.create_task(fulfilment.work(scope, action.id))
    await held.wait()
    await scope.clock.sleep(0.05)
    done = await given.carried(scope, action.id)
    go.set()
    await first
    assert (done.state, platform.asked) == ("done", ["o1"])
    assert (await fulfilment.action(scope, action.id))[0] == done
    told = [one["type"] for one in await given_records.events(scope, "order.action_done")]
    assert len(told) == 1


async def test_one_that_ends_its_workers_is_set_aside_for_a_person(base: Database, platform: Platform) -> None:
    scope = given.scope(base, platform, max_deaths=2)
    action = await given.begun(scope)
    async with scope.tx() as tx:
        await tx.execute_sql(
            "update order_actions set state = 'sending', deaths = 1, lease_until = clock_timestamp() - interval '1 s'"
            " where tenant_id = $1",
            scope.tenant_id,
        )
    await fulfilment.work(scope, action.id)
    unsure, _ = await fulfilment.action(scope, action.id)
    assert (unsure.state, unsure.error_code, platform.asked) == ("unsure", "ACTION_ENDS_WORKERS", [])


async def test_what_waits_can_be_taken_back_and_ends_with_its_connection(base: Database, platform: Platform) -> None:
    scope = given.scope(base, platform)
    action = await given.begun(scope)
    assert (await service.cancel(scope, action.id)).state == "cancelled"
    await fulfilment.work(scope, action.id)
    with pytest.raises(ActionMoved):
        await service.cancel(scope, action.id)
    other = await given.begun(scope, "o2")
    async with System(scope.engine, SYSTEM).tx() as tx:
        await service.disconnected(tx, scope.tenant_id, "con_one", scope.now)
    await fulfilment.work(scope, other.id)
    assert (await fulfilment.action(scope, other.id))[0].state == "cancelled"
    assert platform.asked == []


async def test_a_request_that_may_have_left_is_not_taken_back(base: Database, platform: Platform) -> None:
    platform.behind = _once(Disconnected(sent=True))  # type: ignore[assignment] # as above
    scope = given.scope(base, platform, settle=timedelta(hours=1))
    action = await given.begun(scope)
    await fulfilment.work(scope, action.id)
    with pytest.raises(ActionMoved):
        await service.cancel(scope, action.id)
    assert (await fulfilment.action(scope, action.id))[0].state == "waiting"


async def test_an_order_that_cannot_be_packed_is_not_asked_for(base: Database, platform: Platform) -> None:
    scope = given.scope(base, platform)
    order_id = await given.ordered(scope)
    await given_orders.write(scope, given_orders.order("o1", status=given.SENT, platform_status="SENT"))
    with pytest.raises(ActionNotAllowed, match="ready_to_ship"):
        await fulfilment.push(scope, order_id, Asked(given.PACK))
    fresh = await given.ordered(scope, "o2")
    with pytest.raises(WrongAction):
        await fulfilment.push(scope, fresh, Asked(given.PACK, details={"trackingNumber": "wrong"}))
    with pytest.raises(WrongAction):
        await fulfilment.push(scope, fresh, Asked(given.PACK, details={"speed": "fast"}))


async def test_lost_wake_ups_are_found_and_old_actions_forgotten(base: Database, platform: Platform) -> None:
    scope = given.scope(base, platform, keep=timedelta(days=1))
    action = await given.begun(scope)
    async with scope.tx() as tx:
        await tx.execute_sql(
            "update order_actions set changed_at = changed_at - interval '1 h' where tenant_id = $1", scope.tenant_id
        )
    system = System(scope.engine, SYSTEM)
    async with system.tx() as tx:
        assert [wake.key for wake in await service.missing(system, tx)] == [action.id]
    await given.carried(scope, action.id)
    async with scope.tx() as tx:
        await tx.execute_sql(
            "update order_actions set finished_at = finished_at - interval '2 d' where tenant_id = $1", scope.tenant_id
        )
    await service.prune(system)
    assert (await fulfilment.actions(scope, service.ActionFilter(), given.ALL)).items == []


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def zygote(copied: Copy) -> AsyncIterator[Zygote]:
    async with dying.zygote("tests.given.fulfilment_killed", copied.url) as carry_out:
        yield carry_out


async def _killed(base: Database, copied: Copy, zygote: Zygote, place: Path, boundaries: list[int]) -> int:
    """An action whose workers are killed there, one after another; how many were."""
    await _clear(copied)
    platform = Platform(place)
    platform.begin()
    scope = given.scope(base, platform)
    action = await given.begun(scope)
    killed = 0
    for boundary in boundaries:
        order = {"action": action.id, "effects": str(place), "boundary": boundary}
        result = await zygote(order)
        assert result in {0, KILLED}
        killed += result == KILLED
        await scope.clock.sleep(0.04)
    done = await given.carried(scope, action.id)
    assert (done.state, platform.effects()) == ("done", ["o1"])
    told = [one["type"] for one in await given_records.events(scope, "order.action")]
    assert told == ["order.action_requested", "order.action_done"]
    return killed


async def test_PR_08_a_worker_killed_at_any_statement_does_nothing_twice_and_loses_nothing(
    base: Database, copied: Copy, zygote: Zygote, tmp_path: Path
) -> None:
    for seed in range(3):
        draw = random.Random(seed)
        boundaries = [draw.randint(2, 50) for _ in range(3)]
        await _killed(base, copied, zygote, tmp_path / "far", boundaries)


@pytest.mark.proof
async def test_PR_08_a_worker_killed_at_every_statement_does_nothing_twice(
    base: Database, copied: Copy, zygote: Zygote, tmp_path: Path
) -> None:
    for boundary in itertools.count(1):
        if not await _killed(base, copied, zygote, tmp_path / "far", [boundary]):
            break
    assert boundary > 20
    for first, second in itertools.product(range(4, boundary, 3), repeat=2):
        await _killed(base, copied, zygote, tmp_path / "far", [first, second])
