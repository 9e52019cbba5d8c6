"""An emulated platform as the stage of the connectors' conformance suite (`isthmus.connect.conformance`)."""

from collections.abc import Mapping, Sequence

from isthmus.connect.conformance import Offer, OrderFact, Role
from isthmus.connect.spi import App
from isthmus.kit.clock import Clock
from isthmus.kit.errors import NotFound
from isthmus.kit.secret import Secret
from isthmus.sandbox.catalogue import CatalogueVariant, in_currency
from isthmus.sandbox.consent import walk
from isthmus.sandbox.model import Seller
from isthmus.sandbox.orders import STATES
from isthmus.sandbox.shelf import Row
from isthmus.sandbox.shop import Shop


class SandboxStage:
    """One running shop. Give its server a `ManualClock`, so that waiting takes no time."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop

    @property
    def app(self) -> App:
        credentials = {name: Secret(value) for name, value in self._shop.apps[0].credentials.items()}
        return App(credentials, self._shop.hosts)

    @property
    def clock(self) -> Clock:
        return self._shop.clock

    @property
    def _main(self) -> Seller:
        return self._shop.sellers[0]

    def account(self, role: Role) -> str | None:
        if role == "main":
            return self._main.id
        others = self._shop.sellers[1:]
        if role == "several":
            return next((one.extra["account"] for one in others if "account" in one.extra), None)
        single = [one for one in others if "account" not in one.extra]
        wanted = [one for one in single if one.blocked == (role == "blocked")]
        return next((one.id for one in wanted if role == "blocked" or not one.shelf.size), None)

    def keys(self, role: Role) -> Mapping[str, Secret]:
        return {name: Secret(value) for name, value in self._shop.keys(self.account(role) or self._main.id).items()}

    async def consent(self, link: str, *, account: str | None = None, approve: bool = True) -> str:
        return await walk(link, seller=account, approve=approve)

    def offers(self) -> Sequence[Offer]:
        shelf = self._main.shelf
        rows = [row for row in shelf.rows(shelf.ids()) if row.product.status != "deleted"]
        return [self._offer(row, variant) for row in rows for variant in _sold(row)]

    def _offer(self, row: Row, variant: CatalogueVariant) -> Offer:
        source, target = row.product.currency, self._main.currency
        regular = in_currency(variant.price, source, target)
        sale = None if variant.sale_price is None else in_currency(variant.sale_price, source, target)
        return variant.stock, regular, sale if sale is not None and sale < regular else None

    def edit(self, number: int, stock: int) -> None:
        ids = [each for each in self._main.shelf.ids() if self._main.shelf.status(each) != "deleted"]
        if not ids:
            raise NotFound("the shop is empty")
        self._shop.edit_product(str(ids[number % len(ids)]), stock=stock)

    def add(self) -> None:
        self._shop.add_product()

    def orders(self) -> Sequence[OrderFact]:
        return [(one.key, one.total, sum(line.quantity for line in one.lines)) for one in self._shop.book().all()]

    def place_order(self) -> str:
        return self._shop.place_order()

    def move_order(self, key: str, state: str) -> None:
        if state in STATES:
            self._shop.move_order(key, state)
        else:
            self._shop.book().edit(key, self._shop.clock.unix(), strange=state)

    def place(self) -> str:
        return self._main.warehouses[0].id if self._main.warehouses else ""

    def late_order(self, seconds: float) -> str:
        key = self._shop.place_order()
        self._shop.book().move(key, "paid", self._shop.clock.unix() - int(seconds))
        return key

    def disturb(self, kind: str, times: int | None = None, *, after: int = 0) -> None:
        self._shop.faults.add("*", kind, times, after=after)

    def calm(self) -> None:
        self._shop.faults.clear()

    def advance(self, seconds: float) -> None:
        self._shop.clock.advance(seconds)

    def refreshes(self) -> int:
        return self._shop.recording.counts["refresh"]

    def calls(self) -> int:
        return self._shop.recording.counts["requests"]

    def effects(self) -> Sequence[bool]:
        return [one.changed for one in self._shop.effects.of()]


def _sold(row: Row) -> Sequence[CatalogueVariant]:
    variants = row.product.variants
    return variants if row.variant is None else variants[row.variant : row.variant + 1]
