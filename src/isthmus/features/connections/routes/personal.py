"""One's own connections (document 002, User-Scoped Connection Endpoints)."""

from datetime import datetime

import msgspec
from starlette.responses import Response

from isthmus.features.connections.errors import (
    ConnectionNotFound,
    ConsentFailed,
    CredentialsChangedMeanwhile,
    IntegrationDisabled,
    IntegrationNotFound,
    NotForYou,
    NotUserScoped,
    PersonRequired,
    TicketRefused,
    WrongAccountGiven,
    WrongKind,
)
from isthmus.features.connections.model.connection import CONNECTION_STATUS, Connection, Shown, Status
from isthmus.features.connections.routes.own import CONNECTING, tied
from isthmus.features.connections.routes.shapes import OWN, ConsentOut, Redeem, StartConsent, TrialOut, tried
from isthmus.features.connections.routes.tenant import (
    ROTATING,
    ByFields,
    ByKey,
    ByPassword,
    ConnectedOut,
    DisconnectedOut,
    NewCredentials,
    RotatedOut,
    connected,
    rotated,
)
from isthmus.features.connections.service import finishing, starting
from isthmus.features.connections.service import personal as service
from isthmus.http import Answer, Routes, ScopeDep, document
from isthmus.kit.secret import Secret
from isthmus.scope import Scope

routes = Routes(prefix="/api/user/integrations", tag="Own connections")

_THERE = (PersonRequired, IntegrationNotFound, NotForYou)
_USED = (*_THERE, NotUserScoped, IntegrationDisabled)


class OwnOut(Answer, frozen=True, kw_only=True):
    """An integration that each person connects alone, and whether you have."""

    id: str
    name: str
    provider: str
    icon: str | None
    connected: bool
    status: Shown | msgspec.UnsetType = msgspec.UNSET


class OwnList(Answer, frozen=True, kw_only=True):
    """What you may connect."""

    integrations: list[OwnOut]


class OwnStateOut(Answer, frozen=True, kw_only=True):
    """How your own connection is."""

    connected: bool
    connection_id: str | msgspec.UnsetType = msgspec.UNSET
    status: Shown | msgspec.UnsetType = msgspec.UNSET
    last_connected_at: datetime | msgspec.UnsetType = msgspec.UNSET
    etag: str | msgspec.UnsetType = msgspec.UNSET


@routes.get(
    "",
    permission=OWN,
    limit="connection",
    response_model=OwnList,
    summary="What you may connect",
    errors=(PersonRequired,),
)
async def list_own(scope: ScopeDep) -> Response:
    """Integrations that each person connects alone."""
    rows = [
        OwnOut(
            id=one.integration.id,
            name=one.integration.name,
            provider=one.integration.provider,
            icon=one.integration.icon,
            connected=_is_on(one.connection),
            status=_status(one.connection),
        )
        for one in await service.own(scope)
    ]
    return document(OwnList(integrations=rows))


@routes.post(
    "/flows",
    permission=OWN,
    limit="connection",
    response_model=OwnStateOut,
    summary="Finish a consent for your own account that was given in another browser",
    description="Only the person that began the consent can redeem its ticket, once, within five minutes.",
    errors=(TicketRefused, ConsentFailed),
)
async def redeem(scope: ScopeDep, body: Redeem) -> Response:
    """Exchange the code behind a ticket."""
    settled = await finishing.redeem(scope, Secret(body.ticket.get_secret_value()))
    return document(_seen(await starting.get(scope, settled.connected[0])))


@routes.post(
    "/{id}/connect/oauth",
    permission=OWN,
    limit="connection",
    response_model=ConsentOut,
    secret_fields=("authorizationUrl", "state"),
    summary="Begin a consent for your own account",
    errors=(*_USED, *CONNECTING),
)
async def connect_oauth(scope: ScopeDep, id: str, body: StartConsent) -> Response:  # noqa: A002 - the path's name
    """Connect your own account."""
    started = await service.connect(scope, id, return_url=body.return_url, keys=body.keys())
    if started.consent is None:
        raise WrongKind
    answer = document(ConsentOut(authorization_url=started.consent.link.reveal(), state=started.consent.state))
    return tied(scope, started, answer)


@routes.post(
    "/{id}/connect/api-key",
    permission=OWN,
    limit="connection",
    response_model=ConnectedOut,
    summary="Connect your own account with an API key",
    errors=(*_USED, WrongAccountGiven, *CONNECTING),
)
async def connect_key(scope: ScopeDep, id: str, body: ByKey) -> Response:  # noqa: A002 - as above
    """The key is tried before it is stored."""
    return await _connected(scope, id, body.secrets())


@routes.post(
    "/{id}/connect/basic",
    permission=OWN,
    limit="connection",
    response_model=ConnectedOut,
    summary="Connect your own account with a user name and a password",
    errors=(*_USED, WrongAccountGiven, *CONNECTING),
)
async def connect_password(scope: ScopeDep, id: str, body: ByPassword) -> Response:  # noqa: A002 - as above
    """Both are tried before they are stored."""
    return await _connected(scope, id, body.secrets())


@routes.post(
    "/{id}/connect/custom",
    permission=OWN,
    limit="connection",
    response_model=ConnectedOut,
    summary="Connect your own account with its provider's credential fields",
    errors=(*_USED, WrongAccountGiven, *CONNECTING),
)
async def connect_fields(scope: ScopeDep, id: str, body: ByFields) -> Response:  # noqa: A002 - as above
    """They are tried before they are stored."""
    return await _connected(scope, id, body.secrets())


@routes.get(
    "/{id}/connection",
    permission=OWN,
    limit="connection",
    response_model=OwnStateOut,
    summary="How your own connection is",
    errors=_THERE,
)
async def own_state(scope: ScopeDep, id: str) -> Response:  # noqa: A002 - as above
    """Whether you are connected."""
    found = await service.state(scope, id)
    if found is None:
        return document(OwnStateOut(connected=False))
    return document(_seen(found))


@routes.post(
    "/{id}/connection/test",
    permission=OWN,
    limit="connection",
    response_model=TrialOut,
    summary="Try your own credentials",
    errors=(*_USED, ConnectionNotFound),
)
async def test(scope: ScopeDep, id: str) -> Response:  # noqa: A002 - as above
    """Make the cheapest call that proves them."""
    return document(tried(await service.test(scope, id)))


@routes.patch(
    "/{id}/credentials",
    permission=OWN,
    limit="connection",
    response_model=RotatedOut,
    summary="Replace your own credentials",
    description="They are tried first, and belong to the same account. Calls under way finish with the old ones, which "
    "are also tried, until `overlapUntil`, where the platform does not know the new ones yet.",
    errors=(*_USED, ConnectionNotFound, *ROTATING),
    if_changed=CredentialsChangedMeanwhile,
)
async def rotate(scope: ScopeDep, id: str, body: NewCredentials) -> Response:  # noqa: A002 - as above
    """Your connection stays."""
    return rotated(await service.rotate(scope, id, body.credential_type, body.secrets()))


@routes.post(
    "/{id}/disconnect",
    permission=OWN,
    limit="connection",
    response_model=DisconnectedOut,
    summary="Disconnect your own account",
    errors=(*_USED, ConnectionNotFound),
)
async def disconnect(scope: ScopeDep, id: str) -> Response:  # noqa: A002 - as above
    """Destroy our copy of your credentials, whatever the platform says."""
    revoked = await service.disconnect(scope, id)
    return document(DisconnectedOut(success=True, disconnected_at=scope.now, revoked=revoked))


async def _connected(scope: Scope, integration_id: str, keys: dict[str, Secret]) -> Response:
    return connected((await service.connect(scope, integration_id, keys=keys)).connection)


def _seen(found: Connection) -> OwnStateOut:
    return OwnStateOut(
        connected=_is_on(found),
        connection_id=found.id,
        status=_status(found),
        last_connected_at=found.connected_at or msgspec.UNSET,
        etag=found.etag,
    )


def _is_on(found: Connection | None) -> bool:
    return found is not None and found.status is Status.CONNECTED


def _status(found: Connection | None) -> Shown | msgspec.UnsetType:
    """002's four; a consent that is not finished has none."""
    if found is None or found.status is Status.PENDING:
        return msgspec.UNSET
    return CONNECTION_STATUS[found.status]
