"""Orders into the store: compared by hash first, what is personal sealed, one event for each real change."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from isthmus.connect.keeping import Origin, Written
from isthmus.connect.shapes import Customer
from isthmus.engine import holdings
from isthmus.features import vault
from isthmus.features.orders import model, store
from isthmus.features.orders.events import OrderCreated, OrderStatusChanged, OrderStatusUnknown, OrderUpdated
from isthmus.features.orders.model import KnownCustomer, OrderItem, Personal, Stored
from isthmus.features.orders.service.places import CUSTOMER, PERSONAL, RAW
from isthmus.features.orders.store import Buyer, Change
from isthmus.features.vault import Sealed, ToSeal
from isthmus.kit import ids
from isthmus.kit.events import Event
from isthmus.kit.secret import Secret
from isthmus.scope import Scope, Tx


class _News(msgspec.Struct, frozen=True, gc=False):
    """An order that differs from the store: what is personal of it is joined with what was known in the clear."""

    item: OrderItem
    id: str
    known: Stored | None
    personal: Personal
    #: Nothing personal of it is kept: it was erased, or was to be forgotten before it was read.
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class _Writing:
    """One write of one page."""

    tx: Tx
    scope: Scope
    origin: Origin

    async def news(self, items: Mapping[str, OrderItem], known: Mapping[str, Stored]) -> list[_News]:
        """The items that are to be written."""
        candidates = [item for item in items.values() if _may_differ(item, known.get(item.external_id))]
        clear = await self._clear([known[item.external_id] for item in candidates if item.external_id in known])
        marks = await self._marks([item for item in candidates if item.external_id not in known])
        fresh = iter(ids.many(len(candidates), self.scope.clock))
        found = []
        for item in candidates:
            before = known.get(item.external_id)
            one = _compared(item, before, clear.get(before.id) if before else None, fresh)
            if one is not None:
                hidden = model.is_forgotten(item, marks) if before is None else before.redacted_at is not None
                found.append(msgspec.structs.replace(one, hidden=True) if hidden else one)
        return found

    async def _marks(self, items: Sequence[OrderItem]) -> Mapping[str, datetime]:
        """Whom and what of these somebody asked to forget before they were read."""
        people = {one.personal.customer.external_id for one in items if one.personal.customer is not None}
        marks = {model.person_mark(id_) for id_ in people if id_} | {model.order_mark(one.external_id) for one in items}
        return await store.marked(self.tx, self.origin.id, sorted(marks)) if marks else {}

    async def _clear(self, stored: Sequence[Stored]) -> dict[str, Personal]:
        """What is known in the clear, by our id."""
        sealed = [Sealed(one.personal, one.id, PERSONAL) for one in stored if one.personal is not None]
        opened = await vault.open_many(self.scope, self.tx, sealed) if sealed else []
        return {one.owner: model.personal_of(text.reveal()) for one, text in zip(sealed, opened, strict=True)}

    async def buyers(self, news: Sequence[_News]) -> dict[str, str]:
        """Write the customers of these orders; our ids by the platform's."""
        orders: dict[str, list[_News]] = {}
        for one in news:
            person = one.personal.customer
            if person is not None and person.external_id and not one.hidden:
                orders.setdefault(person.external_id, []).append(one)
        if not orders:
            return {}
        known = await store.customers(self.tx, self.origin.id, list(orders))
        before = await self._known_buyers(known)
        fresh = iter(ids.many(len(orders), self.scope.clock))
        people = {id_: self._person(before.get(id_), found) for id_, found in orders.items()}
        names = {id_: known[id_].id if id_ in known else f"cus_{next(fresh)}" for id_ in orders}
        texts = [ToSeal(Secret(model.seal_text(people[id_])), names[id_], CUSTOMER) for id_ in orders]
        sealed = await vault.seal_many(self.scope, self.tx, texts)
        written = [
            Buyer(names[id_], id_, seal, *_span(found))
            for (id_, found), seal in zip(orders.items(), sealed, strict=True)
        ]
        await store.write_customers(self.tx, (self.origin.id, self.origin.provider), written, self.scope.now)
        return names

    async def _known_buyers(self, known: Mapping[str, KnownCustomer]) -> dict[str, Customer]:
        sealed = [(id_, Sealed(one.personal, one.id, CUSTOMER)) for id_, one in known.items() if one.personal]
        opened = await vault.open_many(self.scope, self.tx, [one for _, one in sealed]) if sealed else []
        return {id_: model.customer_of(text.reveal()) for (id_, _), text in zip(sealed, opened, strict=True)}

    def _person(self, known: Customer | None, found: Sequence[_News]) -> Customer:
        for one in found:
            known = model.customer(known, one.personal.customer)
        assert known is not None  # noqa: S101 - every order here names its customer
        return known

    async def put(self, news: Sequence[_News], buyers: Mapping[str, str]) -> None:
        """Write the orders."""
        texts = [
            ToSeal(Secret(text), one.id, place)
            for one in news
            if not one.hidden
            for text, place in ((model.seal_text(one.personal), PERSONAL), (_text(one.item.raw), RAW))
        ]
        sealed = iter(await vault.seal_many(self.scope, self.tx, texts) if texts else ())
        changes = [self._change(one, buyers, sealed) for one in news]
        count = sum(len(one.item.order.lines) + len(one.item.order.shipments) for one in news)
        fresh = ids.many(count, self.scope.clock) if count else []
        await store.write(self.tx, (self.origin.id, self.origin.provider), changes, fresh, self.scope.now)
        size = sum(len(one.item.raw) + len(one.item.body) for one in news if one.known is None)
        await holdings.add(self.tx, self.origin.id, store.KIND, size)

    def _change(self, one: _News, buyers: Mapping[str, str], sealed: Iterator[bytes]) -> Change:
        person = one.personal.customer
        customer_id = buyers.get(person.external_id) if person is not None and person.external_id else None
        personal, raw = (None, None) if one.hidden else (next(sealed), next(sealed))
        return Change(one.item, one.id, one.known is None, customer_id, personal, raw)

    async def unknown(self, news: Sequence[_News]) -> list[Event]:
        """Alerts for statuses that nobody has met before; each is told once."""
        found = [(status, one.id) for one in news for status in model.unknown_statuses(one.item.order)]
        if not found:
            return []
        fresh = await store.note_statuses(self.tx, self.origin.provider, found[::-1], self.scope.now)
        bodies = [
            (order_id, {"provider": self.origin.provider, "connectionId": self.origin.id, "platformStatus": status})
            for status, order_id in fresh
        ]
        return [OrderStatusUnknown(subject=order_id, body=body) for order_id, body in bodies]


async def write_orders(tx: Tx, scope: Scope, connection: Origin, items: Sequence[OrderItem]) -> Written:
    """Write what differs from the store and emit one event for each real change, all in the caller's transaction.

    Masked names and addresses never take the place of clear ones, an older state never that of a newer one, and what
    was erased stays erased, as does what was to be forgotten before it was read. Two writers of one connection must be
    kept apart by the caller.
    """
    writing = _Writing(tx, scope, connection)
    folded = model.fold(items)
    if folded:
        await store.hold_forgotten(tx)
    known = await store.stored(tx, connection.id, list(folded))
    news = await writing.news(folded, known)
    if news:
        await writing.put(news, await writing.buyers(news))
        tx.emit(*(event for one in news for event in _events(connection, one)), *await writing.unknown(news))
    created = sum(one.known is None for one in news)
    lines = sum(len(item.order.lines) for item in items)
    changed = tuple((one.item.external_id, one.known is None) for one in news)
    return Written(created, len(news) - created, len(folded) - len(news), lines, (), changed)


def _may_differ(item: OrderItem, known: Stored | None) -> bool:
    if known is None:
        return True
    return known.raw_hash != item.raw_hash and not model.is_older(item.changed_at, known.changed_at)


def _compared(item: OrderItem, known: Stored | None, clear: Personal | None, fresh: Iterator[str]) -> _News | None:
    """The item with what is known in the clear; None when nothing differs after all."""
    if known is None:
        return _News(item, f"ord_{next(fresh)}", None, item.personal)
    personal = item.personal if clear is None else model.joined(clear, item.personal)
    same = known.redacted_at is not None or personal == clear
    return None if same and known.hash == item.hash else _News(item, known.id, known, personal)


def _text(raw: bytes) -> str:
    """Bytes as a text that keeps each of them."""
    return raw.decode("utf-8", "surrogateescape")


def _span(found: Sequence[_News]) -> tuple[datetime | None, datetime | None]:
    times = [one.item.order.placed_at for one in found if one.item.order.placed_at is not None]
    return (min(times), max(times)) if times else (None, None)


def _events(connection: Origin, one: _News) -> list[Event]:
    order = one.item.order
    body = {
        "id": one.id,
        "connectionId": connection.id,
        "provider": connection.provider,
        "externalId": order.external_id,
        "number": order.number,
        "status": order.status,
        "platformStatus": order.platform_status,
        "currency": order.currency,
        "grandTotal": str(order.totals.grand_total),
    }
    if order.placed_at is not None:
        body["placedAt"] = order.placed_at.isoformat()
    if one.known is None:
        return [OrderCreated(subject=one.id, body=body)]
    told: list[Event] = [OrderUpdated(subject=one.id, body=body)]
    if one.known.status != order.status:
        told.append(OrderStatusChanged(subject=one.id, body={**body, "previousStatus": one.known.status}))
    return told
