"""Shopee's applications, shops, main account and calls."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from isthmus.connectors.shopee.sandbox import acts, oauth, orders, products, pushes, shops, writes
from isthmus.connectors.shopee.sandbox.rules import error
from isthmus.sandbox import App, Ask, Call, Endpoint, Market, Reply, Seller, Shop, Warehouse, endpoint

_FIRST_ITEM = 2_500_139_861
_API = "/api/v2"
_PUSHES = (
    ("GET", "get_app_push_config", pushes.config),
    ("POST", "set_app_push_config", pushes.configure),
    ("GET", "get_lost_push_message", pushes.lost),
    ("POST", "confirm_consumed_lost_push_message", pushes.confirm),
)


class Shopee(Shop):
    """partner.shopeemobile.com and open.shopee.com under one address."""

    platform = "shopee"
    title = "Shopee"
    rate = 100.0  # one community report; the platform publishes none (reference 2.4)
    access_life = 14_400.0
    refresh_life = 30 * 86_400.0
    offset_limit = 10_000

    def seeded(self) -> tuple[list[App], list[Seller]]:
        main = self._seller(0, "Sao Mai Official", 0)
        main.warehouses = (Warehouse("VN10SGN", "Thủ Đức"), Warehouse("VN20HAN", "Long Biên"))
        sellers = [
            main,
            self._seller(1, "Shop trống", 0),
            self._seller(2, "Shop bị khóa", 4),
            self._seller(3, "Main account shop A", 6),
            self._seller(4, "Main account shop B", 3),
            self._seller(5, "Main account merchant", 0),
        ]
        sellers[2].blocked = True
        account = self.dice("main account").digits(7)
        for seller in sellers[3:]:
            seller.extra["account"] = account
        sellers[5].extra["kind"] = "merchant"
        return [self._app(0, "App"), self._app(1, "Second app")], sellers

    def _app(self, number: int, name: str) -> App:
        dice = self.dice("app", number)
        key = dice.digits(7)
        return App(key, name, {"partner_id": key, "partner_key": "shpk" + dice.text(60, "0123456789abcdef")})

    def _seller(self, number: int, name: str, count: int) -> Seller:
        source = self.source() if number == 0 else self.small_source(number, count)
        return Seller(
            id=self.dice("seller", number).digits(8),
            name=name,
            email=f"seller{number}@example.com",
            shelf=self.shelf(source, _FIRST_ITEM + number * 100_000_000),
        )

    def _begin(self) -> None:
        super()._begin()
        self.desks = pushes.Desks()

    def market(self, seller: Seller) -> Market:
        def key(serial: int, placed: int) -> str:
            return orders.key(seller.id, serial, datetime.fromtimestamp(placed, UTC).strftime("%y%m%d"))

        return Market(seller.currency, key)

    def endpoints(self) -> Sequence[Endpoint]:
        def bound(answer: Callable[[Shop, Call], Reply]) -> Callable[[Call], Reply]:
            return lambda call: answer(self, call)

        def pushed(answer: Callable[[Shop, Call, pushes.Desks], Reply]) -> Callable[[Call], Reply]:
            return lambda call: answer(self, call, self.desks)

        calls = {
            "public/get_shops_by_partner": shops.by_partner,
            "shop/get_shop_info": shops.info,
            "merchant/get_merchant_info": shops.merchant,
            "order/get_order_list": orders.listed,
            "order/get_order_detail": orders.details,
            "returns/get_return_list": orders.returns,
            "logistics/get_shipping_parameter": acts.shipping_parameter,
            "logistics/get_tracking_number": acts.tracking_number,
            "product/get_item_list": products.listed,
            "product/search_item": products.search,
            "product/get_item_base_info": products.base_info,
            "product/get_item_extra_info": products.extra_info,
            "product/get_model_list": products.models,
        }
        changes = {
            "update_price": writes.update_price,
            "update_stock": writes.update_stock,
            "update_item": writes.update_item,
            "unlist_item": writes.unlist_item,
        }
        doings = {
            "logistics/ship_order": acts.ship,
            "order/cancel_order": acts.cancel,
            "order/handle_buyer_cancellation": acts.answer_buyer,
        }
        return [
            endpoint("GET", f"{_API}/shop/auth_partner", bound(oauth.signed_link)),
            endpoint("GET", "/auth", bound(oauth.plain_link)),
            endpoint("GET", f"{_API}/shop/cancel_auth_partner", bound(oauth.signed_cancel)),
            endpoint("GET", "/cancel_auth", bound(oauth.plain_cancel)),
            endpoint("POST", f"{_API}/auth/token/get", bound(oauth.get_token)),
            endpoint("POST", f"{_API}/auth/access_token/get", bound(oauth.refresh)),
            *[endpoint("GET", f"{_API}/{path}", bound(answer)) for path, answer in calls.items()],
            *[endpoint("POST", f"{_API}/product/{path}", bound(answer)) for path, answer in changes.items()],
            *[endpoint("POST", f"{_API}/{path}", bound(answer)) for path, answer in doings.items()],
            *[endpoint(method, f"{_API}/push/{path}", pushed(answer)) for method, path, answer in _PUSHES],
        ]

    def addresses(self, base: str) -> dict[str, str]:
        return {"api": base, "auth": base, "consent": base}

    def bearer(self, call: Call) -> str | None:
        return call.one("access_token")

    def throttled(self, wait: float) -> Reply:
        return error(self, "error_rate_limit", f"Too many requests. Retry in {wait:.1f} seconds.")

    def unknown(self, call: Call, allowed: bool) -> Reply:
        return error(self, "error_not_found", f"No API {call.path}" if allowed else f"{call.method} is not supported")

    def approved(self, ask: Ask, choice: str) -> str:
        return oauth.approved(self, ask, choice)

    def denied(self, ask: Ask) -> str:
        return oauth.denied(ask)
