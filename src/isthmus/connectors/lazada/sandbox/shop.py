"""Lazada's applications, sellers and calls."""

import math
from collections.abc import Sequence

from isthmus.connectors.lazada.sandbox import acts, oauth, orders, products, writes
from isthmus.connectors.lazada.sandbox.countries import CURRENCIES
from isthmus.connectors.lazada.sandbox.rules import error
from isthmus.sandbox import App, Ask, Call, Endpoint, Market, Reply, Seller, Shop, Warehouse, endpoint

_DAY = 86_400.0
_FIRST_ITEM = 2_374_791_958
_HOME = (Warehouse("dropshipping", "Main"),)


class Lazada(Shop):
    """The token host, the consent page and the six country hosts, told apart by a path such as `/vn/rest`.

    `/rest` without a country serves the (first) country of the token.
    """

    platform = "lazada"
    title = "Lazada"
    rate = 50.0  # the published figure of the inventory calls, per seller (reference 3.4)
    ban = 1.0
    access_life = 10 * _DAY
    refresh_life = 50 * _DAY
    offset_limit = 10_000

    def seeded(self) -> tuple[list[App], list[Seller]]:
        main = self._seller(0, "Sao Mai Flagship Store", "VN", 0)
        main.warehouses = (*_HOME, Warehouse("VN-SGN-02", "Thủ Đức"))
        sellers = [
            main,
            self._seller(1, "Empty Shelf", "SG", 0),
            self._seller(2, "Blocked Store", "TH", 4),
            self._seller(3, "Kedai Kecil", "MY", 6),
        ]
        sellers[2].blocked = True
        cross_border = self.dice("cross-border").digits(9)
        for number, country in enumerate(CURRENCIES, 4):
            seller = self._seller(number, f"Cross-border {country}", country, 5)
            seller.extra["account"] = cross_border
            sellers.append(seller)
        market = frozenset({"service-market"})
        apps = [self._app(0, "App"), self._app(1, "Second app"), self._app(2, "Service market app", market)]
        return apps, sellers

    def _app(self, number: int, name: str, traits: frozenset[str] = frozenset()) -> App:
        dice = self.dice("app", number)
        key = dice.digits(6)
        return App(key, name, {"app_key": key, "app_secret": dice.text(32)}, traits=traits)

    def _seller(self, number: int, name: str, country: str, count: int) -> Seller:
        dice = self.dice("seller", number)
        source = self.source() if number == 0 else self.small_source(number, count)
        return Seller(
            id=dice.digits(9),
            name=name,
            email=f"seller{number}@example.com",
            shelf=self.shelf(source, _FIRST_ITEM + number * 100_000_000),
            country=country,
            currency=CURRENCIES[country],
            warehouses=_HOME,
            extra={"short_code": country + dice.text(6, "ABCDEFGHJKLMNPQRSTUVWXYZ"), "user_id": dice.digits(9)},
        )

    def market(self, seller: Seller) -> Market:
        return Market(seller.currency, lambda serial, _: str(260_422_900_198_363 + serial * 1_117))

    def endpoints(self) -> Sequence[Endpoint]:
        def bound(answer: products.Answer) -> products.Served:
            return lambda call: products.served(self, call, answer)

        root = f"(?:/(?P<country>{'|'.join(CURRENCIES).lower()}))?/rest"
        return [
            endpoint("GET", "/oauth/authorize", lambda call: oauth.authorize(self, call)),
            endpoint("GET POST", f"{root}/auth/token/create", lambda call: oauth.create(self, call)),
            endpoint("GET POST", f"{root}/auth/token/refresh", lambda call: oauth.refresh(self, call)),
            endpoint("GET POST", f"{root}/products/get", bound(products.listed)),
            endpoint("GET POST", f"{root}/product/item/get", bound(products.one)),
            endpoint("GET POST", f"{root}/orders/get", bound(orders.listed)),
            endpoint("GET POST", f"{root}/order/get", bound(orders.one)),
            endpoint("GET POST", f"{root}/order/items/get", bound(orders.items)),
            endpoint("GET POST", f"{root}/orders/items/get", bound(orders.items_of_many)),
            endpoint("GET POST", f"{root}/seller/get", bound(products.seller_of)),
            *[endpoint("GET POST", f"{root}/{path}", bound(answer)) for path, answer in acts.CALLS.items()],
            endpoint("POST", f"{root}/product/price_quantity/update", bound(writes.update_prices)),
            endpoint("POST", f"{root}/product/stock/sellable/update", bound(writes.update_sellable)),
            endpoint("POST", f"{root}/product/update", bound(writes.update_item)),
            endpoint("POST", f"{root}/product/deactivate", bound(writes.deactivate)),
        ]

    def addresses(self, base: str) -> dict[str, str]:
        countries = {f"api.{code.lower()}": f"{base}/{code.lower()}" for code in CURRENCIES}
        return {"api": base, "auth": base, "consent": base, **countries}

    def bearer(self, call: Call) -> str | None:
        return dict([*call.query, *call.form]).get("access_token")

    def throttled(self, wait: float) -> Reply:
        seconds = max(1, math.ceil(wait))
        message = f"Api access frequency exceeds the limit. this ban will last {seconds} seconds"
        return error(self, "ApiCallLimit", message, "ISP")

    def unknown(self, call: Call, allowed: bool) -> Reply:
        text = "The specified API path is invalid" if allowed else f"The method {call.method} is not supported"
        return error(self, "InvalidApiPath", text)

    def approved(self, ask: Ask, choice: str) -> str:
        return oauth.approved(self, ask, choice)

    def denied(self, ask: Ask) -> str:
        return oauth.denied(ask)
