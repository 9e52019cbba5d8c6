"""What runs could not read, and what rehearsed ones would have written, over HTTP."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from starlette.responses import Response

from isthmus.features.sync import service
from isthmus.features.sync.errors import RunNotFound
from isthmus.features.sync.model import exchange
from isthmus.features.sync.routes.runs import READ, routes
from isthmus.http import Answer, PageDep, ScopeDep
from isthmus.kit.paging import Page


class FailedCallOut(Answer, frozen=True, kw_only=True):
    """A call to a platform and the status of its answer."""

    method: str
    url: str
    body: str
    status: int


class ItemErrorOut(Answer, frozen=True, kw_only=True):
    """A record that could not be read: what was asked of the platform, with secrets hidden, and what it sent.

    `request` is empty where no call was kept; of records that name persons nothing that was sent is.
    """

    id: str
    external_id: str
    reason: str
    request: FailedCallOut | None
    payload: Any
    created_at: datetime


class ItemErrorList(Answer, frozen=True, kw_only=True):
    """A page of item errors."""

    items: list[ItemErrorOut]
    limit: int
    has_more: bool
    next_cursor: str | None = None


class RunChangeOut(Answer, frozen=True, kw_only=True):
    """A record that a dry run would have created or updated."""

    external_id: str
    change: str


class RunChangeList(Answer, frozen=True, kw_only=True):
    """A page of changes."""

    items: list[RunChangeOut]
    limit: int
    has_more: bool
    next_cursor: str | None = None


@routes.get(
    "/runs/{run_id}/errors",
    permission=READ,
    limit="other",
    response_model=ItemErrorList,
    summary="Records that a run could not read",
    errors=(RunNotFound,),
)
async def list_errors(scope: ScopeDep, paging: PageDep, run_id: str) -> Response:
    """In the order they were met."""
    page = await service.errors(scope, run_id, paging.ask)
    items = [_error(row) for row in page.items]
    return paging.listing("items", Page(items, page.next_after, None, page.has_more))


@routes.get(
    "/runs/{run_id}/changes",
    permission=READ,
    limit="other",
    response_model=RunChangeList,
    summary="What a dry run would have written",
    errors=(RunNotFound,),
)
async def list_changes(scope: ScopeDep, paging: PageDep, run_id: str) -> Response:
    """In the order it was met; empty for any other run."""
    page = await service.changes(scope, run_id, paging.ask)
    items = [RunChangeOut(external_id=row["external_id"], change=row["change"]) for row in page.items]
    return paging.listing("items", Page(items, page.next_after, None, page.has_more))


def _error(row: Mapping[str, Any]) -> ItemErrorOut:
    asked, sent = exchange(row["payload"])
    call = None if asked is None else FailedCallOut(**msgspec.structs.asdict(asked))
    return ItemErrorOut(**{**row, "request": call, "payload": _payload(sent)})


def _payload(sent: bytes) -> object:
    """JSON where it is JSON, else a readable text; it may have been cut."""
    try:
        return msgspec.json.decode(sent)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return sent.decode("utf-8", "replace")
