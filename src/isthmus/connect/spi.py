"""What a connector implements and what it is given; the whole contract between a marketplace and the platform.

A connector is stateless and knows no tenant, table or request. It gets a `Session`: a client that is already bound to
the connection's hosts, credentials, limits and clock. Functions whose name begins with `map_` are pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, runtime_checkable

import msgspec

from isthmus.client import ApiClient, Failure, Request, Response, Tokens
from isthmus.connect.manifest import Manifest
from isthmus.connect.shapes import Listing, Order
from isthmus.kit.clock import Clock
from isthmus.kit.secret import Secret


@dataclass(frozen=True, slots=True)
class App:
    """A registration at the platform: its credentials by the manifest's field names, and the hosts they are for."""

    credentials: Mapping[str, Secret]
    hosts: Mapping[str, str]

    def secret(self, name: str) -> str:
        """One credential, revealed; raises KeyError when the manifest does not name it."""
        return self.credentials[name].reveal()


@dataclass(frozen=True, slots=True)
class Account:
    """A shop or seller account at the far side; `id` is unique within the provider (country included where needed).

    `extra` is what the far side said of it, kept for later calls. `settings` is what the merchant chose of the
    manifest's `settings_fields`, as texts; what changes how records are read does not belong there.
    """

    id: str
    name: str = ""
    region: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Consent:
    """What `consent_url` may put into the link; `challenge` is the PKCE S256 challenge, if the manifest asks for it.

    Where the manifest says `returns_state = false`, `redirect_uri` already carries the state in its query, and it goes
    into the link as it is; elsewhere the connector sends `state` in the platform's own parameter.
    """

    redirect_uri: str
    state: str
    challenge: str | None = None


@dataclass(frozen=True, slots=True)
class Callback:
    """A successful return from the consent page, as the platform's query said it."""

    code: Secret
    redirect_uri: str
    verifier: Secret | None = None
    extra: Mapping[str, str] = field(default_factory=dict)


class ConsentDenied(Exception):
    """The far side came back with a refusal; `reason` is the platform's own code, data and never markup."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Granted:
    """One shop that a consent covers, with its own tokens."""

    account: Account
    tokens: Tokens


@dataclass(frozen=True, slots=True)
class Session:
    """One connection, ready to call: the client signs, refreshes, waits, retries and judges by itself."""

    client: ApiClient
    app_hosts: Mapping[str, str]
    account: Account
    clock: Clock


@dataclass(frozen=True, slots=True)
class Window:
    """What a pull covers: changes from `since` (None: everything) up to `until`, both by the far side's clock.

    The caller has taken `until` before the pull began and has put the entity's `overlap_seconds` into `since`; it
    gives the same window with every cursor of one pull.
    """

    since: datetime | None
    until: datetime


class RawRecord(msgspec.Struct, frozen=True):
    """One record as the platform sent it: its bytes are kept, and `map_listing` reads them.

    `external_id` is the platform's own id of this record, empty where none can be read; the listing it maps to may
    have another one (a sibling of a configurable product is a record of its own). `read_at` decides which of a
    record's dated prices is the current one; without it the record's own time of change does.
    """

    external_id: str
    payload: bytes
    read_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RecordPage:
    """One page of a pull. `cursor` is the connector's own opaque place of the next page; None ends the pull.

    A page may be empty without being the last, and a record may come twice. `total` counts the records of the whole
    pull where the platform tells, else it is None; it is for showing only.
    """

    records: Sequence[RawRecord]
    cursor: str | None
    total: int | None = None


class Unmappable(Exception):
    """A record that cannot become a canonical one; `reason` says why in a sentence a merchant can read."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Connector(Protocol):
    """A marketplace. One instance serves every tenant; nothing may be kept between calls."""

    manifest: Manifest

    def consent_url(self, app: App, consent: Consent, now: datetime) -> str:
        """The address to send the seller to."""
        ...

    def read_callback(self, query: Mapping[str, str], redirect_uri: str) -> Callback:
        """Read the platform's return; raises ConsentDenied, or ValueError when it is not one of its forms."""
        ...

    async def exchange(self, app: App, callback: Callback, client: ApiClient, clock: Clock) -> Sequence[Granted]:
        """Trade the code for tokens, once, and name every shop covered; raises client errors."""
        ...

    async def refresh(self, app: App, account: Account, tokens: Tokens, client: ApiClient, clock: Clock) -> Tokens:
        """Trade a refresh token for the next pair; raises RefreshRefused (definitive) or RefreshFailed (transient).

        Where the manifest says `grant = "client_credentials"`, there is no refresh token: `app` holds the connection's
        keys beside its own credentials, and they are traded for a token; client errors may be raised as they are.
        """
        ...

    async def revoke(self, app: App, account: Account, tokens: Tokens, client: ApiClient, clock: Clock) -> bool:
        """End the grant at the far side where it can be ended by a call; False where only its console can."""
        ...

    def attach(self, app: App, account: Account, request: Request, tokens: Tokens, now: datetime) -> Request:
        """Put credentials and signature onto one attempt (pure)."""
        ...

    def classify(self, response: Response) -> Failure | None:
        """Judge an answer by the platform's envelope; None means success (pure)."""
        ...

    async def test(self, session: Session) -> Account:
        """The cheapest call that proves the credentials; answers who the far side says we are."""
        ...

    async def pull_listings(self, session: Session, window: Window, cursor: str | None) -> RecordPage:
        """One page of listings. Calling again with the same cursor must be safe."""
        ...

    def map_listing(self, record: RawRecord, account: Account) -> Listing:
        """Read one record (pure); raises Unmappable."""
        ...


@runtime_checkable
class SignsCallbacks(Protocol):
    """A connector whose platform signs what it sends the browser back with."""

    def check_callback(self, app: App, place: Mapping[str, str], query: Mapping[str, str], now: datetime) -> None:
        """Judge the signature, before anything of the query is believed.

        `place` holds the parts of addresses that the consent was begun with, such as the name of a shop; a callback
        about another one is refused too. Raises ValueError.
        """
        ...


@runtime_checkable
class ReadsOrders(Protocol):
    """A connector that reads orders too; its manifest says so by the entity `orders`."""

    async def pull_orders(self, session: Session, window: Window, cursor: str | None) -> RecordPage:
        """One page of orders with their lines. Calling again with the same cursor must be safe."""
        ...

    def map_order(self, record: RawRecord, account: Account) -> Order:
        """Read one record (pure); raises Unmappable. A status it does not know is `unknown` and kept as it came."""
        ...


@dataclass(frozen=True, slots=True)
class SearchFor:
    """What is looked for at the far side; empty collections mean any. `filters` holds only names that it can judge.

    `since` is in the range of changes that are meant, `until` is not.
    """

    query: str
    entities: tuple[str, ...]
    since: datetime | None
    until: datetime | None
    filters: Mapping[str, str]
    limit: int


@dataclass(frozen=True, slots=True)
class FoundRecord:
    """One record that the far side found; `entity` is a name of the manifest.

    Without `updated_at` it is not shown where a range of dates was asked for.
    """

    entity: str
    external_id: str
    title: str
    snippet: str = ""
    url: str | None = None
    updated_at: datetime | None = None


@runtime_checkable
class Searcher(Protocol):
    """A connector whose far side has a search of its own; elsewhere the synced records are searched."""

    #: Names of further filters it can judge.
    search_filters: frozenset[str]

    async def search(self, session: Session, wanted: SearchFor) -> Sequence[FoundRecord]:
        """The best records, at most `wanted.limit` of them. Raises the client's errors."""
        ...


@runtime_checkable
class ReadsOne(Protocol):
    """A connector that can ask for a single record: after a webhook, or to learn whether something is really gone."""

    async def fetch(self, session: Session, entity: str, external_id: str) -> RawRecord | None:
        """The record as a pull would hand it over; None only where the platform says that there is none.

        Raises client errors, and LookupError for an entity of which it can read no single record.
        """
        ...


@runtime_checkable
class ReadsEntities(Protocol):
    """A connector whose entities have no shape of their own in the platform: it reads them by name."""

    async def pull(self, session: Session, entity: str, window: Window, cursor: str | None) -> RecordPage:
        """One page of the entity. Calling again with the same cursor must be safe."""
        ...

    def map(self, entity: str, record: RawRecord, account: Account) -> object:
        """Read one record (pure) into what the entity's store takes; raises Unmappable."""
        ...


@dataclass(frozen=True, slots=True)
class Desk:
    """An app registration, ready to call in its own name: where a platform speaks with the app and with no shop."""

    app: App
    client: ApiClient
    clock: Clock


@dataclass(frozen=True, slots=True)
class Subscription:
    """Where a platform pushes what. `live` is false where it has switched the pushes off; `note` is its reason."""

    id: str
    url: str
    topics: frozenset[str]
    live: bool = True
    note: str = ""


@runtime_checkable
class Subscriber(Protocol):
    """A connector whose platform takes the address for its pushes by a call; one address serves the whole app."""

    async def subscriptions(self, desk: Desk) -> Sequence[Subscription]:
        """What the platform says that it pushes; raises client errors."""
        ...

    async def subscribe(self, desk: Desk, url: str, topics: frozenset[str]) -> Subscription:
        """Have these topics pushed to this address, and to no other. Saying it twice must be safe."""
        ...

    async def unsubscribe(self, desk: Desk, subscription: Subscription) -> None:
        """Have nothing pushed there any more."""
        ...


@runtime_checkable
class ShopSubscriber(Protocol):
    """A connector whose platform takes the address for its pushes shop by shop, in the name of the shop."""

    async def shop_subscriptions(self, session: Session) -> Sequence[Subscription]:
        """What the shop says that it pushes, and where; raises client errors."""
        ...

    async def subscribe_shop(self, session: Session, url: str, topics: frozenset[str], secret: Secret) -> None:
        """Have these topics pushed to this address too, switched on again where the shop has switched them off.

        The secret is what the shop is to sign with, where it takes one. Saying it twice must be safe.
        """
        ...

    async def unsubscribe_shop(self, session: Session, subscription: Subscription) -> None:
        """Take one of them away; one that is gone already is no failure."""
        ...


@dataclass(frozen=True, slots=True)
class Pulled:
    """Some events of a platform's queue, each as the body of a push; `place` is what confirms them, empty for none."""

    bodies: Sequence[bytes]
    place: str
    more: bool = False


@runtime_checkable
class Queues(Protocol):
    """A connector whose platform keeps events in a queue of the app, instead of pushing or beside it."""

    async def open_queue(self, desk: Desk, name: str) -> str:
        """The platform's id of the app's queue, made under this name where there must be one."""
        ...

    async def join_queue(self, session: Session, queue: str, topics: frozenset[str]) -> frozenset[str] | None:
        """Have one shop's events put there; which of them the platform says that it puts there now.

        None where an app's queue has every shop's unasked. Saying it twice is safe, and the way to ask.
        """
        ...

    async def pull_events(self, desk: Desk, queue: str, place: str) -> Pulled:
        """The oldest events behind a confirmed place, empty at first. Unconfirmed ones come again."""
        ...

    async def confirm_events(self, desk: Desk, queue: str, place: str) -> str:
        """Tell the platform that everything up to here is safe; the place to go on from."""
        ...
