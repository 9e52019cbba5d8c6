"""What a source and a delivery are, and what happens to a delivery next."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any

import msgspec

from isthmus.connect.webhooks import Webhooks
from isthmus.features.webhooks_in.model.verifying import LiveSecret, Verdict
from isthmus.kit import text
from isthmus.kit.etags import etag

#: Bits of the token in an address (WH-05).
TOKEN_BITS = 160
_HIDDEN = "***"
_HEADER_CHARACTERS = 4_000


class State(StrEnum):
    """Where a delivery stands."""

    RECEIVED = "received"
    UNROUTED = "unrouted"
    WAITING = "waiting"
    HANDLING = "handling"
    DONE = "done"
    IGNORED = "ignored"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Source:
    """An address for a provider's pushes."""

    id: str
    provider: str
    name: str
    connection_id: str | None
    uses_app: bool
    app: Mapping[str, str]
    paused: bool
    filter: str | None
    transform: str | None
    first_verified_at: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime

    @property
    def etag(self) -> str:
        """Stands for what can be changed of it; its secrets and addresses have routes of their own."""
        return etag(self.id, self.name, self.paused, self.filter, self.transform)


class Purpose(StrEnum):
    """What a secret of a source is for: what its platform signs with, or what it shows to prove an address."""

    SIGNATURE = "signature"
    VERIFY_TOKEN = "verify_token"  # noqa: S105 - the name of a purpose


@dataclass(frozen=True, slots=True)
class LiveSource:
    """A source as the intake needs it: whose it is, and what is believed."""

    tenant_id: str
    id: str
    provider: str
    scheme: Webhooks
    secrets: Sequence[LiveSecret]
    app: Mapping[str, str]
    paused: bool
    verified_before: bool
    expires_at: datetime | None = None
    #: What the platform shows instead of one of the secrets when it proves the address.
    verify_tokens: Sequence[LiveSecret] = ()


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A verified delivery, ready to be made durable."""

    digest: bytes
    tenant_id: str
    id: str
    source_id: str
    provider: str
    received_at: datetime
    request_id: str
    address: str
    method: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    verdict: Mapping[str, Any]
    topic: str
    event: str
    entity: str
    account: str
    object: str
    occurred_at: datetime | None
    simulated: bool
    rehearsed: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that was not believed."""

    tenant_id: str
    source_id: str
    id: str
    at: datetime
    reason: str
    message: str
    address: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A delivery in the log."""

    id: str
    source_id: str
    provider: str
    received_at: datetime
    request_id: str
    address: str
    method: str
    topic: str
    event: str
    entity: str
    account: str
    object: str
    occurred_at: datetime | None
    simulated: bool
    verdict: Mapping[str, Any]
    connection_id: str | None
    state: str
    attempts: int
    next_at: datetime | None
    reason: str | None
    run_id: str | None
    replays: int
    done_at: datetime | None
    headers: Mapping[str, str] = field(default_factory=dict)
    query: str = ""
    body: bytes = b""


@lru_cache(maxsize=4096)
def token_hash(token: str) -> bytes:
    """What is kept of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def kept_headers(headers: Mapping[str, str], scheme: Webhooks) -> dict[str, str]:
    """The headers as the log keeps them, storable: what opens a door by itself is hidden."""
    everything = "".join([*headers, *headers.values()])
    if len(everything) <= _HEADER_CHARACTERS and everything.isascii() and "\x00" not in everything:
        # nearly always: one look at all of them in place of two at each
        kept = dict(headers)
    else:
        kept = {text.storable(name): text.storable(value[:_HEADER_CHARACTERS]) for name, value in headers.items()}
    for name in _hidden(tuple([one.where for one in scheme.signatures if one.kind == "token"])):
        if name in headers:
            kept[text.storable(name)] = _HIDDEN
    if _opens(headers.get("authorization", "")):
        kept["authorization"] = _HIDDEN
    return kept


@lru_cache(maxsize=256)
def _hidden(places: tuple[str, ...]) -> frozenset[str]:
    return frozenset({"cookie"} | {one.partition(":")[2] for one in places})


def _opens(value: str) -> bool:
    return bool(value) and value[:7].lower().startswith(("basic ", "bearer "))


def told(verdict: Verdict) -> dict[str, Any]:
    """The verdict as the log keeps it."""
    return {"accepted": verdict.accepted, "reason": verdict.reason, "message": verdict.text, "way": verdict.way}


def next_attempt(attempts: int, retries: Sequence[float], now: datetime) -> datetime | None:
    """When to try again after so many failed attempts; None: never."""
    if attempts > len(retries) or attempts < 1:
        return None
    return now + timedelta(seconds=retries[attempts - 1])
