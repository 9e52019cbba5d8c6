"""What goes over the wire about connections."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

import msgspec
from pydantic import Field, SecretStr, StringConstraints

from isthmus.features.connections.model.connection import Connection
from isthmus.features.connections.service.managing import Trial
from isthmus.features.connections.service.starting import Started
from isthmus.http import Answer, Wire
from isthmus.kit.permissions import SUPER_ADMIN, TENANT_ADMIN, USER, permission
from isthmus.kit.secret import Secret

READ = permission("connections:read", "See the connections and their state.", SUPER_ADMIN, TENANT_ADMIN, USER)
MANAGE = permission("connections:manage", "Connect, test and disconnect accounts.", SUPER_ADMIN, TENANT_ADMIN)

SEE = permission("integrations:read", "See the tenant's integrations.", SUPER_ADMIN, TENANT_ADMIN)
CONTROL = permission("integrations:manage", "Make, change, switch and remove integrations.", SUPER_ADMIN, TENANT_ADMIN)
OWN = permission("own-connections:manage", "Connect one's own accounts, and use them.", TENANT_ADMIN, USER)

Key = Annotated[SecretStr, Field(min_length=1, max_length=10_000)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Slug = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Address = Annotated[str, StringConstraints(min_length=1, max_length=20_000)]


class Given(Wire):
    """Credentials for providers without a consent, or where to return after one."""

    return_url: Address | None = None
    api_key: Key | None = None
    username: Key | None = None
    password: Key | None = None
    credentials: Annotated[dict[Slug, Key], Field(max_length=50)] | None = None

    def keys(self) -> dict[str, Secret] | None:
        """What was given, by the names of the provider's fields; None where nothing was."""
        single = {"api_key": self.api_key, "username": self.username, "password": self.password}
        named = {name: value for name, value in single.items() if value is not None}
        given = {**(self.credentials or {}), **named}
        return {name: Secret(value.get_secret_value()) for name, value in given.items()} or None


class OpenConnection(Given):
    """A new connection."""

    provider: Slug
    name: Name | None = None
    settings: Annotated[dict[Slug, Any], Field(max_length=50)] | None = None


class Reconnect(Given):
    """New credentials for a connection."""


class StartConsent(Wire):
    """002: where the browser returns to after the consent.

    `credentials` holds what the provider's address depends on, such as the name of a shop, where it asks for that.
    """

    return_url: Address
    credentials: Annotated[dict[Slug, Key], Field(max_length=50)] | None = None

    def keys(self) -> dict[str, Secret] | None:
        """What was filled in, by the provider's fields."""
        given = {name: Secret(value.get_secret_value()) for name, value in (self.credentials or {}).items()}
        return given or None


class Redeem(Wire):
    """The ticket that came back with a consent given in another browser."""

    ticket: Annotated[SecretStr, Field(min_length=1, max_length=200)]


class ReturnOrigins(Wire):
    """Origins, such as `https://app.example.com`, to which this tenant's consents may return."""

    origins: Annotated[list[Address], Field(max_length=100)]


class ReturnOriginsOut(Answer, frozen=True, kw_only=True):
    """Origins to which this tenant's consents may return."""

    origins: list[str]
    etag: str


class AccountOut(Answer, frozen=True, kw_only=True):
    """The account at the platform."""

    id: str
    name: str
    region: str


class ConnectionOut(Answer, frozen=True, kw_only=True):
    """One set of credentials for one integration; never the credentials themselves."""

    id: str
    integration_id: str
    provider: str
    name: str
    auth_type: str
    status: str
    status_reason: str | None
    account: AccountOut | None
    scopes: list[str]
    settings: Mapping[str, Any]
    expires_at: datetime | None
    refresh_expires_at: datetime | None
    last_tested_at: datetime | None
    created_at: datetime
    updated_at: datetime


class ConnectionList(Answer, frozen=True, kw_only=True):
    """Some connections."""

    items: list[ConnectionOut]
    total: int
    limit: int
    offset: int
    has_more: bool
    next_offset: int | msgspec.UnsetType = msgspec.UNSET


class ConnectStartedOut(Answer, frozen=True, kw_only=True):
    """What was begun; with `authorizationUrl` a person has to agree at the platform, within ten minutes."""

    id: str
    integration_id: str
    provider: str
    status: str
    authorization_url: str | msgspec.UnsetType = msgspec.UNSET
    state: str | msgspec.UnsetType = msgspec.UNSET


class ConsentOut(Answer, frozen=True, kw_only=True):
    """002: where to send the browser."""

    authorization_url: str
    state: str


class RedeemedOut(Answer, frozen=True, kw_only=True):
    """What a redeemed consent connected."""

    status: str
    connection_id: str
    connections: list[ConnectionOut]


class TrialOut(Answer, frozen=True, kw_only=True):
    """How a test went; `responseTime` is in milliseconds."""

    success: bool
    message: str
    error: str | msgspec.UnsetType = msgspec.UNSET
    tested_at: datetime
    response_time: int
    details: Mapping[str, str]


def shown(connection: Connection) -> ConnectionOut:
    """A connection as the API shows it."""
    known = connection.account
    account = None
    if connection.account_id is not None:
        account = AccountOut(id=connection.account_id, name=known.get("name", ""), region=known.get("region", ""))
    return ConnectionOut(
        id=connection.id,
        integration_id=connection.integration_id,
        provider=connection.provider,
        name=connection.name,
        auth_type=connection.auth,
        status=connection.status.value,
        status_reason=connection.status_reason,
        account=account,
        scopes=connection.scope.split(),
        settings=connection.settings,
        expires_at=connection.expires_at,
        refresh_expires_at=connection.refresh_expires_at,
        last_tested_at=connection.last_tested_at,
        created_at=connection.created_at,
        updated_at=connection.updated_at,
    )


def begun(started: Started) -> ConnectStartedOut:
    """What the starter gets."""
    connection, consent = started.connection, started.consent
    return ConnectStartedOut(
        id=connection.id,
        integration_id=connection.integration_id,
        provider=connection.provider,
        status=connection.status.value,
        authorization_url=msgspec.UNSET if consent is None else consent.link.reveal(),
        state=msgspec.UNSET if consent is None else consent.state,
    )


def tried(trial: Trial) -> TrialOut:
    """How a test went."""
    return TrialOut(
        success=trial.success,
        message=trial.message,
        error=msgspec.UNSET if trial.error is None else trial.error,
        tested_at=trial.tested_at,
        response_time=round(trial.seconds * 1000),
        details=trial.details,
    )
