"""Functions of services over HTTP: which ones are planned for, whether a running process has them, and their end."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from starlette.responses import Response

from isthmus.features.webhooks_in.errors import FunctionNotFound
from isthmus.features.webhooks_in.routes.shapes import MANAGE, READ
from isthmus.features.webhooks_in.service import offering
from isthmus.http import Answer, PageDep, Routes, ScopeDep, document, no_content
from isthmus.kit.paging import Page

routes: Routes = Routes(prefix="/api/webhooks/functions", tag="Webhooks in")


class FunctionOut(Answer, frozen=True, kw_only=True):
    """A function that a service registered; `waiting` counts what it still has to do, a thousand at most.

    `offered`: whether a running process has it. Each says so every half minute, and `offeredAt` is the last time.
    """

    id: str
    name: str
    pattern: str
    priority: int
    retries: list[float] | None
    ordered_by: str | None
    offered: bool
    offered_at: datetime
    waiting: int
    retired_at: datetime | None
    created_at: datetime


class FunctionList(Answer, frozen=True, kw_only=True):
    """A page of functions."""

    items: list[FunctionOut]
    limit: int
    has_more: bool
    next_cursor: str | None = None


def _out(row: Mapping[str, Any]) -> FunctionOut:
    return FunctionOut(**{name: row[name] for name in FunctionOut.__struct_fields__})


@routes.get("", permission=READ, limit="other", response_model=FunctionList, summary="The functions of services")
async def list_functions(scope: ScopeDep, paging: PageDep) -> Response:
    """Oldest first, with those that were retired while deliveries of their time are kept."""
    page = await offering.functions(scope, paging.ask)
    shown = Page([_out(one) for one in page.items], page.next_after, has_more=page.has_more)
    return paging.listing("items", shown)


@routes.get(
    "/{function_id}",
    permission=READ,
    limit="other",
    response_model=FunctionOut,
    summary="One function of a service",
    errors=(FunctionNotFound,),
)
async def get_function(scope: ScopeDep, function_id: str) -> Response:
    """As it is now."""
    return document(_out(await offering.function(scope, function_id)))


@routes.delete(
    "/{function_id}",
    permission=MANAGE,
    limit="other",
    response_model=None,
    status=204,
    summary="Retire a function of a service",
    errors=(FunctionNotFound,),
)
async def retire_function(scope: ScopeDep, function_id: str) -> Response:
    """Nothing is planned for it any more, and what waits for it is dropped.

    A running process that has it stops within half a minute; one that registers it anew brings it back.
    """
    await offering.retire(scope, function_id)
    return no_content()
