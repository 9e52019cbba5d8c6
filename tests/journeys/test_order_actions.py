"""Orders are acted on at three platforms: once, whatever happens between the request and its answer (PR-08)."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.journeys.deployment import Answer, Deployment, Merchant, deployment
from tests.journeys.process import Up, home, up

from isthmus.connect.abilities import ActionKind, EditField
from isthmus.features import access, fulfilment, pushes
from isthmus.features.access import TenantStatus
from isthmus.kit.permissions import PLATFORM_TENANT, SUPER_ADMIN, system
from isthmus.sandbox import Shop, walk

_QUICK: dict[str, Any] = {
    "FULFILMENT__SETTLE": "PT0.05S",
    "FULFILMENT__BACKOFF": "PT0.05S",
    "FULFILMENT__MAX_BACKOFF": "PT0.2S",
    "FULFILMENT__MAX_ATTEMPTS": "4",
}
_LIVE = {"waiting", "sending"}
#: What is done first with an order of each platform, what it says beside, and the path of the writing call.
_FIRST: dict[str, tuple[str, dict[str, str], str]] = {
    "lazada": ("pack", {}, "*/order/fulfill/pack"),
    "shopee": ("pack", {}, "*/logistics/ship_order"),
    "tiki": ("confirm", {"warehouse": "1034"}, "*/confirm-available"),
}
PLATFORMS = tuple(_FIRST)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Deployment]:
    place: Path = tmp_path_factory.mktemp("home")
    async with deployment(database_url, place, **_QUICK) as made:
        yield made


class Story:
    """The first shop of a platform, its merchant, and an order of theirs that waits for them."""

    def __init__(self, running: Deployment | Up, provider: str, amy: Merchant, connection: str) -> None:
        self.shop: Shop = running.sandbox.shops[provider]
        self.amy, self.connection, self.provider = amy, connection, provider
        self.kind, self.details, self.route = _FIRST[provider]

    async def order(self, state: str = "paid") -> tuple[str, str]:
        """An order that was read: our id and the platform's key. Shopee's is one of a carrier of the platform."""
        key = self.shop.place_order()
        while self.provider == "shopee" and (self.shop.book().order(key) or _NOBODY).serial % 5 == 4:
            key = self.shop.place_order()
        if state != "paid":
            self.shop.move_order(key, state)
        return await self.read(key), key

    async def read(self, key: str) -> str:
        """Have an order read anew; our id of it, once it is there."""
        body = {"connectionId": self.connection, "entity": "orders", "externalId": key}
        assert (await self.amy.call("POST", "/api/sync/refresh", body)).status == 202
        async with asyncio.timeout(60):
            while True:
                found = (await self.amy.call("GET", f"/api/orders?search={key}")).body["items"]
                if found:
                    return str(found[0]["id"])
                await asyncio.sleep(0.02)

    async def push(self, order_id: str, **more: Any) -> dict[str, Any]:
        """Ask for the first thing that is done with an order."""
        body = {"action": self.kind, "details": self.details, **more}
        answer = await self.amy.call("POST", f"/api/orders/{order_id}/push", body)
        assert answer.status == 202, answer.body
        return dict(answer.body)

    async def asked(self, order_id: str, **more: Any) -> Answer:
        """The same, whatever is answered; an error's own part of the body."""
        body = {"action": self.kind, **more}
        answer = await self.amy.call("POST", f"/api/orders/{order_id}/push", body)
        error = answer.body.get("error") or {}
        return Answer(answer.status, answer.headers, error if isinstance(error, dict) and error else answer.body)

    async def allowed(self, order_id: str) -> bool:
        """Whether it can be done now, as the order is stored."""
        found = (await self.amy.call("GET", f"/api/orders/{order_id}/actions")).body["actions"]
        return self.kind in {one["action"] for one in found if one["allowed"]}

    async def forbidden(self, order_id: str) -> None:
        """Until it cannot be done once more, as the order is stored."""
        async with asyncio.timeout(60):
            while True:
                if not await self.allowed(order_id):
                    return
                await asyncio.sleep(0.02)

    async def struck(self, kind: str) -> None:
        """Until a fault has met a request."""
        async with asyncio.timeout(60):
            while True:
                if any(one.fault == kind for one in self.shop.recording.requests):
                    return
                await asyncio.sleep(0.02)

    async def reconnect(self) -> None:
        """Sign in anew."""
        opened = await self.amy.call("POST", f"/api/connections/{self.connection}/reconnect", {})
        async with self.amy.browser.get(opened.body["authorizationUrl"], allow_redirects=False) as answer:
            consent = answer.headers["location"]
        async with self.amy.browser.get(await walk(consent), allow_redirects=False) as answer:
            assert answer.status == 200, await answer.text()

    async def ended(self, action_id: str) -> dict[str, Any]:
        """The action, once it has ended or needs a person."""
        return await self.until(action_id, lambda one: one["state"] not in _LIVE)

    async def until(self, action_id: str, wanted: Any) -> dict[str, Any]:
        """The action, once it is as wanted."""
        async with asyncio.timeout(60):
            while True:
                one: dict[str, Any] = (await self.amy.call("GET", f"/api/orders/actions/{action_id}")).body
                if wanted(one):
                    return one
                await asyncio.sleep(0.02)

    def effects(self, key: str) -> int:
        """How often the platform has done it with this order or with something of it."""
        ours = {key, *self._parts(key)}
        counts = [one.object for one in self.shop.effects.of(None, self.kind) if one.object in ours]
        assert len(set(counts)) == len(counts), "something took effect twice"
        return len(counts)

    def _parts(self, key: str) -> set[str]:
        order = self.shop.book().order(key)
        assert order is not None
        pieces = sum(line.quantity for line in order.lines)
        firsts = {"lazada": 260_422_900_298_363 + order.serial * 10_000, "tiki": 156_000_000 + order.serial * 100}
        return {str(firsts.get(self.provider, 0) + place) for place in range(pieces)}

    async def status(self, order_id: str, wanted: str) -> None:
        """Until the stored order shows this status."""
        async with asyncio.timeout(60):
            while True:
                if (await self.amy.call("GET", f"/api/orders/{order_id}")).body["status"] == wanted:
                    return
                await asyncio.sleep(0.02)


class _Nobody:
    serial = 0


_NOBODY = _Nobody()


@pytest.fixture(params=PLATFORMS)
async def story(request: pytest.FixtureRequest, running: Deployment) -> AsyncIterator[Story]:
    amy, connection = await running.owner(request.param)
    made = Story(running, request.param, amy, connection)
    yield made
    made.shop.faults.clear()


async def test_an_action_is_done_and_the_order_shows_it(story: Story) -> None:
    order_id, key = await story.order()
    assert await story.allowed(order_id)
    begun = await story.push(order_id)
    assert (begun["state"], begun["orderId"], begun["externalId"]) == ("waiting", order_id, key)
    ended = await story.ended(begun["id"])
    assert (ended["state"], ended["failed"], ended["error"]) == ("done", 0, None), ended
    assert story.effects(key) >= 1
    await story.forbidden(order_id)
    again = await story.asked(order_id)
    assert (again.status, again.body["code"]) == (409, "ORDER_ACTION_NOT_ALLOWED"), again.body


_MOMENTS = {
    "lazada": ("drop_reply", "hang", "throttle", "expired_token", "replace"),
    "shopee": ("drop_reply", "hang", "throttle", "expired_token", "cut", "reset", "server_error", "replace"),
    "tiki": ("drop_reply", "hang", "throttle", "expired_token", "replace"),
}


async def test_PR_11_a_bad_moment_makes_it_neither_lost_nor_double(story: Story) -> None:
    for kind in _MOMENTS[story.provider]:
        order_id, key = await story.order()
        story.shop.faults.add(story.route, kind, 1, seconds=0.2)
        ended = await story.ended((await story.push(order_id))["id"])
        assert ended["state"] == "done", (kind, ended)
        assert story.effects(key) >= 1, kind


async def test_it_waits_for_a_dead_sign_in_and_goes_on_by_itself(running: Deployment) -> None:
    amy, connection = await running.owner("tiki")
    story = Story(running, "tiki", amy, connection)
    order_id, key = await story.order()
    story.shop.faults.add(story.route, "revoked_token", 1)
    action = await story.push(order_id)
    parked = await story.until(action["id"], lambda one: one["parked"])
    assert (parked["state"], parked["error"]["code"], story.effects(key)) == ("waiting", "CONNECTION_EXPIRED", 0)
    await story.reconnect()
    assert (await story.ended(action["id"]))["state"] == "done"
    assert story.effects(key) >= 1


async def test_JT_10_what_a_suspended_tenant_wanted_waits_and_goes_on_once_it_is_let_in_again(
    running: Deployment,
) -> None:
    amy, connection = await running.owner("tiki")
    story = Story(running, "tiki", amy, connection)
    order_id, key = await story.order()
    operator = running.platform.scope(PLATFORM_TENANT, system(PLATFORM_TENANT, "journeys"))
    listing_id, variant = await _sold(amy, story)
    await access.set_status(operator, amy.tenant_id, status=TenantStatus.SUSPENDED)
    await _until(amy, "/api/orders", lambda answer: answer.status != 200)
    await _pass(11)
    tenant = running.platform.scope(amy.tenant_id, system(amy.tenant_id, "journeys"))
    want = pushes.Want(listing_id, EditField.PRICE, str(variant["price"]), str(variant["externalId"]))
    price = await pushes.want(tenant, [want])
    action = await fulfilment.push(tenant, order_id, fulfilment.Asked(ActionKind.CONFIRM, details=story.details))
    before = len(story.shop.recording.requests)
    await _pass(11)
    assert len(story.shop.recording.requests) == before
    await access.set_status(operator, amy.tenant_id, status=TenantStatus.ACTIVE)
    await _until(amy, "/api/orders", lambda answer: answer.status == 200)
    assert (await story.ended(action.id))["state"] == "done"
    assert story.effects(key) >= 1
    await _until(amy, f"/api/sync/pushes/{price}", lambda answer: answer.body["finishedAt"] is not None)
    [item] = (await amy.call("GET", f"/api/sync/pushes/{price}/items")).body["items"]
    assert item["state"] == "done", item


async def _sold(amy: Merchant, story: Story) -> tuple[str, dict[str, Any]]:
    """A listing that was read, and its variant with another price than it has."""
    [added] = story.shop.add_product()
    body = {"connectionId": story.connection, "entity": "products", "externalId": added}
    assert (await amy.call("POST", "/api/sync/refresh", body)).status == 202
    found = await _until(amy, "/api/listings?status=active&limit=1", lambda answer: bool(answer.body["items"]))
    listing_id = str(found.body["items"][0]["id"])
    variant = (await amy.call("GET", f"/api/listings/{listing_id}")).body["variants"][0]
    return listing_id, {**variant, "price": int(float(variant["listPrice"])) - 1_000}


async def _pass(tenths: int) -> None:
    for _ in range(tenths):
        await asyncio.sleep(0.1)


async def _until(amy: Merchant, path: str, wanted: Callable[[Answer], bool]) -> Answer:
    """What is answered, once it is as wanted."""
    async with asyncio.timeout(60):
        while True:
            answer = await amy.call("GET", path)
            if wanted(answer):
                return answer
            await asyncio.sleep(0.05)


async def test_a_buyers_wish_to_cancel_is_answered_and_an_order_is_cancelled(running: Deployment) -> None:
    for provider, reason in (("shopee", "CUSTOMER_REQUEST"), ("lazada", "Out of stock")):
        amy, connection = await running.owner(provider)
        story = Story(running, provider, amy, connection)
        asked, _ = await story.order("cancel_asked")
        ended = await story.ended((await story.push(asked, action="reject_cancellation", details={}))["id"])
        assert ended["state"] == "done", ended
        await story.status(asked, "ready_to_fulfil")
        ended = await story.ended((await story.push(asked, action="cancel", reason=reason, details={}))["id"])
        assert ended["state"] == "done", ended
        await story.status(asked, "cancelled")


async def test_what_was_refused_says_so_in_the_platforms_words_and_can_be_tried_again(running: Deployment) -> None:
    amy, connection = await running.owner("tiki")
    story = Story(running, "tiki", amy, connection)
    order_id, key = await story.order()
    action = await story.push(order_id, details={})
    refused = await story.ended(action["id"])
    assert (refused["state"], refused["error"]["code"]) == ("refused", "warehouse_needed")
    assert "1034" in refused["error"]["message"]
    story.shop.move_order(key, "cancelled")
    assert (await amy.call("POST", f"/api/orders/actions/{action['id']}/retry")).status == 202
    refused = await story.ended(action["id"])
    assert (refused["state"], story.effects(key)) == ("refused", 0), refused
    moved = await amy.call("POST", f"/api/orders/actions/{action['id']}/cancel")
    assert (moved.status, moved.body["error"]["code"]) == (409, "ORDER_ACTION_STATE")


async def test_PR_11_what_nobody_can_tell_waits_for_a_person(running: Deployment) -> None:
    """A delivery of the seller's own that failed leaves no trace at Tiki that could be looked for."""
    amy, connection = await running.owner("tiki")
    story = Story(running, "tiki", amy, connection)
    failed = {"action": "delivered", "details": {"result": "failed", "failureCause": "nobody at home"}}
    told = []
    for decision, outcome, times in (("retry", "done", 2), ("dismiss", "cancelled", 1)):
        key = story.shop.place_order()
        story.shop.book().act(key, story.shop.clock.unix(), "shipped", fulfillment_type="seller_delivery")
        order_id = await story.read(key)
        story.shop.faults.add("*/update-delivery", "drop_reply", 1)
        action = (await story.push(order_id, **failed))["id"]
        unsure = await story.ended(action)
        assert (unsure["state"], unsure["error"]["code"]) == ("unsure", "CANNOT_BE_TOLD"), unsure
        waiting = (await amy.call("GET", "/api/orders/actions?state=unsure")).body["items"]
        assert [one["id"] for one in waiting] == [action]
        busy = await story.asked(order_id, **failed)
        assert (busy.status, busy.body["code"], busy.body["details"]["actionId"]) == (
            409,
            "ORDER_ACTION_IN_PROGRESS",
            action,
        )
        answer = await amy.call(
            "POST", f"/api/orders/actions/{action}/{decision}", {} if decision == "dismiss" else None
        )
        assert answer.status in {200, 202}, answer.body
        assert (await story.ended(action))["state"] == outcome
        told.append(len(story.shop.effects.of(key, "delivered")))
        assert told[-1] == times


async def test_each_piece_says_how_it_went_and_only_the_rest_is_tried_again(running: Deployment) -> None:
    amy, connection = await running.owner("lazada")
    story = Story(running, "lazada", amy, connection)
    key = story.shop.place_order()
    while sum(line.quantity for line in _lines(story, key)) < 2:
        key = story.shop.place_order()
    story.shop.book().act(key, story.shop.clock.unix(), None, **{"refuse:0": "yes"})
    action = (await story.push(await story.read(key)))["id"]
    partly = await story.ended(action)
    assert (partly["state"], partly["failed"], partly["error"]["code"]) == ("done", 1, "700026")
    assert max(one["result"] for one in partly["items"]) == "refused"
    story.shop.book().act(key, story.shop.clock.unix(), None, **{"refuse:0": ""})
    assert (await amy.call("POST", f"/api/orders/actions/{action}/retry")).status == 202
    whole = await story.ended(action)
    assert (whole["state"], whole["done"], whole["failed"]) == ("done", 1, 0), whole
    assert story.effects(key) == sum(line.quantity for line in _lines(story, key))


def _lines(story: Story, key: str) -> Any:
    order = story.shop.book().order(key)
    assert order is not None
    return order.lines


async def test_many_orders_are_begun_each_by_itself(running: Deployment) -> None:
    amy, connection = await running.owner("shopee")
    story = Story(running, "shopee", amy, connection)
    ready, shipped = [await story.order() for _ in range(3)], await story.order("shipped")
    ids = [order_id for order_id, _ in (*ready, shipped)]
    body = {"action": "pack", "orderIds": [*ids, "ord_nobodys"]}
    first = await amy.call("POST", "/api/orders/actions", body, **{"idempotency-key": "all-of-today"})
    again = await amy.call("POST", "/api/orders/actions", body, **{"idempotency-key": "all-of-today"})
    assert (first.status, first.body) == (202, again.body)
    assert [one["error"] and one["error"]["code"] for one in first.body["items"]] == [
        *(None, None, None),
        *("ORDER_ACTION_NOT_ALLOWED", "NOT_FOUND"),
    ]
    for one in first.body["items"][:3]:
        assert (await story.ended(one["action"]["id"]))["state"] == "done"
    assert [story.effects(key) for _, key in ready] == [1, 1, 1]


async def test_what_does_not_exist_is_refused_before_anything_is_sent(running: Deployment) -> None:
    amy, connection = await running.owner("shopee")
    story = Story(running, "shopee", amy, connection)
    order_id, key = await story.order()
    written = len(story.shop.effects)
    for more, status, code in (
        ({"action": "confirm"}, 409, "ORDER_ACTION_NOT_OFFERED"),
        ({"details": {"speed": "fast"}}, 400, "VALIDATION_ERROR"),
        ({"lines": ["nothing"]}, 400, "VALIDATION_ERROR"),
        ({"action": "cancel", "reason": "because"}, 400, "VALIDATION_ERROR"),
        ({"action": "track"}, 400, "VALIDATION_ERROR"),
        ({"action": "accept_cancellation"}, 409, "ORDER_ACTION_NOT_ALLOWED"),
    ):
        answer = await story.asked(order_id, **more)
        assert (answer.status, answer.body["code"]) == (status, code), answer.body
    assert (await story.asked("ord_nobodys")).status == 404
    clerk = running.person(amy.tenant_id, ["user"], "clerk")
    assert (await clerk.call("POST", f"/api/orders/{order_id}/push", {"action": "pack"})).status == 403
    assert len(story.shop.effects) == written
    assert not (await amy.call("GET", f"/api/orders/actions?orderId={order_id}")).body["items"]
    assert story.effects(key) == 0
    integration = (await amy.call("GET", f"/api/connections/{connection}")).body["integrationId"]
    wall = f"/api/tenant/integrations/{integration}"
    assert (await amy.call("PATCH", wall, {"allowedShardTypes": ["product"]})).status == 200
    walled = await story.asked(order_id)
    assert (await amy.call("PATCH", wall, {"allowedShardTypes": []})).status == 200
    assert walled.status in {403, 404}, walled.body


async def test_the_echo_of_our_own_action_changes_nothing_more(running: Deployment) -> None:
    amy, connection = await running.owner("shopee")
    story = Story(running, "shopee", amy, connection)
    order_id, key = await story.order()
    await story.ended((await story.push(order_id))["id"])
    await story.status(order_id, "ready_to_ship")
    version = (await amy.call("GET", f"/api/orders/{order_id}")).body["version"]
    await story.read(key)
    # single records are read one after another
    await story.order()
    assert (await amy.call("GET", f"/api/orders/{order_id}")).body["version"] == version


async def test_what_a_plan_does_not_include_is_neither_offered_nor_done(running: Deployment) -> None:
    amy, connection = await running.owner("tiki")
    story = Story(running, "tiki", amy, connection)
    order_id, key = await story.order()
    root, at = running.person(PLATFORM_TENANT, [SUPER_ADMIN], "root"), "/api/admin/integrations/marketplace/tiki"
    assert (await root.call("PATCH", at, {"isPremium": True, "requiredPlan": "pro"})).status == 200
    refused = await story.asked(order_id, details=story.details)
    assert (refused.status, refused.body["code"]) == (403, "PLAN_REQUIRED")
    offered = await amy.call("GET", f"/api/orders/{order_id}/actions")
    assert (offered.status, offered.body["error"]["code"]) == (403, "PLAN_REQUIRED")
    assert (await root.call("POST", f"{at}/reset")).status == 200
    story.shop.faults.add(story.route, "throttle")
    waits = (await story.push(order_id))["id"]
    await story.struck("throttle")
    assert (await root.call("PATCH", at, {"isPremium": True, "requiredPlan": "pro"})).status == 200
    ended = await story.ended(waits)
    story.shop.faults.clear()
    assert (ended["state"], ended["error"]["code"], story.effects(key)) == ("refused", "PLAN_REQUIRED", 0)
    assert (await root.call("POST", f"{at}/reset")).status == 200
    assert (await amy.call("POST", f"/api/orders/actions/{waits}/retry")).status == 202
    assert (await story.ended(waits))["state"] == "done"
    assert story.effects(key) >= 1


async def _killed(*kinds: str) -> None:
    with home() as place:
        async with up(place, **_QUICK, FULFILMENT__LEASE="PT1S", FULFILMENT__HEARTBEAT="PT0.3S") as running:
            amy = await running.merchant("Amy")
            story = Story(running, "shopee", amy, await amy.connect("shopee"))
            for kind in kinds:
                order_id, key = await story.order()
                story.shop.faults.add(story.route, kind, 1, seconds=8)
                action = (await story.push(order_id))["id"]
                await story.struck(kind)
                await running.kill()
                await running.start()
                assert (await story.ended(action))["state"] == "done"
                assert story.effects(key) == 1


@pytest.mark.timeout(300)
async def test_PR_08_kill_9_while_the_answer_is_on_its_way_does_nothing_twice() -> None:
    await _killed("slow_body")


@pytest.mark.proof
@pytest.mark.timeout(600)
async def test_PR_08_kill_9_again_and_again_before_and_behind_the_effect() -> None:
    await _killed("hang", "slow_body", "slow_body", "hang", "hang", "slow_body")
