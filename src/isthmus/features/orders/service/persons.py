"""Somebody is forgotten by an address of mail or a telephone number, whatever shops knew them (security.md ER-02).

What is personal is sealed, so nothing can be looked up: every customer and order of the tenant is opened and compared.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from isthmus.connect.shapes import Customer
from isthmus.features import vault
from isthmus.features.orders import model, store
from isthmus.features.orders.events import PersonLookedUp
from isthmus.features.orders.model import Personal, Whom
from isthmus.features.orders.service.erasing import told, told_of_orders
from isthmus.features.orders.service.looking import OrderDetail, order
from isthmus.features.orders.service.places import CUSTOMER, PERSONAL
from isthmus.features.orders.store import Held
from isthmus.features.vault import Sealed
from isthmus.kit import ids
from isthmus.scope import Scope, Tx

_PAGE = 500
#: Orders that one answer about a person holds at most.
_MOST = 1_000
Read: TypeAlias = Customer | Personal


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How many customers were erased, and how many orders that named the person without one."""

    customers: int
    orders: int


@dataclass(frozen=True, slots=True)
class Found:
    """What is kept of somebody; `has_more` says that there are more orders."""

    customers: Sequence[tuple[Held, Customer]]
    orders: Sequence[OrderDetail]
    has_more: bool


async def find_person(scope: Scope, whom: Whom) -> Found:
    """Everything that is kept of whoever has this address or number, in the clear; that somebody looked is told."""
    people: list[tuple[Held, Customer]] = []
    theirs: list[str] = []
    async for page in _pages(scope, "customers"):
        people += [(one, read) for one, read in page if isinstance(read, Customer) and model.names(read, whom)]
    known = {one.id for one, _ in people}
    async for page in _pages(scope, "orders"):
        theirs += [one.id for one, read in page if one.customer_id in known or model.names(read, whom)]
        if len(theirs) > _MOST:
            break
    details = [await order(scope, id_, personal=True) for id_ in theirs[:_MOST]]
    async with scope.tx() as tx:
        tx.emit(PersonLookedUp(subject=scope.tenant_id, body={"customers": len(people), "orders": len(details)}))
    return Found(people, details, len(theirs) > _MOST)


async def _pages(scope: Scope, table: str) -> AsyncIterator[list[tuple[Held, Read]]]:
    after = ""
    while True:
        async with scope.tx() as tx:
            page = await store.held(tx, table, after, _PAGE)
            read = await _opened(scope, tx, table, page)
        yield list(zip(page, read, strict=True))
        if len(page) < _PAGE:
            return
        after = page[-1].id


async def redact_person(scope: Scope, whom: Whom) -> Forgotten:
    """Erase everybody who has this address or number, and what is personal of all their orders; goods and money stay.

    In pages: a crash in between loses nothing, and doing it again goes on with what is left.
    """
    customers = await _sweep(scope, "customers", whom)
    return Forgotten(customers, await _sweep(scope, "orders", whom))


async def _sweep(scope: Scope, table: str, whom: Whom) -> int:
    count, after = 0, ""
    while True:
        async with scope.tx() as tx:
            await store.begin_forgetting(tx)
            page = await store.held(tx, table, after, _PAGE)
            found = await _theirs(scope, tx, table, page, whom)
            if found:
                await (_customers if table == "customers" else _orders)(scope, tx, found)
        count += len(found)
        if len(page) < _PAGE:
            return count
        after = page[-1].id


async def _theirs(scope: Scope, tx: Tx, table: str, page: Sequence[Held], whom: Whom) -> list[Held]:
    read = await _opened(scope, tx, table, page)
    return [one for one, known in zip(page, read, strict=True) if model.names(known, whom)]


async def _opened(scope: Scope, tx: Tx, table: str, page: Sequence[Held]) -> list[Read]:
    field = CUSTOMER if table == "customers" else PERSONAL
    opened = await vault.open_many(scope, tx, [Sealed(one.personal, one.id, field) for one in page]) if page else []
    read = model.customer_of if table == "customers" else model.personal_of
    return [read(one.reveal()) for one in opened]


async def _customers(scope: Scope, tx: Tx, found: Sequence[Held]) -> None:
    await _mark(scope, tx, [(one, model.person_mark(one.external_id)) for one in found])
    theirs = [one.id for one in found]
    tx.emit(*told_of_orders(await store.bought(tx, theirs)))
    await store.erase_orders_of(tx, theirs, scope.now)
    tx.emit(*(told(row) for row in await store.redact_customers(tx, scope.now, len(theirs), ids=theirs)))


async def _orders(scope: Scope, tx: Tx, found: Sequence[Held]) -> None:
    await _mark(scope, tx, [(one, model.order_mark(one.external_id)) for one in found])
    tx.emit(*told_of_orders([(one.connection_id, one.external_id) for one in found]))
    await store.erase_orders(tx, [one.id for one in found], scope.now)


async def _mark(scope: Scope, tx: Tx, found: Sequence[tuple[Held, str]]) -> None:
    """What of them is read again later comes without what is personal."""
    marks: dict[tuple[str, str], list[str]] = {}
    for one, mark in found:
        marks.setdefault((one.connection_id, one.provider), []).append(mark)
    for origin, texts in marks.items():
        fresh = [f"cus_{id_}" for id_ in ids.many(len(texts), scope.clock)]
        await store.mark(tx, origin, texts, fresh, scope.now)
