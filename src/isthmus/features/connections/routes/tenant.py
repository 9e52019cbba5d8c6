"""Document 002's Connection Management Endpoints: the same services, by the integration that exists."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from pydantic import Field, SecretStr
from starlette.responses import Response

from isthmus.features.catalog import AppMissing, ProviderNotConnectable
from isthmus.features.connections.errors import (
    ConnectionNotFound,
    ConsentNeeded,
    CredentialsChangedMeanwhile,
    CredentialsRefused,
    IntegrationNotFound,
    NameTaken,
    PlatformUnreachable,
    UserScoped,
    WrongAccountGiven,
    WrongKind,
)
from isthmus.features.connections.model.connection import CONNECTION_STATUS, Connection, Shown, Status
from isthmus.features.connections.routes.own import CONNECTING, tied
from isthmus.features.connections.routes.shapes import (
    MANAGE,
    ConsentOut,
    Key,
    Name,
    Slug,
    StartConsent,
    TrialOut,
    tried,
)
from isthmus.features.connections.service import integrations, managing, rotating, starting
from isthmus.features.connections.service.rotating import Rotated
from isthmus.http import Answer, Routes, ScopeDep, Wire, document
from isthmus.kit.secret import Secret
from isthmus.scope import Scope

routes = Routes(prefix="/api/tenant/integrations", tag="Connections")
ROTATING = (
    ConsentNeeded, WrongKind, CredentialsRefused, PlatformUnreachable, WrongAccountGiven, ProviderNotConnectable,
    AppMissing,
)  # fmt: skip
_CONNECTING = (IntegrationNotFound, UserScoped, WrongAccountGiven, NameTaken, *CONNECTING)


Further = Annotated[dict[Slug, Key], Field(max_length=50)]


class ByKey(Wire):
    """An API key, and what else the provider asks for, such as a shop, by the names of its credential fields."""

    api_key: Key
    credentials: Further | None = None
    display_name: Name | None = None

    def secrets(self) -> dict[str, Secret]:
        """By the provider's fields."""
        return _secrets({**(self.credentials or {}), "api_key": self.api_key})


class ByPassword(Wire):
    """A user name and a password, and what else the provider asks for."""

    username: Key
    password: Key
    credentials: Further | None = None
    display_name: Name | None = None

    def secrets(self) -> dict[str, Secret]:
        """By the provider's fields."""
        return _secrets({**(self.credentials or {}), "username": self.username, "password": self.password})


class ByFields(Wire):
    """The provider's own credential fields."""

    credentials: Annotated[dict[Slug, Key], Field(min_length=1, max_length=50)]
    display_name: Name | None = None

    def secrets(self) -> dict[str, Secret]:
        """By the provider's fields."""
        return _secrets(self.credentials)


class NewCredentials(Wire):
    """Credentials that replace the present ones, by the provider's field names."""

    credential_type: Literal["oauth", "api_key", "basic", "custom"]
    credentials: Annotated[dict[Slug, Key], Field(min_length=1, max_length=50)]

    def secrets(self) -> dict[str, Secret]:
        """By the provider's fields."""
        return _secrets(self.credentials)


def _secrets(given: Mapping[str, SecretStr]) -> dict[str, Secret]:
    return {name: Secret(value.get_secret_value()) for name, value in given.items()}


class ConnectedOut(Answer, frozen=True, kw_only=True):
    """An account that is connected now."""

    connection_id: str
    status: Shown
    connected_at: datetime


class ConnectionStateOut(Answer, frozen=True, kw_only=True):
    """How an integration's connection is."""

    connection_id: str
    status: Shown
    etag: str
    last_validated_at: datetime | msgspec.UnsetType = msgspec.UNSET
    validation_error: str | msgspec.UnsetType = msgspec.UNSET
    expires_at: datetime | msgspec.UnsetType = msgspec.UNSET


class RotatedOut(Answer, frozen=True, kw_only=True):
    """The credentials are replaced; `credentialSecretName` says where they lie, never what they are."""

    success: bool
    credential_secret_name: str
    updated_at: datetime
    overlap_until: datetime
    etag: str


class DisconnectedOut(Answer, frozen=True, kw_only=True):
    """The credentials are destroyed; `revoked` says how the platform took it."""

    success: bool
    disconnected_at: datetime
    revoked: str


@routes.post(
    "/{id}/connect/oauth",
    permission=MANAGE,
    limit="connection",
    response_model=ConsentOut,
    secret_fields=("authorizationUrl", "state"),
    summary="Begin a consent for an integration",
    errors=(IntegrationNotFound, UserScoped, *CONNECTING),
)
async def connect_oauth(scope: ScopeDep, id: str, body: StartConsent) -> Response:  # noqa: A002 - the path's name
    """Connect an integration that exists."""
    started = await starting.connect_integration(scope, id, return_url=body.return_url, keys=body.keys())
    if started.consent is None:
        raise WrongKind
    answer = document(ConsentOut(authorization_url=started.consent.link.reveal(), state=started.consent.state))
    return tied(scope, started, answer)


@routes.post(
    "/{id}/connect/api-key",
    permission=MANAGE,
    limit="connection",
    response_model=ConnectedOut,
    summary="Connect an integration with an API key",
    errors=_CONNECTING,
)
async def connect_key(scope: ScopeDep, id: str, body: ByKey) -> Response:  # noqa: A002 - as above
    """The key is tried before it is stored."""
    return await _connected(scope, id, body.secrets(), body.display_name)


@routes.post(
    "/{id}/connect/basic",
    permission=MANAGE,
    limit="connection",
    response_model=ConnectedOut,
    summary="Connect an integration with a user name and a password",
    errors=_CONNECTING,
)
async def connect_password(scope: ScopeDep, id: str, body: ByPassword) -> Response:  # noqa: A002 - as above
    """Both are tried before they are stored."""
    return await _connected(scope, id, body.secrets(), body.display_name)


@routes.post(
    "/{id}/connect/custom",
    permission=MANAGE,
    limit="connection",
    response_model=ConnectedOut,
    summary="Connect an integration with its provider's own credential fields",
    errors=_CONNECTING,
)
async def connect_fields(scope: ScopeDep, id: str, body: ByFields) -> Response:  # noqa: A002 - as above
    """They are tried before they are stored."""
    return await _connected(scope, id, body.secrets(), body.display_name)


@routes.get(
    "/{id}/connection",
    permission=MANAGE,
    limit="connection",
    response_model=ConnectionStateOut,
    summary="How an integration's connection is",
    errors=(IntegrationNotFound, ConnectionNotFound),
)
async def connection_state(scope: ScopeDep, id: str) -> Response:  # noqa: A002 - as above
    """The state of the credentials, never the credentials."""
    return document(_state(await starting.of_integration(scope, id)))


@routes.post(
    "/{id}/connection/test",
    permission=MANAGE,
    limit="connection",
    response_model=TrialOut,
    summary="Try an integration's credentials",
    errors=(IntegrationNotFound, ConnectionNotFound),
)
async def test(scope: ScopeDep, id: str) -> Response:  # noqa: A002 - as above
    """Make the cheapest call that proves them."""
    connection = await starting.of_integration(scope, id)
    return document(tried(await managing.test(scope, connection.id)))


@routes.patch(
    "/{id}/credentials",
    permission=MANAGE,
    limit="connection",
    response_model=RotatedOut,
    summary="Replace an integration's credentials",
    description="They are tried first, and belong to the same account. Calls under way finish with the old ones, which "
    "are also tried, until `overlapUntil`, where the platform does not know the new ones yet.",
    errors=(IntegrationNotFound, ConnectionNotFound, *ROTATING),
    if_changed=CredentialsChangedMeanwhile,
)
async def rotate(scope: ScopeDep, id: str, body: NewCredentials) -> Response:  # noqa: A002 - as above
    """The connection and its records stay."""
    connection = await starting.of_integration(scope, id)
    return rotated(await rotating.rotate(scope, connection, body.credential_type, body.secrets()))


def rotated(done: Rotated) -> Response:
    """What 002 answers to credentials that replaced others."""
    return document(
        RotatedOut(
            success=True,
            credential_secret_name=done.name,
            updated_at=done.at,
            overlap_until=done.overlap_until,
            etag=done.etag,
        )
    )


@routes.post(
    "/{id}/disconnect",
    permission=MANAGE,
    limit="connection",
    response_model=DisconnectedOut,
    summary="Disconnect an integration",
    errors=(IntegrationNotFound, ConnectionNotFound),
)
async def disconnect(scope: ScopeDep, id: str) -> Response:  # noqa: A002 - as above
    """Destroy our copy of the credentials, whatever the platform says."""
    connection = await starting.of_integration(scope, id)
    revoked = await managing.disconnect(scope, connection.id)
    return document(DisconnectedOut(success=True, disconnected_at=scope.now, revoked=revoked))


async def _connected(scope: Scope, integration_id: str, keys: dict[str, Secret], name: str | None) -> Response:
    """Connect; `name` is how the integration is called from then on."""
    if name is not None:
        await integrations.check_name(scope, integration_id, name)
    started = await starting.connect_integration(scope, integration_id, keys=keys)
    if name is not None:
        await integrations.change(scope, integration_id, {"name": name})
    return connected(started.connection)


def connected(connection: Connection) -> Response:
    """What 002 answers to credentials that were stored."""
    return document(
        ConnectedOut(
            connection_id=connection.id,
            status=CONNECTION_STATUS[connection.status],
            connected_at=connection.connected_at or connection.updated_at,
        )
    )


#: Why credentials that were never given do not work.
_UNFINISHED = "The consent has not been finished: open its authorizationUrl, or begin it again."


def _validated(connection: Connection) -> datetime | None:
    """When the far side said yes or no last; it is asked before credentials are stored, too."""
    asked = [at for at in (connection.last_tested_at, connection.connected_at) if at is not None]
    return max(asked, default=None)


def _state(connection: Connection) -> ConnectionStateOut:
    unfinished = _UNFINISHED if connection.status is Status.PENDING else None
    wrong = connection.status_reason or connection.test_error or unfinished
    return ConnectionStateOut(
        connection_id=connection.id,
        status=CONNECTION_STATUS[connection.status],
        etag=connection.etag,
        last_validated_at=_validated(connection) or msgspec.UNSET,
        validation_error=wrong or msgspec.UNSET,
        expires_at=connection.expires_at or msgspec.UNSET,
    )
