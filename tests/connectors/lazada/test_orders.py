"""Units become lines, and lines one state (marketplaces.md 10.3)."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from isthmus.connect.shapes import Order, OrderStatus
from isthmus.connect.spi import Account, RawRecord, Unmappable
from isthmus.connectors.lazada import order_mapping
from isthmus.connectors.lazada.order_mapping import order_status

_HEAD = {"order_id": 1, "price": "30.00", "shipping_fee": "5.00", "voucher": "3.00", "voucher_platform": "3.00"}


def _unit(number: int, **more: Any) -> dict[str, Any]:
    return {
        "order_item_id": number,
        "sku": "A",
        "sku_id": "11",
        "item_price": "12.00",
        "paid_price": "10.00",
        "currency": "MYR",
        "status": "pending",
        "name": "Áo",
    } | more


def _order(*units: dict[str, Any], **head: Any) -> Order:
    payload = msgspec.json.encode({"order": {**_HEAD, **head}, "items": list(units)})
    return order_mapping.order(RawRecord("1", payload), Account("my:1", region="MY"))


def test_units_of_one_variant_price_and_state_are_one_line() -> None:
    order = _order(_unit(3), _unit(1), _unit(2, status="canceled"), _unit(4, paid_price="9.99"), _unit(5, sku_id="12"))
    assert [(line.external_ids, line.quantity, line.line_total) for line in order.lines] == [
        (("1", "3"), 2, Decimal(20)),
        (("2",), 1, Decimal(10)),
        (("4",), 1, Decimal("9.99")),
        (("5",), 1, Decimal(10)),
    ]
    assert order.lines[1].cancelled_quantity == 1
    assert order.status is OrderStatus.READY_TO_FULFIL
    assert order.totals.grand_total == Decimal(32)


def test_the_order_of_rows_changes_nothing() -> None:
    assert _order(_unit(1), _unit(2)).lines == _order(_unit(2), _unit(1)).lines


def test_a_buyers_wish_to_cancel_lies_over_the_state_and_packages_hold_their_lines() -> None:
    packed = {"package_id": "FP1", "tracking_code": "T1", "status": "packed"}
    order = _order(_unit(1, **packed), _unit(2, **packed), _unit(3), need_cancel_confirm="true")
    assert order.status is OrderStatus.CANCEL_REQUESTED
    assert order.cancellation is not None
    assert order.cancellation.requested
    (parcel,) = order.shipments
    assert (parcel.external_id, parcel.tracking_number, parcel.quantities) == ("FP1", "T1", {"1": 2})


def test_an_order_without_units_is_refused() -> None:
    with pytest.raises(Unmappable):
        _order()


S = OrderStatus


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ([S.SHIPPED, S.READY_TO_FULFIL], S.READY_TO_FULFIL),
        ([S.DELIVERED, S.COMPLETED], S.DELIVERED),
        ([S.CANCELLED, S.COMPLETED], S.COMPLETED),
        ([S.CANCELLED, S.CANCELLED], S.CANCELLED),
        ([S.CANCELLED, S.RETURNED], S.RETURNED),
        ([S.FAILED, S.SHIPPED], S.SHIPPED),
        ([S.FAILED, S.CANCELLED], S.FAILED),
        ([S.UNKNOWN, S.CANCELLED], S.UNKNOWN),
        ([S.UNKNOWN, S.SHIPPED], S.SHIPPED),
    ],
)
def test_the_least_advanced_active_line_decides(lines: list[OrderStatus], status: OrderStatus) -> None:
    assert order_status(lines) is status


def test_what_a_buyer_wants_taken_back_stands_with_the_order() -> None:
    back = {"status": "shipped_back", "reverse_order_id": 900, "reason": "Too small"}
    order = _order(
        _unit(1, return_status="RTM_SHIPPING_BACK", **back),
        _unit(2, return_status="RTM_SHIPPING_BACK", **back),
        _unit(3, return_status="REFUND_REJECTED", reverse_order_id="901"),
        _unit(4, return_status="NEW_WORD", reverse_order_id=902, sku_id="12"),
        _unit(5, return_status="", reverse_order_id="", sku_id="13"),
    )
    found = {one.external_id: one for one in order.returns}
    assert {name: (one.kind, one.status) for name, one in found.items()} == {
        "900": ("return", "accepted"),
        "901": ("refund_only", "rejected"),
        "902": ("return", "unknown"),
    }
    assert (found["900"].lines, found["900"].reason) == (("1",), "Too small")
