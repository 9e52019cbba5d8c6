"""WooCommerce REST v3: a key and a secret per shop, pages by number, exclusive windows of time (marketplaces.md 7)."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeVar
from urllib.parse import quote, urlsplit

import msgspec

from isthmus.client import ApiClient, Failure, Missing, PlatformError, RefreshRefused, Request, Response, Tokens
from isthmus.client.errors import MalformedBody
from isthmus.connect import judging, reading, walk
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
from isthmus.connectors.woocommerce import acting, hooking, mapping, order_mapping, writing
from isthmus.kit.clock import Clock
from isthmus.kit.secret import Secret

_Told = TypeVar("_Told")

_API = "/wp-json/wc/v3"
_PATHS = {"products": f"{_API}/products", "orders": f"{_API}/orders"}
_HOOKS = f"{_API}/webhooks"
_VARIATIONS = 100
#: Small pages: each variable product of one costs a call of its own for its variations.
_RULES = walk.Rules(page=25, most=500)
_ORDERS = walk.Rules(page=50, most=1_000)
_NO_ROUTE = "rest_no_route"
_BAD_KEY = "woocommerce_rest_authentication_error"
#: How a key that only reads is answered: by the code of a wrong one, told apart by its words alone.
_READS_ONLY = "write permissions"


class _Words(msgspec.Struct):
    code: Loose = None
    message: Loose = None


class _Key(msgspec.Struct):
    id: Loose = None
    type: Loose = None


class _Currency(msgspec.Struct):
    code: Loose = None


class _Setting(msgspec.Struct):
    value: Loose = None


class _Site(msgspec.Struct):
    name: Loose = None


_WORDS = reading.decoder(_Words)
_ROWS = reading.decoder(list[msgspec.Raw])
_KEY = reading.decoder(_Key)
_CURRENCY = reading.decoder(_Currency)
_SETTING = reading.decoder(_Setting)
_SITE = reading.decoder(_Site)


class WooCommerce:
    """The connector; every merchant's shop has an address of its own, given with the keys."""

    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest

    def consent_url(self, app: App, consent: Consent, now: datetime) -> str:  # noqa: ARG002 - there is none
        """Raises ValueError: shops are connected by keys."""
        raise ValueError("WooCommerce is connected by keys, not by a consent")

    def read_callback(self, query: Mapping[str, str], redirect_uri: str) -> Callback:  # noqa: ARG002 - there is none
        """Raises ValueError, as nothing comes back from a consent that does not exist."""
        raise ValueError("WooCommerce is connected by keys, not by a consent")

    async def exchange(self, app: App, callback: Callback, client: ApiClient, clock: Clock) -> Sequence[Granted]:  # noqa: ARG002
        """Raises ValueError: there is no code."""
        raise ValueError("WooCommerce is connected by keys, not by a consent")

    async def refresh(self, app: App, account: Account, tokens: Tokens, client: ApiClient, clock: Clock) -> Tokens:  # noqa: ARG002
        """Raises RefreshRefused: keys do not expire, and a deleted one has no successor."""
        raise RefreshRefused("a key of WooCommerce is not renewed; enter a new one")

    async def revoke(self, app: App, account: Account, tokens: Tokens, client: ApiClient, clock: Clock) -> bool:  # noqa: ARG002
        """Only the shop's own settings delete a key."""
        return False

    def attach(self, app: App, account: Account, request: Request, tokens: Tokens, now: datetime) -> Request:  # noqa: ARG002
        """Key and secret as HTTP Basic; only ever over HTTPS (marketplaces.md 7.1)."""
        pair = f"{app.secret('consumer_key')}:{app.secret('consumer_secret')}".encode()
        return request.with_headers({"Authorization": f"Basic {b64encode(pair).decode()}"})

    def classify(self, response: Response) -> Failure | None:
        """By HTTP status; pages of hosts and firewalls in front of a shop are met too (marketplaces.md 7.2)."""
        if not judging.is_json(response):
            return judging.unreadable(response)
        if response.ok:
            return None
        code, message = _words(response)
        if code == _BAD_KEY and _READS_ONLY in message:
            # the key is right and may read; nobody has to enter a new one to go on reading
            return Failure(kind="refused", code="read_only_key", message=message)
        if code == _NO_ROUTE:
            return Failure(kind="configuration", code=code, message=message)
        if code.endswith("_invalid_id") and response.status in {400, 404}:
            return Failure(kind="not_found", code=code, message=message)
        return judging.by_status(response, message, code)

    async def test(self, session: Session) -> Account:
        """The shop's currency proves the keys; its name and unit of weight are asked for beside it."""
        root = _root(session)
        answer = judging.decoded(await session.client.get(f"{root}{_API}/data/currencies/current"), _CURRENCY)
        try:
            extra = {"currency": reading.currency(answer.code)}
        except Unmappable as error:
            raise MalformedBody("the answer names no currency", reason="shape") from error
        unit = await _told(session, f"{_API}/settings/products/woocommerce_weight_unit", _SETTING)
        if unit is not None and reading.line(unit.value):
            extra["weight_unit"] = reading.line(unit.value)[:8]
        site = await _told(session, "/wp-json/", _SITE)
        name = reading.line(site.name) if site is not None else ""
        return Account(f"{root}/", name or urlsplit(root).netloc, "", extra)

    async def pull_listings(self, session: Session, window: Window, cursor: str | None) -> RecordPage:
        """Products changed in the window, each with all its variations."""
        page = await _pull(session, "products", _RULES, window, cursor)
        records = [await _whole(session, one) for one in page.records]
        return RecordPage(records, page.cursor, page.total)

    def map_listing(self, record: RawRecord, account: Account) -> Listing:
        """See `mapping.listing`."""
        return mapping.listing(record, account)

    async def pull_orders(self, session: Session, window: Window, cursor: str | None) -> RecordPage:
        """Orders changed in the window."""
        return await _pull(session, "orders", _ORDERS, window, cursor)

    def map_order(self, record: RawRecord, account: Account) -> Order:  # noqa: ARG002 - an order says its currency
        """See `order_mapping.order`."""
        return order_mapping.order(record)

    async def fetch(self, session: Session, entity: str, external_id: str) -> RawRecord | None:
        """One product with its variations, or one order. A product in the bin still answers, as deleted."""
        if entity not in _PATHS:
            raise LookupError(entity)
        try:
            answer = await session.client.get(f"{_root(session)}{_PATHS[entity]}/{quote(external_id, safe='')}")
        except Missing:
            return None
        record = RawRecord(external_id, answer.content)
        return record if entity == "orders" else await _whole(session, record)

    async def shop_subscriptions(self, session: Session) -> Sequence[Subscription]:
        """See `hooking.found`."""
        return await hooking.found(session, f"{_root(session)}{_HOOKS}")

    async def subscribe_shop(self, session: Session, url: str, topics: frozenset[str], secret: Secret) -> None:
        """See `hooking.ask`."""
        await hooking.ask(session, f"{_root(session)}{_HOOKS}", url, topics, secret)

    async def unsubscribe_shop(self, session: Session, subscription: Subscription) -> None:
        """See `hooking.end`."""
        await hooking.end(session, f"{_root(session)}{_HOOKS}", subscription)

    def batches(self, edits: Sequence[Edit], account: Account) -> Sequence[Sequence[Edit]]:  # noqa: ARG002 - alike
        """See `writing.batches`."""
        return writing.batches(edits)

    async def write(self, session: Session, batch: Sequence[Edit]) -> Sequence[Outcome]:
        """See `writing.write`."""
        return await writing.write(session, f"{_root(session)}{_PATHS['products']}", batch)

    def check(self, action: Action) -> str:
        """See `acting.check`."""
        return acting.check(action)

    async def act(self, session: Session, action: Action) -> Sequence[Outcome]:
        """See `acting.act`."""
        return await acting.act(session, f"{_root(session)}{_PATHS['orders']}", action)

    def shows(self, action: Action, order: Order) -> bool | None:
        """See `acting.shows`."""
        return acting.shows(action, order)


def _root(session: Session) -> str:
    return session.app_hosts["api"].rstrip("/")


async def _pull(session: Session, entity: str, rules: walk.Rules, window: Window, cursor: str | None) -> RecordPage:
    at = walk.begin(window, cursor, rules)
    while True:
        answer = await session.client.get(f"{_root(session)}{_PATHS[entity]}", query=_query(at, rules))
        rows = judging.decoded(answer, _ROWS)
        keys = reading.keys(rows, _KEY, lambda key: key.id)
        total, pages = _count(answer, "X-WP-Total"), _count(answer, "X-WP-TotalPages")
        step = walk.after(at, rules, keys, total=total, last=at.offset // rules.page + 1 >= pages)
        if step.keep or step.walk is None:
            records = [RawRecord(key, bytes(raw)) for key, raw in zip(keys, rows, strict=True)]
            return RecordPage(records, step.cursor, at.total if at.total is not None else total)
        at = step.walk


def _query(at: walk.Walk, rules: walk.Rules) -> dict[str, str | int | None]:
    """Both bounds of the platform leave their own second out, so they are put one second further out."""
    return {
        "page": at.offset // rules.page + 1,
        "per_page": rules.page,
        "orderby": "id",
        "order": "asc",
        "status": "any",
        "dates_are_gmt": "true",
        "modified_after": _gmt(at.start - 1) if at.bounded(rules) else None,
        "modified_before": _gmt(at.stop + 1),
    }


def _gmt(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _count(answer: Response, name: str) -> int:
    """Raises MalformedBody where a cache or firewall has taken the header off: pages cannot be counted then."""
    return judging.count(answer.headers.get(name))


async def _whole(session: Session, record: RawRecord) -> RawRecord:
    """The product and its variations as one record; simple ones have none to ask for."""
    rows: list[msgspec.Raw] = []
    if _is_variable(record.payload):
        path = f"{_root(session)}{_PATHS['products']}/{quote(record.external_id, safe='')}/variations"
        rows = await _variations(session, path)
    joined = b",".join(bytes(one) for one in rows)
    return RawRecord(record.external_id, b'{"product":' + record.payload + b',"variations":[' + joined + b"]}")


async def _variations(session: Session, path: str) -> list[msgspec.Raw]:
    found: list[msgspec.Raw] = []
    page = 1
    while True:
        query: dict[str, str | int] = {"page": page, "per_page": _VARIATIONS, "orderby": "id", "order": "asc"}
        try:
            answer = await session.client.get(path, query=query)
        except Missing:
            return found  # gone since the list was read: the product's own end comes with the next pull
        rows: list[msgspec.Raw] = judging.decoded(answer, _ROWS)
        found += rows
        if page >= _count(answer, "X-WP-TotalPages"):
            return found
        page += 1


def _is_variable(raw: bytes) -> bool:
    try:
        return bool(reading.lenient(raw, _KEY).type == "variable")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


async def _told(session: Session, path: str, of: msgspec.json.Decoder[_Told]) -> _Told | None:
    """What a shop tells beside the point; None where a key may not see it or a plugin hides it."""
    try:
        return judging.decoded(await session.client.get(f"{_root(session)}{path}"), of)
    except (PlatformError, MalformedBody):
        return None


def _words(response: Response) -> tuple[str, str]:
    try:
        body = reading.lenient(response.content, _WORDS)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "", ""
    return reading.line(body.code)[:80], reading.line(body.message)[:500]


CONNECTOR = WooCommerce
