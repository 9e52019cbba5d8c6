"""Actions on orders over HTTP: ask for one or for many, see what became of them, decide what nobody can tell."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import Query
from pydantic import Field
from starlette.responses import Response

from isthmus.connect.abilities import ActionKind
from isthmus.features.catalog import PlanRequired
from isthmus.features.connections import IntegrationDisabled, ShardTypeForbidden
from isthmus.features.fulfilment import service
from isthmus.features.fulfilment.errors import (
    ActionInProgress,
    ActionMoved,
    ActionNotAllowed,
    ActionNotFound,
    ActionNotOffered,
    TooManyActions,
    WrongAction,
)
from isthmus.features.fulfilment.model import Item, OrderAction, State
from isthmus.features.fulfilment.service import ActionFilter, Asked, Refusal
from isthmus.features.orders import READ
from isthmus.http import Answer, PageDep, Routes, ScopeDep, Wire, accepted, document
from isthmus.kit.errors import NotFound
from isthmus.kit.paging import Ask, Page
from isthmus.kit.permissions import TENANT_ADMIN, permission

ACT = permission("orders:act", "Confirm, pack, ship, track and cancel orders at their marketplaces", TENANT_ADMIN)
routes = Routes(prefix="/api/orders", tag="Orders")
_ASKED = (ActionNotOffered, ActionInProgress, WrongAction, TooManyActions)
_Details = Annotated[
    dict[Annotated[str, Field(max_length=60)], Annotated[str, Field(min_length=1, max_length=500)]],
    Field(max_length=20, default_factory=dict, description="Such as `carrier`, `trackingNumber`, `warehouse`."),
]


class ActOnOrder(Wire):
    """What is to be done; `lines` are `externalId`s of the order's lines, all of them when left out."""

    action: ActionKind
    lines: Annotated[list[Annotated[str, Field(max_length=200)]], Field(max_length=1_000, default_factory=list)]
    reason: Annotated[str, Field(max_length=200, description="Why, where the marketplace wants to know.")] = ""
    details: _Details


class ActOnOrders(Wire):
    """The same with many orders, each as a whole."""

    action: ActionKind
    order_ids: Annotated[list[Annotated[str, Field(max_length=64)]], Field(min_length=1, max_length=1_000)]
    reason: Annotated[str, Field(max_length=200)] = ""
    details: _Details


class DismissAction(Wire):
    """What somebody saw at the marketplace."""

    happened: Annotated[bool, Field(description="Whether the marketplace has done it.")] = False


class ActionFault(Answer, frozen=True, kw_only=True):
    """Why an action ended or waits, in the marketplace's words where it has said something."""

    code: str
    message: str | None


class ActionItemOut(Answer, frozen=True, kw_only=True):
    """What became of one line or unit; `externalId` is the action's own id where the answer was one for all."""

    external_id: str
    result: str
    code: str
    reason: str


class ActionOut(Answer, frozen=True, kw_only=True):
    """An action; `done` and `failed` count lines or units. `parked` waits for the connection to be signed in to."""

    id: str
    order_id: str
    connection_id: str
    provider: str
    external_id: str
    number: str
    action: str
    lines: list[str]
    reason: str
    details: dict[str, str]
    state: str
    parked: bool
    retry_at: datetime | None
    attempts: int
    done: int
    failed: int
    error: ActionFault | None
    status_before: str
    status_after: str | None
    requested_by: str
    created_at: datetime
    finished_at: datetime | None
    changed_at: datetime


class ActionDetailOut(ActionOut, frozen=True, kw_only=True):
    """An action with its lines."""

    items: list[ActionItemOut]


class ActionList(Answer, frozen=True, kw_only=True):
    """A page of actions."""

    items: list[ActionOut]
    limit: int
    has_more: bool
    next_cursor: str | None = None


class BulkActionOut(Answer, frozen=True, kw_only=True):
    """One order of many: the action that was begun, or why none was."""

    order_id: str
    action: ActionOut | None
    error: ActionFault | None


class BulkActionsOut(Answer, frozen=True, kw_only=True):
    """Order by order, as they were named."""

    items: list[BulkActionOut]
    begun: int
    refused: int


class PossibleAction(Answer, frozen=True, kw_only=True):
    """What can be done with orders of this marketplace; `whyNot` is empty where it would be allowed now."""

    action: str
    allowed: bool
    why_not: str
    reasons: list[str]
    details: list[str]


class OrderActions(Answer, frozen=True, kw_only=True):
    """What can be done with an order, and what has been, newest first."""

    actions: list[PossibleAction]
    items: list[ActionOut]


@routes.post(
    "/{id}/push",
    permission=ACT,
    limit="other",
    response_model=ActionOut,
    summary="Act on an order",
    status=202,
    errors=(NotFound, ActionNotAllowed, IntegrationDisabled, PlanRequired, ShardTypeForbidden, *_ASKED),
)
async def push_order(scope: ScopeDep, id: str, body: ActOnOrder) -> Response:  # noqa: A002 - the path's own word
    """Done once, by a worker; `GET /api/orders/actions/{id}` and the events `order.action_*` tell how it ended."""
    asked = Asked(body.action, body.lines, body.reason, body.details)
    return accepted(_out(await service.push(scope, id, asked)))


@routes.get(
    "/{id}/actions",
    permission=READ,
    limit="other",
    response_model=OrderActions,
    summary="What can be done with an order",
    errors=(NotFound, IntegrationDisabled, PlanRequired, ShardTypeForbidden),
)
async def get_possible(scope: ScopeDep, id: str) -> Response:  # noqa: A002 - the path's own word
    """Judged by the order as it is stored; the marketplace itself has the last word."""
    found = await service.possible(scope, id)
    before = await service.actions(scope, ActionFilter(order_id=id), Ask(limit=20))
    shown = [
        PossibleAction(
            action=one.kind,
            allowed=not one.why_not,
            why_not=one.why_not,
            reasons=list(one.reasons),
            details=list(one.details),
        )
        for one in found
    ]
    return document(OrderActions(actions=shown, items=[_out(one) for one in before.items]))


@routes.post(
    "/actions",
    permission=ACT,
    limit="other",
    response_model=BulkActionsOut,
    summary="Act on many orders",
    status=202,
    errors=_ASKED,
)
async def push_orders(scope: ScopeDep, body: ActOnOrders) -> Response:
    """One action for each order, or the reason why there is none; the ones do not wait for the others."""
    asked = Asked(body.action, (), body.reason, body.details)
    answers = await service.push_many(scope, body.order_ids, asked)
    items = [_bulk(one) for one in answers]
    begun = sum(one.action is not None for one in items)
    return accepted(BulkActionsOut(items=items, begun=begun, refused=len(items) - begun))


@routes.get("/actions", permission=READ, limit="other", response_model=ActionList, summary="Actions, newest first")
async def list_actions(
    scope: ScopeDep,
    paging: PageDep,
    order_id: Annotated[str | None, Query(alias="orderId", max_length=64)] = None,
    connection_id: Annotated[str | None, Query(alias="connectionId", max_length=64)] = None,
    state: Annotated[State | None, Query()] = None,
    action: Annotated[ActionKind | None, Query()] = None,
) -> Response:
    """All, or those of one order, connection, state or kind; `state=unsure` are those that need a person."""
    page = await service.actions(scope, ActionFilter(order_id, connection_id, state, action), paging.ask)
    return paging.listing("items", Page([_out(one) for one in page.items], page.next_after, None, page.has_more))


@routes.get(
    "/actions/{action_id}",
    permission=READ,
    limit="other",
    response_model=ActionDetailOut,
    summary="One action",
    errors=(ActionNotFound,),
)
async def get_action(scope: ScopeDep, action_id: str) -> Response:
    """How it stands, and what became of each line."""
    return document(_detail(*await service.action(scope, action_id)))


@routes.post(
    "/actions/{action_id}/retry",
    permission=ACT,
    limit="other",
    response_model=ActionOut,
    summary="Do it once more",
    status=202,
    errors=(ActionNotFound, ActionMoved),
)
async def retry_action(scope: ScopeDep, action_id: str) -> Response:
    """What was refused, or what nobody could tell; of the latter the order is looked at before anything is sent."""
    return accepted(_out(await service.retry(scope, action_id)))


@routes.post(
    "/actions/{action_id}/cancel",
    permission=ACT,
    limit="other",
    response_model=ActionOut,
    summary="Take an action back",
    errors=(ActionNotFound, ActionMoved),
)
async def cancel_action(scope: ScopeDep, action_id: str) -> Response:
    """While it waits and nothing was sent."""
    return document(_out(await service.cancel(scope, action_id)))


@routes.post(
    "/actions/{action_id}/dismiss",
    permission=ACT,
    limit="other",
    response_model=ActionOut,
    summary="Decide an action in doubt",
    errors=(ActionNotFound, ActionMoved),
)
async def dismiss_action(scope: ScopeDep, action_id: str, body: DismissAction) -> Response:
    """After a look at the marketplace: whether it has happened."""
    return document(_out(await service.dismiss(scope, action_id, happened=body.happened)))


def _out(one: OrderAction) -> ActionOut:
    return ActionOut(**_shown(one))


def _detail(one: OrderAction, items: Sequence[Item]) -> ActionDetailOut:
    rows = [
        ActionItemOut(external_id=item.external_id, result=item.result, code=item.code, reason=item.reason)
        for item in items
    ]
    return ActionDetailOut(**_shown(one), items=rows)


def _shown(one: OrderAction) -> dict[str, Any]:
    same = {name: getattr(one, name) for name in ActionOut.__struct_fields__ if hasattr(one, name)}
    error = ActionFault(code=one.error_code, message=one.error_message) if one.error_code else None
    return {**same, "action": one.kind, "lines": list(one.lines), "details": dict(one.details), "error": error}


def _bulk(one: OrderAction | Refusal) -> BulkActionOut:
    if isinstance(one, OrderAction):
        return BulkActionOut(order_id=one.order_id, action=_out(one), error=None)
    fault = ActionFault(code=one.problem.code, message=one.problem.message)
    return BulkActionOut(order_id=one.order_id, action=None, error=fault)
