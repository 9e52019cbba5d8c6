"""Persons are forgotten: in time by rule, at once when somebody asks, and with the shop that knew them."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from isthmus.engine.db import Tx as SystemTx
from isthmus.features.orders import model, store
from isthmus.features.orders.events import CustomerRedacted, OrdersRedacted
from isthmus.features.orders.settings import Settings
from isthmus.kit import ids
from isthmus.kit.errors import NotFound
from isthmus.scope import Scope, System, Tx

_TOLD_AT_ONCE = 500


async def erase(system: System) -> int:
    """Erase what is personal of orders whose time is up, and customers without a younger one; how many orders."""
    settings = system.engine.part(Settings)
    if settings.personal_days <= 0:
        return 0
    before = system.now - timedelta(days=settings.personal_days)
    async with system.tx() as tx:
        tenants = await store.outlived(tx, before)
    count = 0
    for scope in system.scopes(tenants, "orders"):
        while erased := await _erase(scope, settings):
            count += erased
    return count


async def _erase(scope: Scope, settings: Settings) -> int:
    before = scope.now - timedelta(days=settings.personal_days)
    async with scope.tx() as tx:
        orders = await store.erase(tx, before, scope.now, settings.erase_at_once)
        gone = await store.redact_customers(tx, scope.now, settings.erase_at_once, before=before)
        tx.emit(*(told(row) for row in gone))
    return orders + len(gone)


async def redact(scope: Scope, customer_id: str) -> None:
    """Erase a customer and what is personal of all their orders, also of those read later. Raises NotFound."""
    async with scope.tx() as tx:
        await store.begin_forgetting(tx)
        found = await store.customer(tx, customer_id)
        if found is None:
            raise NotFound("There is no such customer.")
        origin = (found["connection_id"], found["provider"])
        await _mark(scope, tx, origin, [model.person_mark(found["external_id"])])
        tx.emit(*told_of_orders(await store.bought(tx, [customer_id])))
        await store.erase_orders_of(tx, [customer_id], scope.now)
        gone = await store.redact_customers(tx, scope.now, 1, ids=[customer_id])
        tx.emit(*(told(row) for row in gone))


async def known_of(
    scope: Scope, connection_id: str, external_id: str, named: Sequence[str]
) -> tuple[str | None, list[str]]:
    """What is kept of a platform's customer: our ids of the customer and of the orders, the named ones too."""
    async with scope.tx() as tx:
        customer_id = await store.person(tx, connection_id, external_id)
        return customer_id, await store.orders_of(tx, connection_id, customer_id, named)


async def redact_at(scope: Scope, origin: tuple[str, str], external_id: str, named: Sequence[str]) -> int:
    """Erase a platform's customer with all their orders, and what is personal of the named ones; how many orders.

    What of these is read later, because it is not here yet, comes without what is personal. `origin` is connection and
    provider.
    """
    marks = {model.order_mark(one) for one in named} | ({model.person_mark(external_id)} if external_id else set())
    async with scope.tx() as tx:
        await store.begin_forgetting(tx)
        await _mark(scope, tx, origin, sorted(marks))
        customer_id = await store.person(tx, origin[0], external_id)
        count = await store.erase_named(tx, origin[0], named, scope.now)
        if customer_id is not None:
            tx.emit(*told_of_orders(await store.bought(tx, [customer_id])))
            count += await store.erase_orders_of(tx, [customer_id], scope.now)
            tx.emit(*(told(row) for row in await store.redact_customers(tx, scope.now, 1, ids=[customer_id])))
    return count


async def _mark(scope: Scope, tx: Tx, origin: tuple[str, str], marks: Sequence[str]) -> None:
    if marks:
        fresh = [f"cus_{id_}" for id_ in ids.many(len(marks), scope.clock)]
        await store.mark(tx, origin, marks, fresh, scope.now)


def told_of_orders(orders: Sequence[tuple[str, str]]) -> list[OrdersRedacted]:
    """The facts that nothing personal is kept of these orders (connection and external id), some in each."""
    by_connection: dict[str, list[str]] = {}
    for connection_id, external_id in orders:
        by_connection.setdefault(connection_id, []).append(external_id)
    return [
        OrdersRedacted(subject=one, body={"connectionId": one, "externalIds": named[start : start + _TOLD_AT_ONCE]})
        for one, named in by_connection.items()
        for start in range(0, len(named), _TOLD_AT_ONCE)
    ]


def told(row: Mapping[str, Any]) -> CustomerRedacted:
    """The fact that a customer was erased."""
    body = {"connectionId": row["connection_id"], "provider": row["provider"], "externalId": row["external_id"]}
    return CustomerRedacted(subject=row["id"], body=body)


async def forget(tx: SystemTx, tenant_id: str, connection_id: str) -> int:
    """Remove the orders of a shop that was disconnected, or may not be read any more; they would be read anew."""
    return await store.forget(tx, tenant_id, connection_id)
