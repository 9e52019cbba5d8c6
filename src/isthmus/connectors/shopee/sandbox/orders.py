"""Shopee's order calls (reference 2.6): a list of numbers by windows of at most 15 days, details for up to 50."""

from decimal import Decimal

from isthmus.connectors.shopee.sandbox.rules import refuse, shop_call, success, whole
from isthmus.sandbox import Bought, Call, Placed, Reply, Seller, Shop
from isthmus.sandbox.dice import Dice

_IDS = 50
_PAGE = (1, 100)
_TIMES = (0, 1 << 40)
_WINDOW = 15 * 86_400
_STATUS = {
    "unpaid": "UNPAID",
    "paid": "READY_TO_SHIP",
    "packed": "PROCESSED",
    "ready": "PROCESSED",
    "shipped": "SHIPPED",
    "delivered": "TO_CONFIRM_RECEIVE",
    "completed": "COMPLETED",
    "cancel_asked": "IN_CANCEL",
    "cancelled": "CANCELLED",
    "returned": "TO_RETURN",
}
_LOGISTICS = {
    "packed": "LOGISTICS_REQUEST_CREATED",
    "ready": "LOGISTICS_REQUEST_CREATED",
    "shipped": "LOGISTICS_PICKUP_DONE",
    "delivered": "LOGISTICS_DELIVERY_DONE",
    "completed": "LOGISTICS_DELIVERY_DONE",
    "returned": "LOGISTICS_DELIVERY_DONE",
}
#: What comes without being asked for; everything else must stand in `response_optional_fields`.
_DEFAULT = (
    *("order_sn", "region", "currency", "cod", "order_status", "message_to_seller"),
    *("create_time", "update_time", "days_to_ship", "ship_by_date"),
)
_DAYS_TO_SHIP = 2
_DAY = 86_400
_SYMBOLS = "ABCDEFGHJKLMNPQRSTUVWXYZ0123456789"


def key(seller: str, serial: int, day: str) -> str:
    """An order number: the day, then eight letters and digits."""
    return day + Dice("shopee", seller, "order", serial).text(8, _SYMBOLS)


def status(order: Placed) -> str:
    """The order's state in the platform's words."""
    return order.strange or _STATUS[order.state]


def listed(shop: Shop, call: Call) -> Reply:
    """/order/get_order_list: numbers by a window of creation or change, oldest first."""
    seller, _ = shop_call(shop, call)
    kind = call.one("time_range_field")
    if kind not in {"create_time", "update_time"}:
        raise refuse(shop, "order.error_param", "time_range_field must be create_time or update_time.")
    low, high = (whole(shop, call, name, _TIMES) for name in ("time_from", "time_to"))
    if low > high or high - low > _WINDOW:
        raise refuse(shop, "order.order_list_invalid_time", "The time range must lie within 15 days.")
    size = whole(shop, call, "page_size", _PAGE)
    text = call.one("cursor") or ""
    offset = shop.cursors.read(text) if text else 0
    if offset is None:
        raise refuse(shop, "order.error_param", "cursor is invalid or expired.")
    orders = shop.book(seller.id).window(low, high, placed=kind == "create_time")
    wanted = call.one("order_status")
    if wanted is not None:
        orders = [one for one in orders if status(one) == wanted]
    if call.reordered:
        orders = orders[-1:] + orders[:-1]
    shown, end = orders[offset : offset + size], offset + size
    call.record.page, call.record.rows = str(offset), len(shown)
    with_status = "order_status" in call.all("response_optional_fields")
    rows = [{"order_sn": one.key} | ({"order_status": status(one)} if with_status else {}) for one in shown]
    more = end < len(orders)
    return success(shop, {"more": more, "next_cursor": shop.cursors.make(end) if more else "", "order_list": rows})


def details(shop: Shop, call: Call) -> Reply:
    """/order/get_order_detail: up to 50 orders; what is not asked for by name does not come."""
    seller, _ = shop_call(shop, call)
    numbers = call.all("order_sn_list")
    if not 1 <= len(numbers) <= _IDS:
        raise refuse(shop, "order.error_param", f"order_sn_list must hold 1 to {_IDS} numbers.")
    book = shop.book(seller.id)
    found = [order for number in numbers if (order := book.order(number)) is not None]
    if not found:
        raise refuse(shop, "order.error_not_found", "Wrong parameters, detail: the order is not found.")
    call.record.rows = len(found)
    fields = (*_DEFAULT, *call.all("response_optional_fields"))
    orders = [{name: value for name, value in _order(seller, one).items() if name in fields} for one in found]
    return success(shop, {"order_list": orders})


def _order(seller: Seller, order: Placed) -> dict[str, object]:
    paid = order.at("paid")
    buyer = order.shown
    return {
        "order_sn": order.key,
        "region": buyer.country,
        "currency": order.currency,
        "cod": order.cod,
        "total_amount": _number(order.total),
        "order_status": status(order),
        "shipping_carrier": "SPX Express",
        "checkout_shipping_carrier": "SPX Express",
        "payment_method": "Cash on Delivery" if order.cod else "ShopeePay",
        "estimated_shipping_fee": _number(order.shipping),
        "actual_shipping_fee": _number(order.shipping),
        "message_to_seller": buyer.note,
        "create_time": order.placed,
        "update_time": order.updated,
        "pay_time": None if order.cod else paid,
        "days_to_ship": _DAYS_TO_SHIP,
        "ship_by_date": None if paid is None else paid + _DAYS_TO_SHIP * _DAY,
        "pickup_done_time": order.at("shipped") or 0,
        "buyer_user_id": int(buyer.id),
        "buyer_username": f"buyer{buyer.id}",
        "recipient_address": {
            "name": buyer.name,
            "phone": buyer.phone,
            "town": buyer.ward,
            "district": buyer.district,
            "city": "",
            "state": buyer.city,
            "region": buyer.country,
            "zipcode": "",
            "full_address": buyer.street,
        },
        "item_list": [_item(order, place, line) for place, line in enumerate(order.lines)],
        "package_list": _packages(seller, order),
        "split_up": False,
        "cancel_by": _cancelled(order, "cancel_by", "buyer" if order.state == "cancel_asked" else "seller"),
        "cancel_reason": _cancelled(order, "cancel_reason", "CUSTOMER_REQUEST"),
        "buyer_cancel_reason": "Changed my mind" if order.state == "cancel_asked" else "",
        "note": "",
        "note_update_time": 0,
        "fulfillment_flag": "fulfilled_by_local_seller",
    }


def returns(shop: Shop, call: Call) -> Reply:
    """/returns/get_return_list: what buyers want taken back, by windows of creation or change."""
    seller, _ = shop_call(shop, call)
    size, number = whole(shop, call, "page_size", _PAGE), whole(shop, call, "page_no", (1, 10_000))
    rows = [row for order in shop.book(seller.id).returned() if (row := _return(order)) is not None]
    for kind in ("create_time", "update_time"):
        low, high = call.one(f"{kind}_from"), call.one(f"{kind}_to")
        if low is not None and high is not None:
            if int(high) - int(low) > _WINDOW:
                raise refuse(shop, "returns.error_param", "The time range must lie within 15 days.")
            rows = [row for row in rows if int(low) <= int(str(row[kind])) <= int(high)]
    shown = rows[(number - 1) * size : number * size]
    call.record.page, call.record.rows = str(number), len(shown)
    return success(shop, {"more": number * size < len(rows), "return": shown})


def _return(order: Placed) -> dict[str, object] | None:
    """What a buyer sent back of a returned order, in the state that its facts name."""
    asked = order.at("returned")
    if asked is None:
        return None
    return {
        "return_sn": f"R{order.serial:015d}",
        "order_sn": order.key,
        "status": order.facts.get("return_status", "REQUESTED"),
        "reason": "DAMAGED",
        "refund_amount": _number(order.goods),
        "currency": order.currency,
        "create_time": asked,
        "update_time": int(order.facts.get("return_changed", order.updated)),
        "due_date": asked + 3 * _DAY,
        "tracking_number": "",
        "needs_logistics": True,
        "item": [
            {
                "item_id": line.row,
                "model_id": _model_id(line),
                "amount": line.quantity,
                "item_price": _number(line.price),
            }
            for line in order.lines
        ],
    }


def _cancelled(order: Placed, fact: str, usual: str) -> str:
    return order.facts.get(fact, usual) if order.state in {"cancelled", "cancel_asked"} else ""


def _number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


def _model_id(line: Bought) -> int:
    return line.row * 1_000 + line.variant if line.options else 0


def _item(order: Placed, place: int, line: Bought) -> dict[str, object]:
    return {
        "item_id": line.row,
        "item_name": line.title,
        "item_sku": "" if line.options else line.sku or "",
        "model_id": _model_id(line),
        "model_name": ",".join(line.options),
        "model_sku": line.sku or "" if line.options else "",
        "model_quantity_purchased": line.quantity,
        "model_original_price": _number(line.list_price),
        "model_discounted_price": _number(line.price),
        "order_item_id": line.row,
        "line_item_id": order.serial * 10_000 + place + 1,
        "promotion_type": "",
        "promotion_id": 0,
        "weight": 0.25,
        "image_info": {"image_url": line.image or ""},
        "product_location_id": ["VN10SGN"],
    }


def _packages(seller: Seller, order: Placed) -> list[dict[str, object]]:
    if order.state in {"unpaid", "cancelled"}:
        return []
    place = seller.warehouses[0].id if seller.warehouses else ""
    items = [
        {
            "item_id": line.row,
            "model_id": _model_id(line),
            "model_quantity": line.quantity,
            "order_item_id": line.row,
            "promotion_group_id": 0,
            "product_location_id": place,
        }
        for line in order.lines
    ]
    return [
        {
            "package_number": f"OFG{order.serial:015d}",
            "logistics_status": _LOGISTICS.get(order.state, "LOGISTICS_READY"),
            "logistics_channel_id": 50_018,
            "shipping_carrier": "SPX Express",
            "item_list": items,
        }
    ]
