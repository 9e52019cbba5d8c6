"""What an integration may not read any more is named by no answer: asked of every route that people may read."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest_asyncio
from tests.journeys.deployment import Deployment, Merchant
from tests.journeys.routes import CASES, Case, belongings, conflict_of

from isthmus.features.connections.jobs import purge
from isthmus.features.sync import store
from isthmus.features.sync.jobs import withdrawn
from isthmus.features.sync.model import ItemError
from isthmus.kit import ids

#: What somebody asked for themselves stays in the account of what they asked for, with why it was refused.
_OWN_WISHES = {"/api/sync/pushes/{id}/items", "/api/orders/actions", "/api/orders/actions/{action_id}"}
READS = [
    case
    for case in CASES
    if case.method == "GET"
    and case.for_tenants
    and not case.streams
    and not case.passes_on
    and case.route.path not in _OWN_WISHES
]
#: Rows that a job has still to remove; what is left after that is looked at below.
_EXPORT = "GET /api/tenant/export"
#: Where it all stood before, so that what is not named afterwards proves something.
_STOOD = {"/api/listings", "/api/orders", "/api/sync/conflicts", "/api/sync/runs/{run_id}/errors"}
_TITLE, _NUMBER = "title", "number"


@dataclass
class Walled:
    """A merchant whose integration may not read some type any more, and what is not to be named."""

    amy: Merchant
    known: dict[str, str]
    words: dict[str, str]
    before: str

    async def told(self, case: Case) -> list[str]:
        """What of the walled type an answer names."""
        return self.found(await self.amy.call("GET", self.address(case)))

    def address(self, case: Case) -> str:
        """The request, with nothing that narrows a list."""
        asked = case.call(self.known)
        return asked.path + ("?limit=100" if "limit" in case.route.known_query else "")

    def found(self, answer: Any) -> list[str]:
        """The kinds of words of the walled type that stand in an answer."""
        text = answer if isinstance(answer, str) else str(answer.body)
        return sorted(kind for kind, word in self.words.items() if word in text)


async def _noted(running: Deployment, amy: Merchant, run_id: str, external_id: str) -> None:
    """A record of the run that could not be read, one that it would have written, and one that it did not find."""
    scope = running.platform.system.scope(amy.tenant_id, "sync")
    async with scope.tx() as tx:
        run = await store.run(tx, run_id)
        assert run is not None
        error = ItemError(external_id, "unreadable", external_id.encode())
        await store.add_errors(tx, run, [ids.new("err")], [error], scope.now)
        await store.add_changes(tx, run, 1, [(external_id, True)])
        await store.suspect(tx, run, [(ids.new("sus"), external_id, ids.new("lst"))], "waiting", scope.now)


async def _limit(running: Deployment, walled: Walled, allowed: str) -> None:
    """From this answer on; nothing that works beside it has heard of it yet."""
    await running.rest()
    path = f"/api/tenant/integrations/{walled.known['int']}"
    answer = await walled.amy.call("PATCH", path, {"allowedShardTypes": [allowed]})
    assert answer.status == 200, answer.body


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def products(running: Deployment) -> AsyncIterator[Walled]:
    amy, connection = await running.owner("tiki")
    run = await amy.sync(connection)
    one = (await amy.call("GET", f"/api/listings?connectionId={connection}")).body["items"][0]
    known = await belongings(running, amy, connection, run["id"])
    await _noted(running, amy, run["id"], f"note-of-{one['externalId']}")
    known["cnf"] = await conflict_of(running, amy, (connection, one["id"]), None)
    words = {
        "listing": one["id"],
        "product": one["productId"],
        _TITLE: one["title"],
        "note": f"note-of-{one['externalId']}",
        "conflict": known["cnf"],
    }
    made = Walled(amy, {**known, "lst": one["id"], "prd": one["productId"]}, words, "")
    made.before = str([await made.told(case) for case in READS if case.route.path in _STOOD])
    yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def orders(running: Deployment) -> AsyncIterator[Walled]:
    bob, connection = await running.owner("lazada")
    await bob.sync(connection)
    run = await bob.sync(connection, entity="orders")
    one = (await bob.call("GET", f"/api/orders?connectionId={connection}")).body["items"][0]
    known = await belongings(running, bob, connection, run["id"])
    await _noted(running, bob, run["id"], f"note-of-{one['externalId']}")
    words = {"order": one["id"], _NUMBER: one["number"], "note": f"note-of-{one['externalId']}"}
    made = Walled(bob, {**known, "ord": one["id"]}, words, "")
    made.before = str([await made.told(case) for case in READS if case.route.path in _STOOD])
    yield made


async def _exported(walled: Walled) -> list[str]:
    """What the file of everything names, once the job and the listener of the limit have done their work."""
    running = walled.amy.deployment
    assert isinstance(running, Deployment)
    system, integration = running.platform.system, walled.known["int"]
    async with system.tx() as tx:
        rows = await tx.fetch_sql("select * from events where type = 'integration.types_forbidden' order by id")
        await withdrawn(tx, [dict(row) for row in rows if row["subject"] == integration][-1])
    await purge(system.scope(walled.amy.tenant_id, "connections"), integration)
    return await walled.told(next(case for case in CASES if str(case) == _EXPORT))


async def _shows_nothing(walled: Walled) -> Mapping[str, list[str]]:
    answers = {str(case): await walled.told(case) for case in READS if str(case) != _EXPORT}
    return {name: told for name, told in answers.items() if told}


async def test_no_answer_names_a_product_that_may_not_be_read_any_more(
    running: Deployment, products: Walled, orders: Walled
) -> None:
    for kind in products.words:
        assert kind in products.before, f"no answer named the {kind} before, so this test would prove nothing"
    await _limit(running, products, "order")
    assert await _shows_nothing(products) == {}
    assert await _streamed(running, products) == []
    assert await _exported(products) == []


async def test_no_answer_names_an_order_that_may_not_be_read_any_more(running: Deployment, orders: Walled) -> None:
    for kind in orders.words:
        assert kind in orders.before, f"no answer named the {kind} before, so this test would prove nothing"
    await _limit(running, orders, "product")
    assert await _shows_nothing(orders) == {}
    assert await _streamed(running, orders) == []
    assert await _exported(orders) == []


async def _streamed(running: Deployment, walled: Walled) -> list[str]:
    """What the live log names, from its beginning to an event that is published now."""
    assert (await walled.amy.call("PUT", "/api/webhooks/event-types/custom.end", {})).status < 300
    assert (await walled.amy.call("POST", "/api/events", {"type": "custom.end", "data": {}})).status == 202
    seen = ""
    headers = {"authorization": f"Bearer {walled.amy.token}", "last-event-id": "0-"}
    url = running.address + "/api/events/stream"
    async with walled.amy.browser.get(url, headers=headers) as stream, asyncio.timeout(60):
        assert stream.status == 200, await stream.text()
        while "custom.end" not in seen:
            seen += (await stream.content.readline()).decode()
    return walled.found(seen)
