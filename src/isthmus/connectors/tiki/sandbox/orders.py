"""Tiki's order calls (reference 4.5): pages by number, local times, whole dong."""

from isthmus.connectors.tiki.sandbox.pages import bounds, whole
from isthmus.connectors.tiki.sandbox.rules import local, parsed, refuse
from isthmus.sandbox import Bought, Call, Placed, Reply, Seller, Shop, json_reply

_DEFAULT_LIMIT = 20
_LIMIT = 50
_STATUS = {
    "unpaid": "waiting_payment",
    "paid": "queueing",
    "packed": "packaging",
    "ready": "ready_to_ship",
    "shipped": "shipping",
    "delivered": "successful_delivery",
    "completed": "complete",
    "cancel_asked": "holded",
    "cancelled": "canceled",
    "returned": "returned",
}
_INCLUDES = ("items.fees", "status_histories")


def status(order: Placed) -> str:
    """The order's state in the platform's words."""
    confirmed = order.state == "paid" and not waits(order)
    return order.strange or ("processing" if confirmed else _STATUS[order.state])


def kind(order: Placed) -> str:
    """Who delivers it."""
    return order.facts.get("fulfillment_type", "tiki_delivery")


def item_id(order: Placed, place: int) -> int:
    """The id of an order's line."""
    return 156_000_000 + order.serial * 100 + place


def waits(order: Placed) -> bool:
    """Whether the seller has yet to say that the goods are there."""
    return order.state == "paid" and f"item:{item_id(order, 0)}" not in order.facts


def listed(shop: Shop, call: Call, seller: Seller) -> Reply:
    """GET /orders: by creation newest first, by change oldest first; a page may hold fewer rows than asked for."""
    page, limit = whole(call, "page", 1), whole(call, "limit", _DEFAULT_LIMIT, _LIMIT)
    orders = _matching(shop, call, seller)
    if call.reordered:
        orders = orders[-1:] + orders[:-1]
    start, end, last = bounds(page, limit, len(orders))
    data = [_order(seller, one, call.all("include")) for one in orders[start:end]]
    call.record.page, call.record.rows = str(page), len(data)
    paging = {
        "total": len(orders),
        "per_page": limit,
        "current_page": page,
        "last_page": last,
        "from": start + 1 if data else None,
        "to": start + len(data) if data else None,
    }
    return json_reply({"data": data, "paging": paging})


def _matching(shop: Shop, call: Call, seller: Seller) -> list[Placed]:
    low, high = (parsed(name, call.one(name)) for name in ("updated_from_date", "updated_to_date"))
    first, last = (parsed(name, call.one(name)) for name in ("created_from_date", "created_to_date"))
    by_change = low is not None or high is not None
    orders = (
        shop.book(seller.id).window(low, high) if by_change else shop.book(seller.id).window(first, last, placed=True)
    )
    if by_change and (first is not None or last is not None):
        orders = [one for one in orders if (first or 0) <= one.placed <= (last or 1 << 40)]
    wanted, code = call.one("status"), call.one("code")
    if wanted:
        names, without = set(wanted.removeprefix("nin|").split(",")), wanted.startswith("nin|")
        orders = [one for one in orders if (status(one) in names) != without]
    if code:
        orders = [one for one in orders if one.key == code]
    return orders if by_change else orders[::-1]


def one(shop: Shop, call: Call, seller: Seller) -> Reply:
    """GET /orders/{code}: one order."""
    order = shop.book(seller.id).order(call.params["code"])
    if order is None:
        raise refuse(404, "order", f"Order not found code: {call.params['code'][:40]}")
    return json_reply(_order(seller, order, list(_INCLUDES)))


def _order(seller: Seller, order: Placed, include: list[str]) -> dict[str, object]:
    paid = order.at("paid")
    shown: dict[str, object] = {
        "id": 106_000_000 + order.serial,
        "code": order.key,
        "fulfillment_type": kind(order),
        "status": status(order),
        "is_rma": False,
        "is_vat_exporting": False,
        "has_backorder_items": True,
        "relation_code": None,
        "created_at": local(order.placed),
        "updated_at": local(order.updated),
        "tiki_warehouse": {"id": 17, "name": "Ha Noi 4", "code": "hn4"},
        "invoice": {**_invoice(order), "purchased_at": local(order.placed)},
        "items": [_item(seller, order, place, line) for place, line in enumerate(order.lines)],
        "shipping": _shipping(order),
        "payment": {
            "method": "cod" if order.cod else "momo",
            "is_prepaid": not order.cod,
            "status": "success" if paid is not None and not order.cod else "",
            "description": "",
        },
        "customer": {"id": int(order.buyer.id), "full_name": order.shown.name},
    }
    if order.state == "cancelled":
        shown["cancel_info"] = {
            "reason_code": "CUSTOMER_CHANGED_MIND",
            "reason_text": "Changed my mind",
            "comment": "",
            "canceled_at": local(order.updated),
        }
    if "status_histories" in include:
        steps = enumerate(order.history, 1)
        shown["status_histories"] = [
            {"id": place, "status": _STATUS[state], "created_at": local(at)} for place, (state, at) in steps
        ]
    return shown


def _invoice(order: Placed) -> dict[str, object]:
    discount = int(order.discount_platform)
    return {
        "items_count": len(order.lines),
        "items_quantity": sum(line.quantity for line in order.lines),
        "subtotal": int(order.goods),
        "grand_total": int(order.total),
        "collectible_amount": int(order.total) if order.cod else 0,
        "discount_amount": discount,
        "discount_tikixu": 0,
        "discount_coupon": discount,
        "shipping_amount_after_discount": int(order.shipping),
        "shipping_discount_amount": 0,
        "handling_fee": 0,
        "total_seller_fee": -int(order.goods / 10),
        "total_seller_income": int(order.goods) - int(order.goods / 10),
    }


def _item(seller: Seller, order: Placed, place: int, line: Bought) -> dict[str, object]:
    rows = seller.shelf.rows([line.row])
    group = 900_000_000 + rows[0].index if rows and len(rows[0].product.variants) > 1 else 0
    total = int(line.price * line.quantity)
    return {
        "id": item_id(order, place),
        "product": {
            "id": line.row,
            "type": "simple",
            "super_id": group,
            "master_id": 1_800_000_000 + line.row,
            "sku": str(9_000_000_000_000 + line.row),
            "name": " - ".join([line.title, *line.options]),
            "inventory_type": "backorder",
            "thumbnail": line.image,
            "seller_product_code": line.sku,
        },
        "seller": {"id": int(seller.id), "name": seller.name},
        "confirmation": {
            "status": _confirmation(order, place),
            "confirmed_at": None,
            "available_confirm_sla": local(order.placed + 28_800),
            "pickup_confirm_sla": local(order.placed + 172_800),
            "histories": [],
        },
        "price": int(line.list_price),
        "qty": line.quantity,
        "invoice": {
            "price": int(line.list_price),
            "quantity": line.quantity,
            "subtotal": total,
            "row_total": total,
            "discount_amount": 0,
            "seller_fee": -total // 10,
            "seller_income": total - total // 10,
            "fees": [],
        },
    }


def _confirmation(order: Placed, place: int) -> str:
    usual = "waiting" if order.state == "paid" else "confirmed"
    return order.facts.get(f"item:{item_id(order, place)}", usual)


def _shipping(order: Placed) -> dict[str, object]:
    sent = order.state in {"shipped", "delivered", "completed", "returned"}
    buyer = order.shown
    return {
        "partner_id": "TNSL" if sent else "",
        "partner_name": order.facts.get("partner_name", "TikiNOW" if sent else ""),
        "tracking_code": order.facts.get("tracking_code", f"TNSL{order.serial:08d}" if sent else ""),
        "status": "delivered" if order.state in {"delivered", "completed"} else "shipping" if sent else "",
        "plan": {"id": 1, "name": "Giao hàng tiêu chuẩn", "is_free_shipping": False, "description": ""},
        "address": {
            "full_name": buyer.name,
            "street": buyer.street,
            "ward": buyer.ward,
            "district": buyer.district,
            "region": buyer.city,
            "country": "Việt Nam",
            "country_id": buyer.country,
        },
    }
