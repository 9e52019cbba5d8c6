"""Lazada's order calls (reference 3.6): no state of its own for an order, one row per unit, money as text."""

import contextlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import msgspec

from isthmus.connectors.lazada.sandbox.products import Given
from isthmus.connectors.lazada.sandbox.rules import missing, moment, refuse, success, whole
from isthmus.sandbox import Bought, Call, Placed, Reply, Seller, Shop

_LIMIT = 100
_DEFAULT_LIMIT = 100
_IDS = 50
_OFFSET = 5_000
_STATUS = {
    "unpaid": "unpaid",
    "paid": "pending",
    "packed": "packed",
    "ready": "ready_to_ship",
    "shipped": "shipped",
    "delivered": "delivered",
    "completed": "confirmed",
    "cancel_asked": "pending",
    "cancelled": "canceled",
    "returned": "returned",
}
#: How a buyer's wish stands while an order is in such a state.
_REVERSED: Mapping[str, str] = {"cancel_asked": "CANCEL_INIT", "returned": "RTM_RECEIVE_ITEM"}
_FILTERS = frozenset(
    {
        *("unpaid", "pending", "canceled", "ready_to_ship", "delivered", "returned", "shipped", "failed"),
        *("topack", "toship", "shipping", "lost", "all"),
    }
)
_HOURS = {"VN": 7, "TH": 7, "ID": 7, "SG": 8, "MY": 8, "PH": 8}
FIRST_UNIT = 260_422_900_298_363
_SORTED = {"updated_at": False, "created_at": True}


def status(order: Placed) -> str:
    """The state of the order's units in the platform's words."""
    return order.strange or _STATUS[order.state]


def unit_status(order: Placed, place: int) -> str:
    """The state of one unit: the order's, unless the seller has done something with this unit alone."""
    own = order.facts.get(f"unit:{place}")
    alone = own == "canceled" or order.state in {"paid", "packed", "ready"}
    return own if own and alone and order.strange is None else status(order)


def reverse_id(order: Placed) -> int:
    """The id of the buyer's request to cancel."""
    return 9_000_000_000 + order.serial


def listed(shop: Shop, call: Call, seller: Seller, given: Given) -> Reply:
    """/orders/get: by time of change or creation; an after-date is required."""
    times = {name: moment(shop, name, given.get(name)) for name in _TIMES}
    if times["update_after"] is None and times["created_after"] is None:
        raise missing(shop, "created_after")
    if given.get("status") and given["status"] not in _FILTERS:
        raise refuse(shop, "36", f'E036: "{given["status"][:40]}" Invalid Status Filter')
    if given.get("sort_by", "created_at") not in _SORTED:
        raise refuse(shop, "75", "E075: Invalid Sort Filter")
    if given.get("sort_direction", "ASC") not in {"ASC", "DESC"}:
        raise refuse(shop, "74", "E074: Invalid Sort Direction")
    limit = whole(shop, given.get("limit"), _DEFAULT_LIMIT, (1, _LIMIT), "19")
    offset = whole(shop, given.get("offset"), 0, (0, _OFFSET), "14")
    orders = _matching(shop, seller, given, times)
    if call.reordered:
        orders = orders[-1:] + orders[:-1]
    shown = orders[offset : offset + limit]
    call.record.page, call.record.rows = str(offset), len(shown)
    rows = [_order(seller, one) for one in shown]
    return success(shop, {"count": len(rows), "countTotal": len(orders), "orders": rows})


_TIMES = ("update_after", "update_before", "created_after", "created_before")


def _matching(shop: Shop, seller: Seller, given: Given, times: dict[str, int | None]) -> list[Placed]:
    book = shop.book(seller.id)
    orders = book.window(times["update_after"], times["update_before"])
    low, high = times["created_after"], times["created_before"]
    if low is not None or high is not None:
        orders = [one for one in orders if (low or 0) <= one.placed <= (high or 1 << 40)]
    wanted = given.get("status", "all")
    if wanted != "all":
        orders = [one for one in orders if status(one) == wanted]
    if given.get("sort_by", "created_at") == "created_at":
        orders = sorted(orders, key=lambda one: (one.placed, one.serial))
    return orders[::-1] if given.get("sort_direction") == "DESC" else orders


def one(shop: Shop, _: Call, seller: Seller, given: Given) -> Reply:
    """/order/get: one order by its id."""
    return success(shop, _order(seller, _found(shop, seller, given.get("order_id", ""))))


def items(shop: Shop, _: Call, seller: Seller, given: Given) -> Reply:
    """/order/items/get: the units of one order."""
    return success(shop, _units(seller, _found(shop, seller, given.get("order_id", ""))))


def items_of_many(shop: Shop, _: Call, seller: Seller, given: Given) -> Reply:
    """/orders/items/get: the units of up to 50 orders, given as `[1,2]`."""
    ids: list[int] = []
    with contextlib.suppress(msgspec.DecodeError):
        ids = msgspec.json.decode(given.get("order_ids", ""), type=list[int])
    if not ids:
        raise refuse(shop, "56", "E056: Invalid OrdersIdList format. Must use array format [1,2]")
    if len(ids) > _IDS:
        raise refuse(shop, "37", f"E037: One or more order id in the list are incorrect, at most {_IDS}")
    found = [order for id_ in ids if (order := shop.book(seller.id).order(str(id_))) is not None]
    if not found:
        raise refuse(shop, "38", "E038: Too many orders were requested or none was found")
    return success(
        shop,
        [
            {"order_id": int(order.key), "order_number": int(order.key), "order_items": _units(seller, order)}
            for order in found
        ],
    )


def _found(shop: Shop, seller: Seller, text: str) -> Placed:
    if not text:
        raise missing(shop, "order_id")
    order = shop.book(seller.id).order(text)
    if order is None:
        raise refuse(shop, "16", f'E016: "{text[:40]}" Invalid Order ID')
    return order


def _text(value: Decimal) -> str:
    return f"{value:.2f}"


def _local(seller: Seller, unix: int) -> str:
    zone = timezone(timedelta(hours=_HOURS[seller.country]))
    return datetime.fromtimestamp(unix, UTC).astimezone(zone).strftime("%Y-%m-%d %H:%M:%S %z")


def _order(seller: Seller, order: Placed) -> dict[str, object]:
    buyer = order.shown
    address = {
        "first_name": buyer.name,
        "last_name": "",
        "phone": buyer.phone,
        "phone2": "",
        "address1": buyer.street,
        "address2": "",
        "address3": buyer.city,
        "address4": buyer.district,
        "address5": buyer.ward,
        "city": buyer.district,
        "post_code": "",
        "country": buyer.country,
    }
    voucher = order.discount_seller + order.discount_platform
    return {
        "order_id": int(order.key),
        "order_number": int(order.key),
        "created_at": _local(seller, order.placed),
        "updated_at": _local(seller, order.updated),
        "price": _text(order.goods),
        "shipping_fee": _text(order.shipping),
        "shipping_fee_original": _text(order.shipping),
        "shipping_fee_discount_seller": "0.00",
        "shipping_fee_discount_platform": "0.00",
        "voucher": _text(voucher),
        "voucher_seller": _text(order.discount_seller),
        "voucher_platform": _text(order.discount_platform),
        "voucher_code": "",
        "statuses": sorted({unit_status(order, place) for place in range(sum(one.quantity for one in order.lines))}),
        "payment_method": "COD" if order.cod else "MIXEDCARD",
        "items_count": sum(line.quantity for line in order.lines),
        "customer_first_name": buyer.name,
        "customer_last_name": "",
        "address_shipping": address,
        "address_billing": {},
        "buyer_note": buyer.note,
        "remarks": "",
        "gift_option": False,
        "gift_message": "",
        "warehouse_code": "dropshipping",
        "promised_shipping_times": "",
        "tax_code": "",
        "branch_number": "",
        "need_cancel_confirm": order.state == "cancel_asked",
        "is_cancel_pending": order.state == "cancel_asked",
    }


def _units(seller: Seller, order: Placed) -> list[dict[str, object]]:
    units = [line for line in order.lines for _ in range(line.quantity)]
    return [_unit(seller, order, place, line) for place, line in enumerate(units)]


def _unit(seller: Seller, order: Placed, place: int, line: Bought) -> dict[str, object]:
    word = unit_status(order, place)
    sent = word not in {"unpaid", "pending", "canceled"} and order.state not in {"unpaid", "cancelled"}
    package = order.facts.get(f"package:{place}", f"FP{order.serial:010d}")
    paid = order.at("paid")
    return {
        "order_item_id": FIRST_UNIT + order.serial * 10_000 + place,
        "order_id": int(order.key),
        "sku": line.sku or f"{line.row}-{line.variant}",
        "shop_sku": f"{line.row}_VNAMZ-{line.row * 100 + line.variant}",
        "sku_id": str(line.row * 100 + line.variant),
        "product_id": str(line.row),
        "name": line.title,
        "variation": ", ".join(line.options),
        "item_price": _text(line.list_price),
        "paid_price": _text(line.price),
        "tax_amount": "0.00",
        "voucher_amount": "0.00",
        "voucher_seller": "0.00",
        "voucher_platform": "0.00",
        "shipping_amount": "0.00",
        "currency": order.currency,
        "status": word,
        "package_id": package if sent else "",
        "tracking_code": f"LZD{order.serial:09d}" if sent else "",
        "shipment_provider": "LEX VN" if sent else "",
        "shipping_type": "Dropshipping",
        "warehouse_code": "dropshipping",
        "is_fbl": "0",
        "sla_time_stamp": _local(seller, order.placed + 2 * 86_400),
        "payment_time": 0 if paid is None or order.cod else paid * 1_000,
        "created_at": _local(seller, order.placed),
        "updated_at": _local(seller, order.updated),
        "product_main_image": line.image or "",
        "reverse_order_id": reverse_id(order) if order.state in _REVERSED else "",
        "return_status": order.facts.get("return_status", _REVERSED.get(order.state, "")),
        "reason": "Changed my mind" if order.state == "cancelled" else "",
        "cancel_return_initiator": "buyer-cancel" if order.state == "cancelled" else "null-null",
        "buyer_id": int(order.buyer.id),
    }
