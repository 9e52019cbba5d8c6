"""Shopee Open Platform v2: signed link, one token chain per shop, errors inside HTTP 200 (marketplaces.md 2)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from urllib.parse import urlencode

import msgspec

from isthmus.client import (
    ApiClient,
    Failure,
    PlatformError,
    RefreshFailed,
    RefreshRefused,
    Request,
    Response,
    Tokens,
)
from isthmus.connect import granting, judging, reading, walk
from isthmus.connect.acting import Action
from isthmus.connect.manifest import Manifest
from isthmus.connect.reading import Loose
from isthmus.connect.shapes import Listing, Order
from isthmus.connect.spi import (
    Account,
    App,
    Callback,
    Consent,
    ConsentDenied,
    Desk,
    FoundRecord,
    Granted,
    Pulled,
    RawRecord,
    RecordPage,
    SearchFor,
    Session,
    Subscription,
    Window,
)
from isthmus.connect.writing import Edit, Outcome
from isthmus.connectors.shopee import mapping, order_mapping
from isthmus.connectors.shopee.connector import acting, finding, items, orders, pushing, signing, verdict, writing
from isthmus.kit.clock import Clock
from isthmus.kit.secret import Secret

_LINK = f"{items.API}/shop/auth_partner"
_FIRST = f"{items.API}/auth/token/get"
_NEXT = f"{items.API}/auth/access_token/get"
_SHOP = f"{items.API}/shop/get_shop_info"
#: The reply does not say how long a refresh token lives; the documentation does (marketplaces.md 2.2).
_REFRESH_LIFE = timedelta(days=30)


class _Granted(granting.TokenReply):
    expire_in: Loose = None
    shop_id_list: list[Loose] | None = None


class _Shop(msgspec.Struct):
    shop_name: Loose = None
    region: Loose = None
    status: Loose = None


_GRANTED = reading.decoder(_Granted)
_SHOP_INFO = reading.decoder(_Shop)


class Shopee:
    """The connector; an account is one shop."""

    search_filters: frozenset[str] = frozenset()

    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest

    def consent_url(self, app: App, consent: Consent, now: datetime) -> str:
        """The signed link, good for five minutes; the redirect address already carries our state.

        Where the registration names another host for consent than for calls, that host's newer, unsigned form.
        """
        if app.hosts["consent"] != app.hosts["api"]:
            fixed = {"auth_type": "seller", "response_type": "code"}
            query = {**fixed, "partner_id": app.secret("partner_id"), "redirect_uri": consent.redirect_uri}
            return f"{app.hosts['consent']}/auth?{urlencode(query)}"
        signed = {**signing.query(app, _LINK, now), "redirect": consent.redirect_uri}
        return f"{app.hosts['consent']}{_LINK}?{urlencode(signed)}"

    def read_callback(self, query: Mapping[str, str], redirect_uri: str) -> Callback:
        """`code` with `shop_id` or `main_account_id`; a refusal comes back with neither."""
        if query.get("state") and not query.get("code") and not query.get("error"):
            raise ConsentDenied("access_denied")
        found = granting.callback(query, redirect_uri, "shop_id", "main_account_id")
        if len(found.extra) != 1 or not all(one.isdecimal() for one in found.extra.values()):
            raise ValueError("the callback names neither one shop nor one main account")
        return found

    async def exchange(self, app: App, callback: Callback, client: ApiClient, clock: Clock) -> Sequence[Granted]:
        """One code; a main account gives every shop its own chain of tokens."""
        ((kind, value),) = callback.extra.items()
        body: dict[str, str | int] = {
            "code": callback.code.reveal(),
            "partner_id": int(app.secret("partner_id")),
            kind: int(value),
        }
        reply = await self._token_call(app, _FIRST, body, client, clock)
        first = _pair(reply, clock.now())
        if kind == "shop_id":
            return [Granted(await self._shop(app, value, {}, first, client, clock), first)]
        shops = [reading.ident(one, "shop id") for one in reply.shop_id_list or ()]
        extra = {"main_account_id": value}
        return [await self._branch(app, Account(shop, extra=extra), first, client, clock) for shop in shops]

    async def _branch(self, app: App, account: Account, first: Tokens, client: ApiClient, clock: Clock) -> Granted:
        """A shop's own pair: the first refresh token of a main account works once for each of its shops.

        While the platform gives no verdict the shop is granted without an access token: its first use refreshes.
        """
        try:
            own = await self.refresh(app, account, first, client, clock)
        except RefreshFailed:
            return Granted(account, replace(first, access_token=Secret(""), expires_at=clock.now()))
        return Granted(await self._shop(app, account.id, account.extra, own, client, clock), own)

    async def _shop(
        self, app: App, shop_id: str, extra: Mapping[str, str], tokens: Tokens, client: ApiClient, clock: Clock
    ) -> Account:
        """Name and region of the shop; one that the platform does not show is still granted."""
        access = tokens.access_token.reveal()
        query = {**signing.query(app, _SHOP, clock.now(), access, shop_id), "access_token": access, "shop_id": shop_id}
        try:
            answer = await client.get(f"{app.hosts['api']}{_SHOP}", query=query)
        except PlatformError:
            return Account(shop_id, extra=extra)
        return _account(shop_id, answer, extra)

    async def refresh(self, app: App, account: Account, tokens: Tokens, client: ApiClient, clock: Clock) -> Tokens:
        """The next pair of this shop; the refresh token works once."""
        if tokens.refresh_token is None:
            raise RefreshRefused("the grant holds no refresh token")
        body: dict[str, str | int] = {
            "refresh_token": tokens.refresh_token.reveal(),
            "partner_id": int(app.secret("partner_id")),
            "shop_id": int(account.id),
        }
        try:
            reply = await self._token_call(app, _NEXT, body, client, clock)
        except PlatformError as error:
            if error.code in verdict.DEAD_GRANT:
                raise RefreshRefused(f"{error.message} ({error.code})") from error
            raise RefreshFailed(str(error)) from error
        return _pair(reply, clock.now())

    async def _token_call(
        self, app: App, path: str, body: Mapping[str, str | int], client: ApiClient, clock: Clock
    ) -> _Granted:
        query = signing.query(app, path, clock.now())
        return judging.decoded(await client.post(f"{app.hosts['auth']}{path}", body, query=query), _GRANTED)

    async def revoke(self, app: App, account: Account, tokens: Tokens, client: ApiClient, clock: Clock) -> bool:  # noqa: ARG002
        """Only the seller ends an authorization, on the platform's own page."""
        return False

    def attach(self, app: App, account: Account, request: Request, tokens: Tokens, now: datetime) -> Request:
        """Signed for the shop."""
        return signing.attached(app, request, tokens.access_token.reveal(), ("shop_id", account.id), now)

    def classify(self, response: Response) -> Failure | None:
        """See `verdict`."""
        return verdict.classify(response)

    async def test(self, session: Session) -> Account:
        """Name and region of the shop."""
        answer = await session.client.get(f"{session.app_hosts['api']}{_SHOP}")
        return _account(session.account.id, answer, session.account.extra)

    async def subscriptions(self, desk: Desk) -> Sequence[Subscription]:
        """See `pushing`."""
        return await pushing.subscriptions(desk)

    async def subscribe(self, desk: Desk, url: str, topics: frozenset[str]) -> Subscription:
        """See `pushing`."""
        return await pushing.subscribe(desk, url, topics)

    async def unsubscribe(self, desk: Desk, subscription: Subscription) -> None:
        """See `pushing`."""
        await pushing.unsubscribe(desk, subscription)

    async def open_queue(self, desk: Desk, name: str) -> str:  # noqa: ARG002 - each app has its list
        """The list of lost pushes is there without being made."""
        return "lost"

    async def join_queue(self, session: Session, queue: str, topics: frozenset[str]) -> frozenset[str] | None:  # noqa: ARG002
        """An app's list has the pushes of all its shops."""
        return None

    async def pull_events(self, desk: Desk, queue: str, place: str) -> Pulled:  # noqa: ARG002 - it begins behind what is confirmed
        """See `pushing`."""
        return await pushing.pull(desk)

    async def confirm_events(self, desk: Desk, queue: str, place: str) -> str:  # noqa: ARG002 - each app has one list
        """See `pushing`."""
        return await pushing.confirm(desk, place)

    async def search(self, session: Session, wanted: SearchFor) -> Sequence[FoundRecord]:
        """See `finding`."""
        return await finding.search(session, wanted)

    async def pull_listings(self, session: Session, window: Window, cursor: str | None) -> RecordPage:
        """Items changed in the window, in every state, oldest first."""
        at = walk.begin(window, cursor, items.RULES)
        while True:
            read_at = session.clock.now()
            page = await items.listed(session, at)
            step = items.following(at, page)
            if step.keep or step.walk is None:
                records = await items.records(session, page, read_at)
                return RecordPage(records, step.cursor, at.total if at.total is not None else page.total)
            at = step.walk

    def map_listing(self, record: RawRecord, account: Account) -> Listing:
        """See `mapping.listing`."""
        return mapping.listing(record, account)

    def batches(self, edits: Sequence[Edit], account: Account) -> Sequence[Sequence[Edit]]:  # noqa: ARG002 - alike
        """See `writing`."""
        return writing.batches(edits)

    async def write(self, session: Session, batch: Sequence[Edit]) -> Sequence[Outcome]:
        """See `writing`."""
        return await writing.write(session, batch)

    def check(self, action: Action) -> str:
        """See `acting`."""
        return acting.check(action)

    async def act(self, session: Session, action: Action) -> Sequence[Outcome]:
        """See `acting`."""
        return await acting.act(session, action)

    def shows(self, action: Action, order: Order) -> bool | None:
        """See `acting`."""
        return acting.shows(action, order)

    async def pull_orders(self, session: Session, window: Window, cursor: str | None) -> RecordPage:
        """See `orders`."""
        return await orders.pull(session, window, cursor)

    def map_order(self, record: RawRecord, account: Account) -> Order:  # noqa: ARG002 - an order names all by itself
        """See `order_mapping.order`."""
        return order_mapping.order(record)

    async def fetch(self, session: Session, entity: str, external_id: str) -> RawRecord | None:
        """One item by its id, one order by its number."""
        if entity == "orders":
            return await orders.fetch(session, external_id)
        if entity != "products":
            raise LookupError(entity)
        return await items.fetch(session, external_id, session.clock.now())


def _pair(reply: _Granted, now: datetime) -> Tokens:
    reply.expires_in = reply.expire_in
    pair = granting.pair(reply, now)
    return replace(pair, refresh_expires_at=now + _REFRESH_LIFE)


def _account(shop_id: str, answer: Response, extra: Mapping[str, str]) -> Account:
    shop = judging.decoded(answer, _SHOP_INFO)
    return Account(shop_id, reading.line(shop.shop_name), reading.line(shop.region).upper(), extra)


CONNECTOR = Shopee
