"""WooCommerce's sites, their keys and calls."""

import binascii
import hmac
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence

from isthmus.connectors.woocommerce.sandbox import hooks, orders, products, writes
from isthmus.connectors.woocommerce.sandbox.rules import error, refuse
from isthmus.sandbox import App, Ask, Call, CatalogueProduct, Endpoint, Reply, Seller, Shop, endpoint, json_reply

Answer = Callable[[Call, Seller], Reply]
Write = Callable[[Shop, Call, Seller, writes.Notes], Reply]

_FIRST_PRODUCT = 1_001


class WooCommerce(Shop):
    """Several sites behind one address: the key says which one is meant, where really each has its own address.

    There is no consent: an application here is one site's key. The first belongs to the main seller.
    """

    platform = "woocommerce"
    title = "WooCommerce"
    access_life = 0.0  # keys do not expire
    rate = 50.0  # WooCommerce has no limit; this is the firewall in front of it

    def seeded(self) -> tuple[list[App], list[Seller]]:
        sellers = [
            self._seller(0, "Sao Mai", 0),
            self._seller(1, "Cửa hàng trống", 0),
            self._seller(2, "Cửa hàng bị khóa", 4),
            self._seller(3, "Tiệm nhỏ", 6),
        ]
        sellers[2].blocked = True
        return [self._key(seller) for seller in sellers], sellers

    def _seller(self, number: int, name: str, count: int) -> Seller:
        dice = self.dice("seller", number)
        source = self.source() if number == 0 else self.small_source(number, count)
        return Seller(
            id=dice.digits(8),
            name=name,
            email=f"seller{number}@example.com",
            shelf=self.shelf(source, _FIRST_PRODUCT + number * 1_000_000),
            extra={"site": f"shop{number}.example.com"},
        )

    def _key(self, seller: Seller) -> App:
        secret = f"cs_{self.dice('secret', seller.id).text(40, '0123456789abcdef')}"
        app = App("", f"Key of {seller.name}", {}, owner=seller.id)
        key = self.ledger.token(
            "access", self.ledger.grant(app, seller.id, (seller.id,)), seller.id, None, prefix="ck_"
        )
        app.key, app.credentials = key.text, {"consumer_key": key.text, "consumer_secret": secret}
        return app

    def keys(self, seller: str) -> Mapping[str, str]:
        """A new key, as a merchant makes one in the shop's settings."""
        self.apps.append(self._key(self._seller_of(seller)))
        return self.apps[-1].credentials

    def _begin(self) -> None:
        super()._begin()
        self.hooks = hooks.Hooks()
        #: Keys that may only read.
        self.reading: set[str] = set()
        self.notes = writes.Notes()

    def endpoints(self) -> Sequence[Endpoint]:
        def bound(answer: Answer) -> Callable[[Call], Reply]:
            return lambda call: answer(call, self._signed_in(call))

        def written(answer: Write) -> Callable[[Call], Reply]:
            return bound(lambda call, who: answer(self, call, who, self.notes))

        root = "/wp-json/wc/v3"
        return [
            endpoint("GET", "/wp-json/?", self._index),
            endpoint("GET", f"{root}/products", bound(products.listed)),
            endpoint("GET", f"{root}/products/{{id}}", bound(products.one)),
            endpoint("PUT", f"{root}/products/{{id}}", bound(lambda call, who: writes.put(self, call, who))),
            endpoint("POST", f"{root}/products/batch", written(writes.batch)),
            endpoint("POST", f"{root}/products/{{id}}/variations/batch", written(writes.variations)),
            endpoint("GET", f"{root}/products/{{id}}/variations", bound(products.variations)),
            endpoint("GET", f"{root}/orders", bound(lambda call, who: orders.listed(self, call, who))),
            endpoint("GET", f"{root}/orders/{{id}}", bound(lambda call, who: orders.one(self, call, who))),
            endpoint("PUT", f"{root}/orders/{{id}}", bound(lambda call, who: writes.move(self, call, who))),
            endpoint("GET POST", f"{root}/orders/{{id}}/notes", written(writes.noted)),
            endpoint("GET", f"{root}/data/currencies/current", bound(_currency)),
            endpoint("GET", f"{root}/settings/products/{{id}}", bound(_setting)),
            endpoint("POST", f"{root}/webhooks", bound(lambda call, who: hooks.create(call, who, self.hooks))),
            endpoint("GET", f"{root}/webhooks", bound(lambda call, who: hooks.listed(call, who, self.hooks))),
            endpoint(
                "GET PUT DELETE", f"{root}/webhooks/{{id}}", bound(lambda call, who: hooks.one(call, who, self.hooks))
            ),
        ]

    def _signed_in(self, call: Call) -> Seller:
        """Whose key this is: HTTP Basic, or the same two values in the query."""
        key, secret = _credentials(call)
        app, token = self.app(key or None), self.ledger.find(key, "access")
        if not key:
            raise refuse(401, "woocommerce_rest_cannot_view", "Sorry, you cannot list resources.")
        if app is None or token is None or token.dead(self.clock.now()) or not _same(app, secret):
            raise refuse(401, "woocommerce_rest_authentication_error", "Consumer key or secret is invalid.")
        seller = self._seller_of(app.owner)
        self.admit(call, app, seller.id)
        if app.key in self.reading and call.method not in {"GET", "HEAD"}:
            text = "The API key provided does not have write permissions."
            raise refuse(401, "woocommerce_rest_authentication_error", text)
        if seller.blocked:
            raise refuse(403, "woocommerce_rest_cannot_view", "Sorry, you cannot list resources.")
        return seller

    def _index(self, call: Call) -> Reply:
        """GET /wp-json/: what everybody may know of the site."""
        app = self.app(_credentials(call)[0]) or self.apps[0]
        seller = self._seller_of(app.owner)
        home = f"https://{seller.extra['site']}"
        return json_reply({"name": seller.name, "description": "", "url": home, "home": home, "namespaces": ["wc/v3"]})

    def addresses(self, base: str) -> dict[str, str]:
        return {"api": base}

    def bearer(self, call: Call) -> str | None:
        return _credentials(call)[0] or None

    def throttled(self, wait: float) -> Reply:
        return Reply(b"<html><h1>429 Too Many Requests</h1></html>", 429, "text/html", {"retry-after": f"{wait:.0f}"})

    def unknown(self, call: Call, allowed: bool) -> Reply:  # noqa: ARG002 - both are the same answer
        return error(404, "rest_no_route", "No route was found matching the URL and request method.")

    def approved(self, ask: Ask, choice: str) -> str:  # noqa: ARG002 - nobody is asked
        return ask.redirect

    def denied(self, ask: Ask) -> str:
        return ask.redirect

    def change_product(self, external_id: str, changes: Mapping[str, object], *, seller: str | None = None) -> None:
        super().change_product(external_id, changes, seller=seller)
        self._tell_product("product.updated", external_id, seller)

    def add_product(self, product: CatalogueProduct | None = None, *, seller: str | None = None) -> list[str]:
        added = super().add_product(product, seller=seller)
        for external_id in added:
            self._tell_product("product.created", external_id, seller)
        return added

    def remove_product(self, external_id: str, *, seller: str | None = None) -> None:
        super().remove_product(external_id, seller=seller)
        self.hooks.tell(self._seller_of(seller), "product.deleted", {"id": int(external_id)}, self.clock.unix())

    def place_order(self, *, seller: str | None = None) -> str:
        key = super().place_order(seller=seller)
        self._tell_order("order.created", key, seller)
        return key

    def move_order(self, key: str, state: str, *, seller: str | None = None) -> None:
        super().move_order(key, state, seller=seller)
        self._tell_order("order.updated", key, seller)

    def _tell_product(self, topic: str, external_id: str, seller: str | None) -> None:
        owner = self._seller_of(seller)
        row = owner.shelf.row(int(external_id))
        if row is not None:
            self.hooks.tell(owner, topic, products.product(owner, row), self.clock.unix())

    def _tell_order(self, topic: str, key: str, seller: str | None) -> None:
        owner, order = self._seller_of(seller), self.book(seller).order(key)
        if order is not None:
            self.hooks.tell(owner, topic, orders.rendered(owner, order), self.clock.unix())


def _currency(_: Call, seller: Seller) -> Reply:
    return json_reply({"code": seller.currency, "name": seller.currency, "symbol": seller.currency})


def _setting(call: Call, _: Seller) -> Reply:
    if call.params["id"] != "woocommerce_weight_unit":
        raise refuse(404, "rest_setting_setting_invalid", "Invalid setting.")
    return json_reply({"id": "woocommerce_weight_unit", "type": "select", "value": "kg"})


def _credentials(call: Call) -> tuple[str, str]:
    scheme, _, text = call.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return call.one("consumer_key") or "", call.one("consumer_secret") or ""
    try:
        key, _, secret = b64decode(text.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return "", ""
    return key, secret


def _same(app: App, secret: str) -> bool:
    return hmac.compare_digest(app.credentials["consumer_secret"].encode(), secret.encode())
