"""Somebody asks to be forgotten: by address or number, in every shop, for good; and nobody else is touched (ER-02)."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from hypothesis import given as drawn
from hypothesis import strategies as st
from tests.given import orders as given
from tests.given import records as given_records
from tests.house_database import Copy

from isthmus.connect.shapes import Address, Customer, OrderStatus
from isthmus.engine.db import Database
from isthmus.features import orders
from isthmus.features.orders import OrderFilter, model, service
from isthmus.features.vault.store import change_master
from isthmus.kit.errors import Invalid
from isthmus.kit.paging import Ask
from isthmus.scope import Scope

MAIL, PHONE = "canary@example.com", "0911222333"


@pytest_asyncio.fixture
async def scope(database: Database, copied: Copy) -> AsyncIterator[Scope]:
    yield given.scope(given.engine(database))
    await given.clear(copied)


async def _known(scope: Scope) -> dict[str, str]:
    """What the store still opens of each order, as text."""
    page = await orders.orders(scope, OrderFilter(), Ask(100))
    whole = [await orders.order(scope, row["id"], personal=True, raw=True) for row in page.items]
    return {one.row["number"]: f"{one.personal} {one.raw!r}" for one in whole}


async def _everywhere(copied: Copy) -> str:
    """Every row of every table that is in the clear, and how many sealed persons there are."""
    connection = await asyncpg.connect(copied.admin_url)
    try:
        names = await connection.fetch(
            "select relname from pg_class where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace"
        )
        rows = [await connection.fetch(f"select to_jsonb(t)::text from {name[0]} t") for name in names]  # noqa: S608 - ours
        return "\n".join(row[0] for found in rows for row in found)
    finally:
        await connection.close()


async def test_ER_02_a_person_is_forgotten_by_mail_and_number_wherever_they_stand(scope: Scope, copied: Copy) -> None:
    theirs: dict[str, dict[str, Any]] = {
        "mail": {"customer": given.customer("1", "Canary", email="Canary@Example.com", phone=None)},
        "phone": {"customer": given.customer("2", "Canary", phone="+84 911 222 333")},
        "guest": {"customer": given.customer(None, "Canary"), "shipping_address": given.address("Canary", phone=PHONE)},
        "bill": {"customer": None, "billing_address": given.address("Canary", email=MAIL)},
    }
    others: dict[str, dict[str, Any]] = {
        "other": {"customer": given.customer("9", "Other", email="other@example.com", phone="0911222334")},
        "stars": {
            "customer": given.customer("8", "Other", email="c***@example.com", phone="*******333", is_masked=True)
        },
    }
    for number, more in {**theirs, **others}.items():
        address = more.get("shipping_address", given.address("Other", phone="0900000012"))
        await given.write(scope, given.order(number, **{**more, "shipping_address": address}))
    before = await _known(scope)
    assert all("Canary" in before[number] for number in theirs)

    gone = await service.redact_person(scope, model.whom(MAIL, PHONE))
    assert (gone.customers, gone.orders) == (2, 2)
    after = await _known(scope)
    assert {number: after[number] for number in theirs} == dict.fromkeys(theirs, "None None")
    assert {number: after[number] for number in others} == {number: before[number] for number in others}
    clear = (await _everywhere(copied)).lower()
    assert not any(canary in clear for canary in ("canary", MAIL, PHONE, "911 222 333", "911222333"))
    page = await orders.orders(scope, OrderFilter(), Ask(100))
    assert len(page.items) == len(theirs) + len(others)
    assert all(row["grand_total"] for row in page.items)

    assert await service.redact_person(scope, model.whom(MAIL, PHONE)) == service.Forgotten(0, 0)
    told = await given_records.events(scope, "orders.redacted")
    assert sorted(id_ for one in told for id_ in one["body"]["externalIds"]) == sorted(theirs)
    # what is read of them once more comes without the person
    for number, more in theirs.items():
        await given.write(scope, given.order(number, status=OrderStatus.SHIPPED, **more))
    again = await _known(scope)
    assert {number: again[number] for number in theirs} == dict.fromkeys(theirs, "None None")


async def test_ER_03_everything_that_is_kept_of_a_person_is_found_and_nothing_of_others(
    scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isthmus.features.orders.service.persons._PAGE", 2)
    one, other = given.customer("1", "Canary", email=MAIL, phone=None), given.customer("9", "Other")
    moved = given.address("Elsewhere", phone="0999999999")
    await given.write(
        scope,
        given.order("o1", customer=one, shipping_address=moved, buyer_note="ring twice"),
        given.order("o2", customer=other, billing_address=given.address("Canary", email=MAIL)),
        given.order("o3", customer=other),
        given.order("o4", customer=one, shipping_address=None),
    )
    found = await service.find_person(scope, model.whom(MAIL, None))
    assert [(held.external_id, known.name) for held, known in found.customers] == [("1", "Canary")]
    assert sorted(detail.row["number"] for detail in found.orders) == ["o1", "o2", "o4"]
    whole = str([detail.personal for detail in found.orders])
    assert "ring twice" in whole
    assert "Elsewhere" in whole
    assert not found.has_more
    monkeypatch.setattr("isthmus.features.orders.service.persons._MOST", 2)
    cut = await service.find_person(scope, model.whom(MAIL, None))
    assert (len(cut.orders), cut.has_more) == (2, True)
    told = await given_records.events(scope, "customers.person_looked_up")
    assert [one["body"] for one in told] == [{"customers": 1, "orders": 3}, {"customers": 1, "orders": 2}]
    assert MAIL not in str(told)


async def test_TN_01_another_tenants_person_of_the_same_address_stays(scope: Scope) -> None:
    other = given.scope(scope.engine, "ten_two")
    for one in (scope, other):
        await given.write(one, given.order("o1", customer=given.customer("1", email=MAIL)))
    await service.redact_person(scope, model.whom(MAIL, None))
    assert "None None" in (await _known(scope)).values()
    assert "None None" not in (await _known(other)).values()


async def test_many_persons_are_looked_through_in_pages(scope: Scope, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("isthmus.features.orders.service.persons._PAGE", 2)
    for number in range(5):
        mail = MAIL if number % 2 else f"{number}@example.com"
        customer = given.customer(f"c{number}", email=mail, phone=None)
        await given.write(scope, given.order(f"o{number}", customer=customer, shipping_address=None))
    gone = await service.redact_person(scope, model.whom(MAIL, None))
    assert (gone.customers, gone.orders) == (2, 0)
    assert [known == "None None" for _, known in sorted((await _known(scope)).items())] == [False, True] * 2 + [False]


@pytest.mark.parametrize(
    ("mail", "phone"), [(None, None), ("", " "), ("nobody", None), (None, "1234567"), (None, "**")]
)
def test_whom_nobody_means_is_refused(mail: str | None, phone: str | None) -> None:
    with pytest.raises(Invalid):
        model.whom(mail, phone)


@pytest.mark.parametrize(
    ("known", "said", "same"),
    [
        ("0911222333", "+84 911 222 333", True),
        ("(+84) 0911-222-333", "0911222333", True),
        ("0084911222333", "84911222333", True),
        ("911222333", "0911222333", True),
        ("1911222333", "0911222333", True),
        ("0911222333", "0922222333", False),
        ("99990911222333", "0911222333", False),
        ("12345678", "84912345678", False),
    ],
)
def test_a_number_is_the_same_with_a_countrys_code_and_without(known: str, said: str, same: bool) -> None:
    assert model.names(Customer("1", phone=known), model.whom(None, said)) is same


@drawn(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_no_text_of_a_platform_makes_the_comparison_fail(mail: str, phone: str, other: str) -> None:
    known = model.Personal(customer=Customer("1", email=mail, phone=phone), shipping_address=Address(phone=other))
    assert model.names(known, model.Whom(MAIL, PHONE)) in {True, False}


async def _waiting(database: Database, for_: int, task: asyncio.Task[Any]) -> None:
    """Until so many wait for locks, or the task is done."""
    while not task.done():
        async with database.system() as tx:
            found = await tx.fetch_sql("select count(*) as many from pg_locks where not granted")
        if found[0]["many"] >= for_:
            return
        await asyncio.sleep(0.01)


async def test_ER_02_who_is_erased_while_their_orders_are_being_written_stays_erased(
    scope: Scope, database: Database
) -> None:
    """The writer has read what was known, and is held up before it writes; meanwhile somebody asks to forget it all."""
    await given.write(scope, given.order("o1"))
    (row,) = (await orders.orders(scope, OrderFilter(), Ask(10))).items
    other = given.scope(given.engine(database))
    async with database.system() as tx:
        await tx.execute_sql("update data_keys set retired_at = now()")
    async with database.system() as tx:
        await change_master(tx)  # holds up whoever needs a new data key
        moved = given.order("o1", status=OrderStatus.SHIPPED)
        writer = asyncio.create_task(given.write(other, moved, given.order("o9")))
        await _waiting(database, 1, writer)
        eraser = asyncio.create_task(orders.redact(scope, row["customer_id"]))
        await _waiting(database, 2, eraser)
    await asyncio.gather(writer, eraser)
    async with scope.tx() as tx:
        people = await tx.fetch_sql("select id from customers where personal is not null")
    assert people == []
    assert await _known(scope) == {"o1": "None None", "o9": "None None"}
