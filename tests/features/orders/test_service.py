"""Orders in the store, on the real database."""

from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from tests.given import orders as given
from tests.given import records as given_records
from tests.house_database import Copy

from isthmus.connect.shapes import Order, OrderStatus, Return, ReturnStatus
from isthmus.engine.db import Database
from isthmus.engine.holdings import holdings
from isthmus.features import orders, vault
from isthmus.features.orders import OrderFilter, service
from isthmus.kit.clock import ManualClock
from isthmus.kit.errors import Invalid, NotFound
from isthmus.kit.paging import Ask
from isthmus.scope import Scope, System

_ALL = ("select * from orders", "select * from customers", "select * from order_lines", "select * from shipments")


@pytest_asyncio.fixture
async def scope(database: Database, copied: Copy) -> AsyncIterator[Scope]:
    yield given.scope(given.engine(database))
    await given.clear(copied)


async def _one(scope: Scope, number: str = "o1", **more: Any) -> orders.OrderDetail:
    (row,) = (await orders.orders(scope, OrderFilter(number=number), Ask())).items
    return await orders.order(scope, row["id"], **({"personal": True} | more))


async def _told(scope: Scope, kind: str = "order.") -> list[str]:
    return [one["type"] for one in await given_records.events(scope, kind)]


async def test_an_order_is_created_once_updated_on_change_and_its_moves_are_told(scope: Scope) -> None:
    first = given.order("o1", given.line("a"), given.line("b"), shipments=(given.shipment("p1"), given.shipment("p2")))
    written = await given.write(scope, first, given.order("o2"))
    assert (written.created, written.updated, written.unchanged, written.parts) == (2, 0, 0, 3)
    again = await given.write(scope, first)
    assert (again.created, again.updated, again.unchanged) == (0, 0, 1)
    line_ids = (await _one(scope)).line_ids
    moved = given.order(
        "o1", given.line("b"), given.line("c"), status=OrderStatus.SHIPPED, shipments=(given.shipment("p2"),)
    )
    assert (await given.write(scope, moved)).updated == 1
    found = await _one(scope)
    assert (found.row["status"], found.row["version"], list(found.line_ids)) == ("shipped", 2, ["b", "c"])
    assert found.line_ids["b"] == line_ids["b"]
    assert list(found.shipment_ids) == ["p2"]
    assert await _told(scope) == ["order.created", "order.created", "order.updated", "order.status_changed"]
    *_, change = await given_records.events(scope, "order.status_changed")
    assert (change["body"]["previousStatus"], change["body"]["status"]) == ("ready_to_fulfil", "shipped")


async def test_events_and_columns_in_the_clear_hold_nothing_personal(scope: Scope) -> None:
    canary = given.order(
        "o1",
        customer=given.customer(name="Canary", email="canary@example.com"),
        shipping_address=given.address("Canary"),
        buyer_note="Canary",
    )
    await given.write(scope, canary)
    assert "anary" not in str(await given_records.events(scope))
    async with scope.tx() as tx:
        rows = [dict(row) for sql in _ALL for row in await tx.fetch_sql(sql)]
    assert rows
    assert "anary" not in str(rows)
    assert "0900000012" not in str(rows)
    found = await _one(scope, raw=True)
    assert found.personal is not None
    assert found.personal.customer == canary.customer
    assert found.raw == repr(canary).encode()
    assert (await _one(scope, personal=False, raw=True)).raw is None


async def test_masked_persons_never_replace_clear_ones_and_later_clear_ones_do(scope: Scope) -> None:
    await given.write(scope, given.order("o1"))
    masked = given.order(
        "o1",
        status=OrderStatus.COMPLETED,
        customer=given.customer(name="D***", phone="*12", is_masked=True),
        shipping_address=given.address("D***", line1="*", phone="*12", is_masked=True),
    )
    await given.write(scope, masked)
    found = await _one(scope)
    assert (found.row["status"], found.personal and found.personal.shipping_address) == ("completed", given.address())
    assert found.personal is not None
    assert found.personal.customer == given.customer()
    only_masked = msgspec.structs.replace(masked, shipping_address=given.address("E*", is_masked=True))
    assert (await given.write(scope, only_masked)).unchanged == 1
    moved = msgspec.structs.replace(masked, shipping_address=given.address("New", line1="2 Duong"))
    assert (await given.write(scope, moved)).updated == 1
    assert (await _one(scope)).personal.shipping_address.name == "New"  # type: ignore[union-attr]


async def test_an_older_state_never_replaces_a_newer_one(scope: Scope) -> None:
    newer = given.order("o1", status=OrderStatus.SHIPPED)
    older = given.order("o1", platform_updated_at=given.NOON - timedelta(seconds=1))
    await given.write(scope, newer)
    assert (await given.write(scope, older)).unchanged == 1
    assert (await given.write(scope, older, given.order("o3"), newer)).created == 1
    assert (await _one(scope)).row["status"] == "shipped"


async def test_an_unknown_status_is_kept_as_it_came_and_told_once_per_word(scope: Scope) -> None:
    odd = {"status": OrderStatus.UNKNOWN, "platform_status": "TELEPORTED"}
    written = await given.write(scope, *(given.order(f"o{place}", **odd) for place in range(1, 4)))
    assert (written.created, written.refused) == (3, ())
    await given.write(scope, given.order("o4", **odd))
    assert await _told(scope, "order.status_unknown") == ["order.status_unknown"]
    assert (await _one(scope)).row["platform_status"] == "TELEPORTED"


async def test_an_unknown_state_of_a_return_is_told_once_too(scope: Scope) -> None:
    odd = Return("r1", "return", ReturnStatus.UNKNOWN, "BEAMED_BACK")
    await given.write(scope, given.order("o1", returns=(odd,)), given.order("o2", returns=(odd,)))
    assert await _told(scope, "order.status_unknown") == ["order.status_unknown"]


async def test_orders_of_one_customer_share_one_and_may_be_erased_for_good(scope: Scope) -> None:
    await given.write(scope, given.order("o1"), given.order("o2"), given.order("o3", customer=given.customer("7")))
    ids = {(await _one(scope, number)).row["customer_id"] for number in ("o1", "o2")}
    (customer_id,) = ids
    await orders.redact(scope, customer_id)
    found = await _one(scope, raw=True)
    assert (found.personal, found.raw, found.row["redacted_at"] is not None) == (None, None, True)
    assert (await _one(scope, "o3")).personal is not None
    await given.write(scope, given.order("o1", status=OrderStatus.SHIPPED))
    again = await _one(scope)
    assert (again.row["status"], again.personal) == ("shipped", None)
    (told,) = await given_records.events(scope, "customer.redacted")
    assert (told["subject"], told["body"]["externalId"]) == (customer_id, "9001")
    with pytest.raises(NotFound):
        await orders.redact(given.scope(scope.engine, "ten_two"), customer_id)


async def test_what_was_to_be_forgotten_before_it_was_read_comes_without_what_is_personal(scope: Scope) -> None:
    """A platform asks to forget somebody whose orders are read only later, and who buys again after that."""
    told, guest = given.customer("77"), given.customer(None)
    before, later = scope.now - timedelta(days=1), scope.now + timedelta(days=1)
    assert await orders.redact_at(scope, ("con_one", "shelf"), "77", ["n1"]) == 0
    named, stranger = given.order("n1", customer=guest), given.order("n2", customer=guest)
    old, new = given.order("o1", customer=told, placed_at=before), given.order("o2", customer=told, placed_at=later)
    assert (await given.write(scope, named, stranger, old, new)).created == 4
    hidden = {name: await _one(scope, name, raw=True) for name in ("n1", "o1")}
    assert [(one.personal, one.raw) for one in hidden.values()] == [(None, None)] * 2
    assert all(one.row["redacted_at"] is not None for one in hidden.values())
    for name in ("n2", "o2"):
        assert (await _one(scope, name)).personal is not None
    # who is somebody new by now makes nothing known again of what was before
    older = given.order("o3", customer=told, placed_at=before - timedelta(days=400))
    moved = given.order("o1", customer=told, placed_at=before, status=OrderStatus.SHIPPED)
    await given.write(scope, older, moved)
    assert [(await _one(scope, name)).personal for name in ("o1", "o3")] == [None, None]
    assert (await _one(scope)).row["status"] == "shipped"


async def test_ER_04_what_is_personal_goes_when_its_time_is_up(database: Database, copied: Copy) -> None:
    clock = ManualClock(given.NOON + timedelta(days=30))
    engine = given.engine(database, personal_days=20, erase_at_once=2)
    scope = given.scope(engine, clock=clock)
    old = [given.order(f"o{place}", customer=given.customer(f"{place}")) for place in range(5)]
    young = given.order("young", customer=given.customer("4"), placed_at=clock.now())
    await given.write(scope, *old, young)
    await orders.erase(System(engine, clock))
    gone = [(await _one(scope, f"o{place}")).personal for place in range(5)]
    assert gone == [None] * 5
    assert (await _one(scope, "young")).personal is not None
    told = await given_records.events(scope, "customer.redacted")
    assert sorted(one["body"]["externalId"] for one in told) == ["0", "1", "2", "3"]
    assert await orders.erase(System(engine, clock)) == 0
    assert await orders.erase(System(given.engine(database, personal_days=0), clock)) == 0
    await given.clear(copied)


async def test_lists_go_by_the_day_of_the_order_and_page_without_gaps(scope: Scope) -> None:
    made = [given.order(f"o{place}", placed_at=given.NOON - timedelta(hours=place // 2)) for place in range(7)]
    await given.write(scope, *made)
    seen: list[str] = []
    after = None
    while True:
        page = await orders.orders(scope, OrderFilter(), Ask(2, 0, after))
        seen += [row["number"] for row in page.items]
        after = page.next_after
        if after is None:
            break
    assert sorted(seen) == [f"o{place}" for place in range(7)]
    assert [int(one[1:]) // 2 for one in seen] == [0, 0, 1, 1, 2, 2, 3]
    with pytest.raises(Invalid):
        await orders.orders(scope, OrderFilter(), Ask(2, 0, "nonsense"))


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        (OrderFilter(status="shipped"), ["o2"]),
        (OrderFilter(provider="shelf", connection_id="con_one"), ["o1", "o2"]),
        (OrderFilter(provider="other"), []),
        (OrderFilter(number="o1"), ["o1"]),
        (OrderFilter(sku="SKU-x"), ["o2"]),
        (OrderFilter(placed_from=given.NOON, placed_to=given.NOON + timedelta(hours=1)), ["o1"]),
        (OrderFilter(off=True), ["o2"]),
        (OrderFilter(off=False), ["o1"]),
        (OrderFilter(payment_status="unknown"), ["o1", "o2"]),
        (OrderFilter(updated_since=given.NOON), ["o1", "o2"]),
    ],
)
async def test_lists_can_be_narrowed(scope: Scope, wanted: OrderFilter, numbers: list[str]) -> None:
    totals = msgspec.structs.replace(given.order("x").totals, tax=Decimal(1))
    odd: Order = given.order(
        "o2", given.line("x"), status=OrderStatus.SHIPPED, placed_at=given.NOON + timedelta(days=1), totals=totals
    )
    await given.write(scope, given.order("o1"), odd)
    page = await orders.orders(scope, wanted, Ask())
    assert sorted(row["number"] for row in page.items) == numbers
    assert (await orders.orders(given.scope(scope.engine, "ten_two"), wanted, Ask())).items == []


async def test_VA_09_a_new_key_seals_orders_and_customers_anew(scope: Scope) -> None:
    await given.write(scope, *(given.order(f"o{place}") for place in range(5)))
    async with scope.tx() as tx:
        await tx.execute_sql("update data_keys set retired_at = now() where tenant_id = $1", scope.tenant_id)
    scope.part(vault.Vault).cache.forget(scope.tenant_id)
    for reseal in (service.reseal_orders, service.reseal_customers):
        after = None
        while (after := await reseal(scope, after, 2)) is not None:
            pass
    assert scope.part(vault.Vault).resealed[scope.tenant_id] == 11
    assert (await _one(scope)).personal is not None


async def test_a_disconnected_shop_takes_its_orders_with_it(scope: Scope) -> None:
    await given.write(scope, given.order("o1"))
    await given.write(scope, given.order("o2"), origin=given_records.Origin("con_two", "shelf"))
    async with System(scope.engine).tx() as tx:
        assert await service.forget(tx, "ten_one", "con_one") == 1
    assert [row["number"] for row in (await orders.orders(scope, OrderFilter(), Ask())).items] == ["o2"]


async def test_RL_05_what_orders_take_is_counted_as_they_are_written_and_set_right_later(
    scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holdings, "_PAGE", 2)
    await given.write(scope, *(given.order(f"o{number}") for number in range(5)))
    stored = (
        "select sum(pg_column_size(body) + pg_column_size(raw) + coalesce(pg_column_size(personal), 0)) from orders"
    )
    async with scope.tx() as tx:
        assert await holdings.total(tx) > 500
        await tx.execute_sql("update holdings set bytes = 7")
    await service.count(scope, "con_one")
    async with scope.tx() as tx:
        assert await holdings.total(tx) == (await tx.fetch_sql(stored))[0]["sum"] > 500
    async with System(scope.engine).tx() as tx:
        assert await holdings.due(tx, "orders", scope.now) == []
        due = await holdings.due(tx, "orders", scope.now + timedelta(days=2))
    assert due == [("ten_one", "con_one")]
