"""Every state of an order that a platform documents is one of ours, and any other word is kept and unknown (10.2)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import pytest

from isthmus.connect.shapes import Order, OrderStatus
from isthmus.connect.spi import Account, RawRecord
from isthmus.connectors.lazada import order_mapping as lazada
from isthmus.connectors.shopee import order_mapping as shopee
from isthmus.connectors.shopify import order_mapping as shopify
from isthmus.connectors.tiki import orders as tiki
from isthmus.connectors.woocommerce import order_mapping as woocommerce

#: The platforms' words by our states, as the reference lists them (marketplaces.md 10.2).
TABLES: Mapping[str, Mapping[str, Sequence[str]]] = {
    "shopee": {
        "pending_payment": ["UNPAID"],
        "on_hold": ["PENDING", "INVOICE_PENDING"],
        "ready_to_fulfil": ["READY_TO_SHIP"],
        "ready_to_ship": ["PROCESSED", "RETRY_SHIP"],
        "shipped": ["SHIPPED"],
        "delivered": ["TO_CONFIRM_RECEIVE"],
        "completed": ["COMPLETED"],
        "cancel_requested": ["IN_CANCEL"],
        "cancelled": ["CANCELLED"],
        "return_requested": ["TO_RETURN"],
    },
    "lazada": {
        "pending_payment": ["unpaid"],
        "ready_to_fulfil": ["pending", "topack"],
        "processing": ["packed", "repacked"],
        "ready_to_ship": ["ready_to_ship_pending", "ready_to_ship", "toship"],
        "shipped": ["shipped", "shipping"],
        "delivered": ["delivered"],
        "completed": ["confirmed"],
        "failed": ["failed", "failed_delivery", "lost_by_3pl", "damaged_by_3pl", "package_scrapped", "lost"],
        "cancelled": ["canceled"],
        "returned": ["shipped_back", "shipped_back_success", "shipped_back_failed", "returned"],
    },
    "tiki": {
        "pending_payment": ["queueing", "waiting_payment", "payment_review"],
        "on_hold": ["holded"],
        "ready_to_fulfil": ["paid", "processing"],
        "processing": ["picking", "packaging", "finished_packing"],
        "ready_to_ship": ["ready_to_ship", "handover_to_partner"],
        "shipped": ["shipping"],
        "delivered": ["delivered", "successful_delivery"],
        "completed": ["complete", "closed"],
        "cancelled": ["canceled"],
        "returned": ["returned"],
    },
    "woocommerce": {
        "pending_payment": ["pending", "checkout-draft"],
        "on_hold": ["on-hold"],
        "ready_to_fulfil": ["processing"],
        "completed": ["completed"],
        "cancelled": ["cancelled", "trash"],
        "returned": ["refunded"],
        "failed": ["failed"],
    },
}


def _shopee(word: str) -> dict[str, Any]:
    return {"order_sn": "1", "order_status": word, "currency": "VND", "total_amount": 1}


def _lazada(word: str) -> dict[str, Any]:
    unit = {"order_item_id": 1, "sku_id": "1", "item_price": "1", "currency": "VND", "status": word}
    return {"order": {"order_id": 1, "price": "1"}, "items": [unit]}


def _tiki(word: str) -> dict[str, Any]:
    return {"code": "1", "status": word, "invoice": {"subtotal": 1, "grand_total": 1}}


def _woocommerce(word: str) -> dict[str, Any]:
    return {"id": 1, "status": word, "currency": "VND", "total": "1"}


def _shopify(word: str) -> dict[str, Any]:
    return {"id": 1, "currency": "VND", "total_price": "1", "financial_status": word}


READ: Mapping[str, tuple[Callable[[str], dict[str, Any]], Callable[[RawRecord], Order]]] = {
    "shopee": (_shopee, shopee.order),
    "lazada": (_lazada, lambda record: lazada.order(record, Account("vn:1", region="VN"))),
    "tiki": (_tiki, tiki.order),
    "woocommerce": (_woocommerce, woocommerce.order),
    "shopify": (_shopify, shopify.order),
}


def _read(platform: str, word: str) -> Order:
    made, read = READ[platform]
    return read(RawRecord("1", msgspec.json.encode(made(word))))


@pytest.mark.parametrize("platform", TABLES)
def test_each_documented_word_is_the_state_that_the_reference_gives_it(platform: str) -> None:
    table = {word: OrderStatus(state) for state, words in TABLES[platform].items() for word in words}
    assert {word: _read(platform, word).status for word in table} == table
    assert all(_read(platform, word).platform_status == word for word in table)


@pytest.mark.parametrize("platform", READ)
def test_a_word_that_nobody_documented_is_unknown_and_kept_as_it_came(platform: str) -> None:
    order = _read(platform, "Teleported to the buyer")
    assert order.status is OrderStatus.UNKNOWN
    assert "Teleported to the buyer" in order.platform_status


def test_tiki_waits_for_the_seller_once_the_payment_is_sure() -> None:
    for payment in ({"method": "cod"}, {"method": "momo", "status": "success"}):
        body = {**_tiki("queueing"), "payment": payment}
        assert tiki.order(RawRecord("1", msgspec.json.encode(body))).status is OrderStatus.READY_TO_FULFIL
