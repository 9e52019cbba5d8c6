"""Shopify's pushes (reference 6.7): signed over the raw body, the privacy topics among them."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from isthmus.connectors.shopify.sandbox.rules import error, refuse
from isthmus.kit.secret import Secret
from isthmus.sandbox import Call, Placed, Reply, Seller, Shop, json_reply
from isthmus.sandbox.dice import Dice

#: Entered in the app's configuration; no call takes them.
_MANDATORY = frozenset({"customers/data_request", "customers/redact", "shop/redact"})


@dataclass(frozen=True, slots=True)
class Hook:
    """A subscription that an app has made by a call."""

    id: int
    seller: str
    topic: str
    address: str

    def shown(self) -> dict[str, object]:
        """As the API shows it."""
        return {"id": self.id, "topic": self.topic, "address": self.address, "format": "json"}


class Hooks:
    """The subscriptions at all shops."""

    def __init__(self) -> None:
        self.every: list[Hook] = []
        self._last = 1_000

    def of(self, seller: Seller) -> list[Hook]:
        """Those of a shop."""
        return [one for one in self.every if one.seller == seller.id]

    def add(self, seller: Seller, topic: str, address: str) -> Hook:
        """A new one."""
        self._last += 1
        self.every.append(Hook(self._last, seller.id, topic, address))
        return self.every[-1]

    def failed(self, hook: Hook) -> None:
        """Its deliveries failed for four hours: Shopify deletes it."""
        self.every.remove(hook)


def listed(_: Shop, __: Call, seller: Seller, hooks: Hooks) -> Reply:
    """GET webhooks.json."""
    return json_reply({"webhooks": [one.shown() for one in hooks.of(seller)]})


def create(_: Shop, call: Call, seller: Seller, hooks: Hooks) -> Reply:
    """POST webhooks.json: one for each topic and address, and none for the mandatory topics."""
    asked = call.json().get("webhook")
    given = asked if isinstance(asked, dict) else {}
    topic, address = str(given.get("topic", "")), str(given.get("address", ""))
    if "/" not in topic or topic in _MANDATORY:
        raise refuse(422, "topic", "Invalid topic specified.")
    if any((one.topic, one.address) == (topic, address) for one in hooks.of(seller)):
        raise refuse(422, "address", "for this topic has already been taken")
    return json_reply({"webhook": hooks.add(seller, topic, address).shown()}, status=201)


def remove(_: Shop, call: Call, seller: Seller, hooks: Hooks) -> Reply:
    """DELETE webhooks/{id}.json."""
    found = next((one for one in hooks.of(seller) if str(one.id) == call.params["id"]), None)
    if found is None:
        return error(404, "Not Found")
    hooks.every.remove(found)
    return json_reply({})


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
