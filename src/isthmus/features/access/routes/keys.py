"""`/api/merchants/{merchantId}/api-keys`, in the envelope of the merchant families."""

from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import Field, SecretStr
from starlette.responses import Response

from isthmus.features.access.errors import (
    KeyExceedsCreator,
    KeyNotActive,
    KeyNotFound,
    MerchantNotFound,
    TooManyKeys,
)
from isthmus.features.access.model.keys import MANAGE as MANAGE_NAME
from isthmus.features.access.model.keys import ApiKey, KeyStatus, Mode
from isthmus.features.access.service import keys as service
from isthmus.features.access.service.keys import Made
from isthmus.http import (
    PUBLIC,
    Answer,
    FactsDep,
    Moment,
    PageDep,
    Routes,
    ScopeDep,
    SystemDep,
    Wire,
    created,
    document,
    no_content,
)
from isthmus.kit.paging import Page
from isthmus.kit.permissions import TENANT_ADMIN, permission
from isthmus.kit.secret import Secret

MANAGE = permission(MANAGE_NAME, "See, make, rotate and revoke API keys.", TENANT_ADMIN)

routes = Routes(prefix="/api/merchants/{merchant_id}/api-keys", tag="API keys", envelope=True)
reports = Routes(prefix="/api/keys", tag="API keys")


class NewKey(Wire):
    """The key that is wanted; `permissions` are some of those that its maker holds.

    A `publishable` key is for pages of the `origins` that it names, whose visitors can read it.
    """

    name: str
    permissions: Annotated[list[str], Field(max_length=100)]
    mode: Mode = Mode.LIVE
    expires_at: Moment | None = None
    origins: Annotated[list[Annotated[str, Field(max_length=300)]], Field(max_length=50)] | None = None
    per_minute: int | None = None
    revoke_when_found: bool = False


class FoundKey(Wire):
    """The text that was found."""

    key: Annotated[SecretStr, Field(min_length=1, max_length=300)]


class Rotation(Wire):
    """How long both keys open; 24 hours if not given."""

    overlap_seconds: Annotated[int, Field(ge=0, le=31_622_400)] | None = None


class KeyOut(Answer, frozen=True, kw_only=True):
    """A key as it may be shown at any time: by its beginning and its end."""

    id: str
    name: str
    mode: Mode
    status: KeyStatus
    prefix: str
    last4: str
    permissions: list[str]
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None
    replaced_by: str | None
    origins: list[str]
    per_minute: int | None
    found_at: datetime | None
    revoke_when_found: bool


class ShownKey(KeyOut, frozen=True, kw_only=True):
    """A new key with `key`, which is shown this once; a repeated Idempotency-Key answers without it."""

    key: str


class KeyList(Answer, frozen=True, kw_only=True):
    """The newest keys first."""

    items: list[KeyOut]
    limit: int
    has_more: bool
    offset: int | None = None
    next_offset: int | None = None
    next_cursor: str | None = None


@routes.post(
    "",
    permission=MANAGE,
    limit="other",
    response_model=ShownKey,
    summary="Make an API key",
    status=201,
    errors=(MerchantNotFound, KeyExceedsCreator, TooManyKeys),
    secret_fields=("key",),
)
async def create_key(scope: ScopeDep, merchant_id: str, body: NewKey) -> Response:
    """The key is shown in this answer and never again; it is sent as `X-API-Key`.

    A publishable one opens the routes for foreign pages only, to the pages it names, as often as `perMinute` says.
    """
    service.check_merchant(scope, merchant_id)
    names = ("name", "permissions", "mode", "expires_at", "origins", "per_minute", "revoke_when_found")
    given = {name: getattr(body, name) for name in names if getattr(body, name) is not None}
    wanted = service.Wanted(**given)
    return _revealed(scope, await service.create_key(scope, wanted))


@routes.get(
    "", permission=MANAGE, limit="other", response_model=KeyList, summary="API keys", errors=(MerchantNotFound,)
)
async def list_keys(scope: ScopeDep, merchant_id: str, paging: PageDep) -> Response:
    """Live, expired and revoked keys of the merchant; never the keys themselves."""
    service.check_merchant(scope, merchant_id)
    page = await service.keys(scope, paging.ask)
    shown = [_out(one, scope.now) for one in page.items]
    return paging.listing("items", Page(shown, next_after=page.next_after, has_more=page.has_more))


@routes.get(
    "/{id}",
    permission=MANAGE,
    limit="other",
    response_model=KeyOut,
    summary="One API key",
    errors=(MerchantNotFound, KeyNotFound),
)
async def get_key(scope: ScopeDep, merchant_id: str, id: str) -> Response:  # noqa: A002 - the parameter's name on the wire
    """What the key may do, how long, and when it was last used."""
    service.check_merchant(scope, merchant_id)
    return document(_out(await service.key(scope, id), scope.now))


@routes.delete(
    "/{id}",
    permission=MANAGE,
    limit="other",
    response_model=None,
    summary="Revoke an API key",
    status=204,
    errors=(MerchantNotFound, KeyNotFound),
)
async def revoke_key(scope: ScopeDep, merchant_id: str, id: str) -> Response:  # noqa: A002 - as above
    """Every process refuses the key within five seconds; it stays in the list as revoked."""
    service.check_merchant(scope, merchant_id)
    await service.revoke_key(scope, id)
    return no_content()


@reports.post(
    "/found",
    permission=PUBLIC,
    limit="login",
    response_model=None,
    summary="Tell of a key that you found",
    status=202,
)
async def report_found(system: SystemDep, facts: FactsDep, body: FoundKey) -> Response:
    """For everybody who finds a key where it does not belong, such as in a repository. The answer is the same whatever
    it is; when it is a live key its owner is told at once.
    """
    await service.report_found(system, facts, Secret(body.key.get_secret_value()))
    return Response(status_code=202)


@routes.post(
    "/{id}/rotate",
    permission=MANAGE,
    limit="other",
    response_model=ShownKey,
    summary="Replace an API key",
    status=201,
    errors=(MerchantNotFound, KeyNotFound, KeyNotActive, KeyExceedsCreator, TooManyKeys),
    secret_fields=("key",),
)
async def rotate_key(scope: ScopeDep, merchant_id: str, id: str, body: Rotation) -> Response:  # noqa: A002 - as above
    """A new key with the same permissions; the old one opens until the overlap ends."""
    service.check_merchant(scope, merchant_id)
    overlap = None if body.overlap_seconds is None else timedelta(seconds=body.overlap_seconds)
    return _revealed(scope, await service.rotate_key(scope, id, overlap))


def _out(one: ApiKey, now: datetime) -> KeyOut:
    return KeyOut(**_fields(one, now))


def _revealed(scope: ScopeDep, made: Made) -> Response:
    place = f"/api/merchants/{scope.tenant_id}/api-keys/{made.key.id}"
    return created(ShownKey(**_fields(made.key, scope.now), key=made.shown.reveal()), location=place)


def _fields(one: ApiKey, now: datetime) -> dict[str, Any]:
    names = set(KeyOut.__struct_fields__) - {"status", "permissions", "origins"}
    return {
        **{name: getattr(one, name) for name in names},
        "status": one.status(now),
        "permissions": list(one.permissions),
        "origins": list(one.origins),
    }
