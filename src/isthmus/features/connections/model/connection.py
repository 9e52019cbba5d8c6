"""The life of a connection: its states, the moves between them, and where the shops of a consent go."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from isthmus.features.connections.model.integration import usable_by
from isthmus.kit.errors import Conflict
from isthmus.kit.etags import etag
from isthmus.kit.permissions import Principal


class Status(StrEnum):
    """What the API shows of a connection."""

    #: No credentials yet: consent is awaited, or was refused, or the credentials were cleared.
    PENDING = "pending"
    CONNECTED = "connected"
    #: The far side ended the grant for good: only a new consent helps.
    EXPIRED = "expired"
    #: The credentials are there and something else is wrong; `reason` says what.
    ERROR = "error"


class Fact(StrEnum):
    """What may happen to a connection."""

    GRANTED = "granted"
    REFUSED = "refused"
    UNCERTAIN = "uncertain"
    HOSTS_CHANGED = "hosts_changed"
    RECOVERED = "recovered"
    FAILING = "failing"


_MOVES: Mapping[tuple[Status, Fact], Status] = {
    **{(status, Fact.GRANTED): Status.CONNECTED for status in Status},
    **{(status, Fact.HOSTS_CHANGED): Status.PENDING for status in Status},
    (Status.CONNECTED, Fact.REFUSED): Status.EXPIRED,
    (Status.ERROR, Fact.REFUSED): Status.EXPIRED,
    (Status.EXPIRED, Fact.REFUSED): Status.EXPIRED,
    (Status.CONNECTED, Fact.UNCERTAIN): Status.ERROR,
    (Status.ERROR, Fact.UNCERTAIN): Status.ERROR,
    (Status.ERROR, Fact.RECOVERED): Status.CONNECTED,
    (Status.CONNECTED, Fact.FAILING): Status.ERROR,
    (Status.ERROR, Fact.FAILING): Status.ERROR,
}


def move(status: Status, fact: Fact) -> Status:
    """The status after `fact`. Raises Conflict where the fact cannot happen to a connection in this status."""
    after = _MOVES.get((status, fact))
    if after is None:
        raise Conflict(f"A connection that is {status} cannot become {fact}.")
    return after


@dataclass(frozen=True, slots=True)
class Owner:
    """The person whose connection it is: the subject for showing, the whole principal for deciding."""

    user_id: str
    id: str


@dataclass(frozen=True, slots=True)
class Connection:
    """One set of credentials, as everything but the token store sees it: no secret is in here."""

    id: str
    integration_id: str
    name: str
    provider: str
    auth: str
    registration_id: str
    status: Status
    status_reason: str | None
    account_id: str | None
    account: Mapping[str, Any]
    #: The digest of the hosts that the credentials were given for (security.md VA-01).
    hosts_digest: str | None
    token_version: int
    expires_at: datetime | None
    refresh_expires_at: datetime | None
    last_tested_at: datetime | None
    created_at: datetime
    updated_at: datetime
    scope: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    #: Whose it is, where it is one person's.
    user_id: str | None = None
    owner_id: str | None = None
    connected_at: datetime | None = None
    test_failures: int = 0
    test_error: str | None = None
    #: Of its integration: whether it is switched on, and who and what may pass.
    enabled: bool = True
    user_scoped: bool = False
    proxy_enabled: bool = False
    allowed_types: tuple[str, ...] = ()
    types_changed_at: datetime | None = None
    allowed_roles: tuple[str, ...] = ()
    allowed_users: tuple[str, ...] = ()

    @property
    def etag(self) -> str:
        """Stands for the credentials that people gave; tokens that are traded or refreshed are no change."""
        return credentials_tag(self.id, self.connected_at)

    @property
    def owner(self) -> Owner | None:
        """The person whose it is; None for the tenant's."""
        return None if self.owner_id is None else Owner(self.user_id or "", self.owner_id)


def credentials_tag(connection_id: str, connected_at: datetime | None) -> str:
    """The tag of the credentials that people gave a connection at this time."""
    return etag(connection_id, connected_at)


def reachable(connection: Connection, who: Principal) -> bool:
    """Whether a connection is there for this caller: a person's own for that person, others as far as limits say."""
    if connection.owner_id is not None and connection.owner_id != who.id:
        return False
    return usable_by(connection, who)


@dataclass(frozen=True, slots=True)
class Held:
    """Whose connection holds an account, with which app it was made, and what may pass its integration.

    `personal` where it is one person's own; `allowed_types` as in an integration, empty for all.
    """

    tenant_id: str
    connection_id: str
    registration_id: str
    personal: bool = False
    allowed_types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Filters:
    """What a list may be narrowed by."""

    provider: str | None = None
    status: Status | None = None
    search: str | None = None


#: What the API shows of an integration whose connection is in this status (002: pending, connected, error, disabled).
INTEGRATION_STATUS: Mapping[Status, str] = {
    Status.PENDING: "pending",
    Status.CONNECTED: "connected",
    Status.EXPIRED: "error",
    Status.ERROR: "error",
}


#: Document 002's words for how a connection is.
Shown = Literal["active", "expired", "revoked", "error"]
CONNECTION_STATUS: Mapping[Status, Shown] = {
    Status.CONNECTED: "active",
    Status.EXPIRED: "expired",
    Status.PENDING: "error",
    Status.ERROR: "error",
}


def hosts_digest(hosts: Mapping[str, str]) -> str:
    """A short name for a set of hosts; credentials are only ever sent to the set they were given for."""
    text = json.dumps(sorted(hosts.items()), ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class Place(StrEnum):
    """Where the grant for one shop of a consent goes."""

    #: Into the connection that the flow was started for.
    START = "start"
    #: Into another connection of this tenant, which has this account already.
    RENEW = "renew"
    #: Into a connection of its own.
    CREATE = "create"


@dataclass(frozen=True, slots=True)
class Placement:
    """One account of a consent and where it goes."""

    account_id: str
    place: Place
    connection_id: str | None


class WrongAccount(Exception):
    """A reconnection came back with other accounts than the connection's own."""

    def __init__(self, expected: str, given: Sequence[str]) -> None:
        self.expected = expected
        self.given = tuple(given)
        super().__init__(f"expected {expected}, got {', '.join(given) or 'none'}")


def place(
    start_id: str, start_account: str | None, accounts: Sequence[str], existing: Mapping[str, str]
) -> list[Placement]:
    """Say where each account of a consent goes (api.md, Nouns; security.md OA-14).

    `existing` maps the accounts that this tenant has connected already to their connections. A connection that has an
    account keeps it: raises WrongAccount when the consent does not cover it. A new connection takes the first account
    that is new here; it takes none when all of them are known, and is then not needed any more.
    """
    unique = list(dict.fromkeys(accounts))
    if start_account is not None and start_account not in unique:
        raise WrongAccount(start_account, unique)
    taken = start_account
    if taken is None:
        taken = next((account for account in unique if account not in existing), None)
    return [_placement(account, taken, start_id, existing) for account in unique]


def _placement(account: str, taken: str | None, start_id: str, existing: Mapping[str, str]) -> Placement:
    if account == taken:
        return Placement(account, Place.START, start_id)
    if account in existing:
        return Placement(account, Place.RENEW, existing[account])
    return Placement(account, Place.CREATE, None)


def shop_name(given: str | None, shop: str, provider: str, account_id: str, *, alone: bool) -> str:
    """What the integration of one shop is called: a person's name for a single shop, else the shop's own name."""
    if given and alone:
        return given
    return shop.strip()[:200] or f"{provider} {account_id}"[:200]


def missing_fields(wanted: Iterable[tuple[str, bool]], given: Mapping[str, object]) -> tuple[list[str], list[str]]:
    """Required fields that are missing, and given ones that nobody asked for; `wanted` is (name, required)."""
    names = dict(wanted)
    missing = [name for name, required in names.items() if required and not given.get(name)]
    return missing, sorted(set(given) - set(names))
