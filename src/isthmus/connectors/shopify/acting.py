"""What is done with an order of Shopify by GraphQL: a parcel, and a cancellation (marketplaces.md 6.6)."""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from isthmus.connect import reading
from isthmus.connect.acting import Action, ActionKind, units
from isthmus.connect.reading import Loose
from isthmus.connect.spi import Session
from isthmus.connect.writing import Outcome, Result
from isthmus.connectors.shopify import doing, graph, nodes, ways
from isthmus.connectors.shopify.graph import Complaint

_FIND_PARTS = """query ToSend($id: ID!) { order(id: $id) {
  fulfillments(first: 20) { trackingInfo(first: 1) { number } }
  fulfillmentOrders(first: 10) { nodes { id status lineItems(first: 40) {
    nodes { id remainingQuantity lineItem { id } } } } } } }"""
_SEND = """mutation Send($parcel: FulfillmentInput!) {
  fulfillmentCreate(fulfillment: $parcel) { fulfillment { id } userErrors { field message } } }"""
_CANCEL = """mutation Cancel($id: ID!, $reason: OrderCancelReason!, $refund: Boolean!, $notify: Boolean!) {
  orderCancel(orderId: $id, reason: $reason, restock: true, notifyCustomer: $notify,
    refundMethod: { originalPaymentMethodsRefund: $refund }) { orderCancelUserErrors { field message code } } }"""
_OPEN = frozenset({"OPEN", "IN_PROGRESS"})


class _Left(msgspec.Struct, rename="camel"):
    id: Loose = None
    remaining_quantity: Loose = None
    line_item: nodes.Named | None = None


class _Part(msgspec.Struct, rename="camel"):
    id: Loose = None
    status: Loose = None
    line_items: nodes.Several[_Left] | None = None


class _ToSend(msgspec.Struct, rename="camel"):
    fulfillments: list[nodes.Parcel] = []
    fulfillment_orders: nodes.Several[_Part] | None = None


class _Orders(msgspec.Struct):
    order: _ToSend | None = None


class _Found(msgspec.Struct):
    data: _Orders


class _Said(msgspec.Struct, rename="camel"):
    user_errors: list[Complaint] = []
    order_cancel_user_errors: list[Complaint] = []


class _Done(msgspec.Struct, rename="camel"):
    fulfillment_create: _Said | None = None
    order_cancel: _Said | None = None


class _Changed(msgspec.Struct):
    data: _Done


_FOUND = reading.decoder(_Found)
_CHANGED = reading.decoder(_Changed)


async def act(session: Session, root: str, action: Action) -> Outcome:
    """Do what `doing.check` allowed. Raises client errors."""
    return await (_cancel if action.kind is ActionKind.CANCEL else _send)(session, root, action)


async def _cancel(session: Session, root: str, action: Action) -> Outcome:
    """The platform works it off in the background; a complaint means that it did nothing."""
    variables = {
        "id": _order_gid(action),
        "reason": (action.reason or "other").upper(),
        "refund": doing.refunds(action),
        "notify": ways.notifies(session.account),
    }
    said = (await graph.change(session, root, _CANCEL, variables, _CHANGED)).data.order_cancel
    return _outcome(action, said.order_cancel_user_errors if said is not None else None)


def _outcome(action: Action, complaints: Sequence[Complaint] | None) -> Outcome:
    if complaints is None:
        return graph.first(()).refused(action.key)
    return graph.first(complaints).refused(action.key) if complaints else Outcome(action.key)


async def _send(session: Session, root: str, action: Action) -> Outcome:
    """A parcel of what is left of the wanted lines. One that bears the number already is not told again."""
    found = (await graph.ask(session, root, _FIND_PARTS, {"id": _order_gid(action)}, _FOUND)).data.order
    if found is None:
        return Outcome(action.key, Result.REFUSED, "not_found", "The shop has no such order.")
    if doing.bears(action, (one.number for parcel in found.fulfillments for one in parcel.tracking_info or ())):
        return Outcome(action.key)
    parts = list(_parts(found, set(units(action))))
    if not parts:
        return doing.nothing_left(action)
    parcel = {
        "lineItemsByFulfillmentOrder": parts,
        "trackingInfo": doing.tracking(action),
        "notifyCustomer": ways.notifies(session.account),
    }
    said = (await graph.change(session, root, _SEND, {"parcel": parcel}, _CHANGED)).data.fulfillment_create
    return _outcome(action, said.user_errors if said is not None else None)


def _parts(found: _ToSend, lines: set[str]) -> Iterator[Mapping[str, object]]:
    """What is left of these lines, by the fulfilment orders that hold them."""
    for part in found.fulfillment_orders.nodes if found.fulfillment_orders is not None else ():
        rows = part.line_items.nodes if part.line_items is not None and part.status in _OPEN else ()
        wanted = [
            {"id": row.id, "quantity": row.remaining_quantity}
            for row in rows
            if row.line_item is not None
            and nodes.tail(row.line_item.id) in lines
            and isinstance(row.remaining_quantity, int)
            and row.remaining_quantity > 0
        ]
        if wanted:
            yield {"fulfillmentOrderId": part.id, "fulfillmentOrderLineItems": wanted}


def _order_gid(action: Action) -> str:
    return graph.gid("Order", action.order.external_id)
