"""Tiki's applications, sellers and calls."""

from collections.abc import Callable, Sequence

from isthmus.connectors.tiki.sandbox import acts, oauth, orders, products, queues, writes
from isthmus.connectors.tiki.sandbox.rules import error
from isthmus.sandbox import App, Ask, Call, Endpoint, Reply, Seller, Shop, Warehouse, endpoint

_SCOPES = frozenset({"product", "order", "inventory", "multichannel", "all", "openid", "offline"})
_FIRST_PRODUCT = 2_050_232


class Tiki(Shop):
    """api.tiki.vn: one host for the API, the consent page and the tokens."""

    platform = "tiki"
    title = "Tiki"
    access_life = 3600.0
    rate = 200.0  # the current page's figure, per seller (reference 4.3)

    def seeded(self) -> tuple[list[App], list[Seller]]:
        main = self._seller(0, "Cửa hàng Sao Mai", (Warehouse("1034", "Kho Hà Nội"), Warehouse("1015", "Kho Thủ Đức")))
        sellers = [
            main,
            self._seller(1, "Gian hàng trống", (Warehouse("1101", "Kho chính"),)),
            self._seller(2, "Gian hàng bị khóa", (Warehouse("1102", "Kho chính"),)),
            self._seller(3, "Tiệm nhỏ", (Warehouse("1103", "Kho chính"),)),
        ]
        sellers[2].blocked = True
        apps = [self._app(0, "Public app"), self._app(1, "Second public app"), self._app(2, "In-house app")]
        apps[2].owner = main.id
        return apps, sellers

    def _app(self, number: int, name: str) -> App:
        dice = self.dice("app", number)
        client_id = dice.digits(16)
        return App(client_id, name, {"client_id": client_id, "client_secret": dice.text(32)}, _SCOPES)

    def _seller(self, number: int, name: str, warehouses: tuple[Warehouse, ...]) -> Seller:
        dice = self.dice("seller", number)
        source = self.source() if number == 0 else self.small_source(number, 0 if number == 1 else 6)
        return Seller(
            id=dice.digits(6),
            name=name,
            email=f"seller{number}@example.com",
            shelf=self.shelf(source, _FIRST_PRODUCT + number * 100_000_000, per_variant=True),
            warehouses=warehouses,
            extra={"sid": dice.text(32, "0123456789ABCDEF")},
        )

    def _begin(self) -> None:
        super()._begin()
        self.queues = queues.Queues()

    def endpoints(self) -> Sequence[Endpoint]:
        def bound(answer: products.Answer) -> products.Served:
            return lambda call: products.served(self, call, answer)

        def written(answer: Callable[[Shop, Call, Seller, writes.Tell], Reply]) -> products.Answer:
            def tell(seller: Seller) -> writes.Tell:
                return lambda kind, news: self.queues.tell(seller.extra["sid"], kind, news, self.clock.unix())

            return lambda call, seller: answer(self, call, seller, tell(seller))

        def of_orders(answer: Callable[[Shop, Call, Seller], Reply]) -> products.Served:
            wanted = frozenset({"order"})
            return lambda call: products.served(self, call, lambda c, s: answer(self, c, s), wanted)

        root = "/integration/v2(?:\\.1)?"
        return [
            endpoint("GET", "/sc/oauth2/auth", lambda call: oauth.authorize(self, call)),
            endpoint("POST", "/sc/oauth2/token", lambda call: oauth.token(self, call)),
            endpoint("GET", f"{root}/products", bound(products.listed)),
            endpoint("GET", f"{root}/products/findBy", bound(products.found_by)),
            endpoint("GET", f"{root}/products/{{id}}", bound(products.one)),
            endpoint("PUT", f"{root}/products/updateSku", bound(written(writes.one))),
            endpoint("PUT", "/integration/v2\\.1/products/updateSkus", bound(written(writes.many))),
            endpoint("POST", "/v1/queues", lambda call: queues.create(self, call, self.queues)),
            endpoint("POST", "/v1/queues/{code}/subscriptions", lambda call: queues.join(self, call, self.queues)),
            endpoint("POST", "/v1/queues/{code}/events/pull", lambda call: queues.pull(self, call, self.queues)),
            endpoint("GET", f"{root}/orders", of_orders(orders.listed)),
            endpoint("GET", f"{root}/orders/{{code}}", of_orders(orders.one)),
            *[endpoint(method, f"{root}/{path}", of_orders(answer)) for method, path, answer in acts.CALLS],
            endpoint("GET", f"{root}/sellers/me", bound(products.me)),
            endpoint("GET", f"{root}/sellers/me/warehouses", bound(products.warehouses)),
        ]

    def addresses(self, base: str) -> dict[str, str]:
        return {"api": base, "auth": base, "consent": base}

    def bearer(self, call: Call) -> str | None:
        scheme, _, text = call.headers.get("authorization", "").partition(" ")
        return text.strip() if scheme.lower() == "bearer" else None

    def throttled(self, wait: float) -> Reply:
        return error(429, f"Too many requests, try again in {wait:.1f} seconds")

    def unknown(self, call: Call, allowed: bool) -> Reply:
        return error(404, f"No route for {call.path}") if allowed else error(405, f"Method {call.method} not allowed")

    def approved(self, ask: Ask, choice: str) -> str:
        return oauth.approved(self, ask, choice)

    def denied(self, ask: Ask) -> str:
        return oauth.denied(ask)
