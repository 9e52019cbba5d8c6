"""`/api/auth/session` and what keeps a session worth something: sessions in browsers, fresh proofs, second factors."""

import math
from datetime import datetime
from typing import Annotated

from pydantic import Field, SecretStr
from starlette.requests import Request
from starlette.responses import Response

from isthmus.features.access.errors import (
    FactorNeeded,
    FactorPresent,
    MemberNotFound,
    NoPerson,
    NoSecondFactor,
    NoSession,
    ProofElsewhere,
    SecondFactorRequired,
    SessionEnded,
    SignInFailed,
    SignInTooSoon,
)
from isthmus.features.access.model.sessions import Kind
from isthmus.features.access.routes.accounts import OWN, Password, SigningIn, read_sign_in
from isthmus.features.access.routes.members import MemberOut, out
from isthmus.features.access.service import accounts, factors, sessions
from isthmus.features.access.service.sessions import Proof
from isthmus.http import (
    PUBLIC,
    Answer,
    CrossSite,
    FactsDep,
    Routes,
    ScopeDep,
    SystemDep,
    Wire,
    check_own_page,
    created,
    document,
    no_content,
    session_cookie,
    session_header,
    shown_credentials,
)
from isthmus.kit.secret import Secret

routes = Routes(prefix="/api/auth", tag="Accounts")

Code = Annotated[SecretStr, Field(min_length=1, max_length=20)]


class Proving(Wire):
    """The password, or a code of the second factor."""

    password: Annotated[SecretStr, Field(max_length=1000)] | None = None
    code: Code | None = None


class Confirming(Wire):
    """The code that the authenticator app shows now."""

    code: Code


class Changing(Wire):
    """The password, and the one that takes its place."""

    current: Password
    wanted: Password


class BrowserSessionOut(Answer, frozen=True, kw_only=True):
    """A session whose token is in the cookie that came with this answer, and nowhere else."""

    expires_at: datetime
    member: MemberOut | None


class ProvedOut(Answer, frozen=True, kw_only=True):
    """A session goes on; `token` is null where it is in the cookie that came with this answer."""

    token: str | None  # house: secret - the answer that shows it once


class EnrolmentOut(Answer, frozen=True, kw_only=True):
    """What an authenticator app is given: by hand, or as a QR code of `address`. Shown this once."""

    secret: str  # house: secret - the answer that shows it once
    address: str


@routes.post(
    "/session",
    permission=PUBLIC,
    limit="login",
    response_model=BrowserSessionOut,
    summary="Sign in in a browser",
    status=201,
    errors=(SignInFailed, SignInTooSoon, SecondFactorRequired, CrossSite),
)
async def begin(system: SystemDep, facts: FactsDep, request: Request, body: SigningIn) -> Response:
    """For pages of this server only: the session is a cookie that no script can read and no other page can use.
    A session that the browser has already ends.
    """
    before = _before(request)
    begun = await accounts.sign_in(system, facts, read_sign_in(body), Kind.COOKIE, before)
    answer = created(BrowserSessionOut(expires_at=begun.until, member=out(begun.user)))
    return _put(answer, begun.shown, (begun.until - system.now).total_seconds())


@routes.post(
    "/session/token",
    permission=OWN,
    limit="other",
    response_model=BrowserSessionOut,
    summary="Begin a session in a browser with an issuer's token",
    status=201,
    errors=(NoPerson,),
)
async def begin_with_token(scope: ScopeDep, request: Request) -> Response:
    """Send the token as `Authorization: Bearer`. The session has the token's roles and lives at most twelve hours; what
    takes a fresh proof goes by the token's `auth_time`, so sign in at the issuer anew and come back for it.
    """
    begun = await sessions.begin_with_token(scope, _before(request))
    answer = created(BrowserSessionOut(expires_at=begun.until, member=None))
    return _put(answer, begun.shown, (begun.until - scope.now).total_seconds())


@routes.post(
    "/step-up",
    permission=OWN,
    limit="other",
    response_model=ProvedOut,
    summary="Prove anew who you are",
    errors=(NoSession, SessionEnded, ProofElsewhere, SignInFailed, SignInTooSoon, SecondFactorRequired),
    step_up=False,
    secret_fields=("token",),
)
async def step_up(scope: ScopeDep, request: Request, body: Proving) -> Response:
    """With the password or a code of the second factor. For ten minutes the session may do what is dangerous; it has
    another token from now on.
    """
    proof = Proof(said=_secret(body.password), code=_secret(body.code))
    return _renewed(request, await sessions.prove(scope, _shown(request), proof))


@routes.post(
    "/password",
    permission=OWN,
    limit="other",
    response_model=ProvedOut,
    summary="Change your password",
    errors=(SignInFailed, SignInTooSoon, MemberNotFound),
    secret_fields=("token",),
)
async def change_password(scope: ScopeDep, request: Request, body: Changing) -> Response:
    """You stay signed in here, under another token; every other session of yours ends."""
    current, wanted = (Secret(each.get_secret_value()) for each in (body.current, body.wanted))
    fresh = await accounts.change_password(scope, current, wanted, _shown(request))
    return document(ProvedOut(token=None)) if fresh is None else _renewed(request, fresh)


@routes.post(
    "/second-factor",
    permission=OWN,
    limit="other",
    response_model=EnrolmentOut,
    summary="Get a second factor",
    status=201,
    errors=(MemberNotFound, FactorPresent),
    secret_fields=("secret", "address"),
)
async def offer_factor(scope: ScopeDep) -> Response:
    """For an authenticator app (RFC 6238). It counts from `POST /api/auth/second-factor/confirm` on."""
    made = await factors.offer_factor(scope)
    return created(EnrolmentOut(secret=made.shown.reveal(), address=made.address.reveal()))


@routes.post(
    "/second-factor/confirm",
    permission=OWN,
    limit="other",
    response_model=ProvedOut,
    summary="Confirm the second factor",
    errors=(NoSession, SessionEnded, NoSecondFactor, FactorPresent, SignInFailed, SignInTooSoon),
    step_up=False,
    secret_fields=("token",),
)
async def confirm_factor(scope: ScopeDep, request: Request, body: Confirming) -> Response:
    """Every sign-in asks for a code from now on. The session has another token."""
    return _renewed(request, await factors.confirm_factor(scope, _shown(request), Secret(body.code.get_secret_value())))


@routes.delete(
    "/second-factor",
    permission=OWN,
    limit="other",
    response_model=None,
    summary="Take your second factor away",
    status=204,
    errors=(MemberNotFound, NoSecondFactor, FactorNeeded),
    step_up=True,
)
async def remove_factor(scope: ScopeDep) -> Response:
    """Every session of yours ends. Super admins may not be without one."""
    await factors.remove_factor(scope, scope.principal.subject)
    return no_content()


def _before(request: Request) -> Secret | None:
    """The session that the browser has now. Raises CrossSite for what no page of ours sends (SE-08)."""
    headers = dict(request.scope["headers"])
    check_own_page(request.method, headers)
    kept = session_cookie(headers)
    return None if kept is None else Secret(kept.decode("latin-1"))


def _shown(request: Request) -> Secret:
    return Secret(shown_credentials(dict(request.scope["headers"])).text)


def _renewed(request: Request, fresh: Secret) -> Response:
    """The session's other token goes where the first one came from."""
    if shown_credentials(dict(request.scope["headers"])).kind != "cookie":
        return document(ProvedOut(token=fresh.reveal()))
    return _put(document(ProvedOut(token=None)), fresh, None)


def _put(answer: Response, shown: Secret, seconds: float | None) -> Response:
    answer.headers.append("set-cookie", session_header(shown, None if seconds is None else math.ceil(seconds)))
    return answer


def _secret(given: SecretStr | None) -> Secret | None:
    return None if given is None else Secret(given.get_secret_value())
