"""Shopify Admin: read and written by GraphQL, read by REST where that is not given (marketplaces.md 6)."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote, urlsplit

import msgspec

from isthmus.client import (
    ApiClient,
    CallerMistake,
    Failure,
    Missing,
    Refused,
    Request,
    Response,
    Tokens,
)
from isthmus.client.errors import MalformedBody
from isthmus.client.url import Scalar
from isthmus.connect import granting, judging, reading
from isthmus.connect.acting import Action
from isthmus.connect.manifest import Manifest
from isthmus.connect.reading import Loose
from isthmus.connect.shapes import Listing, Order
from isthmus.connect.spi import (
    Account,
    App,
    Callback,
    Consent,
    Granted,
    RawRecord,
    RecordPage,
    Session,
    Subscription,
    Unmappable,
    Window,
)
from isthmus.connect.writing import Edit, Outcome
from isthmus.connectors.shopify import acting, graph, hooking, mapping, order_mapping, pulling, writing
from isthmus.connectors.shopify import consent as signing_in
from isthmus.kit.clock import Clock
from isthmus.kit.secret import Secret

_PAGE = 50
_TOKEN = "X-Shopify-Access-Token"  # noqa: S105 - the name of a header
#: What an account says where it is read by REST.
_READING, _REST = "reading", "rest"
_NEXT = re.compile(r'<([^<>]{1,4000})>\s*;\s*rel="?next"?')
#: A shop that its owner has not paid for, and one that Shopify has locked.
_CLOSED = frozenset({402, 423})
#: What the list of products shows without being asked for would leave orders out that are closed or cancelled.
_FILTERS: dict[str, dict[str, Scalar]] = {"products": {}, "orders": {"status": "any"}}


class _Place(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where to go on: the platform's own place, and the last id for the day when that one is no longer known."""

    page_info: str
    last: str


class _Rows(msgspec.Struct):
    products: list[msgspec.Raw] | None = None
    orders: list[msgspec.Raw] | None = None


class _One(msgspec.Struct):
    product: msgspec.Raw = msgspec.Raw()
    order: msgspec.Raw = msgspec.Raw()


class _Key(msgspec.Struct):
    id: Loose = None


class _Shop(msgspec.Struct):
    myshopify_domain: Loose = None
    name: Loose = None
    currency: Loose = None
    country_code: Loose = None


class _ShopReply(msgspec.Struct):
    shop: _Shop


class _Errors(msgspec.Struct):
    errors: Loose = None
    error: Loose = None


_ROWS = reading.decoder(_Rows)
_ONE = reading.decoder(_One)
_KEY = reading.decoder(_Key)
_SHOP = reading.decoder(_ShopReply)
_ERRORS = reading.decoder(_Errors)


class Shopify:
    """The connector; each shop has a host of its own, named with its token."""

    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest
        self._root = f"/admin/api/{manifest.api_version}"

    def consent_url(self, app: App, consent: Consent, now: datetime) -> str:  # noqa: ARG002 - the link bears no time
        """The shop's page on which it installs the public app."""
        return signing_in.url(app, self.manifest.oauth.scopes if self.manifest.oauth else (), consent)

    def check_callback(self, app: App, place: Mapping[str, str], query: Mapping[str, str], now: datetime) -> None:
        """Signed, about the shop that was asked, and fresh (marketplaces.md 6.2). Raises ValueError."""
        signing_in.check(app, place, query, now)

    def read_callback(self, query: Mapping[str, str], redirect_uri: str) -> Callback:
        """`code` and the shop, or `error` after a refusal."""
        return granting.callback(query, redirect_uri, "shop")

    async def exchange(self, app: App, callback: Callback, client: ApiClient, clock: Clock) -> Sequence[Granted]:
        """One code, one shop: the one that the signed callback named."""
        tokens = await signing_in.exchange(app, callback, client, clock)
        session = Session(client, app.hosts, Account(""), clock)
        shown = {_TOKEN: tokens.access_token.reveal()}
        account = await pulling.shop(session, f"{app.hosts['api']}{self._root}", shown)
        if account.id.lower() != callback.extra.get("shop", "").lower():
            raise MalformedBody("the token is for another shop", reason="shape")
        return [Granted(account, tokens)]

    async def refresh(self, app: App, account: Account, tokens: Tokens, client: ApiClient, clock: Clock) -> Tokens:  # noqa: ARG002
        """The next pair of a public app; the token of a custom app does not end and never comes here."""
        return await signing_in.refresh(app, tokens, client, clock)

    async def revoke(self, app: App, account: Account, tokens: Tokens, client: ApiClient, clock: Clock) -> bool:  # noqa: ARG002
        """Only the shop's admin uninstalls an app."""
        return False

    def attach(self, app: App, account: Account, request: Request, tokens: Tokens, now: datetime) -> Request:  # noqa: ARG002
        """The token in a header of its own (marketplaces.md 6.1): of the custom app, or of the consent."""
        known = app.credentials.get("access_token", tokens.access_token)
        return request.with_headers({_TOKEN: known.reveal()})

    def classify(self, response: Response) -> Failure | None:
        """By HTTP status, and by the errors of GraphQL beside status 200 (marketplaces.md 6.3)."""
        if not judging.is_json(response):
            return judging.unreadable(response)
        if response.ok:
            return graph.failure(response)
        message = _words(response)
        if response.status in _CLOSED:
            return Failure(kind="refused", code=f"http_{response.status}", message=message or "The shop is closed.")
        return judging.by_status(response, message)

    async def test(self, session: Session) -> Account:
        """The shop itself; one whose app may not use GraphQL is read by REST from then on."""
        try:
            return await pulling.shop(session, self._base(session))
        except (Refused, Missing):
            found = await self._shop(session)
            return Account(found.id, found.name, found.region, {**found.extra, _READING: _REST})

    async def _shop(self, session: Session) -> Account:
        """The shop by REST, under the name that its webhooks bear, with its currency."""
        answer = await session.client.get(f"{self._base(session)}/shop.json")
        shop = judging.decoded(answer, _SHOP).shop
        try:
            domain = reading.ident(shop.myshopify_domain, "domain")
            extra = {"currency": reading.currency(shop.currency)}
        except Unmappable as error:
            raise MalformedBody("the answer names no shop", reason="shape") from error
        return Account(domain, reading.line(shop.name) or domain, reading.line(shop.country_code)[:2], extra)

    async def pull_listings(self, session: Session, window: Window, cursor: str | None) -> RecordPage:
        """Products changed in the window: by time of change, or by id where REST is read."""
        return await self._pull(session, "products", window, cursor)

    def map_listing(self, record: RawRecord, account: Account) -> Listing:
        """See `mapping.listing`."""
        return mapping.listing(record, account)

    async def pull_orders(self, session: Session, window: Window, cursor: str | None) -> RecordPage:
        """Orders changed in the window, whatever their state."""
        return await self._pull(session, "orders", window, cursor)

    def map_order(self, record: RawRecord, account: Account) -> Order:  # noqa: ARG002 - an order says its currency
        """See `order_mapping.order`."""
        return order_mapping.order(record)

    async def fetch(self, session: Session, entity: str, external_id: str) -> RawRecord | None:
        """One product or one order."""
        if entity not in _FILTERS:
            raise LookupError(entity)
        if not _by_rest(session):
            return await pulling.one(session, self._base(session), entity, external_id)
        path = f"{self._base(session)}/{entity}/{quote(external_id, safe='')}.json"
        try:
            found = judging.decoded(await session.client.get(path), _ONE)
        except Missing:
            return None
        raw = bytes(found.product if entity == "products" else found.order)
        if not raw.startswith(b"{"):
            raise MalformedBody(f"the answer holds none of the {entity}", reason="shape")
        return RawRecord(external_id, raw)

    async def shop_subscriptions(self, session: Session) -> Sequence[Subscription]:
        """See `hooking.found`."""
        return await hooking.found(session, self._base(session))

    async def subscribe_shop(
        self,
        session: Session,
        url: str,
        topics: frozenset[str],
        secret: Secret,  # noqa: ARG002 - Shopify signs with the app's own
    ) -> None:
        """See `hooking.ask`."""
        await hooking.ask(session, self._base(session), url, topics)

    async def unsubscribe_shop(self, session: Session, subscription: Subscription) -> None:
        """See `hooking.end`."""
        await hooking.end(session, self._base(session), subscription)

    def batches(self, edits: Sequence[Edit]) -> Sequence[Sequence[Edit]]:
        """See `writing.batches`."""
        return writing.batches(edits)

    async def write(self, session: Session, batch: Sequence[Edit]) -> Sequence[Outcome]:
        """See `writing.write`."""
        return await writing.write(session, self._base(session), batch)

    def check(self, action: Action) -> str:
        """See `acting.check`."""
        return acting.check(action)

    async def act(self, session: Session, action: Action) -> Sequence[Outcome]:
        """See `acting.act`."""
        return await acting.act(session, self._base(session), action)

    def shows(self, action: Action, order: Order) -> bool | None:
        """See `acting.shows`."""
        return acting.shows(action, order)

    async def _pull(self, session: Session, entity: str, window: Window, cursor: str | None) -> RecordPage:
        """A pull ends by the way on which it began."""
        place = None if cursor is None else _read(cursor)
        if isinstance(place, _Place) or (place is None and _by_rest(session)):
            answer = await self._list(session, entity, window, place)
            rows = judging.decoded(answer, _ROWS)
            return _page(answer, rows.products if entity == "products" else rows.orders)
        return await pulling.page(session, self._base(session), entity, window, place)

    async def _list(self, session: Session, entity: str, window: Window, place: _Place | None) -> Response:
        """A place that the platform has forgotten is found again by the last id."""
        path = f"{self._base(session)}/{entity}.json"
        if place is None:
            return await session.client.get(path, query=_query(entity, window, "0"))
        try:
            return await session.client.get(path, query=_onward(place))
        except CallerMistake:
            return await session.client.get(path, query=_query(entity, window, place.last))

    def _base(self, session: Session) -> str:
        return f"{session.app_hosts['api']}{self._root}"


def _query(entity: str, window: Window, since: str) -> dict[str, Scalar]:
    """`since_id` puts the rows into the order of their ids, so that no edit moves one to another page."""
    query: dict[str, Scalar] = {
        "limit": _PAGE,
        "since_id": since,
        "updated_at_max": _iso(window.until),
        **_FILTERS[entity],
    }
    return query if window.since is None else {**query, "updated_at_min": _iso(window.since)}


def _onward(place: _Place) -> dict[str, Scalar]:
    return {"limit": _PAGE, "page_info": place.page_info}


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _by_rest(session: Session) -> bool:
    return session.account.extra.get(_READING) == _REST


def _read(cursor: str) -> _Place | pulling.Mark:
    """A place of either way. Raises ValueError for any other text."""
    try:
        return msgspec.json.decode(cursor, type=pulling.Mark)
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    try:
        return msgspec.json.decode(cursor, type=_Place)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError("the cursor does not belong to this connector") from error


def _page(answer: Response, rows: list[msgspec.Raw] | None) -> RecordPage:
    if rows is None:
        raise MalformedBody("the answer holds no page", reason="shape")
    keys = reading.keys(rows, _KEY, lambda key: key.id)
    records = [RawRecord(key, bytes(raw)) for key, raw in zip(keys, rows, strict=True)]
    ahead = _NEXT.search(answer.headers.get("Link", ""))
    if ahead is None:
        return RecordPage(records, None)
    info = dict(parse_qsl(urlsplit(ahead[1]).query)).get("page_info", "")
    if not info:
        raise MalformedBody("the Link header names no page", reason="shape")
    last = next((key for key in reversed(keys) if key), "0")
    return RecordPage(records, msgspec.json.encode(_Place(info, last)).decode())


def _words(response: Response) -> str:
    """`errors` is a text, or a list or an object of them; the consent endpoints say `error`."""
    try:
        body = reading.lenient(response.content, _ERRORS)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    found = body.errors if body.errors is not None else body.error
    return reading.line(found if isinstance(found, str) else str(found or ""))[:500]


CONNECTOR = Shopify
