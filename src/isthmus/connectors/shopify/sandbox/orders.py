"""Shopify's order calls (reference 6.6): two states, prices as texts, times with an offset."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from isthmus.connectors.shopify.sandbox.products import variant_id
from isthmus.connectors.shopify.sandbox.rules import local, moment, paged, place, refuse
from isthmus.sandbox import Bought, Call, Placed, Reply, Seller, Shop, json_reply

_SENT = frozenset({"shipped", "delivered", "completed", "returned"})
_SETTLED = frozenset({"delivered", "completed"})
_STATES = frozenset({"open", "closed", "cancelled", "any"})


@dataclass(frozen=True, slots=True)
class Parcel:
    """What an app sent of an order: how many pieces of which line, by whom, under which number."""

    id: int
    company: str
    number: str
    url: str | None
    created: int
    lines: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Refund:
    """Money that went back to a buyer, and how many pieces of which line it was for."""

    id: int
    amount: Decimal
    created: int
    lines: Mapping[int, int]
    note: str = ""


class Parcels:
    """What became of one shop's orders: parcels that were told, money that went back, why orders were called off."""

    def __init__(self) -> None:
        self._parcels: dict[str, list[Parcel]] = {}
        self._refunds: dict[str, list[Refund]] = {}
        self.reasons: dict[str, str] = {}

    def refund(self, order: Placed, amount: Decimal, pieces: Mapping[int, int], now: int, note: str = "") -> None:
        """Pay some of an order back; `pieces` by the place of the line."""
        known = self._refunds.setdefault(order.key, [])
        lines = {_line_id(order, at): count for at, count in pieces.items()}
        known.append(Refund(509_000_000 + order.serial * 100 + len(known), amount, now, lines, note))

    def refunded(self, order: Placed) -> list[Refund]:
        """What went back; all of it where the order was returned, or called off after it was paid."""
        told = self._refunds.get(order.key, [])
        paid = order.state == "returned" or (order.state == "cancelled" and not order.cod)
        if told or not paid:
            return told
        lines = {_line_id(order, at): line.quantity for at, line in enumerate(order.lines)}
        return [Refund(509_000_000 + order.serial * 100, order.total, order.updated, lines)]

    def of(self, order: Placed) -> list[Parcel]:
        """The parcels of an order, oldest first."""
        return self._parcels.get(order.key, [])

    def add(self, order: Placed, parcel: Parcel) -> None:
        """One more parcel."""
        self._parcels.setdefault(order.key, []).append(parcel)


def left(order: Placed, parcels: Parcels) -> dict[int, int]:
    """How many pieces of each line are still to be sent."""
    gone = order.state in _SENT and not parcels.of(order)
    found = {_line_id(order, at): 0 if gone else line.quantity for at, line in enumerate(order.lines)}
    for parcel in parcels.of(order):
        for line, count in parcel.lines.items():
            found[line] -= count
    return found


def _line_id(order: Placed, at: int) -> int:
    return order.serial * 100 + at


def listed(shop: Shop, call: Call, seller: Seller, parcels: Parcels) -> Reply:
    """GET /orders.json; open ones alone unless `status` says otherwise."""
    at = place(shop, call)
    state = at.filters.get("status", "open")
    if state not in _STATES:
        raise refuse(400, "status", {"status": "must be one of open, closed, cancelled, any"})
    window = moment(at.filters, "updated_at_min"), moment(at.filters, "updated_at_max")
    orders = [one for one in shop.book(seller.id).window(*window) if state in {"any", _state(one)}]
    shown, headers = paged(shop, call, at, orders, lambda one: int(one.key))
    return json_reply({"orders": [rendered(one, parcels) for one in shown]}, headers=headers)


def one(shop: Shop, call: Call, seller: Seller, parcels: Parcels) -> Reply:
    """GET /orders/{id}.json."""
    order = shop.book(seller.id).order(call.params["id"])
    if order is None:
        raise refuse(404, "order", "Not Found")
    return json_reply({"order": rendered(order, parcels)})


def _state(order: Placed) -> str:
    if order.state == "cancelled":
        return "cancelled"
    return "open" if order.at("completed") is None else "closed"


def _financial(order: Placed, refunds: list[Refund]) -> str:
    if order.strange:
        return order.strange
    if refunds:
        return "refunded" if sum(one.amount for one in refunds) >= order.total else "partially_refunded"
    if order.state == "returned":
        return "refunded"
    if order.state == "cancelled":
        return "voided" if order.cod else "refunded"
    owed = order.state not in _SETTLED if order.cod else order.at("paid") is None
    return "pending" if owed else "paid"


def rendered(order: Placed, parcels: Parcels) -> dict[str, object]:
    """One order as every call shows it."""
    refunds = parcels.refunded(order)
    financial, still = _financial(order, refunds), left(order, parcels)
    discount = order.discount_seller + order.discount_platform
    closed, cancelled = order.at("completed"), order.at("cancelled")
    return {
        "id": int(order.key),
        "name": f"#{1000 + order.serial}",
        "order_number": 1000 + order.serial,
        "email": f"buyer{order.buyer.id}@example.com",
        "phone": None,
        "created_at": local(order.placed),
        "processed_at": local(order.placed),
        "updated_at": local(order.updated),
        "closed_at": None if closed is None else local(closed),
        "cancelled_at": None if cancelled is None else local(cancelled),
        "cancel_reason": None if cancelled is None else parcels.reasons.get(order.key, "customer"),
        "currency": order.currency,
        "presentment_currency": order.currency,
        "financial_status": financial,
        "fulfillment_status": _sent(still, parcels.of(order)),
        "subtotal_price": str(order.goods - discount),
        "total_discounts": str(discount),
        "total_shipping_price_set": _both(str(order.shipping), order.currency),
        "total_tax": "0",
        "taxes_included": True,
        "total_price": str(order.total),
        "total_outstanding": str(order.total) if financial == "pending" else "0",
        "payment_gateway_names": ["Cash on Delivery (COD)" if order.cod else "manual"],
        "note": order.buyer.note or None,
        "test": False,
        "customer": {"id": int(order.buyer.id), "email": f"buyer{order.buyer.id}@example.com"},
        "shipping_address": _address(order),
        "billing_address": _address(order),
        "line_items": [_line(order, at, line, still) for at, line in enumerate(order.lines)],
        "fulfillments": _fulfilments(order, parcels),
        "refunds": [_refund(order, one) for one in refunds],
    }


def _sent(still: Mapping[int, int], told: list[Parcel]) -> str | None:
    if not any(still.values()):
        return "fulfilled"
    return "partial" if told else None


def _fulfilments(order: Placed, parcels: Parcels) -> list[dict[str, object]]:
    told = parcels.of(order)
    if told:
        return [_told(order, one) for one in told]
    return [_parcel(order)] if order.state in _SENT else []


def _told(order: Placed, parcel: Parcel) -> dict[str, object]:
    arrived = order.at("delivered", "completed") is not None
    return {
        "id": parcel.id,
        "status": "success",
        "created_at": local(parcel.created),
        "tracking_company": parcel.company or None,
        "tracking_number": parcel.number or None,
        "tracking_url": parcel.url,
        "shipment_status": "delivered" if arrived else None,
        "line_items": [{"id": line, "quantity": count} for line, count in parcel.lines.items()],
    }


def _refund(order: Placed, refund: Refund) -> dict[str, object]:
    kind = "return" if order.state in _SENT else "cancel"
    return {
        "id": refund.id,
        "order_id": int(order.key),
        "created_at": local(refund.created),
        "note": refund.note or None,
        "refund_line_items": [
            {"id": refund.id * 10 + at, "line_item_id": line, "quantity": count, "restock_type": kind}
            for at, (line, count) in enumerate(refund.lines.items())
        ],
        "transactions": [{"id": refund.id, "kind": "refund", "status": "success", "amount": str(refund.amount)}],
    }


def _both(amount: str, currency: str) -> dict[str, object]:
    money = {"amount": amount, "currency_code": currency}
    return {"shop_money": money, "presentment_money": money}


def _line(order: Placed, at: int, line: Bought, still: Mapping[int, int]) -> dict[str, object]:
    unsent = still[_line_id(order, at)]
    return {
        "id": _line_id(order, at),
        "product_id": line.row,
        "variant_id": variant_id(line.row, line.variant),
        "sku": line.sku,
        "title": line.title,
        "variant_title": " / ".join(line.options) or None,
        "quantity": line.quantity,
        "current_quantity": line.quantity,
        "fulfillable_quantity": unsent,
        "price": str(line.price),
        "total_discount": "0",
        "tax_lines": [],
        "fulfillment_status": None if unsent == line.quantity else "partial" if unsent else "fulfilled",
        "requires_shipping": True,
    }


def _parcel(order: Placed) -> dict[str, object]:
    arrived = order.at("delivered", "completed") is not None
    shipped = order.at("shipped")
    return {
        "id": 255_000_000 + order.serial,
        "status": "success",
        "created_at": local(shipped if shipped is not None else order.updated),
        "tracking_company": "GHN",
        "tracking_number": f"GHN{order.serial:08}",
        "tracking_url": None,
        "shipment_status": "delivered" if arrived else None,
        "line_items": [{"id": _line_id(order, at), "quantity": line.quantity} for at, line in enumerate(order.lines)],
    }


def _address(order: Placed) -> dict[str, object]:
    first, _, last = order.buyer.name.partition(" ")
    return {
        "first_name": first,
        "last_name": last,
        "name": order.buyer.name,
        "phone": order.buyer.phone,
        "address1": order.buyer.street,
        "address2": order.buyer.ward,
        "city": order.buyer.city,
        "province": None,
        "zip": "700000",
        "country_code": order.buyer.country,
    }
