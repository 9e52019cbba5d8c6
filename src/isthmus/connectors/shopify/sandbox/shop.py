"""Shopify's shops, their custom apps and calls."""

from collections.abc import Callable, Mapping, Sequence

from isthmus.connectors.shopify.sandbox import (
    consent,
    graph,
    hooks,
    mutations,
    orders,
    products,
    queries,
    rest,
    sending,
)
from isthmus.connectors.shopify.sandbox.rules import error, local, refuse
from isthmus.kit.secret import Secret
from isthmus.sandbox import App, Ask, Call, Endpoint, Refusal, Reply, Seller, Shop, Throttle, Warehouse, World, endpoint

Answer = Callable[[Shop, Call, Seller], Reply]
Hooked = Callable[[Shop, Call, Seller, hooks.Hooks], Reply]
Parcelled = Callable[[Shop, Call, Seller, orders.Parcels], Reply]

_FIRST_PRODUCT = 632_910_392
_BUCKET = 40
#: Where stock lies; one of the small shops has it at both.
_PLACES = (Warehouse("655441491", "Kho chính"), Warehouse("655441492", "Kho phụ"))
_SEVERAL = 3


class Shopify(Shop):
    """Several shops behind one address: the token says which one is meant, where really each has its own host.

    Most applications here are one shop's own (custom) apps, whose tokens do not expire; the last one is public.
    """

    platform = "shopify"
    title = "Shopify"
    access_life = 0.0  # tokens of custom apps do not expire
    rate = 2.0

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.throttle = Throttle(world.clock, self.rate, burst=_BUCKET)

    def seeded(self) -> tuple[list[App], list[Seller]]:
        sellers = [
            self._seller(0, "Sao Mai", 0),
            self._seller(1, "Cửa hàng trống", 0),
            self._seller(2, "Cửa hàng bị khóa", 4),
            self._seller(3, "Tiệm nhỏ", 6),
        ]
        sellers[2].blocked = True
        return [*(self._app(seller) for seller in sellers), self._public()], sellers

    def _public(self) -> App:
        """An app that any shop may install."""
        secret = self.dice("public", "secret").text(32, "0123456789abcdef")
        given = {"client_id": "public-app-key", "client_secret": secret}
        return App(given["client_id"], "A public app", given, frozenset({"read_products", "read_orders"}))

    def _seller(self, number: int, name: str, count: int) -> Seller:
        source = self.source() if number == 0 else self.small_source(number, count)
        return Seller(
            id=self.dice("seller", number).digits(9),
            name=name,
            email=f"seller{number}@example.com",
            shelf=self.shelf(source, _FIRST_PRODUCT + number * 100_000_000),
            warehouses=_PLACES if number == _SEVERAL else _PLACES[:1],
            extra={"domain": f"shop-{number}.myshopify.com"},
        )

    def _app(self, seller: Seller) -> App:
        app = App("", f"Custom app of {seller.name}", {}, owner=seller.id)
        grant = self.ledger.grant(app, seller.id, (seller.id,))
        token = self.ledger.token("access", grant, seller.id, None, prefix="shpat_")
        name = seller.extra["domain"].partition(".")[0]
        secret = self.dice("secret", token.text).text(32, "0123456789abcdef")
        app.key = f"app-{token.text[-8:]}"
        app.credentials = {"shop": name, "access_token": token.text, "api_secret": secret}
        return app

    def keys(self, seller: str) -> Mapping[str, str]:
        """A new custom app's token, as a merchant makes one in the shop's admin."""
        self.apps.append(self._app(self._seller_of(seller)))
        return self.apps[-1].credentials

    def push(self, topic: str, resource: object, secret: Secret, *, seller: str | None = None) -> hooks.Delivery:
        """What the shop would push about something, signed with the app's client secret."""
        return hooks.delivery(self._seller_of(seller), secret, topic, resource, local(self.clock.unix()))

    def push_privacy(self, topic: str, secret: Secret, *, seller: str | None = None) -> hooks.Delivery:
        """One of the mandatory privacy topics, about the buyer of the oldest order."""
        owner = self._seller_of(seller)
        return self.push(topic, hooks.privacy(owner, topic, self.book(seller).all()[0]), secret, seller=seller)

    def endpoints(self) -> Sequence[Endpoint]:
        def bound(answer: Answer) -> Callable[[Call], Reply]:
            return lambda call: answer(self, call, self._signed_in(call))

        def parcelled(answer: Parcelled) -> Callable[[Call], Reply]:
            return bound(lambda shop, call, who: answer(shop, call, who, self.parcels(who)))

        def hooked(answer: Hooked) -> Callable[[Call], Reply]:
            return bound(lambda shop, call, who: answer(shop, call, who, self.hooks))

        root = "/admin/api/20[0-9][0-9]-(?:01|04|07|10)"
        return [
            endpoint("GET", "/admin/oauth/authorize", lambda call: consent.authorize(self, call)),
            endpoint("POST", "/admin/oauth/access_token", lambda call: consent.token(self, call)),
            endpoint("GET", f"{root}/shop.json", bound(products.of_shop)),
            endpoint("GET", f"{root}/products.json", bound(products.listed)),
            endpoint("GET", f"{root}/products/{{id}}.json", bound(products.one)),
            endpoint("GET", f"{root}/orders.json", parcelled(orders.listed)),
            endpoint("GET", f"{root}/orders/{{id}}.json", parcelled(orders.one)),
            endpoint("GET", f"{root}/webhooks.json", hooked(hooks.listed)),
            endpoint("POST", f"{root}/webhooks.json", hooked(hooks.create)),
            endpoint("DELETE", f"{root}/webhooks/{{id}}.json", hooked(hooks.remove)),
            endpoint("POST", f"{root}/graphql.json", self._graph),
            *self._written_by_rest(root),
        ]

    def _written_by_rest(self, root: str) -> Sequence[Endpoint]:
        """What REST writes, and what is read for it."""

        def asked(answer: Callable[[graph.Ask], Reply]) -> Callable[[Call], Reply]:
            return lambda call: answer(graph.Ask(self, call, self._signed_in(call)))

        def written(answer: Callable[[graph.Ask, mutations.Book], Reply]) -> Callable[[Call], Reply]:
            return asked(lambda ask: answer(ask, self.writes))

        def acted(answer: Callable[[graph.Ask, orders.Parcels], Reply]) -> Callable[[Call], Reply]:
            return asked(lambda ask: answer(ask, self.parcels(ask.seller)))

        return [
            endpoint("PUT", f"{root}/products/{{id}}.json", written(rest.put_product)),
            endpoint("GET", f"{root}/variants/{{id}}.json", asked(rest.variant)),
            endpoint("PUT", f"{root}/variants/{{id}}.json", written(rest.put_variant)),
            endpoint("GET", f"{root}/locations.json", asked(rest.locations)),
            endpoint("GET", f"{root}/inventory_levels.json", asked(rest.levels)),
            endpoint("POST", f"{root}/inventory_levels/set.json", written(rest.set_level)),
            endpoint("GET", f"{root}/orders/{{id}}/fulfillment_orders.json", acted(rest.parts)),
            endpoint("POST", f"{root}/fulfillments.json", acted(rest.fulfil)),
            endpoint("POST", f"{root}/orders/{{id}}/cancel.json", acted(rest.cancel)),
        ]

    def _begin(self) -> None:
        super()._begin()
        #: Apps that may not use GraphQL, as those of old plugins.
        self.rest_only = False
        self.points = graph.Points(self.clock)
        self.places = queries.Places()
        self.hooks = hooks.Hooks()
        self.writes = mutations.Book()
        self._parcels: dict[str, orders.Parcels] = {}

    def parcels(self, seller: Seller) -> orders.Parcels:
        """What apps did with a shop's orders."""
        return self._parcels.setdefault(seller.id, orders.Parcels())

    def _graph(self, call: Call) -> Reply:
        """GraphQL is counted in points, apart from the calls of REST."""
        app, seller = self._whose(call)
        call.record.app, call.record.seller = app.key, seller.id
        if self.rest_only:
            raise Refusal(graph.denied(), "ACCESS_DENIED")
        parcels, book = self.parcels(seller), self.writes

        def written(ask: graph.Ask) -> Mapping[str, graph.Resolver]:
            return {
                "productUpdate": lambda given: mutations.product_update(ask, given, book),
                "productVariantsBulkUpdate": lambda given: mutations.variants_update(ask, given, book),
                "inventorySetQuantities": lambda given: mutations.set_quantities(ask, given, book),
                "fulfillmentCreate": lambda given: sending.fulfil(ask, given, parcels),
                "orderCancel": lambda given: sending.cancel(ask, given, parcels),
            }

        ask = graph.Ask(self, call, seller)
        return graph.answer(ask, self.points, lambda one: queries.roots(one, parcels, self.places), written)

    def _signed_in(self, call: Call) -> Seller:
        app, seller = self._whose(call)
        self.admit(call, app, seller.id)
        return seller

    def _whose(self, call: Call) -> tuple[App, Seller]:
        token = self.ledger.find(self.bearer(call), "access")
        if token is None or token.dead(self.clock.now()):
            text = "[API] Invalid API key or access token (unrecognized login or wrong password)"
            raise refuse(401, "token", text)
        seller = self._seller_of(token.entity)
        if seller.blocked:
            raise refuse(402, "shop", "Unavailable Shop")
        return token.grant.app, seller

    def addresses(self, base: str) -> dict[str, str]:
        return {"api": base}

    def bearer(self, call: Call) -> str | None:
        return call.headers.get("x-shopify-access-token")

    def throttled(self, wait: float) -> Reply:
        text = "Exceeded 2 calls per second for api client. Reduce request rates to resume uninterrupted service."
        return error(429, text, {"retry-after": f"{max(wait, 0.1):.1f}"})

    def unknown(self, call: Call, allowed: bool) -> Reply:  # noqa: ARG002 - both are the same answer
        return error(404, "Not Found")

    def approved(self, ask: Ask, choice: str) -> str:
        return consent.approved(self, ask, choice)

    def denied(self, ask: Ask) -> str:
        return consent.denied(self, ask)
