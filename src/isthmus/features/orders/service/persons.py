"""Somebody is forgotten by an address of mail or a telephone number, whatever shops knew them (security.md ER-02).

What is personal is sealed, so nothing can be looked up: every customer and order of the tenant is opened and compared.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from isthmus.features import vault
from isthmus.features.orders import model, store
from isthmus.features.orders.model import Whom
from isthmus.features.orders.service.erasing import told, told_of_orders
from isthmus.features.orders.service.places import CUSTOMER, PERSONAL
from isthmus.features.orders.store import Held
from isthmus.features.vault import Sealed
from isthmus.kit import ids
from isthmus.scope import Scope, Tx

_PAGE = 500


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How many customers were erased, and how many orders that named the person without one."""

    customers: int
    orders: int


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
            page = await store.held(tx, table, after, _PAGE)
            found = await _theirs(scope, tx, table, page, whom)
            if found:
                await (_customers if table == "customers" else _orders)(scope, tx, found)
        count += len(found)
        if len(page) < _PAGE:
            return count
        after = page[-1].id


async def _theirs(scope: Scope, tx: Tx, table: str, page: Sequence[Held], whom: Whom) -> list[Held]:
    field = CUSTOMER if table == "customers" else PERSONAL
    opened = await vault.open_many(scope, tx, [Sealed(one.personal, one.id, field) for one in page]) if page else []
    texts = [one.reveal() for one in opened]
    read = model.customer_of if table == "customers" else model.personal_of
    return [one for one, text in zip(page, texts, strict=True) if model.names(read(text), whom)]


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
