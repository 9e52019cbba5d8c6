"""Tiki Open API: plain OAuth2, no request signature, pages by number, local times in the query (marketplaces.md 4)."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from urllib.parse import quote, urlencode

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
    Desk,
    Granted,
    Pulled,
    RawRecord,
    RecordPage,
    Session,
    Window,
)
from isthmus.connect.writing import Edit, Outcome
from isthmus.connectors.tiki import acting, mapping, orders, queueing, writing
from isthmus.kit.clock import Clock

_API = "/integration/v2"
_INCLUDE = "inventory,attributes,images,categories"
_LOCAL = "%Y-%m-%d %H:%M:%S"
#: Twenty pages to a window: no page number gets deep, and a window that was disturbed is cheap to read again.
_RULES = walk.Rules(page=50, most=1_000)
#: OAuth codes that end a grant, and those that say the app itself is wrong (RFC 6749 section 5.2).
_DEAD = frozenset({"invalid_grant"})
_APP_FAULTS = frozenset({"invalid_client", "unauthorized_client", "unsupported_grant_type", "invalid_scope"})


class _Paging(msgspec.Struct):
    total: int
    current_page: int = 1
    last_page: int = 1


class _Page(msgspec.Struct):
    data: list[msgspec.Raw]
    paging: _Paging


class _Errors(msgspec.Struct):
    errors: Loose = None
    error: Loose = None
    error_description: Loose = None


class _Seller(msgspec.Struct):
    sid: Loose = None
    id: Loose = None
    name: Loose = None


_PAGE = reading.decoder(_Page)
_KEY = reading.decoder(mapping.Key)
_ERRORS = reading.decoder(_Errors)


class Tiki:
    """The connector; sellers of Vietnam only."""

    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest

    def consent_url(self, app: App, consent: Consent, now: datetime) -> str:  # noqa: ARG002 - the link carries no time
        """The standard authorization request; `offline` among the scopes brings a refresh token."""
        scopes = self.manifest.oauth.scopes if self.manifest.oauth else ()
        query = {
            "response_type": "code",
            "client_id": app.secret("client_id"),
            "redirect_uri": consent.redirect_uri,
            "scope": " ".join(scopes),
            "state": consent.state,
        }
        if consent.challenge:
            query |= {"code_challenge": consent.challenge, "code_challenge_method": "S256"}
        return f"{app.hosts['consent']}/sc/oauth2/auth?{urlencode(query)}"

    def read_callback(self, query: Mapping[str, str], redirect_uri: str) -> Callback:
        """`code`, or `error` with its hint after a refusal."""
        return granting.callback(query, redirect_uri)

    async def exchange(self, app: App, callback: Callback, client: ApiClient, clock: Clock) -> Sequence[Granted]:
        """One code, one seller."""
        form = {
            "grant_type": "authorization_code",
            "code": callback.code.reveal(),
            "redirect_uri": callback.redirect_uri,
            "client_id": app.secret("client_id"),
        }
        if callback.verifier:
            form["code_verifier"] = callback.verifier.reveal()
        tokens = await self._token(app, form, client, clock)
        answer = await client.get(
            f"{app.hosts['api']}{_API}/sellers/me",
            headers={"Authorization": f"Bearer {tokens.access_token.reveal()}"},
        )
        return [Granted(_account(answer), tokens)]

    async def refresh(self, app: App, account: Account, tokens: Tokens, client: ApiClient, clock: Clock) -> Tokens:  # noqa: ARG002
        """The last refresh token for the next pair; the platform rotates them."""
        if tokens.refresh_token is None:
            raise RefreshRefused("the grant holds no refresh token: the scope `offline` was not given")
        form = {
            "grant_type": "refresh_token",
            "refresh_token": tokens.refresh_token.reveal(),
            "client_id": app.secret("client_id"),
        }
        if tokens.extra.get("redirect_uri"):
            form["redirect_uri"] = tokens.extra["redirect_uri"]
        try:
            return await self._token(app, form, client, clock)
        except PlatformError as error:
            if error.code in _DEAD:
                raise RefreshRefused(f"{error.message} ({error.code})") from error
            raise RefreshFailed(str(error)) from error

    async def _token(self, app: App, form: Mapping[str, str], client: ApiClient, clock: Clock) -> Tokens:
        credentials = f"{app.secret('client_id')}:{app.secret('client_secret')}".encode()
        headers = {"Authorization": f"Basic {b64encode(credentials).decode()}"}
        answer = await client.post(f"{app.hosts['auth']}/sc/oauth2/token", form=form, headers=headers)
        extra = {"redirect_uri": form["redirect_uri"]} if "redirect_uri" in form else {}
        return granting.tokens(answer, clock.now(), extra)

    async def revoke(self, app: App, account: Account, tokens: Tokens, client: ApiClient, clock: Clock) -> bool:  # noqa: ARG002
        """Only Seller Center ends an authorization."""
        return False

    def attach(self, app: App, account: Account, request: Request, tokens: Tokens, now: datetime) -> Request:  # noqa: ARG002
        """A bearer token; nothing is signed."""
        return request.with_headers({"Authorization": f"Bearer {tokens.access_token.reveal()}"})

    def classify(self, response: Response) -> Failure | None:
        """By HTTP status (marketplaces.md 4.3); the token endpoint by its OAuth code."""
        if not judging.is_json(response):
            return judging.unreadable(response)
        if response.ok:
            return None
        code, message = _words(response)
        if code in _APP_FAULTS:
            return Failure(kind="configuration", code=code, message=message)
        if code in _DEAD:
            return Failure(kind="token", code=code, message=message)
        return judging.by_status(response, message, code)

    async def test(self, session: Session) -> Account:
        """Who the token belongs to."""
        return _account(await session.client.get(f"{session.app_hosts['api']}{_API}/sellers/me"))

    async def open_queue(self, desk: Desk, name: str) -> str:
        """See `queueing`."""
        return await queueing.open_queue(desk, name)

    async def join_queue(self, session: Session, queue: str, topics: frozenset[str]) -> frozenset[str] | None:
        """See `queueing`."""
        return await queueing.join(session, queue, topics)

    async def pull_events(self, desk: Desk, queue: str, place: str) -> Pulled:
        """See `queueing`."""
        return await queueing.pull(desk, queue, place)

    async def confirm_events(self, desk: Desk, queue: str, place: str) -> str:  # noqa: ARG002 - the next pull confirms
        """Reading on from this place is what confirms it."""
        return place

    async def pull_listings(self, session: Session, window: Window, cursor: str | None) -> RecordPage:
        """Products changed in the window; siblings of one `super_id` come as records of their own."""
        at = walk.begin(window, cursor, _RULES)
        while True:
            page = await self._page(session, at)
            keys = reading.keys(page.data, _KEY, _id)
            last = page.paging.current_page >= page.paging.last_page
            step = walk.after(at, _RULES, keys, total=page.paging.total, last=last)
            if step.keep or step.walk is None:
                found = zip(keys, map(bytes, page.data), strict=True)
                records = [RawRecord(key, raw) for key, raw in found if _sells(raw)]
                return RecordPage(records, step.cursor, at.total if at.total is not None else page.paging.total)
            at = step.walk

    async def _page(self, session: Session, at: walk.Walk) -> _Page:
        query: dict[str, str | int | None] = {
            "page": at.offset // _RULES.page + 1,
            "limit": _RULES.page,
            "include": _INCLUDE,
            "updated_from_date": _local(at.start) if at.bounded(_RULES) else None,
            "updated_to_date": _local(at.stop),
        }
        answer = await session.client.get(f"{session.app_hosts['api']}{_API}/products", query=query)
        return judging.decoded(answer, _PAGE)

    def map_listing(self, record: RawRecord, account: Account) -> Listing:  # noqa: ARG002 - one country, one currency
        """See `mapping.listing`."""
        return mapping.listing(record)

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
        return await acting.act(session, f"{session.app_hosts['api']}{_API}", action)

    def shows(self, action: Action, order: Order) -> bool | None:
        """See `acting`."""
        return acting.shows(action, order)

    async def pull_orders(self, session: Session, window: Window, cursor: str | None) -> RecordPage:
        """Orders changed in the window, oldest change first."""
        read = await orders.pull(session, f"{session.app_hosts['api']}{_API}", window, cursor)
        return RecordPage(read.records, read.cursor, read.total)

    def map_order(self, record: RawRecord, account: Account) -> Order:  # noqa: ARG002 - as above
        """See `orders.order`."""
        return orders.order(record)

    async def fetch(self, session: Session, entity: str, external_id: str) -> RawRecord | None:
        """One product by its own id (a listing of siblings has none to ask by), one order by its code."""
        root = f"{session.app_hosts['api']}{_API}"
        if entity == "orders":
            return await orders.fetch(session, root, external_id)
        if entity != "products":
            raise LookupError(entity)
        try:
            answer = await session.client.get(f"{root}/products/{quote(external_id, safe='')}")
        except Missing:
            return None
        return RawRecord(external_id, answer.content)


def _local(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).astimezone(mapping.ZONE).strftime(_LOCAL)


def _sells(raw: bytes) -> bool:
    """A configurable parent sells nothing by itself; its siblings say everything that it would."""
    if b"seller_configurable" not in raw:
        return True
    try:
        return bool(_KEY.decode(raw).entity_type != "seller_configurable")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return True


def _id(key: mapping.Key) -> Loose:
    return key.id if key.product_id is None else key.product_id


def _account(answer: Response) -> Account:
    seller = answer.decode(_Seller)
    found = seller.sid if not reading.absent(seller.sid) else seller.id
    if reading.absent(found):
        raise MalformedBody("the answer names no seller", reason="shape")
    extra = {} if reading.absent(seller.id) else {"seller_id": str(seller.id)}
    return Account(str(found), reading.line(seller.name), "VN", extra)


def _words(response: Response) -> tuple[str, str]:
    """Code and message of the three error bodies: `errors[]`, `error{id,message}`, and OAuth's."""
    try:
        body = reading.lenient(response.content, _ERRORS)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "", ""
    if isinstance(body.errors, list):
        return "", reading.line("; ".join(str(one) for one in body.errors[:5]))[:500]
    if isinstance(body.error, dict):
        return "", reading.line(body.error.get("message"))[:500]
    return reading.line(body.error)[:80], reading.line(body.error_description)[:500]


CONNECTOR = Tiki
