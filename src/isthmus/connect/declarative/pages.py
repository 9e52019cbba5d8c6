"""How a declared list goes on, by the client's own ways of paging; the place of a page as a text (pure)."""

from datetime import datetime

import msgspec

from isthmus.client import Cursor, LinkHeader, NextUrl, Offset, PageNumber, Paging, SinglePage, Step
from isthmus.client.url import Scalar
from isthmus.connect import service
from isthmus.connect.faults import CursorUnreadable
from isthmus.connect.service import Endpoint
from isthmus.connect.spi import Window


def of(paging: service.Paging, size: int) -> Paging:
    """The way of paging that the facts describe."""
    sized = {paging.size_param: size} if paging.size_param else {}
    if paging.style == "page":
        param = paging.param or "page"
        return PageNumber(param=param, size_param=paging.size_param or None, size=size, start=paging.start)
    if paging.style == "offset":
        param, limit = paging.param or "offset", paging.size_param or "limit"
        return Offset(param=param, limit_param=limit, limit=size, total=paging.total or None)
    if paging.style == "cursor":
        param, path = paging.param or "cursor", paging.cursor or "next_cursor"
        return Cursor(param=param, path=path, more=paging.more or None, start=sized)
    if paging.style == "link":
        return LinkHeader()
    if paging.style == "next_url":
        return NextUrl(path=paging.cursor or "next")
    return SinglePage()


def written(step: Step | None) -> str | None:
    """A page's place as the store keeps it."""
    return None if step is None else msgspec.json.encode((dict(step.query), step.url)).decode()


def read(cursor: str) -> Step:
    """The place again. Raises CursorUnreadable for a text that is none."""
    try:
        query, url = msgspec.json.decode(cursor, type=tuple[dict[str, str | int], str | None])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CursorUnreadable("the cursor does not belong to this provider") from error
    return Step(dict(query), url)


def since(endpoint: Endpoint, window: Window) -> dict[str, Scalar]:
    """The parameter that narrows a list to what changed, where the far side has one."""
    if not endpoint.since or window.since is None:
        return {}
    return {endpoint.since: _shown(window.since, endpoint.since_format)}


def _shown(moment: datetime, form: service.TimeFormat) -> str | int:
    if form == "date":
        return moment.date().isoformat()
    if form == "epoch":
        return int(moment.timestamp())
    if form == "epoch_ms":
        return int(moment.timestamp() * 1000)
    return moment.isoformat().replace("+00:00", "Z")
