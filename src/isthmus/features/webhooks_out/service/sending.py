"""One signed POST: guarded, never redirected, bounded in time and size; and the keys and headers it needs."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import msgspec
from multidict import CIMultiDict

from isthmus.client import (
    AddressGuard,
    AddressRefused,
    ClientError,
    ConnectFailed,
    Disconnected,
    InvalidRequest,
    Request,
    TlsFailed,
)
from isthmus.client.retry import retry_after
from isthmus.client.transport.lean import LeanTransport
from isthmus.client.transport.port import Flight
from isthmus.client.transport.wire import LeanExchange
from isthmus.client.url import Url, parse
from isthmus.features import vault
from isthmus.features.webhooks_out.errors import WrongEndpoint
from isthmus.features.webhooks_out.model import Endpoint, Outcome
from isthmus.features.webhooks_out.settings import Settings
from isthmus.features.webhooks_out.store.dispatch import Due
from isthmus.kit import webhooks
from isthmus.kit.clock import Clock
from isthmus.kit.secret import Secret
from isthmus.kit.text import storable
from isthmus.scope import Scope, Tx

_KEPT: Final = 16 * 1024
_NOWHERE: Final = "Messages go to the public Internet only, at port 80, 443, or one above 1023 that is no database's."
_CACHED: Final = 20_000
_AGAIN: Final = ("Isthmus-Replay", "true")
_FIXED: Final = (("Content-Type", "application/json"), ("User-Agent", "isthmus-webhooks"))
#: What the transport says itself.
_OURS: Final = frozenset({"host", "content-length", "connection", "transfer-encoding"})
_CLASSES: Final = (
    ((AddressRefused, ConnectFailed), "unreachable"),
    ((TlsFailed,), "tls"),
    ((Disconnected,), "disconnected"),
    ((InvalidRequest,), "not_sendable"),
)


@dataclass(frozen=True, slots=True)
class Keys:
    """What signs for an endpoint and what is sent with every message, open, for as long as its version stands."""

    version: int
    url: str
    target: Url
    concurrency: int
    rate: int
    ordered: bool
    keep_days: int
    signer: webhooks.Signer = field(repr=False)
    #: Signs with the replaced secret too, as long as the overlap lasts.
    both: webhooks.Signer | None = field(repr=False)
    previous_until: datetime | None
    headers: Mapping[str, Secret]

    @property
    def names(self) -> list[str] | None:
        """The endpoint's own headers by name."""
        return list(self.headers) or None

    def live(self, now: datetime) -> webhooks.Signer:
        """What signs now."""
        if self.both is not None and self.previous_until is not None and now < self.previous_until:
            return self.both
        return self.signer


@dataclass(slots=True)
class Outgoing:
    """One message on its way; `again` marks what somebody asked to be sent anew (security.md WH-13)."""

    id: str
    body: bytes
    again: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """What an attempt came to, and what of it is kept."""

    outcome: Outcome
    signed_at: int
    signature: str
    address: str | None
    answered: Mapping[str, str] | None
    body: bytes | None
    took_ms: int | None


@dataclass(frozen=True, slots=True)
class Answered:
    """What came back for one request, and what of it is kept."""

    outcome: Outcome
    address: str | None
    headers: Mapping[str, str] | None
    body: bytes | None
    took_ms: int | None


@dataclass(slots=True)
class Handed:
    """A delivery that the fan-out of this process has just written, so that nobody need read it again."""

    due: Due
    message_id: str
    body: bytes
    born: datetime
    version: int
    slow: bool
    doubtful: bool
    event: Mapping[str, Any]


class Sender:
    """The transport of this process and the keys it has opened; `app` makes one and closes it at the end."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        guard = AddressGuard(settings.allow_networks)
        self._transport = LeanTransport(guard=guard, limit=settings.slots)
        self._guard = guard
        self._keys: OrderedDict[tuple[str, str], Keys] = OrderedDict()
        #: Rung where deliveries were planned by this process.
        self.planned = asyncio.Event()
        #: Whether something may be due in the database that was not handed over.
        self.look = True
        self.handed: list[Handed] = []
        #: Grows with every batch that this process fans out.
        self.fanned = 0
        #: How much waits in the lines of this process's dispatcher.
        self.waiting = 0

    def tighten(self, settings: Settings) -> None:
        """Go on with safer settings: what they let through no more is refused from the next address on."""
        self._guard.withdraw(set(self.settings.allow_networks) - set(settings.allow_networks))
        self.settings = settings

    def hand_over(self, handed: Sequence[Handed], *, look: bool) -> None:
        """Tell the dispatcher of this process what was written; what it has no room for it finds in the database."""
        room = max(0, self.settings.waiting - len(self.handed))
        self.handed += handed[:room]
        self.fanned += 1
        self.look = self.look or look or len(handed) > room
        self.planned.set()

    def is_crowded(self) -> bool:
        """Whether so much waits in this process that the next batch may find no room."""
        return len(self.handed) + self.waiting > self.settings.waiting // 8

    def look_again(self) -> None:
        """Have the dispatcher look into the database."""
        self.look = True
        self.planned.set()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()

    def check_url(self, text: str) -> str:
        """The URL. Raises WrongEndpoint for one that may never be sent to."""
        try:
            url = parse(text)
            self._guard.check_host(url.host, url.port)
        except AddressRefused:
            raise WrongEndpoint.field("url", _NOWHERE) from None
        except InvalidRequest as error:
            raise WrongEndpoint.field("url", str(error)) from None
        if url.scheme != "https" and not (url.scheme == "http" and self.settings.allow_http):
            raise WrongEndpoint.field("url", "An endpoint needs https.")
        return str(url)

    def known(self, tenant_id: str, endpoint_id: str, version: int) -> Keys | None:
        """The keys of this version of the endpoint, if they are open."""
        found = self._keys.get((tenant_id, endpoint_id))
        return found if found is not None and found.version == version else None

    async def open(self, scope: Scope, tx: Tx, endpoint: Endpoint, keep_days: int) -> Keys:
        """Open an endpoint's keys. Raises Unreadable, KeyNotHeld."""
        keys = await open_keys(scope, tx, endpoint, keep_days)
        self._keys[scope.tenant_id, endpoint.id] = keys
        while len(self._keys) > _CACHED:
            self._keys.popitem(last=False)
        return keys

    async def post(self, keys: Keys, message: Outgoing, clock: Clock) -> Reply:
        """Send one message; every failure is an outcome."""
        now = clock.now()
        signed_at = int(now.timestamp())
        signature = keys.live(now).sign(message.id, signed_at, message.body)
        answer = await self._exchange(keys, _headers(keys, message, signed_at, signature), message.body, clock)
        return Reply(answer.outcome, signed_at, signature, answer.address, answer.headers, answer.body, answer.took_ms)

    async def post_as(self, keys: Keys, headers: Mapping[str, str], body: bytes, clock: Clock) -> Answered:
        """Send what another sender would, with the endpoint's own headers beside; every failure is an outcome."""
        given: CIMultiDict[str] = CIMultiDict({name: value for name, value in headers.items() if name not in _OURS})
        for name, value in keys.headers.items():
            given[name] = value.reveal()
        return await self._exchange(keys, given, body, clock)

    async def _exchange(self, keys: Keys, headers: CIMultiDict[str], body: bytes, clock: Clock) -> Answered:
        started, now = clock.monotonic(), clock.now()
        exchange: LeanExchange | None = None
        status, answered, kept, wish, error = None, None, None, None, None
        try:
            async with asyncio.timeout(self.settings.deadline.total_seconds()):
                exchange = await self._transport.send(Request("POST", keys.target, headers, body), Flight())
                status = exchange.status
                answered = _kept_headers(exchange)
                if "retry-after" in exchange.headers:
                    wish = retry_after(exchange.headers, now)
                kept = await _read(exchange)
        except TimeoutError:
            error = "timeout"
        except ClientError as failure:
            error = _class_of(failure)
        finally:
            if exchange is not None and kept is None:
                exchange.abort()
        took = None if error == "unreachable" else round((clock.monotonic() - started) * 1000)
        address = exchange.address if exchange is not None else None
        return Answered(Outcome(status, error, wish), address, answered, kept, took)


def _headers(keys: Keys, message: Outgoing, signed_at: int, signature: str) -> CIMultiDict[str]:
    headers: CIMultiDict[str] = CIMultiDict(_FIXED)
    headers[webhooks.ID] = message.id
    if message.again:
        headers[_AGAIN[0]] = _AGAIN[1]
    headers[webhooks.TIMESTAMP] = str(signed_at)
    headers[webhooks.SIGNATURE] = signature
    for name, value in keys.headers.items():
        headers[name] = value.reveal()
    return headers


def sent_headers(message_id: str, row: Mapping[str, Any]) -> dict[str, str]:
    """The headers of a kept attempt as they may be shown; of the endpoint's own ones the names."""
    stamp, again = str(row["signed_at"]), dict([_AGAIN]) if row["trigger"] != "schedule" else {}
    signed = {webhooks.ID: message_id, webhooks.TIMESTAMP: stamp, webhooks.SIGNATURE: row["signature"]}
    return {**dict(_FIXED), **signed, **again, **dict.fromkeys(row["header_names"] or (), "***")}


def _kept_headers(exchange: LeanExchange) -> dict[str, str]:
    """The first 16 KiB of them."""
    kept, size = {}, 0
    for name, value in exchange.headers.items():
        size += len(name) + len(value)
        if size > _KEPT:
            break
        kept[name] = storable(value)
    return kept


async def _read(exchange: LeanExchange) -> bytes:
    """The first 16 KiB as they came, never unpacked; a longer body ends the connection."""
    if exchange.complete and not exchange.arrived:
        await exchange.release()
        return b""
    kept = bytearray()
    async for chunk in exchange.chunks():
        kept += chunk
        if len(kept) > _KEPT:
            exchange.abort()
            return bytes(kept[:_KEPT])
    await exchange.release()
    return bytes(kept)


def _class_of(failure: ClientError) -> str:
    for kinds, name in _CLASSES:
        if isinstance(failure, kinds):
            return name
    return "bad_reply"


def secret_field(version: int) -> str:
    """The place of one generation of the signing secret."""
    return f"secret/{version}"


HEADERS_FIELD: Final = "headers"


async def open_keys(scope: Scope, tx: Tx, endpoint: Endpoint, keep_days: int = 1) -> Keys:
    """What an endpoint's sealed columns hold. Raises Unreadable, KeyNotHeld."""
    version = endpoint.secret_version
    current = await vault.open(scope, tx, endpoint.secret, owner=endpoint.id, field=secret_field(version))
    both = None
    if endpoint.previous_secret is not None:
        previous_field = secret_field(version - 1)
        previous = await vault.open(scope, tx, endpoint.previous_secret, owner=endpoint.id, field=previous_field)
        both = webhooks.Signer([current, previous])
    return Keys(
        version=endpoint.version,
        url=endpoint.url,
        target=parse(endpoint.url),
        concurrency=endpoint.concurrency,
        rate=endpoint.rate,
        ordered=endpoint.ordered,
        keep_days=keep_days,
        signer=webhooks.Signer([current]),
        both=both,
        previous_until=endpoint.previous_until,
        headers=await open_headers(scope, tx, endpoint),
    )


async def open_headers(scope: Scope, tx: Tx, endpoint: Endpoint) -> dict[str, Secret]:
    """The custom headers. Raises Unreadable, KeyNotHeld."""
    if endpoint.headers is None:
        return {}
    text = await vault.open(scope, tx, endpoint.headers, owner=endpoint.id, field=HEADERS_FIELD)
    return {name: Secret(value) for name, value in msgspec.json.decode(text.reveal(), type=dict[str, str]).items()}


async def seal_headers(scope: Scope, tx: Tx, endpoint_id: str, headers: Mapping[str, Secret]) -> bytes | None:
    """The custom headers, sealed; None for none."""
    if not headers:
        return None
    text = msgspec.json.encode({name: value.reveal() for name, value in headers.items()}).decode()
    return await vault.seal(scope, tx, Secret(text), owner=endpoint_id, field=HEADERS_FIELD)
