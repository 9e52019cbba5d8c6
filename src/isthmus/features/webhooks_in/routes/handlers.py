"""Handlers over HTTP: what is to happen with deliveries besides reading what changed."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field
from starlette.responses import Response

from isthmus.features.webhooks_in.errors import (
    HandlerChangedMeanwhile,
    HandlerNotFound,
    SourceNotFound,
    TooManyHandlers,
)
from isthmus.features.webhooks_in.model.handling import OrderedBy
from isthmus.features.webhooks_in.routes.shapes import MANAGE, READ
from isthmus.features.webhooks_in.service import rules
from isthmus.http import Answer, PageDep, Routes, ScopeDep, Wire, created, document, no_content
from isthmus.kit.paging import Page

routes: Routes = Routes(prefix="/api/webhooks/handlers", tag="Webhooks in")
_Name = Annotated[str, Field(max_length=200)]
_Expression = Annotated[str, Field(max_length=2_000)]
_Priority = Annotated[int, Field(ge=0, le=1_000)]


class AddHandler(Wire):
    """Forwards deliveries whose event fits `pattern` to the tenant's endpoints, as `webhook.received`.

    `filter` and `transform` are JMESPath over the body; `retries` are seconds between attempts.
    """

    name: _Name = ""
    source_id: str | None = None
    pattern: _Name = "*"
    priority: _Priority = 100
    filter: _Expression | None = None
    transform: _Expression | None = None
    retries: list[float] | None = None
    ordered_by: OrderedBy | None = None
    paused: bool = False


class ChangeHandler(Wire):
    """What is to be changed; null takes a filter, a transformation, a schedule or an order away."""

    name: _Name = ""
    pattern: _Name = "*"
    priority: _Priority = 100
    filter: _Expression | None = None
    transform: _Expression | None = None
    retries: list[float] | None = None
    ordered_by: OrderedBy | None = None
    paused: bool = False


class HandlerOut(Answer, frozen=True, kw_only=True):
    """A handler."""

    id: str
    name: str
    action: str
    source_id: str | None
    pattern: str
    priority: int
    filter: str | None
    transform: str | None
    retries: list[float] | None
    ordered_by: str | None
    paused: bool
    created_at: datetime
    updated_at: datetime
    etag: str


class HandlerList(Answer, frozen=True, kw_only=True):
    """A page of handlers."""

    items: list[HandlerOut]
    limit: int
    has_more: bool
    next_cursor: str | None = None


def _out(row: Mapping[str, Any]) -> HandlerOut:
    same = {name: row[name] for name in HandlerOut.__struct_fields__ if name != "etag"}
    return HandlerOut(**same, etag=rules.etag_of(row))


@routes.post(
    "",
    permission=MANAGE,
    limit="other",
    response_model=HandlerOut,
    status=201,
    summary="Forward deliveries to endpoints",
    errors=(SourceNotFound, TooManyHandlers),
)
async def add_handler(scope: ScopeDep, body: AddHandler) -> Response:
    """It is told of what comes in from now on; replay what came before."""
    made = await rules.add(scope, body.model_dump(by_alias=False))
    return created(_out(made), location=f"/api/webhooks/handlers/{made['id']}")


@routes.get("", permission=READ, limit="other", response_model=HandlerList, summary="The handlers")
async def list_handlers(scope: ScopeDep, paging: PageDep) -> Response:
    """Oldest first. Reading what changed is built in and not among them."""
    page = await rules.handlers(scope, paging.ask)
    shown = Page([_out(one) for one in page.items], page.next_after, has_more=page.has_more)
    return paging.listing("items", shown)


@routes.get(
    "/{handler_id}",
    permission=READ,
    limit="other",
    response_model=HandlerOut,
    summary="One handler",
    errors=(HandlerNotFound,),
)
async def get_handler(scope: ScopeDep, handler_id: str) -> Response:
    """As it is now."""
    return document(_out(await rules.handler(scope, handler_id)))


@routes.patch(
    "/{handler_id}",
    permission=MANAGE,
    limit="other",
    response_model=HandlerOut,
    summary="Change, pause or resume a handler",
    errors=(HandlerNotFound,),
    if_changed=HandlerChangedMeanwhile,
)
async def change_handler(scope: ScopeDep, handler_id: str, body: ChangeHandler) -> Response:
    """What already waits is worked off as the handler is then."""
    return document(_out(await rules.change(scope, handler_id, body.model_dump(by_alias=False, exclude_unset=True))))


@routes.delete(
    "/{handler_id}",
    permission=MANAGE,
    limit="other",
    response_model=None,
    status=204,
    summary="Remove a handler",
    errors=(HandlerNotFound,),
)
async def remove_handler(scope: ScopeDep, handler_id: str) -> Response:
    """What it still had to do is dropped."""
    await rules.remove(scope, handler_id)
    return no_content()
