"""The far side that a connector plays against: what the suite asks of an emulator, and how a connector is put on it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal, Protocol
from urllib.parse import parse_qsl, urlsplit

from isthmus.client import ApiClient, Tokens
from isthmus.connect.conformance.binding import bound
from isthmus.connect.conformance.report import require
from isthmus.connect.manifest import Manifest
from isthmus.connect.registry import Found
from isthmus.connect.shapes import Listing, ListingStatus
from isthmus.connect.spi import Account, App, Connector, Consent, Granted, RawRecord, RecordPage, Session, Window
from isthmus.kit import ids
from isthmus.kit.clock import Clock
from isthmus.kit.secret import Secret

Role = Literal["main", "empty", "blocked", "several"]
#: What one variant must come out as: what can be sold, the regular price, the lower price if there is one.
Offer = tuple[int, Decimal, Decimal | None]
#: What an order must come out as: its key, what the buyer pays, and how many pieces.
OrderFact = tuple[str, Decimal, int]
REDIRECT = "http://127.0.0.1:9/api/integrations/oauth/callback/reg_1"
_CURSOR_LENGTH = 16_384


class Stage(Protocol):
    """An emulated platform. Sleeping on its clock takes no time: it moves the clock."""

    @property
    def app(self) -> App:
        """The registered app, with hosts that lead to the emulator."""
        ...

    @property
    def clock(self) -> Clock:
        """The platform's own clock."""
        ...

    def account(self, role: Role) -> str | None:
        """Whom to sign in as: the main shop, an empty one, a blocked one, an account with several; None: not here."""
        ...

    def keys(self, role: Role) -> Mapping[str, Secret]:
        """What that merchant would enter, by the manifest's credential fields, where there is no consent."""
        ...

    async def consent(self, link: str, *, account: str | None = None, approve: bool = True) -> str:
        """Open the consent link as a person would; returns the callback address."""
        ...

    def offers(self) -> Sequence[Offer]:
        """Every variant that the main shop shows, deleted ones left out."""
        ...

    def edit(self, number: int, stock: int) -> None:
        """Change the stock of one listing of the main shop, by its place from the one unchanged for longest."""
        ...

    def add(self) -> None:
        """Put one more product into the main shop."""
        ...

    def orders(self) -> Sequence[OrderFact]:
        """Every order of the main shop."""
        ...

    def place_order(self) -> str:
        """A buyer buys something in the main shop now; the order's key."""
        ...

    def move_order(self, key: str, state: str) -> None:
        """Bring an order into another state now; a state that no script knows is shown as it is."""
        ...

    def place(self) -> str:
        """A warehouse of the main shop by the platform's id; empty where it has none of its own."""
        ...

    def late_order(self, seconds: float) -> str:
        """An order that shows up now, dated so many seconds back; its key."""
        ...

    def disturb(self, kind: str, times: int | None = None, *, after: int = 0) -> None:
        """Switch a fault on for every call, or for `times` calls after the first `after`."""
        ...

    def calm(self) -> None:
        """Switch every fault off."""
        ...

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        ...

    def refreshes(self) -> int:
        """Token refreshes that the platform has served so far."""
        ...

    def calls(self) -> int:
        """Requests so far."""
        ...

    def effects(self) -> Sequence[bool]:
        """Every field that a write has set so far: whether it was different before."""
        ...


class Skewed:
    """The stage's clock, wrong by some seconds: what a machine with a bad clock has."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.now().timestamp() + self._seconds, self._clock.now().tzinfo)

    def monotonic(self) -> float:
        return self._clock.monotonic()

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)


@dataclass(slots=True)
class Pulled:
    """What a whole pull brought, fragments of one listing put together."""

    listings: dict[str, Listing] = field(default_factory=dict)
    offers: dict[tuple[str, str], Offer] = field(default_factory=dict)
    pages: int = 0
    records: int = 0

    def counted(self) -> Counter[Offer]:
        """The offers, as a bag."""
        return Counter(self.offers.values())


@dataclass(slots=True)
class Play:
    """One connector on one stage."""

    found: Found
    connector: Connector
    stage: Stage
    #: The merchant's keys, where there is no consent.
    keys: Mapping[str, Secret] = field(default_factory=dict)

    @property
    def app(self) -> App:
        """The app as the platform binds it: keys of a merchant lie beside its own credentials."""
        known = self.stage.app
        return App({**known.credentials, **self.keys}, known.hosts)

    @property
    def consented(self) -> bool:
        """Whether merchants agree on a page of the platform; elsewhere they enter keys."""
        return self.manifest.auth == "oauth2"

    @property
    def ends(self) -> tuple[str, ...]:
        """Faults of tokens that a refresh mends; keys have none that does."""
        return ("expired_token",) if self.consented else ()

    @property
    def manifest(self) -> Manifest:
        """The connector's facts."""
        return self.found.manifest

    def plain(self, clock: Clock | None = None) -> ApiClient:
        """A client without credentials, as the exchange gets it."""
        return ApiClient(classify=self.connector.classify, breaker=None, clock=clock or self.stage.clock)

    async def callback(
        self, account: str | None, *, approve: bool = True, challenge: str | None = None
    ) -> dict[str, str]:
        """Walk the consent; the query that comes back, our state checked."""
        oauth, state = self.manifest.oauth, ids.token(160)
        back = REDIRECT if oauth is None or oauth.returns_state else f"{REDIRECT}?state={state}"
        link = self.connector.consent_url(self.stage.app, Consent(back, state, challenge), self.stage.clock.now())
        query = dict(parse_qsl(urlsplit(await self.stage.consent(link, account=account, approve=approve)).query))
        require(query.get("state") == state, "the state does not come back")
        return query

    async def connect(self, role: Role = "main", clock: Clock | None = None) -> Sequence[Granted]:
        """Consent as this account and trade the code, or enter its keys and ask whose they are."""
        if not self.consented:
            return [await self._keyed(role)]
        query = await self.callback(self.stage.account(role))
        callback = self.connector.read_callback(query, REDIRECT)
        async with self.plain(clock) as client:
            return await self.connector.exchange(self.stage.app, callback, client, clock or self.stage.clock)

    async def _keyed(self, role: Role) -> Granted:
        """Keys have no tokens; the last secret stands for them wherever a play looks for leaks."""
        self.keys = self.stage.keys(role)
        secrets = [
            self.keys[one.name] for one in self.manifest.credential_fields if one.secret and one.name in self.keys
        ]
        trial = Granted(Account(""), Tokens(secrets[-1]))
        async with self.session(trial) as session:
            return Granted(await self.connector.test(session), trial.tokens)

    def session(self, granted: Granted, clock: Clock | None = None) -> AbstractAsyncContextManager[Session]:
        """A bound client as the platform binds it: hosts, credentials, limits, judge."""
        return bound(self.found, self.app, granted, clock or self.stage.clock)

    async def pull(self, session: Session, since: datetime | None = None, *, twice: bool = False) -> Pulled:
        """A whole pull, mapped; `twice` asks for every page again and compares."""
        window, cursor, pulled = Window(since, self.stage.clock.now()), None, Pulled()
        while True:
            page = await self.connector.pull_listings(session, window, cursor)
            if twice:
                again = await self.connector.pull_listings(session, window, cursor)
                same = [_told(one) for one in page.records] == [_told(one) for one in again.records]
                require(same and page.cursor == again.cursor, "the same cursor gives another page")
            pulled.pages += 1
            self.gather(pulled, page, session)
            cursor = page.cursor
            if cursor is None:
                return pulled
            require(len(cursor) <= _CURSOR_LENGTH and cursor.isprintable(), "a cursor is a short text")
            require(pulled.pages < 10_000, "the pull does not end")

    def gather(self, pulled: Pulled, page: RecordPage, session: Session) -> None:
        """Map a page and keep what it offers."""
        entity = self.manifest.entity("products")
        require(entity is None or len(page.records) <= entity.page_size, "a page is larger than the manifest says")
        pulled.records += len(page.records)
        for record in page.records:
            self._take(pulled, self.connector.map_listing(record, session.account))

    def _take(self, pulled: Pulled, listing: Listing) -> None:
        pulled.listings[listing.external_id] = listing
        if listing.status is ListingStatus.DELETED:
            return
        for variant in listing.variants:
            price = variant.price
            require(price is not None, f"variant {variant.external_id} has no price")
            if price is not None:
                offer = (variant.available or 0, price.list_price, price.sale_price)
                pulled.offers[listing.external_id, variant.external_id] = offer


def _told(record: RawRecord) -> tuple[str, bytes]:
    return record.external_id, record.payload


def with_secret(app: App, name: str, value: str) -> App:
    """The app with one credential changed."""
    return App({**app.credentials, name: Secret(value)}, app.hosts)
