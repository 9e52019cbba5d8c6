"""Lazada Open Platform: one token host, one host per country, every call signed (marketplaces.md 3)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import urlencode

import msgspec

from isthmus.client import (
    ApiClient,
    Failure,
    Missing,
    PlatformError,
    RefreshFailed,
    RefreshRefused,
    Request,
    Response,
    Tokens,
)
from isthmus.client.errors import MalformedBody
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
    Granted,
    RawRecord,
    RecordPage,
    Session,
    Window,
)
from isthmus.connect.writing import Edit, Outcome
from isthmus.connectors.lazada import acting, mapping, order_mapping, orders
from isthmus.connectors.lazada.connector import signing, verdict, writing
from isthmus.kit.clock import Clock

_CREATE, _REFRESH = "/auth/token/create", "/auth/token/refresh"
#: Items in every state but deleted, then the deleted ones. No window counts so many rows that the offset gets near
#: 10,000, where the platform refuses it.
_FILTERS = ("all", "deleted")
_RULES = walk.Rules(page=50, most=1_000, lists=len(_FILTERS))


class _User(msgspec.Struct):
    country: Loose = None
    seller_id: Loose = None
    user_id: Loose = None
    short_code: Loose = None


class _Granted(granting.TokenReply):
    country: Loose = None
    account: Loose = None
    account_id: Loose = None
    country_user_info: list[_User] | None = None
    country_user_info_list: list[_User] | None = None


class _Data(msgspec.Struct):
    total_products: Loose = None
    products: list[msgspec.Raw] | None = None


class _Item(msgspec.Struct):
    data: msgspec.Raw


class _Page(msgspec.Struct):
    data: _Data


class _SellerData(msgspec.Struct):
    name: Loose = None
    seller_id: Loose = None


class _Seller(msgspec.Struct):
    data: _SellerData


_GRANTED = reading.decoder(_Granted)
_ITEM = reading.decoder(_Item)
_PAGE = reading.decoder(_Page)
_SELLER = reading.decoder(_Seller)
_KEY = reading.decoder(mapping.Key)


class Lazada:
    """The connector; an account is one seller in one country."""

    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest

    def consent_url(self, app: App, consent: Consent, now: datetime) -> str:  # noqa: ARG002 - the link carries no time
        """The authorization link; `force_auth` makes the seller choose the account anew."""
        query = {
            "response_type": "code",
            "force_auth": "true",
            "client_id": app.secret("app_key"),
            "redirect_uri": consent.redirect_uri,
            "state": consent.state,
        }
        return f"{app.hosts['consent']}/oauth/authorize?{urlencode(query)}"

    def read_callback(self, query: Mapping[str, str], redirect_uri: str) -> Callback:
        """`code`; a refusal is OAuth2's `error`."""
        return granting.callback(query, redirect_uri)

    async def exchange(self, app: App, callback: Callback, client: ApiClient, clock: Clock) -> Sequence[Granted]:
        """One code; a cross-border account gives one shop per country, all with the same tokens."""
        reply = await self._token_call(app, _CREATE, {"code": callback.code.reveal()}, client, clock)
        tokens = granting.pair(reply, clock.now())
        found: list[Granted] = []
        for account in _accounts(reply):
            name = await self._name(app, account, tokens, client, clock)
            found.append(Granted(replace(account, name=name), tokens))
        return found

    async def _name(self, app: App, account: Account, tokens: Tokens, client: ApiClient, clock: Clock) -> str:
        """The shop's name where the platform tells it; a blocked shop still has its short code."""
        access = {"access_token": tokens.access_token.reveal()}
        query = signing.signed(app, "/seller/get", access, clock.now())
        try:
            answer = await client.get(f"{_host(app.hosts, account)}/rest/seller/get", query=query)
        except PlatformError:
            return account.name
        return reading.line(judging.decoded(answer, _SELLER).data.name) or account.name

    async def refresh(self, app: App, account: Account, tokens: Tokens, client: ApiClient, clock: Clock) -> Tokens:  # noqa: ARG002
        """A new access token; the end of the refresh token stays where it was."""
        if tokens.refresh_token is None:
            raise RefreshRefused("the grant holds no refresh token")
        given = {"refresh_token": tokens.refresh_token.reveal()}
        try:
            reply = await self._token_call(app, _REFRESH, given, client, clock)
        except PlatformError as error:
            if error.code in verdict.DEAD_GRANT:
                raise RefreshRefused(f"{error.message} ({error.code})") from error
            raise RefreshFailed(str(error)) from error
        return granting.pair(reply, clock.now())

    async def _token_call(
        self, app: App, path: str, given: dict[str, str], client: ApiClient, clock: Clock
    ) -> _Granted:
        """A form, so that neither code nor refresh token stands in an address."""
        form = signing.signed(app, path, given, clock.now())
        return judging.decoded(await client.post(f"{app.hosts['auth']}/rest{path}", form=form), _GRANTED)

    async def revoke(self, app: App, account: Account, tokens: Tokens, client: ApiClient, clock: Clock) -> bool:  # noqa: ARG002
        """Only Seller Center ends an authorization."""
        return False

    def attach(self, app: App, account: Account, request: Request, tokens: Tokens, now: datetime) -> Request:  # noqa: ARG002
        """Token, time and signature in the query."""
        return signing.attached(app, request, tokens.access_token.reveal(), now)

    def classify(self, response: Response) -> Failure | None:
        """See `verdict`."""
        return verdict.classify(response)

    async def test(self, session: Session) -> Account:
        """Who the platform says we are in this country."""
        answer = await session.client.get(f"{_host(session.app_hosts, session.account)}/rest/seller/get")
        seller = judging.decoded(answer, _SELLER).data
        if reading.absent(seller.seller_id):
            raise MalformedBody("the answer names no seller", reason="shape")
        region = session.account.region
        return Account(
            _account_id(region, str(seller.seller_id)), reading.line(seller.name), region, session.account.extra
        )

    async def pull_listings(self, session: Session, window: Window, cursor: str | None) -> RecordPage:
        """Items changed in the window, oldest first."""
        at = walk.begin(window, cursor, _RULES)
        while True:
            read_at = session.clock.now()
            data = (await self._page(session, at)).data
            products = data.products or []
            keys = reading.keys(products, _KEY, _id)
            total = judging.count(data.total_products)
            last = not products or at.offset + _RULES.page >= total
            step = walk.after(at, _RULES, keys, total=total, last=last)
            if step.keep or step.walk is None:
                records = [RawRecord(key, bytes(raw), read_at) for key, raw in zip(keys, products, strict=True)]
                return RecordPage(records, step.cursor, at.total if at.total is not None else total)
            at = step.walk

    async def _page(self, session: Session, at: walk.Walk) -> _Page:
        # Whether `after` and `before` take the moment itself is not documented: a second more on both sides is safe.
        query = {
            "filter": _FILTERS[at.list],
            "update_after": _iso(at.start - 1) if at.bounded(_RULES) else None,
            "update_before": _iso(at.stop + 1),
            "limit": _RULES.page,
            "offset": at.offset,
            "options": 1,
        }
        url = f"{_host(session.app_hosts, session.account)}/rest/products/get"
        return judging.decoded(await session.client.get(url, query=query), _PAGE)

    def map_listing(self, record: RawRecord, account: Account) -> Listing:
        """See `mapping.listing`."""
        return mapping.listing(record, account)

    def batches(self, edits: Sequence[Edit], account: Account) -> Sequence[Sequence[Edit]]:  # noqa: ARG002 - alike
        """See `writing`."""
        return writing.batches(edits)

    async def write(self, session: Session, batch: Sequence[Edit]) -> Sequence[Outcome]:
        """See `writing`."""
        return await writing.write(session, _root(session), batch)

    def check(self, action: Action) -> str:
        """See `acting`."""
        return acting.check(action)

    async def act(self, session: Session, action: Action) -> Sequence[Outcome]:
        """See `acting`."""
        return await acting.act(session, _root(session), action)

    def shows(self, action: Action, order: Order) -> bool | None:
        """See `acting`."""
        return acting.shows(action, order)

    async def pull_orders(self, session: Session, window: Window, cursor: str | None) -> RecordPage:
        """See `orders`."""
        return await orders.pull(session, _root(session), window, cursor)

    def map_order(self, record: RawRecord, account: Account) -> Order:
        """See `order_mapping.order`."""
        return order_mapping.order(record, account)

    async def fetch(self, session: Session, entity: str, external_id: str) -> RawRecord | None:
        """One item or order by its id."""
        if entity == "orders":
            return await orders.fetch(session, _root(session), external_id)
        if entity != "products":
            raise LookupError(entity)
        read_at = session.clock.now()
        try:
            answer = await session.client.get(f"{_root(session)}/product/item/get", query={"item_id": external_id})
        except Missing:
            return None
        return RawRecord(external_id, bytes(judging.decoded(answer, _ITEM).data), read_at)


def _root(session: Session) -> str:
    return f"{_host(session.app_hosts, session.account)}/rest"


def _iso(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat()


def _id(key: mapping.Key) -> Loose:
    return key.item_id


def _host(hosts: Mapping[str, str], account: Account) -> str:
    return hosts[f"api.{account.region.lower()}"]


def _account_id(country: str, seller_id: str) -> str:
    """Seller ids are unique per country only (marketplaces.md 3.2)."""
    return f"{country.lower()}:{seller_id}"


def _accounts(reply: _Granted) -> list[Account]:
    """Every shop the tokens are for. Raises MalformedBody when the reply names none."""
    users = reply.country_user_info or reply.country_user_info_list or []
    found = []
    for user in users:
        country, seller = reading.line(user.country).upper(), user.seller_id
        if country in mapping.CURRENCIES and not reading.absent(seller):
            code = reading.line(user.short_code)
            extra = {"short_code": code, "login": reading.line(reply.account)}
            found.append(Account(_account_id(country, str(seller)), code, country, extra))
    if not found:
        raise MalformedBody("the token reply names no shop in a known country", reason="shape")
    return found


CONNECTOR = Lazada
