"""Idempotency-Key over a real database: one effect, the same answer, and nothing kept that should not be."""

import asyncio
from collections import Counter
from typing import Any

import asyncpg
import pytest
from tests.http.conftest import Lab, MakeLab

from isthmus.engine.bus import Bus
from isthmus.engine.db import Database
from isthmus.engine.queue import PgQueue
from isthmus.http import RequestFacts, Routes, ScopeDep, Wire, created, document
from isthmus.kit.errors import Conflict, Unavailable
from isthmus.kit.events import Event
from isthmus.kit.permissions import TENANT_ADMIN, USER, Principal, permission
from isthmus.scope import Engine, Scope

MAKE = permission("orders:make", "make orders", USER, TENANT_ADMIN)
MANAGE = permission("orders:manage", "manage orders", TENANT_ADMIN)


class OrderMade(Event):
    type = "order.made"


class OrderIn(Wire):
    name: str
    fail: str = ""


def routes(effects: Counter[str]) -> Routes:
    made = Routes(prefix="/api/orders", tag="Orders")

    async def make_one(scope: Scope, body: OrderIn) -> str:
        identity = scope.id("ord")
        async with scope.tx():
            pass
        async with scope.tx() as tx:
            tx.emit(OrderMade(subject=body.name, body={"id": identity}))
            if body.fail == "inside":
                raise Conflict("not now")
        if body.fail == "after":
            raise Unavailable
        effects[body.name] += 1
        return identity

    @made.post("", permission=MAKE, limit="other", response_model=None, summary="Make", status=201)
    async def make(scope: ScopeDep, body: OrderIn) -> Any:
        identity = await make_one(scope, body)
        return created({"id": identity}, location=f"/api/orders/{identity}")

    @made.post("/other", permission=MAKE, limit="other", response_model=None, summary="Other")
    async def other(scope: ScopeDep, body: OrderIn) -> Any:
        return document({"id": await make_one(scope, body)})

    @made.post(
        "/keys",
        permission=MANAGE,
        limit="other",
        response_model=None,
        summary="Key",
        secret_fields=("key",),
    )
    async def key(scope: ScopeDep, body: OrderIn) -> Any:
        return document({"id": await make_one(scope, body), "key": "isk_live_shown_once"})

    return made


class Shop:
    """The application over this module's database."""

    def __init__(self, make: MakeLab, database: Database) -> None:
        self.effects: Counter[str] = Counter()
        self.engine = Engine(database, Bus(database), PgQueue(database))
        self.lab: Lab = make(routes(self.effects), open_scope=self.scope, settings={"limits": {"other": 10_000}})

    def scope(self, principal: Principal, facts: RequestFacts) -> Scope:
        return Scope(principal.tenant_id, principal, self.engine, self.lab.clock, facts.request_id, facts.address)

    async def post(self, key: str, name: str, path: str = "/api/orders", **more: Any) -> Any:
        role, fail = more.pop("role", "tenant_admin"), more.pop("fail", "")
        headers = self.lab.signed(role, **more) | ({"idempotency-key": key} if key else {})
        return await self.lab.call("POST", path, json={"name": name, "fail": fail}, headers=headers)


@pytest.fixture
def shop(lab: MakeLab, database: Database) -> Shop:
    return Shop(lab, database)


async def events(url: str, subject: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        found: int = await connection.fetchval("select count(*) from events where subject = $1", subject)
        return found
    finally:
        await connection.close()


async def test_a_repeated_request_takes_effect_once_and_is_answered_alike(shop: Shop, copied: Any) -> None:
    first = await shop.post("k-1", "twice")
    again = await shop.post("k-1", "twice")
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert await events(copied.admin_url, "twice") == 1


async def test_ID_03_twenty_at_once_have_one_effect(shop: Shop, copied: Any) -> None:
    answers = await asyncio.gather(*(shop.post("k-2", "crowd") for _ in range(20)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers if answer.status_code == 409)
    assert len({answer.content for answer in answers if answer.status_code == 201}) == 1
    assert await events(copied.admin_url, "crowd") == 1


async def test_ID_01_keys_of_others_are_independent(shop: Shop) -> None:
    for more in ({}, {"tenant": "ten_b"}, {"subject": "usr_2"}, {"path": "/api/orders/other"}):
        answer = await shop.post("k-3", "mine", **more)
        assert answer.status_code in {200, 201}
        assert "idempotency-replayed" not in answer.headers
    assert shop.effects["mine"] == 4


@pytest.mark.parametrize("key", ["a b", "x" * 256, "\x7f"])
async def test_ID_01_a_key_is_1_to_255_visible_characters(shop: Shop, key: str) -> None:
    assert (await shop.post(key, "bad")).status_code == 400


async def test_ID_02_another_request_with_the_same_key_is_refused(shop: Shop) -> None:
    await shop.post("k-4", "first")
    answer = await shop.post("k-4", "second")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "IDEMPOTENCY_KEY_REUSED")
    assert shop.effects["second"] == 0


async def test_ID_02_the_same_members_in_another_order_are_another_body(shop: Shop) -> None:
    headers = shop.lab.signed("tenant_admin") | {"idempotency-key": "k-9", "content-type": "application/json"}
    bodies = (b'{"name":"order","fail":""}', b'{"fail":"","name":"order"}', b'{"name": "order","fail":""}')
    told = [(await shop.lab.call("POST", "/api/orders", content=text, headers=headers)).status_code for text in bodies]
    again = await shop.lab.call("POST", "/api/orders", content=b'{"name":"order","fail":""}', headers=headers)
    assert (told, again.status_code, again.headers["idempotency-replayed"]) == ([201, 409, 409], 201, "true")
    assert shop.effects["order"] == 1


async def test_ID_03_work_that_was_undone_frees_its_key(shop: Shop) -> None:
    assert (await shop.post("k-5", "undone", fail="inside")).status_code == 409
    assert (await shop.post("k-5", "undone")).status_code == 201


async def test_an_effect_whose_answer_was_lost_does_not_happen_again(shop: Shop, copied: Any) -> None:
    assert (await shop.post("k-6", "lost", fail="after")).status_code == 503
    again = await shop.post("k-6", "lost", fail="after")
    assert (again.status_code, again.json()["error"]["code"]) == (409, "IDEMPOTENCY_ANSWER_LOST")
    assert await events(copied.admin_url, "lost") == 1


async def test_ID_04_authorisation_is_checked_again_on_replay(shop: Shop) -> None:
    path = "/api/orders/keys"
    assert (await shop.post("k-7", "role", path)).status_code == 200
    answer = await shop.post("k-7", "role", path, role="user")
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "PERMISSION_DENIED")


async def test_ID_05_a_one_time_secret_is_never_kept(shop: Shop, copied: Any) -> None:
    path = "/api/orders/keys"
    first, again = await shop.post("k-8", "key", path), await shop.post("k-8", "key", path)
    assert first.json()["key"] == "isk_live_shown_once"
    assert again.json() == {"id": first.json()["id"], "secretShown": True}
    connection = await asyncpg.connect(copied.admin_url)
    kept = await connection.fetch("select body from idempotency_keys where body is not null")
    await connection.close()
    assert not any(b"shown_once" in row["body"] for row in kept)
