"""WooCommerce's order calls (reference 7.4): clear text, amounts as texts, coupons spread over the lines."""

from collections.abc import Iterator
from decimal import Decimal

from isthmus.connectors.woocommerce.sandbox.products import variation_id
from isthmus.connectors.woocommerce.sandbox.rules import gmt, number, paged, refuse, site, window
from isthmus.sandbox import Bought, Call, Placed, Reply, Seller, Shop, json_reply

_WORDS = {
    "unpaid": "pending",
    "paid": "processing",
    "packed": "processing",
    "ready": "processing",
    "shipped": "processing",
    "delivered": "completed",
    "completed": "completed",
    "cancel_asked": "on-hold",
    "cancelled": "cancelled",
    "returned": "refunded",
}


def status(order: Placed) -> str:
    """The order's state in the platform's words; plugins add their own."""
    return order.strange or _WORDS[order.state]


def listed(shop: Shop, call: Call, seller: Seller) -> Reply:
    """GET /orders."""
    low, high = window(call)
    orders = shop.book(seller.id).window(low, high)
    wanted = call.one("status") or "any"
    if wanted != "any":
        orders = [one for one in orders if status(one) == wanted]
    if call.one("orderby") == "id":
        orders = sorted(orders, key=lambda one: one.serial)
    if call.one("order") != "asc":
        orders = orders[::-1]
    if call.reordered:
        orders = orders[-1:] + orders[:-1]
    shown, headers = paged(call, orders)
    return json_reply([rendered(seller, one) for one in shown], headers=headers)


def one(shop: Shop, call: Call, seller: Seller) -> Reply:
    """GET /orders/{id}."""
    return json_reply(rendered(seller, found(shop, call, seller)))


def found(shop: Shop, call: Call, seller: Seller) -> Placed:
    """The order that a path names."""
    order = shop.book(seller.id).order(call.params["id"]) if number(call.params["id"]) is not None else None
    if order is None:
        raise refuse(404, "woocommerce_rest_shop_order_invalid_id", "Invalid ID.")
    return order


def rendered(seller: Seller, order: Placed) -> dict[str, object]:
    """One order as every call shows it."""
    return {
        "id": int(order.key),
        "parent_id": 0,
        "number": order.key,
        "status": status(order),
        "currency": order.currency,
        "version": "9.0.0",
        "prices_include_tax": False,
        **_times(order),
        "discount_total": str(_discount(order)),
        "discount_tax": "0",
        "shipping_total": str(order.shipping),
        "shipping_tax": "0",
        "cart_tax": "0",
        "total": str(order.total),
        "total_tax": "0",
        "customer_id": int(order.buyer.id),
        "customer_note": order.buyer.note,
        "billing": {**_place(order), "email": f"buyer{order.buyer.id}@example.com", "phone": order.buyer.phone},
        "shipping": _place(order),
        "payment_method": "cod" if order.cod else "bacs",
        "payment_method_title": "Thu hộ" if order.cod else "Chuyển khoản",
        "transaction_id": "",
        "line_items": list(_lines(seller, order)),
        "shipping_lines": [
            {"id": 1, "method_title": "Flat rate", "method_id": "flat_rate", "total": str(order.shipping)}
        ],
        "fee_lines": [],
        "coupon_lines": [{"id": 2, "code": "xin-chao", "discount": str(_discount(order))}] if _discount(order) else [],
        "refunds": [{"id": 3, "reason": "", "total": f"-{order.total}"}] if order.state == "returned" else [],
        "meta_data": [],
    }


def _times(order: Placed) -> dict[str, object]:
    paid, done = order.at("paid"), order.at("delivered", "completed")
    paid = done if order.cod else paid
    return {
        "date_created": site(order.placed),
        "date_created_gmt": gmt(order.placed),
        "date_modified": site(order.updated),
        "date_modified_gmt": gmt(order.updated),
        "date_paid_gmt": None if paid is None else gmt(paid),
        "date_completed_gmt": None if done is None else gmt(done),
    }


def _discount(order: Placed) -> Decimal:
    return order.discount_seller + order.discount_platform


def _lines(seller: Seller, order: Placed) -> Iterator[dict[str, object]]:
    """Coupons take from the first lines what these are worth."""
    left = _discount(order)
    for place, line in enumerate(order.lines):
        before = line.price * line.quantity
        off = min(left, before)
        left -= off
        yield {
            "id": order.serial * 100 + place,
            "name": " - ".join([line.title, *line.options]),
            "product_id": line.row,
            "variation_id": _variation(seller, line),
            "quantity": line.quantity,
            "tax_class": "",
            "subtotal": str(before),
            "subtotal_tax": "0",
            "total": str(before - off),
            "total_tax": "0",
            "taxes": [],
            "sku": line.sku,
            "price": float((before - off) / line.quantity),
            "meta_data": [],
        }


def _variation(seller: Seller, line: Bought) -> int:
    row = seller.shelf.row(line.row)
    return variation_id(line.row, line.variant) if row is not None and len(row.product.variants) > 1 else 0


def _place(order: Placed) -> dict[str, object]:
    first, _, last = order.buyer.name.partition(" ")
    return {
        "first_name": first,
        "last_name": last,
        "company": "",
        "address_1": order.buyer.street,
        "address_2": order.buyer.ward,
        "city": order.buyer.city,
        "state": "",
        "postcode": "700000",
        "country": order.buyer.country,
    }
