"""What is done with an order of Shopify by REST: a parcel with its number, and a cancellation (marketplaces.md 6.6).

The reference gives the calls for GraphQL; REST's are those of the Fulfillment and Order resources of shopify.dev.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from urllib.parse import quote

import msgspec

from isthmus.client import CallerMistake, Missing
from isthmus.client.errors import MalformedBody
from isthmus.connect import batching, judging, reading
from isthmus.connect.acting import Action, ActionKind, units
from isthmus.connect.reading import Loose
from isthmus.connect.spi import Session, Unmappable
from isthmus.connect.writing import Outcome, Result
from isthmus.connectors.shopify import doing, refunding, rows, ways

_OPEN = frozenset({"open", "in_progress"})


class _Left(msgspec.Struct):
    id: Loose = None
    line_item_id: Loose = None
    fulfillable_quantity: Loose = None


class _Part(msgspec.Struct):
    id: Loose = None
    status: Loose = None
    line_items: list[_Left] | None = None


class _Parts(msgspec.Struct):
    fulfillment_orders: list[_Part]


class _Order(msgspec.Struct):
    order: rows.Order


_PARTS = reading.decoder(_Parts)
_ORDER = reading.decoder(_Order)


async def act(session: Session, root: str, action: Action) -> Outcome:
    """Do what `doing.check` allowed. Raises client errors."""
    path = f"{root}/orders/{quote(action.order.external_id, safe='')}"
    try:
        found = judging.decoded(await session.client.get(f"{path}.json"), _ORDER).order
    except Missing:
        return Outcome(action.key, Result.REFUSED, "not_found", "The shop has no such order.")
    if action.kind is ActionKind.CANCEL:
        return await _post(session, f"{path}/cancel.json", _cancellation(session, action, found), action)
    if doing.bears(action, (one.tracking_number for one in found.fulfillments or ())):
        return Outcome(action.key)
    parts = judging.decoded(await session.client.get(f"{path}/fulfillment_orders.json"), _PARTS).fulfillment_orders
    wanted = list(_parts(parts, set(units(action))))
    if not wanted:
        return doing.nothing_left(action)
    parcel = {
        "line_items_by_fulfillment_order": wanted,
        "tracking_info": doing.tracking(action),
        "notify_customer": ways.notifies(session.account),
    }
    return await _post(session, f"{root}/fulfillments.json", {"fulfillment": parcel}, action)


async def _post(session: Session, path: str, body: object, action: Action) -> Outcome:
    try:
        await session.client.post(path, body, idempotent=False)
    except (CallerMistake, Missing) as error:
        return Outcome(action.key, Result.REFUSED, error.code, error.message)
    return Outcome(action.key)


def _cancellation(session: Session, action: Action, order: rows.Order) -> dict[str, object]:
    """What was paid and has not gone back yet is named by its amount: REST knows no refund of all there is."""
    said: dict[str, object] = {
        "reason": action.reason or "other",
        "email": ways.notifies(session.account),
        "restock": True,
    }
    paid = _paid(order) if doing.refunds(action) else Decimal(0)
    return said if paid <= 0 else {**said, "amount": batching.exact(paid), "currency": reading.line(order.currency)}


def _paid(order: rows.Order) -> Decimal:
    try:
        total = reading.decimal(order.total_price, "total price")
        owed = reading.optional_decimal(order.total_outstanding, "amount outstanding") or Decimal(0)
        return total - owed - sum(refunding.of(one).amount or 0 for one in order.refunds or ())
    except Unmappable as error:
        raise MalformedBody("the order does not say what was paid", reason="shape") from error


def _parts(found: list[_Part], lines: set[str]) -> Iterator[Mapping[str, object]]:
    """What is left of these lines, by the fulfilment orders that hold them."""
    for part in found:
        wanted = [
            {"id": row.id, "quantity": row.fulfillable_quantity}
            for row in part.line_items or ()
            if part.status in _OPEN
            and str(row.line_item_id) in lines
            and isinstance(row.fulfillable_quantity, int)
            and row.fulfillable_quantity > 0
        ]
        if wanted:
            yield {"fulfillment_order_id": part.id, "fulfillment_order_line_items": wanted}
