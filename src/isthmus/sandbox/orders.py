"""A seller's orders: drawn from the seed over what is on the shelf, moved through their lives, and read by windows.

States are those of a plain script (paid, packed, shipped, ...); each platform's own folder gives them its own words.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Literal, get_args

from isthmus.kit.errors import Invalid, NotFound
from isthmus.sandbox.catalogue import in_currency
from isthmus.sandbox.dice import Dice
from isthmus.sandbox.shelf import Row, Shelf

State = Literal[
    "unpaid", "paid", "packed", "ready", "shipped", "delivered", "completed", "cancel_asked", "cancelled", "returned"
]
STATES: tuple[State, ...] = get_args(State)
#: While a parcel is on its way out the seller sees where to; before and after, stars.
_SHOWN: frozenset[State] = frozenset({"paid", "packed", "ready"})
_DAY = 86_400
_HOUR = 3_600
#: The drawn orders lie in so many days before the anchor.
_SPAN = 40
_LIVES: tuple[State, ...] = (
    "unpaid", "paid", "paid", "packed", "ready", "shipped", "shipped", "delivered", "completed", "completed",
    "cancelled", "cancel_asked", "returned",
)  # fmt: skip
_NAMES = ("Nguyễn Văn An", "Trần Thị Bình", "Lê Minh Châu", "Phạm Quốc Dũng", "Hoàng Thu Hà", "Võ Thanh Lâm")
_STREETS = ("Đường Demo", "Phố Huế", "Đường Lê Lợi", "Hàng Bông")
_PLACES = (
    ("Bến Nghé", "Quận 1", "Hồ Chí Minh"),
    ("Hàng Trống", "Hoàn Kiếm", "Hà Nội"),
    ("Thạch Thang", "Hải Châu", "Đà Nẵng"),
)


@dataclass(frozen=True, slots=True)
class Bought:
    """One line: a listing and, where it has any, which of its variants."""

    row: int
    variant: int
    title: str
    options: tuple[str, ...]
    sku: str | None
    image: str | None
    quantity: int
    list_price: Decimal
    price: Decimal


@dataclass(frozen=True, slots=True)
class Buyer:
    """Who bought, and where the parcel goes."""

    id: str
    name: str
    phone: str
    street: str
    ward: str
    district: str
    city: str
    country: str = "VN"
    note: str = ""

    def masked(self) -> "Buyer":
        """The same with stars, as platforms show persons outside of shipping."""
        return replace(self, name=_starred(self.name), phone=f"******{self.phone[-2:]}", street=_starred(self.street))


def _starred(text: str) -> str:
    return f"{text[:1]}******{text[-1:]}" if text else text


@dataclass(frozen=True, slots=True)
class Placed:
    """One order. Times are whole seconds since 1970; `history` holds its states with their times, oldest first."""

    serial: int
    key: str
    placed: int
    updated: int
    state: State
    lines: tuple[Bought, ...]
    buyer: Buyer
    currency: str
    shipping: Decimal = Decimal(0)
    discount_seller: Decimal = Decimal(0)
    discount_platform: Decimal = Decimal(0)
    cod: bool = False
    history: tuple[tuple[State, int], ...] = ()
    #: Stars whatever the state; and a word of the platform that nobody has documented.
    hidden: bool = False
    strange: str | None = None
    #: What the seller's acts have left on it, such as a carrier or a reason, in the platform's own names.
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def goods(self) -> Decimal:
        """What the lines come to."""
        return sum((line.price * line.quantity for line in self.lines), Decimal(0))

    @property
    def total(self) -> Decimal:
        """What the buyer pays."""
        return self.goods - self.discount_seller - self.discount_platform + self.shipping

    @property
    def shown(self) -> Buyer:
        """The buyer as the seller sees them now."""
        return self.buyer if self.state in _SHOWN and not self.hidden else self.buyer.masked()

    def at(self, *states: State) -> int | None:
        """When it first came into one of these states."""
        return next((moment for state, moment in self.history if state in states), None)


@dataclass(frozen=True, slots=True)
class Market:
    """What a platform adds to an order: its currency, the form of its order keys, and its vouchers."""

    currency: str
    key: Callable[[int, int], str]
    vouchers: bool = True


class Book:
    """The orders of one seller; `drawn` of them lie in the weeks before `now`."""

    def __init__(self, dice: Dice, shelf: Shelf, market: Market, *, now: int, drawn: int) -> None:
        self._market = market
        self._orders: dict[str, Placed] = {}
        self._returned: dict[str, Placed] = {}
        self._view: tuple[list[int], list[str]] | None = None
        sold = shelf.rows(shelf.ids(frozenset({"active", "inactive"}))[: max(drawn, 20)])
        anchor = now // _DAY * _DAY
        for number in range(drawn if sold else 0):
            placed = anchor - (drawn - number) * _SPAN * _DAY // max(drawn, 1) - dice.below(6 * _HOUR)
            self._put(self._drawn(dice, sold, placed, anchor))

    def _drawn(self, dice: Dice, sold: list[Row], placed: int, anchor: int) -> Placed:
        lines = tuple(_bought(dice, dice.pick(sold), self._market.currency) for _ in range(dice.between(1, 3)))
        state = dice.pick(_LIVES)
        serial = len(self._orders) + 1
        unit = in_currency(Decimal(1_000), "VND", self._market.currency) or Decimal("0.05")
        goods = sum((line.price * line.quantity for line in lines), Decimal(0))
        voucher = min(unit * dice.between(1, 20), goods) if self._market.vouchers and dice.chance(30) else Decimal(0)
        order = Placed(
            serial,
            self._market.key(serial, placed),
            placed,
            placed,
            "unpaid",
            lines,
            _buyer(dice),
            self._market.currency,
            unit * dice.between(0, 30),
            discount_platform=voucher,
            cod=dice.chance(40),
            history=(("unpaid", placed),),
        )
        steps = _path(state)
        for place, step in enumerate(steps, 1):
            order = _moved(order, step, min(placed + place * 5 * _HOUR, anchor))
        return order

    def _put(self, order: Placed) -> None:
        self._orders[order.key] = order
        if order.at("returned") is not None:
            self._returned[order.key] = order
        self._view = None

    @property
    def size(self) -> int:
        """How many orders there are."""
        return len(self._orders)

    def order(self, key: str) -> Placed | None:
        """One order."""
        return self._orders.get(key)

    def all(self) -> list[Placed]:
        """Every order, in the order they were placed here."""
        return list(self._orders.values())

    def returned(self) -> list[Placed]:
        """Those of which a buyer sent something back, in the order they were placed here."""
        return sorted(self._returned.values(), key=lambda one: one.serial)

    def window(self, low: int | None, high: int | None, *, placed: bool = False) -> list[Placed]:
        """Orders changed (or placed) in a closed window, oldest first."""
        if placed:
            found = [one for one in self._orders.values() if (low or 0) <= one.placed <= (high or 1 << 40)]
            return sorted(found, key=lambda one: (one.placed, one.serial))
        times, keys = self._viewed()
        start = 0 if low is None else bisect_left(times, low)
        end = len(keys) if high is None else bisect_right(times, high)
        return [self._orders[key] for key in keys[start:end]]

    def _viewed(self) -> tuple[list[int], list[str]]:
        if self._view is None:
            ordered = sorted(self._orders.values(), key=lambda one: (one.updated, one.serial))
            self._view = [one.updated for one in ordered], [one.key for one in ordered]
        return self._view

    def add(self, order: Placed) -> str:
        """Take in an order that was made elsewhere; its key and serial are given here."""
        serial = len(self._orders) + 1
        placed = replace(order, serial=serial, key=order.key or self._market.key(serial, order.placed))
        self._put(placed)
        return placed.key

    def place(self, dice: Dice, shelf: Shelf, now: int) -> str:
        """A buyer buys something now, and pays."""
        sold = shelf.rows(shelf.ids(frozenset({"active"}))[:50])
        if not sold:
            raise NotFound("there is nothing to buy")
        order = self._drawn(dice, sold, now, now)
        self._put(replace(order, state="paid", updated=now, history=(("unpaid", now), ("paid", now))))
        return order.key

    def move(self, key: str, state: str, now: int) -> Placed:
        """Bring an order into a state; its time of change is `now`, which may lie in the past: news that come late."""
        if state not in STATES:
            raise Invalid.field("state", f"no such state; there are {', '.join(STATES)}")
        return self._changed(key, lambda order: _moved(order, state, now))

    def act(self, key: str, now: int, state: State | None = None, **facts: str) -> Placed:
        """The seller does something with an order: it comes into a state, or stays in its own, with these facts."""

        def acted(order: Placed) -> Placed:
            same = state is None or state == order.state
            moved = replace(order, updated=now) if same else _moved(order, state or order.state, now)
            return replace(moved, facts={**order.facts, **facts})

        return self._changed(key, acted)

    def edit(self, key: str, now: int, *, strange: str | None = None, hidden: bool = False) -> Placed:
        """Give an order a status that no document names, or hide its buyer for good."""
        return self._changed(key, lambda order: replace(order, strange=strange, hidden=hidden, updated=now))

    def _changed(self, key: str, change: Callable[[Placed], Placed]) -> Placed:
        order = self._orders.get(key)
        if order is None:
            raise NotFound(f"no order {key}")
        self._put(change(order))
        return self._orders[key]


def _moved(order: Placed, state: State, now: int) -> Placed:
    return replace(order, state=state, updated=now, history=(*order.history, (state, now)))


def _path(state: State) -> Iterable[State]:
    """The states before one, without the first."""
    if state == "unpaid":
        return ()
    if state in {"cancelled", "cancel_asked"}:
        return ("paid", state)
    line: tuple[State, ...] = ("paid", "packed", "ready", "shipped", "delivered", "completed", "returned")
    return line[: line.index(state) + 1]


def _bought(dice: Dice, row: Row, currency: str) -> Bought:
    number = row.variant if row.variant is not None else dice.below(len(row.product.variants))
    variant = row.product.variants[number]
    regular = in_currency(variant.price, row.product.currency, currency)
    sale = variant.sale_price
    price = regular if sale is None else in_currency(sale, row.product.currency, currency)
    image = variant.image or (row.product.images[0] if row.product.images else None)
    quantity = dice.between(1, 3)
    return Bought(row.id, number, row.product.title, variant.options, variant.sku, image, quantity, regular, price)


def _buyer(dice: Dice) -> Buyer:
    ward, district, city = dice.pick(_PLACES)
    street = f"{dice.between(1, 300)} {dice.pick(_STREETS)}"
    note = "Gọi trước khi giao" if dice.chance(20) else ""
    number = dice.between(1, 40)
    return Buyer(
        str(300_000 + number),
        _NAMES[number % len(_NAMES)],
        f"09{dice.digits(8)}",
        street,
        ward,
        district,
        city,
        note=note,
    )
