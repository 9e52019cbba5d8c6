"""`/api/merchants/{merchantId}/product-sync/{config,status,trigger,history,webhook}` of document 004."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Query, Request
from pydantic import Field, SecretStr
from starlette.responses import Response

from isthmus.features import access, records, sync
from isthmus.features.access import MerchantNotFound
from isthmus.features.connections import ConnectionNotFound
from isthmus.features.uploads.errors import ConfigChangedMeanwhile, NotConfigured, SyncIdle, WrongMapping
from isthmus.features.uploads.routes.shapes import MANAGE, READ, UploadOut, upload_out
from isthmus.features.uploads.service import configuring as service
from isthmus.features.uploads.service import history
from isthmus.features.uploads.service.configuring import Config
from isthmus.features.uploads.service.history import Turn, TurnFilter
from isthmus.http import PUBLIC, Answer, Moment, PageDep, Routes, ScopeDep, SystemDep, Wire, accepted, created, document
from isthmus.kit.errors import Unauthenticated
from isthmus.kit.paging import Ask, Page
from isthmus.kit.secret import Secret

_EVENTS = 4_194_304
_PRODUCT = {"id": "p1", "title": "Tea", "variants": [{"sku": "TEA-250", "price": "5.00", "currency": "USD"}]}
#: As Standard Webhooks writes an event; `data` holds a product, or a list of them.
_EVENT = {
    "type": ["object", "array"],
    "description": "An event, or a list of them; `data` is a product, or a list of them.",
    "examples": [{"type": "product.upserted", "timestamp": "2026-01-31T12:00:00Z", "data": _PRODUCT}],
}
_State = Literal["receiving", "queued", "running", "cancelling", "succeeded", "failed", "cancelled", "parked"]

routes = Routes(prefix="/api/merchants/{merchant_id}/product-sync", tag="Product sync", envelope=True)


class NewConfig(Wire):
    """Where products come from, and how; a `webhook` source gets a secret when none is given.

    `mapping` (or a saved one by `mappingId`) is for files that fit it and name no other; `onError: stop` writes nothing
    of a file with a bad row. `conflictRule` becomes the rule of every field of the connection.
    """

    enabled: bool = True
    source: Literal["connection", "upload", "webhook"]
    connection_id: str | None = None
    schedule: Annotated[str, Field(max_length=100)] | None = None
    mapping_id: str | None = None
    mapping: dict[str, Any] | None = None
    mode: Literal["full", "incremental"] = "incremental"
    on_error: Literal["continue", "stop"] = "continue"
    conflict_rule: Literal["marketplace", "local", "newest", "highest", "lowest", "manual"] | None = None
    webhook_secret: Annotated[SecretStr, Field(min_length=24, max_length=200)] | None = None


class ProductSyncConfigOut(Answer, frozen=True, kw_only=True):
    """The configuration; the secret is never shown again."""

    enabled: bool
    source: str
    connection_id: str | None
    schedule: str | None
    next_at: datetime | None
    mapping_id: str | None
    mapping: dict[str, Any] | None
    mode: str
    on_error: str
    conflict_rule: str | None
    has_secret: bool
    version: int
    created_at: datetime
    updated_at: datetime
    etag: str


class ShownConfig(ProductSyncConfigOut, frozen=True, kw_only=True):
    """The configuration with a secret that was made just now, which is shown this once."""

    webhook_secret: str | None  # house: secret - the answer that shows it once


class TurnOut(Answer, frozen=True, kw_only=True):
    """One time that products came: a `run` of the connection, or a file (`upload`)."""

    kind: str
    id: str
    state: str
    created: int
    updated: int
    unchanged: int
    failed: int
    error: dict[str, Any] | None
    requested_by: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class ProductSyncStatusOut(Answer, frozen=True, kw_only=True):
    """Whether products are synced, and the latest time they came."""

    configured: bool
    enabled: bool
    source: str | None
    running: bool
    last: TurnOut | None


class HistoryOut(Answer, frozen=True, kw_only=True):
    """A page of the times that products came, newest first."""

    items: list[TurnOut]
    limit: int
    has_more: bool
    offset: int | None = None
    next_offset: int | None = None
    next_cursor: str | None = None


@routes.post(
    "/config",
    permission=MANAGE,
    limit="other",
    response_model=ShownConfig,
    summary="Configure product sync",
    status=201,
    errors=(MerchantNotFound, WrongMapping, ConnectionNotFound, sync.NotReadable),
    if_changed=ConfigChangedMeanwhile,
    secret_fields=("webhookSecret",),
)
async def create_config(scope: ScopeDep, merchant_id: str, body: NewConfig) -> Response:
    """Sets the configuration, whether there was one or not."""
    access.check_merchant(scope, merchant_id)
    shown = await _configured(scope, body, replaces=False)
    return created(shown, location=f"/api/merchants/{merchant_id}/product-sync/config")


@routes.put(
    "/config",
    permission=MANAGE,
    limit="other",
    response_model=ShownConfig,
    summary="Replace the configuration of product sync",
    errors=(MerchantNotFound, NotConfigured, WrongMapping, ConnectionNotFound, sync.NotReadable),
    if_changed=ConfigChangedMeanwhile,
    secret_fields=("webhookSecret",),
)
async def replace_config(scope: ScopeDep, merchant_id: str, body: NewConfig) -> Response:
    """The secret stays when none is given."""
    access.check_merchant(scope, merchant_id)
    return document(await _configured(scope, body, replaces=True))


async def _configured(scope: ScopeDep, body: NewConfig, *, replaces: bool) -> ShownConfig:
    values = body.model_dump(exclude={"webhook_secret"}, by_alias=False)
    secret = None if body.webhook_secret is None else Secret(body.webhook_secret.get_secret_value())
    found, made = await service.configure(scope, Config(**values), secret, replaces=replaces)
    return ShownConfig(**_values(found), webhook_secret=None if made is None else made.reveal())


def _values(found: Config) -> dict[str, Any]:
    return {name: getattr(found, name) for name in ProductSyncConfigOut.__struct_fields__}


@routes.get(
    "/config",
    permission=READ,
    limit="other",
    response_model=ProductSyncConfigOut,
    summary="The configuration of product sync",
    errors=(MerchantNotFound, NotConfigured),
)
async def get_config(scope: ScopeDep, merchant_id: str) -> Response:
    """Without its secret."""
    access.check_merchant(scope, merchant_id)
    return document(ProductSyncConfigOut(**_values(await service.config(scope))))


@routes.get(
    "/status",
    permission=READ,
    limit="other",
    response_model=ProductSyncStatusOut,
    summary="The state of product sync",
    errors=(MerchantNotFound,),
)
async def get_status(scope: ScopeDep, merchant_id: str) -> Response:
    """What is set, and what came last."""
    access.check_merchant(scope, merchant_id)
    try:
        found: Config | None = await service.config(scope)
    except NotConfigured:
        found = None
    latest = (await history.history(scope, TurnFilter(), Ask(limit=1))).items
    last = _turn(latest[0]) if latest else None
    return document(
        ProductSyncStatusOut(
            configured=found is not None,
            enabled=found is not None and found.enabled,
            source=found.source if found else None,
            running=last is not None and last.finished_at is None,
            last=last,
        )
    )


@routes.post(
    "/trigger",
    permission=MANAGE,
    limit="other",
    response_model=TurnOut,
    summary="Sync products now",
    status=202,
    errors=(MerchantNotFound, NotConfigured, SyncIdle, sync.RunInProgress, records.StoreFull),
)
async def trigger(scope: ScopeDep, merchant_id: str) -> Response:
    """Reads the configured connection."""
    access.check_merchant(scope, merchant_id)
    return accepted(_turn(Turn(run=await service.trigger(scope))))


@routes.get(
    "/history",
    permission=READ,
    limit="other",
    response_model=HistoryOut,
    summary="When products came",
    errors=(MerchantNotFound,),
)
async def get_history(
    scope: ScopeDep,
    merchant_id: str,
    paging: PageDep,
    kind: Annotated[Literal["run", "upload"] | None, Query()] = None,
    state: Annotated[_State | None, Query()] = None,
    asked_from: Annotated[Moment | None, Query(alias="from")] = None,
    asked_to: Annotated[Moment | None, Query(alias="to")] = None,
) -> Response:
    """Runs of the connection and files, newest first; `from` and `to` are about the time they were asked for."""
    access.check_merchant(scope, merchant_id)
    page = await history.history(scope, TurnFilter(kind, state, asked_from, asked_to), paging.ask)
    shown = [_turn(one) for one in page.items]
    return paging.listing("items", Page(shown, next_after=page.next_after, has_more=page.has_more))


def _turn(turn: Turn) -> TurnOut:
    found = turn.run or turn.upload
    assert found is not None  # noqa: S101 - one of both is there
    error = None if found.error_code is None else {"code": found.error_code, "message": found.error_message}
    names = ("created", "updated", "unchanged", "failed", "requested_by", "created_at", "started_at", "finished_at")
    return TurnOut(
        kind="run" if turn.run else "upload",
        id=found.id,
        state=str(found.state),
        error=error,
        **{name: getattr(found, name) for name in names},
    )


@routes.post(
    "/webhook",
    permission=PUBLIC,
    limit="hook",
    response_model=UploadOut,
    summary="Take product events",
    raw_body={"application/json": _EVENT},
    status=202,
    open_query=True,
    body_cap=_EVENTS,
    errors=(Unauthenticated,),
)
async def take_events(system: SystemDep, merchant_id: str, request: Request) -> Response:
    """`product.upserted` and `product.deleted`, one or a list, signed by Standard Webhooks with the config's secret: in
    the headers `webhook-id`, `webhook-timestamp` and `webhook-signature`.
    """
    scope = system.scope(merchant_id, "product_sync")
    headers = {name: value for name, value in request.headers.items() if name.startswith("webhook-")}
    return accepted(upload_out(await service.take_events(scope, headers, await request.body()), scope.now))
