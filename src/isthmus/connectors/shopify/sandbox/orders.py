"""Shopify's order calls (reference 6.6): two states, prices as texts, times with an offset."""

from isthmus.connectors.shopify.sandbox.products import variant_id
from isthmus.connectors.shopify.sandbox.rules import local, moment, paged, place, refuse
from isthmus.sandbox import Bought, Call, Placed, Reply, Seller, Shop, json_reply

_SENT = frozenset({"shipped", "delivered", "completed", "returned"})
_SETTLED = frozenset({"delivered", "completed"})
_STATES = frozenset({"open", "closed", "cancelled", "any"})


def listed(shop: Shop, call: Call, seller: Seller) -> Reply:
    """GET /orders.json; open ones alone unless `status` says otherwise."""
    at = place(shop, call)
    state = at.filters.get("status", "open")
    if state not in _STATES:
        raise refuse(400, "status", {"status": "must be one of open, closed, cancelled, any"})
    window = moment(at.filters, "updated_at_min"), moment(at.filters, "updated_at_max")
    orders = [one for one in shop.book(seller.id).window(*window) if state in {"any", _state(one)}]
    shown, headers = paged(shop, call, at, orders, lambda one: int(one.key))
    return json_reply({"orders": [rendered(one) for one in shown]}, headers=headers)


def one(shop: Shop, call: Call, seller: Seller) -> Reply:
    """GET /orders/{id}.json."""
    order = shop.book(seller.id).order(call.params["id"])
    if order is None:
        raise refuse(404, "order", "Not Found")
    return json_reply({"order": rendered(order)})


def _state(order: Placed) -> str:
    if order.state == "cancelled":
        return "cancelled"
    return "open" if order.at("completed") is None else "closed"


def _financial(order: Placed) -> str:
    if order.strange:
        return order.strange
    if order.state == "returned":
        return "refunded"
    if order.state == "cancelled":
        return "voided" if order.cod else "refunded"
    owed = order.state not in _SETTLED if order.cod else order.at("paid") is None
    return "pending" if owed else "paid"


def rendered(order: Placed) -> dict[str, object]:
    """One order as every call shows it."""
    sent, financial = order.state in _SENT, _financial(order)
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
        "cancel_reason": None if cancelled is None else "customer",
        "currency": order.currency,
        "presentment_currency": order.currency,
        "financial_status": financial,
        "fulfillment_status": "fulfilled" if sent else None,
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
        "line_items": [_line(order, at, line) for at, line in enumerate(order.lines)],
        "fulfillments": [_parcel(order)] if sent else [],
        "refunds": [],
    }


def _both(amount: str, currency: str) -> dict[str, object]:
    money = {"amount": amount, "currency_code": currency}
    return {"shop_money": money, "presentment_money": money}


def _line(order: Placed, at: int, line: Bought) -> dict[str, object]:
    sent = order.state in _SENT
    return {
        "id": order.serial * 100 + at,
        "product_id": line.row,
        "variant_id": variant_id(line.row, line.variant),
        "sku": line.sku,
        "title": line.title,
        "variant_title": " / ".join(line.options) or None,
        "quantity": line.quantity,
        "current_quantity": line.quantity,
        "fulfillable_quantity": 0 if sent else line.quantity,
        "price": str(line.price),
        "total_discount": "0",
        "tax_lines": [],
        "fulfillment_status": "fulfilled" if sent else None,
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
        "line_items": [
            {"id": order.serial * 100 + at, "quantity": line.quantity} for at, line in enumerate(order.lines)
        ],
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
