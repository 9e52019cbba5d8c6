"""Those routes of providers that need their connections: test, the deployment's own connection, deletion."""

from datetime import datetime

import msgspec
from starlette.responses import Response

from isthmus.features.catalog import ProviderInUse, ProviderNotFound, checked
from isthmus.features.catalog import provider as provider_of
from isthmus.features.connections.errors import ConnectionNotFound, WrongAccountGiven
from isthmus.features.connections.routes.own import CONNECTING, tied
from isthmus.features.connections.routes.shapes import ConnectStartedOut, Given, begun
from isthmus.features.connections.service import deployment
from isthmus.http import Answer, Routes, ScopeDep, document, no_content
from isthmus.kit.permissions import SUPER_ADMIN, permission
from isthmus.scope import Scope

OPERATE = permission("providers:operate", "Test providers, connect the deployment to them, delete them.", SUPER_ADMIN)
routes = Routes(prefix="/api/admin/integrations", tag="Providers")


class SystemTrialOut(Answer, frozen=True, kw_only=True):
    """002: how a test at system level went; `responseTime` is in milliseconds."""

    success: bool
    message: str
    error: str | msgspec.UnsetType = msgspec.UNSET
    tested_at: datetime
    response_time: int


class ProviderEndedOut(Answer, frozen=True, kw_only=True):
    """The deployment's connection is gone; `revoked` says how the platform took it."""

    success: bool
    disconnected_at: datetime
    revoked: str


@routes.post(
    "/{category}/{id}/test",
    permission=OPERATE,
    limit="provider",
    response_model=SystemTrialOut,
    summary="Test a provider at system level",
    errors=(ProviderNotFound,),
)
async def test(scope: ScopeDep, category: str, id: str) -> Response:  # noqa: A002 - the path's name
    """With the deployment's own connection; without one, whether the provider can be reached."""
    await _check(scope, category, id)
    trial = await deployment.test(scope, id)
    return document(
        SystemTrialOut(
            success=trial.success,
            message=trial.message,
            error=msgspec.UNSET if trial.error is None else trial.error,
            tested_at=trial.tested_at,
            response_time=round(trial.seconds * 1000),
        )
    )


@routes.post(
    "/{category}/{id}/connection",
    permission=OPERATE,
    limit="provider",
    response_model=ConnectStartedOut,
    secret_fields=("authorizationUrl", "state"),
    status=201,
    summary="Connect the deployment to a provider",
    errors=(WrongAccountGiven, *CONNECTING),
)
async def connect(scope: ScopeDep, category: str, id: str, body: Given) -> Response:  # noqa: A002 - as above
    """One connection of the deployment, for calls of the app itself; a second call gives it new credentials."""
    await _check(scope, category, id)
    started = await deployment.connect(scope, id, keys=body.keys(), return_url=body.return_url)
    return tied(scope, started, document(begun(started), status=201))


@routes.delete(
    "/{category}/{id}/connection",
    permission=OPERATE,
    limit="provider",
    response_model=ProviderEndedOut,
    summary="Disconnect the deployment from a provider",
    errors=(ProviderNotFound, ConnectionNotFound),
)
async def disconnect(scope: ScopeDep, category: str, id: str) -> Response:  # noqa: A002 - as above
    """Destroy our copy of the credentials, whatever the platform says."""
    await _check(scope, category, id)
    revoked = await deployment.disconnect(scope, id)
    return document(ProviderEndedOut(success=True, disconnected_at=scope.now, revoked=revoked))


@routes.delete(
    "/{category}/{id}",
    permission=OPERATE,
    limit="provider",
    response_model=None,
    status=204,
    summary="Delete a provider",
    errors=(ProviderNotFound, ProviderInUse),
)
async def delete(scope: ScopeDep, category: str, id: str) -> Response:  # noqa: A002 - as above
    """Refused while integrations use it, unless its status is `deprecated`; their connections then go on."""
    await deployment.remove_provider(scope, id, category)
    return no_content()


async def _check(scope: Scope, category: str, id_: str) -> None:
    checked(await provider_of(scope, id_, hidden=True), category)
