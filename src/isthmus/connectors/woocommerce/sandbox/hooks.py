"""WooCommerce's webhooks (reference 7.5): what the site would send, kept for a driver to deliver and report back on."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from isthmus.connectors.woocommerce.sandbox.rules import invalid, number, refuse
from isthmus.kit.secret import Secret
from isthmus.sandbox import Call, Reply, Seller, json_reply

#: The counter may reach this; the failure after it switches the webhook off.
_FAILURES = 5
_TOPICS = frozenset(
    f"{kind}.{event}" for kind in ("order", "product") for event in ("created", "updated", "deleted", "restored")
)
_STATES = frozenset({"active", "paused", "disabled"})


@dataclass(slots=True)
class Hook:
    """One webhook of a site."""

    id: int
    seller: str
    topic: str
    url: str
    secret: Secret
    status: str = "active"
    failures: int = 0

    def shown(self) -> dict[str, object]:
        """As the API shows it: never the secret."""
        kind, _, event = self.topic.partition(".")
        return {
            "id": self.id,
            "name": f"Webhook {self.id}",
            "status": self.status,
            "topic": self.topic,
            "resource": kind,
            "event": event,
            "delivery_url": self.url,
        }


@dataclass(frozen=True, slots=True)
class Delivery:
    """One POST of the site's background queue; it is sent once, whatever comes back."""

    hook: int
    url: str
    body: bytes
    headers: Mapping[str, str]


class Hooks:
    """The webhooks of all sites, and what they have yet to send."""

    def __init__(self) -> None:
        self._hooks: dict[int, Hook] = {}
        self._last = 0
        self.outbox: list[Delivery] = []

    def create(self, seller: Seller, topic: str, url: str, secret: Secret) -> Hook:
        """A new webhook, with its ping: form text without any signature."""
        self._last += 1
        made = Hook(self._last, seller.id, topic, url, secret)
        self._hooks[made.id] = made
        ping = f"webhook_id={made.id}".encode()
        self.outbox.append(Delivery(made.id, url, ping, {"content-type": "application/x-www-form-urlencoded"}))
        return made

    def of(self, seller: Seller, hook_id: int | None) -> Hook | None:
        """One webhook of a site."""
        found = self._hooks.get(hook_id or 0)
        return found if found is not None and found.seller == seller.id else None

    def all(self, seller: Seller) -> list[Hook]:
        """Those of a site."""
        return [hook for hook in self._hooks.values() if hook.seller == seller.id]

    def drop(self, hook: Hook) -> None:
        """It is deleted; what it has yet to send is not."""
        del self._hooks[hook.id]

    def tell(self, seller: Seller, topic: str, resource: object, now: int) -> None:
        """Something happened: each live webhook for it has one more thing to send."""
        body = msgspec.json.encode(resource)
        for hook in self.all(seller):
            if hook.topic == topic and hook.status == "active":
                self.outbox.append(Delivery(hook.id, hook.url, body, _headers(hook, seller, body, now)))

    def take(self) -> list[Delivery]:
        """What is to be sent, oldest first; nothing of it is sent again."""
        taken, self.outbox = self.outbox, []
        return taken

    def answered(self, delivery: Delivery, status: int) -> None:
        """How the other side answered (0: not at all). Success counts from 200 to 302 and clears the counter."""
        hook = self._hooks.get(delivery.hook)
        if hook is None:
            return
        if 200 <= status <= 302:
            hook.failures = 0
            return
        hook.failures += 1
        if hook.failures > _FAILURES:
            hook.status = "disabled"


def _headers(hook: Hook, seller: Seller, body: bytes, now: int) -> dict[str, str]:
    """The delivery id is made of the webhook and the second: events of one second share it."""
    kind, _, event = hook.topic.partition(".")
    digest = hmac.new(hook.secret.reveal().encode(), body, hashlib.sha256).digest()
    return {
        "content-type": "application/json",
        "x-wc-webhook-source": f"https://{seller.extra['site']}/",
        "x-wc-webhook-topic": hook.topic,
        "x-wc-webhook-resource": kind,
        "x-wc-webhook-event": event,
        "x-wc-webhook-signature": base64.b64encode(digest).decode(),
        "x-wc-webhook-id": str(hook.id),
        "x-wc-webhook-delivery-id": hashlib.sha256(f"{hook.id}{now}".encode()).hexdigest()[:32],
    }


def create(call: Call, seller: Seller, hooks: Hooks) -> Reply:
    """POST /webhooks."""
    body = call.json()
    topic, url, secret = (str(body.get(name, "")) for name in ("topic", "delivery_url", "secret"))
    if topic not in _TOPICS:
        raise invalid("topic")
    if not url.startswith(("http://", "https://")):
        raise invalid("delivery_url")
    return json_reply(hooks.create(seller, topic, url, Secret(secret)).shown(), 201)


def listed(call: Call, seller: Seller, hooks: Hooks) -> Reply:
    """GET /webhooks, in pages."""
    page, most = number(call.one("page") or "1") or 1, number(call.one("per_page") or "10") or 10
    return json_reply([hook.shown() for hook in hooks.all(seller)][(page - 1) * most : page * most])


def one(call: Call, seller: Seller, hooks: Hooks) -> Reply:
    """GET /webhooks/{id}, PUT with another status (`active` brings back one that was switched off), and DELETE."""
    hook = hooks.of(seller, number(call.params["id"]))
    if hook is None:
        raise refuse(404, "woocommerce_rest_shop_webhook_invalid_id", "Invalid ID.")
    if call.method == "DELETE":
        if call.one("force") != "true":
            raise refuse(501, "woocommerce_rest_trash_not_supported", "Webhooks do not support trashing.")
        hooks.drop(hook)
    elif call.method == "PUT":
        hook.secret = Secret(str(call.json()["secret"])) if call.json().get("secret") else hook.secret
        state = str(call.json().get("status", hook.status))
        if state not in _STATES:
            raise invalid("status")
        if state == "active":
            hook.failures = 0
        hook.status = state
    return json_reply(hook.shown())
