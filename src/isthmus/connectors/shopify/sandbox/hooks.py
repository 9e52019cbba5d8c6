"""Shopify's pushes (reference 6.7): signed over the raw body, the privacy topics among them."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from isthmus.kit.secret import Secret
from isthmus.sandbox import Placed, Seller
from isthmus.sandbox.dice import Dice


@dataclass(frozen=True, slots=True)
class Delivery:
    """One POST, for a driver to send; a repeat bears the same id."""

    topic: str
    body: bytes
    headers: Mapping[str, str]


def delivery(seller: Seller, secret: Secret, topic: str, resource: object, now: str) -> Delivery:
    """What the shop would send about a topic, signed with the app's client secret."""
    body = msgspec.json.encode(resource)
    digest = hmac.new(secret.reveal().encode(), body, hashlib.sha256).digest()
    headers = {
        "content-type": "application/json",
        "x-shopify-topic": topic,
        "x-shopify-shop-domain": seller.extra["domain"],
        "x-shopify-hmac-sha256": base64.b64encode(digest).decode(),
        "x-shopify-webhook-id": Dice("shopify", "push", topic, now, body.hex()).text(32, "0123456789abcdef"),
        "x-shopify-triggered-at": now,
    }
    return Delivery(topic, body, headers)


def privacy(seller: Seller, topic: str, order: Placed) -> dict[str, object]:
    """The body of a privacy topic: who asks, and which orders are meant; a whole shop's names nobody."""
    shop: dict[str, object] = {"shop_id": int(seller.id), "shop_domain": seller.extra["domain"]}
    if topic == "shop/redact":
        return shop
    who = {"id": int(order.buyer.id), "email": f"buyer{order.buyer.id}@example.com", "phone": order.buyer.phone}
    if topic == "customers/redact":
        return {**shop, "customer": who, "orders_to_redact": [int(order.key)]}
    return {**shop, "customer": who, "orders_requested": [int(order.key)], "data_request": {"id": order.serial}}
