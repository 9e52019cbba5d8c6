"""One emulated platform: its applications, sellers, tokens and rules; a platform's folder gives it the particulars."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from isthmus.kit.errors import NotFound
from isthmus.sandbox import consent
from isthmus.sandbox.catalogue import CatalogueProduct, Drawn, Listed, Source
from isthmus.sandbox.clock import ShiftedClock
from isthmus.sandbox.consent import Ask
from isthmus.sandbox.cursors import Cursors
from isthmus.sandbox.dice import Dice
from isthmus.sandbox.effects import Effects
from isthmus.sandbox.faults import Faults
from isthmus.sandbox.ledger import Ledger
from isthmus.sandbox.model import App, Seller
from isthmus.sandbox.orders import Book, Market
from isthmus.sandbox.recording import Recording
from isthmus.sandbox.shelf import Shelf
from isthmus.sandbox.throttle import Throttle
from isthmus.sandbox.wire import Call, Refusal, Reply, redirect

_PARAMETER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class World:
    """What a platform is made from: the same world gives the same ids, data and tokens."""

    seed: int
    products: int
    clock: ShiftedClock
    catalogue: Sequence[CatalogueProduct] | None = None
    #: Orders drawn for the main seller; the small ones get a few.
    orders: int = 40


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A path such as `/products/{id}` with the methods it takes and the function that answers."""

    methods: frozenset[str]
    path: str
    answer: Callable[[Call], Reply]


def endpoint(methods: str, path: str, answer: Callable[[Call], Reply]) -> Endpoint:
    """An endpoint; `methods` are separated by blanks."""
    return Endpoint(frozenset(methods.split()), path, answer)


class Shop(ABC):
    """The state and rules of one platform; subclasses define the methods below and are named `PLATFORM`."""

    platform: ClassVar[str]
    #: The platform's name for people.
    title: ClassVar[str]
    #: Calls a second per application and seller, and how long a caller that exceeds them stays out.
    rate: ClassVar[float]
    ban: ClassVar[float] = 0.0
    #: Seconds that access and refresh tokens live (None: no end), and the deepest offset of a list; tests change them.
    access_life: float
    refresh_life: float | None = None
    offset_limit: int | None = None

    def __init__(self, world: World) -> None:
        self.world = world
        self.clock = world.clock
        self.base_url = ""
        self.hosts: dict[str, str] = {}
        self.faults = Faults()
        self.recording = Recording()
        self.throttle = Throttle(world.clock, self.rate, ban=self.ban)
        #: "approve" or "deny" answers every consent link without a page; None asks.
        self.auto_consent: str | None = None
        self._endpoints = [(re.compile(_PARAMETER.sub(r"(?P<\1>[^/]+)", e.path)), e) for e in self.endpoints()]
        self._begin()

    def _begin(self) -> None:
        self.ledger = Ledger(self.clock, self.world.seed, self.platform, "token")
        self.cursors = Cursors(self.clock)
        #: What writes have changed.
        self.effects = Effects(self.clock)
        #: Ids of what a campaign holds just now (variants, as the platform names them): their writes meet its lock.
        self.locked: set[str] = set()
        self._asks: dict[str, Ask] = {}
        self._requests = 0
        self._books: dict[str, Book] = {}
        self.apps, self.sellers = self.seeded()

    def reset(self) -> None:
        """Back to the first moment: data, applications, tokens, faults, throttle and recording; the clock goes on."""
        self.faults.clear()
        self.recording.clear()
        self.throttle.reset()
        self.auto_consent = None
        self._begin()

    # What a platform's folder defines.

    @abstractmethod
    def seeded(self) -> tuple[list[App], list[Seller]]:
        """The registered applications and the sellers, drawn from the seed."""

    @abstractmethod
    def endpoints(self) -> Sequence[Endpoint]:
        """Every call the platform answers."""

    @abstractmethod
    def addresses(self, base: str) -> dict[str, str]:
        """The hosts to give a connector ("api", "auth", "consent", ...), all under the one loopback address."""

    @abstractmethod
    def bearer(self, call: Call) -> str | None:
        """The access token that a request carries."""

    @abstractmethod
    def throttled(self, wait: float) -> Reply:
        """The platform's answer to a caller that must wait so many seconds."""

    @abstractmethod
    def unknown(self, call: Call, allowed: bool) -> Reply:
        """The platform's answer to a path it does not know, or (`allowed` false) to a method the path does not take."""

    @abstractmethod
    def approved(self, ask: Ask, choice: str) -> str:
        """Issue a code for the chosen account; returns the callback address with the platform's parameters."""

    @abstractmethod
    def denied(self, ask: Ask) -> str:
        """The callback address after a refusal."""

    def market(self, seller: Seller) -> Market:
        """The currency, keys and vouchers of a seller's orders; a platform with keys of its own form overrides it."""
        return Market(seller.currency, lambda serial, _: str(700_000_000 + serial * 37))

    def keys(self, seller: str) -> Mapping[str, str]:
        """What this merchant enters where there is no consent: by default the credentials of the seller's own app."""
        return next((app.credentials for app in self.apps if app.owner == seller), {})

    # What every platform shares.

    def dice(self, *key: object) -> Dice:
        """Draws that belong to this platform and seed."""
        return Dice(self.world.seed, self.platform, *key)

    def source(self) -> Source:
        """The catalogue that fills the main seller's shop."""
        if self.world.catalogue is not None:
            return Listed(self.world.catalogue)
        return Drawn(self.world.seed, self.world.products)

    def small_source(self, key: int, count: int) -> Source:
        """A few products for the other sellers, never the main seller's."""
        return Drawn(self.world.seed * 1000 + key, min(count, self.world.products))

    def shelf(self, source: Source, first_id: int, *, per_variant: bool = False) -> Shelf:
        """A shop's shelf, dated by the platform's clock."""
        return Shelf(source, self.clock.now(), first_id=first_id, per_variant=per_variant)

    def request_id(self) -> str:
        """The next request id."""
        self._requests += 1
        return self.dice("request", self._requests).text(32, "0123456789abcdef")

    def app(self, key: str | None) -> App | None:
        """The application with this public key."""
        return next((app for app in self.apps if app.key == key), None)

    def seller(self, seller_id: str) -> Seller | None:
        """The seller with this id."""
        return next((seller for seller in self.sellers if seller.id == seller_id), None)

    def admit(self, call: Call, app: App, seller: str) -> None:
        """Count the call against the limit of application and seller. Raises `Refusal` in the platform's own form."""
        call.record.app, call.record.seller = app.key, seller or None
        wait = self.throttle.take(app.key, seller)
        if wait > 0:
            self.recording.counts["throttled"] += 1
            raise Refusal(self.throttled(wait), "throttle")

    def answer(self, call: Call) -> Reply:
        """Serve one request; a broken rule is noted in its record."""
        try:
            return self._route(call)
        except Refusal as refused:
            self.recording.refused(call.record, refused.rule)
            return refused.reply

    def _route(self, call: Call) -> Reply:
        if call.path == consent.PATH and call.method == "POST":
            return self._decide(call)
        known = False
        for pattern, point in self._endpoints:
            match = pattern.fullmatch(call.path)
            if match is None:
                continue
            known = True
            if call.method in point.methods:
                call.params = {name: value for name, value in match.groupdict().items() if value is not None}
                return point.answer(call)
        raise Refusal(self.unknown(call, not known), "method" if known else "path")

    # Consent.

    def ask(self, call: Call, ask: Ask) -> Reply:
        """Show the consent page, or answer at once when `?auto=approve|deny` or `auto_consent` says so."""
        self._asks[ask.ticket] = ask
        decision = call.one("auto") or self.auto_consent
        if decision in {"approve", "deny"}:
            return self._decided(ask, decision, call.one("auto_seller") or ask.choices[0][0])
        return consent.form(self.title, ask)

    def ticket(self) -> str:
        """The name of a consent page, used once."""
        return self.ledger.draw(32)

    def _decide(self, call: Call) -> Reply:
        ask = self._asks.get(call.field("ticket") or "")
        if ask is None:
            raise Refusal(consent.refusal(self.title, "This page was already answered or is unknown."), "ticket")
        return self._decided(ask, call.field("decision") or "", call.field("seller") or "")

    def _decided(self, ask: Ask, decision: str, choice: str) -> Reply:
        if decision not in {"approve", "deny"} or choice not in {value for value, _ in ask.choices}:
            raise Refusal(consent.refusal(self.title, "Choose one of the accounts, and Approve or Deny."), "consent")
        del self._asks[ask.ticket]
        return redirect(self.approved(ask, choice) if decision == "approve" else self.denied(ask))

    # Editing the data while clients read it.

    def _seller_of(self, seller: str | None) -> Seller:
        found = self.sellers[0] if seller is None else self.seller(seller)
        if found is None:
            raise NotFound(f"no seller {seller}")
        return found

    def add_product(self, product: CatalogueProduct | None = None, *, seller: str | None = None) -> list[str]:
        """Put a product (by default a new drawn one) on a seller's shelf; returns the external ids of its listings."""
        shelf = self._seller_of(seller).shelf
        added = product or Drawn(self.world.seed, 1 << 30).product((1 << 20) + shelf.size)
        return [str(row_id) for row_id in shelf.add(added, self.clock.unix())]

    def edit_product(self, external_id: str, *, seller: str | None = None, **changes: object) -> None:
        """Change a listing and move its update time. Raises `NotFound`, or `Invalid` for an unknown property."""
        self.change_product(external_id, changes, seller=seller)

    def change_product(self, external_id: str, changes: Mapping[str, object], *, seller: str | None = None) -> None:
        """The same with the changes in a mapping."""
        self._seller_of(seller).shelf.edit(int(external_id), self.clock.unix(), changes)

    def remove_product(self, external_id: str, *, seller: str | None = None) -> None:
        """Delete a listing in the platform's way. Raises `NotFound`."""
        self._seller_of(seller).shelf.remove(int(external_id), self.clock.unix())

    def book(self, seller: str | None = None) -> Book:
        """A seller's orders, drawn when they are first asked for."""
        owner = self._seller_of(seller)
        if owner.id not in self._books:
            count = self.world.orders if owner is self.sellers[0] else min(3, self.world.orders)
            dice, now = self.dice("orders", owner.id), self.clock.unix()
            self._books[owner.id] = Book(dice, owner.shelf, self.market(owner), now=now, drawn=count)
        return self._books[owner.id]

    def place_order(self, *, seller: str | None = None) -> str:
        """A buyer buys something now; returns the order's key."""
        book = self.book(seller)
        dice = self.dice("order", self._seller_of(seller).id, book.size)
        return book.place(dice, self._seller_of(seller).shelf, self.clock.unix())

    def move_order(self, key: str, state: str, *, seller: str | None = None) -> None:
        """Bring an order into another state now. Raises `NotFound`, or `Invalid` for an unknown state."""
        self.book(seller).move(key, state, self.clock.unix())

    def summary(self) -> Mapping[str, object]:
        """What the control address and the command line show."""
        return {
            "platform": self.platform,
            "base_url": self.base_url,
            "hosts": self.hosts,
            "apps": [{"name": app.name, "credentials": app.credentials, "owner": app.owner} for app in self.apps],
            "sellers": [
                {"id": s.id, "name": s.name, "country": s.country, "listings": s.shelf.size, "blocked": s.blocked}
                for s in self.sellers
            ],
        }
