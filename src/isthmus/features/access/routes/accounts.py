"""`/api/auth`: sign in with a built-in account, sign out, and who one is."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Query
from pydantic import Field, SecretStr
from starlette.requests import Request
from starlette.responses import Response

from isthmus.features.access.errors import (
    InvitationUnknown,
    ResetUnknown,
    SecondFactorRequired,
    SignInFailed,
    SignInTooSoon,
)
from isthmus.features.access.routes.members import MemberOut, out
from isthmus.features.access.service import accounts as service
from isthmus.features.access.service import resets, sessions
from isthmus.features.access.service.accounts import SignIn
from isthmus.http import (
    PUBLIC,
    Answer,
    FactsDep,
    Routes,
    ScopeDep,
    SystemDep,
    Wire,
    document,
    no_content,
    session_header,
    shown_credentials,
)
from isthmus.kit.permissions import SUPER_ADMIN, TENANT_ADMIN, USER, permission
from isthmus.kit.secret import Secret

OWN = permission("account:own", "See who you are, change your password, sign out.", SUPER_ADMIN, TENANT_ADMIN, USER)

routes = Routes(prefix="/api/auth", tag="Accounts")

Text = Annotated[str, Field(min_length=1, max_length=300)]
Password = Annotated[SecretStr, Field(max_length=1000)]


class SigningIn(Wire):
    """The tenant by its id or its slug, what its member knows, and a code where the account has a second factor."""

    tenant: Text
    email: Text
    password: Password
    code: Annotated[SecretStr, Field(max_length=20)] | None = None


class Accepting(Wire):
    """An invitation, and the password that its bearer wants."""

    invitation: Annotated[SecretStr, Field(max_length=300)]
    password: Password


class Resetting(Wire):
    """A reset, and the password that its bearer wants."""

    reset: Annotated[SecretStr, Field(max_length=300)]
    password: Password


class SessionOut(Answer, frozen=True, kw_only=True):
    """A session; `token` is sent as `Authorization: Bearer` and shown this once."""

    token: str  # house: secret - the answer that shows it once
    expires_at: datetime
    member: MemberOut


class PrincipalOut(Answer, frozen=True, kw_only=True):
    """Who the credentials of this request stand for; `provedAt` is when the person behind a session last proved it.

    `permissions` are those of an API key; what people may do follows from their `roles`.
    """

    id: str
    kind: str
    tenant_id: str
    roles: list[str]
    permissions: list[str]
    session_id: str | None
    proved_at: datetime | None


@routes.post(
    "/login",
    permission=PUBLIC,
    limit="login",
    response_model=SessionOut,
    summary="Sign in with a built-in account",
    errors=(SignInFailed, SignInTooSoon, SecondFactorRequired),
)
async def login(system: SystemDep, facts: FactsDep, body: SigningIn) -> Response:
    """Whatever is wrong is answered alike and after as much work; wrong tries from one network have to wait.

    For programs and command lines; pages of this server use `POST /api/auth/session`, whose token no script can read.
    """
    begun = await service.sign_in(system, facts, read_sign_in(body))
    return document(SessionOut(token=begun.shown.reveal(), expires_at=begun.until, member=out(begun.user)))


@routes.post(
    "/accept",
    permission=PUBLIC,
    limit="login",
    response_model=MemberOut,
    summary="Take an invitation up",
    errors=(InvitationUnknown,),
)
async def accept(system: SystemDep, facts: FactsDep, body: Accepting) -> Response:
    """Sets the password of the account that was made for the bearer; an invitation serves once."""
    invitation, said = (Secret(each.get_secret_value()) for each in (body.invitation, body.password))
    return document(out(await service.accept(system, facts, invitation, said)))


@routes.post(
    "/reset",
    permission=PUBLIC,
    limit="login",
    response_model=None,
    summary="Set your password anew",
    status=204,
    errors=(ResetUnknown,),
)
async def reset(system: SystemDep, facts: FactsDep, body: Resetting) -> Response:
    """With a reset that an admin of your tenant made; it serves once, and every session of yours ends."""
    bearer, said = (Secret(each.get_secret_value()) for each in (body.reset, body.password))
    await resets.reset_password(system, facts, bearer, said)
    return no_content()


@routes.get("/me", permission=OWN, limit="other", response_model=PrincipalOut, summary="Who you are")
async def me(scope: ScopeDep) -> Response:
    """The principal behind the token or key of this request."""
    who = scope.principal
    return document(
        PrincipalOut(
            id=who.id,
            kind=who.kind,
            tenant_id=who.tenant_id,
            roles=sorted(who.roles),
            permissions=sorted(who.permissions),
            session_id=who.session or None,
            proved_at=datetime.fromtimestamp(who.proved_at, UTC) if who.session and who.proved_at else None,
        )
    )


def read_sign_in(body: SigningIn) -> SignIn:
    """What was said to get in."""
    code = None if body.code is None else Secret(body.code.get_secret_value())
    return SignIn(body.tenant, body.email, Secret(body.password.get_secret_value()), code)


@routes.post("/logout", permission=OWN, limit="other", response_model=None, summary="Sign out", status=204)
async def logout(
    scope: ScopeDep,
    request: Request,
    everywhere: Annotated[bool, Query(description="False: end this session only.")] = True,
) -> Response:
    """Ends every session of yours, or this one, here within three seconds and everywhere within five."""
    shown = shown_credentials(dict(request.scope["headers"]))
    await sessions.sign_out(scope, None if everywhere else Secret(shown.text))
    answer = no_content()
    if shown.kind == "cookie":
        answer.headers.append("set-cookie", session_header(None))
    return answer
