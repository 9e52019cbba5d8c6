"""`/api/webhooks/endpoints`."""

from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import Field, JsonValue, SecretStr
from starlette.responses import Response

from isthmus.features.webhooks_out.errors import (
    EndpointChangedMeanwhile,
    EndpointNotFound,
    TooManyEndpoints,
    WrongEndpoint,
)
from isthmus.features.webhooks_out.model import Condition, Draft, Endpoint
from isthmus.features.webhooks_out.routes.access import MANAGE, READ
from isthmus.features.webhooks_out.service import endpoints as service
from isthmus.features.webhooks_out.service.sending import Reply
from isthmus.http import Answer, PageDep, Routes, ScopeDep, Wire, created, document, no_content
from isthmus.kit.paging import Page
from isthmus.kit.secret import Secret

routes: Routes = Routes(prefix="/api/webhooks/endpoints", tag="Webhooks")
_DEADLINE = 25.0


class ConditionIn(Wire):
    """A test of one field of the message; all of an endpoint's tests must hold."""

    field: str = Field(max_length=200)
    operator: Literal["eq", "ne", "in", "exists", "prefix", "gt", "gte", "lt", "lte"] = "eq"
    value: JsonValue = None


class CreateEndpoint(Wire):
    """Where messages go, which ones, and how fast."""

    url: str = Field(max_length=2000)
    description: str = ""
    types: list[str] = Field(default_factory=list)
    conditions: list[ConditionIn] = Field(default_factory=list)
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    rate: int = 0
    concurrency: int = 10
    ordered: bool = False
    scheme: Literal["v1", "v1a"] = "v1"
    verify: bool = True


class ChangeEndpoint(Wire):
    """The fields to change; `headers` replaces all of them."""

    url: str | None = Field(default=None, max_length=2000)
    description: str | None = None
    types: list[str] | None = None
    conditions: list[ConditionIn] | None = None
    headers: dict[str, SecretStr] | None = None
    rate: int | None = None
    concurrency: int | None = None
    ordered: bool | None = None
    state: Literal["active", "paused"] | None = None


class RotateSecret(Wire):
    """How long the old secret signs beside the new one."""

    overlap_seconds: int | None = Field(default=None, ge=0, le=7 * 86_400)


class ConditionOut(Answer, frozen=True, kw_only=True):
    """A test of one field."""

    field: str
    operator: str
    value: Any


class HealthOut(Answer, frozen=True, kw_only=True):
    """How the endpoint fares."""

    state: str
    delivered: int
    failed: int
    success_rate: float | None
    latency_ms: int
    consecutive_failures: int
    failing_since: datetime | None
    last_success_at: datetime | None
    last_failure_at: datetime | None
    last_error: str | None
    stuck_head: bool


class EndpointOut(Answer, frozen=True, kw_only=True):
    """An endpoint; of its headers the names, of its secret nothing."""

    id: str
    url: str
    description: str
    types: list[str]
    conditions: list[ConditionOut]
    header_names: list[str]
    rate: int
    concurrency: int
    ordered: bool
    scheme: str
    public_key: str | None
    previous_secret_until: datetime | None
    state: str
    state_reason: str | None
    health: HealthOut
    created_at: datetime
    updated_at: datetime
    etag: str


class EndpointMade(Answer, frozen=True, kw_only=True):
    """An endpoint and its secret, which is shown this once; endpoints of scheme `v1a` have a public key instead."""

    endpoint: EndpointOut
    secret: str | None  # house: secret - it is shown once, by the route whose answer is never kept


class EndpointList(Answer, frozen=True, kw_only=True):
    """A page of endpoints."""

    items: list[EndpointOut]
    limit: int
    has_more: bool
    next_cursor: str | None = None


class TestOut(Answer, frozen=True, kw_only=True):
    """What a ping came to; `error` is a class: unreachable, tls, timeout, disconnected, bad_reply."""

    delivered: bool
    status: int | None
    error: str | None
    duration_ms: int | None
    response: str | None
    state: str


@routes.post(
    "",
    permission=MANAGE,
    limit="other",
    response_model=EndpointMade,
    summary="Make a webhook endpoint",
    status=201,
    errors=(WrongEndpoint, TooManyEndpoints),
    secret_fields=("secret",),
    deadline=_DEADLINE,
)
async def create_endpoint(scope: ScopeDep, body: CreateEndpoint) -> Response:
    """A signed ping is sent at once; until the endpoint answers it with a 2xx, its state is `unverified`."""
    draft = Draft(
        url=body.url,
        description=body.description,
        types=body.types,
        conditions=_conditions(body.conditions),
        rate=body.rate,
        concurrency=body.concurrency,
        ordered=body.ordered,
    )
    asymmetric = body.scheme == "v1a"
    made = await service.create(scope, draft, headers=_secrets(body.headers), asymmetric=asymmetric, verify=body.verify)
    return created(_made(made), location=f"/api/webhooks/endpoints/{made.endpoint.id}")


@routes.get("", permission=READ, limit="other", response_model=EndpointList, summary="Webhook endpoints")
async def list_endpoints(scope: ScopeDep, paging: PageDep) -> Response:
    """In the order of their making."""
    page = await service.listing(scope, paging.ask)
    return paging.listing("items", Page([_out(one) for one in page.items], page.next_after, None, page.has_more))


@routes.get(
    "/{id}",
    permission=READ,
    limit="other",
    response_model=EndpointOut,
    summary="One webhook endpoint",
    errors=(EndpointNotFound,),
)
async def get_endpoint(scope: ScopeDep, id: str) -> Response:  # noqa: A002 - the parameter's name on the wire
    """With its health."""
    return document(_out(await service.get(scope, id)))


@routes.patch(
    "/{id}",
    permission=MANAGE,
    limit="other",
    response_model=EndpointOut,
    summary="Change, pause or activate a webhook endpoint",
    errors=(EndpointNotFound, WrongEndpoint),
    if_changed=EndpointChangedMeanwhile,
    deadline=_DEADLINE,
)
async def change_endpoint(scope: ScopeDep, id: str, body: ChangeEndpoint) -> Response:  # noqa: A002 - as above
    """While it is paused its messages wait; a new address must answer a ping first."""
    changes = {name: value for name, value in body if value is not None and name != "headers"}
    if body.conditions is not None:
        changes["conditions"] = _conditions(body.conditions)
    headers = None if body.headers is None else _secrets(body.headers)
    return document(_out(await service.change(scope, id, changes, headers)))


@routes.delete(
    "/{id}",
    permission=MANAGE,
    limit="other",
    response_model=None,
    summary="Delete a webhook endpoint",
    status=204,
    errors=(EndpointNotFound,),
)
async def delete_endpoint(scope: ScopeDep, id: str) -> Response:  # noqa: A002 - as above
    """With its deliveries."""
    await service.delete(scope, id)
    return no_content()


@routes.post(
    "/{id}/rotate-secret",
    permission=MANAGE,
    limit="other",
    response_model=EndpointMade,
    summary="Give a webhook endpoint a new secret",
    errors=(EndpointNotFound, WrongEndpoint),
    secret_fields=("secret",),
)
async def rotate_secret(scope: ScopeDep, id: str, body: RotateSecret) -> Response:  # noqa: A002 - as above
    """Until the overlap ends, every message carries a signature of both."""
    overlap = None if body.overlap_seconds is None else timedelta(seconds=body.overlap_seconds)
    return document(_made(await service.rotate(scope, id, overlap)))


@routes.post(
    "/{id}/test",
    permission=MANAGE,
    limit="other",
    response_model=TestOut,
    summary="Send a ping to a webhook endpoint",
    errors=(EndpointNotFound,),
    deadline=_DEADLINE,
)
async def test_endpoint(scope: ScopeDep, id: str) -> Response:  # noqa: A002 - as above
    """Answers what came back; an unverified endpoint that answers a 2xx becomes active."""
    reply = await service.test(scope, id)
    return document(_tested(reply, (await service.get(scope, id)).state))


def _tested(reply: Reply, state: str) -> TestOut:
    outcome = reply.outcome
    return TestOut(
        delivered=outcome.delivered,
        status=outcome.status,
        error=outcome.error,
        duration_ms=reply.took_ms,
        response=None if reply.body is None else reply.body.decode("utf-8", "replace"),
        state=state,
    )


def _conditions(given: list[ConditionIn]) -> list[Condition]:
    return [Condition(one.field, one.operator, one.value) for one in given]


def _secrets(given: dict[str, SecretStr]) -> dict[str, Secret]:
    return {name: Secret(value.get_secret_value()) for name, value in given.items()}


def _made(made: service.Made) -> EndpointMade:
    return EndpointMade(endpoint=_out(made.endpoint), secret=made.secret.reveal() if made.secret else None)


def _out(one: Endpoint) -> EndpointOut:
    sent = one.delivered + one.failed
    health = HealthOut(
        state=one.health if one.state == "active" else one.state,
        delivered=one.delivered,
        failed=one.failed,
        success_rate=round(one.delivered / sent, 4) if sent else None,
        latency_ms=round(one.latency_ms),
        consecutive_failures=one.failures,
        failing_since=one.first_failure_at,
        last_success_at=one.last_success_at,
        last_failure_at=one.last_failure_at,
        last_error=one.last_error,
        stuck_head=one.ordered and one.failures > 0,
    )
    same = {name: getattr(one, name) for name in EndpointOut.__struct_fields__ if hasattr(one, name)}
    conditions = [ConditionOut(field=test.field, operator=test.operator, value=test.value) for test in one.conditions]
    previous = one.previous_until if one.previous_secret is not None else None
    return EndpointOut(**{**same, "health": health, "conditions": conditions}, previous_secret_until=previous)
