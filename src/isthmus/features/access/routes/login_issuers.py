"""`/api/admin/login-issuers`: the issuers that people sign in at, for the deployment's super admins (OA-19)."""

from datetime import datetime
from typing import Annotated

from fastapi import Path
from pydantic import Field, SecretStr
from starlette.responses import Response

from isthmus.features.access.errors import (
    IssuerGiven,
    IssuerTaken,
    LoginIssuerChangedMeanwhile,
    LoginNotFound,
    TooManyIssuers,
)
from isthmus.features.access.model.login_issuers import KeptIssuer
from isthmus.features.access.service import login_issuers as service
from isthmus.features.access.service.issuing import Logins
from isthmus.features.access.service.login_issuers import Changes, NewIssuer
from isthmus.features.access.settings import GivenLogin
from isthmus.http import Answer, Routes, ScopeDep, Wire, created, document, no_content
from isthmus.kit.errors import Invalid
from isthmus.kit.permissions import SUPER_ADMIN, permission
from isthmus.kit.secret import Secret
from isthmus.scope import Scope

MANAGE = permission(
    "login_issuers:manage", "Add, try, change and remove the issuers that people sign in at.", SUPER_ADMIN
)

routes = Routes(prefix="/api/admin/login-issuers", tag="Accounts")

IssuerName = Annotated[str, Path(examples=["company"])]
ClientId = Annotated[str, Field(min_length=1, max_length=500)]
ClientSecret = Annotated[SecretStr, Field(min_length=1, max_length=2000)]
Label = Annotated[str, Field(max_length=100)]
Algorithms = Annotated[list[Annotated[str, Field(max_length=20)]], Field(min_length=1, max_length=6)]


class NewLoginIssuer(Wire):
    """An issuer as its ID tokens name it, and what it knows us by. `name` stands in addresses and never changes; nor
    does `issuer`. Where people sign in there is what the issuer's discovery document says.
    """

    name: Annotated[str, Field(min_length=1, max_length=40)]
    issuer: Annotated[str, Field(min_length=1, max_length=500)]
    client_id: ClientId
    client_secret: ClientSecret | None = None
    label: Label | None = None
    algorithms: Algorithms = Field(default_factory=lambda: ["RS256"])


class ChangedLoginIssuer(Wire):
    """What is to be other; what is left out stays. `clientSecret: null` takes the secret away."""

    client_id: ClientId | None = None
    client_secret: ClientSecret | None = None
    label: Label | None = None
    algorithms: Algorithms | None = None


class LoginIssuerOut(Answer, frozen=True, kw_only=True):
    """An issuer that people sign in at. The client secret is never shown.

    `redirectUri` is what the issuer has to know. One of the environment (`readOnly`) is changed on the machine only.
    """

    name: str
    issuer: str
    label: str
    client_id: str
    has_secret: bool
    algorithms: list[str]
    redirect_uri: str
    read_only: bool
    created_by: str | None
    created_at: datetime | None
    updated_at: datetime | None
    etag: str | None


class LoginIssuerList(Answer, frozen=True, kw_only=True):
    """Those of the environment first."""

    items: list[LoginIssuerOut]


class TriedIssuerOut(Answer, frozen=True, kw_only=True):
    """What its discovery document says, or why it says nothing."""

    success: bool
    problem: str | None
    #: Milliseconds.
    response_time: int
    authorization_endpoint: str | None
    token_endpoint: str | None
    jwks_uri: str | None


@routes.get(
    "", permission=MANAGE, limit="other", response_model=LoginIssuerList, summary="Issuers that people sign in at"
)
async def list_issuers(scope: ScopeDep) -> Response:
    """Those of the environment, and those that were added here."""
    return document(LoginIssuerList(items=[_out(scope, one) for one in await service.login_issuers(scope)]))


@routes.post(
    "",
    permission=MANAGE,
    limit="other",
    response_model=LoginIssuerOut,
    summary="Let people sign in at another issuer",
    status=201,
    errors=(IssuerTaken, TooManyIssuers),
    step_up=True,
)
async def add_issuer(scope: ScopeDep, body: NewLoginIssuer) -> Response:
    """Nobody has a login there yet: invitations and members' own doing make them. It is not asked before it is tried
    or somebody signs in.
    """
    wanted = NewIssuer(
        name=body.name,
        issuer=body.issuer,
        client_id=body.client_id,
        client_secret=_secret(body.client_secret),
        label=body.label,
        algorithms=body.algorithms,
    )
    return created(_out(scope, await service.add_issuer(scope, wanted)))


@routes.get(
    "/{name}",
    permission=MANAGE,
    limit="other",
    response_model=LoginIssuerOut,
    summary="An issuer that people sign in at",
    errors=(LoginNotFound,),
)
async def get_issuer(scope: ScopeDep, name: IssuerName) -> Response:
    """By its name."""
    return document(_out(scope, await service.login_issuer(scope, name)))


@routes.patch(
    "/{name}",
    permission=MANAGE,
    limit="other",
    response_model=LoginIssuerOut,
    summary="Change an issuer that people sign in at",
    errors=(LoginNotFound, IssuerGiven),
    if_changed=LoginIssuerChangedMeanwhile,
    step_up=True,
)
async def change_issuer(scope: ScopeDep, name: IssuerName, body: ChangedLoginIssuer) -> Response:
    """Its label, and what it knows us by; a login that is under way ends with what it was begun with or fails."""
    return document(_out(scope, await service.change_issuer(scope, name, _changes(body))))


@routes.delete(
    "/{name}",
    permission=MANAGE,
    limit="other",
    response_model=None,
    summary="Remove an issuer that people sign in at",
    status=204,
    errors=(LoginNotFound, IssuerGiven),
    step_up=True,
)
async def remove_issuer(scope: ScopeDep, name: IssuerName) -> Response:
    """Nobody signs in there from now on; sessions go on. Logins stay with their members, and open again where the same
    issuer is added again.
    """
    await service.remove_issuer(scope, name)
    return no_content()


@routes.post(
    "/{name}/test",
    permission=MANAGE,
    limit="other",
    response_model=TriedIssuerOut,
    summary="Try an issuer that people sign in at",
    errors=(LoginNotFound,),
)
async def try_issuer(scope: ScopeDep, name: IssuerName) -> Response:
    """Fetches its discovery document now; nobody is signed in, and client id and secret are not tried by it."""
    tried = await service.try_issuer(scope, name)
    found = tried.endpoints
    return document(
        TriedIssuerOut(
            success=found is not None,
            problem=tried.problem or None,
            response_time=round(tried.seconds * 1000),
            authorization_endpoint=found.authorize if found else None,
            token_endpoint=found.exchange if found else None,
            jwks_uri=found.jwks if found else None,
        )
    )


def _changes(body: ChangedLoginIssuer) -> Changes:
    """What was said; only a secret and a label can be taken away."""
    said, changes = body.model_fields_set, Changes()
    for name in ("client_id", "algorithms"):
        if name in said and getattr(body, name) is None:
            raise Invalid.field("clientId" if name == "client_id" else name, "This cannot be taken away.")
    if body.client_id is not None:
        changes["client_id"] = body.client_id
    if body.algorithms is not None:
        changes["algorithms"] = body.algorithms
    if "label" in said:
        changes["label"] = body.label
    if "client_secret" in said:
        changes["client_secret"] = _secret(body.client_secret)
    return changes


def _secret(given: SecretStr | None) -> Secret | None:
    return None if given is None else Secret(given.get_secret_value())


def _out(scope: Scope, one: GivenLogin | KeptIssuer) -> LoginIssuerOut:
    kept = one if isinstance(one, KeptIssuer) else None
    return LoginIssuerOut(
        name=one.name,
        issuer=one.issuer,
        label=one.label,
        client_id=one.client_id,
        has_secret=(one.sealed if isinstance(one, KeptIssuer) else one.client_secret) is not None,
        algorithms=list(one.algorithms),
        redirect_uri=scope.part(Logins).redirect(one.name),
        read_only=kept is None,
        created_by=kept.created_by if kept else None,
        created_at=kept.created_at if kept else None,
        updated_at=kept.updated_at if kept else None,
        etag=kept.etag if kept else None,
    )
