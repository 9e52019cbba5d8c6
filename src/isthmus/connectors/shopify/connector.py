"""Shopify Admin: read and written by GraphQL, or by REST where that is not given (marketplaces.md 6)."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from isthmus.client import ApiClient, Failure, Missing, Refused, Request, Response, Tokens
from isthmus.client.errors import MalformedBody
from isthmus.connect import granting, judging, reading
from isthmus.connect.acting import Action
from isthmus.connect.faults import CursorUnreadable
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
    Window,
)
from isthmus.connect.writing import Edit, Outcome
from isthmus.connectors.shopify import acting, doing, graph, hooking, mapping, order_mapping, pulling, ways, writing
from isthmus.connectors.shopify import consent as signing_in
from isthmus.connectors.shopify.rest import acting as rest_acting
from isthmus.connectors.shopify.rest import pulling as rest_pulling
from isthmus.connectors.shopify.rest import writing as rest_writing
from isthmus.kit.clock import Clock
from isthmus.kit.secret import Secret

_TOKEN = "X-Shopify-Access-Token"  # noqa: S105 - the name of a header
#: A shop that its owner has not paid for, and one that Shopify has locked.
_CLOSED = frozenset({402, 423})
_ENTITIES = frozenset({"products", "orders"})


class _Errors(msgspec.Struct):
    errors: Loose = None
    error: Loose = None


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
        """The shop itself; one whose app may not use GraphQL is called by REST from then on, as one that chose it."""
        root, chosen = self._base(session), session.account.settings.get(ways.API)
        if chosen == ways.REST:
            return await rest_pulling.shop(session, root)
        try:
            found = await pulling.shop(session, root)
        except (Refused, Missing):
            if chosen:
                raise
            return ways.noted(await rest_pulling.shop(session, root), ways.REST)
        return ways.noted(found, ways.GRAPHQL) if ways.READING in session.account.extra else found

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
        if entity not in _ENTITIES:
            raise LookupError(entity)
        read = rest_pulling.one if ways.by_rest(session.account) else pulling.one
        return await read(session, self._base(session), entity, external_id)

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

    def batches(self, edits: Sequence[Edit], account: Account) -> Sequence[Sequence[Edit]]:
        """See `writing.batches`, for GraphQL and for REST."""
        part = rest_writing.batches if ways.by_rest(account) else writing.batches
        return part(edits)

    async def write(self, session: Session, batch: Sequence[Edit]) -> Sequence[Outcome]:
        """See `writing.write`, for GraphQL and for REST."""
        write = rest_writing.write if ways.by_rest(session.account) else writing.write
        return await write(session, self._base(session), batch)

    def check(self, action: Action) -> str:
        """See `doing.check`."""
        return doing.check(action)

    async def act(self, session: Session, action: Action) -> Sequence[Outcome]:
        """See `acting.act`, for GraphQL and for REST."""
        act = rest_acting.act if ways.by_rest(session.account) else acting.act
        return [await act(session, self._base(session), action)]

    def shows(self, action: Action, order: Order) -> bool | None:
        """See `doing.shows`."""
        return doing.shows(action, order)

    async def _pull(self, session: Session, entity: str, window: Window, cursor: str | None) -> RecordPage:
        """A pull ends by the way on which it began."""
        place, root = None if cursor is None else _read(cursor), self._base(session)
        if isinstance(place, pulling.Mark) or (place is None and not ways.by_rest(session.account)):
            return await pulling.page(session, root, entity, window, place)
        return await rest_pulling.page(session, root, entity, window, place)

    def _base(self, session: Session) -> str:
        return f"{session.app_hosts['api']}{self._root}"


def _read(cursor: str) -> rest_pulling.Place | pulling.Mark:
    """A place of either way. Raises CursorUnreadable for any other text."""
    try:
        return msgspec.json.decode(cursor, type=pulling.Mark)
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    try:
        return msgspec.json.decode(cursor, type=rest_pulling.Place)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CursorUnreadable("the cursor does not belong to this connector") from error


def _words(response: Response) -> str:
    """`errors` is a text, or a list or an object of them; the consent endpoints say `error`."""
    try:
        body = reading.lenient(response.content, _ERRORS)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    found = body.errors if body.errors is not None else body.error
    return reading.line(found if isinstance(found, str) else str(found or ""))[:500]


CONNECTOR = Shopify
